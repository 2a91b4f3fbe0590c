# shellcheck shell=bash
# The image, built and run by podman.
shellcheck "$EXAMPLES/run.sh"
dockerfilelint "$EXAMPLES/Dockerfile"
check-jsonschema --builtin-schema vendor.compose-spec "$EXAMPLES/compose.yaml"
serve FAKE_API_TAKES=1500
release
cat > engine.sh << 'END'
cp "$EXAMPLES"/* .
printf '%s\n' "$TOKEN" > pasted
ask() { ENGINE=podman sh run.sh "$URL" "$@" < pasted; }
test "$(ask 'What is new?' | tail -n 1)" = 'You said: What is new?'
triggered 1
test "$(stat -c '%u %a' token)" = '65534 400'
test -z "$(ls state)"
# The image is the binary, and has no more; what the container was started with does not hold the token.
podman image inspect relevance-run > image
jq -e '.[0].RootFS.Layers | length == 1' image > /dev/null
fails grep -q "$TOKEN" image

# SIGKILL in the middle of a run: the same command takes it up in a new container.
ask 'And now?' > first 2>&1 &
asked=$!
on() { test "$(grep -c '' state/news.run 2> /dev/null)" = 2; }
within 20 on
fails grep -q "$TOKEN" <(podman inspect --latest)
podman kill --signal KILL --latest > /dev/null
wait "$asked" || test $? = 137
test "$(ask 'And now?' | tail -n 1)" = 'You said: And now?'
triggered 2

printf 'services:\n  news:\n    network_mode: host\n' > host.yaml
podman-compose --in-pod false --file compose.yaml --file host.yaml run -T --rm news > composed < /dev/null
test "$(tail -n 1 composed)" = 'You said: Summarise the news of today'
triggered 3
END
with_podman ./engine.sh
