"""kith gen, info, convert, and the program as a whole."""
import hashlib
import json
import math
import os
import resource
import signal
import struct
import subprocess

from support import BIN, Case, Run, brute_force, pack, read_vecs, stop

COMMANDS = ("knn", "build", "search", "eval", "gen", "info", "verify", "convert")


class Program(Case):
    def test_help(self):
        overview = self.ok("--help").out
        for args in ((), ("-h",), ("help",)):
            self.assertEqual(self.ok(*args).out, overview)
        for command in COMMANDS:
            self.assertIn(f"  {command} ", overview)
            text = self.ok(command, "--help").out
            self.assertEqual(self.ok("help", command).out, text)
            self.assertEqual(self.ok(command, "-h").out, text)
            self.assertTrue(text.startswith(f"Usage: kith {command} "))
            self.assertIn(f"\nExample:\n  kith {command} ", text)
            self.assertLessEqual(max(map(len, text.split("\n"))), 96)

    def test_version(self):
        self.assertRegex(self.ok("--version").out, r"^kith \d+\.\d+\.\d+\n$")

    def test_unknown_command(self):
        self.fails(2, "knm", says="'kith knn'")
        self.fails(2, "evaluate", says="'kith eval'")
        self.fails(2, "Convert", says="'kith convert'")
        self.fails(2, "conv", says="'kith convert'")
        self.fails(2, "helpp", says="did you mean 'kith help'?")
        self.fails(2, "xyzzy", says="kith --help")
        x = self.vectors("x.fvecs", [[1.0]])
        self.fails(2, x, says=["is a file, not a command", f"kith info {x}"])
        self.fails(2, "help", "knn", "eval", says="'eval'")
        for word in ("help", "-h", "--help"):
            self.assertEqual(self.ok("help", word).out, self.ok("--help").out)
        self.fails(2, "help", "infp", says="'kith info'")
        self.fails(2, "--bogus", says="--bogus")

    def test_full_stdout(self):
        for args in (("--help",), ("--version",), ("info",), ("info", "--json"), ("knn", "--help")):
            with open("/dev/full", "wb") as full:
                self.fails(1, *args, says="standard output", stdout=full)


class Gen(Case):
    def gen(self, folder, *options):
        self.ok("gen", "--out", self.path(folder), *options)
        return {name: hashlib.sha256(self.read(f"{folder}/{name}")).hexdigest()
                for name in sorted(os.listdir(self.path(folder)))}

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def test_reproducible(self):
        options = ("--n", 3000, "--dim", 24, "--queries", 20, "--truth", 5)
        first = self.gen("a", *options, "--seed", 7)
        self.assertEqual(sorted(first), ["base.fvecs", "groundtruth.ivecs", "groundtruth_dist.fvecs", "query.fvecs"])
        self.assertEqual(self.gen("b", *options, "--seed", 7, "--threads", 1), first)
        self.assertEqual(self.gen("b", *options, "--seed", 7, "--threads", 3), first)
        other = self.gen("c", *options, "--seed", 8)
        self.assertFalse(set(first.values()) & set(other.values()))
        self.assertNotEqual(first["base.fvecs"], first["query.fvecs"])

    def test_the_same_bytes_on_every_machine(self):
        files = self.gen("g", "--n", 1000, "--dim", 16, "--queries", 10)
        self.assertEqual(files["base.fvecs"][:16], "73a6fa564d8d5dd8")
        files = self.gen("h", "--n", 1000, "--dim", 16, "--queries", 10, "--type", "u8")
        self.assertEqual(files["base.bvecs"][:16], "fd94a6414672d14b")

    def test_rows_do_not_depend_on_pieces(self):
        # 90,000 rows of 512 bytes are more than one piece; the first rows must be those of a single one.
        self.ok("gen", "--n", 90000, "--dim", 128, "--clusters", 10, "--out", self.path("many"))
        self.ok("gen", "--n", 100, "--dim", 128, "--clusters", 10, "--out", self.path("few"))
        self.assertEqual(self.read("many/base.fvecs")[:51600], self.read("few/base.fvecs"))
        self.assertEqual(os.path.getsize(self.path("many/base.fvecs")), 90000 * 516)

    def test_formats_and_types(self):
        for kind, form, names, cell in (
                ("f32", "fvecs", ["base.fvecs", "query.fvecs"], "fvecs"),
                ("u8", "fvecs", ["base.bvecs", "query.bvecs"], "bvecs"),
                ("f32", "fbin", ["base.fbin", "query.fbin"], "fbin"),
                ("u8", "fbin", ["base.u8bin", "query.u8bin"], "u8bin"),
                ("u8", "npy", ["base.npy", "query.npy"], "npy")):
            folder = f"{kind}-{form}"
            self.assertEqual(sorted(self.gen(folder, "--n", 60, "--dim", 5, "--queries", 3, "--type", kind,
                                             "--format", form)), names)
            info = json.loads(self.ok("info", self.path(f"{folder}/{names[0]}"), "--json").out)
            self.assertEqual((info["n"], info["dim"], info["type"], info["format"]), (60, 5, kind, cell))
            self.assertGreater(info["max"], info["min"])
        self.assertEqual(sorted(self.gen("t", "--n", 60, "--dim", 5, "--truth", 2, "--format", "fbin")),
                         ["base.fbin", "groundtruth.ibin", "groundtruth_dist.fbin", "query.fbin"])

    def test_truth(self):
        for metric in ("l2", "cosine"):
            self.gen(metric, "--n", 300, "--dim", 6, "--queries", 4, "--truth", 8, "--metric", metric)
            base, query = read_vecs(self.path(f"{metric}/base.fvecs")), read_vecs(self.path(f"{metric}/query.fvecs"))
            want = brute_force(metric, base, query, 8)
            self.assertEqual(read_vecs(self.path(f"{metric}/groundtruth.ivecs")), [[i for _, i in r] for r in want])
            for row, got in zip(want, read_vecs(self.path(f"{metric}/groundtruth_dist.fvecs"))):
                for (value, _), d in zip(row, got):
                    self.assertAlmostEqual(d, value, delta=1e-6 * abs(value))

    def test_structure(self):
        # Neighbours are much nearer than random pairs, as in real data and unlike in uniform noise.
        self.gen("s", "--n", 4000, "--dim", 64, "--queries", 20, "--truth", 10)
        base, query = read_vecs(self.path("s/base.fvecs")), read_vecs(self.path("s/query.fvecs"))
        near = sorted(row[-1] for row in read_vecs(self.path("s/groundtruth_dist.fvecs")))[10]
        far = sorted(brute_force("l2", [base[i * 37]], [q], 1)[0][0][0] for i, q in enumerate(query))[10]
        self.assertLess(near, 0.5 * far)
        info = json.loads(self.ok("info", self.path("s/base.fvecs"), "--json").out)
        self.assertEqual((info["nan"], info["inf"], info["zero_vectors"]), (0, 0, 0))

    def test_bad(self):
        blocked = self.write("file", b"")
        for code, args, says in (
                (2, (), "--out"),
                (2, ("--out", self.path("x"), "--n", "0"), "--n must"),
                (2, ("--out", self.path("x"), "--dim", "32769"), "32768"),
                (2, ("--out", self.path("x"), "--dim", "-4"), "--dim"),
                (2, ("--out", self.path("x"), "--seed", "x"), "--seed"),
                (2, ("--out", self.path("x"), "--type", "f16"), "f32|u8"),
                (2, ("--out", self.path("x"), "--clusters", "99999999"), "--clusters may be at most"),
                (2, ("--out", self.path("x"), "more"), "'more'"),
                (1, ("--out", blocked), "file"),
                (1, ("--out", self.path("no/such/folder")), "folder")):
            with self.subTest(args=args):
                self.fails(code, "gen", *args, says=says)

    def test_interrupted(self):
        process = subprocess.Popen([BIN, "gen", "--n", "100000000", "--dim", "8", "--out", self.path("x")],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        _, err = stop(process, signal.SIGINT)
        self.assertEqual((process.returncode, err), (130, b"kith gen: interrupted; nothing was written\n"))
        self.assertEqual(os.listdir(self.path("x")), [])


class Info(Case):
    def info(self, path, *options):
        return json.loads(self.ok("info", path, "--json", *options).out)

    def test_build(self):
        report = json.loads(self.ok("info", "--json").out)
        self.assertIn(report["isa"], report["isa_available"])
        self.assertIn("ref", report["isa_available"])
        self.assertIn("fvecs", report["formats"])
        self.assertGreater(report["threads"], 0)
        self.assertIsInstance(report["hdf5"], bool)
        for isa in report["isa_available"]:
            self.assertEqual(json.loads(self.ok("info", "--json", env={"KITH_ISA": isa}).out)["isa"], isa)
        text = self.ok("info").out
        for word in ("isa", "BLAS", "threads", "HDF5", "formats"):
            self.assertIn(word, text)

    def test_floats(self):
        path = self.vectors("x.fvecs", [[3, 4], [0, 0], [-6, 8]])
        info = self.info(path)
        want = {"format": "fvecs", "type": "f32", "n": 3, "dim": 2, "bytes": 36, "min": -6, "max": 8, "nan": 0,
                "inf": 0, "mean_norm": 5, "zero_vectors": 1, "sample": [[3, 4], [0, 0], [-6, 8]]}
        self.assertEqual({key: info[key] for key in want}, want)
        text = self.ok("info", path).out
        self.assertIn("range        -6 to 8\n", text)
        self.assertIn("mean norm    5\n", text)

    def test_odd_floats(self):
        path = self.vectors("x.fvecs", [[math.nan, 1], [math.inf, -math.inf], [3, 4]])
        info = self.info(path)
        self.assertEqual((info["nan"], info["inf"], info["min"], info["max"], info["mean_norm"]), (1, 2, 1, 4, 5))
        self.assertEqual(info["sample"], [[None, 1], [None, None], [3, 4]])
        info = self.info(self.vectors("y.fvecs", [[math.nan]]))
        self.assertEqual((info["min"], info["max"], info["mean_norm"]), (None, None, None))

    def test_integers_stay_exact(self):
        info = self.info(self.vectors("x.ivecs", [[-1, 16777217, 2147483647]]))
        self.assertEqual((info["min"], info["max"], info["negative"]), (-1, 2147483647, 1))
        self.assertEqual(info["sample"], [[-1, 16777217, 2147483647]])

    def test_integers_of_64_bits(self):
        rows = [[-2**63, 2**53 + 1, 2**63 - 1]]
        path = self.write("x.npy", pack("x.npy", rows, "q"))
        info = self.info(path)
        self.assertEqual((info["type"], info["min"], info["max"], info["sample"]), ("i64", -2**63, 2**63 - 1, rows))
        self.assertIn(f"range        {-2**63} to {2**63 - 1}\n", self.ok("info", path).out)
        self.ok("convert", path, self.path("y.npy"))
        self.assertEqual(read_vecs(self.path("y.npy")), rows)
        self.fails(1, "convert", path, self.path("y.ivecs"), says=["no i32", "npy and hdf5 hold"])
        self.ok("convert", self.vectors("a.ivecs", [[-5, 6]]), self.path("a.npy"), "--type", "i64")
        self.assertEqual(read_vecs(self.path("a.npy")), [[-5, 6]])
        self.ok("convert", self.path("a.npy"), self.path("b.ivecs"))
        self.assertEqual(read_vecs(self.path("b.ivecs")), [[-5, 6]])

    def test_quick(self):
        path = self.vectors("x.bvecs", [[i] * 20 for i in range(9)])
        info = self.info(path, "--quick")
        self.assertNotIn("min", info)
        self.assertEqual(info["sample"], [[i] * 8 for i in range(3)])
        self.assertNotIn("range", self.ok("info", path, "--quick").out)

    def test_name_that_is_no_text(self):
        path = os.fsencode(self.folder) + b"/\xff.fvecs"
        with open(path, "wb") as file:
            file.write(pack("x.fvecs", [[1.0]]))
        self.assertEqual(json.loads(self.ok("info", "--json", os.fsdecode(path)).out)["n"], 1)

    def test_bad(self):
        self.fails(1, "info", self.path("none.fvecs"), says="none.fvecs")
        self.fails(1, "info", self.write("e.fvecs", b""), says="empty")
        bad = self.write("v.fvecs", struct.pack("<i2fi2f", 2, 1, 2, 3, 3, 4))
        self.fails(1, "info", bad, says="v.fvecs")
        self.fails(2, "info", "a", "b", says="'b'")


class Convert(Case):
    def test_round_trips(self):
        rows = {"fvecs": [[1.5, -2.25], [0, 3e38]], "bvecs": [[0, 255], [7, 8]], "ivecs": [[-1, 2**31 - 1], [5, 6]]}
        ways = {"fvecs": ("fbin", "npy"), "bvecs": ("u8bin", "npy", "fvecs", "fbin"), "ivecs": ("ibin", "npy")}
        for extension, values in rows.items():
            start = self.vectors(f"start.{extension}", values)
            for way in ways[extension]:
                self.ok("convert", start, self.path(f"there.{way}"))
                self.ok("convert", self.path(f"there.{way}"), self.path(f"back.{extension}"))
                self.assertEqual(read_vecs(self.path(f"back.{extension}")), read_vecs(start), way)

    def test_types(self):
        b = self.vectors("b.bvecs", [[1, 2]])
        self.assertIn("1 x 2 u8", self.ok("convert", b, self.path("x.npy")).out)
        self.assertIn("1 x 2 f32", self.ok("convert", b, self.path("x.npy"), "--type", "f32").out)
        self.assertIn("1 x 2 f32", self.ok("convert", b, self.path("x.fvecs")).out)
        with open(self.path("x.npy"), "rb") as file:
            self.assertEqual(file.read()[-8:], struct.pack("<2f", 1, 2))

    def test_part(self):
        path = self.vectors("x.fvecs", [[i] for i in range(10)])
        for options, want in (((), range(10)), (("--first", 3), range(3, 10)), (("--count", 4), range(4)),
                              (("--first", 8, "--count", 2), range(8, 10))):
            self.ok("convert", path, self.path("y.fvecs"), *options)
            self.assertEqual(read_vecs(self.path("y.fvecs")), [[i] for i in want])

    def fail_and_leave_nothing(self, code, *args, says=(), **options):
        before = sorted(os.listdir(self.folder))
        self.fails(code, "convert", *args, says=says, **options)
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_bad(self):
        x = self.vectors("x.fvecs", [[1, 2], [1.5, 2]])
        big = self.vectors("big.ivecs", [[256]])
        cut = self.write("cut.fvecs", struct.pack("<i2fi2f", 2, 1, 2, 3, 1, 2))
        for code, args, says in (
                (1, (x, self.path("y.bvecs")), "x.fvecs"),
                (1, (x, self.path("y.ivecs")), "x.fvecs"),
                (1, (big, self.path("y.bvecs")), "big.ivecs"),
                (1, (cut, self.path("y.fbin")), "cut.fvecs"),
                (1, (x, self.path("y.txt")), ["y.txt", "fvecs"]),
                (1, (x, self.path("y.bvecs"), "--type", "f32"), "y.bvecs"),
                (1, (x, x), "another name"),
                (1, (x, self.path("no/y.fbin")), "y.fbin"),
                (1, (x, self.folder), "directory"),
                (1, (x, self.path("y.fbin"), "--first", 2), "--first 2"),
                (1, (x, self.path("y.fbin"), "--first", 1, "--count", 2), "--count 2"),
                (2, (x, self.path("y.fbin"), "--first", -1), "--first"),
                (2, (x, self.path("y.fbin"), "--count", 0), "--count"),
                (2, (x,), "files are needed")):
            with self.subTest(args=args):
                self.fail_and_leave_nothing(code, *args, says=says)
        # What fits is taken.
        self.ok("convert", x, self.path("y.bvecs"), "--count", 1)

    def test_full_disk(self):
        x = self.vectors("x.fvecs", [[1.0] * 1000] * 10)

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

        self.fail_and_leave_nothing(1, x, self.path("y.fbin"), says="y.fbin", preexec_fn=limit)
        self.fail_and_leave_nothing(1, x, "/dev/full", says="/dev/full")


class Hdf5(Case):
    """Sets inside of an HDF5 file, where this build has it."""

    def setUp(self):
        super().setUp()
        if not json.loads(self.ok("info", "--json").out)["hdf5"]:
            self.skipTest("built without HDF5")

    def test_read(self):
        x = self.vectors("x.fvecs", [[1, 2], [3, 4]])
        written = Run(["convert", x, self.path("x.hdf5:train")])
        if written.code:
            self.skipTest("HDF5 cannot be written: " + written.err)
        info = Run(["info", self.path("x.hdf5:train"), "--json"])
        if "libhdf5" in info.err:
            self.assertIn("apt install", info.err)
            self.skipTest("no libhdf5 is installed")
        self.assertEqual(json.loads(info.out)["n"], 2)
        self.ok("knn", self.path("x.hdf5:train"), x, "-k", "1", "--ids", self.path("i.ivecs"))
        self.assertEqual(read_vecs(self.path("i.ivecs")), [[0], [1]])

    def test_libhdf5_is_loaded_when_it_is_used(self):
        x = self.vectors("x.fvecs", [[1, 2], [3, 4]])
        self.ok("convert", x, self.path("x.hdf5:train"))
        with open("/proc/self/maps", encoding="utf-8") as maps:
            libc = next(line.split()[-1] for line in maps if "libc.so" in line or "/libc-" in line)
        for named, says in ("/nowhere/libhdf5.so", "/nowhere/libhdf5.so"), (libc, "is no libhdf5"):
            with_it = {"KITH_HDF5": named}
            run = Run(["info", self.path("x.hdf5:train")], env=with_it)
            self.assertEqual(run.code, 1)
            self.assertIn(says, run.err)
            self.assertIn("x.hdf5", run.err)
            self.assertEqual(Run(["info", x], env=with_it).code, 0)
