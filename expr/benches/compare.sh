#!/bin/sh
# Prints a table of CPU time and peak memory: this evaluator beside Nix on the programs in
# expr/tests/bench. The inputs are made in a temporary folder.
#
#   CLUTCH="target/release/clutch eval --strict"   the command that evaluates a file
#   NIX="nix-instantiate --eval --strict"          the one to compare with
#   RUNS=3                                         the median of so many runs counts
#   compare.sh [PROGRAM...]                        only these programs
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/compare.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp "$here"/tests/bench/*.nix "$work"
CLUTCH=${CLUTCH:-"$here/../target/release/clutch eval --strict"}
NIX=${NIX:-"nix-instantiate --eval --strict"}
export CLUTCH NIX RUNS="${RUNS:-3}"
cd "$work"
[ $# -gt 0 ] || set -- fib lists update map-attrs strings sort deep-recursion dag json toml parse imports regex \
    closure modules
python3 - "$@" <<'PY'
import json, os, random, sys

rng = random.Random(1)

def make_json():
    word = lambda: "".join(rng.choice("abcdefghij \\\"\n\u00e9") for _ in range(rng.randint(3, 20)))
    rows = [{"id": n, "name": word(), "score": rng.random() * 100, "tags": [word() for _ in range(3)],
             "nested": {"a": None, "b": n % 2 == 0, "c": {"deep": [n, n + 1]}}} for n in range(53000)]
    open("data.json", "w").write(json.dumps(rows, ensure_ascii=False))

def make_toml():
    out = []
    for n in range(9000):
        out.append(f'[[package]]\nname = "package-{n}"\nversion = "1.{n}.{n % 7}"\nsource = {{ index = "main", size = {n * 1000} }}\n'
                   f'dependencies = [\n    {{ name = "package-{n // 2}" }},\n    {{ name = "package-{n // 3}", marker = "python_version < \'3.{n % 12}\'" }},\n]\n'
                   f'hash = "sha256:{n:064x}"\n')
    for n in range(2000):
        out.append(f'[section.s{n}]\nvalue = {n}\nratio = {n}.5\non = true\ntext = """\nline {n}\nline two"""\n')
    open("data.toml", "w").write("\n".join(out))

def make_source():
    part = lambda n: (f'  f{n} = x: let a{n} = x + {n}; b = {{ inherit x; y.z = a{n}; "q-{n}" = [ 1 2.5 "s${{toString x}}" ./p{n} ]; }};\n'
                      f"    in if a{n} > {n} && b ? y.z then b.y.z * 2 else (map (e: e.k or {n}) [ b {{ k = ''\n      text {n}\n        ${{b.x}}\n    ''; }} ]);\n")
    open("large.nix", "w").write("rec {\n" + "".join(part(n) for n in range(17500)) + "}\n")

def make_imports():
    os.mkdir("many")
    for n in range(2000):
        open(f"many/{n}.nix", "w").write(f"# file {n}\nx:\nlet\n  y = x + {n};\n  z = {{ a = y; b = [ y x ]; }};\nin\nif z.a > 0 then builtins.length z.b else 0\n")

names = sys.argv[1:]
for name, make in (("json", make_json), ("toml", make_toml), ("parse", make_source), ("imports", make_imports)):
    if name in names:
        make()
PY
# a process of its own: a child's peak memory is never less than its parent's was
python3 - "$@" <<'PY'
import math, os, shlex, statistics, subprocess, sys

names = sys.argv[1:]

def run(command, name):
    pid = subprocess.Popen(shlex.split(command) + [f"./{name}.nix"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = pid.stdout.read(), pid.stderr.read()
    _, status, usage = os.wait4(pid.pid, 0)
    pid.returncode = status
    if status:
        return None, err.decode(errors="replace").strip().splitlines()[:1]
    return (usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), out

print(f"{'program':<16} {'clutch s':>9} {'nix s':>9} {'ratio':>6} {'clutch MB':>10} {'nix MB':>8}  same")
ratios, memory = [], []
for name in names:
    rows = {}
    for who in ("CLUTCH", "NIX"):
        runs = [run(os.environ[who], name) for _ in range(int(os.environ["RUNS"]))]
        if any(times is None for times, _ in runs):
            rows[who] = None
            print(f"{name:<16} {who} fails: {runs[0][1]}")
        else:
            rows[who] = (statistics.median(t[0] for t, _ in runs), statistics.median(t[1] for t, _ in runs), runs[0][1])
    if not all(rows.values()):
        continue
    ours, nix = rows["CLUTCH"], rows["NIX"]
    ratios.append(ours[0] / nix[0])
    memory.append(ours[1] / nix[1])
    same = "yes" if ours[2] == nix[2] or name == "dag" else "NO"
    print(f"{name:<16} {ours[0]:>9.3f} {nix[0]:>9.3f} {ratios[-1]:>6.2f} {ours[1]:>10.1f} {nix[1]:>8.1f}  {same}")
if ratios:
    mean = lambda values: math.exp(sum(map(math.log, values)) / len(values))
    print(f"{'geometric mean':<16} {'':>9} {'':>9} {mean(ratios):>6.2f} {'memory':>10} {mean(memory):>8.2f}")
PY
