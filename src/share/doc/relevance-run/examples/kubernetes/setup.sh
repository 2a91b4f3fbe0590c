#!/bin/sh
# Once for each namespace: the image, the secret and the messages that the files beside this one name. Needs kubectl.
#
#   sh setup.sh registry.example/relevance-run:0.1.0
#
# The image is the one of ../container/Dockerfile, pushed to the team's own registry.
set -eu

sed -i "s|image: .*|image: $1|" cronjob.yaml indexed.yaml on-failure.yaml
echo 'Paste the token, then Enter and Ctrl-D:'
kubectl create secret generic relevance --from-file=token=/dev/stdin

# For indexed.yaml: a file for each message, named by its index, as messages/0, messages/1 and so on; 1 MiB in all.
if test -d messages; then
    kubectl create configmap messages --from-file=messages
fi

# Then: edit region, agent and message in a file, and
#   kubectl apply -f cronjob.yaml
