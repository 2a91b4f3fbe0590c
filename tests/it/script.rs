/*!
A scripted API: it gives the replies it was told to give, in order, and records what it was sent.

On drop it fails the test if a request came that no reply was scripted for, or a scripted reply was not asked for.
*/

use std::collections::VecDeque;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;
use serde_json::{Value, json};

use crate::fake::server::{Reply, Request, Server};

pub const TOKEN: &str = "project-1:sk-0123456789abcdefghij";

#[derive(Default)]
pub struct Script {
    triggers: VecDeque<Reply>,
    polls: VecDeque<Reply>,
    checks: VecDeque<Reply>,
    /// The reply to every further poll.
    polls_after: Option<Reply>,
    tls: Option<Arc<ServerConfig>>,
}

struct State {
    script: Script,
    requests: Vec<Request>,
    unexpected: Vec<String>,
}

pub struct Scripted {
    pub server: Server,
    state: Arc<Mutex<State>>,
    scheme: &'static str,
}

/// A usual reply to the trigger, of the run `studio-1/job-1`.
pub fn triggered() -> Reply {
    Reply::json(
        200,
        json!({
            "job_info": {"studio_id": "studio-1", "job_id": "job-1"},
            "conversation_id": "conversation-1",
            "agent_id": "agent-1",
            "state": "running",
        }),
    )
}

pub fn in_progress() -> Reply {
    Reply::json(
        200,
        json!({"type": "inprogress", "updates": [], "last_message_id": 1}),
    )
}

/// The poll's reply with one update.
pub fn poll(kind: &str, update: Value) -> Reply {
    Reply::json(
        200,
        json!({"type": kind, "updates": [update], "last_message_id": 2}),
    )
}

/// The end of a run that went well, with `output.output` as given.
pub fn success(output: Value) -> Reply {
    poll(
        "complete",
        json!({"type": "chain-success", "output": {"status": "complete", "output": output}}),
    )
}

pub fn answered(answer: &str) -> Reply {
    success(json!({"answer": answer}))
}

impl Script {
    pub fn new() -> Script {
        Script::default()
    }

    /// A run whose trigger goes well; the polls follow.
    pub fn run() -> Script {
        Script::new().trigger(triggered())
    }

    pub fn trigger(mut self, reply: Reply) -> Script {
        self.triggers.push_back(reply);
        self
    }

    pub fn poll(mut self, reply: Reply) -> Script {
        self.polls.push_back(reply);
        self
    }

    /// A reply to what `--check` asks.
    pub fn check(mut self, reply: Reply) -> Script {
        self.checks.push_back(reply);
        self
    }

    pub fn polls(mut self, count: usize, reply: Reply) -> Script {
        self.polls.extend(vec![reply; count]);
        self
    }

    pub fn poll_forever(mut self, reply: Reply) -> Script {
        self.polls_after = Some(reply);
        self
    }

    pub fn tls(mut self, config: Arc<ServerConfig>) -> Script {
        self.tls = Some(config);
        self
    }

    pub fn start(self) -> Scripted {
        self.start_on("127.0.0.1:0")
    }

    pub fn start_on(self, address: &str) -> Scripted {
        self.start_listening(TcpListener::bind(address).expect("the address"))
    }

    pub fn start_listening(self, listener: TcpListener) -> Scripted {
        let tls = self.tls.clone();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = Arc::new(Mutex::new(State {
            script: self,
            requests: Vec::new(),
            unexpected: Vec::new(),
        }));
        let answering = Arc::clone(&state);
        let answer = move |request| answering.lock().unwrap().answer(request);
        let server = Server::of(listener, tls, answer).expect("a server");
        Scripted {
            server,
            state,
            scheme,
        }
    }
}

impl State {
    fn answer(&mut self, request: Request) -> Reply {
        let reply = match (request.method.as_str(), request.path()) {
            ("POST", "/latest/agents/trigger") => self.script.triggers.pop_front(),
            ("GET", path)
                if path.starts_with("/latest/studios/") && path.contains("/async_poll/") =>
            {
                let next = self.script.polls.pop_front();
                next.or_else(|| self.script.polls_after.clone())
            }
            ("GET", path) if path == "/latest/auth/info" || path.starts_with("/latest/agents/") => {
                self.script.checks.pop_front()
            }
            _ => None,
        };
        let line = format!("{} {}", request.method, request.target);
        self.requests.push(request);
        reply.unwrap_or_else(|| {
            self.unexpected.push(line);
            Reply::error(400, "the test did not expect this request", "unexpected")
        })
    }
}

impl Scripted {
    pub fn base_url(&self) -> String {
        format!(
            "{}://localhost:{}/latest",
            self.scheme,
            self.server.address.port()
        )
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    pub fn triggers(&self) -> usize {
        self.requests()
            .iter()
            .filter(|request| request.method == "POST")
            .count()
    }

    pub fn polls(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.method == "GET");
        requests
    }

    /// What another client asked for is no failure.
    pub fn forget_unexpected(&self) {
        self.state.lock().unwrap().unexpected.clear();
    }

    /// Waits until `count` requests have been received.
    pub fn wait_for_requests(&self, count: usize) {
        crate::eventually("requests", || {
            self.state.lock().unwrap().requests.len() >= count
        });
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        // A request that is under way when the test ends is still counted.
        thread::sleep(Duration::from_millis(1));
        let state = self.state.lock().unwrap();
        assert!(
            state.unexpected.is_empty(),
            "not expected: {:?}",
            state.unexpected
        );
        assert!(
            state.script.triggers.is_empty(),
            "{} triggers were not sent",
            state.script.triggers.len()
        );
        assert!(
            state.script.polls.is_empty(),
            "{} polls were not sent",
            state.script.polls.len()
        );
        assert!(
            state.script.checks.is_empty(),
            "{} checks were not sent",
            state.script.checks.len()
        );
    }
}
