"""How indexes are made whose class their description decides. tree.py and factory.py know every class and say so here;
classes ask here, and need not know them."""
from __future__ import annotations

from typing import Any, Callable


def _missing(*args: Any) -> Any:
    raise RuntimeError("kith.compat has not been imported to its end")


index_of_handle: Callable[..., Any] = _missing
index_factory: Callable[..., Any] = _missing
