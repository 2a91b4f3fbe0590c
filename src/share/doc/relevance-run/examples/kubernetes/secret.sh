#!/bin/sh
# Make the secret with the authorization token, or replace the token in it: sh secret.sh. Needs kubectl.
# Pods that start afterwards use the new token; revoke the old one when no run is in progress.
set -eu

echo 'Paste the token, then press Enter and Ctrl-D:'
token=$(cat)
test -n "$token" || { echo 'no token; nothing was changed' >&2 && exit 1; }
# By the server, since kubectl itself would keep a copy of the token in an annotation.
printf '%s\n' "$token" |
    kubectl create secret generic relevance --from-file=token=/dev/stdin --dry-run=client --output=yaml |
    kubectl apply --server-side --force-conflicts --filename=-
