"""docs/commands.md shows each command's --help as it is."""
import os
import re
import shlex
import sys
import tempfile
import unittest

from support import ROOT, Run

PAGE = os.path.join(ROOT, "docs", "commands.md")
HEAD = """# The kith program

What `kith help COMMAND` prints, for every command. The tests compare this page with the program;
`KITH_BIN=build/tools/kith python3 tests/tools/test_docs.py --write` writes it anew.
"""


def commands():
    overview = Run(["--help"]).out
    return re.findall(r"^  ([a-z]+) +[A-Z]", overview.split("Commands:")[1].split("\n\n")[0], re.M)


def page():
    return HEAD + "".join(f"\n## {name}\n\n```text\n{Run(['help', name]).out}```\n" for name in commands())


class Docs(unittest.TestCase):
    def test_commands(self):
        self.assertGreaterEqual(len(commands()), 10)
        with open(PAGE, encoding="utf-8") as file:
            self.assertEqual(file.read(), page(), "docs/commands.md is not what the program says")

    def test_guide(self):
        """What docs/choosing-an-index.md lets the reader type runs as it stands."""
        with open(os.path.join(ROOT, "docs", "choosing-an-index.md"), encoding="utf-8") as file:
            block = re.search(r"```sh\n(.*?)```", file.read(), re.S)[1]
        lines = block.strip().split("\n")
        self.assertEqual([line.split()[:2] for line in lines], [["kith", c] for c in ("gen", "bench", "tune")])
        with tempfile.TemporaryDirectory(prefix="kith-docs-") as folder:
            for line in lines:
                run = Run(shlex.split(line)[1:], cwd=folder, env={"XDG_CACHE_HOME": folder})
                self.assertEqual(run.code, 0, f"{line}: {run.err}")
            self.assertIn("kith build data/base.fvecs --index", run.out)

    def test_help_is_readable(self):
        for name in commands():
            text = Run(["help", name]).out
            self.assertEqual(Run([name, "--help"]).out, text)
            self.assertIn(f"Usage: kith {name} ", text)
            for line in text.split("\n"):
                self.assertLessEqual(len(line), 90, line)


if __name__ == "__main__":
    if "--write" in sys.argv:
        with open(PAGE, "w", encoding="utf-8") as out:
            out.write(page())
    else:
        unittest.main()
