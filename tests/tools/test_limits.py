"""kith in little address space (`ulimit -v`), where threads and large buffers are not to be had: every run ends, with
an answer or with a message."""
import os
import resource
import subprocess
import unittest

from support import BIN, Case, brute_force, read_vecs

MEGABYTES = (60, 100, 200)


def sanitized():
    """Sanitizers reserve terabytes of address space, and are linked into the program."""
    with open(BIN, "rb") as program:
        return b"__asan_init" in program.read()


@unittest.skipIf(sanitized(), "a sanitizer needs more address space")
class AddressSpace(Case):
    def run_within(self, megabytes, *args, **env):
        """The exit code and what was printed. A run that never ends fails."""
        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

        done = subprocess.run([BIN, *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60, preexec_fn=limit,
                              env=dict(os.environ, OMP_NUM_THREADS="1", **env))
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_answers(self):
        for megabytes in MEGABYTES:
            for args in (("--version",), ("--help",), ("info",)):
                with self.subTest(megabytes=megabytes, args=args):
                    code, out, err = self.run_within(megabytes, *args)
                    self.assertEqual((code, err), (0, ""))
                    self.assertTrue(out)

    def test_knn(self):
        base = [[float((i * 7 + j * 3) % 11 + i % 13) for j in range(8)] for i in range(300)]
        x, out = self.vectors("x.fvecs", base), self.path("ids.ivecs")
        want = [[i for _, i in row] for row in brute_force("l2", base, base, 3)]
        for isa in ("", "ref"):
            for megabytes in MEGABYTES:
                with self.subTest(megabytes=megabytes, isa=isa):
                    code, _, err = self.run_within(megabytes, "knn", x, x, "-k", "3", "--ids", out, KITH_ISA=isa)
                    self.assertEqual(code, 0, err)
                    self.assertEqual(read_vecs(out), want)

    def test_no_blas(self):
        """The instruction set that has no kernels of its own says what it does without OpenBLAS."""
        code, out, _ = self.run_within(100, "info", KITH_ISA="ref")
        self.assertEqual(code, 0)
        self.assertIn("address space", out)
