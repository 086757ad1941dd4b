"""Compiles many files: python driver.py TREE LIST OUT WORKERS

LIST holds paths below TREE, each ended by a NUL byte. Each worker writes OUT/<number>: for every
file that it took, its index in LIST (4 bytes), 1 or 0, a length (4 bytes), and that many bytes: a
.pyc with an unchecked source hash, or why the file does not compile. Numbers are little-endian.
"""

import importlib.util
import marshal
import os
import struct
import sys


def pyc(name, source):
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    header = importlib.util.MAGIC_NUMBER + struct.pack("<I", 1)
    return header + importlib.util.source_hash(source) + marshal.dumps(code)


def work(tree, names, out, worker, workers):
    with open(os.path.join(out, str(worker)), "wb") as sink:
        for index in range(worker, len(names), workers):
            name = os.fsdecode(names[index])
            with open(os.path.join(tree, name), "rb") as file:
                source = file.read()
            try:
                done, result = 1, pyc(name, source)
            except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
                done, result = 0, str(error).encode("utf-8", "replace")
            sink.write(struct.pack("<IBI", index, done, len(result)) + result)


def main(tree, listing, out, workers):
    with open(listing, "rb") as file:
        names = file.read().split(b"\0")[:-1]
    workers = int(workers)
    children = []
    for worker in range(workers):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work(tree, names, out, worker, workers)
                status = 0
            finally:
                if status:
                    sys.excepthook(*sys.exc_info())
                sys.stderr.flush()
                os._exit(status)
        children.append(child)
    failed = [child for child in children if os.waitpid(child, 0)[1] != 0]
    sys.exit(f"{len(failed)} of {workers} workers failed" if failed else 0)


main(*sys.argv[1:])
