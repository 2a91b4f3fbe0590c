/*! What is seen of an upload. */

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rustix::process::Signal;

use super::ends::stalling;
use super::files::sized;
use super::{DOWNLOAD, api_to, attach, no_run, place};
use crate::command::{Folder, send_signal, wait_within};
use crate::script::{Script, answered, in_progress, triggered, upload_url};
use crate::terminal::Screen;
use fake::server::{Reply, Server};

/// The lines of `-v`, without the seconds.
fn log(stderr: &str) -> Vec<String> {
    let line = |line: &str| {
        let (_, text) = line.split_once("] ").unwrap_or(("", line));
        let is_measure = |c: char| c.is_ascii_digit() || c == '.';
        match text.split_once(" in ") {
            Some((before, after)) => {
                format!("{before} in{}", after.trim_start_matches(is_measure))
            }
            None => text.to_owned(),
        }
    };
    stderr.lines().map(line).collect()
}

#[test]
fn verbose_tells_each_upload_and_each_attempt() {
    let folder = Folder::new();
    let file = folder.file("a\n.txt", "text");
    let storage = Script::new()
        .upload(Reply::new(503, &[], "busy"))
        .upload(Reply::new(200, &[], ""))
        .start();
    let host = storage.server.address;
    let api = api_to(&place(&storage, "1"));
    let output = attach(&api, &file).arg("-v").run();
    output.exits(0);
    let log = log(&output.stderr);
    let uploads: Vec<&String> = log.iter().filter(|it| it.starts_with("upload")).collect();
    assert!(uploads[0].starts_with("upload: 200 in s, "), "{uploads:?}");
    assert_eq!(
        uploads[1..],
        [
            &format!("upload: a .txt to {host}, attempt 1, 4 bytes"),
            "upload: 503 in s, 4 bytes",
            &format!("upload: {host} returned 503 to the upload of a .txt: busy; retrying in s"),
            &format!("upload: a .txt to {host}, attempt 2, 4 bytes"),
            "upload: 200 in s, 0 bytes",
        ]
    );
}

/// A CI system ends a step that is silent for long, and an upload may be.
#[test]
fn verbose_has_a_heartbeat_with_the_progress() {
    let folder = Folder::new();
    let file = sized(&folder, "a.bin", 90_000_000);
    let host = stalling(45_000_000);
    let url = format!("http://{}/1", host.address);
    let asked = no_run(upload_url(&url, DOWNLOAD));
    let output = attach(&asked, &file).args(["-v", "-t", "16s"]).run();
    output.exits(4);
    let line = output
        .stderr
        .lines()
        .find_map(|line| line.split_once("] uploading a.bin, "))
        .unwrap_or_else(|| panic!("{output}"))
        .1;
    let percent: u32 = line.strip_suffix('%').unwrap().parse().unwrap();
    // As much as was read, and what the system's buffers hold.
    assert!((50..95).contains(&percent), "{percent}");
}

#[test]
fn on_a_terminal_a_line_shows_the_progress_of_the_upload() {
    let folder = Folder::new();
    let file = sized(&folder, "a.bin", 90_000_000);
    let host = stalling(45_000_000);
    let url = format!("http://{}/1", host.address);
    let asked = no_run(upload_url(&url, DOWNLOAD));
    let screen = Screen::new(80);
    let mut child = screen.spawn(attach(&asked, &file));
    screen.wait_for("uploading a.bin, ");
    let line = screen.text().trim_end().to_owned();
    let percent = line.strip_prefix("uploading a.bin, ").unwrap();
    let percent: u32 = percent.strip_suffix('%').unwrap().parse().unwrap();
    assert!((50..95).contains(&percent), "{line}");
    send_signal(&child, Signal::INT);
    let status = wait_within(&mut child, Duration::from_secs(2));
    assert_eq!(status.signal(), Some(Signal::INT.as_raw()));
    let said = "relevance-run: stopped by SIGINT; nothing was started (still uploading a.bin)";
    crate::eventually("the last line", || screen.text().trim_end() == said);
}

/// An attempt begins anew, and so does what is shown of it; then the run is waited for.
#[test]
fn the_progress_is_that_of_this_attempt_and_gone_with_it() {
    let folder = Folder::new();
    let file = sized(&folder, "a.bin", 90_000_000);
    let number = std::sync::atomic::AtomicUsize::new(0);
    let host = Server::sockets(move |mut stream| {
        use std::io::Write;
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        let is_first = number.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        if is_first {
            std::io::copy(&mut (&stream).take(80_000_000), &mut std::io::sink())?;
            return Ok(());
        }
        std::io::copy(&mut (&stream).take(10_000_000), &mut std::io::sink())?;
        std::thread::sleep(Duration::from_millis(2500));
        std::io::copy(&mut (&stream).take(80_000_000), &mut std::io::sink())?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    });
    let url = format!("http://{}/1", host.address);
    let api = Script::new()
        .upload_url(upload_url(&url, DOWNLOAD))
        .trigger(triggered())
        .poll(in_progress())
        .poll(answered("Hi!").after(Duration::from_millis(1500)))
        .start();
    let screen = Screen::new(80);
    let child = screen.spawn(attach(&api, &file));
    crate::eventually("the second attempt", || host.connections() == 2);
    std::thread::sleep(Duration::from_millis(1500));
    let line = screen.text().trim_end().to_owned();
    let percent = line.strip_prefix("uploading a.bin, ").unwrap();
    let percent: u32 = percent.strip_suffix('%').unwrap().parse().unwrap();
    assert!(percent < 60, "{line}");
    screen.wait_for("waiting for the run, ");
    screen.ends(child, 0, "Hi!");
}
