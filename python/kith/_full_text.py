"""A full-text index (SQLite's FTS5) of a collection's documents, so that searches can also ask for words.

FTS5 keeps no copy of the documents but reads them from the collection's table. So a document must be removed from the
full-text index before it changes in the table; the collection does both in one transaction."""
from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Iterable, Sequence

from ._where import column_name, text_literal

if TYPE_CHECKING:
    import sqlite3


class FullText:
    """The full-text index of one collection: the table NAME_text."""

    def __init__(self, db: sqlite3.Connection, name: str) -> None:
        self._db = db
        self.name = name + "_text"
        self._content = name
        self._table, self._source = column_name(self.name), column_name(name)

    def exists(self) -> bool:
        return self._db.execute("SELECT 1 FROM sqlite_master WHERE name = ? COLLATE NOCASE", (self.name,)).fetchone() is not None

    def create(self) -> None:
        self._db.execute(f"CREATE VIRTUAL TABLE {self._table} USING fts5(document, content={text_literal(self._content)}, content_rowid='rowid')")

    def drop(self) -> None:
        self._db.execute(f"DROP TABLE {self._table}")

    def add(self, rows: Iterable[tuple[int, str | None]]) -> None:
        """Add documents by their rowids."""
        self._db.executemany(f"INSERT INTO {self._table}(rowid, document) VALUES(?, ?)", (row for row in rows if row[1] is not None))

    def remove(self, conditions: str, values: Sequence[Any]) -> None:
        """Remove the documents of all rows of the collection that meet the conditions, before these rows change."""
        old = self._db.execute(f"SELECT rowid, document FROM {self._source} WHERE {conditions}", values).fetchall()
        self._db.executemany(f"INSERT INTO {self._table}({self._table}, rowid, document) VALUES('delete', ?, ?)",
                             (row for row in old if row[1] is not None))


def any_word(text: str) -> str:
    """An FTS5 query for documents with any of the words of a text. No word is taken for an operator."""
    return " OR ".join(f'"{word}"' for word in re.findall(r"\w+", text))
