"""The names of kith, for programs that import faiss.swigfaiss (some do so to load a FAISS built without AVX2)."""
from typing import Any

import kith


def __getattr__(name: str) -> Any:
    return getattr(kith, name)


def __dir__() -> list[str]:
    return dir(kith)
