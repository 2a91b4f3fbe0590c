# shellcheck shell=bash
# The pipeline, by gitlab-ci-local with the shell of this machine.
serve FAKE_API_TAKES=1500
release
check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci "$EXAMPLES/gitlab-ci.yml"

export HOME=$WORK
git config --global user.name test && git config --global user.email test@example.com
git init --quiet --initial-branch main app && cd app
git remote add origin https://git.example/team/app.git
cp "$EXAMPLES/gitlab-ci.yml" .gitlab-ci.yml
echo .gitlab-ci-local > .gitignore
echo 'one line' > file
git add . && git commit --quiet --message first
git update-ref refs/remotes/origin/main main && git remote set-head origin main
make_branches
printf '%s\n' "$TOKEN" > ../token

# run PIPELINE: on the branch that is checked out.
run() {
    gitlab-ci-local --force-shell-executor --shell-isolation --no-color \
        --variable CI_PIPELINE_SOURCE=merge_request_event --variable CI_PIPELINE_ID="$1" \
        --variable CI_MERGE_REQUEST_DIFF_BASE_SHA="$(git rev-parse main)" \
        --variable RELEVANCE_AUTH_TOKEN_FILE="$WORK/token" --variable RELEVANCE_RUN_URL="$URL" \
        --variable RELEVANCE_AGENT_ID=demo-agent --variable RELEVANCE_BASE_URL="$BASE_URL" > ../log 2>&1 < /dev/null
}
answer=.gitlab-ci-local/builds/use/answer.txt
said() { { echo 'You said: Review this change:' && git diff main... && echo; } | cmp - $answer; }

git checkout --quiet empty
run 1
triggered 0
test ! -e $answer

git checkout --quiet small
run 2
said
triggered 1
fails grep -q 'a second line' ../log

# A timeout while the run is on, then "Retry".
rm $answer
sed -i 's/--timeout 10m/--timeout 1s/' .gitlab-ci.yml
fails run 3
test ! -e $answer
git checkout --quiet .gitlab-ci.yml
run 3
said
triggered 2

git checkout --quiet large
run 4
said
test "$(wc -c < $answer)" -gt 204800
triggered 3
