# shellcheck shell=bash disable=SC2154
needs git jq
serve
at_a_shell
shellcheck --exclude=SC2016 "$EXAMPLES"/*.sh

test "$(sh "$EXAMPLES/two-turns.sh")" = 'You said: Which is the longest?'
triggered 2
# A rejection in the first turn: its exit code, and no message to a conversation called "null".
code=0
RELEVANCE_AUTH_TOKEN=other:sk-0123456789abcdef sh "$EXAMPLES/two-turns.sh" > refused 2> refused.err || code=$?
test "$code" = 3 || fail "exit code $code"
test ! -s refused
triggered 3

sh "$EXAMPLES/start-and-collect.sh" > collect
test "$(cat report.md)" = 'You said: Write the report'
test ! -e report.run
triggered 4

# Not reached, then a timeout while the run is in progress, then its answer; one run.
cat > once-slower << 'END'
#!/bin/sh
echo "$@" >> calls
case $(wc -l < calls) in
1) RELEVANCE_BASE_URL=http://127.0.0.1:1/latest exec relevance-run --timeout 1 "$@" ;;
2) exec relevance-run --timeout 1 "$@" ;;
*) exec relevance-run "$@" ;;
esac
END
mkdir bin && sed 's|relevance-run|'"$BINARY"'|' once-slower > bin/relevance-run && chmod +x bin/relevance-run
PATH=$PWD/bin:$PATH PAUSES='0 0 0 0' sh "$EXAMPLES/retry.sh" news.run 'What is new?' > retried 2> retried.err
test "$(cat retried)" = 'You said: What is new?'
test "$(wc -l < calls)" = 3
triggered 5
# After exit code 1, the run failed, nothing is repeated.
code=0
PAUSES='0 0 0 0' sh "$EXAMPLES/retry.sh" fail.run 'fail: no' 2> failed.err || code=$?
test "$code" = 1 || fail "exit code $code"
triggered 6

# An instruction, and a diff as its data.
git init --quiet --initial-branch main app && cd app
git config user.name test && git config user.email test@example.com
echo 'one line' > file
git add . && git commit --quiet --message first
make_branches
git checkout --quiet empty
sh "$EXAMPLES/review.sh" main > ../reviewed 2> ../reviewed.err
test ! -s ../reviewed
grep -qx 'no changes since main' ../reviewed.err
fails sh "$EXAMPLES/review.sh" nowhere 2> /dev/null
triggered 6
for branch in small large; do
    git checkout --quiet $branch
    sh "$EXAMPLES/review.sh" main > ../reviewed
    { printf 'You said: Review this diff\n\n' && git diff main... && echo; } | cmp - ../reviewed
done
triggered 8
