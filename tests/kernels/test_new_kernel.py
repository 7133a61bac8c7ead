"""A kernel made as docs/add-a-kernel.md tells, in a copy of the sources that has plain C alone.

Without a test or a benchmark it must not compile; with both it is tested and measured like any other, and a mistake in it is
noticed. Environment: KITH_SOURCE_ROOT; CC, a C compiler.
"""
import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.environ.get("KITH_SOURCE_ROOT", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
FLAGS = [os.environ.get("CC", "cc"), "-std=c17", "-D_GNU_SOURCE", "-ffp-contract=off", "-I.", "-Wno-unknown-pragmas"]
LINE = "KERNEL(negate, kernel_negate_fn, {test}, {bench}, no, no, no, no)\n"
TYPE = "/* out [n] = −x. */\ntypedef void kernel_negate_fn(const float *x, int64_t n, float *out);\n\n"
CODE = """
void negate_ref(const float *x, int64_t n, float *out)
{
	for (int64_t i = 0; i < n; i++)
		out[i] = -x[i];
}
"""
FAMILY = "void check_negate(kernel_negate_fn *kernel);\n#define TEST_negate() check_negate(kernel)\n\n"
CHECK = """
void check_negate(kernel_negate_fn *kernel)
{
	for (int l = 0; l < LENGTH_COUNT; l++) {
		static float x[MAX_LENGTH];
		for (int i = 0; i < lengths[l]; i++)
			x[i] = random_float();
		size_t bytes = (size_t)lengths[l] * sizeof *x;
		float *out = guard_room(OUT, bytes);
		kernel(guard_put(Q, x, bytes, 0), lengths[l], out);
		for (int i = 0; i < lengths[l]; i++)
			if (out[i] != -x[i])
				kernel_fail("n = %d, at %d", lengths[l], i);
	}
}
"""


class NewKernel(unittest.TestCase):
    def setUp(self):
        self.tree = tempfile.mkdtemp(prefix="kith-kernel-")
        self.addCleanup(shutil.rmtree, self.tree)
        for folder in ("kernels", "tests/kernels", "benchmarks/micro", "lib/base"):
            shutil.copytree(os.path.join(ROOT, folder), os.path.join(self.tree, folder))
        self.insert("kernels/kernels.h", "struct kernels {", TYPE)
        self.insert("kernels/ref/plane.c", None, CODE)

    def insert(self, path, before, text):
        """Text before a line of a file, or at its end."""
        path = os.path.join(self.tree, path)
        with open(path, encoding="utf-8") as file:
            old = file.read()
        at = old.index("\n" + before) + 1 if before else len(old)
        with open(path, "w", encoding="utf-8") as file:
            file.write(old[:at] + text + old[at:])

    def enter(self, test, bench):
        self.insert("kernels/kernels.def", "#undef", LINE.format(test=test, bench=bench))

    def sources(self, folder):
        return sorted(f"{folder}/{name}" for name in os.listdir(os.path.join(self.tree, folder)) if name.endswith(".c"))

    def run_there(self, *command, **env):
        return subprocess.run(command, cwd=self.tree, env={**os.environ, **env}, check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def compile(self, *arguments):
        return self.run_there(*FLAGS, *arguments)

    def refused(self, source, name):
        done = self.compile("-fsyntax-only", "-Werror=implicit", source)
        self.assertNotEqual(done.returncode, 0, source)
        self.assertIn(name, done.stdout)

    def test_untested(self):
        self.enter("negate()", "map(32, 32)")
        self.refused("tests/kernels/test_kernels.c", "TEST_negate")

    def test_of_another_type(self):
        self.enter("select_le()", "map(32, 32)")
        done = self.compile("-fsyntax-only", "-Werror", "tests/kernels/test_kernels.c")
        self.assertNotEqual(done.returncode, 0)

    def test_unmeasured(self):
        self.enter("negate()", "negate()")
        self.refused("benchmarks/micro/kernels.c", "RUN_negate")

    def test_complete(self):
        self.enter("negate()", "map(32, 32)")
        self.insert("tests/kernels/test_kernels.h", "/* test_tile.c */", FAMILY)
        self.insert("tests/kernels/test_plane.c", None, CHECK)
        done = self.compile("-fsyntax-only", "-Werror=implicit", "benchmarks/micro/kernels.c")
        self.assertEqual(done.returncode, 0, done.stdout)
        objects = ["kernels/dispatch.c", *self.sources("kernels/ref"), *self.sources("tests/kernels")]
        libraries = subprocess.run(["pkg-config", "--cflags", "--libs", "check"], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout.split()
        for code, failures in ((CODE, 0), (CODE.replace("< n;", "< n - n / 64;"), 1)):
            shutil.copy(os.path.join(ROOT, "kernels/ref/plane.c"), os.path.join(self.tree, "kernels/ref/plane.c"))
            self.insert("kernels/ref/plane.c", None, code)
            done = self.compile(*objects, "-o", "test_kernels", *libraries, "-lm", "-lpthread")
            self.assertEqual(done.returncode, 0, done.stdout)
            done = self.run_there("./test_kernels", CK_RUN_CASE="negate")
            self.assertIn(f"Checks: 1, Failures: {failures}", done.stdout)


if __name__ == "__main__":
    unittest.main()
