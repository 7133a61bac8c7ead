"""Declarations, and what vectors may be."""
import io
import math
import sqlite3
import struct
import unittest

from support import Case, blob, floats


class Declarations(Case):
    def test_what_is_refused_names_the_column_and_leaves_nothing(self):
        for columns, pattern in (
                ("e FLOAT[0]", "e: .* not a dimension"), ("e FLOAT[32769]", "e: .*1 … 32768"), ("e FLOAT[x]", "e:"),
                ("e FLOAT64[3]", "unknown vector type"), ("e FLOAT[3] L2 IP", "unexpected 'IP'"),
                ("e FLOAT[3] INDEX HNSW32", "factory string"), ("e FLOAT[3] INDEX 'Flatt'", "e: .*Flatt"),
                ("e FLOAT[3] INDEX 'PQ2'", "e:"), ("tenant TEXT", "needs a vector column"), ("", "vector column|expected"),
                ("+e FLOAT[3]", "auxiliary"), ("e FLOAT[3], E TEXT", "two columns"), ("e FLOAT[3], rank TEXT", "reserved"),
                ("e FLOAT[3], filter_args TEXT", "reserved"), ("e FLOAT[3], docs TEXT", "reserved"), ("e FLOAT[3], oid TEXT", "reserved"),
                ("e FLOAT[3], kith_x TEXT", "reserved"), ("e FLOAT[3], a TEXT DEFAULT 3", "DEFAULT"),
                ("e FLOAT[3], a TEXT UNIQUE", "UNIQUE"), ("e FLOAT[3], +a TEXT PARTITION KEY", "a: expected KEY"),
                ("e FLOAT[3], a REAL PRIMARY KEY", "must be TEXT"), ("e FLOAT[3], a INT PRIMARY KEY", "must be TEXT"),
                ("e FLOAT[3], a INTEGER PRIMARY KEY AUTOINCREMENT", "must be TEXT"), ("e FLOAT[3], a INTEGER PRIMARY KEY, b TEXT PRIMARY KEY", "one primary key"),
                ("e FLOAT[3], a TEXT PRIMARY KEY, b TEXT PRIMARY KEY", "one primary key"),
                ("e FLOAT[3], a TEXT PARTITION", "a: expected KEY"), ("e FLOAT[3], +a TEXT INDEXED", "INDEXED"),
                ("e FLOAT[3], a TEXT COLLATE", "COLLATE"), ("e FLOAT[3], a TEXT COLLATE nosuch", "nosuch")):
            self.refused(pattern, "CREATE VIRTUAL TABLE docs USING kith(%s)" % columns)
            self.assertEqual(self.rows("SELECT name FROM sqlite_master"), [], columns)

    def test_quoted_names_and_case(self):
        self.rows('CREATE VIRTUAL TABLE "my ""docs" USING kith([a b] float[2] cosine, "select" text collate nocase, `x``y` INT)')
        self.rows('INSERT INTO "my ""docs"([a b], "select", "x`y") VALUES(?, ?, ?)', blob([1, 0]), "Sofa", "7")
        self.assertEqual(self.rows('SELECT "select", "x`y" FROM "my ""docs" WHERE [a b] MATCH ? AND k = 1 AND "select" = ?',
                                   "[1,0]", "SOFA"), [("Sofa", 7)])
        self.integrity('"my ""docs"')

    def test_hidden_columns(self):
        self.rows("CREATE VIRTUAL TABLE docs USING kith(e FLOAT[2], n INT)")
        self.rows("INSERT INTO docs(rowid, e, n) VALUES(1, '[0,0]', 5), (2, '[3,4]', 6)")
        self.assertEqual(self.rows("SELECT * FROM docs"), [(blob([0, 0]), 5), (blob([3, 4]), 6)])
        self.assertEqual(self.rows("SELECT rowid, distance, similarity, rank, k FROM docs('[0,0]', 2)"),
                         [(1, 0.0, 1.0, 0.0, 2), (2, 25.0, 1 / 26, 25.0, 2)])
        self.assertEqual(self.rows("SELECT rowid FROM docs WHERE docs MATCH '[3,4]' AND k = 1 ORDER BY rank"), [(2,)])
        self.assertEqual(self.rows("SELECT distance, k FROM docs"), [(None, None)] * 2)

    def test_two_vector_columns(self):
        self.rows("CREATE VIRTUAL TABLE docs USING kith(a FLOAT[2], b INT8[3] IP)")
        for i in range(300):
            self.rows("INSERT INTO docs(rowid, a, b) VALUES(?, ?, ?)", i, blob([i, 0]), "[%d, 1, 0]" % (i % 100))
        self.assertEqual(self.column("SELECT rowid FROM docs WHERE a MATCH '[7,0]' AND k = 3"), [7, 6, 8])
        self.assertEqual(self.rows("SELECT rowid, distance, similarity FROM docs WHERE b MATCH '[1,0,0]' AND k = 3"),
                         [(99, -99.0, 99.0), (199, -99.0, 99.0), (299, -99.0, 99.0)])
        self.rows("UPDATE docs SET b = '[127,1,0]' WHERE rowid = 5")
        self.rows("DELETE FROM docs WHERE rowid < 5 OR rowid > 120")
        self.assertEqual(self.column("SELECT rowid FROM docs WHERE b MATCH '[1,0,0]' AND k = 1"), [5])
        self.refused("one MATCH", "SELECT * FROM docs WHERE a MATCH '[0,0]' AND b MATCH '[0,0,0]' AND k = 1")
        self.integrity()


class Vectors(Case):
    def test_types_keep_what_they_hold(self):
        for name, width, values in (("FLOAT", 4, [0.1, -2, 3e20]), ("FLOAT16", 2, [0.5, -65504, 2 ** -24]),
                                    ("INT8", 1, [-128, 0, 127]), ("UINT8", 1, [0, 7, 255])):
            self.rows("CREATE VIRTUAL TABLE docs USING kith(e %s[3])" % name)
            exact = floats(blob(values))
            forms = [repr(values), blob(values)]
            self.rows("INSERT INTO docs(e) VALUES(?), (?)", *forms)
            stored = self.rows("SELECT e FROM docs")[0][0]
            self.assertEqual(len(stored), 3 * width)
            self.rows("INSERT INTO docs(e) VALUES(?)", stored)
            self.assertEqual(self.column("SELECT distance FROM docs WHERE e MATCH ? AND k = 5", blob(exact)), [0.0] * 3)
            self.assertEqual(len(set(self.rows("SELECT e FROM docs"))), 1)
            text = self.rows("SELECT kith_to_json(e, ?) FROM docs", name)[0][0]
            self.assertEqual(floats(self.rows("SELECT kith_from_json(?)", text)[0][0]), exact)
            self.rows("DROP TABLE docs")

    def test_half_precision_rounds_to_even(self):
        self.rows("CREATE VIRTUAL TABLE docs USING kith(e FLOAT16[1])")
        for x in (1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25, 3 * 2 ** -25, 65519.0, -1e-9, 2 ** -14 - 2 ** -26, 0.3333, 1 / 7):
            self.rows("INSERT INTO docs(rowid, e) VALUES(1, ?)", blob([x]))
            want = struct.unpack("<H", struct.pack("<e", x))
            self.assertEqual(struct.unpack("<H", self.column("SELECT e FROM docs")[0]), want, x)
            self.rows("DELETE FROM docs")
        self.refused("e: element 0 is beyond FLOAT16", "INSERT INTO docs(e) VALUES(?)", blob([65520.0]))

    def test_json_numbers_are_read_exactly(self):
        numbers = ["0", "-0", "0.1", "1e-45", "3.4028234e38", "123456789012345678901234567890", "1.17549435e-38", "7e-46",
                   "0.30000001192092896", "16777217", "1E+2", "-1.5e-7", "9007199254740993e-15", "0.000000000000000000000000001"]
        self.rows("CREATE VIRTUAL TABLE docs USING kith(e FLOAT[%d])" % len(numbers))
        self.rows("INSERT INTO docs(e) VALUES(?)", "[" + " ,\n".join(numbers) + "]")
        self.assertEqual(self.column("SELECT e FROM docs")[0], blob([float(x) for x in numbers]))

    def test_bad_vectors_are_refused_with_the_columns_name(self):
        self.rows("CREATE VIRTUAL TABLE docs USING kith(emb FLOAT[2], i INT8[2])")
        good = blob([0, 0])
        for bad in (b"", b"1234", blob([1, 2, 3]), "[1]", "[1,2", "[1,2]x", "[1 2]", "[01,2]", "[.5,2]", "[1.,2]", "[+1,2]",
                    "[1,2,]", "[0x1,2]", "[nan,2]", "[1e39,2]", "[1e999,2]", "[1,null]", '["1",2]', "[[1,2]]", "{}", "", "1",
                    blob([math.nan, 1]), blob([1, math.inf]), 5, 2.5, None):
            self.refused("emb: ", "INSERT INTO docs(emb, i) VALUES(?, ?)", bad, good)
        for bad in ("[128,0]", "[0.5,0]", "[-129,0]", blob([1, 1000])):
            self.refused("i: element", "INSERT INTO docs(emb, i) VALUES(?, ?)", good, bad)
        self.assertEqual(self.rows("SELECT count(*) FROM docs"), [(0,)])

    def npy(self, descr, shape, data, version=1):
        header = ("{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, shape)).encode()
        header += b" " * (-(len(header) + 11) % 16) + b"\n"
        size = struct.pack("<H" if version == 1 else "<I", len(header))
        return b"\x93NUMPY" + bytes([version, 0]) + size + header + data

    def test_npy(self):
        def read(b):
            return floats(self.column("SELECT kith_from_npy(?)", b)[0])
        for descr, code, x in (("<f8", "d", (0.5, -2, 3)), ("<f4", "f", (0.5, -2, 3)), ("<f2", "e", (0.5, -2, 3)),
                               ("<i8", "q", (-5, 0, 7)), ("<i2", "h", (-5, 0, 7)), ("|i1", "b", (-5, 0, 7)),
                               ("|u1", "B", (5, 0, 255)), ("<u4", "I", (5, 0, 7))):
            data = struct.pack("<3" + code, *x)
            for shape in ("(3,)", "(1, 3)", "(3, 1)"):
                self.assertEqual(read(self.npy(descr, shape, data)), x)
            self.assertEqual(read(self.npy(descr, "(3,)", data, 2)), x)
        good = self.npy("<f4", "(3,)", blob([1, 2, 3]))
        for bad in (self.npy(">f4", "(3,)", blob([1, 2, 3])), self.npy("<f4", "(4,)", blob([1, 2, 3])),
                    self.npy("<f4", "(2, 2)", blob([1, 2, 3, 4])), self.npy("<c8", "(1,)", b"12345678"),
                    self.npy("<f4", "()", blob([1])), self.npy("<f4", "(0,)", b""), self.npy("<f4", "(3", blob([1, 2, 3])),
                    self.npy("<f16", "(1,)", b"\0" * 16), self.npy("<f4", "(99999999999999999999,)", b"1234")):
            self.refused("npy", "SELECT kith_from_npy(?)", bad)
        for n in range(10, len(good)):
            self.refused("npy", "SELECT kith_from_npy(?)", good[:n])

    def test_functions(self):
        def one(sql, *values):
            return self.column("SELECT " + sql, *values)[0]
        self.assertEqual(one("kith_distance('[0,0]', '[3,4]')"), 25.0)
        self.assertEqual(one("kith_distance('[0,0]', '[3,4]', 'l1')"), 7.0)
        self.assertEqual(one("kith_distance('[0,0]', '[3,4]', 'Linf')"), 4.0)
        self.assertEqual(one("kith_distance('[1,2]', '[3,4]', 'IP')"), -11.0)
        self.assertEqual(one("kith_distance('[0,0]', '[3,4]', 'COSINE')"), 1.0)
        self.assertIsNone(one("kith_distance(NULL, '[3,4]')"))
        self.assertIsNone(one("kith_normalize('[0,0]')"))
        self.assertEqual(floats(one("kith_normalize('[3,4]')")), floats(blob([.6, .8])))
        self.assertEqual(one("kith_to_json(?)", blob([1, .1, -2.5e-10])), "[1,0.1,-2.5e-10]")
        self.assertEqual([one("kith_contains('Text', ?)", x) for x in ("ex", "EX", "", None)], [1, 0, 1, None])
        self.assertRegex(one("kith_version()"), r"^\d+\.\d+\.\d+$")
        for call in ("kith_distance('[1]', '[1,2]')", "kith_distance('[1]', '[1]', 'L3')", "kith_to_json('x')", "kith_normalize(7)"):
            self.refused(call.split("(")[0], "SELECT " + call)

    def test_functions_and_tables_work_in_views_and_triggers_without_trusted_schema(self):
        self.rows("PRAGMA trusted_schema = 0")
        self.rows("CREATE VIRTUAL TABLE docs USING kith(e FLOAT[2])")
        self.rows("INSERT INTO docs(rowid, e) VALUES(4, '[1,2]')")
        self.rows("CREATE VIEW near AS SELECT rowid AS id, kith_to_json(e) AS j FROM docs('[0,0]', 1)")
        self.assertEqual(self.rows("SELECT * FROM near"), [(4, "[1,2]")])


if __name__ == "__main__":
    unittest.main()
