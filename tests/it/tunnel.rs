/*! A CONNECT proxy that leads every tunnel to one address, whatever name is asked for, and records what it was sent. */

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::fake::server::Server;

pub struct Tunnel {
    pub server: Server,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    pub fn to(address: SocketAddr) -> Tunnel {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&heads);
        let server = Server::sockets(move |mut client| {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                client.read_exact(&mut byte)?;
                head.push(byte[0]);
            }
            recorded
                .lock()
                .unwrap()
                .push(String::from_utf8(head).unwrap());
            let api = TcpStream::connect(address)?;
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
            let back = pipe(api.try_clone()?, client.try_clone()?);
            pipe(client, api).join().unwrap()?;
            back.join().unwrap()
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

fn pipe(mut from: TcpStream, mut to: TcpStream) -> thread::JoinHandle<io::Result<()>> {
    thread::spawn(move || {
        let copied = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
        copied.map(drop)
    })
}
