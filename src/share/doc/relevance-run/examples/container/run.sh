#!/bin/sh
# Build the image and ask, as root: sh run.sh ARCHIVE_URL MESSAGE
# Docker 20.10 or later; ENGINE=podman works too (tested: 4.3). ARCHIVE_URL is where you keep the tarball that
# `make dist` builds; file:///PATH works too. To upgrade, remove the file relevance-run first. Standard output is the
# answer alone.
#
# The token is a file that only the container's user can read; it is part of neither the image nor its environment. The
# run file is in a directory of the host, so it is safe to repeat the command after 4, 5, 124 or a signal, even in a new
# container. No restart policy: --restart=on-failure does not look at exit codes, and would start a new run after 1.
set -eu

engine=${ENGINE:-docker}
url=${1:?usage: sh run.sh ARCHIVE_URL MESSAGE}
message=${2:?usage: sh run.sh ARCHIVE_URL MESSAGE}
image=relevance-run:0.1.0
if ! test -e relevance-run; then
    name=${url##*/}
    curl -fsSL -O "$url" -O "$url.sha256"
    if command -v sha256sum > /dev/null; then sha256sum -c "$name.sha256"; else shasum -a 256 -c "$name.sha256"; fi >&2
    tar -xzf "$name" --strip-components=2 "${name%.tar.gz}/bin/relevance-run"
fi
"$engine" build --tag "$image" . >&2

install -d -o 65534 -g 65534 -m 0750 state
if ! test -s token; then
    echo 'Paste the token, then press Enter and Ctrl-D:' >&2
    install -o 65534 -g 65534 -m 0400 /dev/stdin token
fi
"$engine" run --rm --read-only --cap-drop ALL --security-opt no-new-privileges --memory 256m \
    --volume "$PWD/token:/token:ro" --volume "$PWD/state:/state" \
    --env RELEVANCE_AUTH_TOKEN_FILE=/token \
    --env RELEVANCE_REGION="${RELEVANCE_REGION:-us}" \
    --env RELEVANCE_AGENT_ID="${RELEVANCE_AGENT_ID:-your-agent-id}" \
    "$image" --run-file /state/news.run -- "$message"
