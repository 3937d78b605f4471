#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cwsgate::fuzz::token_reply(bytes));
