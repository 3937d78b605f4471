//! A server that writes down the exact bytes it is sent and answers from a list.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// One request as it came over the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    /// The request line.
    pub(super) line: String,
    /// The header fields in their order, names in lower case: they do not distinguish it.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: String,
}

/// Shares no code with the gateway, nor with what either of them speaks HTTP with.
pub(super) struct Stub {
    pub(super) url: String,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    connections: Mutex<usize>,
    seen: Mutex<Vec<Seen>>,
    /// Beginnings of request lines, and what is answered to them.
    answers: Vec<(&'static str, String)>,
}

impl Stub {
    pub(super) async fn start(answers: Vec<(&'static str, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State { answers, ..State::default() });
        let serving = tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    *state.connections.lock().unwrap() += 1;
                    tokio::spawn(serve(stream, Arc::clone(&state)));
                }
            }
        });
        Self { url, state, serving }
    }

    /// Everything that was asked, in order.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The only request whose line begins like this.
    #[track_caller]
    pub(super) fn one(&self, start: &str) -> Seen {
        let seen = self.seen();
        let mut found = seen.iter().filter(|seen| seen.line.starts_with(start));
        let first = found.next().unwrap_or_else(|| panic!("no {start}: {seen:#?}")).clone();
        assert_eq!(found.next(), None, "more than one {start}");
        first
    }

    pub(super) fn connections(&self) -> usize {
        *self.state.connections.lock().unwrap()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Seen {
    /// The value of a header that is there once.
    #[track_caller]
    pub(super) fn field(&self, name: &str) -> &str {
        let mut found = self.fields.iter().filter(|field| field.0 == name);
        let value = &found.next().unwrap_or_else(|| panic!("no {name}: {self:#?}")).1;
        assert_eq!(found.next(), None, "{name} is there twice");
        value
    }

    /// The names of all headers, sorted.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.fields.iter().map(|field| field.0.as_str()).collect();
        names.sort_unstable();
        names
    }
}

/// An answer with a JSON body.
pub(super) fn json(body: &str) -> String {
    answer("200 OK", "Content-Type: application/json\r\n", body)
}

pub(super) fn answer(status: &str, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut bytes = Vec::new();
    while let Some(seen) = read(&mut stream, &mut bytes).await {
        let answer = state.answers.iter().find(|(start, _)| seen.line.starts_with(start));
        let answer = answer.map_or_else(answer_404, |(_, answer)| answer.clone());
        state.seen.lock().unwrap().push(seen);
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Seen> {
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break String::from_utf8(bytes.drain(..end + 4).collect()).unwrap();
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let field = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_lowercase(), value.to_owned())
    };
    let fields: Vec<_> = lines.map(field).collect();
    assert!(!head.to_lowercase().contains("transfer-encoding"), "a length is known: {head}");
    let length = fields.iter().find(|field| field.0 == "content-length");
    let length = length.map_or(0, |field| field.1.parse().unwrap());
    while bytes.len() < length {
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes.drain(..length).collect()).unwrap();
    Some(Seen { line, fields, body })
}

fn answer_404() -> String {
    answer("404 Not Found", "", "")
}
