/*! What users read, held line by line. */

use crate::command::Output;
use fake::server::{Reply, Step};

const PROGRAM: &str = "relevance-run: ";

/// The last line of a command that ends while the scripted run may be in progress.
pub const RESUME: &str = "resume with: relevance-run --resume studio-1/job-1";

impl Output {
    /// The lines on standard error, without the program's name that each begins with.
    #[track_caller]
    pub fn lines(&self) -> Vec<&str> {
        let mut lines = Vec::new();
        for line in self.stderr.lines() {
            match line.strip_prefix(PROGRAM) {
                Some(line) => lines.push(line),
                None => panic!("a line without the program's name\n{self}"),
            }
        }
        lines
    }

    /// These are all the lines on standard error.
    #[track_caller]
    pub fn writes(&self, lines: &[&str]) -> &Output {
        assert_eq!(self.lines(), lines, "{self}");
        self
    }

    /// A failure: this code, nothing on standard output, and these lines on standard error.
    #[track_caller]
    pub fn ends(&self, code: i32, lines: &[&str]) -> &Output {
        self.exits(code).prints("").writes(lines)
    }

    /// The lines of `-v`, without the seconds since the start, and with `#` for the duration of a
    /// request.
    #[track_caller]
    pub fn log(&self) -> Vec<String> {
        self.lines().into_iter().map(without_times).collect()
    }

    /// One of the lines of `-v` is this.
    #[track_caller]
    pub fn logs(&self, line: &str) -> &Output {
        let log = self.log();
        assert!(log.iter().any(|it| it == line), "no line {line:?}\n{self}");
        self
    }
}

/// `[0.012] poll 1: 200 in 0.003 s, …` becomes `poll 1: 200 in # s, …`.
fn without_times(line: &str) -> String {
    let stamped = line
        .strip_prefix('[')
        .and_then(|line| line.split_once("] "));
    let line = stamped.map_or(line, |(_, line)| line);
    let Some((before, rest)) = line.split_once(" in ") else {
        return line.to_owned();
    };
    match rest.split_once(" s") {
        Some((seconds, after)) if seconds.parse::<f64>().is_ok() => {
            format!("{before} in # s{after}")
        }
        _ => line.to_owned(),
    }
}

/// The size of a reply's body, as the log has it.
pub fn body_size(reply: &Reply) -> usize {
    let [Step::Send(bytes)] = reply.0.as_slice() else {
        panic!("{reply:?}");
    };
    let end_of_head = bytes.windows(4).position(|it| it == b"\r\n\r\n");
    bytes.len() - end_of_head.unwrap() - 4
}
