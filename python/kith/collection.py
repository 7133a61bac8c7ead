"""Vectors with their documents and metadata, in a SQLite database.

    docs = kith.Collection("docs.db", "docs", dim=384)
    docs.add(ids=["a", "b"], embeddings=vectors, metadatas=[{"year": 2024}, {"year": 1999}], documents=["…", "…"])
    docs.query(query_embeddings=[vector], n_results=5, where={"year": {"$gte": 2000}})

A collection is a table of kith's SQLite extension (docs/sqlite.md), so its rows can also be read, joined and changed by
SQL. Its columns are `key` (made of namespace and id), `namespace` (a partition key), `embedding`, `metadata` (one JSON
object), `document`, and one for each declared field.
"""
from __future__ import annotations

import os
import re
import threading
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping, Sequence

import numpy as np

from . import _sqlite
from ._errors import InvalidError
from ._full_text import FullText, any_word
from ._judging import Gains, Judged, ndcg, recall
from ._records import (FIELD_TYPES, Batch, EmbeddingFunction, Metadata, checked_fields, checked_ids, checked_namespace, checked_vectors,
                       columns, included, of_doubles, record_key, to_json, to_result)
from ._where import Fields, Where, column_name, document_condition, is_number, metadata_condition, text_literal

if TYPE_CHECKING:
    import sqlite3

_METRICS = {"cosine": "COSINE", "l2": "L2", "ip": "IP", "l1": "L1", "linf": "LINF"}
_ALPHAS = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
_DECLARED = re.compile(r"embedding FLOAT\[(\d+)\] (\w+)")


class Collection:
    """A named set of records. A record has an id (text), a vector, and optionally a document and metadata.

    path      the database: a file's name, ":memory:", or a connection of the module sqlite3
    name      the name of the table
    dim       the dimension of the vectors; without it, the first vectors that are added determine it
    metric    "cosine" (the default), "l2", "ip", "l1" or "linf"; an existing collection keeps its own
    index     a factory string such as "HNSW32,SQ8,RFlat"; without one, searches compare all vectors exactly
    fields    metadata keys that get an indexed column, such as {"category": str, "price": float}; conditions on them are
              fast if few records pass
    full_text whether to index the words of documents as well, for hybrid()
    embedding_function
              a function that returns the vectors of a list of texts, for calls with documents or query_texts and
              without vectors

    Each call is one transaction. Threads may share a collection; their calls wait for one another. get and query return
    dicts of lists, as Chroma does. Smaller distances are nearer: they are squared for "l2", 1 − cos for "cosine", and
    the negated inner product for "ip".
    """

    def __init__(self, path: str | os.PathLike[str] | sqlite3.Connection, name: str = "collection", dim: int | None = None,
                 metric: str | None = None, *, index: str | None = None, fields: Fields | None = None, full_text: bool = False,
                 embedding_function: EmbeddingFunction | None = None) -> None:
        if not isinstance(name, str) or not name or "\0" in name:
            raise InvalidError(f"name is {name!r}; it must be text, and not empty")
        if metric is not None and metric.lower() not in _METRICS:
            raise InvalidError(f"metric is {metric!r}; it must be {', '.join(map(repr, _METRICS))}")
        self.name = name
        self._table = column_name(name)
        self._metric = metric.lower() if metric else None
        self._index, self._embed = index, embedding_function
        self._fields = checked_fields(fields or {})
        self._lock = threading.RLock()
        self._owned = isinstance(path, (str, os.PathLike))
        self._db: sqlite3.Connection = _sqlite.connect(path) if isinstance(path, (str, os.PathLike)) else path
        self._dim: int | None = None
        self._text: FullText | None = None
        self._wants_text = full_text
        try:
            if not self._owned:
                _sqlite.load(self._db)
            self._open(dim)
        except BaseException:
            if self._owned:
                self._db.close()
            raise

    # ---- the table ----

    def _open(self, dim: int | None) -> None:
        row = self._db.execute("SELECT sql FROM sqlite_master WHERE name = ? COLLATE NOCASE", (self.name,)).fetchone()
        if row is None:
            if dim is not None:
                self._create(dim)
            return
        declared = _DECLARED.search(row[0])
        if declared is None or '"metadata" TEXT' not in row[0]:
            raise InvalidError(f"'{self.name}' is already a table of the database, but not a collection")
        metric = declared.group(2).lower()
        if dim is not None and dim != int(declared.group(1)):
            raise InvalidError(f"dim is {dim}; the vectors of '{self.name}' have {declared.group(1)}")
        if self._metric not in (None, metric):
            raise InvalidError(f"metric is '{self._metric}'; '{self.name}' has '{metric}'")
        self._dim, self._metric = int(declared.group(1)), metric
        text = FullText(self._db, self.name)
        self._text = text if text.exists() else None
        self._fields = {key.replace('""', '"'): str if kind == "TEXT" else float
                        for key, kind in re.findall(r'"((?:[^"]|"")+)" (TEXT|NUMERIC) INDEXED', row[0])}

    def _create(self, dim: int) -> None:
        metric = self._metric or "cosine"
        index = " INDEX '" + self._index.replace("'", "''") + "'" if self._index else ""
        declared = [f"embedding FLOAT[{int(dim)}] {_METRICS[metric]}{index}", "namespace TEXT PARTITION KEY", "key TEXT PRIMARY KEY",
                    '"metadata" TEXT']
        declared += [f"{column_name(key)} {FIELD_TYPES[kind]} INDEXED" for key, kind in self._fields.items()]
        self._db.execute(f"CREATE VIRTUAL TABLE {self._table} USING kith({', '.join(declared)}, +document TEXT)")
        if self._wants_text:
            self._text = FullText(self._db, self.name)
            self._text.create()
        self._dim, self._metric = int(dim), metric

    @property
    def dim(self) -> int | None:
        """The dimension of the vectors; None until it is known."""
        return self._dim

    @property
    def metric(self) -> str:
        return self._metric or "cosine"

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection to the database, for your own SQL."""
        return self._db

    # ---- writing ----

    def add(self, ids: Sequence[str], embeddings: Any = None, metadatas: Sequence[Metadata | None] | None = None,
            documents: Sequence[str | None] | None = None, namespace: str = "") -> None:
        """Add records. An id that is already in the collection, or twice in the call, is an error; nothing is added."""
        batch = Batch(self._dim, self._embed, ids, embeddings, metadatas, documents, namespace)
        with self._lock, self._changing(batch):
            known = self._rowids(batch.keys)
            for key, id in zip(batch.keys, batch.ids):
                if key in known:
                    raise InvalidError(f"id {id!r} is already in the collection; use upsert to replace it")
            self._insert(batch, range(len(batch.ids)))

    def upsert(self, ids: Sequence[str], embeddings: Any = None, metadatas: Sequence[Metadata | None] | None = None,
               documents: Sequence[str | None] | None = None, namespace: str = "") -> None:
        """Add records, and replace the given parts of records that exist. Metadata is merged key by key; a value of None
        removes its key."""
        batch = Batch(self._dim, self._embed, ids, embeddings, metadatas, documents, namespace)
        with self._lock, self._changing(batch):
            known = self._rowids(batch.keys)
            self._insert(batch, [i for i, key in enumerate(batch.keys) if key not in known])
            self._replace(batch, [i for i, key in enumerate(batch.keys) if key in known], known)

    def update(self, ids: Sequence[str], embeddings: Any = None, metadatas: Sequence[Metadata | None] | None = None,
               documents: Sequence[str | None] | None = None, namespace: str = "") -> None:
        """Replace the given parts of existing records, as upsert does. Unknown ids are ignored."""
        batch = Batch(self._dim, self._embed, ids, embeddings, metadatas, documents, namespace)
        with self._lock, self._changing(batch):
            known = self._rowids(batch.keys)
            self._replace(batch, [i for i, key in enumerate(batch.keys) if key in known], known)

    def delete(self, ids: Sequence[str] | None = None, where: Where | None = None, where_document: Where | None = None,
               namespace: str = "") -> None:
        """Delete the records that have these ids and meet the conditions. At least one of ids, where and where_document
        must be given; use clear() to delete all records of a namespace."""
        if ids is None and not where and not where_document:
            raise InvalidError("delete: give ids, where or where_document; clear() deletes all records of a namespace")
        with self._lock:
            self._delete(*self._conditions(ids, where, where_document, namespace))

    def clear(self, namespace: str = "") -> None:
        """Delete all records of a namespace."""
        with self._lock:
            self._delete("namespace = ?", [checked_namespace(namespace)])

    def _delete(self, conditions: str, values: Sequence[Any]) -> None:
        if self._dim is not None:
            with _sqlite.transaction(self._db):
                if self._text:
                    self._text.remove(conditions, values)
                self._db.execute(f"DELETE FROM {self._table} WHERE {conditions}", values)

    def drop(self) -> None:
        """Delete the collection itself."""
        with self._lock:
            if self._dim is not None:
                with _sqlite.transaction(self._db):
                    if self._text:
                        self._text.drop()
                    self._db.execute(f"DROP TABLE {self._table}")
                self._dim = None

    def _changing(self, batch: Batch) -> Any:
        if self._dim is None and batch.vectors is not None and len(batch.vectors):
            self._create(batch.vectors.shape[1])
        if self._dim is None and batch.ids:
            raise InvalidError("embeddings: the first records must have vectors, which determine the dimension")
        return _sqlite.transaction(self._db)

    def _rowids(self, keys: Sequence[str]) -> dict[str, int]:
        if self._dim is None:
            return {}
        return dict(self._db.execute(f"SELECT key, rowid FROM {self._table} WHERE key IN (SELECT value FROM json_each(?))",
                                     (to_json(list(keys)),)))

    def _insert(self, batch: Batch, which: Iterable[int]) -> None:
        which = list(which)
        if which and batch.vectors is None:
            raise InvalidError(f"embeddings: id {batch.ids[which[0]]!r} is new, so it needs a vector")
        fields = list(self._fields)
        names = ["key", "namespace", "embedding", '"metadata"', "document"] + [column_name(key) for key in fields]
        rows = ((batch.keys[i], batch.namespace, batch.vector(i), batch.metadata(i, None), batch.document(i),
                 *self._field_values(batch.merged(i, None))) for i in which)
        self._db.executemany(f"INSERT INTO {self._table}({', '.join(names)}) VALUES({', '.join('?' * len(names))})", rows)
        if self._text and batch.documents is not None:
            rowids = self._rowids([batch.keys[i] for i in which])
            self._text.add((rowids[batch.keys[i]], batch.document(i)) for i in which)

    def _replace(self, batch: Batch, which: Iterable[int], known: Mapping[str, int]) -> None:
        names = [name for name, given in (("embedding", batch.vectors), ("document", batch.documents), ('"metadata"', batch.metadatas))
                 if given is not None]
        if batch.metadatas is not None:
            names += [column_name(key) for key in self._fields]
        if not names:
            return
        which = list(which)
        text = self._text if batch.documents is not None else None
        if text:
            text.remove("rowid IN (SELECT value FROM json_each(?))", [to_json([known[batch.keys[i]] for i in which])])
        sql = f"UPDATE {self._table} SET {', '.join(name + ' = ?' for name in names)} WHERE rowid = ?"
        self._db.executemany(sql, ((*self._new_values(batch, i, known[batch.keys[i]]), known[batch.keys[i]]) for i in which))
        if text:
            text.add((known[batch.keys[i]], batch.document(i)) for i in which)

    def _new_values(self, batch: Batch, i: int, rowid: int) -> Iterator[Any]:
        if batch.vectors is not None:
            yield batch.vector(i)
        if batch.documents is not None:
            yield batch.document(i)
        if batch.metadatas is not None:
            old = self._db.execute(f'SELECT "metadata" FROM {self._table} WHERE rowid = ?', (rowid,)).fetchone()[0]
            yield batch.metadata(i, old)
            yield from self._field_values(batch.merged(i, old))

    def _field_values(self, metadata: Metadata | None) -> Iterator[Any]:
        for key, kind in self._fields.items():
            value = (metadata or {}).get(key)
            fits = isinstance(value, str) and "\0" not in value if kind is str else is_number(value)
            yield value if fits else None

    # ---- reading ----

    def get(self, ids: Sequence[str] | None = None, where: Where | None = None, where_document: Where | None = None, namespace: str = "",
            limit: int | None = None, offset: int = 0, include: Sequence[str] = ("metadatas", "documents")) -> dict[str, Any]:
        """The records with these ids (or all records) that meet the conditions, in the order in which they were added."""
        wanted = included(include)
        with self._lock:
            rows: list[Any] = []
            if self._dim is not None:
                conditions, values = self._conditions(ids, where, where_document, namespace)
                rows = self._db.execute(f"SELECT {columns(wanted)} FROM {self._table} WHERE {conditions} ORDER BY rowid LIMIT ? OFFSET ?",
                                        [*values, -1 if limit is None else int(limit), int(offset)]).fetchall()
        return to_result(rows, namespace, wanted)

    def query(self, query_embeddings: Any = None, n_results: int = 10, where: Where | None = None, where_document: Where | None = None,
              namespace: str = "", *, query_texts: Sequence[str] | None = None, ids: Sequence[str] | None = None,
              include: Sequence[str] = ("metadatas", "documents", "distances"), recall: float | None = None, ef: int | None = None,
              nprobe: int | None = None) -> dict[str, Any]:
        """The n_results records nearest to each query that meet the conditions, nearest first. There are never fewer
        results than min(n_results, number of such records).

        recall, ef, nprobe: how thoroughly an index is searched (docs/sqlite.md). Records at equal distances are in the order
        in which they were added."""
        if query_embeddings is None and query_texts is not None:
            query_embeddings = self._embedded(query_texts, "query_texts")
        if query_embeddings is None:
            raise InvalidError("query_embeddings: give vectors, or query_texts to a collection with an embedding function")
        wanted = included(include)
        with self._lock:
            queries = checked_vectors(query_embeddings, self._dim, "query_embeddings")
            conditions, values = self._conditions(ids, where, where_document, namespace)
            for name, value in (("recall", recall), ("ef", ef), ("nprobe", nprobe)):
                if value is not None:
                    conditions += f" AND {name} = ?"
                    values.append(value)
            doubles = np.asarray(query_embeddings, dtype="f8")
            rounded = "distances" in wanted and not np.array_equal(queries, doubles)
            sources = ["embeddings", *wanted] if rounded else wanted
            sql = f"SELECT {columns(sources)} FROM {self._table} WHERE embedding MATCH ? AND k = ? AND {conditions}"
            found = [to_result(self._db.execute(sql, [query.tobytes(), int(n_results), *values]) if self._dim is not None else [],
                             namespace, sources) for query in queries]
        if rounded:
            found = [of_doubles(self.metric, one, query) for one, query in zip(found, doubles)]
        return {name: [one[name] for one in found] for name in ("ids", *wanted)}

    def hybrid(self, text: str, query_embedding: Any = None, n_results: int = 10, where: Where | None = None,
               where_document: Where | None = None, namespace: str = "", *, alpha: float | None = None, fusion: str = "rrf",
               depth: int | None = None, syntax: bool = False, include: Sequence[str] = ("metadatas", "documents")) -> dict[str, Any]:
        """Search for documents with any of the words of a text and for records near a vector, and fuse both results into
        one ranking, best first. Returns ids, "scores" and what is included. The collection must have full_text.

        query_embedding  one vector; None: the vector of the text, by the embedding function
        fusion           "rrf" (reciprocal ranks), "relative" or "dbsf"
        alpha            the weight of the vectors, 0 … 1
        depth            how many records of each of the two results are fused
        syntax           the text is an FTS5 query with operators

        docs/sqlite.md describes these options in detail."""
        wanted = _checked_hybrid(self._text, text, include)
        if query_embedding is None:
            query_embedding = self._embedded([text], "text")[0]
        options = {"alpha": alpha, "fusion": fusion, "depth": depth}
        with self._lock:
            query = checked_vectors([query_embedding], self._dim, "query_embedding")[0]
            options["filter"] = " AND ".join(self._expressions(where, where_document, namespace))
            arguments = (self.name, f"{self.name}_text", text if syntax else any_word(text), query.tobytes(), int(n_results),
                         to_json({name: value for name, value in options.items() if value is not None}))
            sql = (f"SELECT {columns(wanted)}, score FROM kith_hybrid(?, ?, ?, ?, ?, ?) AS found JOIN {self._table} AS records "
                   "ON records.rowid = found.rowid ORDER BY score DESC, found.rowid")
            rows = self._db.execute(sql, arguments).fetchall()
        return {**to_result(rows, namespace, wanted), "scores": [row[-1] for row in rows]}

    def evaluate(self, judgements: Sequence[tuple[str, Any, Gains]], n_results: int = 10, *, alphas: Sequence[float] = _ALPHAS,
                 fusions: Sequence[str] = ("rrf", "relative"), where: Where | None = None, namespace: str = "") -> list[Judged]:
        """Try alphas and fusions of hybrid() on judged queries: the quality of each pair, best nDCG first.

        judgements: (text, vector or None, {id: gain}) for each query; ids that are not in the dict have gain 0. 30 queries
        are few."""
        if not judgements:
            raise InvalidError("judgements: there must be at least one query")
        if n_results < 1:
            raise InvalidError(f"n_results is {n_results}; it must be 1 or more")
        results = []
        for fusion in fusions:
            for alpha in alphas:
                found = [self.hybrid(text, vector, n_results, where, namespace=namespace, alpha=alpha, fusion=fusion, include=())["ids"]
                         for text, vector, _ in judgements]
                scores = [[measure(ids, gains, n_results) for ids, (_, _, gains) in zip(found, judgements)] for measure in (ndcg, recall)]
                results.append(Judged(fusion, alpha, *(sum(one) / len(one) for one in scores)))
        return sorted(results, key=lambda one: -one.ndcg)

    def count(self, where: Where | None = None, where_document: Where | None = None, namespace: str = "") -> int:
        """How many records of a namespace meet the conditions."""
        with self._lock:
            if self._dim is None:
                return 0
            conditions, values = self._conditions(None, where, where_document, namespace)
            return int(self._db.execute(f"SELECT count(*) FROM {self._table} WHERE {conditions}", values).fetchone()[0])

    def peek(self, limit: int = 10, namespace: str = "") -> dict[str, Any]:
        """The first records."""
        return self.get(limit=limit, namespace=namespace, include=("embeddings", "metadatas", "documents"))

    def namespaces(self) -> list[str]:
        """The namespaces that have records."""
        with self._lock:
            if self._dim is None:
                return []
            return _sqlite.row_values(self._db.execute(f"SELECT DISTINCT namespace FROM {self._table} ORDER BY 1"))

    def _conditions(self, ids: Sequence[str] | None, where: Where | None, where_document: Where | None,
                    namespace: str) -> tuple[str, list[Any]]:
        parts, values = ["namespace = ?"], [checked_namespace(namespace)]
        if ids is not None:
            parts.append("key IN (SELECT value FROM json_each(?))")
            values.append(to_json([record_key(namespace, id) for id in checked_ids(ids)]))
        expressions = self._expressions(where, where_document, None)
        if expressions:
            parts.append("filter = ?")
            values.append(" AND ".join(expressions))
        return " AND ".join(parts), values

    def _expressions(self, where: Where | None, where_document: Where | None, namespace: str | None) -> list[str]:
        in_namespace = None if namespace is None else f"namespace = {text_literal(checked_namespace(namespace))}"
        every = (in_namespace, metadata_condition(where, self._fields), document_condition(where_document))
        return [one for one in every if one is not None]

    def _embedded(self, texts: Sequence[str], name: str) -> Any:
        if self._embed is None:
            raise InvalidError(f"{name}: the collection has no embedding_function to make vectors of texts; give embeddings")
        return self._embed(list(texts))

    # ---- closing ----

    def close(self) -> None:
        """Close the database, unless the connection is the caller's."""
        with self._lock:
            if self._owned:
                self._db.close()

    def __enter__(self) -> Collection:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def __len__(self) -> int:
        """The number of records in all namespaces."""
        with self._lock:
            return 0 if self._dim is None else int(self._db.execute(f"SELECT count(*) FROM {self._table}").fetchone()[0])

    def __repr__(self) -> str:
        return f"<kith.Collection {self.name!r}, dim {self._dim}, {self.metric}>"


def _checked_hybrid(index: FullText | None, text: object, include: Sequence[str]) -> list[str]:
    if index is None:
        raise InvalidError("hybrid: the collection has no full-text index; create it with full_text=True, and add records")
    if not isinstance(text, str):
        raise InvalidError(f"text is {text!r}; it must be text")
    if "distances" in include:
        raise InvalidError("include: hybrid returns 'scores', not 'distances'")
    return included(include)
