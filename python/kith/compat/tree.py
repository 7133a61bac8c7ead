"""Creates the objects of the FAISS-like interface for an index of the library, from its factory string. The index behind
a transform, and the base index of a refinement, become parts of the whole index."""
from __future__ import annotations

import ctypes
import re
from typing import Any

import numpy as np

from .. import _arrays
from .._errors import InvalidError
from .._handle import Handle
from .._lib import Preset, lib
from . import base, flat, graph, ivf, constructors, wrappers
from .naming import Labels, ids_of
from .parameters import Kind, Parameters
from .transforms import VectorTransform, transform_of

_int64s = ctypes.POINTER(ctypes.c_int64)
REFINE = re.compile(r"RFlat|Refine\((.*)\)")


def index_of_handle(handle: Handle, idmap: tuple[int, int] = (0, 0),
                    kind: Kind = Kind()) -> base.FaissIndex:
    """The index of a handle, with the search parameters and labels that the library stores for it. idmap: the kind of
    IndexIDMap and the node that it is around, unless the library has stored them; kind: properties of its codes."""
    preset, count = Preset(size=ctypes.sizeof(Preset)), ctypes.c_int64()
    with handle.reading() as pointer:
        spec, metric = lib.index_describe(pointer).decode(), lib.index_metric(pointer)
        lib.index_preset(pointer, ctypes.byref(preset))
        labels = lib.index_labels(pointer, ctypes.byref(count))
        params = Parameters()
        params.kind = Kind(preset.fastscan) if preset.fastscan else kind
        if count.value:
            params.labels = Labels(np.ctypeslib.as_array(ctypes.cast(labels, _int64s), (count.value,)))
            bare = int((ids_of(pointer) >= count.value).sum())
            if bare:
                raise InvalidError(
                    f"{bare} of the index's vectors have no label: they were added by kith.Index, which does not update "
                    "the labels that hold repeated or negative ids; open the index with kith.open, or build it again")
    if preset.idmap:
        idmap = preset.idmap, preset.idmap_depth
    made = _build(handle, spec, handle.dim, metric, params, 0, False, idmap)[0]
    params.take_preset(preset)
    return made


def split(spec: str) -> list[str]:
    """The words of a factory string, which is split at commas outside of parentheses."""
    words, depth = [""], 0
    for letter in spec:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            words.append("")
        else:
            words[-1] += letter
    return words


def _build(handle: Handle, spec: str, d: int, metric: int, params: Parameters, node: int, part: bool,
           idmap: tuple[int, int]) -> tuple[base.FaissIndex, int]:
    """The index that `spec` describes, which is node `node` of the handle's index, and the number of the next node after
    it and its parts."""
    if idmap[0] and idmap[1] == node:
        named, following = _build(handle, spec, d, metric, params, node, part, (0, 0))
        return wrappers.around(named, idmap[0], part), following
    words = split(spec)
    if len(words) == 1 and spec.startswith("("):
        return _build(handle, spec[1:-1], d, metric, params, node, part, idmap)
    if len(words) > 1 and REFINE.fullmatch(words[-1]):
        child, following = _build(handle, ",".join(words[:-1]), d, metric, params, node + 1, True, idmap)
        flat_codec = words[-1] == "RFlat"
        made = _new(wrappers.IndexRefineFlat if flat_codec else wrappers.IndexRefine)
        made.base_index = child
        made._place(handle, spec, d, metric, params, node, part)
        word = made._word
        made.refine_index = _new(_core([word], metric, False))
        made.refine_index._place(handle, word, d, metric, Parameters(), node, True)
        made.refine_index._become_fine(made)
        return made, following
    chain: list[VectorTransform] = []
    inner = d
    while len(words) > len(chain) + 1 and (found := transform_of(words[len(chain)], inner)):
        chain.append(found)
        inner = found.d_out
    if chain:
        below = metric if metric != _arrays.METRICS["cosine"] else _arrays.METRICS["ip"]
        rest = ",".join(words[len(chain):])
        child, following = _build(handle, rest, inner, below, params, node + len(chain), True, idmap)
        made = _new(wrappers.IndexPreTransform)
        made._chain, made.index = chain, child
        made._place(handle, spec, d, metric, params, node, part)
        made._attach()
        return made, following
    made = _new(_core(words, metric, params.kind.bbs > 0))
    made._place(handle, spec, d, metric, params, node, part)
    return made, node + 1


def _core(words: list[str], metric: int, fast: bool) -> type[base.FaissIndex]:
    """The class of an index that wraps no other one. fast: a FastScan class, where there is one."""
    codec = words[-1]
    kind = "PQ" if codec.startswith("PQ") else "SQ" if codec.startswith("SQ") else codec
    if words[0].startswith("IVF"):
        classes = {"Flat": ivf.IndexIVFFlat, "PQ": ivf.IndexIVFPQFastScan if fast else ivf.IndexIVFPQ,
                   "SQ": ivf.IndexIVFScalarQuantizer}
        return classes.get(kind, ivf.IndexIVF)
    if words[0].startswith("HNSW"):
        classes = {"SQ": graph.IndexHNSWSQ, "PQ": graph.IndexHNSWPQ}
        return graph.IndexHNSWFlat if len(words) == 1 or kind == "Flat" else classes.get(kind, graph.IndexHNSW)
    if kind == "Flat" and len(words) == 1:
        return {_arrays.METRICS["l2"]: flat.IndexFlatL2, _arrays.METRICS["ip"]: flat.IndexFlatIP}.get(
            metric, flat.IndexFlat)
    if len(words) == 1 and kind in ("PQ", "SQ"):
        pq = flat.IndexPQFastScan if fast else flat.IndexPQ
        return pq if kind == "PQ" else flat.IndexScalarQuantizer
    return AnyIndex


def _new(kind: type[base.FaissIndex]) -> Any:
    return kind.__new__(kind)


class AnyIndex(base.FaissIndex):
    """An index that FAISS has no class for, such as "Shards4(…)"."""

    __slots__ = ()
    _uses = ("nprobe", "max_codes", "k_factor")


constructors.index_of_handle = index_of_handle
