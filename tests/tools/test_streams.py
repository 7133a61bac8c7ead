"""'-' for standard input and output, and pipes."""
import os
import pty
import signal
import subprocess
import tempfile
import threading

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

    def through(self, streams, *args, code=0):
        """With {0}, {1} … in the arguments as pipes with these bytes, named as shells name theirs: <(COMMAND)."""
        pipes = [os.pipe() for _ in streams]
        writers = [threading.Thread(target=self.fill, args=(end, data)) for (_, end), data in zip(pipes, streams)]
        for writer in writers:
            writer.start()
        names = [f"/dev/fd/{end}" for end, _ in pipes]
        done = subprocess.run([BIN, *(str(a).format(*names) for a in args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60, env=dict(os.environ, TMPDIR=self.temporary), pass_fds=[end for end, _ in pipes])
        for end, _ in pipes:
            os.close(end)
        for writer in writers:
            writer.join()
        self.assertEqual((done.returncode, os.listdir(self.temporary)), (code, []), done.stderr)
        message = done.stderr.decode()
        for i, name in enumerate(names):
            message = message.replace(name, f"{{{i}}}")
        return done.stdout if code == 0 else message

    @staticmethod
    def fill(end, data):
        try:
            with open(end, "wb") as file:
                file.write(data)
        except BrokenPipeError:
            pass

    def test_pipes(self):
        """What shells make of <(COMMAND): read as - is, and several at once."""
        ids, index, npy = self.read(self.truth), self.read(self.index), pack("b.npy", self.rows, "f")
        self.assertEqual(self.through([index, self.read(self.q)], "search", "{0}", "{1}", "-k", 3, "--ids", "-"), ids)
        self.assertEqual(self.through([npy, self.read(self.q)], "knn", "{0}", "{1}", "-k", 3, "--ids", "-"), ids)
        self.assertIn(b"1.000000", self.through([ids, ids], "eval", "{0}", "{1}"))
        self.assertEqual(self.through([pack("b.bvecs", [[1, 2]])], "convert", "bvecs:{0}", "fvecs:-"), pack("a.fvecs", [[1, 2]]))
        self.assertIn(b"kith index", self.through([index], "info", "{0}"))
        self.assertIn(b"good, 40 vectors", self.through([index], "verify", "{0}"))
        self.assertEqual(self.through([self.data], "build", "{0}", "-i", "Flat", "-o", "-"), index)
        for name in ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "fvecs:/dev/stdin"):
            self.assertEqual(self.pipe(self.data, "convert", name, "-"), self.data)
        with open(self.b, "rb") as file:
            done = subprocess.run([BIN, "info", "/dev/stdin"], stdin=file, stdout=subprocess.PIPE, timeout=60)
            self.assertIn(b"vectors      40", done.stdout)

    def test_pipes_in_folders(self):
        pipe = self.path("p.fvecs")
        os.mkfifo(pipe)
        writer = threading.Thread(target=self.fill, args=(pipe, self.data))
        writer.start()
        self.assertIn("vectors      40", self.ok("info", pipe).out)
        writer.join()
        with tempfile.TemporaryDirectory(prefix="kith-tools-") as folder:  # nobody writes
            process = subprocess.Popen([BIN, "info", pipe], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       env=dict(os.environ, TMPDIR=folder))
            _, err = stop(process, signal.SIGINT)
            self.assertEqual((process.returncode, err), (130, b"kith info: interrupted\n"))
            self.assertEqual(os.listdir(folder), [])

    def test_bad_pipes(self):
        for streams, args, code, says in (
                ([b""], ("info", "{0}"), 1, "'{0}' is empty"),
                ([self.data[:-1]], ("info", "{0}"), 1, "info: '{0}': "),
                ([self.data[:-1], self.data], ("knn", "{1}", "{0}"), 1, "knn: '{0}': "),
                ([self.data], ("bench", "-b", "{0}", "-q", self.q, "-i", "Flat"), 2, "cannot be a pipe"),
                ([], ("info", "/dev/fd/77"), 1, "cannot read '/dev/fd/77'"),
                ([], ("convert", self.b, "npy:/dev/full"), 2, "OUT 'npy:/dev/full': a format goes in front of - alone: write npy:- and"),
                ([], ("knn", self.b, self.q, "--ids", "npy:/dev/null"), 2, "--ids 'npy:/dev/null': a format")):
            with self.subTest(args=args):
                self.assertIn(says, self.through(streams, *args, code=code))
        self.assertIn("can be read once", self.pipe(self.data, "knn", "-", "/dev/stdin", code=2))

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
