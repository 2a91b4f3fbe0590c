/*!
The API as the vendor's document has it (`openapi.json`): it refuses what the document forbids, and
its replies are valid by it. A run takes a while, through polls that are `inprogress` or held and
then `timeout`, to an ending update. What the document leaves open is a switch each (`Scenario`),
and a word at the start of a message makes a run of it go another way (`words`).

It counts the triggers, and records every request.
*/

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::clock;
use super::document::{self, Operation};
use super::server::{Reply, Request};

mod account;
mod lists;
mod poll;
mod runs;
pub mod scenario;
mod task;
mod tools;
mod trigger;
mod uploads;
pub mod words;

pub use scenario::Scenario;

use runs::World;
use uploads::{Upload, UploadHost};

pub const PROJECT: &str = "demo-project";
pub const TOKEN: &str = "demo-project:sk-demo-0123456789abcdef";

pub struct Api {
    scenario: Scenario,
    world: Mutex<World>,
    requests: Mutex<Vec<Request>>,
    replies: AtomicUsize,
    /// The host of the uploads, from the first one on.
    uploads: OnceLock<UploadHost>,
}

/// What is answered, before it gets its date and its request id.
enum Answer {
    Json {
        status: u16,
        body: Value,
        retry_after_s: Option<u64>,
    },
    /// The page of HTML for a path that does not exist.
    NoSuchPath,
    /// The request is carried out, and its reply is lost.
    Lost,
}

impl Answer {
    fn ok(body: Value) -> Answer {
        Answer::Json {
            status: 200,
            body,
            retry_after_s: None,
        }
    }

    /// The API's envelope for an error; its `error_id` follows with the request id.
    fn error(status: u16, message: &str, error_type: &str) -> Answer {
        let body = json!({
            "message": message,
            "error_type": error_type,
            "error_audience": "platform",
        });
        Answer::Json {
            status,
            body,
            retry_after_s: None,
        }
    }

    fn retry_after(mut self, seconds: u64) -> Answer {
        if let Answer::Json { retry_after_s, .. } = &mut self {
            *retry_after_s = Some(seconds);
        }
        self
    }

    /// What is known of the vendor's wording is "Missing required property: 'role'".
    fn invalid(what: &str) -> Answer {
        let message = format!("Body Validation Error - {what}");
        Answer::error(422, &message, "validation_error")
    }
}

impl Api {
    pub fn new(scenario: Scenario) -> Api {
        Api {
            scenario,
            world: Mutex::new(World::default()),
            requests: Mutex::new(Vec::new()),
            replies: AtomicUsize::new(0),
            uploads: OnceLock::new(),
        }
    }

    /// How many triggers were received, of agents and tools, whatever became of them.
    pub fn triggers(&self) -> usize {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .filter(|request| request.is_trigger())
            .count()
    }

    /// How many runs were started.
    pub fn runs(&self) -> usize {
        self.world().runs.len()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// What the host of the uploads was sent.
    pub fn uploads(&self) -> Vec<Upload> {
        self.uploads
            .get()
            .map(UploadHost::received)
            .unwrap_or_default()
    }

    pub fn answer(&self, request: &Request) -> Reply {
        self.requests.lock().unwrap().push(request.clone());
        let answer = self.answer_to(request);
        let id = format!("req-{:08}", self.replies.fetch_add(1, Ordering::SeqCst) + 1);
        let reply = match answer {
            Answer::Lost => return Reply::reset(),
            Answer::NoSuchPath => Reply::new(
                404,
                &[("Content-Type", "text/html")],
                "<!DOCTYPE html><html><body>Cannot find it</body></html>",
            ),
            Answer::Json {
                status,
                mut body,
                retry_after_s,
            } => {
                if status >= 400 {
                    body["error_id"] = json!(id);
                }
                let reply = Reply::json(status, body);
                match retry_after_s {
                    Some(seconds) => reply.header("Retry-After", &seconds.to_string()),
                    None => reply,
                }
            }
        };
        reply
            .header("Date", &clock::http_date(self.now()))
            .header("x-request-id", &id)
    }

    fn answer_to(&self, request: &Request) -> Answer {
        let Some((template, operation, names)) = document::operation(request) else {
            return Answer::NoSuchPath;
        };
        // An agent that is not there is not there for anyone: no credentials are asked for.
        if let ("/agents/{agent_id}/get", [agent]) = (template, names.as_slice()) {
            return self.agent(agent);
        }
        if let Err(refusal) = account::authorize(request) {
            return refusal;
        }
        if let Err(refusal) = self.check_form(request, operation) {
            return refusal;
        }
        match (template, names.as_slice()) {
            ("/auth/info", _) => account::info(),
            ("/agents/trigger", _) => self.trigger_agent(&request.json()),
            ("/studios/{studio_id}/trigger_async", [tool]) => {
                self.trigger_tool(tool, &request.json())
            }
            ("/studios/{studio_id}/get", [tool]) => self.tool(tool),
            ("/studios/{studio_id}/async_poll/{job_id}", [studio, job]) => {
                self.poll(studio, job, request)
            }
            ("/services/get_temporary_file_upload_url", _) => self.upload_url(&request.json()),
            _ => self.answer_of_task(template, &names, request),
        }
    }

    /// What may be forbidden to a key that may trigger and poll.
    fn answer_of_task(&self, template: &str, names: &[&str], request: &Request) -> Answer {
        if let Some(status) = self.scenario.task_refused {
            return Answer::error(status, "The task may not be looked at", "forbidden");
        }
        match (template, names) {
            ("/agents/{agent_id}/tasks/{knowledge_set}/metadata", [agent, conversation]) => {
                self.task_metadata(agent, conversation)
            }
            ("/agents/{agent_id}/tasks/{knowledge_set}/view", [agent, conversation]) => {
                self.task_view(agent, conversation, &request.json())
            }
            ("/agents/conversations/list", _) => self.conversations(request),
            ("/agents/conversations/studios/list", _) => self.conversation_runs(request),
            _ => unreachable!("{template} is in the document, and not served"),
        }
    }

    fn check_form(&self, request: &Request, operation: Operation) -> Result<(), Answer> {
        operation.check_request(request).map_err(|fault| {
            // A missing property is told without its place.
            let place = match fault.what.starts_with("Missing") || fault.path.is_empty() {
                true => String::new(),
                false => format!(" ({})", fault.path),
            };
            Answer::invalid(&format!("{}{place}", fault.what))
        })
    }

    fn now(&self) -> SystemTime {
        clock::moved(SystemTime::now(), self.scenario.clock_offset_s)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}
