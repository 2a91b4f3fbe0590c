#!/bin/sh
# Many messages, four at a time: one a line in messages.txt. The answer to line N is answers/N.txt, and what went wrong
# with it runs/N.err. Needs an xargs with -P (GNU, BSD, busybox).
#
# Run it again after anything, a SIGKILL or a power cut included: what has its answer is left alone, what is on is
# taken up, and only what has neither is started. (A run that ended in exit code 1 is then a new run.)
set -eu

mkdir -p answers runs
seq "$(grep -c '' messages.txt)" | xargs -P 4 -I N sh -c '
    test -e answers/N.txt && exit
    sed -n Np messages.txt | relevance-run --run-file runs/N.run --output answers/N.txt 2> runs/N.err && exit
    echo "line N: exit code $?, see runs/N.err" >&2 && false'
