"""Exceptions: one class for each status that a call of the library can return.

All derive from KithError, which is a RuntimeError because FAISS raises RuntimeError; each also derives from the
built-in exception that a Python programmer would expect in its place.
"""
from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import Iterator


class KithError(RuntimeError):
    """A call of the library failed. `status` is the number in <kith/status.h>; the text is the library's message."""

    status: int = 9


class InvalidError(KithError, ValueError):
    """An argument is not allowed."""

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
    """There is no such id or file."""

    status = 5


class MissingFileError(NotFoundError, FileNotFoundError):
    """There is no such file."""


class FileError(KithError, OSError):
    """The operating system could not read or write a file."""

    status = 6


class FormatError(KithError, ValueError):
    """The contents of a file do not follow its format."""

    status = 7


class UnsupportedError(KithError, NotImplementedError):
    """The request is valid, but this index or this build of the library does not support it."""

    status = 8


class InternalError(KithError):
    """A bug in kith: please report it."""

    status = 9


class BusyError(KithError):
    """Another call is using the index, in another thread or as the caller of this callback; nothing was changed."""

    status = 10


class StaleError(KithError, ValueError):
    """A file was appended to or replaced since the index read it. Nothing was written."""

    status = 11


BY_STATUS: dict[int, type[KithError]] = {
    kind.status: kind
    for kind in (InvalidError, UntrainedError, NoMemoryError, CancelledError, NotFoundError, FileError, FormatError,
                 UnsupportedError, InternalError, BusyError, StaleError)
}


class ArgumentError(InvalidError, AssertionError, TypeError):
    """An argument of the FAISS-like interface that FAISS rejects by an assertion: a wrong dimension, k, or parameter."""


@contextmanager
def missing_files() -> Iterator[None]:
    """Raise MissingFileError, which is also a FileNotFoundError, in place of NotFoundError."""
    try:
        yield
    except NotFoundError as error:
        missing = MissingFileError(str(error))
        missing.errno = errno.ENOENT
        raise missing from None
