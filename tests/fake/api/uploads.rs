/*!
Uploads: a URL for each, on another host than the API's, which takes the bytes, counts and digests
them, and keeps none.
*/

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ring::digest::{Context, SHA256};
use serde_json::{Value, json};

use super::{Answer, Api};
use crate::server::{Reply, Request, Server, Step};

/// An upload as it was received, whole or not.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its head; the body is not kept.
    pub request: Request,
    pub length: usize,
    /// In lower-case hexadecimal digits.
    pub sha256: String,
    /// What it was answered.
    pub status: u16,
}

pub struct UploadHost {
    server: Server,
    received: Arc<Mutex<Vec<Upload>>>,
    urls: AtomicUsize,
}

impl UploadHost {
    /// A host on loopback that answers 503 to the first `failures` uploads.
    pub fn start(failures: usize) -> UploadHost {
        let received: Arc<Mutex<Vec<Upload>>> = Arc::default();
        let receiving = Arc::clone(&received);
        let server = Server::sockets(move |stream| {
            let mut stream = BufReader::new(stream);
            while let Some(request) = Request::read_head(&mut stream, 0)? {
                take(&mut stream, request, &receiving, failures)?;
            }
            Ok(())
        });
        UploadHost {
            server,
            received,
            urls: AtomicUsize::new(0),
        }
    }

    /// Where an upload goes.
    pub fn new_url(&self, extension: &str) -> (String, String) {
        let number = self.urls.fetch_add(1, Ordering::SeqCst) + 1;
        let place = format!(
            "http://{}/temporary/file-{number}.{extension}",
            self.server.address
        );
        (format!("{place}?X-Amz-Signature=demo"), place)
    }

    pub fn received(&self) -> Vec<Upload> {
        self.received.lock().unwrap().clone()
    }
}

/// Reads the body of one request, and answers it as such a host does.
fn take(
    stream: &mut BufReader<TcpStream>,
    request: Request,
    received: &Mutex<Vec<Upload>>,
    failures: usize,
) -> io::Result<()> {
    let expected = request.content_length();
    let mut digest = Context::new(&SHA256);
    let mut length = 0;
    let mut piece = vec![0; 64 * 1024];
    while length < expected {
        let wanted = piece.len().min(expected - length);
        let read = stream.read(&mut piece[..wanted])?;
        if read == 0 {
            break;
        }
        digest.update(&piece[..read]);
        length += read;
    }
    let sha256 = digest
        .finish()
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let upload = |status| Upload {
        request: request.clone(),
        length,
        sha256,
        status,
    };
    let status = {
        let mut received = received.lock().unwrap();
        let status = match refusal(&request) {
            Some(status) => status,
            None if length < expected => 400,
            None if received.len() < failures => 503,
            None => 200,
        };
        received.push(upload(status));
        status
    };
    for step in Reply::new(status, &[], "").0 {
        if let Step::Send(bytes) = step {
            stream.get_mut().write_all(&bytes)?;
        }
    }
    // What follows a body of unknown length is not understood.
    if status == 501 {
        Err(io::ErrorKind::Unsupported.into())
    } else {
        Ok(())
    }
}

/// What no attempt changes.
fn refusal(request: &Request) -> Option<u16> {
    if request.method != "PUT" {
        return Some(405);
    }
    // A signed URL is the only credential that is taken.
    if request.header("Authorization").is_some() {
        return Some(400);
    }
    // The length must be known beforehand.
    if request.header("Transfer-Encoding").is_some() {
        return Some(501);
    }
    request.header("Content-Length").is_none().then_some(411)
}

impl Api {
    /// `body` is valid by the document.
    pub(super) fn upload_url(&self, body: &Value) -> Answer {
        let host = self
            .uploads
            .get_or_init(|| UploadHost::start(self.scenario.upload_failures));
        let (upload_url, download_url) = host.new_url(body["extension"].as_str().unwrap_or("csv"));
        Answer::ok(json!({"upload_url": upload_url, "download_url": download_url}))
    }
}
