#!/bin/sh
# Fuzzes one target with the stable compiler, starting from its seeds. What it finds is kept in
# corpus/TARGET; an input that breaks a law in artifacts/TARGET.
#
#   run.sh TARGET [SECONDS]   (default: 60; `ls fuzz_targets` lists the targets)
set -eu
cd "$(dirname "$0")"
target=${1:?run.sh TARGET [SECONDS]}
seconds=${2:-60}
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1"
cargo run --locked --bin seeds
# with a target triple build scripts are left as they are
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="$flags" cargo build --locked --release --target "$host" --bin "$target"
mkdir -p "corpus/$target" "artifacts/$target"
exec "${CARGO_TARGET_DIR:-target}/$host/release/$target" "corpus/$target" "seeds/$target" -artifact_prefix="artifacts/$target/" \
    -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1000 -max_len=65536
