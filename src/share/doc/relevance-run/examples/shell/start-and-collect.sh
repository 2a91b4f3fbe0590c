#!/bin/sh
# Start a run now, do something else, collect its answer later.
#
# The run is recorded in report.run, so the first command can be repeated at any time: it never starts a second run.
# The second command is the first without --no-wait. It waits, writes the answer and removes report.run.
set -eu

relevance-run --run-file report.run --no-wait 'Write the report'
echo 'something else'
relevance-run --run-file report.run --output report.md 'Write the report'
