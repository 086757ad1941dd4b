#!/usr/bin/env bash
# The store and the builds beside Nix: prints a table of wall clock and processor time, medians.
#
#   benches/nix.sh [ROW...]     only these rows (one many many5000 chain noop instantiate closure add verify gc)
#
# 5,000 builds are without Nix, which takes 20 GB for them.
#
# CLUTCH names the program, NIX_BIN the folder with nix-build, nix-instantiate and nix-store, RUNS how
# often each is run (3), PLACE a folder for clutch's store and the inputs: on the same file system as
# Nix's store, and visible to Nix.
set -euo pipefail
cd "$(dirname "$0")/.."
export CLUTCH=$(realpath "${CLUTCH:-target/release/clutch}") RUNS=${RUNS:-3}
export NIX_BIN=${NIX_BIN:-$(dirname "$(command -v nix-build || echo /usr/bin/nix-build)")}
work=$(mktemp -d -p "${PLACE:-${TMPDIR:-/tmp}}")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
export CLUTCH_STORE=$work/store

cat >program.c <<'C'
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
int main(void) { return write(open(getenv("out"), O_CREAT | O_WRONLY, 0644), "x", 1) != 1; }
C
cc -static -O1 -o program program.c
cat >many.nix <<'NIX'
{ count, stamp }: builtins.genList (n: derivation {
  name = "bench-${toString n}"; system = "x86_64-linux"; builder = "${./program}"; inherit stamp;
}) count
NIX
cat >chain.nix <<'NIX'
{ count, stamp }: builtins.foldl' (before: n: derivation {
  name = "bench-${toString n}"; system = "x86_64-linux"; builder = "${./program}"; inherit before stamp;
}) null (builtins.genList (n: n) count)
NIX
cat >dag.nix <<'NIX'
{ count, stamp }: let
  all = builtins.genList (n: derivation {
    name = "bench-${toString n}"; system = "x86_64-linux"; builder = "${./program}"; inherit stamp;
    needs = if n == 0 then [ ] else [ (builtins.elemAt all (n / 2)) (builtins.elemAt all (n / 3)) ];
  }) count;
in derivation { name = "bench-all"; system = "x86_64-linux"; builder = "${./program}"; inherit all; }
NIX
cat >tree.nix <<'NIX'
{ stamp }: derivation {
  name = "bench"; system = "x86_64-linux"; builder = "${./program}"; inherit stamp;
  tree = builtins.path { path = ./tree; name = "tree-${stamp}"; };
}
NIX

python3 - "$@" <<'PY'
import ctypes, os, random, statistics, subprocess, sys, time

clutch, nix, runs = os.environ["CLUTCH"], os.environ["NIX_BIN"], int(os.environ["RUNS"])
asked = sys.argv[1:] or "one many many5000 chain noop instantiate closure add verify gc".split()
stamps = iter(range(1 << 60))
session = str(time.time_ns())

# what a command leaves behind when it ends comes to us, so that its time counts
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)

def reap():
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass

def measure(command):
    """Seconds of wall clock and processor, and the output."""
    before = os.times()
    start = time.monotonic()
    child = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wall = time.monotonic() - start
    reap()
    after = os.times()
    if child.returncode:
        sys.exit(f"{command}: {child.stderr.decode(errors='replace')[-2000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu, child.stdout.decode()

def arguments(**given):
    words = []
    for name, value in given.items():
        words += ["--argstr", name, value] if isinstance(value, str) else ["--arg", name, str(value)]
    return words

def fresh():
    return f"{session}-{next(stamps)}"

def build(who, file, **given):
    if who == "clutch":
        return [clutch, "-q", "build", "--no-link", "-j2", "--no-eval-cache", file] + arguments(**given)
    return [f"{nix}/nix-build", "--no-out-link", "-j2", "--cores", "1", file] + arguments(**given)

def instantiate(who, file, **given):
    if who == "clutch":
        return [clutch, "-q", "--json", "build", "--dry-run", "--no-eval-cache", file] + arguments(**given)
    return [f"{nix}/nix-instantiate", "--add-root", "./root", file] + arguments(**given)

def drv_path(who, file, **given):
    if who == "clutch":
        out = measure([clutch, "eval", "--raw", "-A", "drvPath", file] + arguments(**given))[2]
        measure(instantiate(who, file, **given))
        return out
    return measure([f"{nix}/nix-instantiate", file] + arguments(**given))[2].split()[0]

def row(name, goal, prepare, command, count=runs, peer=True):
    """`prepare` is run before each measurement and gives the command's arguments."""
    medians = {"nix": (float("nan"), float("nan"))}
    for who in ("clutch", "nix") if peer else ("clutch",):
        taken = []
        for _ in range(count):
            given = prepare(who)
            taken.append(measure(command(who, given))[:2])
        medians[who] = [statistics.median(column) for column in zip(*taken)]
    (wall, cpu), (nix_wall, nix_cpu) = medians["clutch"], medians["nix"]
    print(f"| {name} | {wall:.3f} | {nix_wall:.3f} | {wall / nix_wall:.2f} | {cpu:.3f} | {nix_cpu:.3f} | {cpu / nix_cpu:.2f} | {goal} |", flush=True)

def many(count):
    return (lambda who: fresh()), (lambda who, stamp: build(who, "many.nix", count=count, stamp=stamp))

def same(file, **given):
    """The same, made once."""
    stamp = fresh()
    def prepare(who):
        measure(build(who, file, stamp=stamp, **given))
        return stamp
    return prepare, (lambda who, stamp: build(who, file, stamp=stamp, **given))

def closure():
    made = {}
    def prepare(who):
        if who not in made:
            made[who] = drv_path(who, "dag.nix", count=5000, stamp=session)
        return made[who]
    return prepare, lambda who, path: [clutch, "closure", path] if who == "clutch" else [f"{nix}/nix-store", "-qR", path]

def tree():
    rng = random.Random(1)
    for folder in range(200):
        os.makedirs(f"tree/{folder}")
        for file in range(100):
            with open(f"tree/{folder}/{file}", "wb") as out:
                out.write(rng.randbytes(54 << 10))

def add():
    tree()
    return (lambda who: fresh()), (lambda who, stamp: instantiate(who, "tree.nix", stamp=stamp))

def collect(who):
    measure([clutch, "-q", "gc"] if who == "clutch" else [f"{nix}/nix-store", "--gc"])

def verify():
    if not os.path.exists("tree"):
        tree()
    stamp = fresh()
    def prepare(who):
        collect(who)
        measure(instantiate(who, "tree.nix", stamp=stamp))
    return prepare, lambda who, _: [clutch, "-q", "verify"] if who == "clutch" else [f"{nix}/nix-store", "--verify", "--check-contents"]

def gc():
    def prepare(who):
        collect(who)
        measure(instantiate(who, "many.nix", count=5000, stamp=fresh()))
        if os.path.lexists("root"):
            os.remove("root")
    return prepare, lambda who, _: [clutch, "-q", "gc"] if who == "clutch" else [f"{nix}/nix-store", "--gc"]

rows = {
    "one": lambda: row("one trivial build", 0.4, *many(1), count=3 * runs),
    "many": lambda: row("300 independent builds", 0.08, *many(300)),
    "many5000": lambda: row("5,000 independent builds", "", *many(5000), count=1, peer=False),
    "chain": lambda: row("a chain of 100", 0.3, lambda who: fresh(), lambda who, stamp: build(who, "chain.nix", count=100, stamp=stamp)),
    "noop": lambda: row("nothing to do for 300", 0.4, *same("many.nix", count=300), count=3 * runs),
    "instantiate": lambda: row("5,000 new derivations", 0.3, lambda who: fresh(), lambda who, stamp: instantiate(who, "dag.nix", count=5000, stamp=stamp)),
    "closure": lambda: row("closure of 5,000 paths", 0.15, *closure(), count=3 * runs),
    "add": lambda: row("add 1 GiB in 20,000 files", 0.5, *add()),
    "verify": lambda: row("verify the same", 0.6, *verify()),
    "gc": lambda: row("collect 5,000 small paths", 0.5, *gc()),
}
print("| | clutch, s | Nix, s | ratio | clutch, CPU s | Nix, CPU s | ratio | goal |\n|---|---|---|---|---|---|---|---|", flush=True)
for name in asked:
    rows[name]()
PY
