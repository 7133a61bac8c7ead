"""FAISS's functions that write indexes to files and bytes and read them, and its readers and writers."""
# mypy: warn-return-any=False
from __future__ import annotations

import ctypes
import io
import os
import struct
import tempfile
from typing import Any, Callable

import numpy as np

from .. import _arrays
from .._errors import ArgumentError, FileError, FormatError, InvalidError, NotFoundError, UnsupportedError, missing_files
from .._handle import Handle
from .._lib import ReadBytes, lib
from .._streams import PIECE, Piecewise
from .._types import Codes
from ..index import MMAP, open_handle
from . import arguments as args
from .base import FaissIndex
from .flat import PQView, ScalarQuantizer
from .product import ProductQuantizer
from .swig import Bytes

KITH_MAGIC = b"\x89KITH\r\n\x1a"
NOTHING = b"null"  # written in place of an index that is None
HEADER = 64  # bytes of the header of a kith file
# FAISS's flags. Only the two that map a file, IO_FLAG_MMAP and IO_FLAG_MMAP_IFC, have an effect.
IO_FLAG_READ_ONLY, IO_FLAG_ONDISK_SAME_DIR, IO_FLAG_SKIP_IVF_DATA, IO_FLAG_SKIP_PRECOMPUTE_TABLE = 2, 4, 8, 16
IO_FLAG_SKIP_STORAGE, IO_FLAG_PQ_SKIP_SDC_TABLE = 1, 32
IO_FLAG_MMAP, IO_FLAG_MMAP_IFC = 8 | 0x646F0000, 1 << 9


class IOWriter:
    """The base class of writers, which have a method write(bytes)."""

    def write(self, data: bytes) -> int:
        raise UnsupportedError("use PyCallbackIOWriter, VectorIOWriter or FileIOWriter")

    def __call__(self, ptr: Any, size: int, nitems: int) -> int:
        """Write nitems items of `size` bytes from an array. Returns how many were written."""
        self.write(np.ascontiguousarray(ptr).reshape(-1).view(np.uint8)[:size * nitems].tobytes())
        return nitems


class IOReader:
    """The base class of readers, which have a method read(n) that returns the next n bytes, fewer only at the end. Reading
    an index takes no bytes beyond it, so several can be read one after another."""

    def read(self, n: int) -> bytes:
        raise UnsupportedError("use PyCallbackIOReader, VectorIOReader or FileIOReader")

    def __call__(self, ptr: Any, size: int, nitems: int) -> int:
        """Read nitems items of `size` bytes to an array. Returns how many were read."""
        data = self.read(size * nitems)
        whole = len(data) // size if size else 0
        np.asarray(ptr).reshape(-1).view(np.uint8)[:whole * size] = np.frombuffer(data, np.uint8, whole * size)
        return whole


class PyCallbackIOWriter(IOWriter):
    """Passes the bytes that are written to a function, at most bs at a time."""

    def __init__(self, callback: Callable[[bytes], Any], bs: int = 1024 * 1024) -> None:
        self._callback, self._size = callback, args.count(bs, "bs", 1)

    def write(self, data: bytes) -> int:
        _callable(self._callback, "bytes")
        for at in range(0, len(data), self._size):
            self._callback(data[at:at + self._size])
        return len(data)


def _callable(callback: Any, what: str) -> None:
    if not callable(callback):
        raise ArgumentError(f"callback is a {type(callback).__name__}; it must be a function of {what}")


class PyCallbackIOReader(IOReader):
    """Reads bytes by a function callback(n), with n at most bs, which may return fewer bytes, and none at the end."""

    def __init__(self, callback: Callable[[int], Any], bs: int = 1024 * 1024) -> None:
        self._callback, self._size = callback, args.count(bs, "bs", 1)

    def read(self, n: int) -> bytes:
        _callable(self._callback, "a number of bytes")
        parts = []
        while n and (part := bytes(self._callback(min(n, self._size)))):
            if len(part) > n:
                raise InvalidError(f"callback returned {len(part)} bytes when it was asked for {min(n, self._size)}")
            parts.append(part)
            n -= len(part)
        return b"".join(parts)


class BufferedIOWriter(IOWriter):
    """Passes the bytes that are written to another writer, at most bsz at a time. Nothing is held back."""

    def __init__(self, writer: Any, bsz: int = 1024 * 1024) -> None:
        self._writer, self._size = writer, args.count(bsz, "bsz", 1)

    def write(self, data: bytes) -> int:
        for at in range(0, len(data), self._size):
            self._writer.write(data[at:at + self._size])
        return len(data)


class BufferedIOReader(IOReader):
    """Reads bytes from another reader, without reading ahead: kith always reads large pieces."""

    def __init__(self, reader: Any, bsz: int = 1024 * 1024) -> None:
        self._reader, self._size = reader, args.count(bsz, "bsz", 1)

    def read(self, n: int) -> bytes:
        return self._reader.read(n)


class FileIOWriter(IOWriter):
    """Writes to the file with a given name."""

    def __init__(self, fname: Any) -> None:
        self.name = os.fsdecode(args.path_of(fname))
        self._file = _opened(self.name, "wb")

    def write(self, data: bytes) -> int:
        self._file.write(data)
        self._file.flush()
        return len(data)


class FileIOReader(IOReader):
    """Reads the file with a given name from its start."""

    def __init__(self, fname: Any) -> None:
        self.name = os.fsdecode(args.path_of(fname))
        self._file = _opened(self.name, "rb")

    def read(self, n: int) -> bytes:
        return self._file.read(n)


def _opened(name: str, mode: str) -> Any:
    try:
        return open(name, mode)
    except OSError as error:
        raise FileError(f"'{name}' cannot be opened: {error.strerror}") from None


class ZeroCopyIOReader(IOReader):
    """Reads the first `size` bytes of an array."""

    def __init__(self, data: Any, size: int) -> None:
        self._data = np.asarray(data).reshape(-1).view(np.uint8)[:args.count(size, "size")]
        self._at = 0

    def read(self, n: int) -> bytes:
        part = self._data[self._at:self._at + n].tobytes()
        self._at += len(part)
        return part

    def reset(self) -> None:
        """Start again at the first byte."""
        self._at = 0


class VectorIOWriter(IOWriter):
    """Appends the bytes that are written to `data`."""

    def __init__(self) -> None:
        self.data = Bytes()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


class VectorIOReader(IOReader):
    """Reads the bytes of `data` (set by copy_array_to_vector) from position `rp` on."""

    def __init__(self) -> None:
        self.data = Bytes()
        self.rp = 0

    def read(self, n: int) -> bytes:
        part = bytes(self.data[self.rp:self.rp + n])
        self.rp += len(part)
        return part


def write_index(index: FaissIndex, f: Any, format: str = "kith") -> None:
    """Save an index in kith's format, or with format="faiss" in FAISS's. f: a file's name, or an object with
    write(bytes)."""
    if index is None:
        if hasattr(f, "write"):
            f.write(NOTHING)
        else:
            with open(args.path_of(f), "wb") as file:
                file.write(NOTHING)
        return
    _an_index(index)
    if not isinstance(format, str) or format not in ("kith", "faiss"):
        raise ArgumentError(f"format is {_arrays.short(format)}; it must be 'kith' or 'faiss'")
    if format == "kith":
        index.save(f)
    elif not hasattr(f, "write"):
        index.export_faiss(f)
    else:
        with tempfile.TemporaryDirectory(prefix="kith-") as folder:
            path = os.path.join(folder, "index")
            index.export_faiss(path)
            with open(path, "rb") as file:
                while part := file.read(1 << 24):
                    f.write(part)


def read_index(f: Any, io_flags: int = 0) -> FaissIndex:
    """Open a file of kith or of FAISS, which are told apart by their contents. f: a file's name, or an object with
    read(n), from which exactly one index is read."""
    flags = args.count(io_flags, "io_flags")
    if hasattr(f, "read"):
        return _of_stream(f)  # type: ignore[return-value]  # None where None was written
    name = args.path_of(f)
    with missing_files():
        try:
            with open(name, "rb") as file:
                head = file.read(len(KITH_MAGIC))
        except FileNotFoundError as error:
            raise NotFoundError(f"'{os.fsdecode(name)}' cannot be opened: {error.strerror}") from None
        except IsADirectoryError:
            raise FileError(f"'{os.fsdecode(name)}' is a directory; expected the name of an index file") from None
        except OSError as error:
            raise FileError(f"'{os.fsdecode(name)}' cannot be read: {error.strerror}") from None
    if head == NOTHING:
        return None  # type: ignore[return-value]
    if head != KITH_MAGIC:
        return _import(name)
    mapped = flags & IO_FLAG_MMAP == IO_FLAG_MMAP or flags & IO_FLAG_MMAP_IFC
    return FaissIndex._of(open_handle(f, MMAP if mapped else 0))


def _import(name: bytes) -> FaissIndex:
    """The index in a FAISS file, with the settings and labels that FAISS stores in it."""
    return FaissIndex._of(Handle(lib.index_import_faiss_labels, name))


class _Stream:
    """A stream from which no more is read than requested. The bytes that were read are kept in a file."""

    def __init__(self, stream: Any, file: Any) -> None:
        self._stream, self._file, self.taken = stream, file, 0

    def take(self, n: int) -> bytes:
        """Read the next n bytes."""
        parts = []
        while n:
            part = bytes(self._stream.read(min(n, PIECE)))[:n]
            if not part:
                raise FormatError(f"the stream ends after {self.taken} bytes, before the index does")
            self._file.write(part)
            self.taken += len(part)
            n -= len(part)
            parts.append(part)
        return b"".join(parts)

    def give(self, offset: int, address: int, n: int) -> None:
        """Copy bytes offset … offset + n − 1 of the stream to an address, reading as far as needed."""
        while self.taken < offset + n:
            self.take(min(offset + n - self.taken, PIECE))
        self._file.seek(offset)
        ctypes.memmove(address, self._file.read(n), n)
        self._file.seek(0, os.SEEK_END)


def _of_stream(stream: Any) -> FaissIndex | None:
    """Read the index at the start of a stream; None if None was written."""
    with tempfile.TemporaryDirectory(prefix="kith-") as folder:
        path = os.path.join(folder, "index")
        with open(path, "w+b") as file:
            source = _Stream(stream, file)
            head = source.take(4)
            if head == NOTHING:
                return None
            if native := KITH_MAGIC.startswith(head):
                head += source.take(HEADER - len(head))
                size = struct.unpack_from("<Q", head, 16)[0]
                _take_rest(source, stream, size)
            else:
                length = ctypes.c_int64()
                pieces = Piecewise()
                callback = ReadBytes(lambda _, offset, address, n: pieces.step(source.give, offset, address, n))
                pieces.call(lib.faiss_length, callback, None, ctypes.byref(length))
                _take_rest(source, stream, length.value)
        name = os.fsencode(path)
        return FaissIndex._of(open_handle(name)) if native else _import(name)


def _take_rest(source: _Stream, stream: Any, size: int) -> None:
    """Read the rest of an index of `size` bytes, or the rest of the stream if size is 0."""
    while source.taken < size:
        source.take(min(size - source.taken, PIECE))
    while not size and (part := bytes(stream.read(PIECE))):
        source._file.write(part)


def serialize_index(index: FaissIndex) -> Codes:
    """The bytes of an index's file, as a uint8 array."""
    if index is None:
        return np.frombuffer(NOTHING, np.uint8).copy()
    return np.frombuffer(_an_index(index).tobytes(), np.uint8).copy()


def _an_index(index: Any) -> FaissIndex:
    if not isinstance(index, FaissIndex):
        raise ArgumentError(f"index is a {type(index).__name__}; it must be one of kith's FAISS-like indexes")
    return index


def deserialize_index(data: Any) -> FaissIndex:
    """The index in an array that serialize_index returned, in kith or in FAISS."""
    array = np.asarray(data) if not isinstance(data, (bytes, bytearray, memoryview)) else np.frombuffer(data, np.uint8)
    if array.dtype != np.uint8 or array.ndim != 1:
        raise ArgumentError(f"data is {array.dtype} of shape {array.shape}; it must be bytes, uint8 of shape (n,)")
    if len(array) < 4:
        raise FormatError(f"data is not an index: it has only {_arrays.counted(len(array), 'byte')}")
    if array[:len(KITH_MAGIC)].tobytes() == KITH_MAGIC:
        return FaissIndex.frombytes(array.tobytes())  # type: ignore[return-value]
    return _of_stream(io.BytesIO(array.tobytes()))  # type: ignore[return-value]


def clone_index(index: FaissIndex) -> FaissIndex:
    """An independent copy."""
    return _an_index(index).clone()


def clone_Quantizer(quantizer: Any) -> Any:
    """An independent copy of a product or scalar quantizer."""
    if isinstance(quantizer, ScalarQuantizer):
        made = ScalarQuantizer(quantizer.d, quantizer.qtype)
        made._index = None if quantizer._index is None else quantizer._index.clone()
        return made
    if isinstance(quantizer, PQView):
        return quantizer.copy()
    if not isinstance(quantizer, ProductQuantizer):
        raise ArgumentError(f"quantizer is a {type(quantizer).__name__}; it must be a ProductQuantizer or a ScalarQuantizer")
    copy = ProductQuantizer(quantizer.d, quantizer.M, quantizer.nbits)
    if quantizer.is_trained:
        copy.centroids = quantizer.centroids
    return copy
