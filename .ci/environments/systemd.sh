# shellcheck shell=bash
# A real systemd, as process 1 of a copy of this machine.
needs systemd-analyze dbus-daemon
shellcheck --exclude=SC2016 "$EXAMPLES"/*.sh
systemd-analyze calendar 'Mon..Fri 06:15' > /dev/null
grep -q '^OnCalendar=Mon..Fri 06:15$' "$EXAMPLES/relevance-news.timer"
systemd-analyze security --offline=yes --threshold=29 "$EXAMPLES/relevance-news.service" > exposure
# The labels of the journal that the file explains.
for label in 3:NOTIMPLEMENTED 4:NOPERMISSION 5:NOTINSTALLED; do
    systemd-analyze exit-status "${label%:*}" | grep -q "^${label#*:} "
    grep -q "${label%:*}/${label#*:}" "$EXAMPLES/relevance-news.service"
done
serve FAKE_API_TAKES=3000
release
export URL BASE_URL TOKEN
cat > boot.sh << 'END'
set -euo pipefail
# No unit but those that are asked for.
rm -rf /lib/systemd/system/*.wants /etc/systemd/system/*.wants
cat > /etc/systemd/system/test.service << UNIT
[Unit]
DefaultDependencies=no
[Service]
PassEnvironment=PATH ENVIRONMENTS WORK EXAMPLES BINARY URL BASE_URL TOKEN
WorkingDirectory=$WORK
ExecStart=/bin/bash -c '. "\$\$ENVIRONMENTS/lib.sh"; . ./test.sh'
ExecStopPost=systemctl exit \$EXIT_STATUS
StandardOutput=append:$WORK/log
StandardError=append:$WORK/log
UNIT
# What systemd makes of control groups stays in this one.
umount --recursive /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
# As the first systemd of a machine does; else no credential reaches a service.
mount --make-rshared /
export container=test
exec /lib/systemd/systemd --system --unit=test.service --show-status=no --log-target=null
END
cat > test.sh << 'END'
# The journal, for what it says of a failure.
systemctl start systemd-journald.service
chmod 2775 /usr/local/bin
printf '%s\n' "$TOKEN" > token
(cd "$EXAMPLES" && sh setup.sh "$URL") < token
# Again, as an upgrade: token and units stay, and nothing is asked for.
sed -i 's/^Description=Summarise the news$/& now/' /etc/systemd/system/relevance-news.service
(cd "$EXAMPLES" && sh setup.sh "$URL") < /dev/null > again
fails grep -q Paste again
test "$(cat /etc/credstore/relevance)" = "$TOKEN"
test "$(stat -c %a /etc/credstore/relevance)" = 400
test "$(stat -c %a /usr/local/bin)" = 2775
grep -q '^Description=Summarise the news now$' /etc/systemd/system/relevance-news.service
# The check that it proposes, as it stands there.
sed -n '/^   RELEVANCE_AUTH_TOKEN_FILE/,/--check/p' again | RELEVANCE_BASE_URL=$BASE_URL sh > checked
grep -q '^ok: ' checked
systemd-analyze verify --man=no /etc/systemd/system/relevance-news{,-again,-failed}.service \
    /etc/systemd/system/relevance-news.timer
systemctl is-active --quiet relevance-news.timer
systemctl is-enabled --quiet relevance-news.timer relevance-news-again.service

service=relevance-news.service
mkdir -p "/etc/systemd/system/$service.d" /etc/systemd/system/relevance-news.timer.d
cat > "/etc/systemd/system/$service.d/test.conf" << UNIT
[Service]
Environment=RELEVANCE_BASE_URL=$BASE_URL
RestartSec=200ms
UNIT
systemctl daemon-reload
state=/var/lib/relevance-news
today=$state/$(date +%F)
is() { test "$(systemctl show --property="$1" --value "$service")" = "$2"; }
over() { is ActiveState inactive || is ActiveState failed; }

# SIGKILL in the middle of a run: it is resumed.
systemctl start "$service"
within 10 test -s "$today.run"
systemctl kill --signal=KILL "$service"
within 20 test -e "$today.txt"
within 10 over
test "$(cat "$today.txt")" = 'You said: Summarise the news of today'
is NRestarts 1 && is Result success || fail 'it was not started again'
test "$(ls "$state")" = "${today##*/}.txt"
triggered 1

# The answer is there, and the timer changes nothing; nor does the other service, with no run in progress.
printf '[Timer]\nOnCalendar=\nOnActiveSec=1ms\n' > /etc/systemd/system/relevance-news.timer.d/test.conf
systemctl daemon-reload
systemctl restart relevance-news.timer
within 20 is Result exec-condition
systemctl start relevance-news-again.service
within 10 over
triggered 1

# Ended in the middle of a run, as before a reboot, and then the reboot.
rm "$today.txt"
systemctl start "$service"
within 10 test -s "$today.run"
systemctl stop "$service"
is ActiveState inactive || fail 'systemctl stop left a failed unit'
journalctl --unit="$service" --output=cat | grep -q 'resume with'
systemctl start relevance-news-again.service
within 20 test -e "$today.txt"
within 10 over
triggered 2

# One more, on the spot; systemd-run needs the bus.
systemctl start dbus.socket
sed "s|--setenv=RELEVANCE_REGION=us|& --setenv=RELEVANCE_BASE_URL=$BASE_URL|" "$EXAMPLES/once.sh" > once.sh
test "$(sh once.sh 'Who is at ${HOME}?')" = 'You said: Who is at ${HOME}?'
triggered 3

# What reaches somebody: a run that fails, with a mail server and without. Both are stand-ins.
printf '#!/bin/sh\ncat > %s/mail\n' "$WORK" > /usr/local/sbin/sendmail
printf '#!/bin/sh\ncat > %s/walled\n' "$WORK" > /usr/local/bin/wall
chmod 755 /usr/local/sbin/sendmail /usr/local/bin/wall
rm "$today.txt"
cat > "/etc/systemd/system/$service.d/fail.conf" << 'UNIT'
[Service]
ExecStart=
ExecStart=/usr/local/bin/relevance-run "fail: no news"
UNIT
systemctl daemon-reload
systemctl start "$service"
within 10 is ActiveState failed
within 10 grep -q '^relevance-run: .*no news' mail
grep -q '^To: root$' mail
rm /usr/local/sbin/sendmail
hash -r
if command -v sendmail > /dev/null; then rm "$(command -v sendmail)"; fi
systemctl start "$service"
within 10 grep -qs '^relevance-run: .*no news' walled
rm "/etc/systemd/system/$service.d/fail.conf"
systemctl daemon-reload
triggered 5

# Which exit codes are started again: a stand-in that ends with one, and the second time well.
for code in 1 2 3 4 5 124 130 143; do
    rm -f $state/again
    printf '#!/bin/sh\ntest -e again || { touch again; exit %s; }\n' "$code" > /usr/local/bin/relevance-run
    systemctl reset-failed "$service"
    systemctl start "$service" || true
    within 10 over
    case $code in
    1 | 2 | 3) is Result exit-code && is NRestarts 0 || fail "started again after $code" ;;
    *) is Result success && is NRestarts 1 || fail "not started again after $code" ;;
    esac
done
# And not for ever; then somebody is told.
rm walled
printf '#!/bin/sh\necho >> calls; exit 5\n' > /usr/local/bin/relevance-run
systemctl reset-failed "$service"
systemctl start "$service"
within 20 is ActiveState failed
test "$(wc -l < $state/calls)" = 6
within 10 grep -qs 'has failed' walled
END
on_a_copy_of_this_machine bash boot.sh || { cat log && false; }
