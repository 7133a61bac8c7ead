"""Nothing that is handed in may crash the interpreter: 10,000 calls with anything, in processes of their own."""
import pathlib
import subprocess
import sys

import pytest

PROGRAM = pathlib.Path(__file__).with_name("any_arguments.py")


@pytest.mark.parametrize("seed", range(4))
def test_anything(seed):
    run = subprocess.run([sys.executable, "-X", "faulthandler", PROGRAM, "2500", str(seed)], capture_output=True,
                         text=True, timeout=250)
    assert run.returncode == 0, run.stderr[-3000:]
    calls, succeeded = map(int, run.stdout.split())
    assert calls == 2500 and succeeded > 300, "hardly a call was a good one"
