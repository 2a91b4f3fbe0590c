#!/bin/sh
# What a shell script does: curl and jq, and a poll every three seconds (or POLL_SECONDS).
set -eu
auth="Authorization: $RELEVANCE_AUTH_TOKEN"
body=$(jq -n --arg agent "$RELEVANCE_AGENT_ID" '{message: {role: "user", content: "Hello"}, agent_id: $agent}')
job=$(curl -sS -H "$auth" -H 'Content-Type: application/json' -d "$body" "$RELEVANCE_BASE_URL/agents/trigger")
path=$(printf '%s' "$job" | jq -r '.job_info | "studios/\(.studio_id)/async_poll/\(.job_id)"')
while :; do
    status=$(curl -sS -H "$auth" "$RELEVANCE_BASE_URL/$path?ending_update_only=true")
    answer=$(printf '%s' "$status" | jq -r '[.updates[] | select(.type == "chain-success")] | last | .output.output.answer // empty')
    if [ -n "$answer" ]; then
        printf '%s\n' "$answer"
        break
    fi
    sleep "${POLL_SECONDS:-3}"
done
