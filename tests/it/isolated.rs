/*!
What needs a network and a root folder of its own: names, process 1, and nothing else on the disk.

These run as root inside a network namespace whose name server is 127.0.0.1; `.ci/run` makes one. See `make isolated`.
*/

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::command::{Cmd, Folder, Trusted, binary, relevance_run};
use crate::fake::server::Reply;
use crate::fake::tls::Authority;
use crate::script::{Script, Scripted, answered, in_progress};

/// How long `late.test` is not known, from the first query for it on: less than the first pause before a second attempt.
const LATE: Duration = Duration::from_millis(300);

/// Answers for `api.test` at once and for `late.test` a little late, fails all others, and of `silent.test` says
/// nothing.
fn name_server() {
    static RUNNING: OnceLock<()> = OnceLock::new();
    RUNNING.get_or_init(|| {
        let socket = UdpSocket::bind("127.0.0.1:53").expect("port 53 in a namespace of the test's own");
        let first_late = OnceLock::new();
        thread::spawn(move || {
            let mut query = [0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut query).unwrap();
                let has = |name: &[u8]| query[..length].windows(name.len()).any(|part| part == name);
                let is_v4 = query[..length].ends_with(&[0, 1, 0, 1]);
                if has(b"\x06silent\x04test") {
                    continue;
                }
                let known = has(b"\x03api\x04test")
                    || has(b"\x04late\x04test") && first_late.get_or_init(Instant::now).elapsed() > LATE;
                let mut reply = query[..length].to_vec();
                // A response: no error, or the server's failure, which is what a resolver that is not up yet says.
                reply[2] = 0x81;
                reply[3] = if known { 0x80 } else { 0x82 };
                // No more than the question goes back with it, and an address where one was asked for.
                reply[6..12].copy_from_slice(&[0, u8::from(known && is_v4), 0, 0, 0, 0]);
                let question_end = 12 + reply[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
                reply.truncate(question_end);
                if known && is_v4 {
                    reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
                }
                socket.send_to(&reply, from).unwrap();
            }
        });
    });
}

fn over_tls(script: Script, authority: &Authority) -> Scripted {
    script.tls(authority.server(&["api.test", "late.test"], false)).start()
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
    output.exits(0).prints("Hi!\n").says(&["was not found", "attempt 2"]);
    assert_eq!(api.triggers(), 1);
}

#[test]
#[ignore = "needs a network namespace"]
fn a_name_server_that_does_not_answer() {
    name_server();
    let api = Script::new().start();
    let to_silent = || relevance_run(&api).env("RELEVANCE_BASE_URL", url(&api, "silent.test")).arg("Hello");
    let output = to_silent().args(["--timeout", "2s"]).run();
    output.fails(4, &["timeout of 2s", "nothing was started"]);
    assert!(output.took < Duration::from_secs(3), "{output}");

    let running = to_silent().spawn();
    thread::sleep(Duration::from_millis(300));
    let sent = Instant::now();
    running.signal(Signal::TERM);
    running.wait().fails(143, &["nothing was started"]);
    assert!(sent.elapsed() < Duration::from_millis(200), "{:?}", sent.elapsed());
}

/// The program as process 1, as another user than root, in a read-only folder that holds it and these files.
fn as_process_1(api: &Scripted, host: &str, files: &[(&str, &str)], root: &Path) -> Cmd {
    std::fs::copy(binary(), root.join("relevance-run")).unwrap();
    for (name, contents) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, contents).unwrap();
    }
    let ours = relevance_run(api).env("RELEVANCE_BASE_URL", url(api, host)).command;
    let mut command = Command::new("unshare");
    command.env_clear().envs(ours.get_envs().map(|(name, value)| (name, value.unwrap())));
    command.env("ROOT", root).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.args(["--mount", "sh", "-c"]).arg(
        "mount --bind \"$ROOT\" \"$ROOT\" && mount -o remount,ro,bind \"$ROOT\" && \
         exec unshare --pid --fork chroot --userspec=65534:65534 \"$ROOT\" /relevance-run \"$@\"",
    );
    Cmd::from(command).arg("sh")
}

const RESOLV: (&str, &str) = ("etc/resolv.conf", "nameserver 127.0.0.1\n");

/// Over TLS by name. The test's authority has to be told; a real server's is built in, as the next test shows.
#[test]
#[ignore = "needs root"]
fn an_empty_root_is_enough() {
    name_server();
    let authority = Authority::new();
    let folder = Folder::new();
    let api = over_tls(Script::run().poll(in_progress()).poll(answered("Hi!")), &authority);
    let files = [RESOLV, ("ca.pem", authority.pem.as_str())];
    let command = as_process_1(&api, "api.test", &files, &folder.0).env("SSL_CERT_FILE", "/ca.pem");
    command.arg("Hello").run().answers("Hi!");
    assert_eq!(api.triggers(), 1);
}

/// A static glibc would load a library of the system for any other source that `nsswitch.conf` names, and abort where
/// that is of another glibc. The program asks for none.
#[test]
#[ignore = "needs root"]
fn names_are_looked_up_in_files_and_dns_whatever_nsswitch_says() {
    name_server();
    let authority = Authority::new();
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
    let api = over_tls(Script::new(), &Authority::new());
    let output = as_process_1(&api, "api.test", &[RESOLV], &folder.0).arg("Hello").run();
    output.fails(4, &["certificate", "not signed by a known authority"]);
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
        let command = as_process_1(&api, "127.0.0.1", &[], &folder.0)
            .env("RELEVANCE_BASE_URL", api.base_url().replace("localhost", "127.0.0.1"));
        let running = command.args(["-i", "1h", "Hello"]).spawn();
        api.wait_for_requests(2);
        // The shell has become `unshare`, whose child is process 1.
        let parent = running.pid().as_raw_nonzero();
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
        let child: i32 = children.trim().parse().expect("one child");
        let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap();
        assert!(status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")), "{status}");
        let sent = Instant::now();
        kill_process(Pid::from_raw(child).unwrap(), Signal::TERM).unwrap();
        let output = running.wait();
        assert!(sent.elapsed() < Duration::from_millis(200), "{:?}", sent.elapsed());
        output.fails(143, &["the run goes on"]).resumes("studio-1/job-1");
    }
}

/// Where no further thread may be made, as under a container's limit of processes, a lookup makes none.
#[test]
#[ignore = "needs root"]
fn a_limit_of_threads_is_survived_or_said() {
    for (limit, uid) in [(3, 54321), (2, 54322)] {
        let api = match limit {
            3 => Script::run().poll(in_progress()).poll(answered("Hi!")).start(),
            _ => Script::new().start(),
        };
        let user = format!("exec prlimit --nproc={limit} setpriv --reuid {uid} --clear-groups \"$RUN\" \"$@\"");
        let path = "/usr/sbin:/usr/bin:/sbin:/bin";
        let folder = Folder::new();
        let reachable = folder.0.join("relevance-run");
        std::fs::copy(binary(), &reachable).unwrap();
        let command = relevance_run(&api).args(["-i", "1ms", "Hello"]).in_shell(&user);
        let output = command.env("PATH", path).env("RUN", &reachable).run();
        match limit {
            3 => output.answers("Hi!"),
            _ => output.fails(2, &["cannot start", "nothing was sent"]),
        };
    }
}
