"""kith knn: exact results, bad input, interruption, memory."""
import json
import math
import os
import random
import resource
import signal
import struct
import subprocess
import time
import unittest

from support import BIN, Case, DATA, Run, brute_force, float32, peak_kilobytes, read_vecs, stop


def floats(rng, n, dim):
    return [[float32(rng.gauss(0, 1)) for _ in range(dim)] for _ in range(n)]


def whole(rng, n, dim, low, high):
    return [[rng.randint(low, high) for _ in range(dim)] for _ in range(n)]


class Exact(Case):
    """Against brute force in Python."""

    def check(self, metric, base, queries, k, names, *options, env=None, keep=lambda i: True):
        b, q = self.vectors(names[0], base), self.vectors(names[1], queries)
        ids, dist = self.path("out.ivecs"), self.path("out.fvecs")
        self.ok("knn", b, q, "-k", k, "--metric", metric, "--ids", ids, "--distances", dist, *options, env=env)
        got_ids, got_dist = read_vecs(ids), read_vecs(dist)
        want = brute_force(metric, base, queries, k, keep)
        self.assertEqual(len(got_ids), len(queries))
        pad = -math.inf if metric in ("ip", "cosine", "jaccard") else math.inf
        for row_ids, row_dist, row in zip(got_ids, got_dist, want):
            # Two sums in double precision may order a near-tie differently: compare such by distance.
            for i, d, (w, j) in zip(row_ids, row_dist, row):
                if j < 0:
                    self.assertEqual((i, d), (-1, pad))
                    continue
                self.assertAlmostEqual(d, w, delta=1e-6 * abs(w) + 1e-9)
                if i != j:
                    other = brute_force(metric, [base[i]], [queries[got_ids.index(row_ids)]], 1)[0][0][0]
                    self.assertAlmostEqual(other, w, delta=1e-12 * abs(w))
        return got_ids, got_dist

    def test_floats(self):
        rng = random.Random(1)
        for dim in (1, 3, 17, 64):
            base, queries = floats(rng, 300, dim), floats(rng, 7, dim)
            for metric in ("l2", "ip", "cosine", "l1", "linf", "lp3", "LP1.75", "canberra", "braycurtis"):
                self.check(metric.lower(), base, queries, 10, ("b.fvecs", "q.fvecs"))
            base, queries = ([[abs(v) for v in x] for x in rows] for rows in (base, queries))
            self.check("jaccard", base, queries, 10, ("b.fvecs", "q.fvecs"))

    def test_bytes(self):
        rng = random.Random(2)
        for names, low, high in ((("b.bvecs", "q.bvecs"), 0, 255), (("b.i8bin", "q.i8bin"), -128, 127)):
            base, queries = whole(rng, 200, 33, low, high), whole(rng, 5, 33, low, high)
            for metric in ("l2", "ip", "cosine", "l1", "linf"):
                self.check(metric, base, queries, 10, names)

    def test_mixed_types(self):
        rng = random.Random(3)
        base, queries = whole(rng, 200, 20, 0, 255), floats(rng, 5, 20)
        self.check("l2", base, queries, 10, ("b.bvecs", "q.fvecs"))
        self.check("l2", base, whole(rng, 5, 20, 0, 255), 10, ("b.u8bin", "q.fbin"))
        self.check("l2", whole(rng, 50, 20, -9, 9), whole(rng, 5, 20, 0, 9), 10, ("b.i8bin", "q.bvecs"))

    def test_ties_by_id(self):
        base = [[1.0, 0.0]] * 20 + [[0.0, 0.0]] * 20
        ids, dist = self.check("l2", base, [[0.0, 0.0]], 30, ("b.fvecs", "q.fvecs"))
        self.assertEqual(ids[0], list(range(20, 40)) + list(range(10)))
        self.assertEqual(dist[0], [0.0] * 20 + [1.0] * 10)

    def test_every_isa_and_thread_count_gives_the_same_bytes(self):
        rng = random.Random(4)
        cases = ((floats(rng, 500, 48), floats(rng, 20, 48), "fvecs"),
                 (whole(rng, 500, 48, 0, 255), whole(rng, 20, 48, 0, 255), "bvecs"))
        for base, queries, extension in cases:
            b, q = self.vectors(f"b.{extension}", base), self.vectors(f"q.{extension}", queries)
            for metric in ("l2", "ip", "cosine", "l1", "linf"):
                seen = set()
                for isa in json.loads(self.ok("info", "--json").out)["isa_available"]:
                    for threads in (1, 2):
                        out = self.ok("knn", b, q, "-k", "12", "-m", metric, "-t", threads, "--ids",
                                      self.path("i.ivecs"), "--distances", self.path("d.fvecs"), "--json",
                                      env={"KITH_ISA": isa})
                        report = json.loads(out.out)
                        self.assertEqual((report["isa"], report["threads"]), (isa, threads))
                        with open(self.path("i.ivecs"), "rb") as i, open(self.path("d.fvecs"), "rb") as d:
                            seen.add(i.read() + d.read())
                self.assertEqual(len(seen), 1, f"{extension} {metric}")
            self.check("l2", base, queries, 12, (f"b.{extension}", f"q.{extension}"))

    def test_k_beyond_n_is_padded(self):
        rng = random.Random(5)
        for metric in ("l2", "ip", "cosine", "l1", "linf"):
            ids, _ = self.check(metric, floats(rng, 3, 4), floats(rng, 2, 4), 7, ("b.fvecs", "q.fvecs"))
            self.assertEqual([row[3:] for row in ids], [[-1] * 4] * 2)

    def test_filter(self):
        rng = random.Random(6)
        base, queries = floats(rng, 100, 8), floats(rng, 4, 8)
        names = ("b.fvecs", "q.fvecs")
        self.check("l2", base, queries, 10, names, "--filter", "20:60", keep=lambda i: 20 <= i < 60)
        self.check("l2", base, queries, 10, names, "--filter", "95:", keep=lambda i: i >= 95)
        self.check("ip", base, queries, 10, names, "--filter", ":30", keep=lambda i: i < 30)
        self.check("l2", base, queries, 3, names, "--filter", "7:7", keep=lambda i: False)

    def test_output_formats(self):
        b, q = self.vectors("b.fvecs", [[1], [2], [3]]), self.vectors("q.fvecs", [[2.25]])
        self.ok("knn", b, q, "-k", "2", "--ids", self.path("i.ibin"), "--distances", self.path("d.fbin"))
        with open(self.path("i.ibin"), "rb") as file:
            self.assertEqual(file.read(), struct.pack("<4i", 1, 2, 1, 2))
        with open(self.path("d.fbin"), "rb") as file:
            self.assertEqual(file.read(), struct.pack("<2i2f", 1, 2, 0.0625, 0.5625))
        self.ok("knn", b, q, "-k", "2", "--ids", self.path("i.npy"), "--distances", self.path("d.npy"))
        info = json.loads(self.ok("info", self.path("i.npy"), "--json").out)
        self.assertEqual((info["type"], info["n"], info["dim"], info["sample"]), ("i32", 1, 2, [[1, 2]]))

    def test_npy_that_cannot_be_mapped(self):
        header = "{'descr': '>f4', 'fortran_order': False, 'shape': (3, 1), }".ljust(117) + "\n"
        b = self.write("b.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header.encode()
                       + struct.pack(">3f", 1, 2, 3))
        q = self.vectors("q.fvecs", [[2.25]])
        self.ok("knn", b, q, "-k", "2", "--ids", self.path("i.ivecs"))
        self.assertEqual(read_vecs(self.path("i.ivecs")), [[1, 2]])


class Report(Case):
    def test_text(self):
        b = self.vectors("b.fvecs", [[i] for i in range(50)])
        q = self.vectors("q.fvecs", [[i + 0.25] for i in range(7)])
        out = self.ok("knn", b, q, "-k", "2").out
        self.assertIn("50 x 1 f32", out)
        self.assertIn("query 0  0:0.0625 1:0.5625\n", out)
        self.assertIn("query 4 ", out)
        self.assertNotIn("query 5 ", out)
        out = self.ok("knn", b, q, "-k", "2", "--ids", self.path("i.ivecs")).out
        self.assertIn("i.ivecs", out)
        self.assertNotIn("query 0", out)

    def test_json(self):
        b, q = self.vectors("b.bvecs", [[1], [2], [3]]), self.vectors("q.bvecs", [[2], [3]])
        report = json.loads(self.ok("knn", b, q, "-k", "1", "--json", "--ids", self.path("i.ivecs"),
                                    "--filter", "1:3").out)
        want = {"n": 3, "dim": 1, "nq": 2, "k": 1, "metric": "l2", "type": "u8", "filter": [1, 3],
                "outputs": {"ids": self.path("i.ivecs")}}
        self.assertEqual({key: report[key] for key in want}, want)
        self.assertGreater(report["seconds"], 0)
        self.assertGreater(report["qps"], 0)
        self.assertGreater(report["peak_rss_bytes"], 1 << 20)
        self.assertEqual(report["base"]["file"], b)


class Bad(Case):
    """Wrong input: exit code, one line that names the problem, no output file."""

    def setUp(self):
        super().setUp()
        self.base = self.vectors("base.fvecs", [[1, 2], [3, 4]])
        self.query = self.vectors("query.fvecs", [[1, 2]])
        self.kept = sorted(os.listdir(self.folder))

    def knn_fails(self, code, *args, says=(), clean=True):
        run = self.fails(code, "knn", *args, says=says)
        if clean:
            self.assertEqual(sorted(os.listdir(self.folder)), self.kept)
        return run

    def bad_base(self, name, data, says, code=1):
        bad = self.write(name, data)
        self.kept = sorted(os.listdir(self.folder))
        self.knn_fails(code, bad, self.query, "--ids", self.path("out.ivecs"), says=[name, says])
        self.knn_fails(code, self.base, bad, "--ids", self.path("out.ivecs"), says=[name, says])

    def test_usage(self):
        for args, says in (((), "files are needed"), ((self.base,), "files are needed"),
                           ((self.base, self.query, "more"), "'more'"),
                           ((self.base, self.query, "--bogus"), "--bogus"),
                           ((self.base, self.query, "--thread", "1", "--metrik", "l2"), "'--metric'"),
                           ((self.base, self.query, "-z"), "-z"),
                           ((self.base, self.query, "--json=1"), "takes no value"),
                           ((self.base, self.query, "-k"), "-k needs a value"),
                           ((self.base, self.query, "--ids", ""), "--ids needs a value"),
                           ((self.base, self.query, "-k", "0"), "-k must be a whole number from 1"),
                           ((self.base, self.query, "-k", "-3"), "'-3'"),
                           ((self.base, self.query, "-k", "1e3"), "'1e3'"),
                           ((self.base, self.query, "-k", "7x"), "'7x'"),
                           ((self.base, self.query, "-k", " 7"), "' 7'"),
                           ((self.base, self.query, "-k", "99999999999999999999"), "-k"),
                           ((self.base, self.query, "--threads", "0"), "--threads"),
                           ((self.base, self.query, "--metric", "hamming"), "l2|ip|cosine|l1|linf|canberra|"),
                           ((self.base, self.query, "--metric", "l"), "l2|ip|cosine|l1|linf|canberra|"),
                           ((self.base, self.query, "--filter", "5"), "MIN:MAX"),
                           ((self.base, self.query, "--filter", "5:2"), "MIN:MAX"),
                           ((self.base, self.query, "--filter", "-1:2"), "MIN:MAX"),
                           ((self.base, self.query, "--filter", "1:2:3"), "MIN:MAX"),
                           ((self.base, self.query, "--ids", self.path("x.npy"), "--distances",
                             self.path("x.npy")), "two names"),
                           ((self.base, self.query, "--ids", self.path("x.npy"), "--distances",
                             self.path("../") + os.path.basename(self.folder) + "/x.npy"), "two names"),
                           ((self.base, self.query, "--ids", self.path("x.h5:i"), "--distances",
                             self.path("x.h5:d")), "two names"),
                           ((self.base, ""), "empty")):
            with self.subTest(args=args):
                self.knn_fails(2, *args, says=says)

    def test_wrong_isa(self):
        run = self.fails(2, "knn", self.base, self.query, says="KITH_ISA=sse9", env={"KITH_ISA": "sse9"})
        self.assertIn("ref", run.err)

    def test_missing(self):
        self.knn_fails(1, self.path("none.fvecs"), self.query, says="none.fvecs")
        self.knn_fails(1, self.base, self.path("no/such.fvecs"), says="such.fvecs")
        self.knn_fails(1, self.folder, self.query, says=self.folder)

    def test_control_characters_in_a_name(self):
        run = self.knn_fails(1, self.path("a\nb\x1b[0m.fvecs"), self.query)
        self.assertNotIn("\x1b", run.err)

    def test_empty(self):
        self.bad_base("empty.fvecs", b"", "empty")

    def test_truncated(self):
        whole = struct.pack("<i2f", 2, 1, 2)
        self.bad_base("cut1.fvecs", whole * 3 + whole[:7], "")
        self.bad_base("cut2.fvecs", whole[:2], "")
        self.bad_base("cut3.fbin", struct.pack("<2i3f", 2, 2, 1, 2, 3), "")
        self.bad_base("cut4.npy", b"\x93NUMPY\x01\x00", "")

    def test_dimensions(self):
        self.bad_base("zero.fvecs", struct.pack("<i", 0) * 4, "")
        self.bad_base("negative.fvecs", struct.pack("<if", -1, 1.0), "")
        self.bad_base("absurd.fvecs", struct.pack("<if", 2**31 - 1, 1.0), "")
        self.bad_base("absurd.fbin", struct.pack("<iif", 2**31 - 1, 2**31 - 1, 1.0), "")
        self.bad_base("varying.fvecs", struct.pack("<i2fi2f", 2, 1, 2, 3, 3, 4), "")

    def test_dimension_mismatch(self):
        other = self.vectors("other.fvecs", [[1, 2, 3]])
        self.kept = sorted(os.listdir(self.folder))
        self.knn_fails(1, self.base, other, says=["other.fvecs' has 3", "base.fvecs' has 2"])

    def test_nonfinite(self):
        for value in (math.nan, math.inf, -math.inf):
            self.bad_base("odd.fvecs", struct.pack("<i2fi2f", 2, 1, 2, 2, 1, value), "finite")

    def test_unknown_extension(self):
        bad = self.write("base.dat", b"12345678")
        self.kept = sorted(os.listdir(self.folder))
        self.knn_fails(1, bad, self.query, says=["base.dat", "fvecs"])
        self.knn_fails(1, self.base, self.query, "--ids", self.path("out.dat"), says=["--ids", "out.dat", "ivecs"])

    def test_output_of_a_wrong_type(self):
        self.knn_fails(1, self.base, self.query, "--ids", self.path("out.fvecs"), says=["--ids", "out.fvecs"])
        self.knn_fails(1, self.base, self.query, "--distances", self.path("out.ivecs"), says="--distances")
        self.knn_fails(1, self.base, self.query, "--ids", self.path("ok.ivecs"), "--distances",
                       self.path("out.bvecs"), says="out.bvecs")

    def test_output_over_an_input(self):
        self.knn_fails(1, self.base, self.query, "--distances", self.base, says="another name")
        link = self.path("link.fvecs")
        os.symlink(self.query, link)
        self.kept = sorted(os.listdir(self.folder))
        self.knn_fails(1, self.base, self.query, "--distances", link, says="another name")

    def test_output_folder(self):
        self.knn_fails(1, self.base, self.query, "--ids", self.path("no/out.ivecs"), says="out.ivecs")
        os.mkdir(self.path("d.ivecs"))
        self.kept = sorted(os.listdir(self.folder))
        self.knn_fails(1, self.base, self.query, "--ids", self.path("d.ivecs"), says="directory")
        if os.geteuid() == 0:
            self.knn_fails(1, self.base, self.query, "--ids", "/proc/out.ivecs", says="/proc/out.ivecs")
        else:
            os.mkdir(self.path("locked"), 0o500)
            self.knn_fails(1, self.base, self.query, "--ids", self.path("locked/out.ivecs"), clean=False,
                           says="out.ivecs")

    def test_k_too_wide_for_the_output(self):
        self.knn_fails(2, self.base, self.query, "-k", "32769", "--ids", self.path("out.ivecs"), says="32768")
        self.ok("knn", self.base, self.query, "-k", "32768", "--ids", self.path("out.ivecs"))
        self.ok("knn", self.base, self.query, "-k", "32769")

    def test_full_disk(self):
        self.knn_fails(1, self.base, self.query, "--ids", "/dev/full", says="/dev/full")
        with open("/dev/full", "wb") as full:
            self.fails(1, "knn", self.base, self.query, says="standard output", stdout=full)

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

        out = self.path("out.ivecs")
        self.write("out.ivecs", b"old")
        self.kept = sorted(os.listdir(self.folder))
        self.fails(1, "knn", self.base, self.query, "-k", "9999", "--ids", out, says="out.ivecs", preexec_fn=limit)
        self.assertEqual(sorted(os.listdir(self.folder)), self.kept)
        with open(out, "rb") as file:
            self.assertEqual(file.read(), b"old", "the old file stays whole")

    def test_closed_pipe_and_closed_stdout(self):
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "wb") as pipe:
            run = Run(("knn", self.base, self.query), stdout=pipe)
            self.assertEqual((run.code, run.err), (128 + signal.SIGPIPE, ""), "as of a reader that had enough")
        closed = subprocess.run(["sh", "-c", '"$@" >&-', "sh", BIN, "knn", self.base, self.query, "--ids",
                                 self.path("out.ivecs"), "-k", "1"], stderr=subprocess.PIPE, check=False)
        self.assertEqual(closed.returncode, 1)
        self.assertEqual(read_vecs(self.path("out.ivecs")), [[0]], "no text inside of the file")


class Long(Case):
    """Runs over a larger base: interruption, memory, progress."""

    @classmethod
    def setUpClass(cls):
        import tempfile
        cls.big = tempfile.TemporaryDirectory(prefix="kith-tools-")
        # 320 MB: 625,000 x 128 floats, one block repeated.
        rng = random.Random(7)
        block = b"".join(struct.pack("<i128f", 128, *[rng.gauss(0, 1) for _ in range(128)]) for _ in range(1250))
        cls.base, cls.query = os.path.join(cls.big.name, "b.fvecs"), os.path.join(cls.big.name, "q.fvecs")
        with open(cls.base, "wb") as file:
            for _ in range(500):
                file.write(block)
        with open(cls.query, "wb") as file:
            for _ in range(8):
                file.write(block)

    @classmethod
    def tearDownClass(cls):
        cls.big.cleanup()

    def interrupt(self, number):
        args = [BIN, "knn", self.base, self.query, "-k", "100", "--ids", self.path("i.ivecs"), "--distances",
                self.path("d.fvecs")]
        process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 20
        while len(os.listdir(self.folder)) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertIsNone(process.poll(), "the run should take longer")
        out, err = stop(process, number)
        self.assertEqual(process.returncode, 128 + number)
        self.assertEqual((out, err), (b"", b"kith knn: interrupted; nothing was written\n"))
        self.assertEqual(os.listdir(self.folder), [])

    def test_interrupted(self):
        self.interrupt(signal.SIGINT)

    def test_terminated(self):
        self.interrupt(signal.SIGTERM)

    def test_peak_memory(self):
        query = self.path("q.fvecs")
        with open(self.query, "rb") as source, open(query, "wb") as file:
            file.write(source.read(516 * 200))
        code, kilobytes = peak_kilobytes(["knn", self.base, query, "-k", "10", "--ids", self.path("i.ivecs")])
        self.assertEqual(code, 0)
        self.assertLess(kilobytes, 600_000)
        ids = read_vecs(self.path("i.ivecs"))
        # The base is 500 copies of a block: query i has its copies at i, i + 1250, …
        self.assertEqual(ids[3], [3 + 1250 * j for j in range(10)])

    def test_many_results_are_written_in_chunks(self):
        # 3000 queries with k = 10000 are 360 MB of results; the base is small.
        base = self.vectors("b.fvecs", [[float(i)] for i in range(12000)])
        query = self.vectors("q.fvecs", [[float(i)] for i in range(3000)])
        code, kilobytes = peak_kilobytes(["knn", base, query, "-k", "10000", "--ids", self.path("i.ivecs")])
        self.assertEqual(code, 0)
        self.assertLess(kilobytes, 600_000)
        with open(self.path("i.ivecs"), "rb") as file:
            for q in (0, 1499, 2999):
                file.seek(q * 40004)
                dim, first, second = struct.unpack("<3i", file.read(12))
                self.assertEqual((dim, first, second), (10000, q, 1 if q == 0 else q - 1))

    def test_progress_only_on_a_terminal(self):
        import pty
        leader, follower = pty.openpty()
        process = subprocess.Popen([BIN, "knn", self.base, self.query, "-k", "1"], stdout=subprocess.PIPE,
                                   stderr=follower)
        os.close(follower)
        text, stopped = b"", False
        try:
            while chunk := os.read(leader, 65536):
                text += chunk
                if b"ETA" in text and not stopped:
                    process.send_signal(signal.SIGINT)
                    stopped = True
        except OSError:
            pass
        process.communicate(timeout=60)
        os.close(leader)
        self.assertIn(b"searching [", text)
        self.assertIn(b"pairs/s  ETA ", text)
        self.assertTrue(text.endswith(b"\r\x1b[Kkith knn: interrupted\r\n"), text[-80:])


@unittest.skipUnless(os.path.isdir(os.path.join(DATA, "siftsmall")), "no shared/data")
class Real(Case):
    def test_siftsmall(self):
        data = os.path.join(DATA, "siftsmall")
        base, query = os.path.join(data, "base.fvecs"), os.path.join(data, "query.fvecs")
        self.ok("knn", base, query, "-k", "100", "--ids", self.path("i.ivecs"), "--distances", self.path("d.fvecs"))
        truth, ids = read_vecs(os.path.join(data, "groundtruth.ivecs")), read_vecs(self.path("i.ivecs"))
        dist, vectors, queries = read_vecs(self.path("d.fvecs")), read_vecs(base), read_vecs(query)
        for q, got, want, d in zip(queries, ids, truth, dist):
            for i, j, value in zip(got, want, d):
                exact = brute_force("l2", [vectors[j]], [q], 1)[0][0][0]
                self.assertEqual(value, exact)
                if i != j:
                    self.assertEqual(brute_force("l2", [vectors[i]], [q], 1)[0][0][0], exact)

    def test_sift1m_as_bytes(self):
        data = os.path.join(DATA, "sift1m")
        if not os.path.isdir(data):
            self.skipTest("no sift1m")
        self.ok("convert", os.path.join(data, "query.bvecs"), self.path("q.bvecs"), "--count", "50")
        self.ok("convert", os.path.join(data, "groundtruth.ivecs"), self.path("t.ivecs"), "--count", "50")
        self.ok("convert", os.path.join(data, "groundtruth_dist.fvecs"), self.path("t.fvecs"), "--count", "50")
        report = self.ok("knn", os.path.join(data, "base.bvecs"), self.path("q.bvecs"), "--json", "--ids",
                         self.path("i.ivecs"), "--distances", self.path("d.fvecs"))
        self.assertEqual(json.loads(report.out)["type"], "u8")
        self.assertEqual(read_vecs(self.path("d.fvecs")), read_vecs(self.path("t.fvecs")))
        at = json.loads(self.ok("eval", self.path("i.ivecs"), self.path("t.ivecs"), "-d", self.path("d.fvecs"), "-D",
                                self.path("t.fvecs"), "--json").out)["at"]
        self.assertEqual([(m["k"], m["recall"], m["one_recall"]) for m in at],
                         [(1, 1, 1), (10, 1, 1), (100, 1, 1)])


if __name__ == "__main__":
    unittest.main()
