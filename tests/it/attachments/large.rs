/*! Large files. */

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::host::says;
use super::{DOWNLOAD, api_to, attach, no_run};
use crate::command::Folder;
use crate::script::upload_url;
use fake::server::Server;

/// Reads the head of a request.
fn head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head).unwrap())
}

/// A host that says no at once does not wait for the file, and resets the connection.
#[test]
fn a_large_file_is_rejected_before_it_is_sent() {
    let folder = Folder::new();
    let file = folder.file("a.bin", vec![7; 8_000_000]);
    let (heads, seen) = std::sync::mpsc::channel();
    let host = Server::sockets(move |mut stream| {
        heads.send(head(&mut stream)?).unwrap();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nexpired")
    });
    let address = host.address;
    let api = no_run(upload_url(&format!("http://{address}/1"), DOWNLOAD));
    let output = attach(&api, &file).args(["-t", "20s"]).run();
    says(
        &output,
        3,
        &format!(
            "{address} rejected the upload of a.bin with 403: expired; nothing was started; \
             repeat the command, which asks for another upload URL"
        ),
    );
    assert_eq!(seen.try_iter().count(), 1);
}

/// A host that does not know the question is sent the file all the same.
#[test]
fn a_host_that_does_not_say_continue_is_sent_the_file() {
    let folder = Folder::new();
    let file = folder.file("a.bin", vec![7; 3_000_000]);
    let host = Server::sockets(move |mut stream| {
        head(&mut stream)?;
        let mut left = vec![0; 3_000_000];
        stream.read_exact(&mut left)?;
        assert!(left.iter().all(|byte| *byte == 7));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    });
    let url = format!("http://{}/1", host.address);
    let api = api_to(&url);
    attach(&api, &file).run().answers("Hi!");
    assert_eq!(host.connections(), 1);
}

/// Nor does it matter how such a host takes the question.
#[test]
fn a_host_that_does_not_understand_the_question_is_sent_the_file() {
    let folder = Folder::new();
    let file = folder.file("a.bin", vec![7; 3_000_000]);
    for reply in [
        "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ] {
        let (bodies, seen) = std::sync::mpsc::channel();
        let host = Server::sockets(move |mut stream| {
            if head(&mut stream)?.contains("expect: 100-continue\r\n") {
                return stream.write_all(reply.as_bytes());
            }
            let mut body = vec![0; 3_000_000];
            stream.read_exact(&mut body)?;
            bodies.send(body).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        });
        let url = format!("http://{}/1", host.address);
        let api = api_to(&url);
        attach(&api, &file).run().answers("Hi!");
        assert!(seen.recv().unwrap() == [7; 3_000_000]);
        assert_eq!(host.connections(), 2);
    }
}

/// An upload of many megabytes in little memory: its peak as the kernel has it.
#[test]
fn memory_does_not_grow_with_the_file() {
    let folder = Folder::new();
    let file = folder.file("a.bin", "");
    let sparse = std::fs::File::options().write(true).open(&file).unwrap();
    sparse.set_len(90_000_000).unwrap();
    let (peaks, seen) = std::sync::mpsc::channel();
    let peaks = std::sync::Mutex::new(peaks);
    let host = Server::sockets(move |mut stream| {
        let head = head(&mut stream)?;
        assert!(head.contains("content-length: 90000000\r\n"), "{head}");
        if head.contains("100-continue") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let read = std::io::copy(&mut (&stream).take(90_000_000), &mut std::io::sink())?;
        // The client now waits for the reply.
        peaks.lock().unwrap().send(read).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    });
    let url = format!("http://{}/1", host.address);
    let api = api_to(&url);
    let running = attach(&api, &file).spawn();
    assert_eq!(seen.recv().unwrap(), 90_000_000);
    let status = std::fs::read_to_string(format!(
        "/proc/{}/status",
        running.pid().as_raw_nonzero().get()
    ));
    let status = status.unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: u64 = peak.split_whitespace().next().unwrap().parse().unwrap();
    running.wait().answers("Hi!");
    assert!(kib < 12 << 10, "{kib} KiB");
}
