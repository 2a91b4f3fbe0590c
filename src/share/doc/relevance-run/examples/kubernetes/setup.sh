#!/bin/sh
# Once per namespace, and again after an upgrade: push the image, and make the secret and the messages that the files
# beside this one use. Needs kubectl, and docker (ENGINE=podman works too) with the image relevance-run:0.1.0, which
# ../container/run.sh and `make image` build.
#
#   sh setup.sh registry.example/relevance-run:0.1.0
#
# It asks for the token only if there is no secret yet. To replace the token: sh secret.sh
set -eu

engine=${ENGINE:-docker} image=${1:?usage: sh setup.sh REGISTRY/relevance-run:0.1.0}
"$engine" tag relevance-run:0.1.0 "$image"
"$engine" push "$image"
for file in cronjob.yaml indexed.yaml on-failure.yaml; do
    sed "s|image: .*|image: $image|" "$file" > "$file.new"
    mv "$file.new" "$file"
done

kubectl get secret relevance > /dev/null 2>&1 || sh secret.sh

# For indexed.yaml: one file per message, named by its index: messages/0, messages/1 and so on; 1 MiB in all.
if test -d messages; then
    kubectl create configmap messages --from-file=messages --dry-run=client --output=yaml |
        kubectl apply --server-side --force-conflicts --filename=-
fi

cat << END

Next: set the region, the agent and the message in cronjob.yaml, indexed.yaml or on-failure.yaml, then
   kubectl apply -f cronjob.yaml
Do not wait for the schedule: kubectl create job --from=cronjob/news news-now
The answer is in the log: kubectl logs job/news-now
END
