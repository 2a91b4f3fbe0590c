# shellcheck shell=bash
# xargs, then GNU parallel: twenty messages, stopped in the middle by SIGKILL and repeated.
needs parallel unshare
shellcheck --exclude=SC2016 "$EXAMPLES"/*.sh
serve FAKE_API_TAKES=2000
at_a_shell

answers() { find answers -name '*.txt' 2> /dev/null | wc -l; }
# The moment to kill: some have their answer, and four runs are in progress. (If one is killed in the middle of its
# trigger, it may not be known whether it was started: that would be left to a person.)
in_the_middle() { test "$(answers)" -ge 5 && test "$(cat runs/*.run 2> /dev/null | grep -c '')" = 8; }
check() {
    test "$(answers)" = 20 || fail "$(answers) answers"
    for n in {1..20}; do
        test "$(cat "answers/$n.txt")" = "You said: $(sed -n "${n}p" messages.txt)" ||
            fail "the answer to line $n: $(cat "answers/$n.txt")"
    done
    test -z "$(sort "$WORK/triggers" | uniq -d)" || fail 'a message was sent twice'
}

for recipe in xargs parallel; do
    mkdir $recipe && cd $recipe
    for n in {1..20}; do echo "$recipe: message $n, with 'two' \"words\" and --$n"; done > messages.txt
    # Process 1 of its own processes: with its end they all end, as when the power is cut.
    unshare --pid --fork --kill-child --mount-proc bash "$EXAMPLES/$recipe.sh" 2> errors &
    all=$!
    within 30 in_the_middle
    kill -KILL $all
    wait $all || true
    test "$(answers)" -lt 20
    bash "$EXAMPLES/$recipe.sh"
    check
    cd ..
done
triggered 40

# Exit codes: what failed, and what is tried again. A failed run is not tried again.
mkdir codes && cd codes
printf 'one\nfail: no\nthree\n' > messages.txt
code=0
bash "$EXAMPLES/parallel.sh" 2> errors || code=$?
test "$code" = 1 || fail "exit code $code"
test "$(answers)" = 2
test "$(cat runs/2.over)" = 1
triggered 43
code=0
bash "$EXAMPLES/parallel.sh" 2> errors || code=$?
triggered 43
test "$code" = 1 || fail "exit code $code"
code=0
sh "$EXAMPLES/xargs.sh" 2> errors || code=$?
test "$code" = 123 || fail "exit code $code"
grep -q '^line 2: exit code 1, see runs/2.err$' errors
grep -q '^relevance-run: ' runs/2.err
