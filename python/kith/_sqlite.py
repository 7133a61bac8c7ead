"""Connections to SQLite databases with kith's extension: finds and loads the extension, and runs transactions."""
from __future__ import annotations

import os
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Iterator

from ._errors import UnsupportedError

if TYPE_CHECKING:
    import sqlite3


def _module() -> ModuleType:
    try:
        return import_module("sqlite3")
    except ImportError as error:
        raise UnsupportedError(f"this Python was built without SQLite: {error}") from error


def _library_folder() -> Path | None:
    """The folder of the libkith that this process has loaded, from Linux's /proc."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            paths = [line.split(maxsplit=5)[-1].strip() for line in maps if "/libkith.so" in line]
    except OSError:
        return None
    return Path(paths[0]).parent if paths else None


def extension_path() -> str:
    """The file of the extension: the one that KITH_SQLITE names, or else the one in the build directory, in the wheel,
    or in the folder kith beside the installed libkith."""
    if os.environ.get("KITH_SQLITE"):
        return os.environ["KITH_SQLITE"]
    here = Path(__file__).resolve().parent
    places = [here.parent.parent / "sqlite", here]
    library = _library_folder()
    if library is not None:
        places.append(library / "kith")
    for place in places:
        path = place / "kith_sqlite.so"
        if path.is_file():
            return str(path)
    raise UnsupportedError("kith's extension for SQLite, kith_sqlite.so, is not installed beside the library: build kith where the "
                           "headers of SQLite are (Debian, Ubuntu: apt install libsqlite3-dev), or name the file in the environment "
                           "variable KITH_SQLITE")


def load(connection: sqlite3.Connection) -> None:
    """Load the extension into a connection, unless it is already loaded."""
    module = _module()
    try:
        connection.execute("SELECT kith_version()").fetchone()
        return
    except module.OperationalError:
        pass
    if not hasattr(connection, "enable_load_extension"):
        raise UnsupportedError("this Python's sqlite3 cannot load extensions; Debian's, conda's and Homebrew's can")
    connection.enable_load_extension(True)
    try:
        connection.load_extension(extension_path())
    finally:
        connection.enable_load_extension(False)


def connect(path: str | os.PathLike[str]) -> sqlite3.Connection:
    """A new connection with the extension. Several threads may use it, but only one at a time."""
    connection: sqlite3.Connection = _module().connect(os.fspath(path), isolation_level=None, check_same_thread=False, timeout=30)
    try:
        load(connection)
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "memory":
            connection.execute("PRAGMA journal_mode = WAL")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction around a block of code, which may itself be within a transaction of the caller's: if the block
    raises, all of its changes are rolled back."""
    inner = connection.in_transaction
    begin, commit, rollback = (("SAVEPOINT kith_call", "RELEASE kith_call", "ROLLBACK TO kith_call") if inner
                               else ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"))
    connection.execute(begin)
    try:
        yield
        connection.execute(commit)
    except BaseException:
        if connection.in_transaction:
            connection.execute(rollback)
            if inner:
                connection.execute(commit)
        raise


def row_values(cursor: Any) -> list[Any]:
    """The first column of all rows."""
    return [row[0] for row in cursor]
