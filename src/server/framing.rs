use std::mem;

/// Follows the framing of HTTP/1 requests on the raw bytes of one connection (RFC 9112), strictly
/// where hyper is forgiving. hyper still does the parsing: this can only refuse. HTTP/2 is
/// recognised by its preface and passes.
///
/// What it refuses and hyper repairs silently, so that nothing later could see it:
/// a bare line feed as line end (section 2.2), `Content-Length` beside `Transfer-Encoding` or
/// given twice (sections 6.1 and 6.3), a fragment in the target (section 3.2), and in chunked
/// bodies a malformed extension, blanks after the size, a wrong end (section 7.1).
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
    max_line: usize,
    head: Head,
    good_heads: u64,
}

/// What became of some bytes.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Verdict {
    /// How many of them may be passed on.
    pub(super) passed: usize,
    /// Why nothing after those may be.
    pub(super) violation: Option<Violation>,
}

/// Where a message is not what RFC 9112 demands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Violation {
    /// In a head. It was passed on to its end, so that it can be answered.
    Head { good_before: u64, reason: &'static str },
    /// In a body: reading it must fail.
    Body(&'static str),
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// So much of the HTTP/2 preface has been seen and nothing else.
    Preface(usize),
    Head,
    Fixed(u64),
    ChunkSize,
    ChunkData(u64),
    /// This many bytes of the line end after a chunk's data have been seen.
    ChunkEnd(usize),
    Trailers,
    /// Not ours to judge: HTTP/2, or a head longer than hyper accepts.
    Passing,
    Stopped,
}

/// What the lines of a head say so far.
#[derive(Debug, Default)]
struct Head {
    started: bool,
    content_length: Option<u64>,
    chunked: bool,
    violation: Option<&'static str>,
}

impl Framing {
    /// `max_line` is more than hyper buffers: a longer line cannot become part of a request.
    pub(super) fn new(max_line: usize) -> Self {
        Self {
            state: State::Preface(0),
            partial: Vec::new(),
            max_line,
            head: Head::default(),
            good_heads: 0,
        }
    }

    /// Looks at the next bytes of the connection.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Verdict {
        let mut rest = bytes;
        while !rest.is_empty() {
            let before = bytes.len() - rest.len();
            match self.step(&mut rest) {
                Ok(()) => {}
                Err(violation) => {
                    self.state = State::Stopped;
                    let passed = match violation {
                        Violation::Head { .. } => bytes.len() - rest.len(),
                        Violation::Body(_) => before,
                    };
                    return Verdict { passed, violation: Some(violation) };
                }
            }
        }
        Verdict { passed: bytes.len(), violation: None }
    }

    /// Consumes at least one byte of `rest`.
    fn step(&mut self, rest: &mut &[u8]) -> Result<(), Violation> {
        match self.state {
            State::Preface(seen) => {
                let expected = &H2_PREFACE[seen..];
                let matched = expected.iter().zip(*rest).take_while(|(a, b)| a == b).count();
                *rest = &rest[matched..];
                if matched == expected.len() {
                    self.state = State::Passing;
                } else if rest.is_empty() {
                    self.state = State::Preface(seen + matched);
                } else {
                    // HTTP/1 after all, and what matched was the beginning of a head.
                    self.state = State::Head;
                    let mut head = &H2_PREFACE[..seen + matched];
                    while !head.is_empty() {
                        self.step(&mut head)?;
                    }
                }
            }
            State::Head => return self.line(rest, Self::head_line),
            State::ChunkSize => return self.line(rest, Self::size_line),
            State::Trailers => return self.line(rest, Self::trailer_line),
            State::Fixed(left) => {
                let left = skip(rest, left);
                self.state = if left == 0 { State::Head } else { State::Fixed(left) };
            }
            State::ChunkData(left) => {
                let left = skip(rest, left);
                self.state = if left == 0 { State::ChunkEnd(0) } else { State::ChunkData(left) };
            }
            State::ChunkEnd(seen) => {
                if rest[0] != b"\r\n"[seen] {
                    return Err(Violation::Body("a chunk does not end where its size says"));
                }
                *rest = &rest[1..];
                self.state = if seen == 1 { State::ChunkSize } else { State::ChunkEnd(1) };
            }
            State::Passing | State::Stopped => *rest = &[],
        }
        Ok(())
    }

    /// Hands the next whole line, with its end, to `accept`; keeps what is not whole yet.
    fn line(
        &mut self,
        rest: &mut &[u8],
        accept: fn(&mut Self, &[u8]) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let Some(end) = rest.iter().position(|b| *b == b'\n') else {
            self.partial.extend_from_slice(rest);
            *rest = &[];
            if self.partial.len() <= self.max_line {
                return Ok(());
            }
            self.partial = Vec::new();
            if matches!(self.state, State::Head) {
                self.state = State::Passing; // hyper refuses it as too large
                return Ok(());
            }
            return Err(Violation::Body("a line in the chunked body is too long"));
        };
        let (line, after) = rest.split_at(end + 1);
        *rest = after;
        if self.partial.is_empty() {
            return accept(self, line);
        }
        let mut whole = mem::take(&mut self.partial);
        whole.extend_from_slice(line);
        accept(self, &whole)
    }

    fn head_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        let head = &mut self.head;
        let content = line.strip_suffix(b"\r\n").unwrap_or_else(|| {
            head.violation.get_or_insert("a line ends without a carriage return");
            line.strip_suffix(b"\n").unwrap_or(line)
        });
        if !content.is_empty() {
            if head.started {
                head.field(content);
            } else {
                head.started = true;
                if content.contains(&b'#') {
                    head.violation.get_or_insert(super::target::FRAGMENT);
                }
            }
            return Ok(());
        }
        if !head.started {
            return Ok(()); // section 2.2: empty lines before a request are ignored
        }
        let head = mem::take(head);
        if let Some(reason) = head.violation {
            return Err(Violation::Head { good_before: self.good_heads, reason });
        }
        if head.chunked && head.content_length.is_some() {
            let reason = "the request has both Content-Length and Transfer-Encoding";
            return Err(Violation::Head { good_before: self.good_heads, reason });
        }
        self.good_heads += 1;
        self.state = match head.content_length {
            _ if head.chunked => State::ChunkSize,
            Some(length) if length > 0 => State::Fixed(length),
            _ => State::Head,
        };
        Ok(())
    }

    fn size_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        let line = line
            .strip_suffix(b"\r\n")
            .ok_or(Violation::Body("a chunk size ends without a carriage return"))?;
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&line[..digits])
            .ok()
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .ok_or(Violation::Body("a chunk size is not a number"))?;
        if !are_extensions(&line[digits..]) {
            return Err(Violation::Body("a chunk extension is malformed"));
        }
        self.state = if size == 0 { State::Trailers } else { State::ChunkData(size) };
        Ok(())
    }

    fn trailer_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        let line = line
            .strip_suffix(b"\r\n")
            .ok_or(Violation::Body("a trailer ends without a carriage return"))?;
        if line.is_empty() {
            self.state = State::Head;
        }
        Ok(())
    }
}

impl Head {
    fn field(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            return; // hyper refuses it
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value)
                .ok()
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok());
            match (length, self.content_length) {
                (Some(length), None) => self.content_length = Some(length),
                (None, _) => self.refuse("Content-Length is not a number"),
                (Some(_), Some(_)) => self.refuse("Content-Length is given twice"),
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                self.refuse("Transfer-Encoding must be a single `chunked`");
            }
            self.chunked = true;
        }
    }

    fn refuse(&mut self, reason: &'static str) {
        self.violation.get_or_insert(reason);
    }
}

/// Takes up to `left` bytes off `rest` and returns how many are still to come.
fn skip(rest: &mut &[u8], left: u64) -> u64 {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
    *rest = &rest[taken..];
    left - taken as u64
}

/// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`, RFC 9112 section 7.1.1.
fn are_extensions(mut text: &[u8]) -> bool {
    while !text.is_empty() {
        let Some(after) = text.trim_ascii_start().strip_prefix(b";") else { return false };
        let Some(after) = strip_token(after.trim_ascii_start()) else { return false };
        text = after;
        if let Some(value) = text.trim_ascii_start().strip_prefix(b"=") {
            let value = value.trim_ascii_start();
            let Some(after) = strip_quoted(value).or_else(|| strip_token(value)) else {
                return false;
            };
            text = after;
        }
    }
    true
}

fn strip_token(text: &[u8]) -> Option<&[u8]> {
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let length = text.iter().take_while(|b| is_token(b)).count();
    (length > 0).then(|| &text[length..])
}

fn strip_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'\t' | b' '..=b'~' | 0x80.., after @ ..]
            | [b'\t' | b' '..=b'[' | b']'..=b'~' | 0x80.., after @ ..] => after,
            _ => return None,
        };
    }
}

/// RFC 9113 section 3.4.
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn feed_all(bytes: &[u8]) -> Verdict {
        Framing::new(1024).feed(bytes)
    }

    fn bad_head(bytes: &str) -> (u64, usize) {
        match feed_all(bytes.as_bytes()) {
            Verdict { passed, violation: Some(Violation::Head { good_before, .. }) } => {
                (good_before, passed)
            }
            other => panic!("{bytes:?}: {other:?}"),
        }
    }

    #[test]
    fn clean_requests_pass_one_after_another() {
        let text = "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\
            POST /x HTTP/1.1\r\ncontent-LENGTH:  5 \r\n\r\nab\n\n\n\
            POST /y HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n\
            5\r\nhello\r\n0A;ext;a=b ; c = \"q\\\"\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n\
            PUT / HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET /z HTTP/1.1\r\n\r\n";
        let mut framing = Framing::new(1024);
        assert_eq!(framing.feed(text.as_bytes()), Verdict { passed: text.len(), violation: None });
        assert_eq!(framing.good_heads, 5);
    }

    #[test]
    fn ambiguous_heads_are_named_and_passed_to_their_end_only() {
        for head in [
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 4, 4\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: +4\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
        ] {
            assert_eq!(bad_head(head), (0, head.len()), "{head:?}");
            let second = format!("GET / HTTP/1.1\r\n\r\n{head}GET /smuggled HTTP/1.1\r\n\r\n");
            assert_eq!(bad_head(&second), (1, 18 + head.len()), "{second:?}");
        }
    }

    #[test]
    fn sloppy_chunks_are_refused() {
        for body in [
            "5;\r\nhello\r\n",
            "5;@\r\nhello\r\n",
            "5; =x\r\nhello\r\n",
            "5;a=\"x\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "5\nhello\r\n",
            "5\r\nhello!\r\n",
            "5\r\nhello\n",
            "\r\nhello\r\n",
            "0x5\r\nhello\r\n",
            "-5\r\nhello\r\n",
            "10000000000000000\r\n",
            "0\r\n\n",
        ] {
            let text = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            let verdict = feed_all(text.as_bytes());
            assert!(matches!(verdict.violation, Some(Violation::Body(_))), "{body:?}");
        }
    }

    #[test]
    fn http2_passes_and_a_near_miss_is_judged_as_http1() {
        let mut bytes = H2_PREFACE.to_vec();
        bytes.extend_from_slice(b"\n\n#\n\n");
        assert_eq!(feed_all(&bytes), Verdict { passed: bytes.len(), violation: None });
        assert!(matches!(
            feed_all(b"PRI * HTTP/2.0\r\n\r\nSM\n\n").violation,
            Some(Violation::Head { good_before: 1, .. })
        ));
        assert!(matches!(
            feed_all(b"POST / HTTP/1.1\n\n").violation,
            Some(Violation::Head { good_before: 0, .. })
        ));
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let mut framing = Framing::new(64);
        framing.feed(b"GET /");
        for _ in 0..100 {
            assert_eq!(framing.feed(&[b'a'; 50]).violation, None);
        }
        assert!(framing.partial.len() <= 64);
        let mut framing = Framing::new(64);
        framing.feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;");
        assert!(framing.feed(&[b'a'; 100]).violation.is_some());
    }

    proptest! {
        #[test]
        fn how_bytes_are_cut_into_reads_changes_nothing(
            text in prop::sample::select(vec![
                "GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /y#z HTTP/1.1\r\n\r\nrest",
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;a=b\r\nde\r\n0\r\n\r\nPRI * HTTP/1.1\n\nrest",
                "PRI * HTTP/2.0\r\n\r\nSM\r\nx: y\r\n\r\nGET / HTTP/1.1\n\n",
            ]),
            cuts in prop::collection::vec(1_usize..12, 1..64),
        ) {
            let whole = feed_all(text.as_bytes());
            let mut framing = Framing::new(1024);
            let (mut rest, mut passed, mut violation) = (text.as_bytes(), 0, None);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() || violation.is_some() {
                    break;
                }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                let verdict = framing.feed(now);
                passed += verdict.passed;
                violation = verdict.violation;
                rest = later;
            }
            prop_assert_eq!(Verdict { passed, violation }, whole);
        }

        #[test]
        fn no_bytes_make_it_panic_or_loop(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let verdict = feed_all(&bytes);
            prop_assert!(verdict.passed <= bytes.len());
        }
    }
}
