"""Transforms of vectors, by themselves and before an index."""
from __future__ import annotations

import re
from typing import Any

import numpy as np

from .. import _arrays
from .._errors import UntrainedError
from .._handle import Handle
from .._learned import learned
from .._types import Floats
from ..index import Index, new_handle

Linear = tuple[Floats, Floats]


class VectorTransform:
    """A map of vectors of d_in elements to d_out. By itself: train, apply, reverse_transform. Before an index, an
    IndexPreTransform, the two are trained together."""

    d_in: int
    d_out: int

    def __init__(self, d_in: int, d_out: int) -> None:
        self.d_in, self.d_out = _arrays.count(d_in, "d_in", 1), _arrays.count(d_out, "d_out", 1)
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
            raise NotImplementedError("this transform is part of an index: train that")
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
        return _arrays.floats(x, self.d_in, "x") @ matrix.T + shift

    apply_py = apply

    def reverse_transform(self, y: Any) -> Floats:
        """The rows of y [n × d_out] on their way back: [n × d_in]."""
        matrix, shift = self._maps()[1]
        return _arrays.floats(y, self.d_out, "y") @ matrix.T + shift

    @property
    def A(self) -> Floats:
        """The matrix, one row after another."""
        return self._maps()[0][0].ravel()

    @property
    def b(self) -> Floats:
        """What is added after the product with it."""
        return self._maps()[0][1]

    def __repr__(self) -> str:
        return f"<kith.{type(self).__name__} {self.d_in} → {self.d_out}>"




class LinearTransform(VectorTransform):
    pass


class PCAMatrix(LinearTransform):
    """Principal components; eigen_power −0.5 scales them to unit variance."""

    def __init__(self, d_in: int, d_out: int, eigen_power: float = 0, random_rotation: bool = False) -> None:
        super().__init__(d_in, d_out)
        if eigen_power not in (0, -0.5):
            raise NotImplementedError(f"eigen_power is {eigen_power}; kith has 0 and -0.5 (whitening)")
        self.eigen_power, self.random_rotation = eigen_power, bool(random_rotation)

    @property
    def word(self) -> str:
        return f"PCA{'W' if self.eigen_power else ''}{'R' if self.random_rotation else ''}{self.d_out}"


class OPQMatrix(LinearTransform):
    """The rotation that suits a product quantizer of M parts best."""

    def __init__(self, d: int, M: int = 1, d2: int = -1) -> None:
        super().__init__(d, d if d2 == -1 else d2)
        self.M = _arrays.count(M, "M", 1)

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
            raise NotImplementedError(f"norm is {norm}; kith has the Euclidean one, 2")
        self.norm = 2.0

    word = "L2norm"  # type: ignore[assignment]
    is_trained = True  # type: ignore[assignment]

    def train(self, x: Any, *, seed: int = 1234) -> None:
        """Nothing to learn."""

    def apply(self, x: Any) -> Floats:
        x = np.array(_arrays.floats(x, self.d_in, "x"))
        norms = np.linalg.norm(x, axis=1, keepdims=True)
        return np.divide(x, norms, out=x, where=(norms > 0) & np.isfinite(norms))

    apply_py = apply

    def reverse_transform(self, y: Any) -> Floats:
        return np.array(_arrays.floats(y, self.d_out, "y"))


class PadTransform(VectorTransform):
    """Zeros at the end."""

    is_trained = True  # type: ignore[assignment]

    @property
    def word(self) -> str:
        return f"Pad{self.d_out}"

    def train(self, x: Any, *, seed: int = 1234) -> None:
        """Nothing to learn."""

    def apply(self, x: Any) -> Floats:
        x = _arrays.floats(x, self.d_in, "x")
        return np.pad(x, ((0, 0), (0, self.d_out - self.d_in)))

    apply_py = apply

    def reverse_transform(self, y: Any) -> Floats:
        return _arrays.floats(y, self.d_out, "y")[:, :self.d_in].copy()


def transform_of(word: str, d: int) -> VectorTransform | None:
    """The transform that a word of a factory string means for dimension d; None: it is none."""
    found = re.fullmatch(r"PCA(W?)(R?)(\d+)", word)
    if found:
        return PCAMatrix(d, int(found[3]), -0.5 if found[1] else 0, bool(found[2]))
    found = re.fullmatch(r"OPQ(\d+)(?:_(\d+))?", word)
    if found:
        return OPQMatrix(d, int(found[1]), int(found[2] or d))
    found = re.fullmatch(r"(RR|Pad)(\d*)", word)
    if found:
        return (RandomRotationMatrix if found[1] == "RR" else PadTransform)(d, int(found[2] or d))
    return NormalizationTransform(d) if word == "L2norm" else None
