#!/bin/bash
# Many messages, four at a time, with GNU parallel (tried: 20221122) and bash: one a line in messages.txt. The answer to
# line N is answers/N.txt, what went wrong with it runs/N.err, and the exit code of each stands in the file joblog.
#
# Run it again after anything, a SIGKILL or a power cut included: what has its answer is left alone, what is on is taken
# up, and only what has neither is started.
set -eu

# --retries and --resume-failed know no exit codes, so that the function does: after 4, 5, 124 and a signal the same
# command is right, with the run file. After 1 (the run's own failure) it would be a new run, and 2 and 3 need mending:
# such a line is not tried again until its file in runs/ that ends in .over is removed.
ask() {
    local code=0
    test -e "answers/$1.txt" && return 0
    test -e "runs/$1.over" && return "$(cat "runs/$1.over")"
    sed -n "$1p" messages.txt |
        relevance-run --run-file "runs/$1.run" --output "answers/$1.txt" 2> "runs/$1.err" || code=$?
    case $code in
    1 | 2 | 3) echo "$code" > "runs/$1.over" ;;
    esac
    return "$code"
}
export -f ask

mkdir -p answers runs
seq "$(grep -c '' messages.txt)" | parallel --jobs 4 --retries 3 --joblog joblog --resume-failed ask
