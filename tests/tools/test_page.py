"""kith bench --html and kith plot -o page.html: the page, and what a real browser makes of it.

Chromium runs the page without a window; scripts that are added to copies of it do what a user would, and the document
that comes of it is looked at. Where no Chromium is installed those tests are skipped.
"""
import json
import random
import re
import shutil
import struct
import subprocess
import unittest
import zlib

from support import Case, float32

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def png(path):
    """(width, height, rows of bytes) of a PNG of 8-bit RGB or RGBA."""
    with open(path, "rb") as file:
        data = file.read()
    width, height, depth, kind = struct.unpack_from(">IIBB", data, 16)
    assert depth == 8 and kind in (2, 6)
    at, packed, cell = 8, b"", 3 if kind == 2 else 4
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        packed += data[at + 8:at + 8 + size] if name == b"IDAT" else b""
        at += 12 + size
    raw, stride, rows, before = zlib.decompress(packed), width * cell, [], bytearray(width * cell)
    for y in range(height):
        how, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride if how else 0):
            a, b, c = row[i - cell] if i >= cell else 0, before[i], before[i - cell] if i >= cell else 0
            p = a + b - c
            paeth = a if abs(p - a) <= min(abs(p - b), abs(p - c)) else b if abs(p - b) <= abs(p - c) else c
            row[i] = (row[i] + (0, a, b, (a + b) // 2, paeth)[how]) & 255
        rows.append(bytes(row))
        before = row
    return width, height, cell, rows


class Page(Case):
    kept = {}  # the report and the page of the first bench: it is measured once

    def setUp(self):
        super().setUp()
        rng = random.Random(9)
        rows = [[float32(rng.gauss(0, 1)) for _ in range(8)] for _ in range(400)]
        self.b, self.q = self.vectors("b.fvecs", rows), self.vectors("q.fvecs", rows[:20])
        self.json, self.page = self.path("r.json"), self.path("r.html")

    def bench(self, *options):
        if not options and self.kept:
            for path in (self.json, self.page):
                self.write(path, self.kept[path.rsplit(".", 1)[1]])
            return
        self.ok("bench", "-b", self.b, "-q", self.q, "-i", "Flat", "-i", "IVF16,Flat", "-i", "IVF16,SQ4", "-w", "nprobe=1:16",
                "--runs", 1, "--latency", 5, f"--json={self.json}", "--html", self.page, *options,
                env={"XDG_CACHE_HOME": self.folder})
        if not options:
            self.kept.update({path.rsplit(".", 1)[1]: self.read(path).encode() for path in (self.json, self.page)})

    def read(self, path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    def data(self, path):
        return json.loads(re.search(r'id="data">(.*?)</script>', self.read(path), re.S)[1])

    def test_all_of_the_report_is_in_it(self):
        self.bench("--name", "my <machine> & mine")
        report, data = json.loads(self.read(self.json)), self.data(self.page)
        self.assertEqual([s["label"] for s in data["series"]],
                         [f"my <machine> & mine {i['index']}" for i in report["indexes"]])
        for series, index in zip(data["series"], report["indexes"]):
            self.assertEqual([(p["settings"], p["recall"], p["qps"], p["p99"]) for p in series["points"]],
                             [(p["settings"], p["recall"], p["qps"], p["latency_seconds"]["p99"]) for p in index["points"]])
            self.assertEqual((series["bytes"], series["build"]), (index["bytes_per_vector"], index["build_seconds"]))
        text = self.read(self.page)
        self.assertIn("<title>my &#60;machine&#62; &#38; mine</title>", text)
        for word in ("400 vectors of dimension 8", "1 thread, "):
            self.assertIn(word, data["facts"])

    def test_it_stands_alone(self):
        """No address of anything, and a policy that forbids to load anything."""
        self.bench()
        text = self.read(self.page)
        self.assertNotRegex(text, r"https?:|//[a-z]|\bsrc=|\bhref=|@import|url\(")
        self.assertIn("default-src 'none'", text)
        self.assertIn('lang="en"', text)

    def test_names_cannot_break_out(self):
        self.bench()
        report = json.loads(self.read(self.json))
        report["name"] = "</script><script>alert(1)</script>"
        evil = self.write("evil.json", json.dumps(report).encode())
        self.ok("plot", evil, "-o", self.path("evil.html"))
        self.assertNotIn("<script>alert", self.read(self.path("evil.html")))
        self.assertIn(report["name"], self.data(self.path("evil.html"))["series"][0]["label"])

    def test_options_of_the_plot(self):
        self.bench()
        other = self.write("s.json", self.read(self.json).encode())
        self.ok("plot", self.json, other, "-o", self.path("both.html"), "--title", "Two runs", "--scale", "logit")
        data = self.data(self.path("both.html"))
        self.assertIn("<title>Two runs</title>", self.read(self.path("both.html")))
        labels = [s["label"] for s in data["series"]]
        self.assertEqual((data["scale"], len(set(labels)), len(labels)), ("logit", 6, 6))

    def test_without_gnuplot(self):
        self.bench()
        self.ok("plot", self.json, "-o", self.path("x.html"), env={"PATH": self.folder})

    def test_bad(self):
        args = ("bench", "-b", self.b, "-q", self.q, "-i", "Flat")
        self.fails(2, *args, "--html", self.path("x.htm"), says=".html")

    # ---- in a browser ----

    def browse(self, page, view="", script="", screenshot=None, size="1100,1400", dark=False):
        """The document after the page's script and another have run."""
        if script:
            text = self.read(page).replace("</body>", f"<script>{script}</script></body>")
            page = self.write("driven.html", text.encode())
        what = [f"--screenshot={screenshot}"] if screenshot else ["--dump-dom"]
        theme = ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
        done = subprocess.run(
            [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
             "--force-device-scale-factor=1", f"--user-data-dir={self.path('profile')}", f"--window-size={size}", *theme, *what,
             f"file://{page}{view}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=110)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertNotRegex(done.stderr.decode(), "Uncaught|SyntaxError|TypeError|ReferenceError")
        return done.stdout.decode()

    def rows(self, document):
        """The rows of the table of the fastest: what stands in their cells."""
        body = re.search(r'<tbody id="best">(.*?)</tbody>', document, re.S)[1]
        return [[re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)]
                for row in re.findall(r"<tr>(.*?)</tr>", body, re.S)]

    @unittest.skipUnless(BROWSER, "Chromium is not installed: the page was not looked at")
    def test_what_is_drawn(self):
        self.bench()
        report = json.loads(self.read(self.json))
        document = self.browse(self.page, "#recall=0.9")
        points = sum(len(i["points"]) for i in report["indexes"])
        self.assertEqual(len(re.findall(r'class="point[" ]', document)), points)
        lines = re.findall(r'<polyline class="line" data-series="(\d)"[^>]*points="([^"]*)"', document)
        self.assertEqual([n for n, _ in lines], ["0", "1", "2"])
        width, height = map(int, re.search(r'viewBox="0 0 (\d+) (\d+)" role="img"', document).groups())
        for _, line in lines:
            for place in line.split():
                x, y = map(float, place.split(","))
                self.assertTrue(70 <= x <= width and 14 <= y <= height - 52, place)
        # The table of all points holds what the report does, and the fastest at 0.9 is the report's fastest.
        self.assertEqual(len(re.findall(r"<tr>", re.search(r'<tbody id="points">(.*?)</tbody>', document, re.S)[1])), points)
        best = {i["index"]: max((p for p in i["points"] if p["recall"] >= 0.9), key=lambda p: p["qps"], default=None)
                for i in report["indexes"]}
        rows = self.rows(document)
        self.assertEqual({row[0] for row in rows}, set(best))
        for row in rows:
            if best[row[0]]:
                self.assertEqual(float(row[2]), round(best[row[0]]["recall"], 4))
            else:
                self.assertIn("does not reach it", row[1])
        reached = [row[0] for row in rows if best[row[0]]]
        self.assertEqual(reached, sorted(reached, key=lambda name: -best[name]["qps"]), "the fastest comes first")

    @unittest.skipUnless(BROWSER, "Chromium is not installed: the page was not looked at")
    def test_what_a_user_does(self):
        self.bench()
        plain = """
            const fire = (id, kind, more) => document.getElementById(id).dispatchEvent(
              new (kind.startsWith("key") ? KeyboardEvent : kind.startsWith("pointer") ? PointerEvent : Event)(
                kind, Object.assign({bubbles: true, cancelable: true}, more)));
            const note = (name, text) => { const p = document.createElement("p"); p.id = "out-" + name; p.textContent = text;
              document.body.append(p); };
            """
        document = self.browse(self.page, "#recall=0.2", size="520,900", script=plain + """
            note("wide", document.documentElement.scrollWidth <= innerWidth);
            document.getElementById("recall").value = 1000; fire("recall", "input");
            note("recall", document.getElementById("wanted").textContent);
            note("rows", document.getElementById("best").textContent);
            const first = document.querySelector("#choices input"); first.click();
            note("lines", document.querySelectorAll("#chart polyline").length);
            document.getElementById("none").click();
            note("none", document.getElementById("chart").textContent);
            document.getElementById("all").click();
            note("all", document.querySelectorAll("#chart polyline").length);
            document.getElementById("scale").value = "error"; fire("scale", "change");
            note("tics", [...document.querySelectorAll("#chart text")].map(t => t.textContent).join(" "));
            document.getElementById("measure").value = "p99"; fire("measure", "change");
            note("measure", [...document.querySelectorAll("#chart text")].map(t => t.textContent).join(" "));
            fire("chart", "keydown", {key: "ArrowRight"});
            note("said", document.getElementById("said").textContent);
            note("tip", document.getElementById("tip").hidden + " " + document.getElementById("tip").textContent);
            fire("chart", "keydown", {key: "Escape"});
            const dot = document.querySelector("#chart .point").getBoundingClientRect();
            fire("chart", "pointermove", {clientX: dot.x + dot.width / 2, clientY: dot.y + dot.height / 2});
            note("hover", document.getElementById("tip").hidden + " " + document.getElementById("tip").textContent);
            fire("chart", "pointerleave");
            note("left", document.getElementById("tip").hidden);
            document.querySelector("[data-sort=qps]").click();
            note("sorted", document.querySelector("th[aria-sort=descending]").textContent);
            document.getElementById("theme").click(); document.getElementById("theme").click();
            note("theme", document.documentElement.className);
            note("hash", location.hash);
            """)
        said = dict(re.findall(r'<p id="out-(\w+)">(.*?)</p>', document, re.S))
        self.assertEqual((said["recall"], said["lines"], said["all"], said["left"]), ("1.0000", "2", "3", "true"))
        self.assertIn("does not reach it", said["rows"], "four bits a dimension never find all")
        self.assertIn("Nothing to show", said["none"])
        self.assertIn("0.9", said["tics"])
        self.assertIn("latency p99, ms", said["measure"])
        for word in ("recall ", "queries/s", "Flat"):
            self.assertIn(word, said["said"])
            self.assertIn(word, said["tip"])
            self.assertIn(word, said["hover"])
        self.assertTrue(said["tip"].startswith("false") and said["hover"].startswith("false"))
        self.assertEqual((said["sorted"], said["theme"]), ("Queries/s", "dark"))
        self.assertIn("recall=1", said["hash"])
        self.assertEqual(said["wide"], "true", "nothing is wider than a narrow window")

    @unittest.skipUnless(BROWSER, "Chromium is not installed: the page was not looked at")
    def test_how_it_looks(self):
        """Light and dark, wide and narrow: a page, a chart with colours in it, nothing wider than the window."""
        self.bench()
        for view, size, dark in (("", "1000,900", False), ("#theme=dark", "520,900", True)):
            shot = self.path("shot.png")
            self.browse(self.page, view, screenshot=shot, size=size, dark=dark)
            width, height, cell, rows = png(shot)
            self.assertEqual(f"{width},{height}", size)
            corner = rows[2][:3]
            self.assertEqual(sum(corner) > 3 * 200, not dark)
            colours = {row[x * cell:x * cell + 3] for row in rows[::2] for x in range(0, width, 2)}
            vivid = [c for c in colours if max(c) - min(c) > 90]
            self.assertGreater(len(vivid), 3, "lines are drawn in colours")

