"""Compiles many files: python driver.py TREE LIST OUT MOST WORKERS

LIST holds paths below TREE, each ended by a NUL byte. Each worker writes OUT/<number>: for every
file that it took, its index in LIST (4 bytes), 1 or 0, a length (4 bytes), and that many bytes: a
.pyc with an unchecked source hash, of MOST bytes at most, or why the file has none. Numbers are
little-endian.

A file may end its worker: the compiler overflows the stack, or takes far more time or memory than
any real file needs. Then that file has no byte code, and another worker goes on behind it.
"""

import importlib.util
import marshal
import os
import resource
import struct
import sys

HEAD = struct.Struct("<IBI")

# of one worker, in bytes, and for one file, in seconds of processor time
MEMORY = 2 << 30
SECONDS = 120

# signals by which a file ends its worker; any other is nothing that a file could do
CRASH = "the compiler crashes"
FATAL = {4: CRASH, 6: CRASH, 7: CRASH, 8: CRASH, 11: CRASH, 24: "compiling takes too long"}


def limit(kind, value):
    hard = resource.getrlimit(kind)[1]
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (soft, hard))


def pyc(name, source, most):
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    header = importlib.util.MAGIC_NUMBER + struct.pack("<I", 1)
    result = header + importlib.util.source_hash(source) + marshal.dumps(code)
    if len(result) > most:
        raise ValueError(f"it would have {len(result)} bytes, more than {most}")
    return result


def record(sink, index, done, result):
    sink.write(HEAD.pack(index, done, len(result)) + result)
    sink.flush()


def refuse(sink, index, reason):
    record(sink, index, 0, reason[:500].encode("utf-8", "replace"))


def work(tree, names, out, indices, most):
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_AS, MEMORY)
    with open(out, "ab") as sink:
        for index in indices:
            used = resource.getrusage(resource.RUSAGE_SELF)
            limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + SECONDS)
            name = os.fsdecode(names[index])
            with open(os.path.join(tree, name), "rb") as file:
                source = file.read()
            try:
                result = pyc(name, source, most)
            except Exception as error:
                refuse(sink, index, str(error) or type(error).__name__)
            else:
                record(sink, index, 1, result)


def written(out):
    """How many whole records a worker has written; what follows them is cut off."""
    count = end = 0
    with open(out, "ab+") as sink:
        size = sink.seek(0, os.SEEK_END)
        while size - end >= HEAD.size:
            sink.seek(end)
            after = end + HEAD.size + HEAD.unpack(sink.read(HEAD.size))[2]
            if after > size:
                break
            count, end = count + 1, after
        sink.truncate(end)
    return count


def main(tree, listing, out, most, workers):
    with open(listing, "rb") as file:
        names = file.read().split(b"\0")[:-1]
    workers, running, failed = int(workers), {}, 0

    def start(worker, first):
        child = os.fork()
        if child:
            running[child] = worker
            return
        status = 1
        try:
            indices = range(first, len(names), workers)
            work(tree, names, os.path.join(out, str(worker)), indices, int(most))
            status = 0
        finally:
            if status:
                sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(status)

    for worker in range(workers):
        start(worker, worker)
    while running:
        child, status = os.wait()
        worker = running.pop(child)
        if status == 0:
            continue
        path = os.path.join(out, str(worker))
        index = worker + workers * written(path)
        reason = FATAL.get(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else None
        if reason is None or index >= len(names):
            failed += 1
            continue
        with open(path, "ab") as sink:
            refuse(sink, index, reason)
        start(worker, index + workers)
    sys.exit(f"{failed} of {workers} workers failed" if failed else 0)


main(*sys.argv[1:])
