# What the environments share; `.ci/recipes` sources it before each of them, in a bash of its own with these variables:
# BINARY (relevance-run), FAKE_API, TOOLS, ENVIRONMENTS (this folder), EXAMPLES (the recipe's files), and WORK, an empty
# folder, where it starts.
# shellcheck shell=bash
set -Eeuo pipefail
trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: failed: $BASH_COMMAND" >&2' ERR
TOKEN=demo-project:sk-demo-0123456789abcdef # the one that the fake API takes

end() {
    local code=$? pid
    for pid in "${started[@]}"; do
        kill "$pid" 2> /dev/null || true
    done
    rm -rf "${made[@]}"
    if test -n "${groups-}"; then find "$groups" -depth -type d -exec rmdir {} + || true; fi
    exit "$code"
}
started=() made=()
trap end EXIT

fail() {
    echo "${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}: $*" >&2
    exit 1
}

# Asks that these commands are there.
needs() {
    local command missing=()
    for command; do
        command -v "$command" > /dev/null || missing+=("$command")
    done
    test "${#missing[@]}" = 0 || fail "not installed: ${missing[*]}; .ci/run has the packages"
}

# Asks that COMMAND... fails.
fails() { if "$@"; then fail "did not fail: $*"; fi; }

# Beside main, which has a file: a branch without a difference, one with a small one, and one with 200 KiB, checked out.
make_branches() {
    git checkout --quiet -b empty
    git commit --quiet --allow-empty --message 'no difference'
    git checkout --quiet -b small main
    echo 'a second line' >> file
    git commit --quiet --all --message small
    git checkout --quiet -b large main
    awk 'BEGIN { while (n++ < 5000) print "a line of forty characters, more or less" }' >> file
    git commit --quiet --all --message large
}

# Waits for an event: within SECONDS COMMAND...
within() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || fail "not within its time: $*"
        sleep 0.1
    done
}

# Starts the fake API, and sets BASE_URL; the file triggers gets a line for each trigger. Options: VAR=VALUE...
serve() {
    env FAKE_API_RECORD="$WORK/triggers" "$@" "$FAKE_API" > api 2> api.err &
    started+=($!)
    within 10 grep -qs BASE_URL api
    BASE_URL=$(sed -n 's/^export RELEVANCE_BASE_URL=//p' api)
}

# A port that nobody uses.
free_port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# How many runs have been started; `triggered N` asks that it is N.
triggers() { if test -e "$WORK/triggers"; then wc -l < "$WORK/triggers"; else echo 0; fi; }
triggered() { test "$(triggers)" -eq "$1" || fail "$(triggers) runs were started, not $1"; }

# The environment of a person at a shell.
at_a_shell() {
    export RELEVANCE_BASE_URL=$BASE_URL RELEVANCE_AUTH_TOKEN=$TOKEN RELEVANCE_AGENT_ID=demo-agent RELEVANCE_REGION=us
    PATH=$(dirname "$BINARY"):$PATH
}

# What `make dist` makes, as a team would keep it: sets URL.
release() {
    local name repository=$ENVIRONMENTS/../..
    name=relevance-run-$("$BINARY" --version | awk '{ print $2 }')-$(uname -m)-unknown-linux
    mkdir -p "release/$name/bin"
    cp "$BINARY" "release/$name/bin/relevance-run"
    cp -R "$repository/README.md" "$repository/src/share" "release/$name"
    tar -czf "release/$name.tar.gz" -C release "$name"
    (cd release && sha256sum "$name.tar.gz" > "$name.tar.gz.sha256")
    URL=file://$PWD/release/$name.tar.gz
}

# Runs COMMAND... as root in a copy of this machine's disk that is thrown away afterwards, with processes of its own,
# and in a control group of its own. The network, the repository and WORK are shared.
on_a_copy_of_this_machine() {
    # Removed at the end.
    groups=$(findmnt --noheadings --first-only --types cgroup2 --output TARGET)/recipes-$$
    mkdir copy "$groups"
    REPOSITORY=$(realpath "$ENVIRONMENTS/../..") bash -c 'echo $$ > "$0/cgroup.procs" && exec unshare "$@"' "$groups" \
        --mount --pid --ipc --uts --cgroup --fork --kill-child bash -euc '
        mount -t tmpfs none copy && cd copy && mkdir upper work root
        mount -t overlay none -o lowerdir=/,upperdir=upper,workdir=work root && cd root
        for folder in /dev /sys "$REPOSITORY" "$(dirname "$WORK")"; do
            mkdir -p ".$folder" && mount --rbind "$folder" ".$folder"
        done
        mount -t proc none proc
        for folder in run dev/shm; do mount -t tmpfs none "$folder"; done
        mkdir -p mnt && pivot_root . mnt && umount --lazy mnt
        exec bash -c "cd \"\$WORK\" && exec \"\$@\"" "$@"
    ' bash bash "$@"
}

# Has podman run the script $1, with a store of its own, the network of this machine and the fake API's address. Its
# control groups are those of this machine, in a folder that it may write.
with_podman() {
    local store code=0
    # Not below WORK: with a long path of its socket, podman takes twenty seconds to see that a container has ended.
    store=$(mktemp -d)
    made+=("$store")
    mkdir podman
    cat > podman/containers.conf << END
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
env = ["RELEVANCE_BASE_URL=$BASE_URL"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
END
    cat > podman/storage.conf << END
[storage]
driver = "vfs"
graphroot = "$store/storage"
runroot = "$store/run"
END
    printf '[[registry]]\nlocation = "localhost"\ninsecure = true\n' > podman/registries.conf
    CONTAINERS_CONF=$PWD/podman/containers.conf CONTAINERS_STORAGE_CONF=$PWD/podman/storage.conf \
        CONTAINERS_REGISTRIES_CONF=$PWD/podman/registries.conf BASE_URL=$BASE_URL URL=$URL TOKEN=$TOKEN \
        unshare --mount bash -euc '
            if test "$(stat --file-system --format=%T /sys/fs/cgroup)" != cgroup2fs; then
                mount -t tmpfs none /mnt
                for folder in /sys/fs/cgroup/*; do
                    test "$folder" != /sys/fs/cgroup/unified && mountpoint --quiet "$folder" || continue
                    mkdir "/mnt/${folder##*/}" && mount --bind "$folder" "/mnt/${folder##*/}"
                done
                mount --move /mnt /sys/fs/cgroup
            fi
            code=0
            bash -c ". \"\$ENVIRONMENTS/lib.sh\"; . \"\$1\"" bash "$1" || code=$?
            podman pod rm --all --force > /dev/null
            podman rm --all --force > /dev/null
            exit "$code"' bash "$1" || code=$?
    find /sys/fs/cgroup -depth -type d -path '*/libpod_parent*' -exec rmdir {} + 2> /dev/null || true
    return "$code"
}
