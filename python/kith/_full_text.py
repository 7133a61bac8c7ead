"""The documents of a collection in a full-text index of SQLite's (FTS5), so that searches can ask for words, too.

FTS5 keeps no copy of the documents: it reads them from the collection's table. So it must be told what is taken away
before it is gone, which the collection does in the same transaction."""
from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Iterable, Sequence

from ._where import column_name, text_literal

if TYPE_CHECKING:
    import sqlite3


class FullText:
    """That of one collection: the table NAME_text."""

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
        """Rowids and documents."""
        self._db.executemany(f"INSERT INTO {self._table}(rowid, document) VALUES(?, ?)", (row for row in rows if row[1] is not None))

    def take_away(self, conditions: str, values: Sequence[Any]) -> None:
        """Before rows of the collection that meet the conditions change or go."""
        old = self._db.execute(f"SELECT rowid, document FROM {self._source} WHERE {conditions}", values).fetchall()
        self._db.executemany(f"INSERT INTO {self._table}({self._table}, rowid, document) VALUES('delete', ?, ?)",
                             (row for row in old if row[1] is not None))


def any_word(text: str) -> str:
    """A query of FTS5's for documents with any of the words; none of its operators."""
    return " OR ".join(f'"{word}"' for word in re.findall(r"\w+", text))
