# shellcheck shell=bash
# A real cron daemon, at the time that the recipe names, as the user that it names: on a server without curl and without
# a mail server, then with a sendmail that keeps the mail.
needs cron faketime logger wget
shellcheck "$EXAMPLES/setup.sh" "$EXAMPLES/relevance-daily"
serve FAKE_API_TAKES=500
release
export URL BASE_URL TOKEN
cat > machine.sh << 'END'
set -euo pipefail
. "$ENVIRONMENTS/lib.sh"
# A /dev of its own, with a log in it.
mkdir /run/dev
for device in null zero full random urandom tty pts ptmx shm; do
    if test -d "/dev/$device"; then mkdir "/run/dev/$device"; else touch "/run/dev/$device"; fi
    mount --bind "/dev/$device" "/run/dev/$device"
done
for name in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -s "/proc/self/${name#*:}" "/run/dev/${name%:*}"; done
mount --rbind /run/dev /dev
python3 - > "$WORK/syslog" << 'PYTHON' &
import socket
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind("/dev/log")
while True:
    print(log.recv(65536).decode(), flush=True)
PYTHON
started+=($!)
within 10 test -S /dev/log
chmod 666 /dev/log

# The first time, without curl and from a server. The mode of a directory that exists stays as it is.
rm -f "$(command -v curl)" /usr/sbin/sendmail
chmod 2775 /usr/local/bin
port=$(free_port)
(cd release && exec python3 -m http.server --bind 127.0.0.1 "$port" > /dev/null 2>&1) &
started+=($!)
serving() { wget -q -O /dev/null "http://127.0.0.1:$port/"; }
within 10 serving
cp -R "$EXAMPLES" recipe && cd recipe
printf '%s\n' "$TOKEN" | sh setup.sh "http://127.0.0.1:$port/${URL##*/}" > first
grep -q '^/var/lib/relevance/DATE.txt' first
cmp /usr/local/bin/relevance-run "$BINARY"
test "$(stat -c %a /usr/local/bin)" = 2775
# Again, as an upgrade: the token stays, and is not asked for.
sh setup.sh "$URL" > again < /dev/null
fails grep -q Paste again
test "$(cat /etc/relevance/token)" = "$TOKEN"
test "$(stat -c '%U %a' /etc/relevance/token)" = 'relevance 400'
# The check that it proposes, as it stands there.
sed -n '/^   setpriv/,/--check/p' again | RELEVANCE_BASE_URL=$BASE_URL sh > checked
grep -q '^ok: ' checked
fails setpriv --reuid nobody --regid nogroup --clear-groups cat /etc/relevance/token 2> /dev/null

rm -f /etc/cron.d/* /etc/crontab /var/spool/cron/crontabs/*
# The fake API's address before the file, else the file as it is.
crontab() { { echo "RELEVANCE_BASE_URL=$BASE_URL" && cat "$1"; } > /etc/cron.d/relevance; }
# Lets a daemon that starts a moment before TIME run until COMMAND... holds.
at() {
    FAKETIME="@2026-11-25 $1:55" LD_PRELOAD=$(echo /usr/lib/*/faketime/libfaketime.so.1) cron -f &
    local daemon=$!
    shift
    within 60 "$@"
    kill "$daemon"
    wait "$daemon" || true
}
crontab relevance
today=/var/lib/relevance/$(date +%F)
at 06:14 test -e "$today.txt"
test "$(cat "$today.txt")" = 'You said: Summarise the news of today'
test "$(stat -c %U "$today.txt")" = relevance
within 10 test ! -e "$today.run"
triggered 1

# The second line of the day finds the answer, and does nothing. A sign tells that it has ended.
sed 's/relevance-daily%/relevance-daily; touch seen%/' relevance > with-a-sign
crontab with-a-sign
at 06:44 test -e /var/lib/relevance/seen
triggered 1
test ! -e "$today.err"
fails grep -q 'relevance-daily: ' "$WORK/syslog"

# What went wrong, without a mail server: in the log of the system, and in a file beside where the answer would be.
rm "$today.txt"
sed 's/%Summarise/%fail: no news,/' relevance > failing
crontab failing
at 07:14 grep -q 'relevance-daily: exit code 1; see ' "$WORK/syslog"
grep -q 'relevance-daily: relevance-run: ' "$WORK/syslog"
grep -q '^relevance-run: ' "$today.err"
within 10 grep -q 'No MTA installed' "$WORK/syslog"
triggered 2
test ! -e "$today.txt"

# With one, it is mailed as well.
printf '#!/bin/sh\ncat >> %s/mail\n' "$WORK" > /usr/sbin/sendmail
chmod 755 /usr/sbin/sendmail
touch "$WORK/mail" && chmod 666 "$WORK/mail"
at 07:14 grep -q 'relevance-daily: relevance-run: ' "$WORK/mail"
grep -q '^To: root' "$WORK/mail"
test "$(grep -c 'fail: no news\|relevance-run: ' "$WORK/mail")" = 1
triggered 3
END
on_a_copy_of_this_machine bash machine.sh
