"""Indexes that look at every vector: exact ones and compressed ones."""
from __future__ import annotations

import re
from typing import Any

import numpy as np

from .. import _arrays
from .metrics import METRIC_INNER_PRODUCT, METRIC_L2
from .._errors import UntrainedError
from .._learned import learned
from .._types import Codes, Floats
from ..learn import ProductQuantizer
from .base import FaissIndex
from .parameters import parameter


class IndexFlat(FaissIndex):
    """Exact search over floats."""

    __slots__ = ()
    _counts_through = True

    def __init__(self, d: int, metric: Any = METRIC_L2) -> None:
        super().__init__("Flat", d, metric)

    @property
    def code_size(self) -> int:
        return 4 * self.d

    def get_xb(self) -> Floats:
        """All vectors, in the order in which they are stored."""
        return self._kept()

    @property
    def xb(self) -> Floats:
        return self.get_xb().ravel()


class IndexFlatL2(IndexFlat):
    __slots__ = ()

    def __init__(self, d: int) -> None:
        super().__init__(d, METRIC_L2)


class IndexFlatIP(IndexFlat):
    __slots__ = ()

    def __init__(self, d: int) -> None:
        super().__init__(d, METRIC_INNER_PRODUCT)


def pq_word(M: int, nbits: int) -> str:
    M, nbits = _arrays.count(M, "M", 1), _arrays.count(nbits, "nbits", 1)
    return f"PQ{M}" if nbits == 8 else f"PQ{M}x{nbits}"


class PQView:
    """The product quantizer inside of an index: M, nbits, dsub, ksub, code_size, centroids."""

    __slots__ = ("_index", "_books", "M", "nbits", "d", "dsub", "ksub", "code_size")

    def __init__(self, index: FaissIndex) -> None:
        numbers = re.fullmatch(r"PQ(\d+)(?:x(\d+))?(?:fs)?", index._word)
        self._index = index
        self._books: tuple[int, Floats] | None = None
        self.d = index.d
        self.M, self.nbits = int(numbers[1]), int(numbers[2] or 8)  # type: ignore[index]
        self.dsub, self.ksub = self.d // self.M, 1 << self.nbits
        self.code_size = (self.M * self.nbits + 7) // 8

    @property
    def centroids(self) -> Floats:
        """The codebooks [M × ksub × dsub]."""
        handle = self._index._handle
        if self._books is None or self._books[0] != handle.trainings:
            with learned(handle) as parts:
                books = parts.array("PQCB", self._index._node, np.float32)
            if books is None:
                raise UntrainedError("pq.centroids: the index must be trained first")
            self._books = handle.trainings, books.reshape(self.M, self.ksub, self.dsub)
        return self._books[1]

    def _quantizer(self) -> ProductQuantizer:
        quantizer = ProductQuantizer(self.d, self.M, self.nbits)
        quantizer.centroids = self.centroids
        return quantizer

    def compute_codes(self, x: Any) -> Codes:
        return self._quantizer().compute_codes(x)

    def decode(self, codes: Any) -> Floats:
        return self._quantizer().decode(codes)


class IndexPQ(FaissIndex):
    """Vectors as M numbers of nbits bits each."""

    __slots__ = ("_pq",)
    _counts_through = True

    def __init__(self, d: int, M: int, nbits: int = 8, metric: Any = METRIC_L2) -> None:
        super().__init__(pq_word(M, nbits), d, metric)

    @property
    def pq(self) -> PQView:
        if not hasattr(self, "_pq"):
            self._pq = PQView(self)
        return self._pq


def four_bits(nbits: int) -> None:
    if nbits != 4:
        raise ValueError(f"nbits is {_arrays.short(nbits)}; a fast scan is over numbers of 4 bits")


class IndexPQFastScan(IndexPQ):
    """IndexPQ with numbers of 4 bits, which kith scans that way anyhow."""

    __slots__ = ()

    # Without lists it means nothing, but programs set it before comparing with inverted files.
    nprobe = parameter("nprobe")

    def __init__(self, d: int, M: int, nbits: int = 4, metric: Any = METRIC_L2, bbs: int = 32) -> None:
        four_bits(nbits)
        super().__init__(d, M, nbits, metric)


class ScalarQuantizer:
    """Kinds of scalar quantizers, and one inside of an index: its qtype and code_size."""

    QT_8bit, QT_4bit, QT_8bit_uniform, QT_4bit_uniform, QT_fp16, QT_8bit_direct, QT_6bit, QT_bf16, \
        QT_8bit_direct_signed = range(9)
    _WORDS = {QT_8bit: "SQ8", QT_4bit: "SQ4", QT_6bit: "SQ6", QT_fp16: "SQfp16", QT_bf16: "SQbf16",
              QT_8bit_uniform: "SQ8_uniform", QT_8bit_direct: "SQ8_direct", QT_8bit_direct_signed: "SQ8_direct_signed"}

    __slots__ = ("d", "qtype", "code_size")

    def __init__(self, d: int, qtype: int) -> None:
        self.d, self.qtype = _arrays.count(d, "d", 1), qtype
        bits = {self.QT_4bit: 4, self.QT_6bit: 6, self.QT_fp16: 16, self.QT_bf16: 16}
        self.code_size = (d * bits.get(qtype, 8) + 7) // 8

    @classmethod
    def word(cls, qtype: int) -> str:
        """The factory word of a kind."""
        if qtype == cls.QT_4bit_uniform:
            raise NotImplementedError("QT_4bit_uniform is not offered; QT_4bit, with a range for each dimension, is as "
                                      "small and finer")
        if qtype not in cls._WORDS:
            raise ValueError(f"qtype is {qtype!r}; kith has ScalarQuantizer.QT_8bit, QT_6bit, QT_4bit, QT_fp16, "
                             "QT_bf16, QT_8bit_direct and QT_8bit_direct_signed")
        return cls._WORDS[qtype]

    @classmethod
    def of_word(cls, word: str, d: int) -> ScalarQuantizer:
        return cls(d, next(qtype for qtype, known in cls._WORDS.items() if known == word))


class IndexScalarQuantizer(FaissIndex):
    """Each element of a vector by itself, in a few bits."""

    __slots__ = ()
    _counts_through = True

    def __init__(self, d: int, qtype: int = ScalarQuantizer.QT_8bit, metric: Any = METRIC_L2) -> None:
        super().__init__(ScalarQuantizer.word(qtype), d, metric)

    @property
    def sq(self) -> ScalarQuantizer:
        return ScalarQuantizer.of_word(self._word, self.d)
