"""Builds indexes from components: the training of an existing index, and codes of the caller's. The components are
assembled to a FAISS file in memory, which the library then reads; nothing is trained or encoded again."""
# mypy: warn-return-any=False
from __future__ import annotations

import struct
from typing import Any

import numpy as np

from .._arrays import METRICS, metric_name
from .._errors import UnsupportedError
from .._learned import learned
from .._streams import faiss_bytes, handle_of_faiss
from .._types import Array, Codes, Floats, Ids
from ..index import new_handle
from .metrics import METRIC_INNER_PRODUCT, METRIC_L2, number_of
from .transforms import faiss_array


def metric_number(index: Any) -> int:
    if index._metric == METRICS["cosine"]:
        raise UnsupportedError("FAISS has no cosine metric, so this is possible only for other metrics; kith.Index has it")
    return number_of(index._metric)


def header(letters: str, d: int, n: int, metric: int, trained: bool = True, argument: float = 0) -> bytes:
    """The header of an index in a FAISS file."""
    tail = struct.pack("<f", argument) if metric > METRIC_L2 else b""
    return letters.encode() + struct.pack("<iqqq?i", d, n, 1 << 20, 1 << 20, trained, metric) + tail


def flat(x: Floats, metric: int) -> bytes:
    letters = {METRIC_L2: "IxF2", METRIC_INNER_PRODUCT: "IxFI"}.get(metric, "IxFl")
    return header(letters, x.shape[1], len(x), metric) + faiss_array(x)


def product(d: int, M: int, nbits: int, books: Floats) -> bytes:
    return struct.pack("<QQQ", d, M, nbits) + faiss_array(books)


def lists(nlist: int, size: int, numbers: Ids, codes: Codes, ids: Ids) -> bytes:
    """Inverted lists with codes [n × size] and ids [n]; numbers [n]: the list of each vector."""
    order = np.argsort(numbers, kind="stable")
    counts = np.bincount(numbers, minlength=nlist)
    parts = [b"ilar", struct.pack("<QQ", nlist, size), b"full", faiss_array(counts, "<u8")]
    at = 0
    for count in counts:
        rows = order[at:at + count]
        parts += [codes[rows].tobytes(), ids[rows].astype("<i8").tobytes()]
        at += count
    return b"".join(parts)


def named(inner: bytes, d: int, metric: int, argument: float, ids: Ids) -> bytes:
    """An IndexIDMap around an index."""
    return header("IxMp", d, len(ids), metric, argument=argument) + inner + faiss_array(ids, "<i8")


def of_pq(index: Any, books: Floats, centroids: Floats | None) -> Any:
    """An empty index like a given IndexPQ or IndexIVFPQ, with these codebooks and centroids."""
    metric, pq = metric_number(index), index.pq
    inner = product(index.d, pq.M, pq.nbits, books)
    if centroids is None:
        return handle_of_faiss(header("IxPq", index.d, 0, metric) + inner + struct.pack("<Qi?i", 0, 0, False, 0))
    if "_HNSW" in index._spec or index._quantizer_spec:
        raise UnsupportedError("pq: codebooks can be given only to inverted files whose quantizer is an IndexFlat")
    nlist = len(centroids)
    file = header("IwPQ", index.d, 0, metric) + struct.pack("<QQ", nlist, 1) + flat(centroids, metric)
    file += struct.pack("<bQ", 0, 0) + struct.pack("<?Q", index.by_residual, index.code_size) + inner
    none = np.empty(0, np.int64)
    return handle_of_faiss(file + lists(nlist, index.code_size, none, np.empty((0, index.code_size), np.uint8), none))


def filled(index: Any, codes: Codes, ids: Ids, numbers: Ids | None = None) -> Any:
    """An index with the training of a given one, which is flat or an inverted file, that holds codes [n × code_size]
    with these ids. numbers: the list of each code in an inverted file."""
    metric = metric_number(index)
    empty = index.clone()
    empty.reset()
    file = faiss_bytes(empty._handle)
    n = struct.pack("<q", len(ids))
    if numbers is not None:
        at = file.rindex(b"ilar")
        return handle_of_faiss(file[:8] + n + file[16:at] + lists(index.nlist, index.code_size, numbers, codes, ids))
    tail = struct.calcsize("<i?i") if file[:4] == b"IxPq" else 0
    end = len(file) - tail
    count = len(codes) * index.code_size // (4 if file[:4] in (b"IxF2", b"IxFI", b"IxFl") else 1)
    flat_file = file[:8] + n + file[16:end - 8] + struct.pack("<Q", count) + codes.tobytes() + file[end:]
    return handle_of_faiss(named(flat_file, index.d, metric, index.metric_arg, ids))


def of_storage(index: Any, storage: Any) -> Any:
    """An empty index like a given IndexHNSW, with the training of an IndexPQ or IndexScalarQuantizer."""
    file = faiss_bytes(new_handle(f"HNSW{index.M}", index.d, metric_name(index._metric)))
    _, vectors = parse_graph(file, index)
    letters = b"IHNp" if index._word.startswith("PQ") else b"IHNs"
    return handle_of_faiss(letters + file[4:len(file) - len(vectors)] + faiss_bytes(storage._handle))


def graph(index: Any) -> tuple[dict[str, Array], bytes]:
    """The graph of an IndexHNSW as FAISS stores it, and the bytes of a FAISS file with the index of its vectors."""
    metric_number(index)
    return parse_graph(faiss_bytes(_numbered(index)._handle), index)


def parse_graph(file: bytes, index: Any) -> tuple[dict[str, Array], bytes]:
    """The same from the bytes of a FAISS file of the IndexHNSW."""
    at = len(header("IHNf", index.d, 0, index.metric_type))
    found: dict[str, Any] = {}
    for name, dtype in (("assign_probas", "<f8"), ("cum_nneighbor_per_level", "<i4"), ("levels", "<i4"),
                        ("offsets", "<u8"), ("neighbors", "<i4")):
        size, = struct.unpack_from("<Q", file, at)
        found[name] = np.frombuffer(file, dtype, size, at + 8).copy()
        at += 8 + size * np.dtype(dtype).itemsize
    found["entry_point"], found["max_level"] = struct.unpack_from("<ii", file, at)
    return found, file[at + struct.calcsize("<iiiii"):]


def _numbered(index: Any) -> Any:
    """A copy of an index in which vectors have the ids 0, 1, 2, …"""
    alone = index.clone()
    alone._renumber()
    alone._params.labels = None
    return alone


def codes_of(index: Any) -> Codes:
    """The codes [n × code_size] of a flat index, in the order in which vectors are stored."""
    n, size = index.ntotal, index.code_size
    if not n:
        return np.empty((0, size), np.uint8)
    if index._word == "Flat":
        return index._stored_vectors().view(np.uint8).reshape(n, size)
    with learned(index._handle) as parts:
        stored = parts.array("COD0", index._node, np.uint8)
    assert stored is not None
    if not index._word.startswith("PQ"):
        return stored.reshape(n, size)
    blocks = stored.reshape(-1, size, 64)  # a block holds byte 0 of 64 vectors, then byte 1, …
    return np.ascontiguousarray(blocks.transpose(0, 2, 1).reshape(-1, size)[:n])
