/*! Whose run it is: what it is looked for and followed by. */

use crate::api::ids::Id;
use crate::api::time::Millis;
use ring::digest::{SHA256, digest};

/// A member of a request that names its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub key: &'static str,
    pub value: String,
    /// The user chose it with `--set`, perhaps for every run.
    pub is_users: bool,
}

/// Whose run it is, as far as that is needed to look for it and to follow it.
#[derive(Clone, Debug)]
pub struct Origin {
    pub kind: Kind,
    /// Tells the message from others, if there is one.
    pub message: Option<MessageDigest>,
    /// When the command began that sends the message, by this machine's clock.
    pub began_at: Option<Millis>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Agent {
        agent_id: Id,
        /// The conversation that the message continues.
        continued: Option<Id>,
        /// Nothing was said in the conversation before: neither its id nor a name of the user's
        /// leads to an older one.
        is_new: bool,
    },
    Tool(Id),
}

impl Origin {
    /// The conversation that the message continues.
    pub fn continued(&self) -> Option<&Id> {
        match &self.kind {
            Kind::Agent { continued, .. } => continued.as_ref(),
            Kind::Tool(_) => None,
        }
    }
}

/// Tells a message from others without keeping it. White space around it does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageDigest([u8; 32]);

impl MessageDigest {
    pub fn of(text: &str) -> MessageDigest {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, text.trim().as_bytes()).as_ref());
        MessageDigest(bytes)
    }

    pub fn matches(&self, text: &str) -> bool {
        *self == MessageDigest::of(text)
    }
}
