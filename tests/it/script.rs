/*!
A scripted API: it gives the replies it was told to give, in order, and records what it was sent.

Each kind of request has a queue of its own. On drop it fails the test if a request came that no
reply was scripted for, or a scripted reply was not asked for.
*/

use std::collections::{HashMap, VecDeque};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;

use fake::server::{Reply, Request, Server};

mod kind;
mod replies;

pub use kind::Kind;
pub use replies::{
    agent_error, agent_message, answered, conversation, conversations, in_progress, metadata, poll,
    runs, success, tool, tool_triggered, triggered, unknown_key, upload_url, user_message, view,
};

pub const TOKEN: &str = "project-1:sk-0123456789abcdefghij";

#[derive(Default)]
struct Queue {
    replies: VecDeque<Reply>,
    /// The reply to every further request.
    afterwards: Option<Reply>,
}

#[derive(Default)]
pub struct Script {
    queues: HashMap<Kind, Queue>,
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

impl Script {
    pub fn new() -> Script {
        Script::default()
    }

    /// A run whose trigger goes well; the polls follow.
    pub fn run() -> Script {
        Script::new().trigger(triggered())
    }

    /// One more reply to a request of this kind.
    pub fn reply(mut self, kind: Kind, reply: Reply) -> Script {
        let queue = self.queues.entry(kind).or_default();
        queue.replies.push_back(reply);
        self
    }

    /// The reply to every request of this kind that comes after the scripted ones.
    pub fn reply_forever(mut self, kind: Kind, reply: Reply) -> Script {
        self.queues.entry(kind).or_default().afterwards = Some(reply);
        self
    }

    pub fn trigger(self, reply: Reply) -> Script {
        self.reply(Kind::Trigger, reply)
    }

    pub fn trigger_forever(self, reply: Reply) -> Script {
        self.reply_forever(Kind::Trigger, reply)
    }

    pub fn tool_trigger(self, reply: Reply) -> Script {
        self.reply(Kind::ToolTrigger, reply)
    }

    pub fn tool_trigger_forever(self, reply: Reply) -> Script {
        self.reply_forever(Kind::ToolTrigger, reply)
    }

    pub fn poll(self, reply: Reply) -> Script {
        self.reply(Kind::Poll, reply)
    }

    pub fn poll_forever(self, reply: Reply) -> Script {
        self.reply_forever(Kind::Poll, reply)
    }

    pub fn polls(self, count: usize, reply: Reply) -> Script {
        (0..count).fold(self, |script, _| script.poll(reply.clone()))
    }

    /// A reply to what `--check` asks of the token or an agent.
    pub fn check(self, reply: Reply) -> Script {
        self.reply(Kind::Check, reply)
    }

    pub fn check_forever(self, reply: Reply) -> Script {
        self.reply_forever(Kind::Check, reply)
    }

    /// A reply to what `--check` asks of a tool.
    pub fn tool(self, reply: Reply) -> Script {
        self.reply(Kind::Tool, reply)
    }

    pub fn tool_forever(self, reply: Reply) -> Script {
        self.reply_forever(Kind::Tool, reply)
    }

    pub fn metadata(self, reply: Reply) -> Script {
        self.reply(Kind::Metadata, reply)
    }

    pub fn metadata_forever(self, reply: Reply) -> Script {
        self.reply_forever(Kind::Metadata, reply)
    }

    pub fn view(self, reply: Reply) -> Script {
        self.reply(Kind::View, reply)
    }

    pub fn view_forever(self, reply: Reply) -> Script {
        self.reply_forever(Kind::View, reply)
    }

    pub fn conversations(self, reply: Reply) -> Script {
        self.reply(Kind::Conversations, reply)
    }

    pub fn conversations_forever(self, reply: Reply) -> Script {
        self.reply_forever(Kind::Conversations, reply)
    }

    pub fn runs(self, reply: Reply) -> Script {
        self.reply(Kind::Runs, reply)
    }

    pub fn runs_forever(self, reply: Reply) -> Script {
        self.reply_forever(Kind::Runs, reply)
    }

    pub fn upload_url(self, reply: Reply) -> Script {
        self.reply(Kind::UploadUrl, reply)
    }

    pub fn upload_url_forever(self, reply: Reply) -> Script {
        self.reply_forever(Kind::UploadUrl, reply)
    }

    pub fn upload(self, reply: Reply) -> Script {
        self.reply(Kind::Upload, reply)
    }

    pub fn upload_forever(self, reply: Reply) -> Script {
        self.reply_forever(Kind::Upload, reply)
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
        let server = match tls {
            Some(config) => Server::over_tls(listener, config, answer),
            None => Server::of(listener, answer),
        };
        Scripted {
            server: server.expect("a server"),
            state,
            scheme,
        }
    }
}

impl State {
    fn answer(&mut self, request: Request) -> Reply {
        let queues = &mut self.script.queues;
        let queue = Kind::of(&request).and_then(|kind| queues.get_mut(&kind));
        let reply = queue.and_then(Queue::next);
        let line = format!("{} {}", request.method, request.target);
        self.requests.push(request);
        reply.unwrap_or_else(|| {
            self.unexpected.push(line);
            Reply::error(400, "the test did not expect this request", "unexpected")
        })
    }
}

impl Queue {
    fn next(&mut self) -> Option<Reply> {
        let next = self.replies.pop_front();
        next.or_else(|| self.afterwards.clone())
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

    /// The requests of this kind.
    pub fn requests_of(&self, kind: Kind) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| Kind::of(request) == Some(kind));
        requests
    }

    /// How many triggers were sent, of agents and tools.
    pub fn triggers(&self) -> usize {
        let requests = self.requests();
        requests
            .iter()
            .filter(|request| request.is_trigger())
            .count()
    }

    pub fn polls(&self) -> Vec<Request> {
        self.requests_of(Kind::Poll)
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
        for (kind, queue) in &state.script.queues {
            let unused = queue.replies.len();
            assert_eq!(unused, 0, "replies to {kind:?} that were not asked for");
        }
    }
}
