#!/bin/sh
# Ask once, now, as root, with the token of setup.sh, as a user that exists only while it runs: sh once.sh MESSAGE
# systemd 247 or later. The message goes in through standard input: systemd would expand ${...} in an argument.
set -eu

printf '%s' "${1:?usage: sh once.sh MESSAGE}" | systemd-run --quiet --collect --wait --pipe \
    --property=DynamicUser=yes \
    --property=LoadCredential=token:/etc/credstore/relevance \
    --setenv=RELEVANCE_REGION=us \
    --setenv=RELEVANCE_AGENT_ID=your-agent-id \
    sh -c 'RELEVANCE_AUTH_TOKEN_FILE=$CREDENTIALS_DIRECTORY/token exec /usr/local/bin/relevance-run'
