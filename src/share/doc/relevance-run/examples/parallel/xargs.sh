#!/bin/sh
# Many messages, four at a time: one per line in messages.txt. The answer to line N is answers/N.txt, and its errors are
# in runs/N.err. Needs an xargs with -P (GNU, BSD, busybox).
#
# Safe to repeat at any time, even after a SIGKILL or a power cut: lines that have an answer are skipped, runs in
# progress are resumed, and only the rest are started. (A run that failed, exit code 1, is started anew.)
set -eu

mkdir -p answers runs
seq "$(grep -c '' messages.txt)" | xargs -P 4 -I N sh -c '
    test -e answers/N.txt && exit
    sed -n Np messages.txt | relevance-run --run-file runs/N.run --output answers/N.txt 2> runs/N.err && exit
    echo "line N: exit code $?, see runs/N.err" >&2 && false'
