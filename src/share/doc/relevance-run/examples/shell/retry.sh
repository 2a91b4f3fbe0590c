#!/bin/sh
# Repeat a command for as long as its exit code says that this is safe: retry.sh FILE [OPTION...] MESSAGE
#
#   sh retry.sh news.run --output news.txt 'Summarise the news of today'
#
# FILE is the run file. With it, it is safe to repeat the command after 4 (nothing was started), 5 or 124: it resumes
# the run. After 1 (the run failed), a repeat starts a new run; 2 and 3 must be fixed first. 128+n means that somebody
# stopped it; they may repeat it by hand.
# The message is an argument or a --file: standard input could be read only once.
set -eu

file=${1:?usage: sh retry.sh FILE [OPTION...] MESSAGE}
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
