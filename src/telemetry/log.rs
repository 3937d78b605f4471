use std::{
    fmt::Write,
    io::{self, IsTerminal},
};

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    field::MakeExt,
    filter::ParseError,
    fmt::{
        self, MakeWriter,
        format::{Writer, debug_fn},
    },
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

use crate::config::{Log, LogFormat};

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is neither a level nor a list of directives.
    #[error("log.filter is not a level or a list of `target=level` directives")]
    Filter(#[from] ParseError),
    /// Something else in this process has set up a log before.
    #[error("a log is set up already")]
    Twice(#[from] TryInitError),
}

/// Sets up the log of the process on standard error: JSON, or text on a terminal, unless the
/// configuration names a format. Control bytes in values are escaped in both.
pub fn init(log: &Log) -> Result<(), LogError> {
    let colours = io::stderr().is_terminal();
    let json = match log.format {
        LogFormat::Auto => !colours,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    subscriber(&log.filter, json, colours, io::stderr)?.try_init()?;
    Ok(())
}

fn subscriber<W>(
    filter: &str,
    json: bool,
    colours: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, ParseError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter)?;
    let layer: Box<dyn Layer<Registry> + Send + Sync> = if json {
        let layer = fmt::layer().json().flatten_event(true).with_span_list(false);
        Box::new(layer.with_writer(writer))
    } else {
        // The stock text format escapes the message but not a field's `Display`.
        let fields = debug_fn(|writer: &mut Writer<'_>, field, value| {
            if field.name() != "message" {
                write!(writer, "{field}=")?;
            }
            write!(Escaped(writer), "{value:?}")
        });
        let layer = fmt::layer().with_ansi(colours).fmt_fields(fields.delimited(" "));
        Box::new(layer.with_writer(writer))
    };
    Ok(tracing_subscriber::registry().with(layer).with(filter))
}

/// Writes control characters as escapes, so that a value can neither steer a terminal nor
/// begin a line of its own.
struct Escaped<W>(W);

impl<W: Write> Write for Escaped<W> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for piece in text.split_inclusive(char::is_control) {
            let mut chars = piece.chars();
            match chars.next_back() {
                Some(last) if last.is_control() => {
                    self.0.write_str(chars.as_str())?;
                    write!(self.0, "{}", last.escape_default())?;
                }
                _ => self.0.write_str(piece)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines_of(filter: &str, json: bool, log: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = subscriber(filter, json, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_line_is_one_object_with_the_fields_at_the_top() {
        let text = lines_of("info", true, || {
            tracing::info!(http.response.status_code = 204, "request finished");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["message"], "request finished");
        assert_eq!(line["http.response.status_code"], 204);
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn control_bytes_never_reach_the_output_raw() {
        for json in [true, false] {
            let text = lines_of("info", json, || {
                tracing::info!("a message with {}", "\x1b[2J\x07 in it");
                tracing::info!(url.path = %"/a\x1b]0;x\x07", "a field");
            });
            assert_eq!(text.lines().count(), 2, "{text:?}");
            assert!(!text.contains('\x1b') && !text.contains('\x07'), "{text:?}");
        }
    }

    #[test]
    fn a_caller_cannot_forge_a_line() {
        for json in [true, false] {
            let text = lines_of("info", json, || {
                tracing::info!(url.path = %"/a\nERROR forged", "a\nERROR {}", "forged\nERROR");
            });
            assert_eq!(text.lines().count(), 1, "{text:?}");
        }
    }

    #[test]
    fn the_filter_decides_what_is_written() {
        let log = || {
            tracing::debug!(target: "cwsgate::upstream", "shown");
            tracing::debug!(target: "cwsgate::server", "hidden");
        };
        let text = lines_of("warn,cwsgate::upstream=debug", false, log);
        assert!(text.contains("shown") && !text.contains("hidden"), "{text}");
    }

    #[test]
    fn a_filter_that_means_nothing_is_an_error() {
        assert!(subscriber("cwsgate=loud", true, false, io::sink).is_err());
    }
}
