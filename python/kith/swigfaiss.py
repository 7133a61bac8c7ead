"""Where FAISS has its C++ names: the same ones as in kith. (Programs that look for a build without AVX2 import it.)"""
from typing import Any

import kith


def __getattr__(name: str) -> Any:
    return getattr(kith, name)


def __dir__() -> list[str]:
    return dir(kith)
