# shellcheck shell=bash
# The image, built and run by podman.
needs dockerfilelint jq podman podman-compose runc
shellcheck "$EXAMPLES/run.sh"
dockerfilelint "$EXAMPLES/Dockerfile"
check-jsonschema --builtin-schema vendor.compose-spec "$EXAMPLES/compose.yaml"
version=$("$BINARY" --version | awk '{ print $2 }')
grep -q "image: relevance-run:$version$" "$EXAMPLES/compose.yaml"
grep -q "^image=relevance-run:$version$" "$EXAMPLES/run.sh"
export version
serve FAKE_API_TAKES=3000
release
cat > engine.sh << 'END'
cp "$EXAMPLES"/* .
printf '%s\n' "$TOKEN" > pasted
ask() { ENGINE=podman sh run.sh "$URL" "$@" < pasted 2> built; }
test "$(ask 'What is new?')" = 'You said: What is new?'
triggered 1
test "$(stat -c '%u %a' token)" = '65534 400'
test -z "$(ls state)"
# The image is the binary, and has no more; what the container was started with does not hold the token.
podman image inspect "relevance-run:$version" > image
jq -e '.[0] | (.RootFS.Layers | length == 1) and .Config.User == "65534:65534"' image > /dev/null
fails grep -q "$TOKEN" image

# SIGKILL in the middle of a run: the same command resumes it in a new container.
ask 'And now?' > first 2>&1 &
asked=$!
on() { test "$(grep -c '' state/news.run 2> /dev/null)" = 2; }
within 20 on
fails grep -q "$TOKEN" <(podman inspect --latest)
podman kill --signal KILL --latest > /dev/null
wait "$asked" || test $? = 137
test "$(ask 'And now?')" = 'You said: And now?'
triggered 2

printf 'services:\n  news:\n    network_mode: host\n' > host.yaml
podman-compose --in-pod false --file compose.yaml --file host.yaml run --rm -T news > composed < /dev/null
test "$(tail -n 1 composed)" = 'You said: Summarise the news of today'
triggered 3

# One line, with the token in a file of whoever asks.
(umask 077 && cat pasted > mine)
podman run --rm --user "$(id -u)" -v "$PWD/mine:/token:ro" -e RELEVANCE_AUTH_TOKEN_FILE=/token -e RELEVANCE_REGION=us \
    -e RELEVANCE_AGENT_ID=your-agent-id "relevance-run:$version" 'Say hello' > hello
test "$(cat hello)" = 'You said: Say hello'
triggered 4
END
with_podman ./engine.sh
