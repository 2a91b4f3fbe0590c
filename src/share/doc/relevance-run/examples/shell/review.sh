#!/bin/sh
# Have an agent review the changes of this branch: an instruction, and the diff as its data.
#
#   sh review.sh main
#
# The agent gets the instruction, a blank line and the diff. The diff goes in through standard input, which has no limit
# on its size and is not visible in ps.
set -eu

base=${1:?usage: sh review.sh BASE}
git rev-parse --verify "$base^{commit}" > /dev/null
if git diff --quiet "$base..."; then
    echo "no changes since $base" >&2
    exit
fi
git diff "$base..." | relevance-run --file - 'Review this diff'
