"""kith plot: formats, labels that tell lines apart, axes, sizes."""
import json
import math
import os
import re
import shutil
import unittest

from support import Case

HAVE = shutil.which("gnuplot")


def report(library="kith", indexes=(("IVF8,Flat", {}),), **more):
    points = [{"settings": {"nprobe": n}, "recall": r, "qps": q, "qps_min": q, "qps_max": q, "qps_runs": [q],
               "latency_seconds": None} for n, r, q in ((1, 0.5, 9000), (2, 0.9, 4000), (4, 0.99, 2000), (8, 1.0, 900))]
    return dict({"format": "kith-bench", "version": 1, "library": library, "library_version": "1",
                 "machine": {"cpu": "a", "cores": 1, "memory_bytes": 1},
                 "data": {"base": {"file": "x/base.fvecs", "n": 1, "dim": 8}, "query": {}, "metric": "l2"},
                 "protocol": {"k": 10, "threads": 1, "batch": 1, "runs": 1, "latency_queries": 0},
                 "indexes": [dict({"index": name, "build": build, "points": points}) for name, build in indexes]}, **more)


@unittest.skipUnless(HAVE, "gnuplot is not installed")
class Plots(Case):
    def report(self, path, *args, **more):
        return self.write(path, json.dumps(report(*args, **more)).encode())

    def svg(self, *args):
        self.ok("plot", *args, "-o", self.path("p.svg"))
        with open(self.path("p.svg"), encoding="utf-8") as file:
            return file.read()

    def texts(self, *args):
        found = re.findall(r"<text[^>]*>(.*?)</text>", self.svg(*args), re.S)
        return [re.sub(r"<[^>]*>", "", text).strip().replace("&apos;", "'") for text in found]

    def test_formats(self):
        a = self.report("a.json")
        for name, begin in (("p.svg", b"<?xml"), ("p.png", b"\x89PNG"), ("p.pdf", b"%PDF"), ("p.eps", b"%!PS-Adobe"),
                            ("p.html", b"<!DOCTYPE html>")):
            self.assertIn(name, self.ok("plot", a, "-o", self.path(name)).out)
            with open(self.path(name), "rb") as file:
                data = file.read()
            self.assertTrue(data.startswith(begin), name)
            self.assertGreater(len(data), 2000, name)
        self.fails(2, "plot", a, "-o", self.path("p.gif"), says=[".svg, .png, .pdf, .eps or .html"])
        self.fails(2, "plot", a, self.path("p.svg"), says=["p.svg' is no report", "--out"])

    def test_labels_are_never_shared(self):
        twice = (("IVF8,Flat", {"seed": 1}), ("IVF8,Flat", {"seed": 2}), ("Flat", {}))
        cases = (
            [report()], [report(), report()], [report(), report("faiss")], [report(name="first"), report(name="second")],
            [report(name="same"), report(name="same")], [report(indexes=twice)], [report(indexes=twice), report(indexes=twice)],
            [report(), report(), report()], [report(indexes=(("Flat", {}), ("Flat", {})))])
        for case in cases:
            with self.subTest(case=[r.get("name") for r in case]):
                files = [self.write(f"r{i}.json", json.dumps(r).encode()) for i, r in enumerate(case)]
                lines = sum(len(r["indexes"]) for r in case)
                labels = [text for text in self.texts(*files) if "Flat" in text]
                self.assertEqual(len(labels), lines, labels)
                self.assertEqual(len(set(labels)), lines, labels)
        # The same file twice, and files of one name in two folders.
        os.mkdir(self.path("d"))
        a, b = self.report("a.json"), self.report("d/a.json")
        for files in ((a, a), (a, b)):
            labels = [text for text in self.texts(*files) if "Flat" in text]
            self.assertEqual((len(labels), len(set(labels))), (2, 2), labels)

    def test_labels_say_what_differs(self):
        two = report(indexes=(("IVF8,Flat", {}), ("Flat", {})))
        os.mkdir(self.path("d"))
        a, b = self.write("a.json", json.dumps(two).encode()), self.report("d/a.json")
        self.assertEqual([text for text in self.texts(a, a, a) if "IVF" in text],
                         [f"kith IVF8,Flat{time}" for time in ("", " (2nd time)", " (3rd time)")])
        self.assertEqual([text for text in self.texts(a, a, self.report("c.json")) if "IVF" in text],
                         [f"kith IVF8,Flat ({name}" for name in ("a.json)", "a.json) (2nd time)", "c.json)")])
        folders = [text for text in self.texts(a, b) if "IVF" in text]
        self.assertTrue(folders[0].endswith("/a.json)") and folders[1].endswith("/d/a.json)"), folders)
        same = self.write("s.json", json.dumps(report(indexes=(("Flat", {}), ("Flat", {}), ("Flat", {})))).encode())
        self.assertEqual([text for text in self.texts(same) if "Flat" in text], [f"Flat (line {i})" for i in (1, 2, 3)])

    def test_names_of_reports(self):
        labels = self.texts(self.report("a.json", name="old"), self.report("b.json", name="new"))
        self.assertIn("old IVF8,Flat", labels)
        self.assertIn("new IVF8,Flat", labels)
        labels = self.texts(self.report("a.json"), self.report("b.json", "faiss"))
        self.assertIn("kith IVF8,Flat", labels)
        self.assertIn("faiss IVF8,Flat", labels)
        self.assertIn("IVF8,Flat", self.texts(self.report("a.json")))
        self.assertIn("mine IVF8,Flat", self.texts(self.report("a.json", name="mine")))
        same = self.texts(self.report("a.json"), self.report("b.json"))
        self.assertTrue(any("a.json" in text for text in same) and any("b.json" in text for text in same), same)

    def test_many_lines(self):
        """No line is left out."""
        many = [(f"IVF{n},Flat", {}) for n in range(1, 81)]
        svg = self.svg(self.report("a.json", indexes=many))
        for name, _ in many:
            self.assertIn(name, svg)

    def test_title(self):
        a = self.report("a.json")
        self.assertIn("It's <mine>", [t.replace("&lt;", "<").replace("&gt;", ">") for t in
                                      self.texts(a, "--title", "It's <mine>")])
        self.assertTrue(any("1 vector of dimension 8" in t and "1 thread, 1 query a call" in t for t in self.texts(a)))

    def test_scales(self):
        a = self.report("a.json")
        where = {}
        for scale in ("linear", "logit", "error"):
            texts = self.texts(a, "--scale", scale)
            self.assertIn("1", texts)
            self.assertIn("0.9", texts)
            where[scale] = self.places(a, scale)
        one, two = where["linear"], where["error"]
        self.assertLess(one[3] - one[2], (one[1] - one[0]) / 10, "0.99 and 1 lie close together on a linear axis")
        self.assertGreater(two[3] - two[2], (two[1] - two[0]) / 10, "and far apart on one of errors")
        self.assertAlmostEqual((two[2] - two[1]) / (two[1] - two[0]), 1 / math.log10(5), delta=0.05)
        self.fails(2, "plot", a, "-o", self.path("p.svg"), "--scale", "cubic", says="linear|logit|error")

    def places(self, a, scale):
        """x of the four points of the line, from left to right."""
        svg = self.svg(a, "--scale", scale)
        path = re.search(r"<g id=\"gnuplot_plot_1\".*?<path stroke='rgb\([^']*\)'\s+d='M([^']*?)'", svg, re.S)[1]
        return sorted(float(place.split(",")[0]) for place in re.findall(r"[\d.]+,[\d.]+", path))[:4]

    def test_limits(self):
        a = self.report("a.json")
        texts = self.texts(a, "--xlim", "0.8:1", "--ylim", "100:10000")
        self.assertIn("0.8", texts)
        self.assertNotIn("0.5", texts)
        self.assertIn("100", texts)
        self.assertIn("0.95", self.texts(a, "--scale", "error", "--xlim", "0.9:"))
        self.assertNotIn("0.8", self.texts(a, "--scale", "error", "--xlim", "0.9:"))
        for option, values in (("--xlim", ("0.9", "1:0.5", "-1:1", "0:2", "x:1", "0.5:0.5", "0.1:0.2:0.3", "nan:1")),
                               ("--ylim", ("5", "0:5", "9:3", "a:b"))):
            for value in values:
                self.fails(2, "plot", a, "-o", self.path("p.svg"), f"{option}={value}", says=[option, "MIN:MAX"])

    def test_size(self):
        a = self.report("a.json")
        self.assertIn('width="700" height="400"', self.svg(a, "--size", "700x400"))
        self.ok("plot", a, "-o", self.path("p.png"), "--size", "700x400")
        with open(self.path("p.png"), "rb") as file:
            head = file.read(24)
        self.assertEqual((int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")), (700, 400))
        self.ok("plot", a, "-o", self.path("p.eps"), "--size", "700x400")
        with open(self.path("p.eps"), "rb") as file:
            self.assertRegex(file.read(2000), rb"BoundingBox: *\d+ +\d+ +(4\d\d|50\d) +(2\d\d)")
        for value in ("700", "0x0", "100x400", "x400", "700x400x3", "99999x400"):
            self.fails(2, "plot", a, "-o", self.path("p.svg"), "--size", value, says="WIDTHxHEIGHT")

    def test_nothing_is_left_behind(self):
        a = self.report("a.json")
        empty = self.write("e.json", json.dumps(report(indexes=())).encode())
        self.fails(1, "plot", empty, "-o", self.path("p.svg"), says="nothing was measured")
        self.fails(1, "plot", a, "-o", self.path("no/p.svg"), says="cannot write")
        self.assertEqual(sorted(os.listdir(self.folder)), ["a.json", "e.json"])

    def test_reports_that_were_not_measured_alike(self):
        a = self.report("a.json")
        base = {"file": "x/base.fvecs", "n": 1, "dim": 8}
        protocol = {"k": 10, "threads": 1, "batch": 1, "runs": 1, "latency_queries": 0}
        for more, says in (
                ({"data": {"base": dict(base, n=9), "query": {}, "metric": "l2"}}, "1 x 8 as base, and 9 x 8"),
                ({"data": {"base": dict(base, file="y/train.fvecs"), "query": {}, "metric": "l2"}},
                 "vectors of 'base.fvecs', and of 'train.fvecs'"),
                ({"data": {"base": base, "query": {"n": 7}, "metric": "l2"}}, "0 queries, and 7"),
                ({"data": {"base": base, "query": {}, "metric": "ip"}}, "metric l2, and ip"),
                ({"protocol": dict(protocol, k=100)}, "k 10, and 100"),
                ({"protocol": dict(protocol, threads=4)}, "threads 1, and 4"),
                ({"protocol": dict(protocol, batch=0)}, "1 a call, and all queries in one"),
                ({"machine": {"cpu": "b", "cores": 1}}, "machine 'a', and 'b'"),
                ({"machine": {"cpu": "a", "cores": 8}}, "a machine of 1 core, and one of 8")):
            with self.subTest(says=says):
                b = self.report("b.json", "faiss", **more)
                for picture in ("p.svg", "p.html"):
                    run = self.warned(["a.json' and '", "b.json' were not measured alike: " + says], "plot", a, b, "-o",
                                      self.path(picture))
                    self.assertIn(picture, run.out)
                with open(self.path("p.html"), encoding="utf-8") as page:
                    self.assertIn("Not all of it was measured alike: " + says, page.read())
        same = self.report("b.json", "faiss", data={"base": dict(base, file="y/base.bvecs"), "query": {}, "metric": "l2"})
        self.ok("plot", a, same, "-o", self.path("p.html"))
        with open(self.path("p.html"), encoding="utf-8") as page:
            self.assertNotIn("alike", page.read())

    def test_options_of_pictures_are_none_of_pages(self):
        a = self.report("a.json")
        for option, value in (("--size", "700x400"), ("--xlim", "0.5:"), ("--ylim", ":9")):
            self.fails(2, "plot", a, "-o", self.path("p.html"), option, value, says=[option, "leave", "page"])
        self.ok("plot", a, "-o", self.path("p.html"), "--title", "T", "--scale", "logit")


class Failing(Case):
    """What gnuplot says when it fails is told in other words."""

    def test_messages(self):
        os.mkdir(self.path("bin"))
        a = self.write("a.json", json.dumps(report()).encode())
        env = {"PATH": self.path("bin") + os.pathsep + os.environ["PATH"]}
        for said, status, says in (
                ('set terminal svg\n             ^\nline 0: unknown or ambiguous terminal type; type', 1, "name the picture"),
                ('line 10: all points y value undefined!', 1, "no point lies within --xlim and --ylim"),
                ('gnuplot> plot\n              ^\n         line 9: undefined variable: x\n', 1, "'line 9: undefined variable: x'"),
                ('', 3, "it said nothing")):
            self.write("bin/gnuplot", f"#!/bin/sh\ncat >/dev/null\ncat >&2 <<'X'\n{said}\nX\nexit {status}\n".encode())
            os.chmod(self.path("bin/gnuplot"), 0o755)
            with self.subTest(said=said):
                self.fails(1, "plot", a, "-o", self.path("p.svg"), env=env, says=["p.svg' cannot be drawn: gnuplot failed"])
                self.fails(1, "plot", a, "-o", self.path("p.svg"), env=env, says=says)
        self.write("bin/gnuplot", b"#!/bin/sh\nexit 1\n")
        self.fails(1, "plot", a, "-o", self.path("p.svg"), env=env, says="gnuplot failed")
        self.assertEqual(sorted(os.listdir(self.folder)), ["a.json", "bin"])

    @unittest.skipUnless(HAVE, "gnuplot is not installed")
    def test_no_point_within_the_limits(self):
        a = self.write("a.json", json.dumps(report()).encode())
        self.fails(1, "plot", a, "-o", self.path("p.svg"), "--ylim", "1000000:2000000", "--xlim", "0.1:0.2",
                   says="no point lies within --xlim and --ylim")
        self.assertEqual(os.listdir(self.folder), ["a.json"])
