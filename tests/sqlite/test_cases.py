"""The cases that stand beside the repository, where they are there: SQL as users of other systems write it."""
import os
import subprocess
import sys
import unittest

import support

CASES = os.path.join(os.environ.get("KITH_SOURCE_ROOT", "."), "..", "shared", "cases", "sqlite")


class Cases(unittest.TestCase):
    def run_file(self, name):
        path = os.path.join(CASES, name)
        if not os.path.exists(path):
            self.skipTest("there are no cases beside the repository")
        if subprocess.run([sys.executable, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode:
            self.skipTest("the cases need NumPy")
        out = subprocess.run([sys.executable, path, support.EXTENSION], capture_output=True, text=True, cwd=CASES)
        self.assertEqual(out.returncode, 0, out.stdout[-4000:] + out.stderr[-2000:])


for noun in ("filters", "knn", "write", "tx", "kith", "hybrid"):
    setattr(Cases, "test_" + noun, lambda self, name="case_%s.py" % noun: self.run_file(name))

if __name__ == "__main__":
    unittest.main()
