/*! A CONNECT proxy that leads every tunnel to one address, whatever name is asked for, and records
what it was sent. */

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use fake::server::Server;

pub struct Tunnel {
    pub server: Server,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    pub fn to(address: SocketAddr) -> Tunnel {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&heads);
        let server = Server::sockets(move |mut client| {
            let head = read_head(&mut client)?;
            recorded.lock().unwrap().push(head);
            let api = TcpStream::connect(address)?;
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
            join(client, api)
        });
        Tunnel { server, heads }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// The heads of the CONNECT requests.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

pub fn read_head(client: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

/// Copies both ways until both sides are done.
pub fn join(client: TcpStream, api: TcpStream) -> io::Result<()> {
    let back = pipe(api.try_clone()?, client.try_clone()?);
    pipe(client, api).join().unwrap()?;
    back.join().unwrap()
}

/// Copies both ways until the client sends its request number `count` + 1, and drops both
/// connections then.
pub fn join_requests(mut client: TcpStream, mut api: TcpStream, count: usize) -> io::Result<()> {
    let back = pipe(api.try_clone()?, client.try_clone()?);
    let (mut seen, mut buffer) = (0, [0; 65536]);
    loop {
        let length = client.read(&mut buffer)?;
        seen += buffer[..length]
            .windows(9)
            .filter(|bytes| bytes == b" HTTP/1.1")
            .count();
        if length == 0 || seen > count {
            break;
        }
        api.write_all(&buffer[..length])?;
    }
    client.shutdown(Shutdown::Both)?;
    api.shutdown(Shutdown::Both)?;
    back.join().unwrap()
}

fn pipe(mut from: TcpStream, mut to: TcpStream) -> thread::JoinHandle<io::Result<()>> {
    thread::spawn(move || {
        let copied = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
        copied.map(drop)
    })
}
