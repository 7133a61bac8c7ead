"""docs/commands.md shows each command's --help as it is."""
import os
import re
import sys
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
