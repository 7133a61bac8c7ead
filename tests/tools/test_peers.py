"""Tables and sweeps of benchmarks/peers, as far as no other library is needed."""
import json
import os
import subprocess
import sys

from support import ROOT, Case

PEERS = os.path.join(ROOT, "benchmarks", "peers")
sys.path.insert(0, PEERS)
sys.dont_write_bytecode = True

import ratios  # noqa: E402
import sweep  # noqa: E402


def point(recall, qps):
    return {"recall": recall, "qps": qps, "settings": {}}


class Peers(Case):
    def report(self, library, entries, **other):
        report = {"format": "kith-bench", "version": 1, "library": library, "library_version": "1",
                  "machine": {"cpu": "a CPU"}, "data": {"base": {"n": 1000, "dim": 4}, "query": {"n": 10},
                                                       "metric": "l2"},
                  "protocol": {"k": 10, "threads": 1, "batch": 0},
                  "indexes": [{"index": name, "points": [point(*p) for p in points], "build_seconds": 2.0,
                               "bytes_per_vector": 64.0} for name, points in entries.items()]}
        return self.write(f"{library}.json", json.dumps(dict(report, **other)).encode())

    def ratios(self, *args, code=0):
        done = subprocess.run([sys.executable, os.path.join(PEERS, "ratios.py"), *args], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        return (done.stdout if code == 0 else done.stderr).decode()

    def test_front(self):
        points = [point(0.5, 100), point(0.9, 50), point(0.8, 40), point(0.9, 45), point(1, 10)]
        self.assertEqual([(p["recall"], p["qps"]) for p in ratios.front(points)], [(0.5, 100), (0.9, 50), (1, 10)])

    def test_between_points_the_logarithm_is_straight(self):
        points = [point(0.8, 1000), point(1.0, 10)]
        self.assertAlmostEqual(ratios.qps_at(points, 0.9), 100)
        self.assertAlmostEqual(ratios.qps_at(points, 0.95), 10 ** 1.5)
        self.assertEqual((ratios.qps_at(points, 0.8), ratios.qps_at(points, 1.0)), (1000, 10))
        self.assertEqual(ratios.qps_at(points, 0.5), 1000)
        self.assertIsNone(ratios.qps_at(points[:1], 0.9))
        self.assertIsNone(ratios.qps_at([], 0.9))

    def test_table(self):
        mine = self.report("kith", {"A": [(0.9, 3000), (1, 300)], "B": [(0.5, 9)]})
        theirs = self.report("faiss", {"A": [(0.9, 1000), (1, 100)], "C": [(1, 5)]})
        text = self.ratios(mine, theirs)
        self.assertIn("| `A` | kith | 3 k | 949 | 378 | 2 | 64 |", text)
        self.assertIn("| `A` | faiss | 1 k (3.00×) | 316 (3.00×) | 126 (3.00×) | 2 | 64 |", text)
        self.assertIn("| `B` | kith | – | – | – | 2 | 64 |", text)
        self.assertIn("| `C` | faiss | 5 | 5 | 5 | 2 | 64 |", text)
        page = self.write("p.md", f"before\n{ratios.BEGIN}\nold\n{ratios.END}\nafter\n".encode())
        for _ in range(2):
            self.ratios("--into", page, mine, theirs)
            with open(page, encoding="utf-8") as file:
                self.assertEqual(file.read(), f"before\n{ratios.BEGIN}\n{text}{ratios.END}\nafter\n")

    def test_bad(self):
        mine = self.report("kith", {"A": [(1, 1)]})
        self.assertIn("cannot be compared", self.ratios(
            mine, self.report("faiss", {"A": [(1, 1)]}, protocol={"k": 5, "threads": 1, "batch": 0}), code=1))
        self.assertIn("no report", self.ratios(self.write("x.json", b"{}"), code=1))
        self.assertIn("lacks the lines", self.ratios("--into", self.write("p.md", b"text"), mine, code=1))

    def test_sweep_values_are_those_of_kith_bench(self):
        self.assertEqual(sweep.sweep_values("1:6,8"), [1, 2, 4, 6, 8])
        self.assertEqual(sweep.sweep_values("16:512"), [16, 32, 64, 128, 256, 512])
        self.assertEqual(sweep.sweep_values("1.5,2"), [1.5, 2])
