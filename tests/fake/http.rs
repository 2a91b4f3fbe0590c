/*!
HTTP/1.1 as the servers here need it: a request as it was received, and a reply as a list of steps,
so that it can also be late, slow, cut off or never there.
*/

use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A request as it was received.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Which connection it came on, from 0.
    pub connection: usize,
    pub at: Instant,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} was sent twice");
        value
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// Whether this starts a run, of an agent or of a tool.
    pub fn is_trigger(&self) -> bool {
        let path = self.path();
        let starts_tool = path.starts_with("/latest/studios/") && path.ends_with("/trigger_async");
        self.method == "POST" && (path == "/latest/agents/trigger" || starts_tool)
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The next request, or `None` where the client has closed.
    pub fn read(
        stream: &mut BufReader<impl Read + Write>,
        connection: usize,
    ) -> io::Result<Option<Request>> {
        let Some(mut request) = Request::read_head(stream, connection)? else {
            return Ok(None);
        };
        request.body = vec![0; request.content_length()];
        stream.read_exact(&mut request.body)?;
        Ok(Some(request))
    }

    /// The next request without its body, which the client has been told to send.
    pub fn read_head(
        stream: &mut BufReader<impl Read + Write>,
        connection: usize,
    ) -> io::Result<Option<Request>> {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(io::Error::other("not a request line"));
        };
        let request = Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: read_headers(stream)?,
            body: Vec::new(),
            connection,
            at: Instant::now(),
        };
        if request
            .header("Expect")
            .is_some_and(|it| it.eq_ignore_ascii_case("100-continue"))
        {
            stream
                .get_mut()
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            stream.get_mut().flush()?;
        }
        Ok(Some(request))
    }

    pub fn content_length(&self) -> usize {
        self.header("Content-Length")
            .map_or(0, |value| value.parse().expect("a length"))
    }
}

fn read_headers(stream: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(headers);
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err(io::Error::other("not a header"));
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// What the server does next.
#[derive(Clone, Debug)]
pub enum Step {
    Send(Vec<u8>),
    /// Send one piece again and again until the client goes away.
    Repeat {
        piece: Vec<u8>,
        every: Duration,
    },
    Pause(Duration),
    /// Say nothing more until the client goes away.
    Hang,
    /// Close the connection in good order.
    Close,
    /// Close it so that the client sees a reset.
    Reset,
}

/// All that the server does with a request.
#[derive(Clone, Debug)]
pub struct Reply(pub Vec<Step>);

impl Reply {
    pub fn new(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Reply {
        let body = body.as_ref();
        let mut head = format!(
            "HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        Reply(vec![Step::Send(bytes)])
    }

    pub fn json(status: u16, body: Value) -> Reply {
        Reply::text(status, &body.to_string())
    }

    /// A body that is meant to be JSON, given to the letter.
    pub fn text(status: u16, body: &str) -> Reply {
        Reply::new(status, &[("Content-Type", "application/json")], body)
    }

    /// The API's envelope for an error.
    pub fn error(status: u16, message: &str, error_type: &str) -> Reply {
        Reply::json(
            status,
            json!({"message": message, "error_type": error_type, "error_audience": "platform"}),
        )
    }

    pub fn raw(bytes: impl Into<Vec<u8>>) -> Reply {
        Reply(vec![Step::Send(bytes.into())])
    }

    pub fn hang() -> Reply {
        Reply(vec![Step::Hang])
    }

    pub fn close() -> Reply {
        Reply(vec![Step::Close])
    }

    pub fn reset() -> Reply {
        Reply(vec![Step::Reset])
    }

    /// The same reply with one more header.
    pub fn header(mut self, name: &str, value: &str) -> Reply {
        for step in &mut self.0 {
            let Step::Send(bytes) = step else { continue };
            let end_of_status = bytes
                .iter()
                .position(|byte| *byte == b'\n')
                .expect("a status line");
            let line = format!("{name}: {value}\r\n");
            bytes.splice(end_of_status + 1..end_of_status + 1, line.into_bytes());
            return self;
        }
        panic!("a reply that sends nothing has no headers");
    }

    pub fn then(mut self, step: Step) -> Reply {
        self.0.push(step);
        self
    }

    pub fn after(mut self, pause: Duration) -> Reply {
        self.0.insert(0, Step::Pause(pause));
        self
    }
}
