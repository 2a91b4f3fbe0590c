#!/bin/sh
# Once, as root, on Debian 12 or any Linux with useradd and a cron that reads /etc/cron.d (Debian's, cronie):
#
#   sh setup.sh https://artifacts.example/relevance-run-VERSION-TARGET.tar.gz
#
# The archive is what `make dist` makes, wherever the team keeps such; file:///PATH will do.
# It asks for the authorization token of the API-keys page, which only the user relevance can read afterwards.
set -eu

url=${1:?usage: sh setup.sh URL-OF-THE-ARCHIVE}
downloaded=$(mktemp -d)
cd "$downloaded"
curl -fsSL -O "$url" -O "$url.sha256"
sha256sum -c "${url##*/}.sha256"
tar -xzf "${url##*/}" -C /usr/local --strip-components=1 --no-same-owner --wildcards '*/bin' '*/share'
cd / && rm -r "$downloaded"

id relevance > /dev/null 2>&1 ||
    useradd --system --user-group --home-dir /var/lib/relevance --shell /usr/sbin/nologin relevance
install -d -o relevance -g relevance -m 0750 /var/lib/relevance
install -d -o root -g relevance -m 0750 /etc/relevance
echo 'Paste the token, then Enter and Ctrl-D:'
install -o relevance -g relevance -m 0400 /dev/stdin /etc/relevance/token

# Then: edit the agent and the region in the file relevance beside this script; see whether they go with the token:
#   setpriv --reuid relevance --regid relevance --clear-groups \
#       env RELEVANCE_AUTH_TOKEN_FILE=/etc/relevance/token RELEVANCE_REGION=us relevance-run --check --agent your-agent-id
# and put it where cron reads it, under a name with no dot in it:
#   install -m 0644 relevance /etc/cron.d/relevance
