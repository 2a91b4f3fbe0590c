# shellcheck shell=bash
# A real cron daemon, at the time that the recipe names, as the user that it names, with a sendmail that keeps the mail.
shellcheck "$EXAMPLES/setup.sh"
serve FAKE_API_TAKES=500
release
export URL BASE_URL TOKEN
cat > machine.sh << 'END'
set -euo pipefail
. "$HABITATS/lib.sh"
printf '%s\n' "$TOKEN" | sh "$EXAMPLES/setup.sh" "$URL"
cmp /usr/local/bin/relevance-run "$BINARY"
as_relevance() { setpriv --reuid relevance --regid relevance --clear-groups "$@"; }
as_relevance env RELEVANCE_AUTH_TOKEN_FILE=/etc/relevance/token RELEVANCE_REGION=us RELEVANCE_BASE_URL="$BASE_URL" \
    relevance-run --check --agent your-agent-id
fails setpriv --reuid nobody --regid nogroup --clear-groups cat /etc/relevance/token 2> /dev/null

printf '#!/bin/sh\ncat >> %s/mail\n' "$WORK" > /usr/sbin/sendmail
chmod 755 /usr/sbin/sendmail
touch "$WORK/mail" && chmod 666 "$WORK/mail"
rm -f /etc/cron.d/* /etc/crontab /var/spool/cron/crontabs/*

# The fake API's address before the file, else the file as it is.
crontab() { { echo "RELEVANCE_BASE_URL=$BASE_URL" && cat "$1"; } > /etc/cron.d/relevance; }
# Lets a daemon that starts a moment before TIME run until COMMAND... holds.
at() {
    FAKETIME="@2026-11-25 $1:58" LD_PRELOAD=$(echo /usr/lib/*/faketime/libfaketime.so.1) cron -f &
    local daemon=$!
    shift
    within 60 "$@"
    kill "$daemon"
    wait "$daemon" || true
}
crontab "$EXAMPLES/relevance"
today=/var/lib/relevance/$(date +%F)
at 06:14 test -e "$today.txt"
test "$(cat "$today.txt")" = 'You said: Summarise the news of today'
test "$(stat -c %U "$today.txt")" = relevance
within 10 test ! -e "$today.run"
triggered 1

# The second line of the day finds the answer, and does nothing. A sign in the file tells that it was there.
sed 's/^15,45.*/45 6 * * 1-5 root touch \/run\/seen\n&/' "$EXAMPLES/relevance" > with-a-sign
crontab with-a-sign
at 06:44 test -e /run/seen
triggered 1
test ! -s "$WORK/mail"

# What went wrong is mailed.
rm "$today.txt"
sed 's/%Summarise/%fail: no news,/' "$EXAMPLES/relevance" > failing
crontab failing
at 07:14 grep -q '^relevance-run: ' "$WORK/mail"
grep -q '^To: root' "$WORK/mail"
triggered 2
test ! -e "$today.txt"
END
on_a_copy_of_this_machine bash machine.sh
