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
index.search(np.zeros((1, 4)), 3, filter=[[1, 2]], efSearch=40)
index.search(np.zeros((1, 4)), 3, filter=lambda id: id > 3, progress=lambda stage, done, total: None)
index.upsert([1], np.zeros((1, 4)))
index.serch(3)
index.search(np.zeros((1, 4)), 3, nprob=3)
index.search(np.zeros((1, 4)), 3, nprobe="3")
kith.IndexFlatt(4)
lists = kith.IndexIVFFlat(kith.IndexFlatL2(4), 4, 5)
lists.nprob = 3
kith.IndexRefineFlat(lists).refine_index.search(np.zeros((1, 4)), 3)
""")
    assert not [line for line in mypy(tmp_path, package) if "error:" in line]
    # As a user with a checkout on the path has it: what the package itself does is looked at as strictly.
    lines = mypy(tmp_path, "--strict", program)
    errors = [line for line in lines if "error:" in line]
    for expected in ('"Index" has no attribute "serch"', 'Unexpected keyword argument "nprob"', 'Argument "nprobe"',
                     'Module has no attribute "IndexFlatt"', '"IndexIVFFlat" has no attribute "nprob"'):
        assert any(expected in line for line in errors), lines
    assert len(errors) == 5, errors
    assert any("signedinteger" in line for line in lines) and any("Tuple[" in line for line in lines), lines


def mypy(tmp_path, *arguments):
    folder = pathlib.Path(kith.__file__).parents[1]
    return subprocess.run([sys.executable, "-m", "mypy", "--cache-dir", tmp_path / "cache", *arguments], capture_output=True,
                          text=True, timeout=500, cwd=folder, env={**os.environ, "MYPYPATH": str(folder)}).stdout.splitlines()
