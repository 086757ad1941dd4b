#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| clutch_store_fuzz::index(data));
