"""A codec, a metric and a structure, added as docs/add-a-*.md tell, in a copy of the sources.

A page names a file and shows what it is to hold, or a line of a file and what goes behind it, before it or in its place, or commands.
All of that is done to the letter, and what comes of it is built without optimization, tested and searched.
Environment: KITH_SOURCE_ROOT.
"""
import array
import os
import random
import re
import shutil
import struct
import subprocess
import tempfile
import unittest

import pages

PLACE = re.compile(r"^(?:In )?`(?P<path>[^`]+)`(?:, (?P<how>behind|before|in place of) `(?P<line>.+)`)?:$")
OPTIONS = ["--buildtype=plain", "-Dc_args=-O1", "-Dbenchmarks=false", "-Dpython=disabled", "-Dsqlite=disabled", "-Dhdf5=disabled"]
ADDED = ["docs/add-a-codec.md", "docs/add-a-metric.md", "docs/add-a-structure.md"]
N, NQ, DIM, K = 3000, 20, 24, 5


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def additions(page):
    """(path, how, line, text) of what the page shows; path is None for commands. A fence follows the line that names its place."""
    lines, found, at = read(os.path.join(pages.ROOT, page)).split("\n"), [], 0
    while at < len(lines):
        place = PLACE.match(lines[at])
        if place and lines[at + 2].startswith("```"):
            end = lines.index("```", at + 3)
            found.append((place["path"], place["how"], place["line"], "\n".join(lines[at + 3:end]) + "\n"))
            at = end
        elif lines[at].startswith("    sed "):
            found.append((None, None, None, lines[at].strip()))
        at += 1
    return found


def apply(tree, path, how, line, text):
    path = os.path.join(tree, path)
    if not how:
        return write(path, text)
    lines = read(path).split("\n")
    at = [i for i, there in enumerate(lines) if there.strip() == line]
    if len(at) != 1:
        raise AssertionError(f"{path}: {len(at)} lines are {line!r}")
    first, last = {"behind": (at[0] + 1, at[0] + 1), "before": (at[0], at[0]), "in place of": (at[0], at[0] + 1)}[how]
    return write(path, "\n".join(lines[:first] + text.rstrip("\n").split("\n") + lines[last:]))


def left_out(folder, names):
    """What is no source: at the top, what git does not know and build directories."""
    return [name for name in names if name == "__pycache__" or
            (folder == pages.ROOT and (name == ".git" or os.path.exists(os.path.join(folder, name, "meson-private"))))]


def vectors(rng, n):
    return [[rng.gauss(0, 1) for _ in range(DIM)] for _ in range(n)]


def write_vectors(path, rows):
    with open(path, "wb") as file:
        for row in rows:
            file.write(struct.pack("i", DIM) + array.array("f", row).tobytes())


def read_ids(path):
    data = array.array("i")
    with open(path, "rb") as file:
        data.frombytes(file.read())
    return [list(data[i + 1:i + 1 + data[i]]) for i in range(0, len(data), data[0] + 1)]


def nearest(base, query, distance, first=0):
    return sorted(range(first, len(base)), key=lambda i: distance(base[i], query))[:K]


class Adding(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tree = tempfile.mkdtemp(prefix="kith-adding-")
        cls.addClassCleanup(shutil.rmtree, cls.tree)
        source = os.path.join(cls.tree, "kith")
        shutil.copytree(pages.ROOT, source, ignore=left_out, symlinks=True)
        for page in ADDED:
            steps = additions(page)
            assert steps, page
            for path, how, line, text in steps:
                if path:
                    apply(source, path, how, line, text)
                else:
                    subprocess.run(text, shell=True, cwd=source, check=True)
        cls.build = os.path.join(cls.tree, "build")
        cls.command("meson", "setup", cls.build, source, *OPTIONS)
        cls.command("ninja", "-C", cls.build, "tools/kith", "tests/test_codec")
        rng = random.Random(1)
        cls.base, cls.query = vectors(rng, N), vectors(rng, NQ)
        write_vectors(cls.at("base.fvecs"), cls.base)
        write_vectors(cls.at("query.fvecs"), cls.query)

    @classmethod
    def at(cls, name):
        return os.path.join(cls.tree, name)

    @classmethod
    def command(cls, *words, **env):
        done = subprocess.run(words, cwd=cls.tree, env={**os.environ, **env}, check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise AssertionError(f"{words}:\n{done.stdout[-4000:]}")
        return done.stdout

    def kith(self, *words):
        return self.command(os.path.join(self.build, "tools", "kith"), *words)

    def search(self, spec, *options, settings=()):
        self.kith("build", "base.fvecs", "--index", spec, "--out", "index", *options)
        self.kith("search", "index", "query.fvecs", "-k", str(K), "--ids", "ids.ivecs", *settings)
        return read_ids(self.at("ids.ivecs"))

    def recall(self, found, truth):
        return sum(len(set(f) & set(t)) for f, t in zip(found, truth)) / (NQ * K)

    def test_codec(self):
        self.command(os.path.join(self.build, "tests", "test_codec"), OMP_NUM_THREADS="2", KITH_SOURCE_ROOT=pages.ROOT)
        truth = [nearest(self.base, q, l2sq) for q in self.query]
        for spec, settings in (("SQfp8", ()), ("IVF4,SQfp8", ("--set", "nprobe=4")), ("HNSW16,SQfp8", ("--set", "efSearch=200"))):
            self.assertGreater(self.recall(self.search(spec, settings=settings), truth), 0.7, spec)
        self.assertLess(self.recall(self.search("SQfp8"), truth), 1)

    def test_metric(self):
        truth = [nearest(self.base, q, capped) for q in self.query]
        self.assertEqual(self.search("Flat", "--metric", "capped"), truth)
        found = self.search("HNSW16", "--metric", "capped", settings=("--set", "efSearch=400"))
        self.assertGreater(self.recall(found, truth), 0.9)

    def test_structure(self):
        first = (N - 1024) // 64 * 64
        truth = [nearest(self.base, q, l2sq, first) for q in self.query]
        self.assertEqual(self.search("Newest,Flat"), truth)
        self.assertIn("Newest,Flat", self.kith("info", "index"))


def l2sq(x, y):
    return sum((a - b) ** 2 for a, b in zip(x, y))


def capped(x, y):
    return sum(min(abs(a - b), 1) for a, b in zip(x, y))


if __name__ == "__main__":
    unittest.main(verbosity=2)
