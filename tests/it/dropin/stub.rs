//! A Citrix of which the test holds the bytes: it issues tokens by itself and hands over every
//! other connection once the head of its request is here.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    task::JoinHandle,
    time::timeout,
};

use crate::support::Gateway;

pub(super) struct Lab {
    pub(super) gateway: Gateway,
    /// `http://host:port`
    pub(super) url: String,
    calls: Receiver<Call>,
    serving: JoinHandle<()>,
}

/// One request to the stub.
pub(super) struct Call {
    /// Request line and headers.
    pub(super) head: String,
    stream: TcpStream,
    read: Vec<u8>,
}

impl Lab {
    pub(super) async fn start() -> Self {
        Self::with("").await
    }

    pub(super) async fn with(settings: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (hand_over, calls) = channel(64);
        let serving = tokio::spawn(async move {
            let mut issued = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let mut call = Call { head: String::new(), stream, read: Vec::new() };
                call.read_head().await;
                if call.head.starts_with("POST /cctrustoauth2/") {
                    issued += 1;
                    let body = format!(
                        "{{\"token_type\":\"bearer\",\"access_token\":\"lab-token-{issued}\",\"expires_in\":\"3600\"}}"
                    );
                    call.answer("200 OK", "Content-Type: application/json\r\n", &body).await;
                } else {
                    hand_over.send(call).await.unwrap();
                }
            }
        });
        let lab = format!(
            "[regions.lab]\napi = {url:?}\nregistry = {url:?}\ncore = {url:?}\nnotifications = {url:?}\n\
             [customers.lab]\nid = \"lab1024\"\nregion = \"lab\"\nclient_id = \"client\"\n\
             client_secret = \"lab-secret\"\n"
        );
        let gateway = Gateway::builder().settings(settings).settings(&lab).start().await;
        Self { gateway, url, calls, serving }
    }

    /// The next call that is no token request.
    pub(super) async fn call(&mut self) -> Call {
        timeout(PATIENCE, self.calls.recv()).await.expect("a call should have come").unwrap()
    }

    /// Whether a call has come that was not looked at.
    pub(super) fn has_call(&mut self) -> bool {
        self.calls.try_recv().is_ok()
    }

    /// A connection to the gateway with the head of a request on it.
    pub(super) async fn send(&self, line: &str, fields: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.gateway.address).await.unwrap();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nCitrix-CustomerId: lab\r\n\
             {fields}\r\n",
            self.gateway.address, self.gateway.key
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Call {
    async fn read_head(&mut self) {
        loop {
            if let Some(end) = self.read.windows(4).position(|w| w == b"\r\n\r\n") {
                self.head = String::from_utf8(self.read.drain(..end + 4).collect()).unwrap();
                return;
            }
            if self.stream.read_buf(&mut self.read).await.unwrap_or_default() == 0 {
                return;
            }
        }
    }

    /// Reads until what has come of the body ends so.
    pub(super) async fn read_until(&mut self, end: &str) -> String {
        timeout(PATIENCE, async {
            while !self.read.ends_with(end.as_bytes()) {
                let more = self.stream.read_buf(&mut self.read).await.unwrap();
                assert!(more > 0, "the body ended: {}", String::from_utf8_lossy(&self.read));
            }
        })
        .await
        .expect("the body should have come so far");
        String::from_utf8(self.read.clone()).unwrap()
    }

    /// Whether the other side closes without another byte.
    pub(super) async fn is_closed(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
        matches!(read.expect("it should have been closed"), Ok(0) | Err(_))
    }

    pub(super) async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    pub(super) async fn answer(&mut self, status: &str, fields: &str, body: &str) {
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        self.write(&text).await;
    }

    /// The value of a header; empty if it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        let field = |line: &'_ str| {
            line.split_once(": ").is_some_and(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        let line = self.head.lines().find(|line| field(line)).unwrap_or_default();
        line.split_once(": ").map_or("", |(_, value)| value)
    }
}

/// Reads until what has come ends so.
pub(super) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    timeout(PATIENCE, async {
        while !read.ends_with(end.as_bytes()) {
            let more = stream.read_buf(&mut read).await.unwrap();
            assert!(more > 0, "the answer ended: {}", String::from_utf8_lossy(&read));
        }
    })
    .await
    .unwrap_or_else(|_| panic!("no {end:?} in {}", String::from_utf8_lossy(&read)));
    String::from_utf8(read).unwrap()
}

const PATIENCE: Duration = Duration::from_secs(30);
