# shellcheck shell=bash
# The files against the schema of each version that they name and of a new one; then the image goes to a real
# registry, and the pods of the Jobs are run by podman, which pulls it from there. The Job controller is played by hand:
# a pod that was lost is made again.
needs catatonit docker-registry jq kubectl kubernetes-validate podman runc
shellcheck "$EXAMPLES"/*.sh
version=$("$BINARY" --version | awk '{ print $2 }')
for file in "$EXAMPLES"/*.yaml; do
    for schema in $(grep -o '\b1[.][2-9][0-9]\b' "$file") 1.36; do
        kubernetes-validate --strict --quiet --kubernetes-version "$schema" "$file"
    done
    grep -q "image: registry.example/relevance-run:$version$" "$file"
done
# Why another pod is not tried after a failed run: the rule has no engine here to run it.
for file in cronjob indexed; do
    grep -A 1 'action: Fail' "$EXAMPLES/$file.yaml" | grep -q 'onExitCodes: {operator: In, values: \[1, 2, 3\]}'
done
serve FAKE_API_TAKES=3000
release
registry=localhost:$(free_port)
cat > registry.yml << END
version: 0.1
storage: {filesystem: {rootdirectory: $WORK/registry}}
http: {addr: "$registry"}
END
docker-registry serve registry.yml > registry.log 2>&1 &
started+=($!)
registry_answers() { curl -fs "http://$registry/v2/" > /dev/null; }
within 10 registry_answers
image=$registry/relevance-run:$version
export version image
cat > engine.sh << 'END'
podman build --quiet --tag "relevance-run:$version" --file "$EXAMPLES/../container/Dockerfile" \
    "$(dirname "$BINARY")" > build
cp "$EXAMPLES"/* .
mkdir messages bin
for n in {0..5}; do echo "Write letter $n" > messages/$n; done
# The real kubectl makes what is applied; there is no cluster to send it to, which holds what was applied so far.
cat > bin/kubectl << 'KUBECTL'
#!/bin/sh
case $1 in
get) test -e "applied-$2.yaml" ;;
apply)
    cat > applied && kubernetes-validate --strict --quiet applied || exit
    mv applied "applied-$(sed -n 's/^kind: //p' applied | tr A-Z a-z).yaml" ;;
*) exec "$KUBECTL" "$@" ;;
esac
KUBECTL
chmod +x bin/kubectl
KUBECTL=$(command -v kubectl)
export KUBECTL
PATH=$PWD/bin:$PATH
export PATH ENGINE=podman
sh setup.sh "$image" <<< "$TOKEN" > first
test "$(grep -c "image: $image" cronjob.yaml indexed.yaml on-failure.yaml | grep -c ':1$')" = 3
token() { sed -n 's/^  token: //p' applied-secret.yaml | base64 --decode; }
test "$(token)" = "$TOKEN"
# Again, as an upgrade, nothing is asked for; then another token, and this one again.
sh setup.sh "$image" > again < /dev/null
fails grep -q Paste again
fails sh secret.sh < /dev/null > none 2>&1
test "$(token)" = "$TOKEN"
sh secret.sh <<< other:sk-0 > rotated
test "$(token)" = other:sk-0
sh secret.sh <<< "$TOKEN" > rotated
test "$(token)" = "$TOKEN"

podman rmi --force "relevance-run:$version" "$image" > /dev/null
# Before 4.4, podman took the data of a secret as they are.
if printf '4.3.99\n%s\n' "$(podman version --format '{{.Client.Version}}')" | sort --version-sort --check=quiet; then
    podman kube play applied-secret.yaml > /dev/null
else
    sed "s/^  token: .*/  token: $TOKEN/" applied-secret.yaml | podman secret create relevance - > /dev/null
fi
for file in cronjob indexed on-failure; do
    python "$ENVIRONMENTS/pods.py" claim $file.yaml | podman kube play - > /dev/null
done
# pod FILE POD JOB INDEX: a pod of that Job.
pod() {
    python "$ENVIRONMENTS/pods.py" "$@" > "$2.json"
    podman kube play --network host --configmap applied-configmap.yaml "$2.json" > /dev/null
}
code() { podman wait "$1-relevance-run"; }
state() { podman volume inspect --format '{{.Mountpoint}}' "$1"; }
on() { test "$(grep -c '' "$(state "$1")/$2" 2> /dev/null)" = 2; }
kill_container() { kill -KILL "$(podman inspect --format '{{.State.Pid}}' "$1-relevance-run")"; }

# A pod that is lost in the middle of a run: the next one resumes it.
pod cronjob.yaml news-1-a news-1 0
within 20 on news news-1.run
podman inspect news-1-a-relevance-run > inspected
jq -e '.[0] | .Config.User == "65534:65534" and .HostConfig.ReadonlyRootfs and .HostConfig.Memory == 268435456 and
    .HostConfig.SecurityOpt == ["no-new-privileges"] and (.EffectiveCaps // []) == []' inspected > /dev/null
fails grep -q "$TOKEN" inspected
kill_container news-1-a
test "$(code news-1-a)" = 137
pod cronjob.yaml news-1-b news-1 0
test "$(code news-1-b)" = 0
test "$(podman logs news-1-b-relevance-run)" = 'You said: Summarise the news of today'
test -z "$(ls "$(state news)")"
triggered 1

# The run's own failure is exit code 1, which ends the Job.
sed 's/Summarise/fail:/' cronjob.yaml > failing.yaml
pod failing.yaml failing-1-a failing-1 0
test "$(code failing-1-a)" = 1
triggered 2

# A container that is restarted in place, by podman itself.
pod on-failure.yaml report-a report 0
within 20 on report report.run
kill_container report-a
answered() { test -e "$(state report)/report.txt"; }
within 20 answered
test "$(cat "$(state report)/report.txt")" = 'You said: Write the report'
test "$(podman inspect --format '{{.RestartCount}}' report-a-relevance-run)" = 1
triggered 3

# One pod per message, of which two are lost.
for n in {0..5}; do
    pod indexed.yaml letters-$n-a letters $n
    case $n in 3 | 5) within 20 on letters $n.run && kill_container letters-$n-a ;; esac
done
for n in 3 5; do
    test "$(code letters-$n-a)" = 137
    pod indexed.yaml letters-$n-b letters $n
done
for n in {0..5}; do
    case $n in 3 | 5) test "$(code letters-$n-b)" = 0 ;; *) test "$(code letters-$n-a)" = 0 ;; esac
    test "$(cat "$(state letters)/$n.txt")" = "You said: Write letter $n"
done
triggered 9
END
with_podman ./engine.sh
