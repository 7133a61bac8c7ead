"""kith convert and kith info on FAISS's files; FAISS reads what kith writes, and finds the same."""
import json
import os
import random
import shutil
import subprocess
import sys
import unittest

from support import Case, float32, read_vecs

# Reads indexes and queries, searches, and prints the distances and ids of each.
PEER = """
import sys, json, faiss, numpy
q = numpy.fromfile(sys.argv[1], dtype='<f4').reshape(-1, int(sys.argv[2]) + 1)[:, 1:].copy()
for path in sys.argv[4:]:
    dist, ids = faiss.read_index(path).search(q, int(sys.argv[3]))
    print(json.dumps([dist.tolist(), ids.tolist()]))
"""


def python_with_faiss():
    """The system's packages go to the system's Python, which need not be the one that runs this."""
    for python in (sys.executable, "python3", "/usr/bin/python3"):
        if shutil.which(python) and subprocess.run([python, "-c", "import faiss"], stderr=subprocess.DEVNULL).returncode == 0:
            return python
    return None


PYTHON = python_with_faiss()
SPECS = ("Flat", "SQ8", "SQ6", "SQ4", "SQfp16", "PQ4", "PQ8x4", "IVF8,Flat", "IVF8,SQ8", "IVF8,PQ4", "IVF8_whole,PQ4",
         "PCA8,IVF8,Flat", "PCAWR8,Flat", "OPQ4,IVF8,PQ4", "RR20,Flat", "L2norm,Flat", "Pad20,Flat", "IVF8,PQ4,RFlat",
         "PQ4,Refine(SQ8)", "PCA8,(PQ4,RFlat)")
GRAPHS = ("HNSW8", "HNSW8,SQ8", "HNSW8,PQ4", "PCA8,HNSW8,SQ8", "HNSW8,SQ8,RFlat")


class Faiss(Case):
    def setUp(self):
        super().setUp()
        rng = random.Random(11)
        base = [[float32(rng.gauss(0, 1)) for _ in range(16)] for _ in range(600)]
        self.b = self.vectors("b.fvecs", base)
        self.q = self.vectors("q.fvecs", [[float32(rng.gauss(0, 1)) for _ in range(16)] for _ in range(8)])
        self.kith, self.faiss = self.path("i.kith"), self.path("i.faiss")

    def make(self, spec, metric="l2"):
        self.ok("build", self.b, "--index", spec, "--metric", metric, "-o", self.kith)
        return self.ok("convert", self.kith, self.faiss).out

    def search(self, index):
        ids, dist = self.path("o.ivecs"), self.path("o.fvecs")
        # What FAISS does with the numbers that kith writes.
        spec = json.loads(self.ok("info", index, "--json").out)["index"]
        settings = ["nprobe=8"] * ("IVF" in spec) + ["k_factor=4"] * ("RFlat" in spec)
        chosen = ["--set", ",".join(settings)] if settings else []
        self.ok("search", index, self.q, "-k", 10, *chosen, "--ids", ids, "--distances", dist)
        return read_vecs(dist), read_vecs(ids)

    def same(self, mine, theirs):
        """Distances to 1e-4; ids but where distances are that near to each other."""
        for d, i, e, j in zip(*mine, *theirs):
            for n, (a, b) in enumerate(zip(d, e)):
                self.assertLessEqual(abs(a - b), 1e-4 * max(abs(b), 1e-2))
                near = [m for m in (n - 1, n + 1) if 0 <= m < len(e) and abs(e[m] - b) <= 1e-4 * max(abs(b), 1e-2)]
                if not near and n < len(e) - 1:
                    self.assertEqual(i[n], j[n])

    def test_both_ways(self):
        for spec in ("Flat", "SQ8", "IVF8,PQ4x4", "PCA8,IVF8,SQ4,RFlat"):
            with self.subTest(spec=spec):
                self.assertIn(spec, self.make(spec))
                out = self.ok("convert", self.faiss, self.path("back.kith")).out
                self.assertIn(spec, out)
                self.assertEqual("nprobe=8" in out, "IVF" in spec)
                self.assertEqual("k_factor=4" in out, "RFlat" in spec)
                mine = self.search(self.kith)
                self.same(mine, self.search(self.path("back.kith")))
                self.same(mine, self.search(self.faiss))

    def test_info(self):
        self.make("IVF8,SQ8", "ip")
        info = json.loads(self.ok("info", self.faiss, "--json").out)
        self.assertEqual((info["format"], info["index"], info["metric"], info["n"], info["dim"]),
                         ("faiss", "IVF8,SQ8", "ip", 600, 16))
        self.assertEqual(info["bytes"], os.path.getsize(self.faiss))
        out = self.ok("info", self.faiss).out
        for word in ("FAISS index", "IVF8,SQ8", "nprobe       8"):
            self.assertIn(word, out)

    def test_bad(self):
        self.make("Flat")
        with open(self.faiss, "rb") as file:
            data = file.read()
        cut, hash_ = self.write("cut.faiss", data[:-9]), self.write("hash.faiss", b"IxHe" + data[4:])
        for code, args, says in (
                (1, ("convert", cut, self.path("o.kith")), "cut.faiss"),
                (1, ("convert", hash_, self.path("o.kith")), ["IxHe", "LSH"]),
                (1, ("info", hash_), "IxHe"),
                (1, ("search", cut, self.q), "cut.faiss"),
                (1, ("convert", self.faiss, self.faiss), "another name"),
                (1, ("convert", self.faiss, self.path("no/such/o.kith")), "No such file"),
                (2, ("convert", self.faiss, self.path("o.kith"), "--first", 3), "--first")):
            with self.subTest(args=args):
                self.fails(code, *args, says=says)
        self.assertFalse(os.path.exists(self.path("o.kith")))

    def both(self, specs):
        """What kith finds in each index of (metric, spec), and FAISS in what was exported."""
        mine, paths = [], []
        for metric, spec in specs:
            self.make(spec, metric)
            mine.append((metric, spec, self.search(self.kith)))
            paths.append(self.path(f"{len(paths)}.faiss"))
            os.rename(self.faiss, paths[-1])
        run = subprocess.run([PYTHON, "-c", PEER, self.q, "16", "10"] + paths, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, timeout=120, env=dict(os.environ, OMP_NUM_THREADS="1"))
        self.assertEqual(run.returncode, 0, run.stderr.decode())
        theirs = [json.loads(line) for line in run.stdout.splitlines()]
        self.assertEqual(len(mine), len(theirs))
        return zip(mine, theirs)

    @unittest.skipUnless(PYTHON, "no Python with FAISS")
    def test_read_by_faiss(self):
        for (metric, spec, found), peer in self.both(
                [("l2", spec) for spec in SPECS] + [("ip", spec) for spec in SPECS[::2]] +
                [("cosine", spec) for spec in SPECS[1::2]]):
            with self.subTest(spec=spec, metric=metric):
                self.same(found, peer)

    @unittest.skipUnless(PYTHON, "no Python with FAISS")
    def test_graphs_read_by_faiss(self):
        """FAISS searches in another order, but along the same edges: it finds nearly the same, as far away."""
        for (metric, spec, (dist, ids)), (far, found) in self.both(
                [("l2", spec) for spec in GRAPHS] + [("ip", "HNSW8"), ("cosine", "HNSW8,SQ8")]):
            with self.subTest(spec=spec, metric=metric):
                both = 0
                for d, i, e, j in zip(dist, ids, far, found):
                    theirs = dict(zip(j, e))
                    for a, number in zip(d, i):
                        if number in theirs:
                            both += 1
                            self.assertLessEqual(abs(a - theirs[number]), 1e-4 * max(abs(a), 1e-2))
                self.assertGreaterEqual(both, 0.9 * sum(len(i) for i in ids))


if __name__ == "__main__":
    unittest.main()
