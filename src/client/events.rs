use super::Error;

/// Server-sent events (WHATWG HTML, section 9.2) as they come.
#[derive(Debug)]
pub struct Events {
    response: reqwest::Response,
    text: Vec<u8>,
}

/// One event.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Event {
    /// Its id.
    pub id: i64,
    /// What kind it is.
    pub kind: String,
    /// What it says.
    pub data: String,
}

impl Events {
    pub(super) fn new(response: reqwest::Response) -> Self {
        Self { response, text: Vec::new() }
    }

    /// The next event; `None` at the end of the stream.
    ///
    /// # Errors
    /// When the stream breaks off.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            while let Some(end) = self.text.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                if let Some(event) = parse(&String::from_utf8_lossy(&block)) {
                    return Ok(Some(event));
                }
            }
            match self.response.chunk().await? {
                Some(chunk) if self.text.len() < LONGEST => self.text.extend_from_slice(&chunk),
                Some(_) => return Err(Error::Unreadable),
                None => return Ok(None),
            }
        }
    }
}

/// One event; `None` for what is none, such as a comment.
fn parse(block: &str) -> Option<Event> {
    let mut event = Event::default();
    let mut has_data = false;
    for line in block.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => event.id = value.parse().ok()?,
            "event" => value.clone_into(&mut event.kind),
            "data" => {
                value.clone_into(&mut event.data);
                has_data = true;
            }
            _ => {}
        }
    }
    has_data.then_some(event)
}

/// Longest event, in bytes.
const LONGEST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_comments_passed_over() {
        let event = parse("id: 7\nevent: item\ndata: {\"a\": \"b: c\"}\n\n").unwrap();
        let expected = Event { id: 7, kind: "item".into(), data: "{\"a\": \"b: c\"}".into() };
        assert_eq!(event, expected);
        assert_eq!(parse(": alive\n\n"), None);
        assert_eq!(parse("retry: 1000\n\n"), None);
    }
}
