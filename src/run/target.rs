/*! The run that is waited for. */

use super::task::TaskWatch;
use crate::api::ids::RunId;

/// A run that is waited for.
pub struct Target<'a> {
    /// `None` where only its task is known.
    pub run_id: Option<RunId>,
    pub task: Option<TaskWatch<'a>>,
    /// Another command started it.
    pub is_resumed: bool,
    pub is_tool: bool,
}
