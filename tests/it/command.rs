/*! Runs the real binary as a user would, with nothing in its environment but what the test puts
there. */

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::script::{Script, Scripted, TOKEN, answered};
use fake::tls::Authority;

/// Longer than anything takes on a machine that is not overloaded; a command that runs on is killed
/// and fails.
pub const LIMIT: Duration = Duration::from_secs(120);

pub fn binary() -> PathBuf {
    // `make test` names the static binary; `cargo test` alone takes the one it built.
    std::env::var_os("RELEVANCE_RUN")
        .map_or_else(|| env!("CARGO_BIN_EXE_relevance-run").into(), PathBuf::from)
}

/// The command with the environment of a user of `api`.
pub fn relevance_run(api: &Scripted) -> Cmd {
    bare()
        .env("RELEVANCE_AUTH_TOKEN", TOKEN)
        .env("RELEVANCE_BASE_URL", api.base_url())
        .env("RELEVANCE_AGENT_ID", "agent-1")
}

/// The program, which heeds SIGINT and SIGQUIT also where whoever runs the tests ignores them, as a
/// script's `&` does: it would rightly ignore them too.
fn heeding_signals(program: &Path) -> Command {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .unwrap_or("0");
    if u64::from_str_radix(mask.trim(), 16).unwrap_or(0) & 0b110 == 0 {
        return Command::new(program);
    }
    let mut command = Command::new(ENV);
    command.arg("--default-signal=INT,QUIT").arg(program);
    command
}

const ENV: &str = "/usr/bin/env";

/// The command with an empty environment.
pub fn bare() -> Cmd {
    let mut command = heeding_signals(&binary());
    command.env_clear();
    Cmd::from(command)
}

pub struct Cmd {
    pub command: Command,
    stdin: Option<Vec<u8>>,
}

pub struct Output {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
    pub took: Duration,
}

impl From<Command> for Cmd {
    fn from(command: Command) -> Cmd {
        Cmd {
            command,
            stdin: None,
        }
    }
}

impl Cmd {
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Cmd {
        self.command.arg(argument);
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Cmd {
        self.command.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Cmd {
        self.command.env(name, value);
        self
    }

    pub fn unset(mut self, name: &str) -> Cmd {
        self.command.env_remove(name);
        self
    }

    /// The same through a shell, where `script` runs it as `"$RUN" "$@"`.
    pub fn in_shell(self, script: &str) -> Cmd {
        let mut arguments: Vec<&OsStr> = self.command.get_args().collect();
        let mut program = self.command.get_program();
        if program == ENV {
            program = arguments.remove(1);
            arguments.remove(0);
        }
        let mut shell = heeding_signals(Path::new("/bin/sh"));
        let variables = self.command.get_envs();
        let variables = variables.filter_map(|(name, value)| Some((name, value?)));
        shell.env_clear().envs(variables).env("RUN", program);
        shell.args(["-c", script, "sh"]).args(arguments);
        Cmd::from(shell)
    }

    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Cmd {
        self.stdin = Some(text.into());
        self
    }

    pub fn run(self) -> Output {
        self.spawn().wait()
    }

    pub fn spawn(mut self) -> Running {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command.stdin(if self.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        let started = Instant::now();
        let mut child = self.command.spawn().expect("the binary");
        if let Some(text) = self.stdin {
            let mut pipe = child.stdin.take().unwrap();
            // A command that refuses its arguments does not read.
            thread::spawn(move || drop(pipe.write_all(&text)));
        }
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        Running {
            child,
            stdout,
            stderr,
            started,
        }
    }
}

type Collected = thread::JoinHandle<Vec<u8>>;

fn collect(mut pipe: impl Read + Send + 'static) -> Collected {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

pub struct Running {
    child: Child,
    stdout: Collected,
    stderr: Collected,
    started: Instant,
}

impl Running {
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        send_signal(&self.child, signal);
    }

    pub fn wait(self) -> Output {
        self.wait_within(LIMIT)
    }

    pub fn wait_within(mut self, limit: Duration) -> Output {
        let status = wait_within(&mut self.child, limit);
        Output {
            code: status.code(),
            signal: status.signal(),
            took: self.started.elapsed(),
            stdout: self.stdout.join().unwrap(),
            stderr: String::from_utf8(self.stderr.join().unwrap()).expect("messages in UTF-8"),
        }
    }
}

pub fn send_signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

pub fn wait_within(child: &mut Child, limit: Duration) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if started.elapsed() > limit {
            child.kill().unwrap();
            panic!("the command did not end within {limit:?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

impl Output {
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Output {
        assert!(self.code == Some(code), "expected exit {code}\n{self}");
        self
    }

    /// Ended by this signal itself, as a shell's loop wants it.
    #[track_caller]
    pub fn stopped_by(&self, signal: Signal) -> &Output {
        let expected = Some(signal.as_raw());
        assert!(
            self.signal == expected,
            "expected an end by {signal:?}\n{self}"
        );
        self
    }

    /// The answer on standard output, and nothing on standard error.
    #[track_caller]
    pub fn answers(&self, answer: &str) -> &Output {
        self.exits(0).prints(&format!("{answer}\n"));
        assert!(self.stderr.is_empty(), "expected silence\n{self}");
        self
    }

    #[track_caller]
    pub fn prints(&self, text: &str) -> &Output {
        assert!(self.stdout == text.as_bytes(), "expected {text:?}\n{self}");
        self
    }

    /// A failure with nothing on standard output, and one line that has all of `parts`.
    #[track_caller]
    pub fn fails(&self, code: i32, parts: &[&str]) -> &Output {
        self.exits(code).prints("");
        let lines: Vec<&str> = self
            .stderr
            .lines()
            .filter(|line| !line.starts_with("relevance-run: resume with: "))
            .collect();
        assert!(lines.len() == 1, "expected one line\n{self}");
        assert!(lines[0].starts_with("relevance-run: "), "{self}");
        self.says(parts)
    }

    #[track_caller]
    pub fn says(&self, parts: &[&str]) -> &Output {
        for part in parts {
            assert!(self.stderr.contains(part), "expected {part:?}\n{self}");
        }
        self
    }

    #[track_caller]
    pub fn never_says(&self, part: &str) -> &Output {
        assert!(
            !self.stderr.contains(part),
            "{part:?} in standard error\n{self}"
        );
        assert!(
            !String::from_utf8_lossy(&self.stdout).contains(part),
            "{part:?} in standard output\n{self}"
        );
        self
    }

    /// Whether the last line tells how to resume `run`.
    #[track_caller]
    pub fn resumes(&self, run: &str) -> &Output {
        let line = format!("relevance-run: resume with: relevance-run --resume {run}");
        assert!(
            self.stderr.lines().last() == Some(&line),
            "expected a resume line\n{self}"
        );
        self
    }

    #[track_caller]
    pub fn does_not_resume(&self) -> &Output {
        assert!(
            !self.stderr.contains("resume with"),
            "expected no resume line\n{self}"
        );
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|why| panic!("not JSON: {why}\n{self}"))
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |text: &str| text.chars().take(4000).collect::<String>();
        write!(
            f,
            "exit: {:?}, signal: {:?}, after {:?}\nstdout: {:?}\nstderr: {}",
            self.code,
            self.signal,
            self.took,
            shown(&String::from_utf8_lossy(&self.stdout)),
            shown(&self.stderr)
        )
    }
}

/// A folder of the test's own, removed when it is over.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::SeqCst)
        );
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, contents).unwrap();
        path
    }

    /// The names of what is in it.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An authority, and its certificate in a file for `SSL_CERT_FILE`.
pub struct Trusted {
    pub authority: Authority,
    pub pem: PathBuf,
    _folder: Folder,
}

impl Trusted {
    pub fn new() -> Trusted {
        let (authority, folder) = (Authority::generate(), Folder::new());
        Trusted {
            pem: folder.file("ca.pem", &authority.pem),
            authority,
            _folder: folder,
        }
    }

    /// An API over TLS, by this name, whose run ends at once with the answer `Hi!`.
    pub fn api(&self, host: &str) -> Scripted {
        let tls = self.authority.server(&[host], false);
        Script::run().poll(answered("Hi!")).tls(tls).start()
    }
}
