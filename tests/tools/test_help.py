"""Every option of every command is in its --help, with its default, and in the manual page; and the other way round."""
import os
import re
import shutil
import subprocess
import sys
import unittest

from support import BIN, ROOT, Case, Run
from test_docs import commands

TOOLS = os.path.join(ROOT, "tools")
sys.path.insert(0, TOOLS)
sys.dont_write_bytecode = True

import manpage  # noqa: E402

ENTRY = re.compile(r'\[(OPT_\w+)\] = \{\s*"([\w-]+)",\s*(?:\'(\w)\'|0),\s*(?:"([^"]*)"|NULL),')


def source_of(name):
    """The C file that defines a command."""
    for file in sorted(os.listdir(TOOLS)):
        if file.endswith(".c"):
            with open(os.path.join(TOOLS, file), encoding="utf-8") as opened:
                text = opened.read()
            if re.search(rf"^const struct command command_{name} = ", text, re.M):
                return text
    raise AssertionError(f"no file defines the command {name}")


def parsed(name):
    """{option: (letter, value)} of the table that the command line is read by."""
    text = source_of(name)
    return {option: (letter or None, value or None) for _, option, letter, value in ENTRY.findall(text)}


def helped(name):
    """{option: (letter, value, text)} of the help."""
    table = manpage.sections(Run(["help", name]).out)[3]
    return {option: (letter, value, text) for letter, option, value, text in manpage.options(table)}


class Help(Case):
    def test_all_that_is_parsed_is_explained(self):
        for name in commands():
            shown = helped(name)
            self.assertEqual(shown.pop("help"), ("h", None, "show this text"), name)
            self.assertEqual({option: about[:2] for option, about in shown.items()}, parsed(name), name)
            for option, (_, _, text) in shown.items():
                self.assertTrue(text, f"{name} --{option}")

    def test_the_table_is_whole(self):
        """Each place of the table of options is filled: its enumeration has no other name."""
        for name in commands():
            text = source_of(name)
            listed = re.search(r"enum \{([^}]*\bOPT_\w+[^}]*)\}", text)
            named = re.findall(r"\bOPT_\w+", listed[1]) if listed else []
            self.assertEqual([entry[0] for entry in ENTRY.findall(text)], named, name)

    def test_all_that_is_explained_is_parsed(self):
        for name in commands():
            for option, (letter, value, _) in helped(name).items():
                for word in [f"--{option}"] + ([f"-{letter}"] if letter else []):
                    if option == "help":
                        self.assertEqual(self.ok(name, word).out, Run(["help", name]).out)
                    elif value and value.startswith("["):
                        self.assertNotIn("unknown option", Run([name, f"{word}=x.json"]).err)
                    elif value:
                        self.fails(2, name, word, says=[f"{word} needs a value ({value})"])
                    elif word.startswith("--"):
                        self.fails(2, name, f"{word}=x", says=["takes no value"])
                    else:
                        self.assertNotIn("unknown option", Run([name, word, "none.fvecs"]).err)

    def test_every_value_has_its_default(self):
        for name in commands():
            for option, (_, value, text) in helped(name).items():
                if value:
                    self.assertRegex(text, r"\bdefault:? |\(required\b", f"kith {name} --{option} {value}")

    def test_columns_are_straight(self):
        """Also where the name of a value is not ASCII."""
        for name in commands():
            for line in manpage.sections(Run(["help", name]).out)[3]:
                option = manpage.OPTION.match(line)
                if option and option["help"]:
                    self.assertEqual(option.start("help"), manpage.HELP_COLUMN, line)


class Man(Case):
    def setUp(self):
        super().setUp()
        self.page = self.path("kith.1")
        subprocess.run([sys.executable, os.path.join(TOOLS, "manpage.py"), BIN, self.page], check=True)

    def formatted(self, *command):
        done = subprocess.run([*command, self.page], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=dict(os.environ, MANWIDTH="100", LC_ALL="C.UTF-8"))
        self.assertEqual((done.returncode, done.stderr.decode()), (0, ""), command)
        return re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout.decode())

    def check(self, text):
        words = " ".join(text.split())
        for name in commands():
            self.assertIn(f"kith {name} [OPTION]", words)
            for option, (letter, value, _) in helped(name).items():
                short, argument = f"-{letter}, " if letter else "", f" {value}" if value else ""
                argument = argument.replace(" [", "[")
                self.assertIn(f"{short}--{option}{argument}", words)
            for line in manpage.sections(Run(["help", name]).out)[5].split("\n"):
                self.assertIn(" ".join(line.split()), words)
        for word in ("EXIT STATUS", "KITH_ISA", "Vector files: fvecs", Run(["--version"]).out.strip()):
            self.assertIn(word, words)

    def test_the_source_holds_all(self):
        with open(self.page, encoding="ascii") as file:
            text = file.read()
        text = re.sub(r"\\f[BIP]|\\&", "", text).replace("\\-", "-").replace("\\e", "\\").replace("\\(aq", "'")
        self.check(re.sub(r"\\\[u([0-9A-F]{4})\]", lambda m: chr(int(m[1], 16)), text))

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed")
    def test_groff_reads_it(self):
        self.check(self.formatted("groff", "-man", "-Tutf8", "-ww", "-rLL=100n", "-P-cbou"))

    @unittest.skipUnless(shutil.which("man") and shutil.which("groff"), "man and groff are not installed")
    def test_man_reads_it(self):
        self.assertIn("--max-bytes-per-vector N", self.formatted("man", "--warnings", "-l"))

    def test_text_that_roff_would_take_for_its_own(self):
        self.assertEqual(manpage.escape(".x 'a' -b \\c …"), "\\&.x \\(aqa\\(aq \\-b \\ec \\[u2026]")
        with self.assertRaises(SystemExit):
            manpage.options(["what is this?"])


class Runner(Case):
    """./run, where it must do nothing: no program is on PATH that could install or build."""

    def run_it(self, *args):
        for name in ("bash", "cat", "dirname"):
            if not os.path.exists(self.path(name)):
                os.symlink(shutil.which(name), self.path(name))
        done = subprocess.run([self.path("bash"), os.path.join(ROOT, "run"), *args], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env={"PATH": self.folder}, timeout=60)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_help(self):
        code, shown, err = self.run_it()
        self.assertEqual((code, err), (0, ""))
        for args in (("help",), ("--help",), ("deb", "--help"), ("test", "-h"), ("docs", "--help"), ("clean", "--help")):
            self.assertEqual(self.run_it(*args), (0, shown, ""), args)
        lines = shown.split("\n")[2:-3]
        self.assertGreater(len(lines), 20)
        for line in lines:
            if len(line) <= 30 and "  " not in line.strip():
                continue  # a long name, which has a line for itself
            self.assertEqual((line[24], line[25] != " "), (" ", True), f"one column for all: {line}")

    def test_bad(self):
        self.assertEqual(self.run_it("hepl"), (1, "", "run: unknown command 'hepl'; './run help' lists all\n"))
        self.assertEqual(self.run_it("deb", "x"), (1, "", "run: deb takes no arguments, but 'x' is given\n"))
