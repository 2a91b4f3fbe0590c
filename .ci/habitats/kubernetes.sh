# shellcheck shell=bash
# The files against the schema of the oldest version that they name and of a new one, then their pods by podman.
shellcheck "$EXAMPLES/setup.sh"
for file in "$EXAMPLES"/*.yaml; do
    oldest=$(grep -om 1 'Kubernetes 1[.][0-9]* or later' "$file" | cut -d ' ' -f 2)
    for version in "$oldest" 1.36; do kubernetes-validate --strict --quiet --kubernetes-version "$version" "$file"; done
done
serve FAKE_API_TAKES=2000
release
cat > engine.sh << 'END'
podman build --quiet --tag relevance-run --file "$EXAMPLES/../container/Dockerfile" "$(dirname "$BINARY")" > build
cp "$EXAMPLES"/* .
mkdir messages bin
for n in {0..19}; do echo "Write letter $n" > messages/$n; done
# The real kubectl, which sends nothing, and shows what it would have made.
printf '#!/bin/sh\nexec %s "$@" --dry-run=client --output=json > "made-$2.json"\n' "$(command -v kubectl)" > bin/kubectl
chmod +x bin/kubectl
PATH=$PWD/bin:$PATH sh setup.sh localhost/relevance-run <<< "$TOKEN"
kubelet() { python "$HABITATS/kubelet.py" "$@"; }
state=volumes
on() { test "$(grep -c '' "$state/$1" 2> /dev/null)" = 2; }

# A pod that is lost in the middle of a run: the next one takes it up.
kubelet cronjob.yaml > news 2> pods &
job=$!
within 20 on news/news-1.run
podman kill --signal KILL news-1-0-0 > /dev/null
wait $job
test "$(cat news)" = 'You said: Summarise the news of today'
diff <(grep 'exit code' pods) - <<< $'news-1-0-0: exit code 137\nnews-1-0-1: exit code 0'
test -z "$(ls $state/news)"
triggered 1

# The run's own failure ends the Job: one pod, one run.
sed 's/Summarise/fail:/; s/name: news$/name: failing/' cronjob.yaml > failing.yaml
fails kubelet failing.yaml > failed 2> pods
diff <(grep 'exit code' pods) - <<< 'failing-1-0-0: exit code 1'
triggered 2

# Its container is started again where it is.
kubelet on-failure.yaml 2> pods &
job=$!
within 20 on report/report.run
podman kill --signal KILL report-0-0 > /dev/null
wait $job
test "$(cat $state/report/report.txt)" = 'You said: Write the report'
triggered 3

# Twenty messages, of which two lose their pod.
kubelet indexed.yaml 20 2> pods &
job=$!
for n in 3 5; do
    within 60 on letters/$n.run
    podman kill --signal KILL letters-$n-0 > /dev/null
done
wait $job
grep -q '^letters-3-1: exit code 0$' pods && grep -q '^letters-5-1: exit code 0$' pods
for n in {0..19}; do test "$(cat $state/letters/$n.txt)" = "You said: Write letter $n"; done
triggered 23
END
with_podman ./engine.sh
