/*!
A blocking HTTP/1.1 server: a thread for each connection, a function for the replies, stopped on
drop.
*/

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

#[cfg(feature = "tls")]
use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub use super::http::{Reply, Request, Step};

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
    /// An HTTP server on this address; port 0 is a free one. `answer` makes each reply.
    pub fn on(
        address: &str,
        answer: impl Fn(Request) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Server> {
        Server::of(TcpListener::bind(address)?, answer)
    }

    /// An HTTP server on a socket that is there already.
    pub fn of(
        listener: TcpListener,
        answer: impl Fn(Request) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Server> {
        Server::raw(listener, move |stream, connection, shared| {
            serve(stream.try_clone()?, &stream, connection, shared, &answer)
        })
    }

    /// An HTTPS server on a socket that is there already.
    #[cfg(feature = "tls")]
    pub fn over_tls(
        listener: TcpListener,
        config: Arc<ServerConfig>,
        answer: impl Fn(Request) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Server> {
        Server::raw(listener, move |stream, connection, shared| {
            let session = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            let tls = StreamOwned::new(session, stream.try_clone()?);
            serve(tls, &stream, connection, shared, &answer)
        })
    }

    /// Hands each connection over as it is, to what is no HTTP server.
    pub fn sockets(handle: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Server::raw(listener, move |stream, _, _| handle(stream)).expect("a server")
    }

    /// Accepts connections until it is dropped. `handle` gets each one, with its number.
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
    while let Some(request) = Request::read(&mut stream, connection)? {
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
