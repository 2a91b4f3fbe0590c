# shellcheck shell=bash
# The pipeline, by gitlab-ci-local with the shell of this machine. In place of GitLab's API stands a server that has a
# package and keeps notes, each for the token that it takes.
needs check-jsonschema gitlab-ci-local
serve FAKE_API_TAKES=1500
release
check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci "$EXAMPLES"/*.yml
cat > gitlab.py << 'END'
import http.server, os, urllib.parse

class GitLab(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        file = os.path.join("release", os.path.basename(self.path))
        packages = "/api/v4/projects/1/packages/generic/relevance-run/1/"
        found = self.path.startswith(packages) and os.path.exists(file) and self.headers["JOB-TOKEN"] == "job-demo"
        self.answer(200 if found else 404, open(file, "rb").read() if found else b"")

    def do_POST(self):
        body = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["body"][0]
        allowed = self.headers["PRIVATE-TOKEN"] == "glpat-demo" and self.path == "/api/v4/projects/1/merge_requests/7/notes"
        if allowed:
            open("note", "w").write(body)
        self.answer(201 if allowed else 401, b"{}")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.HTTPServer(("127.0.0.1", 0), GitLab)
print(server.server_port, flush=True)
server.serve_forever()
END
python3 gitlab.py > port 2> requests &
started+=($!)
within 10 test -s port
api=http://127.0.0.1:$(cat port)/api/v4

export HOME=$WORK
git config --global user.name test && git config --global user.email test@example.com
git init --quiet --initial-branch main app && cd app
git remote add origin https://git.example/team/app.git
{ echo 'include: [{local: relevance-note.yml}]' && cat "$EXAMPLES/gitlab-ci.yml"; } > .gitlab-ci.yml
cp "$EXAMPLES/relevance-note.yml" .
echo .gitlab-ci-local > .gitignore
echo 'one line' > file
git add . && git commit --quiet --message first
git update-ref refs/remotes/origin/main main && git remote set-head origin main
make_branches
printf '%s\n' "$TOKEN" > ../token
echo glpat-demo > ../note-token

url=$URL from=1
# run PIPELINE: on the branch that is checked out.
run() {
    gitlab-ci-local --force-shell-executor --shell-isolation --no-color \
        --variable CI_PIPELINE_SOURCE=merge_request_event --variable CI_PIPELINE_ID="$1" \
        --variable CI_MERGE_REQUEST_DIFF_BASE_SHA="$(git rev-parse main)" --variable CI_API_V4_URL="$api" \
        --variable CI_PROJECT_ID=1 --variable CI_JOB_TOKEN=job-demo --variable CI_MERGE_REQUEST_IID=7 \
        --variable CI_MERGE_REQUEST_PROJECT_ID=1 --variable CI_MERGE_REQUEST_SOURCE_PROJECT_ID="$from" \
        --variable RELEVANCE_AUTH_TOKEN_FILE="$WORK/token" --variable RELEVANCE_NOTE_TOKEN_FILE="$WORK/note-token" \
        --variable RELEVANCE_RUN_URL="$url" --variable RELEVANCE_AGENT_ID=demo-agent \
        --variable RELEVANCE_BASE_URL="$BASE_URL" > ../log 2>&1 < /dev/null
}
answer=.gitlab-ci-local/builds/use-answer/answer.txt
said() { { printf 'You said: Review this diff\n\n' && git diff main... && echo; } | cmp - $answer; }

git checkout --quiet empty
run 1
triggered 0
test ! -e $answer
test ! -e ../note

# From a fork there is no job; a variable that is missing is named.
git checkout --quiet small
from=2 run 2
fails grep -q 'review' ../log
url='' fails run 2
grep -q 'RELEVANCE_RUN_URL: set this CI/CD variable' ../log
triggered 0

run 2
said
triggered 1
fails grep -q 'a second line' ../log
fails grep -q 'glpat-demo' ../log
cmp ../note <(sed 's/^/> /' $answer)

# From the package registry of this GitLab, which wants a login.
rm $answer
url=$api/projects/1/packages/generic/relevance-run/1/${URL##*/} run 3
said
triggered 2

# A timeout while the run is in progress, then "Retry".
rm $answer
sed -i 's/--timeout 10m/--timeout 1s/' .gitlab-ci.yml
fails run 4
test ! -e $answer
git checkout --quiet .gitlab-ci.yml
run 4
said
triggered 3

git checkout --quiet large
run 5
said
test "$(wc -c < $answer)" -gt 204800
triggered 4
