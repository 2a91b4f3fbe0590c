/*! The kinds of requests, each of which has its own queue of replies. */

use fake::server::Request;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Trigger,
    ToolTrigger,
    Poll,
    /// The token, or an agent, as `--check` asks.
    Check,
    /// A tool, as `--check` asks.
    Tool,
    /// The state of a task.
    Metadata,
    /// The messages of a task.
    View,
    /// The list of conversations.
    Conversations,
    /// The list of a conversation's runs.
    Runs,
    UploadUrl,
    /// A `PUT`, to whatever path.
    Upload,
}

impl Kind {
    /// The kind of a request that the API knows.
    pub fn of(request: &Request) -> Option<Kind> {
        let path = request.path().strip_prefix("/latest").unwrap_or("");
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        Some(match (request.method.as_str(), parts.as_slice()) {
            ("PUT", _) => Kind::Upload,
            ("POST", ["agents", "trigger"]) => Kind::Trigger,
            ("POST", ["studios", _, "trigger_async"]) => Kind::ToolTrigger,
            ("GET", ["studios", _, "async_poll", _]) => Kind::Poll,
            ("GET", ["auth", "info"] | ["agents", _, "get"]) => Kind::Check,
            ("GET", ["studios", _, "get"]) => Kind::Tool,
            ("GET", ["agents", _, "tasks", _, "metadata"]) => Kind::Metadata,
            ("POST", ["agents", _, "tasks", _, "view"]) => Kind::View,
            ("GET", ["agents", "conversations", "list"]) => Kind::Conversations,
            ("GET", ["agents", "conversations", "studios", "list"]) => Kind::Runs,
            ("POST", ["services", "get_temporary_file_upload_url"]) => Kind::UploadUrl,
            _ => return None,
        })
    }
}
