"""Every command in surroundings that nobody wishes for: the message is clear, the exit status right, and nothing is lost."""
import os
import resource
import shutil
import signal
import subprocess

from support import BIN, Case, Run, pack

LONG = "n" * 300


class Odd(Case):
    def setUp(self):
        super().setUp()
        rows = [[float(i * j % 7) for j in range(4)] for i in range(30)]
        self.b, self.q = self.vectors("b.fvecs", rows), self.vectors("q.fvecs", rows[:3])
        self.ids, self.index = self.path("t.ivecs"), self.path("i.kith")
        self.ok("knn", self.b, self.q, "-k", 3, "--ids", self.ids)
        self.ok("build", self.b, "-i", "HNSW8", "-o", self.index)
        self.cache = {"XDG_CACHE_HOME": self.folder}
        bench = ("bench", "-b", self.b, "-q", self.q, "-i", "Flat", "--runs", 1, "--latency", 0, "-k", 3)
        self.ok(*bench, f"--json={self.path('r.json')}", env=self.cache)
        self.all = (
            ("knn", self.b, self.q, "-k", 3), ("build", self.b, "-i", "Flat", "-o", self.path("o.kith")),
            ("search", self.index, self.q), ("eval", self.ids, self.ids), ("gen", "--n", 50, "-o", self.path("g")),
            ("info",), ("info", self.b), ("info", self.index), ("verify", self.index),
            ("convert", self.b, self.path("o.npy")), bench, ("plot", self.path("r.json"), "-o", self.path("o.html")),
            ("tune", "-b", self.b, "-q", self.q, "-k", 3, "-i", "Flat"), ("completion", "bash"), ("version",), ("help",))

    def run_with(self, args, **options):
        """Exit status and stderr; `env` is all that there is of variables."""
        options = {"stdout": subprocess.PIPE, "env": dict(os.environ, **self.cache), **options}
        done = subprocess.run([BIN, *map(str, args)], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60, **options)
        return done.returncode, done.stderr.decode()

    def test_no_room_for_what_is_printed(self):
        with open("/dev/full", "wb") as full:
            for args in self.all:
                with self.subTest(args=args):
                    code, err = self.run_with(args, stdout=full)
                    self.assertEqual((code, err.count("\n")), (1, 1), err)
                    self.assertIn("cannot write to standard output: No space left on device", err)

    def test_no_standard_output(self):
        for args in self.all:
            with self.subTest(args=args):
                code, err = self.run_with(args, preexec_fn=lambda: os.close(1), stdout=None)
                self.assertEqual((code, err.count("\n")), (1, 1), err)
                self.assertIn("cannot write to standard output", err)

    def test_a_reader_that_goes_away(self):
        """As in 'kith info | head -0': no message, and the status that a shell gives for the signal."""
        for args in (*self.all, ("convert", self.b, "-"), ("build", self.b, "-i", "Flat", "-o", "-")):
            with self.subTest(args=args):
                end, out = os.pipe()
                os.close(end)
                self.assertEqual(self.run_with(args, stdout=out), (128 + signal.SIGPIPE, ""))
                os.close(out)

    def test_no_variables(self):
        """No HOME, TERM, PATH or TMPDIR."""
        for args in self.all:
            with self.subTest(args=args):
                self.assertEqual(self.run_with(args, env={}), (0, ""))

    def test_names_that_are_no_ascii(self):
        for name in ("zürich – 京.fvecs", "with space.fvecs", "quote'\".fvecs", "-dash.fvecs"):
            with open(self.path(name), "wb") as file:
                file.write(pack("x.fvecs", [[1.0, 2.0]]))
            for env in ({"LANG": "C"}, {"LC_ALL": "C.UTF-8"}):
                run = self.ok("info", self.path(name), env=env)
                self.assertIn(f"/{name}\n", run.out)
                self.ok("knn", self.path(name), self.path(name), "--json", env=env)
                run = self.fails(1, "knn", self.path(name), self.q, says=["dimensions differ", name], env=env)

    def test_names_that_begin_with_a_dash(self):
        self.write("-dash.fvecs", pack("x.fvecs", [[1.0, 2.0]]))
        self.write("--long.fvecs", pack("x.fvecs", [[1.0, 2.0]]))
        for name in ("-dash.fvecs", "--long.fvecs"):
            self.fails(2, "info", name, says=[f"'{name}' is taken for an option", f"'./{name}'"], cwd=self.folder)
            self.ok("info", f"./{name}", cwd=self.folder)
            self.ok("info", "--", name, cwd=self.folder)

    def test_a_folder_that_cannot_be_written(self):
        """Root writes anywhere: a folder that is none stands for it."""
        for args, option in ((("knn", self.b, self.q, "--ids"), "x.ivecs"), (("build", self.b, "-i", "Flat", "-o"), "x.kith"),
                             (("search", self.index, self.q, "--ids"), "x.ivecs"), (("gen", "-o"), "g"),
                             (("convert", self.b), "x.npy"), (("plot", self.path("r.json"), "-o"), "x.html")):
            for folder, says in (("/proc/nothing", "No such file or directory"), (self.b, "Not a directory")):
                with self.subTest(args=args, folder=folder):
                    self.fails(1, *args, f"{folder}/{option}", says=[folder, says])

    def test_a_disk_that_is_full(self):
        """What is cut off is noticed, and nothing is left of it."""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))

        before = sorted(os.listdir(self.folder))
        pictures = ("svg", "png", "pdf", "eps") if shutil.which("gnuplot") else ()
        for args in (("build", self.b, "-i", "Flat", "-o", self.path("o.kith")), ("convert", self.index, self.path("o.kith")),
                     ("convert", self.index, self.path("o.faiss")), ("gen", "--n", 50, "-o", self.folder),
                     *(("plot", self.path("r.json"), "-o", self.path("p." + end)) for end in (*pictures, "html"))):
            with self.subTest(args=args):
                self.fails(1, *args, says=args[-1], preexec_fn=limit)
                self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_outputs_are_tried_before_the_work(self):
        bench = ("bench", "-b", self.b, "-q", self.q, "-i", "Flat", "--runs", 1, "--latency", 0)
        for option, name in (("--html", "x.html"), ("--json", "x.json"), ("--truth", "t.ivecs")):
            self.fails(1, *bench, f"{option}=/proc/none/{name}", env=self.cache,
                       says=[f"{option} '/proc/none/{name}': cannot create a file in its directory"])
        self.fails(1, "convert", "--train", self.b, "--test", self.q, "/proc/none/x.hdf5", says="cannot create a file")

    def test_nowhere_to_keep_a_stream(self):
        for args in (("info", "-"), ("convert", self.b, "-")):
            code, err = self.run_with(args, env={"TMPDIR": "/proc/none"})
            self.assertEqual(code, 1)
            self.assertIn("cannot be kept in '/proc/none': No such file or directory; set TMPDIR", err)

    def test_files_with_nothing_in_them(self):
        for name in ("e.fvecs", "e.npy", "e.fbin", "e.kith", "e.faiss", "e.json"):
            self.write(name, b"")
        for args, says in (
                (("knn", self.path("e.fvecs"), self.q), "e.fvecs' is empty"), (("knn", self.b, self.path("e.fbin")), "e.fbin' is empty"),
                (("build", self.path("e.npy"), "-i", "Flat", "-o", self.path("o.kith")), "e.npy' is empty"),
                (("search", self.path("e.kith"), self.q), "e.kith' is empty"), (("info", self.path("e.kith")), "e.kith' is empty"),
                (("verify", self.path("e.kith")), "e.kith' is empty"), (("convert", self.path("e.faiss"), self.path("o.kith")), "e.faiss' is empty"),
                (("eval", self.path("e.fvecs"), self.ids), "e.fvecs' is empty"), (("info", self.path("e.fvecs")), "e.fvecs' is empty"),
                (("bench", "-b", self.path("e.fvecs"), "-q", self.q, "-i", "Flat"), "e.fvecs' is empty"),
                (("plot", self.path("e.json"), "-o", self.path("o.svg")), "e.json' is empty")):
            with self.subTest(args=args):
                self.fails(1, *args, says=says)
        self.assertFalse(os.path.exists(self.path("o.kith")))

    def test_more_neighbours_than_vectors(self):
        for args in (("knn", self.b, self.q, "-k", 100), ("search", self.index, self.q, "-k", 100)):
            self.assertIn("query 2 ", self.ok(*args).out)
        bench = Run(("bench", "-b", self.b, "-q", self.q, "-k", 100, "-i", "Flat", "--runs", 1), env=self.cache)
        self.assertIn("recall@100       QPS", bench.out)
        self.assertEqual(bench.err, "")
        self.fails(1, "tune", "-b", self.b, "-q", self.q, "-k", 100, "-i", "Flat", says=["30 vectors", "k = 100"])
        self.fails(1, "eval", self.ids, self.ids, "-k", 4, says="-k 4 is more than the 3 columns")

    def test_names_that_are_too_long(self):
        for args in (("info", LONG + ".fvecs"), ("knn", self.b, LONG), ("search", LONG, self.q), ("verify", LONG),
                     ("convert", self.b, self.path(LONG + ".npy")), ("gen", "-o", self.path(LONG)),
                     ("build", self.b, "-i", "Flat", "-o", self.path(LONG)), ("plot", LONG, "-o", "x.html"),
                     ("knn", self.b, self.q, "--ids", self.path(LONG + ".ivecs")), ("knn", self.b, "/".join([LONG] * 20))):
            with self.subTest(args=args):
                self.fails(1, *args, says="File name too long")
        self.fails(2, LONG, says="unknown command")
        self.fails(2, "knn", "--" + LONG, says="unknown option")
        self.fails(1, "build", self.b, "-i", LONG, "-o", self.path("o.kith"), says="spec has 300 characters; at most 255")
