"""Transforms of vectors, by themselves and before an index."""
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
    """A map of vectors of d_in elements to d_out. By itself: train, apply, reverse_transform. Before an index, an
    IndexPreTransform, the two are trained together."""

    d_in: int
    d_out: int

    def __init__(self, d_in: int, d_out: int) -> None:
        self.d_in, self.d_out = args.count(d_in, "d_in", 1), args.count(d_out, "d_out", 1)
        self.verbose = False
        self._linear: tuple[Linear, Linear] | None = None  # the way there, and back
        self._home: tuple[Handle, int] | None = None       # the index that it is a part of: (whole, node)
        self._alone = False                                # that index is no program's, but was made to train this
        self._state = -1

    @property
    def word(self) -> str:
        """The word of a factory string."""
        raise NotImplementedError

    @property
    def is_trained(self) -> bool:
        if self._home is None:
            return False
        return self._learned()

    def train(self, x: Any, *, seed: int = 1234) -> None:
        """Learn the map from the rows of x [n × d_in]."""
        if self._home is not None and not self._alone:
            raise UnsupportedError("this transform is part of an index: train that")
        index = Index._of(new_handle(f"{self.word},Flat", self.d_in, "l2"))
        index.train(x, seed=seed)
        self._tie(index._handle, 0)
        self._alone = True

    def _tie(self, handle: Handle, node: int) -> None:
        self._home, self._alone, self._linear, self._state = (handle, node), False, None, -1

    def _learned(self) -> bool:
        """Whether the index that this is a part of has learnt the map."""
        handle, node = self._home  # type: ignore[misc]
        with learned(handle) as parts:
            return parts.array("SHI0", node, np.float32) is not None

    def _like(self) -> tuple[Handle, int]:
        """An index of the library's, and the node of it that begins with this transform, trained."""
        if self._home is None:
            self._home, self._alone = (new_handle(f"{self.word},Flat", self.d_in, "l2"), 0), True
        return self._home

    def _read(self, handle: Handle, node: int) -> tuple[Linear, Linear]:
        with learned(handle) as parts:
            there = parts.linear(node, 0, self.d_out, self.d_in)
            back = parts.linear(node, 1, self.d_in, self.d_out)
        if there is None or back is None:
            raise UntrainedError(f"{type(self).__name__} must be trained first")
        return there, back

    def _maps(self) -> tuple[Linear, Linear]:
        if self._home is not None and self._state != self._home[0].trainings:
            self._linear = self._read(*self._home)
            self._state = self._home[0].trainings
        if self._linear is None:
            raise UntrainedError(f"{type(self).__name__} must be trained first")
        return self._linear

    def apply(self, x: Any) -> Floats:
        """The rows of x [n × d_in] mapped: [n × d_out]."""
        matrix, shift = self._maps()[0]
        return args.floats(x, self.d_in, "x") @ matrix.T + shift

    apply_py = apply

    def reverse_transform(self, y: Any) -> Floats:
        """The rows of y [n × d_out] on their way back: [n × d_in]."""
        matrix, shift = self._maps()[1]
        return args.floats(y, self.d_out, "y") @ matrix.T + shift

    def check_identical(self, other: Any) -> None:
        """Raise unless the other maps alike, bit by bit."""
        if type(other) is not type(self) or (other.d_in, other.d_out) != (self.d_in, self.d_out):
            raise InvalidError(f"{other!r} is not {self!r}")
        if self.is_trained != other.is_trained or (self.is_trained and any(
                (a != b).any() for a, b in zip(self._maps()[0], other._maps()[0]))):
            raise InvalidError(f"{other!r} maps vectors otherwise than {self!r}")

    def __repr__(self) -> str:
        return f"<kith.{type(self).__name__} {self.d_in} → {self.d_out}>"


class LinearTransform(VectorTransform):
    """x A' + b. The numbers may be given: copy_array_to_vector(array, transform.A), and b; then is_trained = True."""

    def __init__(self, d_in: int, d_out: int, have_bias: bool = False) -> None:
        super().__init__(d_in, d_out)
        self.have_bias = bool(have_bias)
        self.is_orthonormal = False
        self._given: dict[str, Floats] = {}  # A [d_out × d_in], b [d_out]

    @property
    def word(self) -> str:
        raise UntrainedError(f"{self!r} has no matrix: give it A and is_trained = True, before an index is put behind it")

    @property
    def is_trained(self) -> bool:
        return self._linear is not None if self._home is None else self._learned()

    @is_trained.setter
    def is_trained(self, value: bool) -> None:
        if bool(value) == self.is_trained and not self._given:
            return
        if self._home is not None and not self._alone:
            raise UnsupportedError("this transform is part of an index, and is trained with it")
        if not value:
            self._home = self._linear = None
            return
        if "A" not in self._given:
            raise UntrainedError(f"{self!r} has no matrix: copy_array_to_vector(A, transform.A) gives it one")
        if self.have_bias and "b" not in self._given:
            raise UntrainedError(f"{self!r} has no bias: copy_array_to_vector(b, transform.b) gives it one")
        self._hold(self._given["A"], self._given.get("b") if self.have_bias else None)
        self._given = {}

    def _hold(self, matrix: Any, shift: Any = None) -> None:
        """Map by this matrix from now on, and back by its pseudo-inverse."""
        matrix = np.array(matrix, np.float32).reshape(self.d_out, self.d_in)
        shift = np.zeros(self.d_out, np.float32) if shift is None else np.array(shift, np.float32)
        if not (np.isfinite(matrix).all() and np.isfinite(shift).all()):
            raise InvalidError(f"{self!r}: A and b must be finite")
        wide = matrix.astype(np.float64)
        back = wide.T if _orthonormal(wide) else np.linalg.pinv(wide)
        self._home, self._linear = None, ((matrix, shift), (back.astype(np.float32), -(back @ shift).astype(np.float32)))

    def _like(self) -> tuple[Handle, int]:
        if self._home is None and self._linear is not None:
            # An index of the library's with just this transform is had from a file of FAISS's with it.
            file = b"IxPT" + faiss_header(self.d_in) + struct.pack("<i", 1) + faiss_linear(*self._linear[0])
            file += b"IxF2" + faiss_header(self.d_out) + struct.pack("<Q", 0)
            return handle_of_faiss(file), 0
        return super()._like()

    def set_is_orthonormal(self) -> None:
        """Find out whether the rows of the matrix are orthonormal."""
        self.is_orthonormal = _orthonormal(np.asarray(self.A, np.float64).reshape(self.d_out, self.d_in))

    def transform_transpose(self, y: Any) -> Floats:
        """Rows y [n × d_out] by the transpose of the matrix, after b is taken off: [n × d_in]."""
        matrix, shift = self._maps()[0]
        return (args.floats(y, self.d_out, "y") - shift) @ matrix

    @property
    def A(self) -> Floats:
        """The matrix, one row after another."""
        return self._shown("A", 0, self.d_out * self.d_in)

    @property
    def b(self) -> Floats:
        """What is added after the product with it."""
        return self._shown("b", 1, self.d_out)

    def _shown(self, name: str, part: int, size: int) -> Floats:
        def put(values: Floats) -> None:
            if values.size != size:
                raise ArgumentError(f"{name} gets {values.size} numbers; it must be {size}")
            if self._home is not None and not self._alone:
                raise UnsupportedError(f"{name} of a transform that is part of an index cannot be set")
            self._given[name] = np.array(values, np.float32)
            if self.is_trained:
                matrix, shift = self._maps()[0]
                self.have_bias = self.have_bias or name == "b"
                self._hold(self._given.pop("A", matrix), self._given.pop("b", shift))

        if name in self._given:
            return Linked.of(self._given[name], put)
        if self._home is None and self._linear is None:
            return Linked.of(np.empty(0, np.float32), put)
        return Linked.of(self._maps()[0][part].ravel(), put)


def _orthonormal(matrix: Any) -> bool:
    rows, columns = matrix.shape
    return rows <= columns and bool(np.abs(matrix @ matrix.T - np.eye(rows)).max() < 4e-5)


def faiss_header(d: int) -> bytes:
    """What begins an index of FAISS's without vectors, after its four letters: squared L2, trained."""
    return struct.pack("<iqqq?i", d, 0, 1 << 20, 1 << 20, True, METRIC_L2)


def faiss_array(values: Any, dtype: Any = "<f4") -> bytes:
    """A vector as FAISS writes it."""
    values = np.ascontiguousarray(values, dtype)
    return struct.pack("<Q", values.size) + values.tobytes()


def faiss_linear(matrix: Floats, shift: Floats) -> bytes:
    """A linear transform as FAISS writes it."""
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
        self._seen: tuple[Floats, Floats] | None = None  # mean and eigenvalues of what it was trained on

    @property
    def word(self) -> str:
        return f"PCA{'W' if self.eigen_power else ''}{'R' if self.random_rotation else ''}{self.d_out}"

    def train(self, x: Any, *, seed: int = 1234) -> None:
        """Learn the map from the rows of x [n × d_in]."""
        x = args.floats(x, self.d_in, "x")
        super().train(x, seed=seed)
        self._seen = (x.mean(axis=0, dtype=np.float64).astype(np.float32),
                      np.linalg.eigvalsh(np.cov(x.T.astype(np.float64), bias=True).reshape(self.d_in, self.d_in))
                      [::-1].astype(np.float32))

    def _told(self, part: int, name: str) -> Floats:
        if self._seen is None:
            raise UntrainedError(f"{name}: known of what was trained by itself, by PCAMatrix.train, or read from a file "
                                 "of FAISS's")
        return self._seen[part].copy()

    @property
    def mean(self) -> Floats:
        """Of what it was trained on."""
        return self._told(0, "mean")

    @property
    def eigenvalues(self) -> Floats:
        """Of the covariance of what it was trained on, all d_in, in descending order."""
        return self._told(1, "eigenvalues")


class OPQMatrix(LinearTransform):
    """The rotation that suits a product quantizer of M parts best. niter and what follows it are FAISS's; kith sees for
    itself how long it has to look."""

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
        """Draw it; training does the same."""
        self.train(np.zeros((1, self.d_in), np.float32), seed=seed)


class NormalizationTransform(VectorTransform):
    """To unit length."""

    def __init__(self, d: int, norm: float = 2.0) -> None:
        super().__init__(d, d)
        if norm != 2:
            raise UnsupportedError(f"norm is {norm}; kith has the Euclidean one, 2")
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
    """Less the mean of what it was trained on."""

    def __init__(self, d: int) -> None:
        super().__init__(d, d, True)

    def train(self, x: Any, *, seed: int = 1234) -> None:
        """Learn the mean of the rows of x [n × d]."""
        if self._home is not None and not self._alone:
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
    """Element map[i] of a vector, or 0 where map[i] is −1, becomes element i. uniform: True spreads them, or leaves out
    some, evenly; False: the first stay; or the map itself."""

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
        """The rows of y [n × d_out] on their way back; elements that were left out are 0."""
        x = np.zeros((len(y := args.floats(y, self.d_out, "y")), self.d_in), np.float32)
        x[:, self.map[self.map >= 0]] = y[:, self.map >= 0]
        return x


class PadTransform(VectorTransform):
    """Zeros at the end."""

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
    """The transform that a word of a factory string means for dimension d; None: it is none."""
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
