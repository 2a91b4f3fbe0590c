/*! What needs a network and a root folder of its own: names, process 1, and nothing else on the
disk.

These run as root inside a network namespace whose name server is 127.0.0.1; `.ci/run` makes one.
See `make isolated`. */

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::command::{Cmd, Folder, Output, Trusted, binary, relevance_run};
use crate::lines::RESUME;
use crate::script::{Script, Scripted, answered, in_progress, metadata};
use fake::names::{self, Answer};
use fake::server::{Reply, Step};
use fake::tls::Authority;

pub const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// How long `late.test` is not known, from the first query for it on: less than the first pause
/// before a second attempt.
const LATE: Duration = Duration::from_millis(300);

/// Where the address of `dead.test` that answers is, and one that swallows everything.
const ALIVE: [u8; 4] = [10, 99, 0, 1];
const DEAD: [u8; 16] = [
    0x20, 0x01, 0x0d, 0xb8, 0, 0x99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
];
/// Queries for `api.test`.
static QUERIES: AtomicUsize = AtomicUsize::new(0);
/// Queries for `once.test`.
static ONCE: AtomicUsize = AtomicUsize::new(0);

fn addresses(name: &str) -> Answer {
    static FIRST_LATE: OnceLock<Instant> = OnceLock::new();
    let local = Answer::Known(Some([127, 0, 0, 1]), None);
    match name {
        "api.test" => {
            QUERIES.fetch_add(1, Ordering::SeqCst);
            local
        }
        "late.test" if FIRST_LATE.get_or_init(Instant::now).elapsed() > LATE => local,
        // One look-up asks for an IPv4 and an IPv6 address.
        "once.test" if ONCE.fetch_add(1, Ordering::SeqCst) < 2 => local,
        "dead.test" => Answer::Known(Some(ALIVE), Some(DEAD)),
        "silent.test" => Answer::Silence,
        _ => Answer::Unknown,
    }
}

fn name_server() {
    static RUNNING: OnceLock<()> = OnceLock::new();
    RUNNING.get_or_init(|| names::serve(addresses));
}

fn over_tls(script: Script, authority: &Authority) -> Scripted {
    script
        .tls(authority.server(&["api.test", "late.test", "once.test", "dead.test"], false))
        .start()
}

fn url(api: &Scripted, host: &str) -> String {
    format!("https://{host}:{}/latest", api.server.address.port())
}

#[test]
#[ignore = "needs a network namespace"]
fn a_name_that_does_not_resolve_at_first_is_tried_again() {
    name_server();
    let Trusted { authority, pem, .. } = &Trusted::new();
    let api = over_tls(Script::run().poll(answered("Hi!")), authority);
    let output = relevance_run(&api)
        .env("RELEVANCE_BASE_URL", url(&api, "late.test"))
        .env("SSL_CERT_FILE", pem)
        .args(["-v", "Hello"])
        .run();
    output.exits(0).prints("Hi!\n");
    output.says(&["trigger: cannot resolve late.test: ", "attempt 2"]);
    assert_eq!(api.triggers(), 1);
}

/// A name is looked up when a connection is made, and at no other time.
#[test]
#[ignore = "needs a network namespace"]
fn one_look_up_a_connection() {
    name_server();
    let Trusted { authority, pem, .. } = &Trusted::new();
    let run = |host: &str, script: Script| {
        let api = over_tls(script, authority);
        let command = relevance_run(&api)
            .env("RELEVANCE_BASE_URL", url(&api, host))
            .env("SSL_CERT_FILE", pem);
        command.args(["-i", "1ms", "Hello"]).run().answers("Hi!");
        api.server.connections()
    };
    // No other test may ask for the name meanwhile.
    let _alone = crate::busy();
    let before = QUERIES.load(Ordering::SeqCst);
    assert_eq!(
        run(
            "api.test",
            Script::run()
                .polls(20, in_progress())
                .metadata_forever(metadata("running"))
                .poll(answered("Hi!"))
        ),
        1
    );
    let queries = QUERIES.load(Ordering::SeqCst) - before;
    assert!((1..=2).contains(&queries), "{queries} queries");
    // One for each of three connections.
    let closing = || in_progress().then(Step::Close);
    let before = QUERIES.load(Ordering::SeqCst);
    assert_eq!(
        run(
            "api.test",
            Script::run()
                .poll(closing())
                .poll(closing())
                .poll(answered("Hi!"))
        ),
        3
    );
    let queries = QUERIES.load(Ordering::SeqCst) - before;
    assert!((3..=6).contains(&queries), "{queries} queries");
    // A connection that is alive does not depend on a name server that has died meanwhile.
    assert_eq!(
        run(
            "once.test",
            Script::run()
                .polls(20, in_progress())
                .metadata_forever(metadata("running"))
                .poll(answered("Hi!"))
        ),
        1
    );
}

/// Broken IPv6 is the usual case: the first address swallows everything, and another answers.
#[test]
#[ignore = "needs a network namespace"]
fn a_dead_address_costs_less_than_a_second() {
    name_server();
    let make = "ip link add dead0 type veth peer name dead1 && ip link set dead0 up && ip link set \
                dead1 up && ip addr add 10.99.0.1/24 dev dead0 && ip addr add 2001:db8:99::1/64 \
                dev dead0 nodad && ip neigh add 2001:db8:99::2 lladdr 02:00:00:00:00:02 dev dead0 \
                nud permanent";
    assert!(
        Command::new("sh")
            .args(["-c", make])
            .status()
            .unwrap()
            .success()
    );
    let Trusted { authority, pem, .. } = &Trusted::new();
    let tls = authority.server(&["dead.test"], false);
    let api = Script::run()
        .polls(3, in_progress())
        .poll(answered("Hi!"))
        .tls(tls)
        .start_on("10.99.0.1:0");
    let command = relevance_run(&api)
        .env("RELEVANCE_BASE_URL", url(&api, "dead.test"))
        .env("SSL_CERT_FILE", pem);
    let output = command.args(["-i", "1ms", "Hello"]).run();
    output.answers("Hi!");
    assert_eq!(api.triggers(), 1);
    let took = output.took.as_millis();
    assert!((250..1000).contains(&took), "{output}");
    // Where none answers, each gets what time there is, and nothing was started.
    drop(api);
    let gone = Script::new().start();
    let command = relevance_run(&gone).env("RELEVANCE_BASE_URL", "https://dead.test:9/latest");
    let output = command.args(["-v", "-t", "11s", "Hello"]).run();
    let line = "timed out after 11s (--timeout); nothing was started (cannot reach dead.test:9: \
                timed out (connect))";
    output.exits(4).says(&[line]);
}

/// A disk that is full when the run file is claimed: nothing is sent, and nothing left.
#[test]
#[ignore = "needs root"]
fn a_full_disk() {
    let folder = Folder::new();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4k", "tmpfs"])
        .arg(&folder.0)
        .status();
    assert!(mount.unwrap().success());
    std::fs::write(folder.0.join("filler"), [b'x'; 4096]).unwrap();
    let api = Script::new().start();
    let output = relevance_run(&api)
        .arg("--run-file")
        .arg(folder.0.join("run"))
        .arg("Hello")
        .run();
    let line = format!(
        "cannot use --run-file {}: No space left on device; nothing was started",
        folder.0.join("run").display()
    );
    output.ends(2, &[&line]);
    assert_eq!(folder.names(), ["filler"]);
    let api = Script::run().poll(answered("Hi!")).start();
    let output = relevance_run(&api)
        .arg("-o")
        .arg(folder.0.join("answer"))
        .arg("Hello")
        .run();
    let line = format!(
        "cannot write the result to {}: No space left on device",
        folder.0.join("answer").display()
    );
    output.ends(5, &[&line, RESUME]);
    assert_eq!(folder.names(), ["filler"]);
    // Room for the one page that the file needs, and for no more: the second line fits into it.
    std::fs::remove_file(folder.0.join("filler")).unwrap();
    let api = Script::run().poll(answered("Hi!")).start();
    relevance_run(&api)
        .arg("--run-file")
        .arg(folder.0.join("run"))
        .arg("Hello")
        .run()
        .answers("Hi!");
    assert!(
        Command::new("umount")
            .arg(&folder.0)
            .status()
            .unwrap()
            .success()
    );
}

/// No room for the second line, here by a limit on the size of files: the run continues, and the
/// end is as usual.
#[test]
#[ignore = "needs prlimit"]
fn a_second_line_that_cannot_be_written_is_a_warning() {
    let folder = Folder::new();
    let file = folder.0.join("run");
    // As long as the first line, which another command leaves behind.
    let api = Script::new().trigger(Reply::hang()).start();
    let command = |api: &Scripted| relevance_run(api).arg("--run-file").arg(&file).arg("Hello");
    let running = command(&api).spawn();
    api.wait_for_requests(1);
    running.signal(Signal::KILL);
    running.wait();
    let length = std::fs::metadata(&file).unwrap().len();
    std::fs::remove_file(&file).unwrap();

    let api = Script::run().poll(answered("Hi!")).start();
    let script = format!(r#"exec prlimit --fsize={} "$RUN" "$@""#, length + 3);
    let output = command(&api).env("PATH", PATH).in_shell(&script).run();
    output.exits(0).prints("Hi!\n");
    let line = format!(
        "warning: cannot write --run-file {}: File too large; run studio-1/job-1 has started but \
         is not recorded, so keep this id to resume it",
        file.display()
    );
    output.writes(&[&line]);
    assert!(folder.names().is_empty());
}

/// A disk whose `fsync` takes three seconds holds up neither the deadline nor a signal, and nothing
/// is left on it.
#[test]
#[ignore = "needs strace"]
fn a_disk_that_hangs() {
    for (timeout, code) in [("1s", Some(124)), ("60s", None)] {
        let folder = Folder::new();
        let log = folder.0.join("log");
        let api = Script::run().poll(answered("Hi!")).start();
        let ours = relevance_run(&api)
            .arg("-o")
            .arg(folder.0.join("answer"))
            .args(["-t", timeout, "Hello"]);
        let script =
            r#"exec strace -f -qq -ttt -o "$LOG" -e inject=fsync:delay_enter=3000000 "$RUN" "$@""#;
        let ours = ours.env("PATH", PATH).env("LOG", &log);
        let running = ours.in_shell(script).spawn();
        api.wait_for_requests(2);
        if code.is_none() {
            crate::eventually("the disk", || {
                std::fs::read_to_string(&log).unwrap().contains("fsync")
            });
            kill_process(last_child(running.pid()), Signal::TERM).unwrap();
        }
        let output = without_strace(running.wait());
        let cause = match code {
            Some(code) => {
                output.exits(code);
                "timed out after 1s (--timeout)"
            }
            None => {
                output.stopped_by(Signal::TERM);
                "stopped by SIGTERM"
            }
        };
        let line = format!("{cause}; the result was being written");
        output.prints("").writes(&[&line, RESUME]);
        assert_eq!(folder.names(), ["log"]);
        // The tracer itself waits for the disk. When the process asked to end is in its log.
        let log = std::fs::read_to_string(log).unwrap();
        let at = |what: &str| -> f64 {
            let line = log.lines().find(|line| line.contains(what)).expect(what);
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let took = match code {
            Some(_) => at("exit_group(") - at("execve(") - 1.0,
            None => at("+++ killed by SIGTERM") - at("--- SIGTERM"),
        };
        assert!(took < 1.0, "{took} s\n{output}");
    }
}

#[test]
#[ignore = "needs a network namespace"]
fn a_name_server_that_does_not_answer() {
    name_server();
    let api = Script::new().start();
    let to_silent = || {
        relevance_run(&api)
            .env("RELEVANCE_BASE_URL", url(&api, "silent.test"))
            .arg("Hello")
    };
    let output = to_silent().args(["--timeout", "2s"]).run();
    let line = "timed out after 2s (--timeout); nothing was started";
    output.ends(4, &[line]);
    assert!(output.took < Duration::from_secs(3), "{output}");

    let running = to_silent().spawn();
    thread::sleep(Duration::from_millis(300));
    let sent = Instant::now();
    running.signal(Signal::TERM);
    let output = running.wait();
    output.stopped_by(Signal::TERM);
    output.writes(&["stopped by SIGTERM; nothing was started"]);
    assert!(
        sent.elapsed() < Duration::from_millis(200),
        "{:?}",
        sent.elapsed()
    );
}

/// A name that does not exist, and a name server that does not answer, are not the same mistake.
#[test]
#[ignore = "needs a network namespace"]
fn the_reason_of_the_resolver_is_kept() {
    name_server();
    let api = Script::new().start();
    let to = |host: &str| {
        relevance_run(&api)
            .env("RELEVANCE_BASE_URL", url(&api, host))
            .arg("Hello")
    };
    let reason_of = |host: &str, timeout: &str| {
        let output = to(host).args(["-t", timeout]).run();
        output.exits(4);
        let [line] = output.lines()[..] else {
            panic!("{output}")
        };
        let before = format!(
            "timed out after {timeout} (--timeout); nothing was started (cannot resolve {host}: "
        );
        let reason = line.strip_prefix(&before).expect(line);
        reason.strip_suffix(')').expect(line).to_owned()
    };
    let unknown = reason_of("unknown.test", "500ms");
    // The C library gives up on a server after ten seconds.
    let silent = reason_of("silent.test", "15s");
    // In the words of glibc, or of musl.
    let known = ["Name or service not known", "Name does not resolve"];
    assert!(known.contains(&unknown.as_str()), "{unknown}");
    let known = ["Temporary failure in name resolution", "Try again"];
    assert!(known.contains(&silent.as_str()), "{silent}");
}

/// Whatever `localhost` leads to: without TLS the key goes to this machine alone.
#[test]
#[ignore = "needs root"]
fn a_localhost_that_is_another_machine_gets_no_key() {
    let folder = Folder::new();
    let api = Script::new().start();
    let port = api.server.address.port();
    let files = [("etc/hosts", "192.0.2.1 localhost\n")];
    let command = as_process_1(&api, "localhost", &files, &folder.0);
    let command = command.env(
        "RELEVANCE_BASE_URL",
        format!("http://localhost:{port}/latest"),
    );
    let line = format!(
        "cannot reach localhost:{port}: localhost is another machine, and http:// would send the \
         API key unencrypted; nothing was started; use https:// in RELEVANCE_BASE_URL"
    );
    command.arg("Hello").run().ends(4, &[&line]);
}

/// The output of a traced command without what strace says of itself.
pub fn without_strace(mut output: Output) -> Output {
    let mut said = String::new();
    for line in output.stderr.split_inclusive('\n') {
        if !line.starts_with("strace: ") {
            said.push_str(line);
        }
    }
    output.stderr = said;
    output
}

/// The child of a process that was started last.
pub fn last_child(parent: Pid) -> Pid {
    let parent = parent.as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let children = children.unwrap();
    let last = children.split_whitespace().last().expect("a child");
    Pid::from_raw(last.parse().unwrap()).unwrap()
}

/// The program as process 1, as another user than root, in a read-only folder that holds it and
/// these files.
fn as_process_1(api: &Scripted, host: &str, files: &[(&str, &str)], root: &Path) -> Cmd {
    std::fs::copy(binary(), root.join("relevance-run")).unwrap();
    for (name, contents) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, contents).unwrap();
    }
    let ours = relevance_run(api)
        .env("RELEVANCE_BASE_URL", url(api, host))
        .command;
    let mut command = Command::new("unshare");
    command
        .env_clear()
        .envs(ours.get_envs().map(|(name, value)| (name, value.unwrap())));
    command.env("ROOT", root).env("PATH", PATH);
    command.args(["--mount", "sh", "-c"]).arg(
        "mount --bind \"$ROOT\" \"$ROOT\" && mount -o remount,ro,bind \"$ROOT\" && \
         exec unshare --pid --fork chroot --userspec=65534:65534 \"$ROOT\" /relevance-run \"$@\"",
    );
    Cmd::from(command).arg("sh")
}

const RESOLV: (&str, &str) = ("etc/resolv.conf", "nameserver 127.0.0.1\n");

/// Over TLS by name. The test's authority has to be told; a real server's is built in, as the next
/// test shows.
#[test]
#[ignore = "needs root"]
fn an_empty_root_is_enough() {
    name_server();
    let authority = Authority::generate();
    let folder = Folder::new();
    let api = over_tls(
        Script::run().poll(in_progress()).poll(answered("Hi!")),
        &authority,
    );
    let files = [RESOLV, ("ca.pem", authority.pem.as_str())];
    let command = as_process_1(&api, "api.test", &files, &folder.0).env("SSL_CERT_FILE", "/ca.pem");
    command.arg("Hello").run().answers("Hi!");
    assert_eq!(api.triggers(), 1);
}

/// A static glibc would load a library of the system for any other source that `nsswitch.conf`
/// names, and abort where that is of another glibc. The program asks for none.
#[test]
#[ignore = "needs root"]
fn names_are_looked_up_in_files_and_dns_whatever_nsswitch_says() {
    name_server();
    let authority = Authority::generate();
    for (host, hosts) in [("api.test", ""), ("late.test", "127.0.0.1 late.test\n")] {
        let folder = Folder::new();
        let api = over_tls(Script::run().poll(answered("Hi!")), &authority);
        let files = [
            RESOLV,
            ("ca.pem", authority.pem.as_str()),
            ("etc/nsswitch.conf", "hosts: mymachines\n"),
            ("etc/hosts", hosts),
        ];
        let command = as_process_1(&api, host, &files, &folder.0).env("SSL_CERT_FILE", "/ca.pem");
        command.arg("Hello").run().answers("Hi!");
    }
}

#[test]
#[ignore = "needs root"]
fn an_empty_root_has_the_public_authorities_and_no_other() {
    name_server();
    let folder = Folder::new();
    let api = over_tls(Script::new(), &Authority::generate());
    let output = as_process_1(&api, "api.test", &[RESOLV], &folder.0)
        .arg("Hello")
        .run();
    output.fails(4, &["certificate is not signed by a trusted CA"]);
    assert_eq!(api.server.connections(), 1);
}

/// Without even a `resolv.conf`, and to an address.
#[test]
#[ignore = "needs root"]
fn process_1_ends_at_a_signal() {
    for held in [true, false] {
        let folder = Folder::new();
        let poll = if held { Reply::hang() } else { in_progress() };
        let api = Script::run().poll(poll).start();
        let command = as_process_1(&api, "127.0.0.1", &[], &folder.0).env(
            "RELEVANCE_BASE_URL",
            api.base_url().replace("localhost", "127.0.0.1"),
        );
        let running = command.args(["-i", "1h", "Hello"]).spawn();
        api.wait_for_requests(2);
        // The shell has become `unshare`, whose child is process 1.
        let child = last_child(running.pid());
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", child.as_raw_nonzero())).unwrap();
        assert!(
            status
                .lines()
                .any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")),
            "{status}"
        );
        let sent = Instant::now();
        kill_process(child, Signal::TERM).unwrap();
        let output = running.wait();
        assert!(
            sent.elapsed() < Duration::from_millis(200),
            "{:?}",
            sent.elapsed()
        );
        // By its exit code: nobody ends process 1 by a signal of its own.
        output.ends(143, &["stopped by SIGTERM; the run continues", RESUME]);
    }
}

/// Where no further thread may be made, as under a container's limit of processes, a lookup makes
/// none.
#[test]
#[ignore = "needs root"]
fn a_limit_of_threads_is_survived_or_said() {
    for (limit, uid) in [(2, 54321), (1, 54322)] {
        let api = match limit {
            2 => Script::run()
                .poll(in_progress())
                .poll(answered("Hi!"))
                .start(),
            _ => Script::new().start(),
        };
        let user = format!(
            "exec prlimit --nproc={limit} setpriv --reuid {uid} --clear-groups \"$RUN\" \"$@\""
        );
        let folder = Folder::new();
        let reachable = folder.0.join("relevance-run");
        std::fs::copy(binary(), &reachable).unwrap();
        let command = relevance_run(&api)
            .args(["-i", "1ms", "Hello"])
            .in_shell(&user);
        let output = command.env("PATH", PATH).env("RUN", &reachable).run();
        match limit {
            2 => output.answers("Hi!"),
            _ => output.ends(
                4,
                &["cannot start: Resource temporarily unavailable; nothing was started"],
            ),
        };
    }
}
