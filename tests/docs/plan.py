"""What tests/docs/test_pages.py does with each page, where it is not what every block gets by itself.

By itself a block of shell commands is run, each page in a folder of its own, in the page's order; Python programs are
run one after another in one process; a C program is compiled as the page says, fragments of C inside a function that
declares what they speak of (fragments/PAGE.c). Everything else is listed here, with its reason.
"""

# {page: [(regular expression at the beginning of a block's text, what it is)]}
#   output       what the command or program before it prints (somewhere in what it printed, line by line)
#   session      as a block that begins with "$ "
#   quote        lines of the sources, which are compared with them
#   cmake        lines of a CMakeLists.txt, which is configured and built
#   added        goes into a copy of the sources: tests/docs/test_adding.py does it
#   layout       a picture of bytes or of folders: nothing to run
#   demo         what ./run demo prints, compared with what it prints, but for figures
BLOCKS = {
    "README.md": [
        (r"Configuring build/", "demo"),
        (r"<kith.Index", "output"),
    ],
    "docs/getting-started.md": [
        (r"find_package\(kith", "cmake"),
    ],
    "docs/add-a-codec.md": [(r"", "added")],
    "docs/add-a-metric.md": [(r"", "added")],
    "docs/add-a-kernel.md": [(r"KERNEL\(l2sq_f32", "quote")],
    "docs/add-a-structure.md": [(r"const struct flat", "quote"), (r"", "added")],
    "docs/file-format.md": [(r"header \| section", "layout")],
    "ARCHITECTURE.md": [(r"query ──►", "layout"), (r"api ─►", "layout")],
}

# {page: [(regular expression in a command, why the command is not run)]}. LONG: KITH_TEST_LONG=1 does it, in a copy of
# the sources and with a /usr/local of its own.
LONG = "the long form runs it"
MACHINE = "the tests of installation do it (suite install)"
ITSELF = "it is what runs this test"
DEVELOP = "checks the sources, not the page"
PEERS = "measures for minutes beside other libraries; tests/tools/test_peers.py runs these programs on little data"
SKIP = {
    "docs/sqlite.md": [
        (r"^apt install libsqlite3-dev", MACHINE),
        (r"^sqlite3 my.db", "tests/sqlite does it, where there is a shell"),
    ],
    "README.md": [
        (r"^\./run demo$", LONG),
        (r"^\./run test$", ITSELF),
    ],
    "CONTRIBUTING.md": [
        (r"^\./run test\b|^ninja -C build &&", ITSELF),
        (r"^\./run lint|^\./run bench", DEVELOP),
        (r"…", "stands for any test"),
    ],
    "benchmarks/README.md": [
        (r"^(LD_LIBRARY_PATH=\S+ )?\./run bench (compare|picture|recall|tables|peers)\b", PEERS),
        (r"^\./run bench paired\b", "compares two builds of kith"),
        (r"^benchmarks/peers/ratios\.py", PEERS),
        (r"^PYTHONPATH=build/python benchmarks/python/overhead\.py", "takes minutes"),
    ],
    "datasets/README.md": [
        (r"^datasets/fetch (?!--list|.*--stand-in)", "takes gigabytes from the network; tests/tools/test_datasets.py has a server of its own"),
    ],
    "docs/add-a-kernel.md": [(r"--only NAME", "NAME is the reader's kernel")],
    "docs/getting-started.md": [
        (r"^\./run demo\b|^meson |^export PATH=\$HOME", LONG),
        (r"^\./run test\b", ITSELF),
    ],
    "docs/python.md": [
        (r"^meson install|^env/bin/pip install|^python3 -m venv|^\./run wheel", MACHINE),
    ],
}

# {page: [(regular expression, the program without which a command is not run)]}
NEEDS = {
    "benchmarks/README.md": [(r"--plot\b", "gnuplot")],
    "docs/getting-started.md": [(r"--plot\b|^kith plot", "gnuplot"), (r"^c\+\+ |^\./first_cc", "c++")],
}

# {page: [(regular expression, what stands in its place)]}: the same commands on less data, so that the test takes seconds.
# The long form runs them as they are.
SMALLER = {
    "docs/getting-started.md": [(r"--n 100000\b", "--n 3000"), (r"--queries 1000\b", "--queries 100"), (r"\bnprobe=1:64", "nprobe=1:8"),
                                (r"\befSearch=16:256", "efSearch=16:32"), (r"^kith tune .*--recall 0.95", r"\g<0> --index IVF64,Flat --index HNSW16")],
    "docs/choosing-an-index.md": [(r"--n 20000\b", "--n 6000")],
    "benchmarks/README.md": [(r"\bnprobe=1:256", "nprobe=1:4"), (r"--dim 128,960 --isa avx2,avx512", "--quick --dim 128 --isa ref")],
    "datasets/README.md": [(r"--n 1000000\b", "--n 5000"), (r"--queries 10000\b", "--queries 50"), (r"--rows 100000\b", "--rows 300")],
}

# {page: commands that make what the page takes for granted}
BEFORE = {
    "benchmarks/README.md": [
        "kith gen --type u8 --n 3000 --dim 16 --queries 50 --out .",
        "kith build base.bvecs --index Flat -o index.kith",
    ],
    "docs/coming-from-faiss.md": [
        "kith gen --n 3000 --dim 32 --queries 20 --format npy --out . && cp query.npy q.npy",
        "python3 -c 'import numpy, kith as faiss; x = numpy.load(\"base.npy\"); "
        "index = faiss.index_factory(32, \"IVF16,PQ8x4\"); index.train(x); index.add(x); "
        "faiss.write_index(index, \"theirs.faiss\", format=\"faiss\")'",
    ],
    "docs/python.md": ["printf 'import kith\\nprint(kith.__version__)\\n' >program.py"],
}
