"""FAISS's readers and writers; indexes to and from files and bytes."""
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
NOTHING = b"null"  # is there in place of an index where None was written
HEADER = 64  # bytes that a file of kith's begins with
# FAISS's numbers, of which the two that map a file count.
IO_FLAG_READ_ONLY, IO_FLAG_ONDISK_SAME_DIR, IO_FLAG_SKIP_IVF_DATA, IO_FLAG_SKIP_PRECOMPUTE_TABLE = 2, 4, 8, 16
IO_FLAG_SKIP_STORAGE, IO_FLAG_PQ_SKIP_SDC_TABLE = 1, 32
IO_FLAG_MMAP, IO_FLAG_MMAP_IFC = 8 | 0x646F0000, 1 << 9


class IOWriter:
    """Where an index is written to: write(bytes)."""

    def write(self, data: bytes) -> int:
        raise UnsupportedError("use PyCallbackIOWriter, VectorIOWriter or FileIOWriter")

    def __call__(self, ptr: Any, size: int, nitems: int) -> int:
        """Write nitems items of `size` bytes of an array; how many there were."""
        self.write(np.ascontiguousarray(ptr).reshape(-1).view(np.uint8)[:size * nitems].tobytes())
        return nitems


class IOReader:
    """Where indexes are read from, one after another: read(n) gives the next n bytes, fewer only at the end. Nothing is
    taken beyond the index that is read."""

    def read(self, n: int) -> bytes:
        raise UnsupportedError("use PyCallbackIOReader, VectorIOReader or FileIOReader")

    def __call__(self, ptr: Any, size: int, nitems: int) -> int:
        """Read nitems items of `size` bytes into an array; how many there were."""
        data = self.read(size * nitems)
        whole = len(data) // size if size else 0
        np.asarray(ptr).reshape(-1).view(np.uint8)[:whole * size] = np.frombuffer(data, np.uint8, whole * size)
        return whole


class PyCallbackIOWriter(IOWriter):
    """Gives what is written to a function of bytes, at most bs at a time."""

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
    """Takes bytes from a function of how many, at most bs at a time. It may give fewer, and none at the end."""

    def __init__(self, callback: Callable[[int], Any], bs: int = 1024 * 1024) -> None:
        self._callback, self._size = callback, args.count(bs, "bs", 1)

    def read(self, n: int) -> bytes:
        _callable(self._callback, "a number of bytes")
        parts = []
        while n and (part := bytes(self._callback(min(n, self._size)))):
            if len(part) > n:
                raise InvalidError(f"callback gave {len(part)} bytes when it was asked for {min(n, self._size)}")
            parts.append(part)
            n -= len(part)
        return b"".join(parts)


class BufferedIOWriter(IOWriter):
    """Gives what is written to another writer, bsz bytes at a time. Each index arrives whole."""

    def __init__(self, writer: Any, bsz: int = 1024 * 1024) -> None:
        self._writer, self._size = writer, args.count(bsz, "bsz", 1)

    def write(self, data: bytes) -> int:
        for at in range(0, len(data), self._size):
            self._writer.write(data[at:at + self._size])
        return len(data)


class BufferedIOReader(IOReader):
    """Takes bytes from another reader: kith reads in large pieces anyway, and this takes none ahead."""

    def __init__(self, reader: Any, bsz: int = 1024 * 1024) -> None:
        self._reader, self._size = reader, args.count(bsz, "bsz", 1)

    def read(self, n: int) -> bytes:
        return self._reader.read(n)


class FileIOWriter(IOWriter):
    """Writes to a file by its name."""

    def __init__(self, fname: Any) -> None:
        self.name = os.fsdecode(args.path_of(fname))
        self._file = _opened(self.name, "wb")

    def write(self, data: bytes) -> int:
        self._file.write(data)
        self._file.flush()
        return len(data)


class FileIOReader(IOReader):
    """Reads a file by its name, from its beginning on."""

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
        """Begin again."""
        self._at = 0


class VectorIOWriter(IOWriter):
    """Keeps what is written in `data`."""

    def __init__(self) -> None:
        self.data = Bytes()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


class VectorIOReader(IOReader):
    """Takes what is put into `data` (copy_array_to_vector), from `rp` on."""

    def __init__(self) -> None:
        self.data = Bytes()
        self.rp = 0

    def read(self, n: int) -> bytes:
        part = bytes(self.data[self.rp:self.rp + n])
        self.rp += len(part)
        return part


def write_index(index: FaissIndex, f: Any, format: str = "kith") -> None:
    """Save an index in kith's format, or with format="faiss" in FAISS's. f: a file's name, or what has write(bytes)."""
    if index is None:
        if hasattr(f, "write"):
            f.write(NOTHING)
        else:
            with open(args.path_of(f), "wb") as file:
                file.write(NOTHING)
        return
    _an_index(index)
    if not isinstance(format, str) or format not in ("kith", "faiss"):
        raise ArgumentError(f"format is {_arrays.short(format)}; there are 'kith' and 'faiss'")
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
    """Open a file of kith's or of FAISS's, told apart by what is in it. f: its name, or what has read(n), from which
    just one index is taken."""
    flags = args.count(io_flags, "io_flags")
    if hasattr(f, "read"):
        return _of_stream(f)  # type: ignore[return-value]  # None where None was written
    name = args.path_of(f)
    with missing_files():
        try:
            with open(name, "rb") as file:
                head = file.read(len(KITH_MAGIC))
        except FileNotFoundError as error:
            raise NotFoundError(f"'{os.fsdecode(name)}' is not there: {error.strerror}") from None
        except IsADirectoryError:
            raise FileError(f"'{os.fsdecode(name)}' is a directory; expected the name of an index file in it") from None
        except OSError as error:
            raise FileError(f"'{os.fsdecode(name)}' cannot be read: {error.strerror}") from None
    if head == NOTHING:
        return None  # type: ignore[return-value]
    if head != KITH_MAGIC:
        return _import(name)
    mapped = flags & IO_FLAG_MMAP == IO_FLAG_MMAP or flags & IO_FLAG_MMAP_IFC
    return FaissIndex._of(open_handle(f, MMAP if mapped else 0))


def _import(name: bytes) -> FaissIndex:
    """A file of FAISS's, with what FAISS keeps in an index."""
    return FaissIndex._of(Handle(lib.index_import_faiss_labels, name))


class _Stream:
    """A stream of which no more is taken than what is asked for, and what was taken, in a file."""

    def __init__(self, stream: Any, file: Any) -> None:
        self._stream, self._file, self.taken = stream, file, 0

    def take(self, n: int) -> bytes:
        """The next n bytes."""
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
        """Bytes offset … offset + n − 1 of the index."""
        while self.taken < offset + n:
            self.take(min(offset + n - self.taken, PIECE))
        self._file.seek(offset)
        ctypes.memmove(address, self._file.read(n), n)
        self._file.seek(0, os.SEEK_END)


def _of_stream(stream: Any) -> FaissIndex | None:
    """The index that a stream begins with."""
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
    """What is left of an index of `size` bytes; 0: all that comes."""
    while source.taken < size:
        source.take(min(size - source.taken, PIECE))
    while not size and (part := bytes(stream.read(PIECE))):
        source._file.write(part)


def serialize_index(index: FaissIndex) -> Codes:
    """The bytes of an index's file, as an array of uint8."""
    if index is None:
        return np.frombuffer(NOTHING, np.uint8).copy()
    return np.frombuffer(_an_index(index).tobytes(), np.uint8).copy()


def _an_index(index: Any) -> FaissIndex:
    if not isinstance(index, FaissIndex):
        raise ArgumentError(f"index is a {type(index).__name__}; it must be one of kith's FAISS-like indexes")
    return index


def deserialize_index(data: Any) -> FaissIndex:
    """An index of what serialize_index gave, kith's or FAISS's."""
    array = np.asarray(data) if not isinstance(data, (bytes, bytearray, memoryview)) else np.frombuffer(data, np.uint8)
    if array.dtype != np.uint8 or array.ndim != 1:
        raise ArgumentError(f"data is {array.dtype} of shape {array.shape}; it must be bytes, uint8 of shape (n,)")
    if len(array) < 4:
        raise FormatError(f"data is no index: it has {len(array)} bytes")
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
