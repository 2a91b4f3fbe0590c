#!/bin/bash
# Many messages, four at a time, with GNU parallel (tested: 20221122) and bash: one per line in messages.txt. The answer
# to line N is answers/N.txt, its errors are in runs/N.err, and the exit codes are in the file joblog.
#
# Safe to repeat at any time, even after a SIGKILL or a power cut: lines that have an answer are skipped, runs in
# progress are resumed, and only the rest are started.
set -eu

# --retries and --resume-failed do not look at the exit code, so the function does. With the run file it is safe to
# repeat the command after 4, 5, 124 or a signal: it resumes the run. After 1 (the run failed), a repeat starts a new
# run; 2 and 3 must be fixed first. Such a line is skipped until you remove its file runs/N.over.
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
