#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| clutch_expr_fuzz::evaluate(data));
