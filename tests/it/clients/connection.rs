//! HTTP written by hand, since the headers of a client are what matters here.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::Gateway;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that is kept from call to call, as these clients do.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Connection {
    pub(super) async fn plain(gateway: &Gateway) -> Self {
        Self::over(TcpStream::connect(gateway.address).await.unwrap())
    }

    /// Over anything, such as TLS.
    pub(super) fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), read: Vec::new() }
    }

    /// Sends a head, its lines as they stand here, and a body after it.
    pub(super) async fn call(&mut self, head: &str, body: &str) -> Answer {
        self.send(head).await;
        self.stream.write_all(body.as_bytes()).await.unwrap();
        self.answer(head.starts_with("HEAD ")).await
    }

    /// The same, with the body only once the server says that it wants it.
    pub(super) async fn call_expecting(&mut self, head: &str, body: &str) -> Answer {
        self.send(head).await;
        let interim = self.read_head().await;
        assert!(interim.starts_with("HTTP/1.1 100 "), "{interim}");
        self.stream.write_all(body.as_bytes()).await.unwrap();
        self.answer(false).await
    }

    async fn send(&mut self, head: &str) {
        let lines: Vec<_> = head.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let head = format!("{}\r\n\r\n", lines.join("\r\n"));
        self.stream.write_all(head.as_bytes()).await.unwrap();
    }

    async fn answer(&mut self, bodyless: bool) -> Answer {
        let head = self.read_head().await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.field("content-length");
        let length = if bodyless || length.is_empty() { 0 } else { length.parse().unwrap() };
        while self.read.len() < length {
            self.more().await;
        }
        answer.body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        answer
    }

    async fn read_head(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                return String::from_utf8(self.read.drain(..end + 4).collect()).unwrap();
            }
            self.more().await;
        }
    }

    async fn more(&mut self) {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
        let read = read.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.read)));
        assert!(read.unwrap() > 0, "closed after {}", String::from_utf8_lossy(&self.read));
    }
}

impl Answer {
    /// The value of a header; empty if it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
            .next()
            .unwrap_or("")
    }

    #[track_caller]
    pub(super) fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{} {}", self.head, self.body);
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
