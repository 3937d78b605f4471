//! What reading a power-off reply costs: `cargo bench --bench power_off_reply`.

use cwsgate::upstream::storefront::{PowerOffOutcome, read_reply};
use divan::{Bencher, black_box, counter::BytesCount};
use quick_xml::{NsReader, events::Event};

const SUCCESS: &str = r#"<?xml version="1.0"?>
<machinepoweroff xmlns="http://citrix.com/delivery-services/1-0/machinepoweroff"
        status="success">
</machinepoweroff>
"#;

const FAILURE: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<machinepoweroff xmlns="http://citrix.com/delivery-services/1-0/machinepoweroff" status="failure">
  <errorid>operation-in-progress</errorid>
</machinepoweroff>
"#;

fn main() {
    divan::main();
}

#[divan::bench]
fn a_success(bencher: Bencher<'_, '_>) {
    reading(bencher, SUCCESS);
}

#[divan::bench]
fn a_failure(bencher: Bencher<'_, '_>) {
    reading(bencher, FAILURE);
}

/// The measure of the others: the same success through the event reader alone, nothing checked.
#[divan::bench]
fn a_success_unchecked(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::of_str(SUCCESS)).bench(|| {
        let mut reader = NsReader::from_str(black_box(SUCCESS));
        let mut attributes = 0;
        loop {
            match reader.read_resolved_event().expect("the reply is well-formed") {
                (_, Event::Start(element)) => attributes += element.attributes().count(),
                (_, Event::Eof) => break attributes,
                _ => {}
            }
        }
    });
}

fn reading(bencher: Bencher<'_, '_>, reply: &str) {
    bencher
        .counter(BytesCount::of_str(reply))
        .bench(|| read_reply(black_box(reply.as_bytes())).expect("the reply is well-formed"));
}

/// A reply that is refused at its document type.
#[divan::bench]
fn a_refusal(bencher: Bencher<'_, '_>) {
    let hostile = format!("<!DOCTYPE m [<!ENTITY a \"{}\">]>{SUCCESS}", "x".repeat(1000));
    bencher.bench(|| {
        let read: Result<PowerOffOutcome, _> = read_reply(black_box(hostile.as_bytes()));
        read.is_err()
    });
}
