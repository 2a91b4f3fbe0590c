/*! Many at once, and one for long. */

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use crate::command::{bare, relevance_run};
use crate::script::{Script, answered, in_progress, metadata};
use fake::api::{Api, Scenario, TOKEN};
use fake::server::{Server, Step};

#[test]
fn two_hundred_processes_each_get_their_own_answer() {
    let _busy = crate::busy();
    let api = Arc::new(Api::new(Scenario {
        takes: Duration::from_secs(2),
        held: Duration::from_millis(300),
        ..Scenario::default()
    }));
    let answering = Arc::clone(&api);
    let server = Server::on("127.0.0.1:0", move |request| answering.answer(&request));
    let server = server.unwrap();
    let url = format!("http://{}/latest", server.address);
    let start = |number: usize| {
        bare()
            .env("RELEVANCE_AUTH_TOKEN", TOKEN)
            .env("RELEVANCE_BASE_URL", &url)
            .args(["--agent", "agent-1"])
            .arg(format!("message {number}"))
            .spawn()
    };
    let running: Vec<_> = (0..200).map(start).collect();
    for (number, running) in running.into_iter().enumerate() {
        running
            .wait()
            .answers(&format!("You said: message {number}"));
    }
    assert_eq!(api.triggers(), 200);
    assert_eq!(server.connections(), 200);
}

#[test]
fn twenty_thousand_polls_leave_nothing_behind() {
    let _busy = crate::busy();
    // Held where it is looked at; every 100th closes its connection, as servers do.
    let closing = in_progress().then(Step::Close);
    let look = || in_progress().after(Duration::from_millis(500));
    let mut script = Script::run();
    for _ in 0..100 {
        script = script.polls(19, in_progress()).poll(closing.clone());
    }
    script = script.poll(look());
    for _ in 0..180 {
        script = script.polls(99, in_progress()).poll(closing.clone());
    }
    let script = script.poll(look()).poll(answered("Hi!"));
    let api = script.metadata_forever(metadata("running")).start();
    let command = relevance_run(&api).args(["-i", "0.001ms", "Hello"]);
    let running = command.spawn();
    let pid = running.pid().as_raw_nonzero();
    let look_at = |requests: usize| {
        api.wait_for_requests(requests);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        (kib, files)
    };
    // The trigger, the polls, and a look at the task after polls 8, 16, 32 and so on.
    let (early_kib, early_files) = look_at(1 + 2001 + 8);
    let (late_kib, late_files) = look_at(1 + 20_002 + 12);
    assert!(
        late_kib <= early_kib + 512,
        "{early_kib} KiB after 2,000 polls, {late_kib} KiB after 20,000"
    );
    assert_eq!(early_files, late_files);
    running.wait().answers("Hi!");
    assert_eq!(api.polls().len(), 20_003);
}
