"""Options: one letter for one meaning, settings in use, pointers to what was meant, files in each other's places."""
import json
import os
import random

from support import Case, Run, float32
from test_docs import commands
from test_help import helped


class Letters(Case):
    def test_one_letter_means_one_thing(self):
        meaning = {}
        for name in commands():
            for option, (letter, _, _) in helped(name).items():
                if letter:
                    self.assertEqual(meaning.setdefault(letter, option), option, f"-{letter} in kith {name}")
        self.assertEqual((meaning["i"], meaning["b"], meaning["q"], meaning["o"]), ("index", "base", "query", "out"))

    def test_a_long_option_has_its_letter_everywhere(self):
        letters = {}
        for name in commands():
            for option, (letter, _, _) in helped(name).items():
                self.assertEqual(letters.setdefault(option, letter), letter, f"--{option} in kith {name}")

    def test_old_letters_are_errors(self):
        """They name the long option, and are no other option of the command."""
        for name, letter, option in (("search", "i", "ids"), ("knn", "i", "ids"), ("search", "b", "batch"),
                                     ("gen", "k", "truth"), ("gen", "d", "dim"), ("gen", "q", "queries"),
                                     ("gen", "s", "seed"), ("convert", "n", "count"), ("info", "q", "quick"),
                                     ("bench", "o", "json"), ("tune", "r", "recall")):
            self.assertNotIn(letter, [about[0] for about in helped(name).values()])
            for word in (f"-{letter}", f"-{letter}5"):
                self.fails(2, name, word, "x", says=[f"-{letter} ", f"--{option}", "write it out"])

    def test_letters_of_other_commands(self):
        self.fails(2, "knn", "-b", "x.fvecs", says=["'-b'", "BASE goes without one"])
        self.fails(2, "verify", "-i", "Flat", says=["'-i'", "kith build"])
        self.fails(2, "info", "-Z", says=["'-Z'", "--help"])


class Meant(Case):
    def test_unknown_options(self):
        for args, says in (
                (("search", "--nprobe", "16"), ["--nprobe", "--set nprobe=16"]),
                (("search", "--nprobe=16"), "--set nprobe=16"),
                (("search", "--ef", "50"), "--set efSearch=50"),
                (("search", "--ef-search", "50"), "--set efSearch=50"),
                (("search", "--efsearch=50"), "--set efSearch=50"),
                (("search", "--max-codes"), "--set max_codes=N"),
                (("build", "--efConstruction", "100"), "--set efConstruction=100"),
                (("build", "--ef", "100"), "--set efConstruction=100"),
                (("build", "--nprobe", "4"), ["'kith search'", "--set nprobe=4"]),
                (("bench", "--nprobe", "4"), "--set nprobe=4"),
                (("knn", "--nprobe", "4"), "'kith search'"),
                (("knn", "--base", "x"), ["BASE goes without one", "BASE QUERY"]),
                (("search", "--index", "x"), ["INDEX goes without one", "INDEX QUERY"]),
                (("build", "--base", "x"), "BASE goes without one"),
                (("eval", "--result", "x"), "RESULT goes without one"),
                (("build", "--output", "x"), "'--out'"),
                (("build", "--factory", "Flat"), "'--index'"),
                (("knn", "--topk", "3"), "'--k'"),
                (("bench", "--queries", "x"), "'--query'"),
                (("search", "--recall", "0.9"), "'kith tune'"),
                (("knn", "--METRIK", "l2"), "'--metric'"),
                (("knn", "--zzzzzzzz"), "--help")):
            with self.subTest(args=args):
                self.fails(2, *args, says=says)

    def test_abbreviations(self):
        """One that could be two options, or is the name of something else, is an error that names them."""
        for args, says in (
                (("eval", "--truth", "x", "a", "b"), ["'--truth' is not taken as short for '--truth-distances'",
                                                      "TRUTH goes without one"]),
                (("eval", "--truth=x", "a", "b"), "'--truth' is not taken as short for"),
                (("build", "--tr", "x"), ["'--tr' is short for more than one option: '--train', '--train-size'"]),
                (("bench", "--h"), ["'--html', '--help'"]),
                (("plot", "--ti"), "--title needs a value")):
            with self.subTest(args=args):
                self.fails(2, *args, says=says)
        b = self.vectors("b.fvecs", [[1, 2], [3, 4]])
        self.assertEqual(json.loads(self.ok("knn", b, b, "--met", "ip", "--js", "--thread=1").out)["metric"], "ip")
        self.assertEqual(json.loads(self.ok("knn", "--met", "ip", b, "--js", b).out)["metric"], "ip")

    def test_options_of_other_commands(self):
        self.fails(2, "search", "--train", "x", says="it is an option of 'kith build', 'kith convert'")

    def test_words_that_were_meant(self):
        b = self.vectors("b.fvecs", [[1, 2], [3, 4]])
        self.fails(2, "knn", b, b, "-m", "cosin", says="did you mean 'cosine'?")
        self.fails(2, "convert", b, self.path("x.npy"), "--type", "f23", says="did you mean 'f32'?")
        self.fails(2, "knn", b, b, "-m", "hamming", says="must be one of l2|ip|cosine|l1|linf|canberra|braycurtis|jensenshannon|jaccard|naneuclidean|lp3, not 'hamming'\n")

    def test_files_that_were_meant(self):
        b = self.vectors("base.fvecs", [[1, 2], [3, 4]])
        self.vectors("groundtruth.ivecs", [[1]])
        for name in ("Base.fvecs", "bsae.fvecs", "base.npy", "base", "base.fvec"):
            self.fails(1, "knn", self.path(name), b, says=[f"{name}': no such file; did you mean '{b}'?"])
        self.fails(1, "info", self.path("truth.ivecs"), says="truth.ivecs': no such file\n")
        self.fails(1, "search", self.path("none.kith"), b, says="none.kith': no such file\n")
        self.fails(1, "verify", self.path("none.kith"), says="none.kith': no such file\n")
        self.fails(1, "info", self.path("none/base.fvecs"), says="no such file\n")
        for args in (("info", self.folder), ("verify", self.folder), ("knn", b, self.folder), ("search", self.folder, b),
                     ("convert", self.folder, self.path("x.npy"))):
            self.fails(1, *args, says=f"'{self.folder}' is a directory; give the name of a file")

    def test_options_that_would_do_nothing(self):
        i = self.vectors("i.ivecs", [[1]])
        self.fails(2, "eval", i, i, "-m", "ip", says=["--metric is of distances", "--base and --query"])
        self.fails(2, "gen", "-o", self.path("g"), "-m", "ip", says=["--metric is of the ground truth", "--truth K"])
        self.fails(2, "info", "--quick", says="kith info --quick FILE")
        self.assertFalse(os.path.exists(self.path("g")))

    def test_all_queries_in_a_call(self):
        b, index = self.vectors("b.fvecs", [[1, 2], [3, 4]]), self.path("i.kith")
        self.ok("build", b, "-i", "Flat", "-o", index)
        self.assertEqual(json.loads(self.ok("search", index, b, "--batch", "all", "--json").out)["calls"], 1)
        self.assertEqual(json.loads(self.ok("search", index, b, "--batch", 1, "--json").out)["calls"], 2)
        for value in ("0", "-1", "every", "1x"):
            self.fails(2, "search", index, b, "--batch", value, says=["--batch", "at least 1, or all"])

    def test_unknown_settings(self):
        for name, says in (("ef=3", "'efSearch'"), ("EFSEARCH=3", "'efSearch'"), ("ef_search=3", "'efSearch'"),
                           ("NPROBE=3", "'nprobe'"), ("nprobes=3", "'nprobe'"), ("maxcodes=3", "'max_codes'")):
            self.fails(2, "search", "--set", name, says=says)
        self.fails(2, "build", "--set", "ef=3", says="'efConstruction'")

    def test_too_many_arguments(self):
        self.fails(2, "bench", "b.fvecs", "q.fvecs", says=["'b.fvecs'", "--base FILE --query FILE"])
        self.fails(2, "tune", "b.fvecs", "q.fvecs", says="--base FILE --query FILE")
        self.fails(2, "build", "b.fvecs", self.path("i.kith"), says=["--out", "i.kith"])
        self.fails(2, "knn", "a", "b", "c", says=["'c'", "BASE QUERY"])

    def test_words_in_any_case(self):
        b = self.vectors("b.fvecs", [[1, 2], [3, 4]])
        for metric in ("L2", "Cosine", "IP", "ip"):
            report = json.loads(self.ok("knn", b, b, "-m", metric, "--json").out)
            self.assertEqual(report["metric"], metric.lower())
        self.fails(2, "knn", b, b, "-m", "L3", says=["-m must be one of", "'L3'"])

    def test_exponents(self):
        b = self.vectors("b.fvecs", [[1, 2], [3, 4]])
        for metric in ("lp", "lp0", "lp-1", "lpx", "lp3x", "lpinf", "lpnan"):
            self.fails(2, "knn", b, b, "-m", metric, says=["-m must be one of", repr(metric)])
        self.assertEqual(json.loads(self.ok("knn", b, b, "-m", "lp2.5", "--json").out)["metric"], "lp2.5")

    def test_factory_words(self):
        b = self.vectors("b.fvecs", [[1, 2], [3, 4]])
        for word, meant in (("Flatt", "Flat"), ("HSNW32", "HNSW32"), ("hnsw32", "HNSW32"), ("flat", "Flat"),
                            ("IVF1,PQ1,rflat", "RFlat")):
            self.fails(1, "build", b, "-i", word, "-o", self.path("x.kith"), says=["build: --index: ", f"did you mean '{meant}'"])
        for word in ("SQ9", "SQ3", "IVF1,SQ16", "Flat,Refine(SQ12)"):
            self.fails(1, "build", b, "-i", word, "-o", self.path("x.kith"), says=["SQ8, SQ6 or SQ4"])

    def test_version(self):
        self.assertEqual(self.ok("version").out, self.ok("--version").out)
        self.assertEqual("kith " + json.loads(self.ok("version", "--json").out)["version"], self.ok("-V").out.strip())


class Places(Case):
    """Files in each other's places."""

    def setUp(self):
        super().setUp()
        rng = random.Random(5)
        self.b = self.vectors("b.fvecs", [[float32(rng.gauss(0, 1)) for _ in range(8)] for _ in range(200)])
        self.q = self.vectors("q.fvecs", [[float32(rng.gauss(0, 1)) for _ in range(8)] for _ in range(5)])
        self.ivf, self.hnsw, self.flat = self.path("ivf.kith"), self.path("h.kith"), self.path("f.kith")
        self.ok("build", self.b, "-i", "IVF4,PQ2x4,RFlat", "-o", self.ivf)
        self.ok("build", self.b, "-i", "HNSW8", "-o", self.hnsw)
        self.ok("build", self.b, "-i", "Flat", "-o", self.flat)

    def search(self, index, *options):
        return json.loads(self.ok("search", index, self.q, "--json", *options).out)["settings"]

    def test_swapped(self):
        for args, says in (
                (("search", self.q, self.ivf), [f"kith search {self.ivf} {self.q}", "comes first"]),
                (("search", self.b, self.q), ["b.fvecs' holds vectors", "kith build", "kith knn"]),
                (("search", self.ivf, self.hnsw), ["h.kith' is an index file, not vectors"]),
                (("knn", self.ivf, self.q), ["ivf.kith' is an index file, not vectors", "kith search"]),
                (("knn", self.b, self.ivf), "ivf.kith' is an index file"),
                (("build", self.ivf, "-i", "Flat", "-o", self.path("x.kith")), "ivf.kith' is an index file"),
                (("eval", self.ivf, self.q), "ivf.kith' is an index file"),
                (("tune", "-b", self.ivf, "-q", self.q), "ivf.kith' is an index file"),
                (("bench", "-b", self.ivf, "-q", self.q, "-i", "Flat"), "ivf.kith' is an index file"),
                (("plot", self.ivf, "-o", self.path("x.svg")), "ivf.kith' is an index file"),
                (("verify", self.b), ["b.fvecs' holds vectors", "kith info"])):
            with self.subTest(args=args):
                self.fails(1, *args, says=says)
        for args, says in (
                (("build", self.b, "-i", self.b, "-o", self.path("x.kith")), ["--index", "factory string"]),
                (("build", self.b, "-i", self.ivf, "-o", self.path("x.kith")), ["--index", "is an index file"]),
                (("bench", "-b", self.b, "-q", self.q, "-i", self.ivf), "--load opens it"),
                (("bench", "-b", self.b, "-q", self.q, "-l", "IVF4,Flat"), ["factory string", "--index IVF4,Flat"]),
                (("tune", "-b", self.b, "-q", self.q, "-i", self.ivf), "is an index file"),
                (("build", self.b, "-i", "Flat", "-o", self.path("x.fvecs")), ["--out", "file of vectors"]),
                (("build", self.b, "-i", "Flat", "-o", self.path("x.npy")), ["--out", "file of vectors"])):
            with self.subTest(args=args):
                self.fails(2, *args, says=says)
        self.assertFalse(os.path.exists(self.path("x.fvecs")))

    def test_settings_in_use(self):
        """Those that count, defaults too, in the report and in JSON."""
        self.assertEqual(self.search(self.ivf, "-k", 3), {"nprobe": 4, "k_factor": 4}, "there are four lists")
        self.assertEqual(self.search(self.ivf, "--set", "nprobe=2,k_factor=1.5"), {"nprobe": 2, "k_factor": 1.5})
        self.assertEqual(self.search(self.hnsw), {"efSearch": 64})
        self.assertEqual(self.search(self.hnsw, "-k", 100), {"efSearch": 100}, "no fewer than results")
        self.assertEqual(self.search(self.flat), {})
        self.assertIn("efSearch = 64, ", self.ok("search", self.hnsw, self.q).out)
        self.assertIn("nprobe = 4, k_factor = 4, ", self.ok("search", self.ivf, self.q).out)
        self.ok("build", self.b, "-i", "IVF16,Flat", "-o", self.path("x.kith"))
        self.assertEqual(self.search(self.path("x.kith")), {"nprobe": 8})
        self.ok("build", self.b, "-i", "IVF16_HNSW8,Flat", "-o", self.path("x.kith"))
        self.assertEqual(self.search(self.path("x.kith")), {"nprobe": 8, "efSearch": None})
        self.assertIn("efSearch = automatic", self.ok("search", self.path("x.kith"), self.q).out)
        self.assertEqual(self.search(self.path("x.kith"), "--set", "efSearch=32"), {"nprobe": 8, "efSearch": 32})

    def test_settings_of_building(self):
        def built(spec, *options):
            run = self.ok("build", self.b, "-i", spec, "-o", self.path("x.kith"), "--json", *options)
            return json.loads(run.out)["settings"]
        self.assertEqual(built("HNSW8"), {"seed": 1234, "efConstruction": 200})
        self.assertEqual(built("HNSW8", "-s", "efConstruction=50"), {"seed": 1234, "efConstruction": 50})
        self.assertEqual(built("IVF4,Flat"), {"seed": 1234})
        self.assertEqual(built("Flat"), {})

    def test_bench_tells_them_too(self):
        run = self.ok("bench", "-b", self.b, "-q", self.q, "-i", "IVF16,Flat", "-i", "HNSW8", "-i", "Flat", "--runs", 1,
                      "--latency", 0, "--json", env={"XDG_CACHE_HOME": self.folder})
        indexes = json.loads(run.out)["indexes"]
        self.assertEqual([i["points"][0]["settings"] for i in indexes], [{"nprobe": 8}, {"efSearch": 64}, {}])
        self.assertEqual([i["build"] for i in indexes], [{"seed": 1234}, {"seed": 1234, "efConstruction": 200}, {}])

    def test_options_without_effect_are_said(self):
        out = self.path("x.kith")
        for index, setting, says in (
                (self.hnsw, "nprobe=4", ["--set nprobe has no effect", "HNSW8", "efSearch"]),
                (self.ivf, "efSearch=4", ["--set efSearch has no effect", "nprobe, max_codes, k_factor"]),
                (self.flat, "k_factor=2", ["--set k_factor has no effect", "Flat"])):
            with self.subTest(index=index):
                run = self.warned(says, "search", index, self.q, "--set", setting, "--json")
                self.assertNotIn(setting.split("=", 1)[0], json.loads(run.out)["settings"])
        for args, says in (
                (("-i", "Flat", "--train", self.b), "--train has no effect"),
                (("-i", "Flat", "--train-size", 10), "--train-size has no effect"),
                (("-i", "IVF4,Flat", "--reorder"), "--reorder has no effect"),
                (("-i", "IVF4,Flat", "-s", "efConstruction=9"), "--set efConstruction has no effect"),
                (("-i", "Flat", "-s", "seed=9"), "--set seed has no effect")):
            self.warned(says, "build", self.b, *args, "-o", out)
        few = ("bench", "-b", self.b, "-q", self.q, "--runs", 1, "--latency", 0, "-i", "HNSW8")
        env = {"XDG_CACHE_HOME": self.folder}
        self.warned("--sweep nprobe has no effect", *few, "-w", "nprobe=1:4", env=env)
        self.warned("--set k_factor has no effect", *few, "-s", "k_factor=2", env=env)
        self.ok(*few, "-i", "IVF4,Flat", "-w", "nprobe=1:2", env=env)

    def test_the_name_of_a_report(self):
        run = self.ok("bench", "-b", self.b, "-q", self.q, "--runs", 1, "--latency", 0, "-i", "Flat", "--name", "mine",
                      env={"XDG_CACHE_HOME": self.folder})
        self.assertTrue(run.out.startswith("name     mine\n"), run.out)

    def test_one_thread(self):
        for args in (("search", self.hnsw, self.q), ("knn", self.b, self.q),
                     ("build", self.b, "-i", "Flat", "-o", self.path("x.kith"))):
            self.assertIn(" 1 thread,", self.ok(*args, "-t", 1).out)
            self.assertIn(" 2 threads,", self.ok(*args, "-t", 2).out)


class Json(Case):
    def setUp(self):
        super().setUp()
        rng = random.Random(6)
        rows = [[float32(rng.gauss(0, 1)) for _ in range(8)] for _ in range(60)]
        self.args = ("bench", "-b", self.vectors("b.fvecs", rows), "-q", self.vectors("q.fvecs", rows[:5]), "-i", "Flat",
                     "--runs", 1, "--latency", 0)
        self.env = {"XDG_CACHE_HOME": self.folder}
        self.file = self.path("r.json")

    def report(self):
        with open(self.file, encoding="utf-8") as file:
            return json.load(file)

    def test_to_standard_output(self):
        for option in ("--json", "--json=-"):
            self.assertEqual(json.loads(self.ok(*self.args, option, env=self.env).out)["format"], "kith-bench")

    def test_to_a_file(self):
        run = self.ok(*self.args, f"--json={self.file}", env=self.env)
        self.assertIn("recall@10", run.out)
        self.assertEqual(self.report()["format"], "kith-bench")

    def test_the_old_spelling_works_with_a_note(self):
        run = self.warned(f"--json={self.file}", *self.args, "--json", self.file, env=self.env)
        self.assertIn("recall@10", run.out)
        self.assertEqual(self.report()["format"], "kith-bench")
        self.assertEqual(json.loads(Run([*self.args, "--json", "-"], env=self.env).out)["format"], "kith-bench")
