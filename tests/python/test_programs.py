"""Programs written for FAISS, run with only their import changed, and with FAISS itself where it is installed."""
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import kith
from kith._lib import lib

PROGRAMS = sorted(pathlib.Path(__file__).with_name("programs").glob("*.py"))
NEEDS = {"graph": lambda: kith.Index("HNSW8", 4), "sharded": lambda: lib.index_merge}


def results(program, module):
    """What a program prints, with `module` in place of FAISS."""
    text = program.read_text()
    assert text.count("import faiss") == 1
    text = text.replace("import faiss", f"import {module} as faiss")
    # One thread: FAISS's and OpenBLAS's get into each other's way on a busy machine.
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=200,
                         env={**os.environ, **threads})
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_program(program):
    try:
        NEEDS.get(program.stem, lambda: None)()
    except NotImplementedError as error:
        pytest.skip(str(error))
    ours = results(program, "kith")
    assert ours
    if importlib.util.find_spec("faiss") is None:
        pytest.skip("ran; FAISS is not installed to compare with (Debian: python3-faiss)")
    try:
        theirs = results(program, "faiss")
    except subprocess.TimeoutExpired:
        pytest.skip("ran; FAISS took too long on this busy machine to compare with")
    assert ours.keys() == theirs.keys()
    for name, value in theirs.get("exact", {}).items():
        assert ours["exact"][name] == value, name
    for name, value in theirs.get("close", {}).items():
        np.testing.assert_allclose(ours["close"][name], value, rtol=1e-3, atol=1e-4, err_msg=name)
    for name, value in theirs.get("scores", {}).items():
        assert ours["scores"][name] > value - 0.05, name
