//! Raw bytes against a whole listener. Loopback sockets where the kernel's behaviour matters,
//! in-memory streams in paused time where a deadline does.

mod deadlines;
mod http2;
mod lifecycle;
mod requests;
mod support;
mod tls;
