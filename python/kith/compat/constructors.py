"""Functions that create an index whose class depends on its description. tree.py and factory.py, which know all classes,
register them here; the classes call them through this module, and so need not import those two."""
from __future__ import annotations

from typing import Any, Callable


def _missing(*args: Any) -> Any:
    raise RuntimeError("kith.compat has not been imported to its end")


index_of_handle: Callable[..., Any] = _missing
index_factory: Callable[..., Any] = _missing
