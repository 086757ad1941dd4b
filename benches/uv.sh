#!/usr/bin/env bash
# Environments made by clutch and by uv out of the same wheels, side by side: medians of wall clock
# and processor time. Wheels are in uv's cache and in clutch's store beforehand.
#
#   benches/uv.sh [LOCK_FOLDER]     a folder with requirements.txt and clutch.lock (examples/report)
#
# CLUTCH and UV name the programs, PYTHON the interpreter that uv uses, RUNS how often (11).
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(realpath "${1:-examples/report}")
clutch=${CLUTCH:-target/release/clutch}
uv=${UV:-uv}
python=${PYTHON:-python3.11}
runs=${RUNS:-11}
place=$(mktemp -d -p "$([[ -d /dev/shm ]] && echo /dev/shm || echo /tmp)")
trap 'chmod -R u+w "$place"; rm -rf "$place"' EXIT
# the environment in the scratch folder, whatever the caller has set: `sync` removes what it does not know
unset UV_PYTHON UV_SYSTEM_PYTHON UV_PROJECT_ENVIRONMENT VIRTUAL_ENV CONDA_PREFIX
export UV_CACHE_DIR=$place/uv-cache CLUTCH_STORE=$place/store UV_LINK_MODE=hardlink

cat >"$place/default.nix" <<NIX
{ name }: (import <clutch>).python.environment { inherit name; lock = ./clutch.lock; }
NIX
cp "$folder/clutch.lock" "$folder/requirements.txt" "$place"

# median NAME COMMAND...: runs it with N as its last word, and prints medians
median() {
    local name=$1 n; shift
    local TIMEFORMAT='%R %U %S'
    for ((n = 0; n < runs; n++)); do
        { time "$@" "$n" >/dev/null 2>"$place/error"; } 2>>"$place/times" || { cat "$place/error"; exit 1; }
    done
    local middle=$((runs / 2 + 1))p
    awk -v name="$name" -v wall="$(cut -d' ' -f1 "$place/times" | sort -n | sed -n "$middle")" \
        -v cpu="$(awk '{ print $2 + $3 }' "$place/times" | sort -n | sed -n "$middle")" \
        'BEGIN { printf "| %s | %.0f ms | %.0f ms |\n", name, wall * 1000, cpu * 1000 }'
    rm "$place/times"
}
build() { "$clutch" -q build --no-link "$place" --argstr name "environment-$1"; }
again() { build 0; }
sync() { rm -rf "$place/venv"; "$uv" venv -q --python "$python" "$place/venv" && "$uv" pip sync -q --python "$place/venv" "$place/requirements.txt"; }
compiled() { rm -rf "$place/venv"; "$uv" venv -q --python "$python" "$place/venv" && "$uv" pip sync -q --compile-bytecode --python "$place/venv" "$place/requirements.txt"; }

build warm >/dev/null
sync
echo "| $(grep -c '==' "$place/requirements.txt") wheels of $(basename "$folder") | wall clock | processor |"
echo "|---|---|---|"
median "clutch build, an environment that was not there" build
median "clutch build, one that was" again
median "uv venv, uv pip sync" sync
median "uv venv, uv pip sync --compile-bytecode" compiled
