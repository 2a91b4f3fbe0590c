#!/bin/sh
# Install or upgrade, as root, in the directory of these files; needs systemd 250 or later (Debian 12, Ubuntu 24.04,
# RHEL 9):
#
#   sh setup.sh ARCHIVE_URL
#
# ARCHIVE_URL is where you keep the tarball that `make dist` builds; file:///PATH works too. A download needs curl or
# wget; a minimal Debian has neither (apt-get install curl).
# The first time it asks for the authorization token from the Integrations & API Keys page. Only root can read it;
# systemd hands it to the service, which runs as a user that exists only while it runs. To replace the token, remove
# /etc/credstore/relevance and repeat this command. Units that exist are left alone, since you may have changed them.
set -eu

units=$PWD url=${1:?usage: sh setup.sh ARCHIVE_URL}
fetch() {
    case $1 in
    file://*) cp "${1#file://}" . ;;
    *) if command -v curl > /dev/null; then curl -fsSL -O "$1"; else wget -q "$1"; fi ;;
    esac
}
downloaded=$(mktemp -d)
trap 'rm -rf "$downloaded"' EXIT
cd "$downloaded"
fetch "$url"
fetch "$url.sha256"
sha256sum -c "${url##*/}.sha256"
tar -xzf "${url##*/}" -C /usr/local --strip-components=1 --no-same-owner --no-overwrite-dir \
    --wildcards '*/bin' '*/share'
cd "$units"

test -d /etc/credstore || install -d -m 0700 /etc/credstore
if ! test -s /etc/credstore/relevance; then
    echo 'Paste the token, then press Enter and Ctrl-D:'
    install -m 0400 /dev/stdin /etc/credstore/relevance
fi
for unit in relevance-news.service relevance-news-again.service relevance-news-failed.service relevance-news.timer; do
    test -e "/etc/systemd/system/$unit" || install -m 0644 "$unit" /etc/systemd/system
done
systemctl daemon-reload
systemctl enable relevance-news-again.service
systemctl enable --now relevance-news.timer

cat << END

Installed $(/usr/local/bin/relevance-run --version). Next:
1. Set the agent, the region and the message in
   /etc/systemd/system/relevance-news.service, then: systemctl daemon-reload
2. Check that they match the token; this starts nothing:
   RELEVANCE_AUTH_TOKEN_FILE=/etc/credstore/relevance RELEVANCE_REGION=us \\
       relevance-run --check --agent your-agent-id
3. Do not wait for the timer: systemctl start relevance-news
The timer asks at 06:15 from Monday to Friday (systemctl list-timers relevance-news.timer).
The answer is in /var/lib/relevance-news/DATE.txt, and errors are in the journal:
journalctl -u relevance-news. A failure is mailed to root, or shown on all terminals.
END
