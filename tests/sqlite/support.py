"""Helpers of the SQLite extension's tests: connections, vectors, distances by brute force, and a base class."""
import math
import os
import shutil
import sqlite3
import struct
import tempfile
import unittest

EXTENSION = os.environ["KITH_SQLITE"]


def connect(path=":memory:", **options):
    c = sqlite3.connect(path, isolation_level=None, **options)
    c.enable_load_extension(True)
    c.load_extension(EXTENSION)
    return c


def blob(x):
    return struct.pack("<%df" % len(x), *x)


def floats(b):
    return struct.unpack("<%df" % (len(b) // 4), b)


def distance(metric, a, b):
    """The distance of two sequences of numbers, by exactly rounded sums in double precision."""
    if metric == "L2":
        return math.fsum((x - y) ** 2 for x, y in zip(a, b))
    dot = math.fsum(x * y for x, y in zip(a, b))
    if metric == "IP":
        return -dot
    length = math.sqrt(math.fsum(x * x for x in a)) * math.sqrt(math.fsum(x * x for x in b))
    return 1 - dot / length if length > 0 else 1.0


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.c = connect()

    def path(self, name="t.db"):
        return os.path.join(self.dir, name)

    def rows(self, sql, *values, c=None):
        return (c or self.c).execute(sql, values).fetchall()

    def column(self, sql, *values, c=None):
        return [row[0] for row in self.rows(sql, *values, c=c)]

    def refused(self, pattern, sql, *values, kind=sqlite3.Error, c=None):
        with self.assertRaisesRegex(kind, pattern):
            self.rows(sql, *values, c=c)

    def integrity(self, table="docs", c=None):
        self.rows("INSERT INTO %s(%s) VALUES('integrity-check')" % (table, table), c=c)
        self.assertEqual(self.rows("PRAGMA integrity_check", c=c), [("ok",)])
