"""Transforms of vectors, standalone or in front of an index.

A transform gets its matrix from one of two places: a node of a library index (`_owner`), which trains it, or numbers
that are given (`_linear`). A standalone transform that is trained makes a small index of its own for this.
"""
# mypy: warn-return-any=False
from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np

from .. import _arrays
from .._errors import ArgumentError, InvalidError, UnsupportedError, UntrainedError
from .._handle import Handle
from .._learned import learned
from .._streams import handle_of_faiss
from .._types import Floats
from ..index import Index, new_handle
from . import arguments as args
from .metrics import METRIC_L2
from .swig import Linked, Owned

Linear = tuple[Floats, Floats]


class VectorTransform(Owned):
    """A map of vectors of d_in elements to vectors of d_out elements. Standalone: train, apply, reverse_transform. In an
    IndexPreTransform it is trained together with the index."""

    d_in: int
    d_out: int

    def __init__(self, d_in: int, d_out: int) -> None:
        self.d_in, self.d_out = args.count(d_in, "d_in", 1), args.count(d_out, "d_out", 1)
        self.verbose = False
        self._linear: tuple[Linear, Linear] | None = None  # the forward and the inverse map
        self._owner: tuple[Handle, int] | None = None      # the library's index that this is a part of: (whole, node)
        self._owns_index = False                           # whether that index was created only to train this transform
        self._state = -1                                   # the owner's Handle.trainings when _linear was read

    @property
    def word(self) -> str:
        """The transform's word in factory strings."""
        raise NotImplementedError

    @property
    def is_trained(self) -> bool:
        if self._owner is None:
            return False
        return self._learned()

    def train(self, x: Any, *, seed: int = 1234) -> None:
        """Train on the rows of x [n × d_in]."""
        if self._owner is not None and not self._owns_index:
            raise UnsupportedError("this transform is part of an index: train that")
        index = Index._of(new_handle(f"{self.word},Flat", self.d_in, "l2"))
        index.train(x, seed=seed)
        self._attach(index._handle, 0)
        self._owns_index = True

    def _attach(self, handle: Handle, node: int) -> None:
        """Make this transform a node of a library index, from which its map is read from now on."""
        self._owner, self._owns_index, self._linear, self._state = (handle, node), False, None, -1

    def _learned(self) -> bool:
        """Whether the index that this is a part of is trained."""
        handle, node = self._owner  # type: ignore[misc]
        with learned(handle) as parts:
            return parts.array("SHI0", node, np.float32) is not None

    def _trained_index(self) -> tuple[Handle, int]:
        """A library index, and its node that is this transform, trained."""
        if self._owner is None:
            self._owner, self._owns_index = (new_handle(f"{self.word},Flat", self.d_in, "l2"), 0), True
        return self._owner

    def _read(self, handle: Handle, node: int) -> tuple[Linear, Linear]:
        with learned(handle) as parts:
            forward = parts.linear(node, 0, self.d_out, self.d_in)
            inverse = parts.linear(node, 1, self.d_in, self.d_out)
        if forward is None or inverse is None:
            raise UntrainedError(f"{type(self).__name__} must be trained first")
        return forward, inverse

    def _maps(self) -> tuple[Linear, Linear]:
        if self._owner is not None and self._state != self._owner[0].trainings:
            self._linear = self._read(*self._owner)
            self._state = self._owner[0].trainings
        if self._linear is None:
            raise UntrainedError(f"{type(self).__name__} must be trained first")
        return self._linear

    def apply(self, x: Any) -> Floats:
        """Transform the rows of x [n × d_in] to [n × d_out]."""
        matrix, shift = self._maps()[0]
        return args.floats(x, self.d_in, "x") @ matrix.T + shift

    apply_py = apply

    def reverse_transform(self, y: Any) -> Floats:
        """Apply the inverse transform to the rows of y [n × d_out]: [n × d_in]."""
        matrix, shift = self._maps()[1]
        return args.floats(y, self.d_out, "y") @ matrix.T + shift

    def check_identical(self, other: Any) -> None:
        """Raise unless the other transform has the same class and exactly the same map."""
        if type(other) is not type(self) or (other.d_in, other.d_out) != (self.d_in, self.d_out):
            raise InvalidError(f"{other!r} is not {self!r}")
        if self.is_trained != other.is_trained or (self.is_trained and any(
                (a != b).any() for a, b in zip(self._maps()[0], other._maps()[0]))):
            raise InvalidError(f"{other!r} maps vectors differently from {self!r}")

    def __repr__(self) -> str:
        return f"<kith.{type(self).__name__} {self.d_in} → {self.d_out}>"


class LinearTransform(VectorTransform):
    """The map x A' + b. A and b may be given: copy_array_to_vector(array, transform.A), the same for b, and then
    is_trained = True."""

    def __init__(self, d_in: int, d_out: int, have_bias: bool = False) -> None:
        super().__init__(d_in, d_out)
        self.have_bias = bool(have_bias)
        self.is_orthonormal = False
        self._given: dict[str, Floats] = {}  # A [d_out × d_in], b [d_out]

    @property
    def word(self) -> str:
        raise UntrainedError(f"{self!r} has no matrix: set A and is_trained = True before it is put in front of an index")

    @property
    def is_trained(self) -> bool:
        return self._linear is not None if self._owner is None else self._learned()

    @is_trained.setter
    def is_trained(self, value: bool) -> None:
        if bool(value) == self.is_trained and not self._given:
            return
        if self._owner is not None and not self._owns_index:
            raise UnsupportedError("this transform is part of an index, and is trained with it")
        if not value:
            self._owner = self._linear = None
            return
        if "A" not in self._given:
            raise UntrainedError(f"{self!r} has no matrix: set it by copy_array_to_vector(A, transform.A)")
        if self.have_bias and "b" not in self._given:
            raise UntrainedError(f"{self!r} has no bias: set it by copy_array_to_vector(b, transform.b)")
        self._hold(self._given["A"], self._given.get("b") if self.have_bias else None)
        self._given = {}

    def _hold(self, matrix: Any, shift: Any = None) -> None:
        """Set the matrix and bias; the inverse map uses the pseudo-inverse."""
        matrix = np.array(matrix, np.float32).reshape(self.d_out, self.d_in)
        shift = np.zeros(self.d_out, np.float32) if shift is None else np.array(shift, np.float32)
        if not (np.isfinite(matrix).all() and np.isfinite(shift).all()):
            raise InvalidError(f"{self!r}: A and b must be finite")
        wide = matrix.astype(np.float64)
        inverse = wide.T if _orthonormal(wide) else np.linalg.pinv(wide)
        self._owner = None
        self._linear = (matrix, shift), (inverse.astype(np.float32), -(inverse @ shift).astype(np.float32))

    def _trained_index(self) -> tuple[Handle, int]:
        if self._owner is None and self._linear is not None:
            # The library creates an index with just this transform from a FAISS file with an empty IndexPreTransform.
            file = b"IxPT" + faiss_header(self.d_in) + struct.pack("<i", 1) + faiss_linear(*self._linear[0])
            file += b"IxF2" + faiss_header(self.d_out) + struct.pack("<Q", 0)
            return handle_of_faiss(file), 0
        return super()._trained_index()

    def set_is_orthonormal(self) -> None:
        """Set is_orthonormal to whether the rows of the matrix are orthonormal."""
        self.is_orthonormal = _orthonormal(np.asarray(self.A, np.float64).reshape(self.d_out, self.d_in))

    def transform_transpose(self, y: Any) -> Floats:
        """The rows of y [n × d_out] minus b, multiplied by the transpose of the matrix: [n × d_in]."""
        matrix, shift = self._maps()[0]
        return (args.floats(y, self.d_out, "y") - shift) @ matrix

    @property
    def A(self) -> Floats:
        """The matrix [d_out × d_in], flattened."""
        return self._settable("A", 0, self.d_out * self.d_in)

    @property
    def b(self) -> Floats:
        """The bias [d_out]."""
        return self._settable("b", 1, self.d_out)

    def _settable(self, name: str, part: int, size: int) -> Floats:
        def put(values: Floats) -> None:
            if values.size != size:
                raise ArgumentError(f"{name} has {size} elements; it cannot be set to {values.size} numbers")
            if self._owner is not None and not self._owns_index:
                raise UnsupportedError(f"{name} of a transform that is part of an index cannot be set")
            self._given[name] = np.array(values, np.float32)
            if self.is_trained:
                matrix, shift = self._maps()[0]
                self.have_bias = self.have_bias or name == "b"
                self._hold(self._given.pop("A", matrix), self._given.pop("b", shift))

        if name in self._given:
            return Linked.of(self._given[name], put)
        if self._owner is None and self._linear is None:
            return Linked.of(np.empty(0, np.float32), put)
        return Linked.of(self._maps()[0][part].ravel(), put)


def _orthonormal(matrix: Any) -> bool:
    rows, columns = matrix.shape
    return rows <= columns and bool(np.abs(matrix @ matrix.T - np.eye(rows)).max() < 4e-5)


def faiss_header(d: int) -> bytes:
    """The header of an empty, trained index with metric L2 in a FAISS file, after its four letters."""
    return struct.pack("<iqqq?i", d, 0, 1 << 20, 1 << 20, True, METRIC_L2)


def faiss_array(values: Any, dtype: Any = "<f4") -> bytes:
    """A vector in FAISS's file format."""
    values = np.ascontiguousarray(values, dtype)
    return struct.pack("<Q", values.size) + values.tobytes()


def faiss_linear(matrix: Floats, shift: Floats) -> bytes:
    """A linear transform in FAISS's file format."""
    rows, columns = matrix.shape
    bias = bool(shift.any())
    return (b"LTra" + struct.pack("<?", bias) + faiss_array(matrix) + faiss_array(shift if bias else ())
            + struct.pack("<ii?", columns, rows, True))


class PCAMatrix(LinearTransform):
    """Principal components; eigen_power −0.5 scales them to unit variance."""

    def __init__(self, d_in: int, d_out: int, eigen_power: float = 0, random_rotation: bool = False) -> None:
        super().__init__(d_in, d_out, True)
        if eigen_power not in (0, -0.5):
            raise UnsupportedError(f"eigen_power is {eigen_power}; kith has 0 and -0.5 (whitening)")
        self.eigen_power, self.random_rotation = eigen_power, bool(random_rotation)
        self._statistics: tuple[Floats, Floats] | None = None  # mean and eigenvalues of the training vectors

    @property
    def word(self) -> str:
        return f"PCA{'W' if self.eigen_power else ''}{'R' if self.random_rotation else ''}{self.d_out}"

    def train(self, x: Any, *, seed: int = 1234) -> None:
        """Train on the rows of x [n × d_in]."""
        x = args.floats(x, self.d_in, "x")
        super().train(x, seed=seed)
        self._statistics = (x.mean(axis=0, dtype=np.float64).astype(np.float32),
                      np.linalg.eigvalsh(np.cov(x.T.astype(np.float64), bias=True).reshape(self.d_in, self.d_in))
                      [::-1].astype(np.float32))

    def _statistic(self, part: int, name: str) -> Floats:
        if self._statistics is None:
            raise UntrainedError(f"{name} is known only if the transform was trained by PCAMatrix.train, or read from a "
                                 "FAISS file")
        return self._statistics[part].copy()

    @property
    def mean(self) -> Floats:
        """The mean of the training vectors."""
        return self._statistic(0, "mean")

    @property
    def eigenvalues(self) -> Floats:
        """All d_in eigenvalues of the training vectors' covariance, in descending order."""
        return self._statistic(1, "eigenvalues")


class OPQMatrix(LinearTransform):
    """The rotation that minimises the error of a product quantizer with M sub-vectors. niter, niter_pq, niter_pq_0 and
    max_train_points have no effect: kith decides itself how long to train."""

    def __init__(self, d: int, M: int = 1, d2: int = -1) -> None:
        super().__init__(d, d if d2 == -1 else d2)
        self.M = args.count(M, "M", 1)
        self.niter, self.niter_pq, self.niter_pq_0, self.max_train_points = 50, 4, 40, 256 * 256

    @property
    def word(self) -> str:
        return f"OPQ{self.M}_{self.d_out}"


class RandomRotationMatrix(LinearTransform):
    """A random rotation."""

    @property
    def word(self) -> str:
        return f"RR{self.d_out}"

    def init(self, seed: int) -> None:
        """Draw the rotation; training does the same."""
        self.train(np.zeros((1, self.d_in), np.float32), seed=seed)


class NormalizationTransform(VectorTransform):
    """Normalises vectors to unit length; zero vectors do not change."""

    def __init__(self, d: int, norm: float = 2.0) -> None:
        super().__init__(d, d)
        if norm != 2:
            raise UnsupportedError(f"norm is {norm}; kith has only the Euclidean norm, 2")
        self.norm = 2.0

    word = "L2norm"
    is_trained = True

    def train(self, x: Any, *, seed: int = 1234) -> None:
        """Nothing to learn."""

    def apply(self, x: Any) -> Floats:
        x = np.array(args.floats(x, self.d_in, "x"))
        norms = np.linalg.norm(x, axis=1, keepdims=True)
        return np.divide(x, norms, out=x, where=(norms > 0) & np.isfinite(norms))

    apply_py = apply

    def reverse_transform(self, y: Any) -> Floats:
        return np.array(args.floats(y, self.d_out, "y"))


class CenteringTransform(LinearTransform):
    """Subtracts the mean of the training vectors."""

    def __init__(self, d: int) -> None:
        super().__init__(d, d, True)

    def train(self, x: Any, *, seed: int = 1234) -> None:
        """Compute the mean of the rows of x [n × d]."""
        if self._owner is not None and not self._owns_index:
            raise UnsupportedError("this transform is part of an index: train that")
        x = args.floats(x, self.d_in, "x")
        if not len(x):
            raise InvalidError("x has no rows")
        self._hold(np.eye(self.d_in), -x.mean(axis=0, dtype=np.float64))

    def apply(self, x: Any) -> Floats:
        return args.floats(x, self.d_in, "x") + self._maps()[0][1]

    apply_py = apply

    @property
    def mean(self) -> Floats:
        return -self._maps()[0][1]


class RemapDimensionsTransform(LinearTransform):
    """Moves element map[i] of a vector to element i, which becomes 0 if map[i] is −1. uniform: True spreads the elements,
    or drops some, evenly; False keeps the first ones in place; or the map itself."""

    def __init__(self, d_in: int, d_out: int, uniform: Any = True) -> None:
        super().__init__(d_in, d_out)
        if isinstance(uniform, (bool, np.bool_, int, np.integer)):
            self.map = np.full(self.d_out, -1, np.int32)
            both = np.arange(min(self.d_in, self.d_out))
            if not uniform:
                self.map[both] = both
            elif self.d_in < self.d_out:
                self.map[both * self.d_out // self.d_in] = both
            else:
                self.map[:] = both * self.d_in // self.d_out
        else:
            self.map = np.array(_arrays.plain(np.asarray(uniform), np.int32)).reshape(-1)
            if self.map.shape != (self.d_out,) or (self.map < -1).any() or (self.map >= self.d_in).any():
                raise ArgumentError(f"map must be {self.d_out} numbers from -1 to {self.d_in - 1}")
        matrix = np.zeros((self.d_out, self.d_in), np.float32)
        matrix[self.map >= 0, self.map[self.map >= 0]] = 1
        self._hold(matrix)

    def train(self, x: Any, *, seed: int = 1234) -> None:
        """Nothing to learn."""

    def apply(self, x: Any) -> Floats:
        x = args.floats(x, self.d_in, "x")
        return np.where(self.map >= 0, x[:, np.maximum(self.map, 0)], np.float32(0))

    apply_py = apply

    def reverse_transform(self, y: Any) -> Floats:
        """Move the elements of the rows of y [n × d_out] back; elements that were dropped are 0."""
        x = np.zeros((len(y := args.floats(y, self.d_out, "y")), self.d_in), np.float32)
        x[:, self.map[self.map >= 0]] = y[:, self.map >= 0]
        return x


class PadTransform(VectorTransform):
    """Appends zeros."""

    is_trained = True

    @property
    def word(self) -> str:
        return f"Pad{self.d_out}"

    def train(self, x: Any, *, seed: int = 1234) -> None:
        """Nothing to learn."""

    def apply(self, x: Any) -> Floats:
        x = args.floats(x, self.d_in, "x")
        return np.pad(x, ((0, 0), (0, self.d_out - self.d_in)))

    apply_py = apply

    def reverse_transform(self, y: Any) -> Floats:
        return args.floats(y, self.d_out, "y")[:, :self.d_in].copy()


def transform_of(word: str, d: int) -> VectorTransform | None:
    """The transform for a word of a factory string and dimension d; None if the word is not a transform."""
    found = re.fullmatch(r"PCA(W?)(R?)(\d+)", word)
    if found:
        return PCAMatrix(d, int(found[3]), -0.5 if found[1] else 0, bool(found[2]))
    found = re.fullmatch(r"OPQ(\d+)(?:_(\d+))?", word)
    if found:
        return OPQMatrix(d, int(found[1]), int(found[2] or d))
    found = re.fullmatch(r"(RR|Pad|Linear)(\d*)", word)
    if found:
        kinds: dict[str, type[VectorTransform]] = {"RR": RandomRotationMatrix, "Pad": PadTransform,
                                                   "Linear": LinearTransform}
        return kinds[found[1]](d, int(found[2] or d))
    return NormalizationTransform(d) if word == "L2norm" else None
