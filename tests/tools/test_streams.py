"""'-' for standard input and output."""
import os
import pty
import signal
import subprocess
import tempfile

from support import BIN, Case, pack, stop


class Streams(Case):
    def setUp(self):
        super().setUp()
        self.rows = [[float(i * j % 11) for j in range(6)] for i in range(40)]
        self.data = pack("b.fvecs", self.rows)
        self.b, self.q = self.write("b.fvecs", self.data), self.vectors("q.fvecs", self.rows[:4])
        self.truth = self.path("t.ivecs")
        self.ok("knn", self.b, self.q, "-k", 3, "--ids", self.truth)
        self.index = self.path("i.kith")
        self.ok("build", self.b, "-i", "Flat", "-o", self.index)
        self.temporary = self.path("tmp")
        os.mkdir(self.temporary)

    def pipe(self, data, *args, code=0):
        """Through a pipe, which cannot be sought or mapped; nothing is left in the temporary folder."""
        done = subprocess.run([BIN, *map(str, args)], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60, env=dict(os.environ, TMPDIR=self.temporary))
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stderr == b"", code == 0, done.stderr)
        self.assertEqual(os.listdir(self.temporary), [])
        return done.stdout if code == 0 else done.stderr.decode()

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def test_vectors(self):
        self.assertEqual(self.pipe(self.data, "convert", "-", "-"), self.data)
        npy = self.pipe(self.data, "convert", "-", "npy:-")
        self.assertEqual(npy, pack("b.npy", self.rows, "f"))
        self.assertEqual(self.pipe(npy, "convert", "-", "fvecs:-"), self.data)
        small = self.pipe(self.data, "convert", "-", "bvecs:-")
        self.assertEqual(small, pack("b.bvecs", [[int(x) for x in row] for row in self.rows]))
        self.assertEqual(self.pipe(small, "convert", "bvecs:-", "fvecs:-", "--type", "f32"), self.data)
        self.assertIn(b"vectors      40", self.pipe(self.data, "info", "-"))

    def test_neighbours(self):
        ids = self.read(self.truth)
        self.assertEqual(self.pipe(self.data, "knn", "-", self.q, "-k", 3, "--ids", "-"), ids)
        self.assertEqual(self.pipe(self.read(self.q), "knn", self.b, "-", "-k", 3, "--ids", "-"), ids)
        self.assertEqual(self.pipe(self.read(self.q), "search", self.index, "-", "-k", 3, "--ids", "-"), ids)
        self.assertIn(b"1.000000", self.pipe(ids, "eval", "-", self.truth))
        self.assertIn(b"1.000000", self.pipe(ids, "eval", self.truth, "-"))
        self.assertIn(b"queries  -: 4 x 6 f32", self.pipe(self.read(self.q), "knn", self.b, "-"))

    def test_an_index(self):
        index = self.read(self.index)
        self.assertEqual(self.pipe(self.data, "build", "-", "-i", "Flat", "-o", "-"), index)
        self.assertEqual(self.pipe(index, "search", "-", self.q, "-k", 3, "--ids", "-"), self.read(self.truth))
        self.assertEqual(self.pipe(index, "convert", "-", "-"), index)
        self.assertEqual(self.pipe(index, "convert", "-", "fvecs:-"), self.data)
        faiss = self.pipe(index, "convert", "-", "faiss:-")
        self.assertEqual(faiss[:4], b"IxF2")
        self.assertIn(b"FAISS index", self.pipe(faiss, "info", "-"))
        self.assertEqual(self.pipe(index, "verify", "-"), b"-: good, 40 vectors\n")
        self.assertIn(b"IVF2,Flat", self.pipe(self.data, "build", "-", "-i", "IVF2,Flat", "-o", self.path("j.kith")))

    def test_bad(self):
        for data, args, says in (
                (self.data, ("knn", "-", "-"), "can be read once"),
                (b"", ("info", "-"), "is empty"),
                (self.data[:-1], ("info", "-"), "info: standard input: "),
                (self.data[:-1], ("knn", self.b, "-"), "knn: standard input: "),
                (self.data, ("convert", "-", "xyz:-"), "standard output: unknown extension"),
                (b"junk" * 9, ("info", "xyz:-"), "info: standard input: unknown extension"),
                (self.read(self.index)[:-9], ("search", "-", self.q), "search: standard input: "),
                (self.read(self.index)[:-9], ("verify", "-"), "verify: standard input: "),
                (self.read(self.index), ("build", "-", "-i", "Flat", "-o", "x"), "build: standard input is an index file"),
                (self.data, ("knn", "-", self.q, "--ids", "-", "--distances", "-"), "both write to standard output"),
                (self.data, ("knn", "-", self.q, "--ids", "-", "--json"), "both write to standard output"),
                (self.data, ("knn", "-", self.q, "--json", "--ids", "-"), "both write to standard output"),
                (self.data, ("bench", "-b", "-", "-q", self.q, "-i", "Flat"), "read more than once"),
                (self.data, ("tune", "-b", self.b, "-q", "-"), "read more than once"),
                (self.data, ("bench", "-b", self.b, "-q", self.q, "-i", "Flat", "-p", "-"), "kith plot FILE --out -"),
                (self.data, ("gen", "-o", "-"), "a folder is needed"),
                (self.read(self.index), ("knn", "-", self.q), "is an index file")):
            with self.subTest(args=args):
                usage = any(word in says for word in ("once", "both", "--out -", "folder"))
                message = self.pipe(data, *args, code=2 if usage else 1)
                self.assertIn(says, message)
                self.assertNotIn(self.temporary, message)
        with open("/dev/full", "wb") as full:
            self.fails_to(full, "convert", self.b, "-")

    def fails_to(self, out, *args):
        done = subprocess.run([BIN, *args], stdout=out, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write to standard output", done.stderr)

    def test_no_bytes_to_a_terminal(self):
        master, slave = pty.openpty()
        done = subprocess.run([BIN, "convert", self.b, "-"], stdout=slave, stderr=subprocess.PIPE, timeout=60)
        os.close(slave)
        os.close(master)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"terminal", done.stderr)

    def test_interrupted(self):
        with tempfile.TemporaryDirectory(prefix="kith-tools-") as folder:
            process = subprocess.Popen([BIN, "info", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, env=dict(os.environ, TMPDIR=folder))
            process.stdin.write(self.data)
            process.stdin.flush()
            keep, process.stdin = process.stdin, None  # communicate() would close it
            _, err = stop(process, signal.SIGINT)
            keep.close()
            self.assertEqual((process.returncode, err), (130, b"kith info: interrupted\n"))
            self.assertEqual(os.listdir(folder), [])
