#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| apitap_fuzz::http_connection::run(bytes));
