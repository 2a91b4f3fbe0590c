/*!
What a developer may want to rehearse, as a word at the start of the message. For a tool it stands
at the start of its parameter `message`; the words that need a task mean nothing there.
*/

/// The words, each with what follows it in the message and what happens then.
pub const WORDS: [(&str, Word, &str, &str); 15] = [
    ("fail:", Word::Fail, "REASON", "the run fails"),
    (
        "chain-error:",
        Word::ChainError,
        "REASON",
        "the run fails, by an update of another name",
    ),
    ("cancel:", Word::Cancel, "TEXT", "the run is cancelled"),
    (
        "silent:",
        Word::Silent,
        "TEXT",
        "the run ends without an answer",
    ),
    (
        "late:",
        Word::Late,
        "TEXT",
        "the ending update comes two seconds after the end",
    ),
    ("output:", Word::Output, "JSON", "the run's output is JSON"),
    (
        "approve:",
        Word::Approve,
        "TEXT",
        "the run waits for a person, who approves it",
    ),
    (
        "wait:",
        Word::Wait,
        "TEXT",
        "the run waits for a person who never comes",
    ),
    (
        "queued:",
        Word::Queued,
        "TEXT",
        "the message is queued into a run in progress",
    ),
    (
        "busy:",
        Word::Busy,
        "TEXT",
        "409, the conversation has a run in progress",
    ),
    (
        "429:",
        Word::TooMany,
        "N TEXT",
        "429 to N triggers, then the run starts",
    ),
    (
        "429-after:",
        Word::TooManyAfter,
        "N TEXT",
        "the same with Retry-After: 1",
    ),
    ("500:", Word::Down, "TEXT", "500, and no run is started"),
    (
        "lost:",
        Word::Lost,
        "TEXT",
        "the run is started, and the connection reset",
    ),
    (
        "lost-500:",
        Word::LostToError,
        "TEXT",
        "the run is started, and the reply is a 500",
    ),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Fail,
    ChainError,
    Cancel,
    Silent,
    Late,
    Output,
    Approve,
    Wait,
    Queued,
    Busy,
    TooMany,
    TooManyAfter,
    Down,
    Lost,
    LostToError,
}

/// What a message asks for.
#[derive(Clone, Debug)]
pub struct Plan {
    pub word: Option<Word>,
    /// How many triggers are answered 429 before one is taken.
    pub refusals: usize,
    /// What follows the word, or the whole message where there is none.
    pub text: String,
}

impl Plan {
    pub fn of(message: &str) -> Plan {
        for (word, meaning, ..) in WORDS {
            if let Some(text) = message.strip_prefix(word) {
                return Plan::by(meaning, text.trim_start());
            }
        }
        Plan {
            word: None,
            refusals: 0,
            text: message.to_owned(),
        }
    }

    fn by(word: Word, mut text: &str) -> Plan {
        let mut refusals = 0;
        if matches!(word, Word::TooMany | Word::TooManyAfter) {
            refusals = 1;
            if let Some((number, rest)) = text.split_once(' ')
                && let Ok(number) = number.parse()
            {
                (refusals, text) = (number, rest);
            }
        }
        Plan {
            word: Some(word),
            refusals,
            text: text.to_owned(),
        }
    }

    pub fn is(&self, word: Word) -> bool {
        self.word == Some(word)
    }
}
