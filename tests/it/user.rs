/*! As an ordinary user: the key is kept from other processes of the same user and from core files,
and nothing that such a user does stops working. Root starts these, and becomes another. */

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use rustix::process::kill_process;

use crate::command::{Cmd, Folder, Running, binary, relevance_run};
use crate::script::{Script, Scripted, TOKEN, answered};
use fake::server::Reply;

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
const BECOME: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

/// A folder that anybody may use, with the program in it.
fn open_folder() -> (Folder, PathBuf) {
    let folder = Folder::new();
    let program = folder.0.join("relevance-run");
    fs::copy(binary(), &program).unwrap();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o777)).unwrap();
    (folder, program)
}

/// The command as another user, where `script` runs it as `"$RUN" "$@"`.
fn as_user(api: &Scripted, folder: &Folder, script: &str) -> Cmd {
    let script = format!(r#"cd "$FOLDER"; exec {BECOME} bash -c '{script}' bash "$@""#);
    relevance_run(api)
        .env("PATH", PATH)
        .env("FOLDER", &folder.0)
        .env("RUN", folder.0.join("relevance-run"))
        .arg("Hello")
        .in_shell(&script)
        .env("RUN", folder.0.join("relevance-run"))
}

/// A command of that user that waits for its run.
fn waiting(api: &Scripted, folder: &Folder) -> Running {
    let running = as_user(api, folder, r#"exec "$RUN" "$@""#).spawn();
    api.wait_for_requests(2);
    running
}

#[test]
#[ignore = "needs root"]
fn no_process_of_the_same_user_reads_its_memory() {
    let api = Script::run().poll(Reply::hang()).start();
    let (folder, _) = open_folder();
    let running = waiting(&api, &folder);
    let pid = running.pid().as_raw_nonzero();
    for file in ["mem", "environ", "maps"] {
        let command = format!("{BECOME} head -c 1 /proc/{pid}/{file}");
        let read = Command::new("sh").args(["-c", &command]).output().unwrap();
        let why = String::from_utf8(read.stderr).unwrap();
        assert!(!read.status.success(), "{file} can be read");
        assert!(why.contains("Permission denied"), "{why}");
    }
    running.signal(Signal::TERM);
    running.wait().stopped_by(Signal::TERM);
}

/// The same would be readable of a process that does not forbid it.
#[test]
#[ignore = "needs root"]
fn the_memory_of_another_process_of_the_user_can_be_read() {
    let command = format!("exec {BECOME} sh -c 'sleep 60 & head -c 1 /proc/$!/environ; kill $!'");
    let read = Command::new("sh").args(["-c", &command]).output().unwrap();
    assert!(read.status.success(), "{read:?}");
}

/// Neither limit nor memory allow one.
#[test]
#[ignore = "needs strace"]
fn it_leaves_no_core_file() {
    let (folder, _) = open_folder();
    let log = folder.0.join("log");
    let api = Script::run().poll(answered("Hi!")).start();
    let script = r#"exec strace -o "$LOG" -e trace=setrlimit,prlimit64,prctl "$RUN" "$@""#;
    let command = relevance_run(&api).env("PATH", PATH).env("LOG", &log);
    command.arg("Hello").in_shell(script).run().answers("Hi!");
    let log = fs::read_to_string(log).unwrap();
    let made = |call: &str| {
        log.lines()
            .any(|line| line.contains(call) && line.ends_with("= 0"))
    };
    assert!(made("RLIMIT_CORE, {rlim_cur=0, rlim_max=0}"), "{log}");
    assert!(made("prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE"), "{log}");

    let api = Script::run().poll(Reply::hang()).start();
    let running = waiting(&api, &folder);
    // What is not caught for the sake of a message.
    kill_process(running.pid(), Signal::FPE).unwrap();
    running.wait().stopped_by(Signal::FPE);
    assert_eq!(folder.names(), ["log", "relevance-run"]);
}

/// A user of many groups has a long `/proc/self/status`, in which the ignored signals stand last.
#[test]
#[ignore = "needs root"]
fn a_signal_that_is_ignored_stays_so_for_a_user_of_many_groups() {
    let (folder, _) = open_folder();
    let held = answered("Hi!").after(Duration::from_millis(300));
    let api = Script::run().poll(held).start();
    let groups: Vec<String> = (0..1000).map(|n| (2_000_000_000 + n).to_string()).collect();
    let script = format!(
        r#"cd "$FOLDER"; trap "" HUP
        exec setpriv --reuid 65534 --regid 65534 --groups {} "$RUN" "$@""#,
        groups.join(",")
    );
    let command = relevance_run(&api)
        .env("PATH", PATH)
        .env("FOLDER", &folder.0);
    let running = command
        .arg("Hello")
        .in_shell(&script)
        .env("RUN", folder.0.join("relevance-run"))
        .spawn();
    api.wait_for_requests(2);
    running.signal(Signal::HUP);
    running.wait().answers("Hi!");
}

/// A process that is not dumpable belongs to root in /proc; what it needs of that is its own all
/// the same.
#[test]
#[ignore = "needs root"]
fn its_own_descriptors_can_be_named() {
    for (script, printed) in [
        (r#"echo text | "$RUN" -f /dev/stdin "$@""#, true),
        (
            r#"exec 5< <(echo text); exec "$RUN" -f /dev/fd/5 "$@""#,
            true,
        ),
        (r#"exec "$RUN" -f <(echo text) "$@""#, true),
        (
            r#"T=$RELEVANCE_AUTH_TOKEN; unset RELEVANCE_AUTH_TOKEN
            exec 5< <(echo "$T"); RELEVANCE_AUTH_TOKEN_FILE=/dev/fd/5 exec "$RUN" "$@""#,
            true,
        ),
        (r#"exec "$RUN" -o /dev/stdout "$@""#, true),
        (r#"exec 4>&1; exec "$RUN" -o /dev/fd/4 "$@""#, true),
        (r#"exec "$RUN" -o >(cat >answer) "$@""#, false),
    ] {
        let api = Script::run().poll(answered("Hi!")).start();
        let (folder, _) = open_folder();
        let output = as_user(&api, &folder, script).run();
        output.exits(0).prints(if printed { "Hi!\n" } else { "" });
        if !printed {
            let read = || fs::read_to_string(folder.0.join("answer")).unwrap_or_default();
            crate::eventually("the answer", || read() == "Hi!\n");
        }
        let trigger = api.requests().remove(0);
        assert_eq!(trigger.header("Authorization"), Some(TOKEN));
        let content = trigger.json()["message"]["content"].clone();
        let has_text = script.contains("-f ");
        assert_eq!(content, if has_text { "Hello\n\ntext\n" } else { "Hello" });
    }
}
