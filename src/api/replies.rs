/*! The smaller replies: errors, `--check`, uploads. */

use super::json;
use crate::text::redactor::Untrusted;

/// The `message` of the API's error envelope, else the body as it is, without what is not text.
pub fn error_message(body: &[u8]) -> Untrusted {
    let message = json::parse(body).and_then(|body| json::text(body, "message"));
    let as_it_is = || body.utf8_chunks().map(|chunk| chunk.valid()).collect();
    Untrusted(message.unwrap_or_else(as_it_is))
}

/// An agent or a tool, as the API describes it.
pub struct Described {
    pub id: Untrusted,
    pub project: Untrusted,
    pub name: Option<Untrusted>,
}

/// The reply to `GET /agents/{agent_id}/get`.
pub fn parse_agent(body: &[u8]) -> Option<Described> {
    describe(body, "agent", "agent_id", "name")
}

/// The reply to `GET /studios/{tool_id}/get`.
pub fn parse_tool(body: &[u8]) -> Option<Described> {
    describe(body, "studio", "studio_id", "title")
}

fn describe(body: &[u8], member: &str, id: &str, name: &str) -> Option<Described> {
    let object = json::member(json::parse(body)?, member)?;
    Some(Described {
        id: Untrusted(json::text(object, id)?),
        project: Untrusted(json::text(object, "project")?),
        name: json::text(object, name).map(Untrusted),
    })
}

/// Whether a body is what `GET /auth/info` answers to a key that it knows.
pub fn is_key_info(body: &[u8]) -> bool {
    let known = ["user_id", "key_id", "permissions"];
    let has_one = |body| known.iter().any(|name| json::member(body, name).is_some());
    json::parse(body).is_some_and(has_one)
}

/// Where a file goes, and where it can then be read.
pub struct UploadUrls {
    pub upload_url: String,
    pub download_url: String,
}

/// The reply to `POST /services/get_temporary_file_upload_url`.
pub fn parse_upload_urls(body: &[u8]) -> Option<UploadUrls> {
    let body = json::parse(body)?;
    Some(UploadUrls {
        upload_url: json::text(body, "upload_url")?,
        download_url: json::text(body, "download_url")?,
    })
}
