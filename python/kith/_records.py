"""Records of a collection: checks arguments, converts records to rows of the table, and rows to results."""
from __future__ import annotations

import json
import math
from typing import Any, Callable, Iterable, Mapping, Sequence

import numpy as np

from ._errors import InvalidError
from ._types import Floats
from ._where import Fields, check_key, is_number

EmbeddingFunction = Callable[[Sequence[str]], Any]
Metadata = Mapping[str, Any]

# The SQL types of declared fields' columns, the parts of a result, and the names that declared fields cannot have.
FIELD_TYPES = {str: "TEXT", float: "NUMERIC", int: "NUMERIC"}
_RESULTS = ("embeddings", "metadatas", "documents", "distances")
_OWN_COLUMNS = {"key", "namespace", "embedding", "metadata", "document", "k", "distance", "similarity", "rank", "ef", "nprobe", "recall",
                "filter", "filter_args", "rowid", "oid", "_rowid_"}


class Batch:
    """The checked arguments of a call that writes records."""

    def __init__(self, dim: int | None, embed: EmbeddingFunction | None, ids: Sequence[str], embeddings: Any, metadatas: Sequence[Metadata | None] | None,
                 documents: Sequence[str | None] | None, namespace: str) -> None:
        self.ids = checked_ids(ids)
        self.namespace = checked_namespace(namespace)
        self.keys = [record_key(namespace, id) for id in self.ids]
        if len(set(self.keys)) < len(self.keys):
            twice = next(id for i, id in enumerate(self.ids) if id in self.ids[:i])
            raise InvalidError(f"ids: {twice!r} is given more than once")
        self.metadatas = _checked_length("metadatas", metadatas, self.ids)
        self.documents = _checked_length("documents", documents, self.ids)
        for metadata in self.metadatas or ():
            _check_metadata(metadata)
        for document in self.documents or ():
            if document is not None and not isinstance(document, str):
                raise InvalidError(f"documents: {document!r} is not text")
        if embeddings is None and documents is not None and embed is not None and None not in documents:
            embeddings = embed([text for text in documents if text is not None])
        self.vectors = None if embeddings is None else checked_vectors(embeddings, dim, "embeddings")
        if self.vectors is not None and len(self.vectors) != len(self.ids):
            raise InvalidError(f"embeddings: {len(self.vectors)} for {len(self.ids)} ids")

    def vector(self, i: int) -> bytes:
        assert self.vectors is not None
        return bytes(self.vectors[i].tobytes())

    def document(self, i: int) -> str | None:
        return None if self.documents is None else self.documents[i]

    def merged(self, i: int, old: str | None) -> Metadata | None:
        """The metadata of record i: the old JSON object, with the new keys merged into it and None values removed."""
        new = None if self.metadatas is None else self.metadatas[i]
        before: Metadata | None = None if old is None else json.loads(old)
        if new is None:
            return before
        return {key: value for key, value in {**(before or {}), **new}.items() if value is not None}

    def metadata(self, i: int, old: str | None) -> str | None:
        merged = self.merged(i, old)
        return None if merged is None else to_json(merged)


# ---- checks ----

def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def record_key(namespace: str, id: str) -> str:
    """The primary key of a record: unique for each pair of namespace and id."""
    return f"{len(namespace)}:{namespace}{id}"


def checked_namespace(namespace: object) -> str:
    if not isinstance(namespace, str) or "\0" in namespace:
        raise InvalidError(f"namespace is {namespace!r}; it must be text")
    return namespace


def checked_ids(ids: Sequence[str]) -> list[str]:
    if isinstance(ids, (str, bytes)):
        raise InvalidError(f"ids is {ids!r}; it must be a list of texts")
    checked = list(ids)
    for id in checked:
        if not isinstance(id, str) or not id or "\0" in id:
            raise InvalidError(f"ids: {id!r}; an id must be text, not empty and without NUL")
    return checked


def _checked_length(name: str, values: Sequence[Any] | None, ids: Sequence[str]) -> list[Any] | None:
    if values is None:
        return None
    if isinstance(values, (str, bytes, Mapping)):
        raise InvalidError(f"{name} must be a list with one element for each id")
    checked = list(values)
    if len(checked) != len(ids):
        raise InvalidError(f"{name}: {len(checked)} for {len(ids)} ids")
    return checked


def _check_metadata(metadata: Metadata | None) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, Mapping):
        raise InvalidError(f"metadatas: {metadata!r} is not a dict")
    for key, value in metadata.items():
        check_key(key)
        texts = isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)
        if value is not None and not isinstance(value, (str, bool)) and not is_number(value) and not texts:
            raise InvalidError(f"metadatas: '{key}' is {value!r}; values are text, numbers, booleans and lists of texts")
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidError(f"metadatas: '{key}' is {value!r}; numbers must be finite")
        if isinstance(value, int) and not -2**63 <= value < 2**63:
            raise InvalidError(f"metadatas: '{key}' is {value!r}; integers have 64 bits")


def checked_fields(fields: Fields) -> dict[str, type]:
    for key, kind in fields.items():
        check_key(key)
        if key.lower() in _OWN_COLUMNS or key.lower().startswith("kith_"):
            raise InvalidError(f"fields: '{key}' is the name of a column that every collection has")
        if kind not in FIELD_TYPES:
            raise InvalidError(f"fields: '{key}' is {kind!r}; it must be str, int or float")
    return dict(fields)


def checked_vectors(x: Any, dim: int | None, name: str) -> Floats:
    array = np.ascontiguousarray(x, dtype="<f4")
    if array.size == 0 and array.ndim < 2:
        array = array.reshape(0, dim or 1)
    if array.ndim != 2:
        raise InvalidError(f"{name} has shape {array.shape}; it must be a list of vectors")
    if dim is not None and array.shape[1] != dim:
        raise InvalidError(f"{name} has vectors of dimension {array.shape[1]}; the collection's have {dim}")
    if not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array).all(axis=1)))
        raise InvalidError(f"{name}: vector {row} holds a NaN or an infinity")
    return array


# ---- results ----

def included(include: Sequence[str]) -> list[str]:
    for name in include:
        if name not in _RESULTS:
            raise InvalidError(f"include: unknown name {name!r}; the names are {', '.join(_RESULTS)}")
    return [name for name in _RESULTS if name in include]


def columns(wanted: Sequence[str]) -> str:
    sources = {"embeddings": "embedding", "metadatas": '"metadata"', "documents": "document", "distances": "distance"}
    return ", ".join(["key", *(sources[name] for name in wanted)])


def to_result(rows: Iterable[Sequence[Any]], namespace: str, wanted: Sequence[str]) -> dict[str, Any]:
    prefix = len(record_key(namespace, ""))
    read: dict[str, Callable[[Any], Any]] = {
        "embeddings": lambda blob: np.frombuffer(blob, dtype="<f4"), "documents": lambda text: text, "distances": float,
        "metadatas": lambda text: None if text is None else json.loads(text)}
    result: dict[str, Any] = {name: [] for name in ("ids", *wanted)}
    for row in rows:
        result["ids"].append(row[0][prefix:])
        for name, value in zip(wanted, row[1:]):
            result[name].append(read[name](value))
    return result


def of_doubles(metric: str, result: dict[str, Any], query: Floats) -> dict[str, Any]:
    """The same records with distances to a query in double precision, whose float32 rounding was searched for."""
    if not result["ids"]:
        return result
    x = np.array(result["embeddings"], dtype="f8")
    with np.errstate(invalid="ignore", divide="ignore"):
        by_metric: dict[str, Callable[[], Any]] = {
            "l2": lambda: ((x - query)**2).sum(1), "ip": lambda: -(x @ query), "l1": lambda: abs(x - query).sum(1),
            "linf": lambda: abs(x - query).max(1),
            "cosine": lambda: 1 - np.nan_to_num(x @ query / np.sqrt((x**2).sum(1) * (query @ query)))}
        distances: Any = by_metric[metric]()
    order = np.argsort(distances, kind="stable")
    return {name: [float(distances[i]) if name == "distances" else values[i] for i in order] for name, values in result.items()}
