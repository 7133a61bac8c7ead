"""Inverted files."""
from __future__ import annotations

import re
from typing import Any

import numpy as np

from .. import _arrays
from .metrics import METRIC_L2, name_of
from .._codecs import codec
from .._errors import UnsupportedError, UntrainedError
from .._handle import Handle
from .._learned import learned
from .._lib import lib
from .._types import Codes, Floats, Ids
from ..index import Index, new_handle
from ..learn import knn
from .base import FaissIndex, fixed
from .clustering import ClusteringParameters
from .flat import IndexFlat, PQView, ScalarQuantizer, four_bits, pq_word
from .graph import IndexHNSWFlat
from .parameters import Parameters, parameter


class InvertedLists:
    """`index.invlists`: how the vectors lie in lists. Looking takes one pass over the index after each change."""

    __slots__ = ("_index", "_state", "_sizes", "_ids")

    def __init__(self, index: IndexIVF) -> None:
        self._index = index
        self._state: Any = None

    def _look(self) -> None:
        handle, node = self._index._handle, self._index._node
        state = handle.version, handle.pointer
        if self._state == state:
            return
        with learned(handle) as parts:
            sizes = parts.array("SIZE", node, np.int64)
            if sizes is None:
                raise UntrainedError("invlists: the index must be trained first")
            slots, ids = parts.array("SLOT", node, np.uint32), parts.ids(node)
        naming = self._index._rename()
        if naming is not None:
            ids = naming.outward(ids, handle)
        self._sizes = sizes
        self._ids = np.split(ids[slots], np.cumsum(sizes)[:-1])
        self._state = state

    @property
    def nlist(self) -> int:
        return self._index.nlist

    @property
    def code_size(self) -> int:
        return self._index.code_size

    def list_size(self, list_no: int) -> int:
        """Vectors of a list."""
        self._look()
        return int(self._sizes[_arrays.count(list_no, "list_no", 0, self.nlist - 1)])

    def get_ids(self, list_no: int) -> Ids:
        """Ids of a list's vectors."""
        self._look()
        return self._ids[_arrays.count(list_no, "list_no", 0, self.nlist - 1)].copy()

    def imbalance_factor(self) -> float:
        """1 where all lists are of one length; how many times longer searches take because they are not."""
        self._look()
        total = float(self._sizes.sum())
        return len(self._sizes) * float((self._sizes.astype(float) ** 2).sum()) / total**2 if total else 1.0

    def compute_ntotal(self) -> int:
        self._look()
        return int(self._sizes.sum())


class IndexIVF(FaissIndex):
    """Vectors in nlist lists, by their nearest centroid; a search looks at nprobe of them."""

    __slots__ = ("nlist", "_quantizer", "_quantizer_state", "cp", "invlists")
    _quantizer: Any
    _quantizer_state: Any
    nlist: int
    cp: ClusteringParameters
    invlists: InvertedLists
    _uses = ("nprobe", "max_codes")

    nprobe = parameter("nprobe")
    max_codes = parameter("max_codes")
    own_invlists = fixed("own_invlists", True)
    quantizer_trains_alone = fixed("quantizer_trains_alone", 0)

    def __init__(self, quantizer: Index, d: int, nlist: int, word: str, metric: Any) -> None:
        nlist = _arrays.count(nlist, "nlist", 1)
        coarse = ""
        if isinstance(quantizer, IndexHNSWFlat):
            coarse = f"_HNSW{quantizer.M}"
        elif not isinstance(quantizer, IndexFlat):
            raise NotImplementedError(f"quantizer is a {type(quantizer).__name__}; kith's inverted files take "
                                      "IndexFlat or IndexHNSWFlat")
        if quantizer.d != d:
            raise ValueError(f"quantizer is for dimension {quantizer.d}; d is {d}")
        super().__init__(f"IVF{nlist}{coarse},{word}", d, metric)
        self._quantizer = quantizer
        self._prepare_training()

    def _place(self, handle: Handle, spec: str, d: int, metric: int, params: Parameters, node: int,
               part: bool) -> None:
        super()._place(handle, spec, d, metric, params, node, part)
        if "_HNSW" in self._spec and "efSearch" not in self._params.used:
            self._params.use("efSearch")
            self._params.values["efSearch"] = 0  # by graph or by all centroids, whichever is quicker
        self.nlist = int(re.match(r"IVF(\d+)", self._spec)[1])  # type: ignore[index]
        self._quantizer = None
        self._quantizer_state = None
        self.cp = ClusteringParameters()
        self.invlists = InvertedLists(self)

    @property
    def quantizer(self) -> FaissIndex:
        """The centroids as an index, for looking: ids are numbers of lists."""
        if self._quantizer is None:
            self._quantizer = IndexFlat(self.d, METRIC_L2 if self._metric == _arrays.METRICS["l2"] else 0)
        self._trained()
        return self._quantizer

    def _prepare_training(self) -> None:
        """A quantizer that holds as many vectors as there are lists has the centroids, wherever they come from."""
        if self._quantizer is None or self._quantizer.ntotal != self.nlist or len(self):
            return
        centroids = self._quantizer._kept()
        with self._handle.changing() as pointer:
            lib.index_set_centroids(pointer, self.nlist, _arrays.address(centroids))
            self._handle.trainings += 1
        self._quantizer_state = self._handle.trainings, self._handle.pointer

    def _trained(self) -> None:
        state = self._handle.trainings, self._handle.pointer
        if self._quantizer is None or self._quantizer_state == state or not self.is_trained:
            return
        centroids = self.centroids()
        if self._quantizer.ntotal != self.nlist or (self._quantizer._kept() != centroids).any():
            self._quantizer.reset()
            self._quantizer.add(centroids)
        self._quantizer_state = state

    def centroids(self) -> Floats:
        """The centroids [nlist × d]."""
        with learned(self._handle) as parts:
            found = parts.array("CENT", self._node, np.float32)
        if found is None:
            raise UntrainedError("the index must be trained before it has centroids")
        return found.reshape(self.nlist, self.d)

    def get_list_size(self, list_no: int) -> int:
        return self.invlists.list_size(list_no)

    def make_direct_map(self, new_maintain_direct_map: bool = True) -> None:
        """Nothing to do: any index reconstructs by id."""

    def set_direct_map_type(self, type: int) -> None:
        """Nothing to do: any index reconstructs by id."""

    @property
    def by_residual(self) -> bool:
        """Whether codes are of what a vector differs from its centroid by. May be set before training."""
        return self._can_differ and not self._spec.split(",")[0].endswith("_whole")

    @by_residual.setter
    def by_residual(self, value: bool) -> None:
        if bool(value) == self.by_residual:
            return
        if not self._can_differ or "_HNSW" in self._spec:
            raise NotImplementedError(f"by_residual is always {self.by_residual} for '{self._spec}' in kith")
        if self._part or self.is_trained or len(self):
            raise NotImplementedError("by_residual: set it before the index is trained or wrapped")
        first, _, rest = self._spec.partition(",")
        spec = f"IVF{self.nlist}{'' if value else '_whole'},{rest}"
        made = new_handle(spec, self.d, name_of(self.metric_type))
        with self._handle.changing():
            self._handle.replace(made)
        self._spec = spec

    @property
    def _can_differ(self) -> bool:
        return not (self._word == "Flat" or self._word.startswith("SQ8_direct"))

    # ---- the codec by itself: the number of the list, then the code ----

    def coarse_code_size(self) -> int:
        """Bytes that hold the number of a list."""
        return (max(self.nlist - 1, 0).bit_length() + 7) // 8

    def sa_code_size(self) -> int:
        return self.coarse_code_size() + self.code_size

    def sa_encode(self, x: Any) -> Codes:
        x = _arrays.floats(x, self.d, "x")
        centroids = self.centroids()
        metric = "l2" if self._metric == _arrays.METRICS["l2"] else "ip"
        lists = knn(x, centroids, 1, metric).ids[:, 0]
        with learned(self._handle) as parts:
            codes = codec(self._word, self.d, parts, self._node)[0](x - centroids[lists] if self.by_residual else x)
        return np.hstack([lists.astype("<i8").view(np.uint8).reshape(len(x), 8)[:, :self.coarse_code_size()], codes])

    def sa_decode(self, codes: Any) -> Floats:
        codes = _arrays.codes_of(codes, self.sa_code_size())
        coarse = self.coarse_code_size()
        numbers = np.zeros((len(codes), 8), np.uint8)
        numbers[:, :coarse] = codes[:, :coarse]
        lists = numbers.view("<i8")[:, 0]
        if lists.size and lists.max() >= self.nlist:
            raise ValueError(f"codes: list {lists.max()}; there are {self.nlist}")
        with learned(self._handle) as parts:
            x = codec(self._word, self.d, parts, self._node)[1](np.ascontiguousarray(codes[:, coarse:]))
        return x + self.centroids()[lists] if self.by_residual else x


class IndexIVFFlat(IndexIVF):
    __slots__ = ()

    def __init__(self, quantizer: Index, d: int, nlist: int, metric: Any = METRIC_L2) -> None:
        super().__init__(quantizer, d, nlist, "Flat", metric)


class IndexIVFPQ(IndexIVF):
    __slots__ = ("_pq",)

    do_polysemous_training = fixed("do_polysemous_training", False)
    polysemous_ht = fixed("polysemous_ht", 0)

    def __init__(self, quantizer: Index, d: int, nlist: int, M: int, nbits_per_idx: int = 8,
                 metric: Any = METRIC_L2) -> None:
        super().__init__(quantizer, d, nlist, pq_word(M, nbits_per_idx), metric)

    @property
    def pq(self) -> PQView:
        if not hasattr(self, "_pq"):
            self._pq = PQView(self)
        return self._pq

    @property
    def use_precomputed_table(self) -> int:
        """FAISS's choice between two ways of computing the same; kith has one way."""
        return 0

    @use_precomputed_table.setter
    def use_precomputed_table(self, value: int) -> None:
        pass


class IndexIVFPQFastScan(IndexIVFPQ):
    """IndexIVFPQ with numbers of 4 bits, which kith scans that way anyhow."""

    __slots__ = ()

    def __init__(self, quantizer: Index, d: int, nlist: int, M: int, nbits: int = 4, metric: Any = METRIC_L2,
                 bbs: int = 32) -> None:
        four_bits(nbits)
        super().__init__(quantizer, d, nlist, M, nbits, metric)


class IndexIVFScalarQuantizer(IndexIVF):
    __slots__ = ()

    def __init__(self, quantizer: Index, d: int, nlist: int, qtype: int = ScalarQuantizer.QT_8bit,
                 metric: Any = METRIC_L2, by_residual: bool | None = None) -> None:
        super().__init__(quantizer, d, nlist, ScalarQuantizer.word(qtype), metric)
        if by_residual is not None:
            self.by_residual = by_residual

    @property
    def sq(self) -> ScalarQuantizer:
        return ScalarQuantizer.of_word(self._word, self.d)


def try_extract_index_ivf(index: FaissIndex) -> IndexIVF | None:
    """The inverted file in an index, None if there is none."""
    return next((part for part in index._tree() if isinstance(part, IndexIVF)), None)


def extract_index_ivf(index: FaissIndex) -> IndexIVF:
    """The inverted file in an index."""
    found = try_extract_index_ivf(index)
    if found is None:
        raise UnsupportedError(f"{index!r} has no inverted file in it")
    return found
