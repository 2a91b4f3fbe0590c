#!/bin/sh
# Build the image and ask, as root: run.sh https://artifacts.example/relevance-run-VERSION-TARGET.tar.gz MESSAGE
# Docker 20.10 or later; ENGINE=podman does as well (tried: 4.3).
#
# The token is a file that only the user of the container can read; it is part of neither the image nor its
# environment. The run file is in a folder of the host, so that the same command is right again after 4, 5, 124 and a
# signal, in a new container too. A restart policy (--restart=on-failure) knows no exit codes: it would start a new run
# after 1.
set -eu

engine=${ENGINE:-docker} url=${1:?usage: sh run.sh URL-OF-THE-ARCHIVE MESSAGE} message=${2:?MESSAGE}
if ! test -e relevance-run; then
    curl -fsSL -O "$url" -O "$url.sha256"
    sha256sum -c "${url##*/}.sha256"
    tar -xzf "${url##*/}" --strip-components=2 --wildcards '*/bin/relevance-run'
fi
"$engine" build --tag relevance-run .

install -d -o 65534 -g 65534 -m 0750 state
if ! test -e token; then
    echo 'Paste the token, then Enter and Ctrl-D:'
    install -o 65534 -g 65534 -m 0400 /dev/stdin token
fi
"$engine" run --rm --read-only --cap-drop ALL --security-opt no-new-privileges --memory 256m \
    --volume "$PWD/token:/token:ro" --volume "$PWD/state:/state" \
    --env RELEVANCE_AUTH_TOKEN_FILE=/token \
    --env RELEVANCE_REGION="${RELEVANCE_REGION:-us}" \
    --env RELEVANCE_AGENT_ID="${RELEVANCE_AGENT_ID:-your-agent-id}" \
    relevance-run --run-file /state/news.run -- "$message"
