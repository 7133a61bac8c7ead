"""Exceptions: one for each status that a call of the library can return.

All are KithError, which is a RuntimeError because that is what FAISS raises; each is also the built-in exception
that a Python programmer would expect in its place.
"""
from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import Iterator


class KithError(RuntimeError):
    """A call of the library failed. `status` is its number in <kith/status.h>, the text its message."""

    status: int = 9


class InvalidError(KithError, ValueError):
    """An argument is outside of what is allowed."""

    status = 1


class UntrainedError(KithError):
    """The index must be trained first."""

    status = 2


class NoMemoryError(KithError, MemoryError):
    """An allocation failed; nothing was changed."""

    status = 3


class CancelledError(KithError):
    """A progress callback asked to stop; nothing was changed."""

    status = 4


class NotFoundError(KithError, LookupError):
    """An id or a file is not there."""

    status = 5


class MissingFileError(NotFoundError, FileNotFoundError):
    """A file is not there."""


class FileError(KithError, OSError):
    """The system refused to read or write."""

    status = 6


class FormatError(KithError, ValueError):
    """The bytes of a file are not what its format demands."""

    status = 7


class UnsupportedError(KithError, NotImplementedError):
    """Valid, but not offered by this index or this build of the library."""

    status = 8


class InternalError(KithError):
    """A bug in kith: please report it."""

    status = 9


class BusyError(KithError):
    """Another call, of another thread or further out in this one, is using the index; nothing was changed."""

    status = 10


class StaleError(KithError, ValueError):
    """A file is not what it was when the index read it: somebody appended to it or replaced it. Nothing was written."""

    status = 11


BY_STATUS: dict[int, type[KithError]] = {
    kind.status: kind
    for kind in (InvalidError, UntrainedError, NoMemoryError, CancelledError, NotFoundError, FileError, FormatError,
                 UnsupportedError, InternalError, BusyError, StaleError)
}


class ArgumentError(InvalidError, AssertionError, TypeError):
    """An argument of the FAISS-like interface that FAISS asserts: a wrong dimension, k, or name of a parameter."""


@contextmanager
def missing_files() -> Iterator[None]:
    """A file that is not there is an OSError as well."""
    try:
        yield
    except NotFoundError as error:
        missing = MissingFileError(str(error))
        missing.errno = errno.ENOENT
        raise missing from None
