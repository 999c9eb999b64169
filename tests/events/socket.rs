//! A WebSocket client (RFC 6455) that reads text messages and the close code, and says short ones.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub struct Socket(BufReader<TcpStream>);

#[derive(Debug, PartialEq)]
pub enum Message {
    Event(serde_json::Value),
    Closed(u16),
}

/// The status where it is not 101.
pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Socket, u16> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status: u16 = line.split(' ').nth(1).unwrap().parse().unwrap();
    if status != 101 {
        return Err(status);
    }
    while !line.trim_end().is_empty() {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    Ok(Socket(reader))
}

impl Socket {
    /// A text of up to 125 bytes, masked as a client has to.
    pub fn say(&mut self, text: &str) {
        let mask = [0x5a, 0x17, 0xc3, 0x0f];
        let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap()];
        frame.extend(mask);
        frame.extend(text.bytes().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.0.get_mut().write_all(&frame).unwrap();
    }

    /// The next event, or the end; pings and positions are passed over.
    pub fn next(&mut self) -> Message {
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head).unwrap();
            let length = match head[1] {
                126 => {
                    let mut length = [0; 2];
                    self.0.read_exact(&mut length).unwrap();
                    usize::from(u16::from_be_bytes(length))
                }
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).unwrap();
            match head[0] & 0x0f {
                1 => {
                    let value: serde_json::Value = serde_json::from_slice(&payload).unwrap();
                    if value.get("position").is_none() {
                        return Message::Event(value);
                    }
                }
                8 => return Message::Closed(u16::from_be_bytes([payload[0], payload[1]])),
                _ => {}
            }
        }
    }
}
