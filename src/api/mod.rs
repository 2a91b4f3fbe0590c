/*! The HTTP API: what goes over the wire and comes back, as types, and the client that carries it.

What this program relies on, and how sure each fact is. *document* is the vendor's OpenAPI document
as of 2026-08-29; *vendor* its documentation and its own client programs; *measured* a probe of the
live API; *seen* several public programs that rely on it; *open* means that nobody could tell, and
that the code survives either way.

- The base URL is `https://api-{region}.stack.tryrelevance.com/latest`; regions are short codes, and
  the list is open. (vendor, document)
- `Authorization: {project}:{key}`, verbatim; longer tokens `project:key:region[:…]` are in use.
  (vendor, seen)
- Ids are at most 240 letters, digits, `.`, `_` and `-`. (document)
- `POST /agents/trigger` answers `job_info` with two ids, `conversation_id`, `agent_id`, `state`,
  and sometimes `queued_mid_run`, whose ids are placeholders. (document)
- `conversation_id` inside `job_info` instead. (one page of the vendor's)
- The trigger has no idempotency key: sent twice, it starts and bills two runs. (measured)
- `external_id` names a conversation, so that it can be looked for; that it prevents a second run is
  not relied on. (document, open)
- A conversation with a run in progress answers 409. (seen)
- `GET /studios/{studio_id}/async_poll/{job_id}` answers `type` (`timeout`, `inprogress`,
  `complete`, `failed`), `updates` and `last_message_id`; `ending_update_only` is true where it is
  left out. (document)
- An update `chain-success` ends a run well, `chain-fail` badly; the last of its kind counts; the
  ending may come a little late. (vendor, seen)
- The answer is at `output.output.answer`; a few have it at `output.answer`, or as the last
  `history_items` entry of the role `ai`. (vendor, seen)
- A run's errors have `body`, `step_name` and `category`, each optional. (document)
- How long a poll is held open, how soon a job can be polled, and what the poll of a run says that
  waits for a person. (open)
- The task: `GET /agents/{agent_id}/tasks/{conversation_id}/metadata`, `POST …/view` (newest first),
  `GET /agents/conversations/list`; they need a permission that triggering does not. (document,
  vendor)
- Whether the list can be filtered by `external_id`. (open)
- Tools: `POST /studios/{tool_id}/trigger_async` answers `job_id`, `project`, `studio_id`, then the
  same poll; `job_id` in the request chooses the id. (document)
- Uploads: `POST /services/get_temporary_file_upload_url`, then `PUT` to another host without
  `Authorization`; at most 100 MB. (document, vendor)
- Errors are `{"message", "error_type", "error_audience"}`; an unknown key is 400, a missing one
  401, a body of the wrong form 422, the rate limit 429, mostly without `Retry-After`;
  `x-request-id` on every reply. (measured, seen)
- A path that does not exist answers 404 with a page of HTML. (measured)
*/

pub mod base_url;
pub mod client;
pub mod dialer;
pub mod failure;
pub mod ids;
pub mod json;
pub mod poll;
pub mod replies;
pub mod task;
pub mod time;
pub mod tls;
pub mod transport;
pub mod trigger;
pub mod turn;
