"""kith eval: measures on cases worked out by hand."""
import json
import math
import struct

from support import Case, pack


class Eval(Case):
    def measures(self, result, truth, *options, distances=None):
        r, t = self.vectors("r.ivecs", result), self.vectors("t.ivecs", truth)
        args = ["eval", r, t, "--json", *options]
        if distances:
            args += ["--distances", self.vectors("r.fvecs", distances[0]), "--truth-distances",
                     self.vectors("t.fvecs", distances[1])]
        report = json.loads(self.ok(*args).out)
        self.assertEqual(report["ties"], distances is not None)
        return {m["k"]: m for m in report["at"]}

    def check(self, got, recall, one_recall, precision, ap, mrr):
        want = {"recall": recall, "one_recall": one_recall, "precision": precision, "map": ap, "mrr": mrr}
        for name, value in want.items():
            self.assertAlmostEqual(got[name], value, places=8, msg=name)

    def test_perfect(self):
        rows = [[5, 3, 1, 0], [9, 8, 7, 6]]
        for m in self.measures(rows, rows, "-k", "1,2,4").values():
            self.check(m, 1, 1, 1, 1, 1)

    def test_by_hand(self):
        # Row 1: true 1 2 3 4; places 2 and 4 are right at k = 4; the nearest (1) is at place 4.
        # Row 2: true 5 6 7 8; places 1 and 2 are right; the nearest (5) is at place 2.
        m = self.measures([[9, 3, 8, 1], [6, 5, 0, 9]], [[1, 2, 3, 4], [5, 6, 7, 8]], "-k", "1,2,4")
        self.check(m[1], 0, 0, 0, 0, 0)
        # k = 2: true are 1 2 and 5 6. Row 1 has none, row 2 both.
        self.check(m[2], 0.5, 0.5, 0.5, (0 + (1 + 1) / 2) / 2, (0 + 1 / 2) / 2)
        self.check(m[4], 0.5, 1, 0.5, ((1 / 2 + 2 / 4) / 4 + (1 + 1) / 4) / 2, (1 / 4 + 1 / 2) / 2)

    def test_order_does_not_matter_to_recall(self):
        m = self.measures([[4, 3, 2, 1]], [[1, 2, 3, 4]], "-k", "4")
        self.check(m[4], 1, 1, 1, 1, 1 / 4)

    def test_missing_ids_never_count(self):
        # One id returned, and it is right: precision 1, recall 1/3.
        m = self.measures([[1, -1, -1]], [[1, 2, 3]], "-k", "3")
        self.check(m[3], 1 / 3, 1, 1, 1 / 3, 1)
        m = self.measures([[-1, -1]], [[1, -1]], "-k", "1,2")
        self.check(m[1], 0, 0, 0, 0, 0)
        # A truth that ends early: k is what it has.
        m = self.measures([[1, -1]], [[1, -1]], "-k", "2")
        self.check(m[2], 1, 1, 1, 1, 1)
        m = self.measures([[-1, -1], [3, -1]], [[-1, -1], [-1, -1]], "-k", "2")
        self.check(m[2], 0.5, 0.5, 0.5, 0.5, 0.5)

    def test_repeated_ids_count_once(self):
        m = self.measures([[1, 1, 1, 2]], [[1, 2, 3, 4]], "-k", "3,4")
        self.check(m[3], 1 / 3, 1, 1 / 3, 1 / 3, 1)
        self.check(m[4], 2 / 4, 1, 2 / 4, (1 + 2 / 4) / 4, 1)

    def test_ties(self):
        # 7 and 8 are as near as the 2nd true one; 9 is not.
        result, truth = [[1, 7, 8, 9]], [[1, 2, 3, 4]]
        plain = self.measures(result, truth, "-k", "1,2,4")
        self.check(plain[2], 0.5, 1, 0.5, 0.5, 1)
        dist = ([[0.5, 2.0, 2.00001, 9.0]], [[0.5, 2.0, 2.5, 3.0]])
        m = self.measures(result, truth, "-k", "1,2,4", distances=dist)
        self.check(m[1], 1, 1, 1, 1, 1)
        self.check(m[2], 1, 1, 1, 1, 1)
        self.check(m[4], 3 / 4, 1, 3 / 4, 3 / 4, 1)
        # Beyond the relative tolerance of 1e-5 it is no tie.
        dist = ([[0.5, 2.001, 2.1, 9.0]], [[0.5, 2.0, 2.05, 3.0]])
        m = self.measures(result, truth, "-k", "2", distances=dist)
        self.check(m[2], 0.5, 1, 0.5, 0.5, 1)

    def test_approximate_distances_are_not_used(self):
        """Those of a quantizer are too small, and made nearly everything count: 0.9 for a recall of 0.3."""
        result, truth = [[1, 7, 8, 9]], [[1, 2, 3, 4]]
        r, t = self.vectors("r.ivecs", result), self.vectors("t.ivecs", truth)
        true_distances = self.vectors("t.fvecs", [[1.0, 2.0, 3.0, 4.0]])
        for wrong in ([[0.9, 1.0, 1.1, 1.2]], [[1.0, 0.5, 1.1, 1.2]]):
            d = self.vectors("r.fvecs", wrong)
            run = self.warned("warning", "eval", r, t, "-k", "4", "--json", "-d", d, "-D", true_distances)
            report = json.loads(run.out)
            self.assertIn("approximate distances", run.err)
            self.assertIn("--base", run.err)
            self.assertEqual((report["ties"], report["approximate_distances"]), (False, True))
            self.assertEqual(report["at"][0]["recall"], 0.25)
            run = self.warned("warning", "eval", r, t, "-k", "4", "-d", d, "-D", true_distances)
            self.assertIn("compared by id", run.out)

    def test_distances_are_computed(self):
        # Vectors 1 and 7 are equal; 8 is as near as the second true one, by the other side.
        base = self.vectors("b.fvecs", [[9.0], [1.0], [2.0], [3.0], [4.0], [50.0], [60.0], [1.0], [-2.0], [70.0]])
        query = self.vectors("q.fvecs", [[0.0]])
        r, t = self.vectors("r.ivecs", [[7, 8, 9, -1]]), self.vectors("t.ivecs", [[1, 2, 3, 4]])
        plain = json.loads(self.ok("eval", r, t, "-k", "2", "--json").out)
        self.assertEqual((plain["at"][0]["recall"], plain["ties"]), (0, False))
        tied = json.loads(self.ok("eval", r, t, "-k", "1,2,4", "--json", "-b", base, "-q", query).out)
        self.assertEqual([m["recall"] for m in tied["at"]], [1, 1, 0.5])
        self.assertTrue(tied["ties"])
        for metric in ("l1", "linf", "lp3"):
            out = self.ok("eval", r, t, "-k", "1,2,4", "--json", "-b", base, "-q", query, "-m", metric).out
            self.assertEqual(json.loads(out)["at"], tied["at"])
        self.assertIn("distances computed", self.ok("eval", r, t, "-k", "2", "-b", base, "-q", query).out)
        self.fails(2, "eval", r, t, "-b", base, says="--query")
        far = self.vectors("f.ivecs", [[7, 8, 9, 10]])
        self.fails(1, "eval", far, t, "-b", base, "-q", query, says="holds id 10")

    def test_ids_beyond_32_bits(self):
        r = self.vectors("r.ibin", [[1, -5]])
        run = self.warned("warning", "eval", r, self.vectors("t.ibin", [[1, 2]]), "-k", "2", "--json")
        self.assertIn("4294967291", run.err)
        self.assertEqual(json.loads(run.out)["ids_beyond_32_bits"], 1)
        self.assertEqual(json.loads(run.out)["at"][0]["recall"], 0.5)

    def test_ids_of_64_bits(self):
        """In npy, negative ones, too, but for -1."""
        r = self.write("r.npy", pack("r.npy", [[2**40, -7, -1], [2**62 + 1, 5, 5]], "q"))
        t = self.write("t.npy", pack("t.npy", [[-7, 2**40], [2**62, 5]], "q"))
        at = json.loads(self.ok("eval", r, t, "-k", "2", "--json").out)["at"][0]
        self.assertEqual((at["recall"], at["precision"]), (3 / 4, 3 / 4))
        small = self.vectors("t.ivecs", [[-1, 4], [5, 2]])
        at = json.loads(self.ok("eval", r, small, "-k", "1", "--json").out)["at"][0]
        self.assertEqual(at["recall"], 0)
        x = self.vectors("x.fvecs", [[1.0], [2.0]])
        self.fails(1, "eval", r, t, "-b", x, "-q", x, says=f"holds id {2**40}")

    def test_ground_truth_with_distances(self):
        """The files of big-ann-benchmarks: n, k, ids, distances."""
        truth = self.write("truth.bin", struct.pack("<2I3i3f", 1, 3, 1, 2, 3, 1.0, 2.0, 3.0))
        r = self.vectors("r.ivecs", [[1, 7, 3]])
        plain = json.loads(self.ok("eval", r, truth, "-k", "3", "--json").out)
        self.assertAlmostEqual(plain["at"][0]["recall"], 2 / 3, places=8)
        d = self.vectors("r.fvecs", [[1.0, 2.0, 3.0]])
        tied = self.ok("eval", r, truth, "-k", "3", "--json", "-d", d, "-D", truth + ":distances")
        self.assertEqual(json.loads(tied.out)["at"][0]["recall"], 1)

    def test_ties_of_the_nearest(self):
        dist = ([[1.0, 1.0]], [[1.0, 1.0]])
        m = self.measures([[8, 9]], [[1, 2]], "-k", "1,2", distances=dist)
        self.check(m[1], 1, 1, 1, 1, 1)
        self.check(m[2], 1, 1, 1, 1, 1)

    def test_ties_of_similarities(self):
        dist = ([[0.9, 0.5, 0.1]], [[0.9, 0.5, 0.5]])
        m = self.measures([[1, 7, 8]], [[1, 2, 3]], "-k", "2,3", "--metric", "ip", distances=dist)
        self.check(m[2], 1, 1, 1, 1, 1)
        self.check(m[3], 2 / 3, 1, 2 / 3, 2 / 3, 1)
        dist = ([[-1.0, -2.0]], [[-1.0, -2.0]])
        m = self.measures([[5, 6]], [[1, 2]], "-k", "1,2", "--metric", "ip", distances=dist)
        self.check(m[2], 1, 1, 1, 1, 1)

    def test_default_k(self):
        rows = [list(range(12))]
        self.assertEqual(sorted(self.measures(rows, rows)), [1, 10])
        rows = [list(range(100))]
        self.assertEqual(sorted(self.measures(rows, rows)), [1, 10, 100])

    def test_formats_and_widths(self):
        r = self.vectors("r.ibin", [[1, 2, 3]])
        t = self.write("t.npy", pack("t.npy", [[1, 2, 3, 4, 5]], "i"))
        out = self.ok("eval", r, t, "-k", "3").out
        self.assertIn("1.000000", out)

    def test_many_rows(self):
        rows = [[i, i + 1] for i in range(5000)]
        wrong = [[i, -1] for i in range(5000)]
        self.check(self.measures(wrong, rows, "-k", "2")[2], 0.5, 1, 1, 0.5, 1)

    def test_bad(self):
        r, t = self.vectors("r.ivecs", [[1, 2]]), self.vectors("t.ivecs", [[1, 2, 3]])
        two = self.vectors("two.ivecs", [[1, 2], [3, 4]])
        f, nan = self.vectors("f.fvecs", [[1, 2]]), self.vectors("nan.fvecs", [[1, math.nan, 3]])
        f3, down = self.vectors("f3.fvecs", [[1, 2, 3]]), self.vectors("down.fvecs", [[3, 2, 1]])
        for code, args, says in (
                (2, (r,), "files are needed"),
                (2, (r, t, "-k", "0"), "-k"),
                (2, (r, t, "-k", "1,,2"), "-k"),
                (2, (r, t, "-k", "1,x"), "'1,x'"),
                (2, (r, t, "--distances", f), "--truth-distances"),
                (1, (r, two), "has 1 row but"),
                (1, (r, t, "-k", "1,3"), ["-k 3", "2 columns", "r.ivecs"]),
                (1, (t, r, "-k", "3"), ["-k 3", "r.ivecs"]),
                (1, (f, t), ["f.fvecs", "integers"]),
                (1, (r, self.path("none.ivecs")), "none.ivecs"),
                (1, (r, t, "-d", f, "-D", f), "must match"),
                (1, (r, t, "-d", r, "-D", down), ["down.fvecs", "--metric l2"]),
                (1, (r, t, "-d", f, "-D", f3, "-m", "ip"), ["f3.fvecs", "--metric ip"]),
                (1, (r, t, "-d", f, "-D", nan), "nan.fvecs")):
            with self.subTest(args=args):
                self.fails(code, "eval", *args, says=says)
