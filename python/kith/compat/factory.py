"""index_factory: translates FAISS's factory strings to those of the library."""
from __future__ import annotations

import re
from typing import Any, NamedTuple

from .._errors import InvalidError, UnsupportedError
from ..index import new_handle
from . import arguments as args
from . import constructors
from .absent import refused
from .base import FaissIndex
from .metrics import METRIC_L2, name_of
from .parameters import Kind
from .tree import REFINE, index_of_handle, split

_UNITS = {"k": 1 << 10, "M": 1 << 20}
_IDMAP = ("IDMap", "IDMap2")


class Plan(NamedTuple):
    """A translated factory string. spec: the library's string; idmap: the kind of IndexIDMap and the node that it is
    around, as in FaissIndex._idmap; kind: properties of the codes that the library's string does not express."""

    spec: Any
    idmap: tuple[int, int]
    kind: Kind


def index_factory(d: int, description: str, metric: Any = METRIC_L2) -> FaissIndex:
    """An index from a factory string, e.g. "IVF1024,PQ16"."""
    plan = read(description)
    try:
        handle = args.asserted(new_handle)(plan.spec, d, name_of(metric))
    except (InvalidError, UnsupportedError) as error:
        raise refused(description, error) from None
    return index_of_handle(handle, plan.idmap, plan.kind)


def read(description: Any) -> Plan:
    """Translate a factory string of FAISS."""
    if not isinstance(description, str):
        return Plan(description, (0, 0), Kind())
    words, idmap = _without_idmap(split(description))
    kinds: list[Kind] = []
    spec = ",".join(_word(word, kinds) for word in words)
    return Plan(spec, idmap, kinds[0] if kinds else Kind())


def _without_idmap(words: list[str]) -> tuple[list[str], tuple[int, int]]:
    """The words without "IDMap" and "IDMap2", which the library's strings do not need, and their meaning: at the start
    or end of a string they are around the whole index, elsewhere around everything that follows except a refinement."""
    at = next((i for i, word in enumerate(words) if word in _IDMAP), None)
    if at is None or len(words) == 1:
        return words, (0, 0)
    refined = len(words) > 2 and bool(REFINE.fullmatch(words[-1]))
    depth = 0 if at in (0, len(words) - 1) else at + refined
    return words[:at] + words[at + 1:], (1 + (words[at] == "IDMap2"), depth)


def _word(word: str, kinds: list[Kind]) -> str:
    """Translate a word of FAISS. Properties of the codes, if the word says any, are appended to kinds."""
    inner = re.fullmatch(r"Refine\((.*)\)", word)
    if inner:
        return f"Refine({_word(inner[1], [])})"
    lists = re.fullmatch(r"IVF(\d+)([kM]?)(_HNSW\d*|\(.+\))?(_whole)?", word)
    if lists:
        quantizer = lists[3] or ""
        if quantizer.startswith("("):
            quantizer = "(" + ",".join(_word(inner, []) for inner in split(quantizer[1:-1])) + ")"
        return f"IVF{int(lists[1]) * _UNITS.get(lists[2], 1)}{quantizer}{lists[4] or ''}"
    pq = re.fullmatch(r"((?:HNSW\d*_)?)(PQ\d+(?:x\d+)?)(np|fsr?(?:_(\d+))?)?", word)
    if pq:
        fast = bool(pq[3]) and pq[3] != "np"
        kinds.append(Kind(int(pq[4] or 32) if fast else 0, not pq[3]))
        return pq[1].replace("_", ",") + pq[2]
    return "L2norm" if word == "L2Norm" else word


constructors.index_factory = index_factory
