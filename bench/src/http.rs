//! The barest HTTP client: one connection, one request after the other, answers with a length. What
//! sends load must cost little beside what is measured.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that stays open, and is opened anew where the other side closed it.
pub(crate) struct Connection {
    address: String,
    stream: Option<TcpStream>,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            stream: None,
            answer: Vec::new(),
        }
    }

    /// Posts JSON; the answer is a 2xx with JSON, or this was no measurement.
    pub(crate) async fn post(&mut self, path: &str, body: &str) -> Value {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let (status, body, close) = match self.try_send(&request).await {
            Some(answer) => answer,
            // An idle connection may have been closed meanwhile.
            None => self.try_send(&request).await.expect("an answer"),
        };
        if close {
            self.stream = None;
        }
        assert!((200..300).contains(&status), "{path}: {status} {body}");
        body
    }

    async fn try_send(&mut self, request: &str) -> Option<(u16, Value, bool)> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(&self.address).await.ok()?;
                stream.set_nodelay(true).ok()?;
                stream
            }
        };
        stream.write_all(request.as_bytes()).await.ok()?;
        self.answer.clear();
        loop {
            if stream.read_buf(&mut self.answer).await.ok()? == 0 {
                return None;
            }
            if let Some(answer) = whole(&self.answer) {
                let body = serde_json::from_slice(answer.body).unwrap_or(Value::Null);
                let found = (answer.status, body, answer.close);
                self.stream = Some(stream);
                return Some(found);
            }
        }
    }
}

/// An answer that has come in full.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// Whether the other side closes the connection after it.
    pub(crate) close: bool,
}

/// The answer at the beginning of these bytes, once it is there.
pub(crate) fn whole(bytes: &[u8]) -> Option<Answer<'_>> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end])
        .expect("text")
        .to_lowercase();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let value = |name: &str| {
        let mut lines = head.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
    };
    let length: usize = value("content-length")
        .expect("a length")
        .parse()
        .expect("a number");
    Some(Answer {
        status: status.expect("a status"),
        body: bytes[end..].get(..length)?,
        close: value("connection") == Some("close"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        let found = Answer {
            status: 201,
            body: b"{}",
            close: true,
        };
        assert_eq!(whole(answer), Some(found));
        assert_eq!(whole(&answer[..answer.len() - 1]), None);
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\n"), None);
        let open = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(whole(open).map(|found| found.close), Some(false));
    }
}
