#!/bin/sh
# Give the same command again for as long as that is right: retry.sh FILE [OPTION...] MESSAGE
#
#   sh retry.sh news.run --output news.txt 'Summarise the news of today'
#
# FILE is the run file. With it the same command is right after 4 (not started), 5 and 124 (started, and taken up), and
# never starts a second run. 1 is the run's own failure: again would be a new run. 2 and 3 need mending first. After
# 128+n somebody ended it, and may give it again by hand.
# The message is an argument or a --file: standard input could be read only once.
set -eu

file=${1:?usage: sh retry.sh FILE MESSAGE}
shift
for pause in ${PAUSES:-0 60 300 900}; do
    sleep "$pause"
    code=0
    relevance-run --run-file "$file" "$@" || code=$?
    case $code in
    4 | 5 | 124) ;;
    *) exit "$code" ;;
    esac
done
exit "$code"
