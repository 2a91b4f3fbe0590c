/*!
A blocking HTTP/1.1 server: a thread for each connection, a function for the replies, stopped on drop.

A reply is a list of steps, so that it can also be late, slow, cut off or never there.
*/

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

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
}

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
            serde_json::json!({"message": message, "error_type": error_type}),
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

    pub fn then(mut self, step: Step) -> Reply {
        self.0.push(step);
        self
    }

    pub fn after(mut self, pause: Duration) -> Reply {
        self.0.insert(0, Step::Pause(pause));
        self
    }
}

pub struct Server {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    stopping: AtomicBool,
    connections: AtomicUsize,
    bytes_sent: AtomicUsize,
    /// By the number of the connection, so that they can be shut on drop.
    open: Mutex<HashMap<usize, TcpStream>>,
}

impl Server {
    /// Serves on this address, over TLS if a configuration is given; port 0 is a free one.
    pub fn on(
        address: &str,
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(Request) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Server> {
        Server::of(TcpListener::bind(address)?, tls, answer)
    }

    /// The same, on a socket that is there already.
    pub fn of(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(Request) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Server> {
        Server::raw(listener, move |stream, connection, shared| match &tls {
            Some(config) => {
                let session =
                    ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                serve(
                    StreamOwned::new(session, stream.try_clone()?),
                    &stream,
                    connection,
                    shared,
                    &answer,
                )
            }
            None => serve(stream.try_clone()?, &stream, connection, shared, &answer),
        })
    }

    /// Hands each connection over as it is, to what is no HTTP server.
    pub fn sockets(handle: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Server::raw(listener, move |stream, _, _| handle(stream)).expect("a server")
    }

    fn raw(
        listener: TcpListener,
        handle: impl Fn(TcpStream, usize, &Shared) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Server> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            stopping: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            bytes_sent: AtomicUsize::new(0),
            open: Mutex::new(HashMap::new()),
        });
        let (handle, accepting) = (Arc::new(handle), Arc::clone(&shared));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopping.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                stream.set_nodelay(true).unwrap();
                let connection = accepting.connections.fetch_add(1, Ordering::SeqCst);
                accepting
                    .open
                    .lock()
                    .unwrap()
                    .insert(connection, stream.try_clone().unwrap());
                let (handle, shared) = (Arc::clone(&handle), Arc::clone(&accepting));
                thread::spawn(move || {
                    // A client that goes away is no failure of the server's.
                    let _ = handle(stream, connection, &shared);
                    shared.open.lock().unwrap().remove(&connection);
                });
            }
        });
        Ok(Server { address, shared })
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many bytes of replies were sent, before TLS.
    pub fn bytes_sent(&self) -> usize {
        self.shared.bytes_sent.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        for (_, stream) in self.shared.open.lock().unwrap().drain() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn serve<S: Read + Write>(
    stream: S,
    socket: &TcpStream,
    connection: usize,
    shared: &Shared,
    answer: &impl Fn(Request) -> Reply,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream, connection)? {
        let closes = request
            .header("Connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        for step in answer(request).0 {
            match step {
                Step::Send(bytes) => {
                    shared.bytes_sent.fetch_add(bytes.len(), Ordering::SeqCst);
                    stream.get_mut().write_all(&bytes)?;
                    stream.get_mut().flush()?;
                }
                Step::Repeat { piece, every } => loop {
                    stream.get_mut().write_all(&piece)?;
                    stream.get_mut().flush()?;
                    thread::sleep(every);
                },
                Step::Pause(pause) => thread::sleep(pause),
                Step::Hang => {
                    let mut rest = Vec::new();
                    stream.read_to_end(&mut rest)?;
                }
                Step::Close => return Ok(()),
                Step::Reset => return reset(socket),
            }
        }
        if closes {
            break;
        }
    }
    Ok(())
}

/// Closing with a linger time of zero makes the kernel send RST instead of FIN.
fn reset(socket: &TcpStream) -> io::Result<()> {
    rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO))?;
    Ok(())
}

/// The next request, or `None` where the client has closed.
fn read_request(
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
    let mut request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        connection,
        at: Instant::now(),
    };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| io::Error::other("not a header"))?;
        request
            .headers
            .push((name.to_owned(), value.trim().to_owned()));
    }
    if request
        .header("Expect")
        .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    {
        stream
            .get_mut()
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        stream.get_mut().flush()?;
    }
    let length = request
        .header("Content-Length")
        .map_or(0, |value| value.parse().expect("a length"));
    request.body = vec![0; length];
    stream.read_exact(&mut request.body)?;
    Ok(Some(request))
}
