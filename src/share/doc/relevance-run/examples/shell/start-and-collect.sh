#!/bin/sh
# Start a run now, do something else, collect its answer later.
#
# report.run remembers the run, and its first command may be given again after anything: it never starts a second one.
# The second command is the first without --no-wait. It waits, writes the answer, and removes report.run.
set -eu

relevance-run --run-file report.run --no-wait 'Write the report'
echo 'something else'
relevance-run --run-file report.run --output report.md 'Write the report'
