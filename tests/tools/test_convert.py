"""kith convert on index files: the vectors that they hold, or another index, as OUT's name says."""
import json
import math
import os
import random

from support import Case, Run, brute_force, float32, read_vecs


class Stored(Case):
    def setUp(self):
        super().setUp()
        rng = random.Random(3)
        self.rows = [[float32(rng.gauss(0, 1)) for _ in range(8)] for _ in range(300)]
        self.b, self.index = self.vectors("b.fvecs", self.rows), self.path("i.kith")

    def build(self, spec, base=None, *options):
        self.ok("build", base or self.b, "-i", spec, "-o", self.index, *options)
        return self.index

    def info(self, path):
        return json.loads(self.ok("info", path, "--json").out)

    def test_vectors_come_back(self):
        for spec in ("Flat", "IVF4,Flat", "HNSW8", "IVF4,PQ2x4,RFlat", "Shards2(Flat)"):
            with self.subTest(spec=spec):
                out = self.path("y.fvecs")
                said = self.ok("convert", self.build(spec), out).out
                self.assertIn("300 x 8 f32", said)
                self.assertEqual(read_vecs(out), self.rows, "row number = id")

    def test_every_vector_extension_means_vectors(self):
        whole = self.vectors("w.fvecs", [[i, i % 7] for i in range(50)])
        self.build("Flat", whole)
        for name, kind in (("y.fvecs", "f32"), ("y.npy", "f32"), ("y.fbin", "f32"), ("y.hdf5:train", "f32"),
                           ("y.bvecs", "u8"), ("y.ivecs", "i32"), ("y.u8bin", "u8"), ("y.i8bin", "i8")):
            with self.subTest(name=name):
                self.ok("convert", self.index, self.path(name))
                if "hdf5" in name and not json.loads(self.ok("info", "--json").out)["hdf5"]:
                    continue
                info = self.info(self.path(name))
                self.assertEqual((info["format"], info["type"], info["n"], info["dim"]),
                                 (name.split(".")[1].split(":")[0], kind, 50, 2))
        self.assertEqual(read_vecs(self.path("y.bvecs")), [[i, i % 7] for i in range(50)])

    def test_index_extensions_mean_an_index(self):
        self.build("IVF4,Flat")
        for name, kind in (("j.kith", "kith"), ("j.faiss", "faiss"), ("j", "kith"), ("j.index", "kith")):
            self.ok("convert", self.index, self.path(name))
            self.assertEqual(self.info(self.path(name))["format"], kind, name)

    def test_faiss_files_hold_vectors_too(self):
        self.build("IVF4,Flat")
        self.ok("convert", self.index, self.path("j.faiss"))
        self.ok("convert", self.path("j.faiss"), self.path("y.fvecs"))
        self.assertEqual(read_vecs(self.path("y.fvecs")), self.rows)

    def test_codes_are_decoded(self):
        self.build("SQ8")
        self.assertIn("as SQ8 keeps them", self.ok("convert", self.index, self.path("y.fvecs")).out)
        found = read_vecs(self.path("y.fvecs"))
        error = max(abs(a - b) for x, y in zip(found, self.rows) for a, b in zip(x, y))
        self.assertTrue(0 < error < 0.05, error)

    def test_bytes_stay_bytes(self):
        rows = [[i * j % 256 for j in range(8)] for i in range(100)]
        self.build("SQ8_direct", self.vectors("b.bvecs", rows))
        self.ok("convert", self.index, self.path("y.bvecs"))
        self.assertEqual(read_vecs(self.path("y.bvecs")), rows)
        self.ok("convert", self.index, self.path("y.npy"))
        self.assertEqual(self.info(self.path("y.npy"))["type"], "u8")
        for kind in ("i32", "i64"):
            self.ok("convert", self.index, self.path("w.npy"), "--type", kind)
            self.assertEqual(self.info(self.path("w.npy"))["type"], kind)
            self.ok("convert", self.path("w.npy"), self.path("back.fvecs"))
            self.assertEqual(read_vecs(self.path("back.fvecs")), rows)

    def test_rows_and_ids(self):
        self.build("Flat")
        out, ids = self.path("y.fvecs"), self.path("ids.ivecs")
        self.ok("convert", self.index, out, "--first", 10, "--count", 5, "--ids", ids)
        self.assertEqual(read_vecs(out), self.rows[10:15])
        self.assertEqual(read_vecs(ids), [[i] for i in range(10, 15)])
        self.ok("convert", self.index, self.path("y.npy"), "--first", 299)
        self.assertEqual(self.info(self.path("y.npy"))["n"], 1)

    def test_unit_length_is_said(self):
        self.build("Flat", None, "-m", "cosine")
        self.assertIn("at unit length", self.ok("convert", self.index, self.path("y.fvecs")).out)
        for row in read_vecs(self.path("y.fvecs")):
            self.assertAlmostEqual(sum(x * x for x in row), 1, 5)

    def test_bad(self):
        self.build("Flat")
        out = self.path("y.fvecs")
        for code, args, says in (
                (1, (self.index, self.path("y.bvecs")), ["i.kith", "no u8"]),
                (1, (self.index, out, "--first", 300), "rows 0 to 299"),
                (1, (self.index, out, "--count", 301), "300 rows"),
                (1, (self.index, out, "--first", 299, "--count", 2), "1 row of"),
                (1, (self.index, self.path("y.ivecs"), "--type", "f32"), "ivecs"),
                (2, (self.index, out, "--ids", out), "one file"),
                (2, (self.index, self.path("j.kith"), "--count", 3), ["--count", "another index"]),
                (2, (self.index, self.path("j.faiss"), "--ids", out), ["--ids", "another index"]),
                (2, (self.b, self.path("j.kith")), ["kith build", "--index"]),
                (2, (self.b, self.path("j.faiss")), ["kith build", "--index"]),
                (2, (self.b, out, "--ids", "x.ivecs"), "without ids"),
                (2, (self.path("none.npy"), self.b), "IN comes first"),
                (1, (self.path("none.npy"), out), "none.npy")):
            with self.subTest(args=args):
                self.fails(code, "convert", *args, says=says)
        self.assertEqual(sorted(os.listdir(self.folder)), ["b.fvecs", "i.kith"], "nothing is left behind")


class Assembled(Case):
    """An HDF5 file as ann-benchmarks has it, of files."""

    def setUp(self):
        super().setUp()
        if "hdf5" not in json.loads(Run(["info", "--json"]).out)["formats"]:
            self.skipTest("this build has no HDF5")
        rng = random.Random(4)
        self.rows = [[float32(rng.gauss(0, 1)) for _ in range(6)] for _ in range(150)]
        self.queries = [[float32(rng.gauss(0, 1)) for _ in range(6)] for _ in range(7)]
        self.b, self.q, self.out = self.vectors("b.fvecs", self.rows), self.vectors("q.fvecs", self.queries), self.path("a.hdf5")

    def sets(self):
        """What is read back, by way of kith (and so of libhdf5)."""
        found = {}
        for name, extension in (("train", "fvecs"), ("test", "fvecs"), ("neighbors", "ivecs"), ("distances", "fvecs")):
            copy = self.path(f"{name}.{extension}")
            run = Run(["convert", f"{self.out}:{name}", copy])
            if "libhdf5" in run.err:
                self.skipTest(run.err)
            self.assertEqual(run.code, 0, run.err)
            found[name] = read_vecs(copy)
        return found

    def theirs(self, metric, k):
        """Neighbours, and distances in ann-benchmarks' sense."""
        found = brute_force(metric, self.rows, self.queries, k)
        turn = {"l2": math.sqrt, "cosine": lambda s: 1 - s, "ip": lambda s: -s}.get(metric, float)
        return [[i for _, i in row] for row in found], [[turn(s) for s, _ in row] for row in found]

    def check(self, metric, k):
        sets = self.sets()
        self.assertEqual((sets["train"], sets["test"]), (self.rows, self.queries))
        ids, distances = self.theirs(metric, k)
        self.assertEqual(sets["neighbors"], ids)
        for row, want in zip(sets["distances"], distances):
            for a, b in zip(row, want):
                self.assertAlmostEqual(a, b, places=5)
        with open(self.out, "rb") as file:
            data = file.read()
        word = {"l2": b"euclidean", "cosine": b"angular", "ip": b"ip", "l1": b"manhattan", "linf": b"chebyshev"}[metric]
        self.assertIn(b"distance\0", data)
        self.assertIn(word, data)

    def test_neighbours_are_computed(self):
        for metric in ("l2", "cosine", "ip", "l1", "linf"):
            with self.subTest(metric=metric):
                said = self.ok("convert", "--train", self.b, "--test", self.q, "-m", metric, "-k", 5, self.out).out
                self.assertIn("neighbors: 7 x 5 i32, found here", said)
                self.check(metric, 5)
                os.unlink(self.out)
        self.ok("convert", "--train", self.b, "--test", self.q, self.out)
        self.check("l2", 100)

    def test_neighbours_from_files(self):
        for metric in ("l2", "cosine"):
            ids, distances = self.path("t.ivecs"), self.path("t.fvecs")
            self.ok("knn", self.b, self.q, "-k", 9, "-m", metric, "--ids", ids, "--distances", distances)
            self.ok("convert", "--train", self.b, "--test", self.q, "--neighbors", ids, "--distances", distances, "-m",
                    metric, self.out)
            self.check(metric, 9)
            os.unlink(self.out)

    def test_h5py_reads_it(self):
        try:
            import h5py
        except ImportError:
            self.skipTest("h5py is not installed")
        self.ok("convert", "--train", self.b, "--test", self.q, "-k", 5, self.out)
        with h5py.File(self.out) as file:
            self.assertEqual(file.attrs["distance"], "euclidean")
            self.assertEqual({name: (file[name].shape, str(file[name].dtype)) for name in file},
                             {"train": ((150, 6), "float32"), "test": ((7, 6), "float32"),
                              "neighbors": ((7, 5), "int32"), "distances": ((7, 5), "float32")})

    def test_bad(self):
        t, d = self.vectors("t.ivecs", [[1, 2]] * 7), self.vectors("d.fvecs", [[1, 2]] * 7)
        far, few = self.vectors("far.ivecs", [[1, 150]] * 7), self.vectors("few.ivecs", [[1, 2]])
        both, wide = ("--train", self.b, "--test", self.q), self.vectors("w.fvecs", [[1, 2, 3]])
        for code, args, says in (
                (2, ("--train", self.b, self.out), "--test"),
                (2, ("--test", self.q, self.out), "--train"),
                (2, (*both, "x.fvecs", self.out), "there is no IN"),
                (2, (*both, "--neighbors", t, self.out), "--distances"),
                (2, (*both, "--neighbors", t, "--distances", d, "-k", 3, self.out), "-k"),
                (2, (*both, "--count", 3, self.out), "--count"),
                (2, (*both, self.path("a.fvecs")), ".hdf5"),
                (2, (*both, self.out + ":x"), ".hdf5"),
                (2, (self.b, self.path("x.npy"), "-k", 3), "--train"),
                (2, (self.b,), "files are needed"),
                (1, ("--train", self.b, "--test", wide, self.out), "dimensions differ"),
                (1, (*both, "--neighbors", self.q, "--distances", d, self.out), "not ids"),
                (1, (*both, "--neighbors", few, "--distances", d, self.out), "1 row,"),
                (1, (*both, "--neighbors", t, "--distances", self.q, self.out), "--distances"),
                (1, (*both, "--neighbors", far, "--distances", d, self.out), ["id 150", "150 rows"])):
            with self.subTest(args=args):
                self.fails(code, "convert", *args, says=says)
                self.assertFalse(os.path.exists(self.out))
        self.ok("convert", *both, self.out)
        self.fails(1, "convert", *both, self.out, says="new file only")
        self.assertEqual([f for f in os.listdir(self.folder) if "tmp" in f], [])
