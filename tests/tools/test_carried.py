"""What index files carry for FAISS: labels, which are the ids of results, and parameters of searches."""
import json
import os
import struct

from support import Case, read_vecs

N, DIM = 40, 4


class Labels(Case):
    """An IndexIDMap over a flat index, as FAISS writes it."""

    def setUp(self):
        super().setUp()
        self.rows = [[float(i), float(i * i % 7), 1.0, 0.0] for i in range(N)]
        self.b, self.q = self.vectors("b.fvecs", self.rows), self.vectors("q.fvecs", self.rows[:5])
        self.plain = self.path("plain.faiss")
        self.ok("build", self.b, "-i", "Flat", "-o", self.path("plain.kith"))
        self.ok("convert", self.path("plain.kith"), self.plain)

    def labelled(self, name, labels):
        with open(self.plain, "rb") as file:
            flat = file.read()
        header = flat[4:4 + 4 + 8 + 8 + 8 + 1 + 4]
        return self.write(name, b"IxM2" + header + flat + struct.pack(f"<q{N}q", N, *labels))

    def found(self, index, *options):
        self.ok("search", index, self.q, "-k", 3, "--ids", self.path("o.ivecs"), *options)
        return [row[0] for row in read_vecs(self.path("o.ivecs"))]

    def test_results_hold_labels(self):
        """Repeated ones, which kith's ids cannot be; in FAISS's file and in kith's."""
        labels = [i // 2 + 100 for i in range(N)]
        faiss, kith = self.labelled("l.faiss", labels), self.path("l.kith")
        self.assertIn("with labels 100 ... 119", self.ok("convert", faiss, kith).out)
        for index in (faiss, kith):
            self.assertEqual(self.found(index), labels[:5])
            out = self.ok("search", index, self.q, "-k", 2).out
            self.assertIn("Neighbours (label:squared distance)", out)
            self.assertIn("query 3  101:0 ", out)
            self.assertIn("labels   100 ... 119", out)
            self.assertTrue(json.loads(self.ok("search", index, self.q, "--json").out)["labels"])
            truth = self.vectors("t.ivecs", [[labels[i]] for i in range(5)])
            report = json.loads(self.ok("search", index, self.q, "-k", 1, "--truth", truth, "--json").out)
            self.assertEqual(report["recall"], {"1": 1})
        self.assertFalse(json.loads(self.ok("search", self.plain, self.q, "--json").out)["labels"])

    def test_info_tells_them(self):
        index = self.labelled("l.faiss", [7] * (N - 1) + [-9])
        self.assertIn("labels       -9 ... 7", self.ok("info", index).out)
        self.assertEqual(json.loads(self.ok("info", index, "--json").out)["labels"], {"min": -9, "max": 7})
        self.assertIsNone(json.loads(self.ok("info", self.plain, "--json").out)["labels"])
        self.assertIn("good, 40 vectors", self.ok("verify", index).out)

    def test_there_and_back(self):
        """A file that convert has written is one that it reads."""
        first = self.labelled("l.faiss", [i // 3 for i in range(N)])
        self.ok("convert", first, self.path("l.kith"))
        self.ok("convert", self.path("l.kith"), self.path("back.faiss"))
        with open(first, "rb") as a, open(self.path("back.faiss"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        self.ok("convert", self.path("back.faiss"), self.path("again.kith"))
        self.assertEqual(self.found(self.path("again.kith")), [i // 3 for i in range(5)])

    def test_vectors_and_their_labels(self):
        labels = [i // 2 for i in range(N)]
        index, x, ids = self.labelled("l.faiss", labels), self.path("x.fvecs"), self.path("x.ivecs")
        self.assertIn("--ids writes their labels", self.ok("convert", index, x).out)
        self.ok("convert", index, x, "--ids", ids)
        self.assertEqual(read_vecs(x), self.rows)
        self.assertEqual([row[0] for row in read_vecs(ids)], labels)

    def test_labels_that_no_file_of_ids_holds(self):
        index = self.labelled("l.faiss", [-5 - i for i in range(N)])
        self.assertIn("query 1  -6:0 ", self.ok("search", index, self.q, "-k", 2).out)
        self.ok("search", index, self.q, "--distances", self.path("d.fvecs"))
        truth = self.vectors("t.ivecs", [[0]] * 5)
        for option, value in (("--ids", self.path("o.ivecs")), ("--truth", truth)):
            self.fails(1, "search", index, self.q, "-k", 1, option, value,
                       says=["labels below 0 (the least is -44)", f"{option} '{value}'", "npy", "leave it out"])
        self.fails(1, "search", index, self.q, "--ids", "-", says="give it the name of npy:-")
        self.fails(1, "convert", index, self.path("x.fvecs"), "--ids", self.path("o.ivecs"), says="labels below 0")
        self.assertFalse(os.path.exists(self.path("x.fvecs")) or os.path.exists(self.path("o.ivecs")))

    def test_labels_of_64_bits(self):
        """In npy: as labels (repeated or negative) and as ids of the index (all else), found, evaluated, converted."""
        big = 2**31
        for labels in ([i // 2 * 3 + big for i in range(N)], [big + 7 * i for i in range(N)], [i - 2**62 for i in range(N)],
                       [2**63 - 1 - i for i in range(N)], [i // 2 - 20 if i // 2 != 19 else 2**62 for i in range(N)]):
            faiss, kith, out, small = self.labelled("l.faiss", labels), self.path("l.kith"), self.path("o.npy"), self.path("o.ivecs")
            text = f"{min(labels)} ... {max(labels)}"
            self.assertIn(f" {text}\n", self.ok("convert", faiss, kith).out)
            for index in (faiss, kith):
                self.assertIn(f" {text}, ", self.ok("info", index).out)
                self.assertEqual(json.loads(self.ok("info", index, "--json").out)["ids"], {"min": min(labels), "max": max(labels)})
                for file in (out, self.path("out.hdf5")):
                    self.ok("search", index, self.q, "-k", 1, "--ids", file)
                self.assertEqual(read_vecs(out), [[label] for label in labels[:5]])
                self.ok("convert", self.path("out.hdf5"), self.path("again.npy"))
                self.assertEqual(read_vecs(self.path("again.npy")), read_vecs(out))
                os.remove(self.path("out.hdf5"))
                report = json.loads(self.ok("search", index, self.q, "-k", 1, "--truth", out, "--json").out)
                self.assertEqual((report["recall"], report["labels"]), ({"1": 1}, True))
                self.assertEqual(report["ids"], {"min": min(labels), "max": max(labels)})
                self.fails(1, "search", index, self.q, "-k", 1, "--ids", small, says=[small, "npy"])
                self.ok("convert", index, self.path("x.fvecs"), "--ids", out)
                own = json.loads(self.ok("info", index, "--json").out)["labels"] is None
                self.assertEqual([row[0] for row in read_vecs(out)], sorted(labels) if own else labels)
                self.fails(1, "convert", index, self.path("y.fvecs"), "--ids", small, says=[small, "npy"])
                self.assertFalse(os.path.exists(small) or os.path.exists(self.path("y.fvecs")))

    def test_ids_that_were_given(self):
        """They are ids of the index like others, but not the numbers of rows; those are written as ever."""
        index, kith = self.labelled("l.faiss", [3 * i + 10 for i in range(N)]), self.path("l.kith")
        self.assertIn(", with ids 10 ... 127", self.ok("convert", index, kith).out)
        self.assertRegex(self.ok("info", kith).out, r"(?m)^ids          10 \.\.\. 127, as they were given$")
        self.assertIsNone(json.loads(self.ok("info", kith, "--json").out)["labels"])
        self.assertIn("ids      10 ... 127, as they were given", self.ok("search", kith, self.q).out)
        self.assertTrue(json.loads(self.ok("search", kith, self.q, "--json").out)["labels"])
        self.ok("search", kith, self.q, "-k", 2, "--ids", self.path("o.npy"))
        with open(self.path("o.npy"), "rb") as file:
            self.assertIn(b"'<i4'", file.read())
        plain = self.path("plain.kith")
        self.assertNotIn(" ... ", self.ok("info", plain).out)
        self.assertEqual(json.loads(self.ok("info", plain, "--json").out)["ids"], {"min": 0, "max": N - 1})
        self.assertNotIn("with", self.ok("convert", plain, self.path("m.kith")).out)

    def test_benchmarks_compare_rows(self):
        index = self.labelled("l.faiss", [i // 2 for i in range(N)])
        self.fails(1, "bench", "-b", self.b, "-q", self.q, "-l", index, says=["has labels", "kith search --truth"],
                   env={"XDG_CACHE_HOME": self.folder})


class Preset(Case):
    def test_parameters_are_told(self):
        """Those of FAISS's file, and of kith's that was made of it; a search says that it has others."""
        rows = [[float(i * j % 11) for j in range(DIM)] for i in range(N)]
        b, kith, faiss = self.vectors("b.fvecs", rows), self.path("a.kith"), self.path("a.faiss")
        self.ok("build", b, "-i", "IVF10,Flat", "-o", kith)
        self.assertEqual(json.loads(self.ok("info", kith, "--json").out)["preset"], {})
        self.assertNotIn("preset", self.ok("search", kith, b).out)
        self.ok("convert", kith, faiss)
        self.assertIn("--set nprobe=8", self.ok("convert", faiss, self.path("c.kith")).out)
        for index in (faiss, self.path("c.kith")):
            self.assertRegex(self.ok("info", index).out, r"(?m)^nprobe       8\n +as FAISS searches; .* --set nprobe=8$")
            self.assertEqual(json.loads(self.ok("info", index, "--json").out)["preset"], {"nprobe": 8})
            self.assertIn("preset   not used: nprobe=8,", self.ok("search", index, b).out)
            self.assertNotIn("preset", self.ok("search", index, b, "-s", "nprobe=1").out)
