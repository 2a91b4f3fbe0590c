/*!
SIGKILL at every system call of a run, as databases are tested: then the same command again, until it ends. Over all of
them never more than one trigger, the answer in every case where the run's ids were known, and nothing left behind.

`make isolated` runs it; it needs strace, which kills the process as a thread of it enters its Nth call of a name.
*/

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::command::{Cmd, Folder, Output, binary};
use crate::fake::server::{Reply, Server};
use crate::script::TOKEN;

/// An API that starts a run for every trigger, which ends at its second poll, and counts.
struct Api {
    server: Server,
    triggers: Arc<AtomicUsize>,
}

fn api() -> Api {
    let triggers = Arc::new(AtomicUsize::new(0));
    let polls = AtomicUsize::new(0);
    let counted = Arc::clone(&triggers);
    let server = Server::on("127.0.0.1:0", None, move |request| {
        if request.method == "POST" {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let job_id = format!("job-{number}");
            return Reply::json(
                200,
                json!({"job_info": {"studio_id": "s", "job_id": job_id}, "conversation_id": "c"}),
            );
        }
        match polls.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => Reply::json(200, json!({"type": "inprogress", "updates": []})),
            _ => crate::script::answered("Hi!"),
        }
    });
    Api {
        server: server.unwrap(),
        triggers,
    }
}

fn command(api: &Api, folder: &Path) -> Command {
    let mut command = Command::new(binary());
    command
        .env_clear()
        .env("RELEVANCE_AUTH_TOKEN", TOKEN)
        .env("RELEVANCE_AGENT_ID", "agent-1");
    command
        .env(
            "RELEVANCE_BASE_URL",
            format!("http://{}", api.server.address),
        )
        .env("RELEVANCE_REGION", "us");
    command
        .args(["--interval", "1ms", "--run-file"])
        .arg(folder.join("run"));
    command
        .arg("--output")
        .arg(folder.join("answer"))
        .arg("Hello");
    command
}

/// A call by its name, and how many of that name a thread has made by then.
type Call = (String, usize);

/// The same under strace, with these options of its own.
fn traced(command: Command, options: &[&str]) -> Output {
    let mut strace = Command::new("strace");
    strace.env_clear().envs(
        command
            .get_envs()
            .map(|(name, value)| (name, value.unwrap())),
    );
    strace.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    strace.args(["-f", "-qq"]).args(options);
    strace.arg(command.get_program()).args(command.get_args());
    Cmd::from(strace).run()
}

/// Every call that a run makes, in all of its threads.
fn calls() -> Vec<Call> {
    let (api, folder) = (api(), Folder::new());
    let log = folder.0.join("log");
    traced(command(&api, &folder.0), &["-o", log.to_str().unwrap()]).exits(0);
    let mut counts: HashMap<(String, String), usize> = HashMap::new();
    let mut calls = BTreeSet::new();
    for line in std::fs::read_to_string(log).unwrap().lines() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some((name, _)) = rest.trim_start().split_once('(') else {
            continue;
        };
        if !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            let count = counts
                .entry((thread.to_owned(), name.to_owned()))
                .or_default();
            *count += 1;
            calls.insert((name.to_owned(), *count));
        }
    }
    calls.into_iter().collect()
}

/// What became of the command when it was killed at this call, if it was.
fn survives(call: &Call) -> &'static str {
    let (api, folder) = (api(), Folder::new());
    let (file, answer) = (folder.0.join("run"), folder.0.join("answer"));
    let inject = format!("inject={}:signal=SIGKILL:when={}", call.0, call.1);
    traced(
        command(&api, &folder.0),
        &["-o", "/dev/null", "-e", &inject],
    );
    let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let journal = read(&file);
    let knows = journal.lines().count() == 2 && journal.ends_with('\n');
    // The outcome was told, and nothing is left to be done: a scheduler would not run it again, or start anew.
    let is_done = answer.exists() && (!file.exists() || journal.is_empty());
    let output = (!is_done).then(|| Cmd::from(command(&api, &folder.0)).run());
    let triggers = api.triggers.load(Ordering::SeqCst);
    assert!(triggers <= 1, "{call:?}: {triggers} triggers");
    if let Some(output) = output.as_ref().filter(|output| output.code != Some(0)) {
        assert!(!knows, "{call:?}: the ids were known\n{output}");
        let page = "https://app.relevanceai.com/agents/bcbe5a/project-1/agent-1";
        output.fails(
            5,
            &["may have been started", page, &file.display().to_string()],
        );
        assert_eq!(folder.names(), ["run"], "{call:?}");
        return "asked a person";
    }
    assert_eq!(read(&answer), "Hi!\n", "{call:?}");
    // What the killed process could not take with it: a temporary file, and an empty run file.
    let left: Vec<String> = folder
        .names()
        .into_iter()
        .filter(|name| !name.ends_with(".tmp"))
        .collect();
    assert!(
        left == ["answer"] || left == ["answer", "run"] && read(&file).is_empty(),
        "{call:?}: {left:?}"
    );
    "answered"
}

#[test]
#[ignore = "needs strace"]
fn at_every_system_call() {
    let calls = calls();
    let next = AtomicUsize::new(0);
    let ends = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(call) = calls.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let end = survives(call);
                    ends.lock().unwrap().push(end);
                }
            });
        }
    });
    let ends = ends.into_inner().unwrap();
    let asked = ends.iter().filter(|end| **end == "asked a person").count();
    assert!(
        ends.len() > 100 && asked > 0 && asked * 5 < ends.len(),
        "{} calls, {asked} asked a person",
        ends.len()
    );
    writeln!(
        std::io::stderr(),
        "killed at {} system calls: {asked} times a person has to look",
        ends.len()
    )
    .unwrap();
}
