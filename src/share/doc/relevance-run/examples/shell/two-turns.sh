#!/bin/sh
# A conversation of two turns. Needs jq.
#
# Where the first turn fails, its exit code ends the script (-e), and nothing is said into a conversation named null:
# jq -e fails where there is no conversation_id.
set -eu

first=$(relevance-run --json 'Name three rivers')
conversation=$(printf '%s' "$first" | jq -er .conversation_id)
relevance-run --conversation "$conversation" 'Which is the longest?'
