"""The names of FAISS's Python interface that come from its C++ implementation: pointers, vectors, ownership. kith takes
and returns NumPy arrays, so a "pointer" is simply the array."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator

import numpy as np

from .. import _arrays
from .._errors import ArgumentError
from .._types import Array
from . import arguments as args

__all__ = ["ByteVector", "CharVector", "DoubleVector", "Float32Vector", "Float64Vector", "FloatVector", "Int16Vector",
           "Int32Vector", "Int64Vector", "Int8Vector", "IntVector", "InvertedListsPtrVector", "LongLongVector",
           "LongVector", "UInt16Vector", "UInt32Vector", "UInt64Vector", "UInt8Vector", "Uint64Vector",
           "copy_array_to_vector", "memcpy", "rev_swig_ptr", "swig_ptr", "vector_float_to_array", "vector_to_array"]


def swig_ptr(a: Any) -> Array:
    """The argument for a parameter that is a pointer in FAISS: the array, which must be C-contiguous."""
    if isinstance(a, Vector):
        return a.data()
    if not isinstance(a, np.ndarray):
        raise ArgumentError(f"a is a {type(a).__name__}; it must be an array")
    if not a.flags.c_contiguous:
        raise ArgumentError("a must be C-contiguous")
    return a


def rev_swig_ptr(ptr: Any, n: int) -> Array:
    """The first n elements of an array that is a pointer in FAISS."""
    array = np.asarray(ptr).reshape(-1)
    return array[:args.count(n, "n", 0, len(array))]


def memcpy(dest: Any, src: Any, n: int) -> None:
    """Copy n bytes from one array to another."""
    to, source = (np.asarray(array) for array in (dest, src))
    if not to.flags.c_contiguous or not to.flags.writeable:
        raise ArgumentError("dest must be C-contiguous and writeable")
    n = args.count(n, "n", 0, min(to.nbytes, source.nbytes))
    to.reshape(-1).view(np.uint8)[:n] = np.ascontiguousarray(source).reshape(-1).view(np.uint8)[:n]


class Vector:
    """A growing array with the methods of a C++ vector. All functions of kith that take an array accept it."""

    dtype: Any = np.dtype(np.float32)

    def __init__(self, values: Any = ()) -> None:
        """values: the elements, or their number, in which case all are 0."""
        if isinstance(values, (int, np.integer)):
            values = np.zeros(args.count(values, "n"), self.dtype)
        self._values = np.array(values, self.dtype).reshape(-1)

    def size(self) -> int:
        return len(self._values)

    __len__ = size

    def empty(self) -> bool:
        return not len(self._values)

    def data(self) -> Array:
        """The elements, without a copy; valid until elements are added."""
        return self._values

    def at(self, i: int) -> Any:
        return self._values[args.count(i, "i", 0, len(self._values) - 1)].item()

    def __getitem__(self, i: Any) -> Any:
        found = self._values[i]
        return found.item() if np.ndim(found) == 0 else found

    def __setitem__(self, i: Any, value: Any) -> None:
        self._values[i] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values.tolist())

    def push_back(self, value: Any) -> None:
        self._values = np.append(self._values, self.dtype.type(value))

    def resize(self, n: int) -> None:
        n, old = args.count(n, "n"), self._values
        self._values = np.zeros(n, self.dtype)
        self._values[:len(old)] = old[:n]

    def clear(self) -> None:
        self.resize(0)

    def swap(self, other: Vector) -> None:
        self._values, other._values = other._values, self._values

    def assign(self, values: Any) -> None:
        """Replace the elements. The bytes of values of another type of the same size are reinterpreted."""
        values = np.ascontiguousarray(values).reshape(-1)
        if values.dtype != self.dtype:
            if values.dtype.itemsize != self.dtype.itemsize:
                raise ArgumentError(f"values are {values.dtype}; the vector holds {self.dtype}")
            values = values.view(self.dtype)
        self._values = values.copy()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return np.array(self._values, dtype)

    def __repr__(self) -> str:
        return f"<kith.{type(self).__name__} {self._values!r}>"


def _vector(name: str, dtype: Any) -> type[Vector]:
    return type(name, (Vector,), {"dtype": np.dtype(dtype), "__doc__": f"A growing array of {np.dtype(dtype)}.",
                                  "__module__": "kith"})


Float32Vector, Float64Vector = _vector("Float32Vector", np.float32), _vector("Float64Vector", np.float64)
Int8Vector, Int16Vector = _vector("Int8Vector", np.int8), _vector("Int16Vector", np.int16)
Int32Vector, Int64Vector = _vector("Int32Vector", np.int32), _vector("Int64Vector", np.int64)
UInt8Vector, UInt16Vector = _vector("UInt8Vector", np.uint8), _vector("UInt16Vector", np.uint16)
UInt32Vector, UInt64Vector = _vector("UInt32Vector", np.uint32), _vector("UInt64Vector", np.uint64)
# Older names of the same classes.
FloatVector, DoubleVector, ByteVector, CharVector = Float32Vector, Float64Vector, UInt8Vector, Int8Vector
IntVector, LongVector, LongLongVector, Uint64Vector = Int32Vector, Int64Vector, Int64Vector, UInt64Vector


class Bytes(bytearray):
    """A bytearray that also has methods of a C++ vector."""

    def size(self) -> int:
        return len(self)

    def swap(self, other: Bytes) -> None:
        mine = bytes(self)
        self[:] = other
        other[:] = mine


class PointerVector:
    """A list of objects with the methods of a C++ vector of pointers."""

    def __init__(self, items: Iterable[Any] = ()) -> None:
        self._items = list(items)

    def push_back(self, item: Any) -> None:
        self._items.append(item)

    def size(self) -> int:
        return len(self._items)

    __len__ = size

    def at(self, i: int) -> Any:
        return self._items[args.count(i, "i", 0, len(self._items) - 1)]

    __getitem__ = at

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def clear(self) -> None:
        self._items.clear()

    def data(self) -> list[Any]:
        return self._items


if TYPE_CHECKING:
    _Base = np.ndarray[Any, Any]
else:  # NumPy 1.21 does not accept type arguments at run time
    _Base = np.ndarray


class InvertedListsPtrVector(PointerVector):
    """The InvertedLists of several inverted files."""


class Linked(_Base):
    """A copy of an object's numbers. copy_array_to_vector(array, copy) sets the numbers of the object itself."""

    store: Callable[[Array], None] | None = None

    @classmethod
    def of(cls, values: Any, put: Callable[[Array], None]) -> Linked:
        made = np.array(values).view(cls)
        made.store = put
        return made

    def __array_finalize__(self, source: Any) -> None:
        self.store = None  # arrays that are computed from this one are not linked


def vector_to_array(vector: Any) -> Array:
    """An array of the elements of what is a C++ vector in FAISS, and an array, list or bytes in kith."""
    if isinstance(vector, (bytes, bytearray)):
        return np.frombuffer(bytes(vector), np.uint8)
    return np.array(vector).reshape(-1)


vector_float_to_array = vector_to_array


def copy_array_to_vector(array: Any, vector: Any) -> None:
    """Copy an array to what is a C++ vector in FAISS."""
    array = np.asarray(array)
    if array.ndim != 1:
        raise ArgumentError(f"array has shape {array.shape}; it must be (n,)")
    if isinstance(vector, Vector):
        vector.assign(array)
    elif isinstance(vector, Linked) and vector.store is not None:
        vector.store(array)
    elif isinstance(vector, bytearray):
        vector[:] = array.tobytes()
    elif isinstance(vector, list):
        vector[:] = array.tolist()
    else:
        raise ArgumentError(f"vector is {_arrays.short(vector)}; it must be one of kith's vectors that can be set")


class This:
    """`object.this`: who frees an object. It has no effect, because Python does."""

    __slots__ = ("_owned",)

    def __init__(self) -> None:
        self._owned = True

    def own(self, value: bool | None = None) -> bool | None:
        if value is None:
            return self._owned
        self._owned = bool(value)
        return None

    def disown(self) -> None:
        self._owned = False

    def acquire(self) -> None:
        self._owned = True


class Owned:
    """The attributes `this` and `thisown`. Subclasses must have a slot `_this`."""

    __slots__ = ()
    _this: This

    @property
    def this(self) -> This:
        if not hasattr(self, "_this"):
            self._this = This()  # type: ignore[misc]  # the slot is in subclasses
        return self._this

    @property
    def thisown(self) -> bool:
        return bool(self.this.own())

    @thisown.setter
    def thisown(self, value: bool) -> None:
        self.this.own(value)
