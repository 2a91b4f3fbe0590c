#!/bin/sh
# Install or upgrade, as root, in the directory of these files, on Debian 12 or any Linux with GNU tar, useradd and a
# cron that reads /etc/cron.d (Debian's, cronie):
#
#   sh setup.sh ARCHIVE_URL
#
# ARCHIVE_URL is where you keep the tarball that `make dist` builds; file:///PATH works too. A download needs curl or
# wget; a minimal Debian has neither (apt-get install curl).
# The first time it asks for the authorization token from the Integrations & API Keys page, which only the user
# relevance can read afterwards. To replace the token, remove /etc/relevance/token and repeat this command.
set -eu

files=$PWD url=${1:?usage: sh setup.sh ARCHIVE_URL}
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
cd "$files"
install -m 0755 relevance-daily /usr/local/bin/relevance-daily

id relevance > /dev/null 2>&1 ||
    useradd --system --user-group --home-dir /var/lib/relevance --shell /usr/sbin/nologin relevance
install -d -o relevance -g relevance -m 0750 /var/lib/relevance
install -d -o root -g relevance -m 0750 /etc/relevance
if ! test -s /etc/relevance/token; then
    echo 'Paste the token, then press Enter and Ctrl-D:'
    install -o relevance -g relevance -m 0400 /dev/stdin /etc/relevance/token
fi

cat << END

Installed $(/usr/local/bin/relevance-run --version). Next:
1. Set the agent, the region and the message in $files/relevance.
2. Check that they match the token; this starts nothing:
   setpriv --reuid relevance --regid relevance --clear-groups env \\
       RELEVANCE_AUTH_TOKEN_FILE=/etc/relevance/token RELEVANCE_REGION=us \\
       relevance-run --check --agent your-agent-id
3. Give it to cron, under a name without a dot:
   install -m 0644 relevance /etc/cron.d/relevance
From then on cron asks at 06:15 from Monday to Friday. The answer is in
/var/lib/relevance/DATE.txt, and what goes wrong in /var/lib/relevance/DATE.err
and in the system log: journalctl -t relevance-daily.
END
