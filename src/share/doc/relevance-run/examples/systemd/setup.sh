#!/bin/sh
# Once, as root, in the folder of these files; needs systemd 250 or later (Debian 12, Ubuntu 24.04, RHEL 9):
#
#   sh setup.sh https://artifacts.example/relevance-run-VERSION-TARGET.tar.gz
#
# The archive is what `make dist` makes, wherever the team keeps such; file:///PATH will do.
# It asks for the authorization token of the API-keys page. Only root can read it; systemd hands it to the service,
# which runs as a user that exists only while it runs.
set -eu

units=$PWD url=${1:?usage: sh setup.sh URL-OF-THE-ARCHIVE}
downloaded=$(mktemp -d)
cd "$downloaded"
curl -fsSL -O "$url" -O "$url.sha256"
sha256sum -c "${url##*/}.sha256"
tar -xzf "${url##*/}" -C /usr/local --strip-components=1 --no-same-owner --wildcards '*/bin' '*/share'
cd "$units" && rm -r "$downloaded"

install -d -m 0700 /etc/credstore
echo 'Paste the token, then Enter and Ctrl-D:'
install -m 0400 /dev/stdin /etc/credstore/relevance

install -m 0644 relevance-news.service relevance-news-again.service relevance-news.timer /etc/systemd/system
systemctl daemon-reload
systemctl enable relevance-news-again.service
systemctl enable --now relevance-news.timer

# Before or after: set the agent and the region in relevance-news.service, or with `systemctl edit relevance-news`.
# The answers are in /var/lib/relevance-news, the messages in `journalctl -u relevance-news`.
