"""Helpers of the command line's tests: running the program, writing and reading vector files, brute force."""
import os
import re
import struct
import subprocess
import time
import unittest

BIN = os.environ.get("KITH_BIN", "")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(os.path.dirname(ROOT), "shared", "data")


class Run:
    """A finished run: exit code, stdout and stderr as text."""

    def __init__(self, args, env=None, **options):
        done = subprocess.run([BIN] + [str(a) for a in args], stdout=options.pop("stdout", subprocess.PIPE),
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=120,
                              env=dict(os.environ, **(env or {})), **options)
        self.code = done.returncode
        self.out = (done.stdout or b"").decode()
        self.err = done.stderr.decode()


def stop(process, number, first=0.2):
    """Send a signal to a running program after it has installed a handler. Returns its output."""
    deadline = time.monotonic() + 60
    while process.poll() is None and not catches(process.pid, number) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(first)
    process.send_signal(number)
    return process.communicate(timeout=100)


def catches(pid, number):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        caught = next(int(line.split()[1], 16) for line in file if line.startswith("SigCgt"))
    return bool(caught >> (number - 1) & 1)


class Case(unittest.TestCase):
    """A test case with a folder of its own."""

    def setUp(self):
        import tempfile
        folder = tempfile.TemporaryDirectory(prefix="kith-tools-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def ok(self, *args, **options):
        run = Run(args, **options)
        self.assertEqual(run.code, 0, f"{args}: {run.err}")
        self.assertEqual(run.err, "", f"{args}: nothing belongs on stderr")
        return run

    def fails(self, code, *args, says=(), **options):
        """The run ends with `code`, prints nothing on stdout, one line on stderr that holds all of `says`."""
        run = Run(args, **options)
        self.assertEqual(run.code, code, f"{args}: {run.out}{run.err}")
        self.assertEqual(run.out, "", f"{args}: results belong on stdout only on success")
        self.assertTrue(run.err.endswith("\n") and run.err.count("\n") == 1, f"{args}: one line: {run.err!r}")
        self.assertTrue(run.err.startswith("kith"), run.err)
        for word in [says] if isinstance(says, str) else says:
            self.assertIn(word, run.err)
        return run

    def warned(self, says, *args, **options):
        """The run succeeds, with a warning or a note of one line that holds all of `says`."""
        run = Run(args, **options)
        self.assertEqual((run.code, run.err.count("\n")), (0, 1), f"{args}: {run.err}")
        self.assertRegex(run.err, "^kith [a-z]+: (warning|note): ")
        for word in [says] if isinstance(says, str) else says:
            self.assertIn(word, run.err)
        return run

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def vectors(self, name, rows):
        return self.write(name, pack(name, rows))


CELLS = {"fvecs": "f", "bvecs": "B", "ivecs": "i", "fbin": "f", "u8bin": "B", "i8bin": "b", "ibin": "i"}
DTYPES = {"f": "<f4", "B": "|u1", "b": "|i1", "i": "<i4", "q": "<i8"}


def pack(name, rows, cell=None):
    """The bytes of a vector file, in the format that the name says. cell: the element type of an npy file."""
    extension = name.rsplit(".", 1)[1]
    cell = CELLS.get(extension, cell)
    body = [struct.pack(f"<{len(r)}{cell}", *r) for r in rows]
    if extension.endswith("vecs"):
        return b"".join(struct.pack("<i", len(r)) + b for r, b in zip(rows, body))
    if extension.endswith("bin"):
        return struct.pack("<ii", len(rows), len(rows[0])) + b"".join(body)
    header = f"{{'descr': '{DTYPES[cell]}', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + b"".join(body)


def read_vecs(path):
    """The rows of an fvecs, bvecs or ivecs file, or of an npy file that kith wrote."""
    with open(path, "rb") as file:
        data = file.read()
    if path.endswith(".npy"):
        cell = next(c for c, dtype in DTYPES.items() if f"'{dtype}'".encode() in data[:128])
        dim = int(re.search(rb"'shape': \(\d+, (\d+)\)", data[:128])[1])
        return [list(row) for row in struct.iter_unpack(f"<{dim}{cell}", data[128:])]
    cell = CELLS[path.rsplit(".", 1)[1]]
    rows, at = [], 0
    while at < len(data):
        (dim,) = struct.unpack_from("<i", data, at)
        rows.append(list(struct.unpack_from(f"<{dim}{cell}", data, at + 4)))
        at += 4 + dim * struct.calcsize(cell)
    return rows


def float32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def score(metric, q, x):
    """The distance or similarity of two vectors in double precision."""
    if metric == "l2":
        return sum((a - b) * (a - b) for a, b in zip(q, x))
    if metric in ("l1", "linf"):
        return (sum if metric == "l1" else max)(abs(a - b) for a, b in zip(q, x))
    if metric.startswith("lp"):
        return sum(abs(a - b)**float(metric[2:]) for a, b in zip(q, x))
    if metric == "canberra":
        return sum(abs(a - b) / (abs(a) + abs(b)) for a, b in zip(q, x) if a or b)
    if metric in ("braycurtis", "jaccard"):
        num = sum(abs(a - b) for a, b in zip(q, x))
        den = sum(max(a, b) if metric == "jaccard" else abs(a + b) for a, b in zip(q, x))
        ratio = num / den if num and den else float("inf") if num else 0.0
        return 1 - ratio if metric == "jaccard" else ratio
    dot = sum(a * b for a, b in zip(q, x))
    if metric == "ip":
        return dot
    norm = (sum(a * a for a in q) * sum(b * b for b in x)) ** 0.5
    return dot / norm if norm else 0.0


def brute_force(metric, base, queries, k, keep=lambda i: True):
    """The k best (score, id) of each query, padded with (None, -1)."""
    sign = -1 if metric in ("ip", "cosine", "jaccard") else 1
    result = []
    for q in queries:
        found = sorted((sign * score(metric, q, x), i) for i, x in enumerate(base) if keep(i))[:k]
        result.append([(sign * s, i) for s, i in found] + [(None, -1)] * (k - len(found)))
    return result


def peak_kilobytes(args):
    """Run the program: its exit code, and its peak of resident memory in kB, from the system.

    AddressSanitizer keeps up to 256 MB of freed memory, which would be counted as the program's, so it is told to keep
    less."""
    sanitizer = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "quarantine_size_mb=8"]))
    process = subprocess.Popen([BIN] + [str(a) for a in args], stdout=subprocess.DEVNULL,
                               env={**os.environ, "ASAN_OPTIONS": sanitizer})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss
