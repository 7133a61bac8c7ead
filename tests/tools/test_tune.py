"""kith tune: what it chooses keeps its promises."""
import json
import os
import shlex
import signal
import subprocess

from support import BIN, Case, Run, stop


class Tune(Case):
    def setUp(self):
        super().setUp()
        self.ok("gen", "--n", 6000, "--dim", 16, "--queries", 600, "--out", self.folder)
        self.b, self.q = self.path("base.fvecs"), self.path("query.fvecs")

    def tune(self, *args):
        return json.loads(self.ok("tune", "-b", self.b, "-q", self.q, "--json", *args).out)

    def test_promises(self):
        report = self.tune("--recall", 0.9, "-i", "IVF32,Flat", "-i", "IVF32,SQ4", "-i", "Flat", "-i", "PQ2")
        best = report["best"]
        self.assertTrue(best["reaches"] and best["front"] and best["tried_on"] == 6000)
        self.assertGreaterEqual(best["recall"], 0.9)
        self.assertGreaterEqual(best["held_out_recall"], 0.88)
        self.assertEqual(best["qps"], max(c["qps"] for c in report["candidates"] if c["reaches"]))
        coarse = next(c for c in report["candidates"] if c["index"] == "PQ2")
        self.assertEqual((coarse["reaches"], coarse["why_not"]), (False, "does not reach the recall"))
        flat = next(c for c in report["candidates"] if c["index"] == "Flat")
        self.assertEqual((flat["recall"], flat["settings"]), (1, {}))

    def test_commands_do_what_was_promised(self):
        out = self.ok("tune", "-b", self.b, "-q", self.q, "--recall", 0.9, "-i", "IVF32,Flat", "-i", "IVF64,SQ8").out
        for word in ("Pareto front", "is the fastest that reaches recall 0.9", "it was not tuned on"):
            self.assertIn(word, out)
        truth, found = self.path("t.ivecs"), None
        self.ok("knn", self.b, self.q, "-k", 10, "--ids", truth)
        for line in out.strip().split("\n")[-2:]:
            args = shlex.split(line)
            self.assertEqual(args[0], "kith")
            extra = ["--truth", truth, "--json"] if args[1] == "search" else []
            run = Run(args[1:] + extra, cwd=self.folder)
            self.assertEqual(run.code, 0, run.err)
            found = run.out
        self.assertGreaterEqual(json.loads(found)["recall"]["10"], 0.89)

    def test_metrics_of_floats(self):
        for metric in ("l1", "canberra", "lp3"):
            report = self.tune("--recall", 0.9, "-m", metric, "-i", "IVF32,Flat", "-i", "Flat")
            self.assertEqual((report["metric"], report["best"]["reaches"]), (metric, True))

    def test_limits(self):
        report = self.tune("--recall", 0.5, "--max-bytes-per-vector", 30, "-i", "Flat", "-i", "SQ8", "-i", "SQ4")
        self.assertLessEqual(report["best"]["bytes_per_vector"], 30)
        flat = next(c for c in report["candidates"] if c["index"] == "Flat")
        self.assertEqual(flat["why_not"], "takes too much memory")
        self.fails(1, "tune", "-b", self.b, "-q", self.q, "--max-bytes-per-vector", 2, "-i", "Flat",
                   says="no index keeps the limits (1 was tried)")
        self.fails(1, "tune", "-b", self.b, "-q", self.q, "--recall", 0.99, "-i", "PQ2",
                   says=["reaches recall 0.99", "PQ2 came to", "does not reach the recall"])

    def test_samples(self):
        """Three candidates and more begin on a sample; the best is tried on everything."""
        self.ok("gen", "--n", 24000, "--dim", 8, "--queries", 100, "--out", self.folder)
        report = self.tune("--recall", 0.8, *(word for spec in ("Flat", "SQ8", "IVF64,Flat", "IVF64,SQ8")
                                              for word in ("-i", spec)))
        sizes = {c["tried_on"] for c in report["candidates"]}
        self.assertEqual(sizes, {6000, 24000})
        self.assertEqual(report["best"]["tried_on"], 24000)

    def test_bytes_and_metrics(self):
        self.ok("gen", "--n", 3000, "--dim", 8, "--queries", 60, "--type", "u8", "--out", self.path("bytes"))
        self.b, self.q = self.path("bytes/base.bvecs"), self.path("bytes/query.bvecs")
        for metric in ("ip", "cosine"):
            report = self.tune("-m", metric, "--recall", 0.9, "-i", "SQ8_direct", "-i", "IVF16,SQ8_direct")
            self.assertEqual(report["metric"], metric)
            self.assertGreaterEqual(report["best"]["recall"], 0.9)

    def test_bad(self):
        one = self.vectors("one.fvecs", [[0.0] * 16])
        other = self.vectors("other.fvecs", [[0.0] * 3] * 4)
        b, q = ("-b", self.b), ("-q", self.q)
        for code, args, says in (
                (2, b, "--query"),
                (2, (*b, *q, "--recall", 1.5), "--recall"),
                (2, (*b, *q, "--recall", "x"), "'x'"),
                (2, (*b, *q, "-k", 0), "-k"),
                (2, (*b, *q, "-i", "F" * 200), "too long"),
                (1, (*b, *q, "-i", "Flatt"), "Flatt"),
                (1, (*b, "-q", one), "at least two"),
                (1, (*b, "-q", other), "dimensions differ"),
                (1, ("-b", one, *q), "fewer than k"),
                (1, ("-b", self.path("no.fvecs"), *q), "no.fvecs")):
            with self.subTest(args=args):
                self.fails(code, "tune", *args, says=says)

    def test_interrupted(self):
        process = subprocess.Popen([BIN, "tune", "-b", self.b, "-q", self.q], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=dict(os.environ))
        out, err = stop(process, signal.SIGTERM)
        self.assertEqual((process.returncode, out), (143, b""))
        self.assertIn(b"interrupted", err)
