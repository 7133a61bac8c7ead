"""kith convert on index files: the vectors that they hold, or another index, as OUT's name says."""
import json
import random

from support import Case, float32, read_vecs


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
        import os
        self.assertEqual(sorted(os.listdir(self.folder)), ["b.fvecs", "i.kith"], "nothing is left behind")
