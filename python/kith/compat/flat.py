"""Flat indexes, which compare a query with every vector, exactly or by compressed codes."""
# mypy: warn-return-any=False
from __future__ import annotations

import re
from typing import Any

import numpy as np

from .. import _arrays
from .._errors import ArgumentError, InvalidError, UnsupportedError, UntrainedError
from .._learned import learned
from .._types import Codes, Floats
from . import arguments as args
from . import image
from .base import FaissIndex
from .computer import DistanceComputer
from .metrics import METRIC_INNER_PRODUCT, METRIC_L2, favours_large, scores
from .parameters import Kind
from .product import ProductQuantizer, ScalarCodec


class IndexFlatCodes(FaissIndex):
    """The base class of flat indexes: a sequence of codes, one for each vector."""

    __slots__ = ()
    _counts_through = True

    @property
    def codes(self) -> Codes:
        """A copy of the codes of all vectors, one after another, as bytes."""
        return image.codes_of(self).ravel()

    def get_FlatCodesDistanceComputer(self) -> DistanceComputer:
        return self.get_distance_computer()


class IndexFlat(IndexFlatCodes):
    """Exact search of float vectors."""

    __slots__ = ()

    def __init__(self, d: int, metric: Any = METRIC_L2) -> None:
        super().__init__("Flat", d, metric)

    @property
    def code_size(self) -> int:
        return 4 * self.d

    def get_xb(self) -> Floats:
        """All vectors, in the order in which they are stored."""
        return self._stored_vectors()

    @property
    def xb(self) -> Floats:
        return self.get_xb().ravel()

    def sync_l2norms(self) -> None:
        """Nothing to do: kith stores norms where they make searches faster."""

    def clear_l2norms(self) -> None:
        """Nothing to do."""

    def compute_distance_subset(self, n: int, x: Any, k: int, distances: Any, labels: Any) -> None:
        """Write the distances of n queries to the vectors labels [n × k] to an array [n × k]. For label −1 the distance is
        +∞, or −∞ for inner products."""
        x, wanted = np.asarray(x).reshape(-1, self.d)[:n], np.asarray(labels).reshape(n, k)
        there = wanted >= 0
        stored = np.zeros((n, k, self.d))
        stored[there] = self.reconstruct_batch(wanted[there])
        wide = x.astype(np.float64)[:, None]
        far = -np.inf if favours_large(self.metric_type) else np.inf
        found = scores(self.metric_type, stored, wide, self.metric_arg)
        np.asarray(distances).reshape(n, k)[:] = np.where(there, found, far)


class IndexFlatL2(IndexFlat):
    __slots__ = ()

    def __init__(self, d: int) -> None:
        super().__init__(d, METRIC_L2)


class IndexFlatIP(IndexFlat):
    __slots__ = ()

    def __init__(self, d: int) -> None:
        super().__init__(d, METRIC_INNER_PRODUCT)


class IndexFlatL2Panorama(IndexFlatL2):
    """IndexFlatL2. FAISS's class skips the remaining dimensions of vectors that are too far; kith's IndexFlatL2 has means
    of its own to skip vectors."""

    __slots__ = ("n_levels", "batch_size")
    _settings = (*IndexFlatL2._settings, "n_levels", "batch_size")

    def __init__(self, d: int, n_levels: int, batch_size: int = 512) -> None:
        super().__init__(d)
        self.n_levels = args.count(n_levels, "n_levels", 1)
        self.batch_size = args.count(batch_size, "batch_size", 1)


def pq_word(M: int, nbits: int) -> str:
    M, nbits = args.count(M, "M", 1), args.count(nbits, "nbits", 1)
    return f"PQ{M}" if nbits == 8 else f"PQ{M}x{nbits}"


class PQView:
    """The product quantizer of an index: M, nbits, dsub, ksub, code_size, centroids."""

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

    def copy(self) -> ProductQuantizer:
        """A standalone copy."""
        quantizer = ProductQuantizer(self.d, self.M, self.nbits)
        quantizer.centroids = self.centroids
        return quantizer

    def compute_codes(self, x: Any) -> Codes:
        return self.copy().compute_codes(x)

    def decode(self, codes: Any) -> Floats:
        return self.copy().decode(codes)

    def compute_distance_tables(self, q: Any, *arguments: Any, **keywords: Any) -> Any:
        return self.copy().compute_distance_tables(q, *arguments, **keywords)

    def compute_inner_prod_tables(self, nq: int, x: Any, tables: Any) -> None:
        self.copy().compute_inner_prod_tables(nq, x, tables)


def take_books(index: Any, pq: Any, centroids: Floats | None = None) -> None:
    """Give an empty index the codebooks of a product quantizer. centroids: the centroids of an inverted file."""
    index._require_whole()
    mine = index.pq
    if (pq.d, pq.M, pq.nbits) != (mine.d, mine.M, mine.nbits):
        raise InvalidError(f"pq has d={pq.d}, M={pq.M}, nbits={pq.nbits}; that of the index has d={mine.d}, M={mine.M}, "
                           f"nbits={mine.nbits}")
    if index.ntotal:
        raise UnsupportedError("pq: the index holds vectors; reset it first, or make a new one")
    if centroids is None and index._spec.startswith("IVF"):
        raise UntrainedError("pq: the quantizer must have its centroids before the index gets codebooks")
    made = image.of_pq(index, np.asarray(pq.centroids), centroids)
    with index._handle.changing():
        index._handle.replace(made)
        index._handle.trainings += 1


def polysemous() -> Any:
    """The property do_polysemous_training: whether FAISS would train codes whose Hamming distances can filter candidates.
    kith does not filter codes this way; it stores the value for files."""

    def put(self: Any, value: bool) -> None:
        self._params.kind = self._params.kind._replace(polysemous=bool(value))

    return property(lambda self: self._params.kind.polysemous, put)


def hamming_threshold() -> Any:
    """The property polysemous_ht: the Hamming distance from which FAISS skips codes. kith compares all codes; it stores the
    value for files."""

    def put(self: Any, value: int) -> None:
        self._params.ht = args.count(value, "polysemous_ht")

    return property(lambda self: self._params.ht, put)


def bbs_of(bbs: Any) -> int:
    bbs = args.count(bbs, "bbs", 32, 1 << 16)
    if bbs % 32:
        raise InvalidError(f"bbs is {bbs}; it must be a multiple of 32")
    return bbs


class FastScan:
    """Additional attributes of FAISS's FastScan classes. kith decides itself how to scan codes; results are the same."""

    __slots__ = ()
    _more = ("implem", "skip", "qbs")

    @property
    def bbs(self: Any) -> int:
        """The number of vectors in a block of FAISS's fast scan."""
        return self._params.kind.bbs

    def _place(self: Any, *arguments: Any) -> None:
        super()._place(*arguments)  # type: ignore[misc]
        self.implem, self.skip, self.qbs = 0, 0, 0
        if not self._params.kind.bbs:
            self._params.kind = Kind(32)

    def _copy(self: Any, source: Any, bbs: Any) -> None:
        """Make this object a copy of an index of a class without fast scan."""
        four_bits(source.pq.nbits)
        made = source.clone()
        made._params.kind = Kind(bbs_of(bbs))
        self._adopt(made._handle, made._metric, made._params)


class PolysemousTraining:
    """Parameters of FAISS's polysemous training, which programs may set. kith has no such training."""

    def __init__(self) -> None:
        self.n_iter, self.n_redo = 500000, 2


class IndexPQ(IndexFlatCodes):
    """Vectors encoded by a product quantizer as M numbers of nbits bits. All codes are compared, whatever search_type is.
    ST_SDC, which compares with the query's own code, and ST_HE, which compares by Hamming distance, are refused."""

    __slots__ = ("_pq", "polysemous_training")
    _settings = (*IndexFlatCodes._settings, "polysemous_training")
    ST_PQ, ST_HE, ST_generalized_HE, ST_SDC, ST_polysemous, ST_polysemous_generalize = range(6)
    do_polysemous_training = polysemous()
    polysemous_ht = hamming_threshold()

    def __init__(self, d: int, M: int, nbits: int = 8, metric: Any = METRIC_L2) -> None:
        super().__init__(pq_word(M, nbits), d, metric)

    def _place(self, *arguments: Any) -> None:
        super()._place(*arguments)
        self.polysemous_training = PolysemousTraining()

    @property
    def search_type(self) -> int:
        return self._params.search_type

    @search_type.setter
    def search_type(self, value: int) -> None:
        if value not in (self.ST_PQ, self.ST_polysemous, self.ST_polysemous_generalize):
            raise UnsupportedError(f"search_type is {_arrays.short(value)}; kith has ST_PQ, which has a higher recall")
        self._params.search_type = int(value)

    @property
    def pq(self) -> PQView:
        if not hasattr(self, "_pq"):
            self._pq = PQView(self)
        return self._pq

    @pq.setter
    def pq(self, value: Any) -> None:
        """Set the codebooks of an empty index."""
        take_books(self, value)


def four_bits(nbits: int) -> None:
    if nbits != 4:
        raise ArgumentError(f"nbits is {_arrays.short(nbits)}; fast scan needs codes of 4 bits")


class IndexPQFastScan(FastScan, IndexPQ):
    """IndexPQ with 4 bits, for which kith always uses fast scan. IndexPQFastScan(index, bbs) copies an IndexPQ."""

    __slots__ = FastScan._more
    _settings = (*IndexPQ._settings, *FastScan._more)

    @property
    def nprobe(self) -> int:
        """The index has no lists. nprobe may be set, as FAISS's tutorial does, without effect."""
        raise AttributeError("an IndexPQFastScan has no lists, and no nprobe")

    @nprobe.setter
    def nprobe(self, value: int) -> None:
        args.count(value, "nprobe")

    def __init__(self, d: Any, M: int = 32, nbits: int = 4, metric: Any = METRIC_L2, bbs: int = 32) -> None:
        if isinstance(d, IndexPQ):
            self._copy(d, M)
            return
        four_bits(nbits)
        super().__init__(d, M, nbits, metric)
        self._params.kind = Kind(bbs_of(bbs))


class ScalarQuantizer(ScalarCodec):
    """A scalar quantizer, standalone (train, compute_codes, decode) or of an index: d, qtype, code_size, bits. The class
    also has the constants of all kinds."""

    QT_8bit, QT_4bit, QT_8bit_uniform, QT_4bit_uniform, QT_fp16, QT_8bit_direct, QT_6bit, QT_bf16, \
        QT_8bit_direct_signed = range(9)
    # Kinds that kith lacks. The names exist because programs list them in tables; using one raises an error.
    QT_0bit, QT_1bit_tqmse, QT_2bit_tqmse, QT_3bit_tqmse, QT_4bit_tqmse, QT_8bit_tqmse, QT_2bit_tq, QT_3bit_tq, \
        QT_4bit_tq, QT_5bit_tq = range(9, 19)
    QT_1bit_eden, QT_2bit_eden, QT_3bit_eden, QT_4bit_eden, QT_5bit_eden, QT_6bit_eden, QT_7bit_eden, \
        QT_8bit_eden = range(19, 27)
    RS_minmax, RS_meanstd, RS_quantiles, RS_optim = range(4)
    _WORDS = {QT_8bit: "SQ8", QT_4bit: "SQ4", QT_6bit: "SQ6", QT_fp16: "SQfp16", QT_bf16: "SQbf16",
              QT_8bit_uniform: "SQ8_uniform", QT_4bit_uniform: "SQ4_uniform", QT_8bit_direct: "SQ8_direct",
              QT_8bit_direct_signed: "SQ8_direct_signed"}

    __slots__ = ("d", "qtype", "code_size", "bits", "_index", "_this")

    def __init__(self, d: int, qtype: int = QT_8bit) -> None:
        self.d, self.qtype = args.count(d, "d", 1), qtype
        self.word(qtype)
        self.bits = {self.QT_4bit: 4, self.QT_4bit_uniform: 4, self.QT_6bit: 6, self.QT_fp16: 16,
                     self.QT_bf16: 16}.get(qtype, 8)
        self.code_size = (d * self.bits + 7) // 8
        self._index: Any = None

    @property
    def _word(self) -> str:
        return self.word(self.qtype)

    @classmethod
    def word(cls, qtype: int) -> str:
        """The word of a kind in factory strings."""
        if qtype not in cls._WORDS:
            known = next((name for name, value in vars(cls).items() if name.startswith("QT_") and value == qtype), None)
            kind = ArgumentError if known is None else UnsupportedError
            raise kind(f"qtype is {_arrays.short(qtype)}{f' ({known})' if known else ''}; kith has "
                       "ScalarQuantizer.QT_8bit, QT_6bit, QT_4bit, QT_8bit_uniform, QT_4bit_uniform, QT_fp16, QT_bf16, "
                       "QT_8bit_direct and QT_8bit_direct_signed")
        return cls._WORDS[qtype]

    @classmethod
    def of_word(cls, word: str, d: int) -> ScalarQuantizer:
        plain = word.replace("_quantile", "")
        return cls(d, next(qtype for qtype, known in cls._WORDS.items() if known == plain))

    @classmethod
    def of_index(cls, index: FaissIndex) -> ScalarQuantizer:
        """The scalar quantizer of an index, with its training."""
        made = cls.of_word(index._word, index.d)
        made._index = index
        return made


class IndexScalarQuantizer(IndexFlatCodes):
    """Vectors encoded by a scalar quantizer: each element separately, in a few bits."""

    __slots__ = ()

    def __init__(self, d: int, qtype: int = ScalarQuantizer.QT_8bit, metric: Any = METRIC_L2) -> None:
        super().__init__(ScalarQuantizer.word(qtype), d, metric)

    @property
    def sq(self) -> ScalarQuantizer:
        return ScalarQuantizer.of_index(self)
