"""kith completion: the scripts hold every command and option, and the shells complete with them."""
import os
import re
import shutil
import subprocess
import unittest

from support import BIN, Case
from test_docs import commands
from test_help import helped

SHELLS = ("bash", "zsh", "fish")


class Completion(Case):
    def script(self, shell):
        return self.ok("completion", shell).out

    def test_all_is_in_it(self):
        for shell in SHELLS:
            script = self.script(shell)
            for name in commands():
                self.assertIn(name, script)
                for option in helped(name):
                    self.assertIn(f"-l {option}" if shell == "fish" else f"--{option}", script, f"{shell} {name}")

    def test_bad(self):
        self.fails(2, "completion", says="SHELL")
        self.fails(2, "completion", "csh", says=["'csh'", "bash, zsh and fish"])

    def run_shell(self, command, text):
        done = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                              cwd=self.folder, env=dict(os.environ, HOME=self.folder, TERM="dumb"))
        self.assertEqual((done.returncode, done.stderr.decode()), (0, ""), text)
        return done.stdout.decode().split()

    # What every shell is asked: the words of a command line, of which the last is completed, and what must and must not
    # be offered.
    asked = (
        (["kith", "con"], {"convert"}, {"knn"}),
        (["kith", "help", "pl"], {"plot"}, set()),
        (["kith", "knn", "--me"], {"--metric"}, set()),
        (["kith", "knn", "-m", ""], {"l2", "ip", "cosine"}, {"Flat"}),
        (["kith", "knn", "--metric", "c"], {"cosine"}, {"l2"}),
        (["kith", "gen", "--format", ""], {"fvecs", "fbin", "npy"}, set()),
        (["kith", "build", "--index", "HN"], {"HNSW32"}, {"Flat"}),
        (["kith", "search", "--set", "np"], {"nprobe="}, {"seed="}),
        (["kith", "build", "--set", "s"], {"seed="}, {"nprobe="}),

        (["kith", "bench", "--sweep", "np"], {"nprobe="}, {"seed="}),
        (["kith", "completion", "z"], {"zsh"}, {"bash"}),
        (["kith", "info", "some"], {"some.fvecs"}, set()),
        (["kith", "bench", "--base", "some"], {"some.fvecs"}, set()))

    def check(self, complete, begin="nprobe=4,"):
        """begin: what a shell offers before the name of a second setting."""
        self.write("some.fvecs", b"")
        self.assertEqual(complete(["kith", "search", "-s", "nprobe=4,max"]), [begin + "max_codes="])
        for words, wanted, unwanted in self.asked:
            with self.subTest(words=words):
                found = set(complete(words))
                self.assertLessEqual(wanted, found, found)
                self.assertFalse(unwanted & found, found)

    @unittest.skipUnless(shutil.which("bash"), "bash is not installed")
    def test_bash(self):
        with open(self.path("kith.bash"), "w") as file:
            file.write(self.script("bash"))

        def complete(words):
            quoted = " ".join(f"'{word}'" for word in words)
            return self.run_shell(["bash", "--norc"], f"compopt() {{ :; }}\n. ./kith.bash\nCOMP_WORDS=({quoted})\n"
                                  f"COMP_CWORD={len(words) - 1}\n_kith\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n")
        self.check(complete)
        self.assertEqual(complete(["kith", "knn", "--metric", "=", "co"]), ["cosine"])
        # As bash cuts it.
        self.assertEqual(complete(["kith", "search", "-s", "nprobe", "=", "4,max"]), ["4,max_codes="])
        self.assertEqual(complete(["kith", "search", "--set", "=", "nprobe", "=", "4,k_factor", "=", "2,ef"]), ["2,efSearch="])
        self.assertEqual(complete(["kith", "search", "--set", "="]), ["nprobe=", "max_codes=", "k_factor=", "efSearch="])
        self.assertEqual(complete(["kith", "search", "-s", "nprobe", "=", "4"]), [])
        self.assertEqual(complete(["kith", "bench", "-w", "nprobe", "=", "4,k"]), [])

    @unittest.skipUnless(shutil.which("fish"), "fish is not installed")
    def test_fish(self):
        with open(self.path("kith.fish"), "w") as file:
            file.write(self.script("fish"))

        def complete(words):
            found = self.run_shell(["fish", "--no-config", "-c",
                                    f"source kith.fish; complete -C '{' '.join(words)}' | cut -f 1"], "")
            return found
        self.check(complete)

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh(self):
        """zsh completes at a prompt only: one in a pseudo-terminal is asked to list what it would offer."""
        with open(self.path("_kith"), "w") as file:
            file.write(self.script("zsh"))
        self.run_shell(["zsh", "-f", "-n", "_kith"], "")

        def complete(words):
            script = (
                "zmodload zsh/zpty\nzpty z zsh -f -i\n"
                "zpty -w z 'PS1= PS2= RPS1='\n"
                f"zpty -w z 'fpath=({self.folder} $fpath); autoload -Uz compinit; compinit -u -d ./dump'\n"
                "zpty -w z 'compadd () { local -a shown; builtin compadd -O shown \"$@\" 2>/dev/null;"
                " for s in $shown; do print -r -- \"OFFER<$s>\"; done; builtin compadd \"$@\"; }'\n"
                "zpty -w z 'print -r READY'\n"
                "zpty -r z line '*READY*READY*'\n"
                f"zpty -w -n z $'{' '.join(words)}\\t'\n"
                "sleep 0.3\nzpty -w z ''\nzpty -w z 'print -r DO''NE'\nzpty -r z line '*DONE*'\nprint -r -- $line\n"
                "zpty -d z\n")
            done = subprocess.run(["zsh", "-f", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                                  cwd=self.folder, env=dict(os.environ, TERM="dumb"))
            return re.findall(r"OFFER<([^>]*)>", done.stdout.decode(errors="replace"))
        self.check(complete, "")


class Installed(Case):
    def test_meson_says_where(self):
        from support import ROOT
        with open(os.path.join(ROOT, "tools", "meson.build"), encoding="utf-8") as file:
            text = file.read()
        for place in ("bash-completion", "site-functions", "vendor_completions.d"):
            self.assertIn(place, text)
        self.assertTrue(os.access(BIN, os.X_OK))
