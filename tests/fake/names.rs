/*! A name server, for a network namespace of its own, where it may have port 53. */

use std::net::UdpSocket;
use std::thread;

/// What is said of a name.
#[derive(Clone, Copy)]
pub enum Answer {
    /// Its address for IPv4, and the one for IPv6.
    Known(Option<[u8; 4]>, Option<[u8; 16]>),
    Unknown,
    Silence,
}

/// Serves on 127.0.0.1 for as long as the process lives. `answer` is called once for each query.
pub fn serve(answer: fn(&str) -> Answer) {
    let socket = UdpSocket::bind("127.0.0.1:53").expect("port 53 in a namespace of its own");
    thread::spawn(move || {
        let mut query = [0; 512];
        loop {
            let (_, from) = socket.recv_from(&mut query).unwrap();
            let (mut labels, mut at) = (Vec::new(), 12);
            while query[at] != 0 {
                let end = at + 1 + usize::from(query[at]);
                labels.push(std::str::from_utf8(&query[at + 1..end]).unwrap());
                at = end;
            }
            let answer = answer(&labels.join("."));
            let (kind, question_end) = (query[at + 2], at + 5);
            let address = match (answer, kind) {
                (Answer::Silence, _) => continue,
                (Answer::Known(Some(v4), _), 1) => v4.to_vec(),
                (Answer::Known(_, Some(v6)), 28) => v6.to_vec(),
                _ => Vec::new(),
            };
            // A response, with no more than the question and an address where there is one.
            let mut reply = query[..question_end].to_vec();
            reply[2] = 0x81;
            reply[3] = if matches!(answer, Answer::Known(..)) {
                0x80
            } else {
                0x83
            };
            reply[6..12].copy_from_slice(&[0, u8::from(!address.is_empty()), 0, 0, 0, 0]);
            if !address.is_empty() {
                reply.extend_from_slice(&[
                    0xc0,
                    12,
                    0,
                    kind,
                    0,
                    1,
                    0,
                    0,
                    0,
                    0,
                    0,
                    address.len() as u8,
                ]);
                reply.extend_from_slice(&address);
            }
            socket.send_to(&reply, from).unwrap();
        }
    });
}
