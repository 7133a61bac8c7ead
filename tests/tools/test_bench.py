"""kith bench and kith plot."""
import json
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

from support import BIN, Case, brute_force, float32, read_vecs


class Bench(Case):
    def setUp(self):
        super().setUp()
        rng = random.Random(7)
        self.base = [[float32(rng.gauss(0, 1)) for _ in range(8)] for _ in range(400)]
        self.queries = [[float32(rng.gauss(0, 1)) for _ in range(8)] for _ in range(12)]
        self.b, self.q = self.vectors("b.fvecs", self.base), self.vectors("q.fvecs", self.queries)
        self.json = self.path("out.json")
        os.environ["XDG_CACHE_HOME"] = self.path("cache")

    def bench(self, *args):
        return self.ok("bench", "--base", self.b, "--query", self.q, "--runs", 2, *args)

    def report(self, *args):
        self.bench(f"--json={self.json}", *args)
        with open(self.json) as file:
            return json.load(file)

    def test_report(self):
        report = self.report("-i", "Flat", "-i", "IVF8,Flat", "-i", "IVF8,SQ4,RFlat", "-w", "nprobe=1:6,8",
                             "-w", "k_factor=2,4", "--set", "seed=5", "-k", 5, "--latency", 4)
        self.assertEqual((report["format"], report["version"], report["library"]), ("kith-bench", 1, "kith"))
        self.assertEqual(report["data"]["base"]["n"], 400)
        self.assertEqual(report["data"]["metric"], "l2")
        self.assertEqual(report["protocol"], {"k": 5, "threads": 1, "batch": 0, "runs": 2, "latency_queries": 4})
        flat, ivf, refined = report["indexes"]
        self.assertEqual([i["index"] for i in report["indexes"]], ["Flat", "IVF8,Flat", "IVF8,SQ4,RFlat"])
        # An index is swept over what it uses: FROM:TO doubles and ends with TO.
        self.assertEqual([p["settings"] for p in flat["points"]], [{}])
        self.assertEqual([p["settings"]["nprobe"] for p in ivf["points"]], [1, 2, 4, 6, 8])
        self.assertEqual([(p["settings"]["nprobe"], p["settings"]["k_factor"]) for p in refined["points"]],
                         [(n, f) for f in (2, 4) for n in (1, 2, 4, 6, 8)])
        self.assertEqual(ivf["build"], {"seed": 5})
        self.assertEqual((flat["points"][0]["recall"], ivf["points"][4]["recall"]), (1, 1))
        self.assertEqual((flat["points"][0]["codes_per_query"], ivf["points"][4]["codes_per_query"]), (400, 400))
        self.assertLess(ivf["points"][0]["recall"], 1)
        self.assertGreaterEqual(flat["bytes_per_vector"], 32)
        for index in report["indexes"]:
            self.assertGreater(index["peak_rss_bytes"], index["memory_bytes"])
            for point in index["points"]:
                self.assertEqual(len(point["qps_runs"]), 2)
                self.assertTrue(0 < point["qps_min"] <= point["qps"] <= point["qps_max"])
                latency = point["latency_seconds"]
                self.assertEqual(latency["queries"], 4)
                self.assertTrue(0 < latency["p50"] <= latency["p95"] <= latency["p99"])

    def test_recall_is_what_search_says(self):
        truth = [[i for _, i in row] for row in brute_force("l2", self.base, self.queries, 10)]
        t, index = self.vectors("t.ivecs", truth), self.path("i.kith")
        self.ok("build", self.b, "-i", "IVF8,SQ4", "-o", index)
        said = json.loads(self.ok("search", index, self.q, "--truth", t, "-s", "nprobe=2", "--json").out)
        report = self.report("--load", index, "--truth", t, "--set", "nprobe=2", "--batch", 5)
        point = report["indexes"][0]["points"][0]
        self.assertAlmostEqual(point["recall"], said["recall"]["10"], places=7)
        self.assertAlmostEqual(point["codes_per_query"], said["pairs_per_query"], places=5)
        self.assertEqual(report["indexes"][0]["file"], index)

    def test_truth_is_computed_and_kept(self):
        t = self.path("t.ivecs")
        out = self.bench("-i", "Flat", "--truth", t, "-k", 3).out
        self.assertIn("computed", out)
        self.assertEqual(read_vecs(t), [[i for _, i in row] for row in brute_force("l2", self.base, self.queries, 3)])
        self.assertNotIn("computed", self.bench("-i", "Flat", "--truth", t, "-k", 3).out)
        # Without a name it is kept in the cache, for these very files.
        self.assertIn("computed", self.bench("-i", "Flat").out)
        self.assertNotIn("computed", self.bench("-i", "Flat").out)
        self.assertIn("computed", self.bench("-i", "Flat", "-m", "ip").out)
        self.vectors("b.fvecs", self.base[::-1])
        self.assertIn("computed", self.bench("-i", "Flat").out)
        self.assertIn("1.0000", self.bench("-i", "Flat").out)
        os.chmod(self.path("cache/kith"), 0o500)
        os.environ["XDG_CACHE_HOME"] = "/proc/no/such"
        self.assertIn("not kept", self.bench("-i", "Flat").out)

    def test_goes_on(self):
        first = self.report("-i", "IVF8,Flat", "-w", "nprobe=1:4")
        again = self.report("-i", "IVF8,Flat", "-i", "Flat", "-w", "nprobe=1:8")
        self.assertEqual(again["indexes"][0]["points"][:3], first["indexes"][0]["points"])
        self.assertEqual([len(i["points"]) for i in again["indexes"]], [4, 1])
        # Nothing is missing: nothing is measured.
        self.assertEqual(self.report("-i", "IVF8,Flat", "-i", "Flat", "-w", "nprobe=1:8"), again)
        self.fails(1, "bench", "-b", self.b, "-q", self.q, "-i", "Flat", f"--json={self.json}", "-k", 5,
                   says=["another benchmark", "protocol"])

    def test_interrupted(self):
        self.ok("gen", "--n", 40000, "--dim", 32, "--queries", 3000, "--out", self.path("big"))
        args = [BIN, "bench", "-b", self.path("big/base.fvecs"), "-q", self.path("big/query.fvecs"), "-i",
                "IVF64,Flat", "-w", "nprobe=1:64", "-r", "3", f"--json={self.json}"]
        for stop in (signal.SIGINT, signal.SIGKILL):
            process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            before, deadline = self.points(), time.time() + 60
            while self.points() <= before and process.poll() is None and time.time() < deadline:
                time.sleep(0.01)
            process.send_signal(stop)
            out, err = process.communicate(timeout=60)
            if process.returncode == 0:
                continue  # it was too fast to be stopped
            self.assertEqual((process.returncode, out), (130 if stop == signal.SIGINT else -9, b""))
            if stop == signal.SIGINT:
                self.assertIn(b"interrupted; what was measured is kept", err)
            self.assertGreater(self.points(), before)
        done = self.points()
        run = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(self.points(), 7)
        self.assertGreater(done, 0)

    def points(self):
        if not os.path.exists(self.json):
            return 0
        with open(self.json) as file:
            return sum(len(i["points"]) for i in json.load(file)["indexes"])

    def test_bad(self):
        other = self.vectors("o.fvecs", [[1, 2, 3]])
        damaged = self.write("d.json", b'{"format": "kith-bench", "version": 1}')
        foreign = self.write("f.json", b'{"a": 1}')
        newer = self.write("n.json", b'{"format": "kith-bench", "version": 99}')
        short = self.vectors("s.ivecs", [[1] * 10])
        b, q = ("-b", self.b), ("-q", self.q)
        for code, args, says in (
                (2, (*b, "-i", "Flat"), "--query"),
                (2, (*b, *q), "--index"),
                (2, (*b, *q, "-i", "Flat", "extra"), "extra"),
                (2, (*b, *q, "-i", "Flat", "-w", "nprob=1"), "'nprobe'"),
                (2, (*b, *q, "-i", "Flat", "-w", "nprobe"), "NAME=VALUES"),
                (2, (*b, *q, "-i", "Flat", "-w", "nprobe=8:1"), "FROM <= TO"),
                (2, (*b, *q, "-i", "Flat", "-w", "nprobe=1:x"), "'x'"),
                (2, (*b, *q, "-i", "Flat", "-w", "nprobe=0:4"), "from 1"),
                (2, (*b, *q, "-i", "Flat", "-w", "nprobe=" + ",".join("1" * 65)), "64"),
                (2, (*b, *q, "-i", "Flat", "-s", "nothing=1"), "nothing"),
                (2, (*b, *q, "-i", "Flat", "--batch", "0"), "--batch"),
                (2, (*b, *q, "-i", "Flat", "-p", "x.gif"), ".svg"),
                (1, (*b, "-q", other, "-i", "Flat"), "dimensions differ"),
                (1, (*b, *q, "-i", "Flat", "-i", "Flatt"), "Flatt"),
                (1, (*b, *q, "-l", self.b), "not a kith index"),
                (1, (*b, *q, "-i", "Flat", "--truth", short), "1 row,"),
                (1, (*b, *q, "-i", "Flat", "--truth", self.q), "not ids"),
                (1, (*b, *q, "-i", "Flat", f"--json={self.b}"), "another name"),
                (1, (*b, *q, "-i", "Flat", f"--json={foreign}"), "not a report"),
                (1, (*b, *q, "-i", "Flat", f"--json={damaged}"), "damaged"),
                (1, (*b, *q, "-i", "Flat", f"--json={newer}"), "version 99"),
                (1, (*b, *q, "-i", "Flat", "--json=" + self.path("no/such.json")), "No such file"),
                (1, (*b, *q, "-i", "IVF500,Flat"), "500")):
            with self.subTest(args=args):
                self.fails(code, "bench", *args, says=says)
        self.assertEqual([f for f in os.listdir(self.folder) if "tmp" in f], [])

    def test_loaded_must_fit(self):
        index = self.path("i.kith")
        self.ok("build", self.vectors("few.fvecs", self.base[:50]), "-i", "Flat", "-o", index)
        self.fails(1, "bench", "-b", self.b, "-q", self.q, "--load", index, says=["is no index of", "50 vectors"])

    def test_without_gnuplot(self):
        self.fails(1, "bench", "-b", self.b, "-q", self.q, "-i", "Flat", "-p", self.path("x.svg"),
                   says=["gnuplot is not installed", "apt-get install"], env={"PATH": self.folder})
        self.fails(2, "plot", self.path("none.json"), says="--out")

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_plot(self):
        self.report("-i", "Flat", "-i", "IVF8,Flat", "-w", "nprobe=1:8", "-p", self.path("a.png"))
        with open(self.path("a.png"), "rb") as file:
            self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
        with open(self.json) as file:
            report = json.load(file)
        report["library"] = "peer's"
        other = self.write("peer.json", json.dumps(report).encode())
        out = self.ok("plot", self.json, other, "-o", self.path("b.svg")).out
        self.assertIn("b.svg", out)
        with open(self.path("b.svg")) as file:
            svg = file.read()
        for word in ("recall@10", "queries per second", "kith IVF8,Flat", "peer's Flat", "400 vectors"):
            self.assertIn(word.replace("'", "&apos;") if word not in svg else word, svg)
        # A colour for each index, whatever its library calls it; the names of some end with those of others.
        pictures = []
        for library, names in (("kith", ("IVF8,Flat", "Flat", "HNSW8,Flat")), ("peer", ("Flat", "HNSW8"))):
            entries = [dict(report["indexes"][1], index=name) for name in names]
            pictures.append(self.write(f"{library}.json", json.dumps(
                dict(report, library=library, indexes=entries)).encode()))
        self.ok("plot", *pictures, "-o", self.path("colours.svg"))
        with open(self.path("colours.svg")) as file:
            svg = file.read().replace(" ", "")
        blue, red, green, purple = "rgb(0,114,178)", "rgb(213,94,0)", "rgb(0,158,115)", "rgb(204,121,167)"
        self.assertEqual([colour in svg for colour in (blue, red, green, purple)], [True, True, True, False])
        report["indexes"] = []
        empty = self.write("e.json", json.dumps(report).encode())
        self.fails(1, "plot", empty, "-o", self.path("c.svg"), says="nothing was measured")
        self.fails(1, "plot", self.b, "-o", self.path("c.svg"), says="not JSON")
        self.assertEqual([f for f in os.listdir(self.folder) if "tmp" in f or f == "c.svg"], [])
