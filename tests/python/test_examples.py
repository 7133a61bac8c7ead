"""The examples run and find what they should."""
import subprocess
import sys

import pytest

import kith
from conftest import SOURCE

EXAMPLES = SOURCE / "python" / "examples"
EXPECTED = {
    "retrieval.py": ["manual 2023: A red light", "faq 2021: To reset", "removed 2 old documents, 5 are left"],
    "recommender.py": ["of the films recommended", "films like film 0"],
    "package_search.py": ["6 packages", "by both: zip-tool", "without 'utils': 4 packages, 0"],
    "shop.py": ["recommendations are of the kind", "150 purchases"],
    "sharded.py": ["size=20000", "20 of 20 queries find their vector first"],
}


def test_all_are_known():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", list(EXPECTED))
def test_example(name):
    if name in ("package_search.py", "shop.py"):
        try:
            kith.Collection(":memory:").close()
        except kith.UnsupportedError as error:
            pytest.skip(str(error))
    run = subprocess.run([sys.executable, EXAMPLES / name], capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stderr
    for words in EXPECTED[name]:
        assert words in run.stdout
