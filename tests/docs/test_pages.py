"""Everything that the documentation lets a reader type is typed: commands, C, Python and CMake, page by page.

    test_pages.py [PAGE…]     some pages alone; -v names each block as it is run

plan.py says what is not run and why, and what stands for "run it" where a block is no command. A block that nothing is
known about fails, and so does a line of the plan that fits nothing any more. Environment: KITH_BUILD_ROOT, the build
directory; PYTHON, a python3 with NumPy; KITH_TEST_LONG=1: with the amounts of data that the pages show.

KITH_FRESH=DIRECTORY is fresh.sh's: the pages are played in that copy of the sources, in which nothing is built, and what
they install goes to /usr/local, where programs and libraries are then found.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import pages
import plan
from pages import ROOT

BUILD = os.path.abspath(os.environ.get("KITH_BUILD_ROOT", os.path.join(ROOT, "build")))
PYTHON = os.environ.get("PYTHON", sys.executable)
COMPILER = os.environ.get("CC", "cc")
TREE = ("benchmarks", "datasets", "docs", "examples", "include", "lib", "python", "tests")
FRESH = os.environ.get("KITH_FRESH")
WHOLE = os.environ.get("KITH_TEST_LONG") == "1" and not FRESH
HAS_NUMPY = subprocess.run([PYTHON, "-c", "import numpy"], stderr=subprocess.DEVNULL, check=False).returncode == 0

NOT_RUN = []

# `./run` in a page's folder: it neither configures nor builds, which a test must not do to the build that it tests.
RUN = """#!/bin/sh
case "$1 $2" in
"bench open") shift 2; exec build/benchmarks/bench_open "$@" ;;
bench\\ *) shift; exec build/benchmarks/bench_micro "$@" ;;
help\\ *) exec "{root}/run" help ;;
esac
echo "the test of the pages does not know ./run $*" >&2
exit 1
"""


def setUpModule():
    """kith as `meson install` leaves it, in a folder that is not the system's."""
    global STAGE
    if FRESH:
        return
    STAGE = tempfile.mkdtemp(prefix="kith-stage-")
    unittest.addModuleCleanup(shutil.rmtree, STAGE)
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", STAGE], check=True,
                   stdout=subprocess.DEVNULL)
    pc = find(STAGE, "kith.pc")
    with open(pc, encoding="utf-8") as file:
        old = file.read()
    prefix = re.search("^prefix=(.*)$", old, re.M)[1]
    with open(pc, "w", encoding="utf-8") as file:
        file.write(old.replace(f"prefix={prefix}", f"prefix={STAGE}{prefix}"))


def tearDownModule():
    """What was left out, always: a test that passes says what it did not try."""
    print("\n".join(NOT_RUN), flush=True)


def find(folder, name):
    return next(os.path.join(at, name) for at, _, names in os.walk(folder) if name in names)


def environment(folder):
    if FRESH:  # as in a new shell
        kept = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "CCACHE_DISABLE") if name in os.environ}
        return dict(kept, PATH="/usr/local/bin:/usr/bin:/bin", HOME=os.environ["HOME"], TERM="dumb", PYTHONDONTWRITEBYTECODE="1", CC="cc")
    package = os.path.join(BUILD, "python")
    libraries = os.path.dirname(os.path.dirname(find(STAGE, "kith.pc")))
    return dict(os.environ, PATH=f"{folder}/bin:{os.path.dirname(find(STAGE, 'kith'))}:{os.environ['PATH']}", HOME=folder,
                PKG_CONFIG_PATH=f"{libraries}/pkgconfig", LD_LIBRARY_PATH=libraries, PYTHONPATH=package, CC=COMPILER,
                CMAKE_PREFIX_PATH=os.path.dirname(os.path.dirname(find(STAGE, "kith"))), PYTHONDONTWRITEBYTECODE="1",
                XDG_CACHE_HOME=f"{folder}/cache", OPENBLAS_NUM_THREADS="1", MPLBACKEND="agg", TERM="dumb")


def folder_of(test):
    """A folder in which the tree's own folders are to be seen, and `build`: what the pages call "the sources"."""
    if FRESH:
        return FRESH
    folder = tempfile.mkdtemp(prefix="kith-page-")
    test.addCleanup(shutil.rmtree, folder)
    for name in TREE:
        os.symlink(os.path.join(ROOT, name), os.path.join(folder, name))
    os.symlink(BUILD, os.path.join(folder, "build"))
    os.mkdir(os.path.join(folder, "bin"))
    os.symlink(shutil.which(PYTHON), os.path.join(folder, "bin", "python3"))
    write(os.path.join(folder, "run"), RUN.format(root=ROOT))
    os.chmod(os.path.join(folder, "run"), 0o755)
    return folder


def write(path, content):
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)


def figures(text):
    """Without what differs from run to run and machine to machine: numbers, units, how many spaces line them up."""
    text = re.sub(r"\b(1 thread|\d+ threads), \w+$", "# threads, ISA", text, flags=re.M)
    text = re.sub(r"\d[\d.,]*(e[-+]\d+)?( ?[kMG]?(B|s|queries/s)\b)?", "#", text)
    return [re.sub(r"\s+", " ", line).strip() for line in text.split("\n") if line.strip()]


class Page:
    """One page, played from the first block to the last."""

    first_demo = ""  # what ./run demo printed when it had something to build

    def __init__(self, test, name):
        self.test, self.name, self.folder = test, name, folder_of(test)
        self.env = environment(self.folder)
        self.python, self.fragments, self.printed, self.demo = [], [], "", ""
        self.unused = {rule for table in (plan.BLOCKS, plan.SKIP, plan.NEEDS, plan.SMALLER) for rule in table.get(name, ())}

    def play(self):
        for command in plan.BEFORE.get(self.name, ()):
            self.shell(command, command)
        for block in pages.blocks(self.name):
            self.say(f"{block}: {block.kind}: {block.text.splitlines()[0]}")
            getattr(self, self.kind_of(block))(block)
        self.run_python()
        self.run_fragments()
        for rule in self.unused:
            if not (WHOLE and rule in plan.SMALLER.get(self.name, ())):
                self.test.fail(f"plan.py knows {rule[0]!r} in {self.name}, where nothing is like it")

    def not_run(self, what, why):
        NOT_RUN.append(f"not run: {self.name}: {what}: {why}")
        self.say("    " + NOT_RUN[-1])

    def say(self, text):
        if "-v" in sys.argv:
            print(text, flush=True)

    def kind_of(self, block):
        for rule in plan.BLOCKS.get(self.name, ()):
            if re.match(rule[0], block.text):
                self.unused.discard(rule)
                return "block_" + rule[1]
        kind = {"indented": "sh", "plain": "session" if block.session else "unknown"}.get(block.kind, block.kind)
        return "block_" + (kind if hasattr(self, "block_" + kind) else "unknown")

    def block_unknown(self, block):
        self.test.fail(f"{block}: nothing says what this block is: {block.text}")

    # --- commands ------------------------------------------------------------------------------------

    def skipped(self, command):
        for rule in plan.SKIP.get(self.name, ()):
            if re.search(rule[0], command):
                self.unused.discard(rule)
                if FRESH and rule[1] == plan.LONG:
                    return False
                self.not_run(command, rule[1])
                return True
        return False

    def needs(self, command):
        for rule in plan.NEEDS.get(self.name, ()):
            if re.search(rule[0], command):
                self.unused.discard(rule)
                if not shutil.which(rule[1]):
                    self.not_run(command, f"no {rule[1]}")
                    return True
        return False

    def smaller(self, command):
        for rule in () if WHOLE else plan.SMALLER.get(self.name, ()):
            if re.search(rule[0], command):
                self.unused.discard(rule)
                command = re.sub(rule[0], rule[1], command)
        return command

    def shell(self, where, command):
        """A command in a shell. What it exports stays for the next one."""
        kept = os.path.join(self.folder, ".exported")
        script = f"[ ! -f {kept} ] || . {kept}\n{command}\nstatus=$?\nexport -p >{kept}\nexit $status\n"
        start = time.monotonic()
        done = subprocess.run(["bash", "-o", "pipefail", "-c", script], cwd=self.folder, env=self.env, timeout=1800, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.printed = done.stdout.decode(errors="replace")
        self.say(f"    {time.monotonic() - start:.1f} s: {command}")
        if command.startswith("./run demo"):
            self.demo = self.printed
            Page.first_demo = Page.first_demo or self.printed
        self.test.assertEqual(done.returncode, 0, f"{where}: {command}\n{self.printed}")

    def block_sh(self, block):
        for line, command in block.commands():
            if not self.skipped(command):
                command = self.smaller(command)
                if not self.needs(command):
                    self.shell(f"{self.name}:{line}", command)

    def block_session(self, block):
        for command, shown in block.exchanges():
            self.shell(block, command)
            self.test.assertEqual(self.printed.rstrip("\n").split("\n") if self.printed else [],
                                  shown if shown else self.printed.rstrip("\n").split("\n"), f"{block}: {command}")

    def block_output(self, block):
        self.run_python()
        printed = [line.strip() for line in self.printed.split("\n")]
        for line in block.text.split("\n"):
            self.test.assertIn(line.strip(), printed, f"{block}: not printed by what stands before it")

    def block_demo(self, block):
        """What the page shows of ./run demo, against that or, where all is built, the part of it that then runs."""
        if not FRESH:
            self.shell(block, "bash examples/demo.sh build")
        got, shown = figures(self.demo or self.printed), figures(block.text)
        begins = next(i for i, line in enumerate(shown) if line.startswith("$ kith"))
        self.test.assertEqual(begins, 2, f"{block}: what is printed while it builds")
        for line in shown[:begins] if FRESH else ():
            begin = line.split(",")[0]
            self.test.assertIn(begin, [said.split(",")[0] for said in figures(Page.first_demo)], f"{block}: not printed while it builds")
        self.test.assertEqual(shown[begins:], got[-len(shown) + begins:], f"{block}: ./run demo prints something else")

    def block_quote(self, block):
        squeezed = re.sub(r"\s+", " ", block.text).strip()
        for folder in ("lib", "kernels", "include"):
            for at, _, names in os.walk(os.path.join(ROOT, folder)):
                for name in names:
                    with open(os.path.join(at, name), encoding="utf-8") as file:
                        if squeezed in re.sub(r"\s+", " ", file.read()):
                            return
        self.test.fail(f"{block}: the sources no longer have this: {block.text}")

    def block_layout(self, block):
        pass

    block_text = block_layout

    def block_added(self, block):
        self.say("    tests/docs/test_adding.py does it")

    def block_js(self, block):
        self.say("    tests/sqlite/test_node.py runs it, where there is better-sqlite3")

    # --- programs ------------------------------------------------------------------------------------

    def block_python(self, block):
        if not HAS_NUMPY:
            self.not_run(block.text.split("\n", 1)[0], "no NumPy")
            return
        self.python += ["\nprint('>>>')\n", block.text]

    def run_python(self):
        """The page's programs, one after another as its reader would. What the last one printed is what counts."""
        if self.python:
            write(os.path.join(self.folder, "page.py"), "".join(self.python))
            self.shell(self.name, "python3 page.py")
            self.printed = self.printed.rsplit(">>>\n", 1)[1]
            self.python = []

    def block_sql(self, block):
        """Statements for the SQLite extension, one block after another in one database."""
        extension = os.path.join(BUILD, "sqlite", "kith_sqlite.so")
        can = subprocess.run([PYTHON, "-c", "import sqlite3; sqlite3.connect(':memory:').enable_load_extension(True)"],
                             stderr=subprocess.DEVNULL, check=False).returncode == 0
        if FRESH or not os.path.exists(extension) or not can:
            self.not_run(block.text.split("\n", 1)[0], "no SQLite extension, or a python3 that loads none")
            return
        write(os.path.join(self.folder, "block.sql"), block.text)
        write(os.path.join(self.folder, "block.py"), "import sqlite3\nc = sqlite3.connect('page.db')\nc.enable_load_extension(True)\n"
              f"c.load_extension({extension!r})\nc.executescript(open('block.sql', encoding='utf-8').read())\n")
        self.shell(block, "python3 block.py")

    def block_c(self, block):
        if re.search(r"^int main\(", block.text, re.M):
            write(os.path.join(self.folder, "first.c"), block.text)
            self.shell(block, '$CC -std=c17 -Wall -Wextra -Werror -pedantic first.c -o tried '
                              '$(pkg-config --cflags --libs kith) && ./tried')
        else:
            self.fragments.append(block)

    def block_cpp(self, block):
        """A program; the page says how it is compiled."""
        write(os.path.join(self.folder, "first.cc"), block.text)
        if shutil.which("c++"):
            self.shell(block, "c++ -std=c++11 -Wall -Wextra -Werror -fsyntax-only first.cc $(pkg-config --cflags kith)")

    def block_cmake(self, block):
        if not shutil.which("cmake"):
            self.not_run(block.text.split("\n", 1)[0], "no CMake")
            return
        os.makedirs(os.path.join(self.folder, "project"), exist_ok=True)
        shutil.copy(os.path.join(ROOT, "examples", "first.c"), os.path.join(self.folder, "project", "first.c"))
        write(os.path.join(self.folder, "project", "CMakeLists.txt"),
              "cmake_minimum_required(VERSION 3.16)\nproject(program C)\nadd_executable(program first.c)\n" + block.text)
        self.shell(block, "cmake -S project -B cmake && cmake --build cmake && cmake/program")

    def run_fragments(self):
        if not self.fragments:
            return
        base = os.path.splitext(os.path.basename(self.name))[0]
        with open(os.path.join(ROOT, "tests", "docs", "fragments", base + ".c"), encoding="utf-8") as file:
            frame = file.read()
        checked = [checked_calls(block) for block in self.fragments]
        write(os.path.join(self.folder, "fragments.c"), frame.replace("\tFRAGMENTS\n", "\n".join(checked)))
        self.shell(self.name, "$CC -std=c17 -Wall -Wextra -Wno-unused-variable fragments.c -o fragments "
                              f"-I'{os.path.join(ROOT, 'tests', 'docs', 'fragments')}' "
                              "$(pkg-config --cflags --libs kith) && ./fragments")


def checked_calls(block):
    """Every call that returns a status, checked; what an index was is freed before another takes its name."""
    out = [f'#line {block.line} "{block.page}"\n']
    statements = re.split(r"(?<=;)", re.sub(r"/\*.*?\*/", "", block.text, flags=re.S))
    for statement in statements:
        call = re.match(r"(\s*)(kith_\w+\((?:.|\n)*\));$", statement)
        if call and not call[2].startswith(("kith_index_free", "kith_filter_free")):
            if re.match(r"kith_index_(new|open|open_at)\(&index", call[2]):
                out.append(f"{call[1]}kith_index_free(index);")
            statement = f"{call[1]}OK({call[2]});"
        out.append(statement)
    return "".join(out) + "\n"


class Pages(unittest.TestCase):
    def test_names(self):
        """Inline code names commands and options that there are."""
        if FRESH:
            self.skipTest("what the pages install is another's")
        env = environment(folder_of(self))
        run_help = subprocess.run([os.path.join(ROOT, "run"), "help"], check=True, stdout=subprocess.PIPE).stdout.decode()
        known = {}
        for page in pages.pages():
            for code in pages.inline_code(page):
                words = code.split()
                if words[0] == "./run" and len(words) > 1:
                    self.assertRegex(run_help, rf"(?m)^  {words[1]}\b", f"{page}: `{code}`")
                if words[:2] == ["./run", "bench"] and len(words) > 2:
                    self.assertRegex(run_help, rf"(?m)^  bench {words[2]}\b", f"{page}: `{code}`")
                if words[0] == "kith" and len(words) > 1 and re.match("[a-z]+$", words[1]):
                    if words[1] not in known:
                        done = subprocess.run(["kith", "help"] + words[1:2] * (words[1] != "help"), env=env, check=False,
                                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                        self.assertEqual(done.returncode, 0, f"{page}: `{code}`: there is no such command")
                        known[words[1]] = done.stdout.decode()
                    for option in re.findall(r"(?<= )--[a-z-]+", code):
                        self.assertIn(option, known[words[1]], f"{page}: `{code}`")

    def test_headers(self):
        """Each public header stands in the table of docs/getting-started.md."""
        for name in os.listdir(os.path.join(ROOT, "include", "kith")):
            if name != "kith.h":
                self.assertIn(f"`kith/{name}`", pages.text("docs/getting-started.md"))

    def test_links(self):
        """Links between pages lead to files that there are, and to headings that they have."""
        for page in pages.pages():
            for target in re.findall(r"\]\(([^)\s]+)\)", pages.text(page)):
                if re.match(r"\w+:", target):
                    continue
                path, _, heading = target.partition("#")
                path = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
                self.assertTrue(os.path.exists(os.path.join(ROOT, path)), f"{page}: {target}")
                if heading:
                    heads = [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-")
                             for head in re.findall(r"^#+ (.*)$", pages.text(path), re.M)]
                    self.assertIn(heading, heads, f"{page}: {target}")

    def test_plan(self):
        for table in (plan.BLOCKS, plan.SKIP, plan.NEEDS, plan.SMALLER, plan.BEFORE):
            for page in table:
                self.assertIn(page, pages.pages(), "plan.py speaks of a page that there is not")


def add_pages():
    for name in pages.pages():
        if name != "docs/commands.md":  # what the program prints: tests/tools/test_docs.py
            label = "test_" + re.sub(r"\W", "_", name.lower())
            setattr(Pages, label, lambda test, name=name: Page(test, name).play())


add_pages()

if __name__ == "__main__":
    unittest.main()
