#!/bin/sh
# A conversation of two turns. Needs jq.
#
# If the first turn fails, the script ends with its exit code (-e), and no message is sent to a conversation called
# "null": jq -e fails if there is no conversation_id.
set -eu

first=$(relevance-run --json 'Name three rivers')
conversation=$(printf '%s' "$first" | jq -er .conversation_id)
relevance-run --conversation "$conversation" 'Which is the longest?'
