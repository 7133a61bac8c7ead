"""The package's types, by mypy where it is there (Debian: mypy)."""
import os
import pathlib
import subprocess
import sys

import pytest

import kith


def test_types(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed")
    package = pathlib.Path(kith.__file__).parent
    program = tmp_path / "program.py"
    program.write_text("""import kith
import numpy as np
index = kith.Index("Flat", dim=4)
found = index.search(np.zeros((1, 4)), k=3)
reveal_type(found.ids)
reveal_type(kith.IndexFlatL2(4).search(np.zeros((1, 4)), 3))
index.serch(3)
""")
    run = subprocess.run([sys.executable, "-m", "mypy", "--cache-dir", tmp_path / "cache", package, program],
                         capture_output=True, text=True, timeout=500, cwd=package.parent,
                         env={**os.environ, "MYPYPATH": str(package.parent)})
    lines = run.stdout.splitlines()
    assert sum("error:" in line for line in lines) == 1 and any('"Index" has no attribute "serch"' in line for line in lines), run.stdout
    assert any("signedinteger" in line for line in lines) and any("Tuple[" in line for line in lines), run.stdout
