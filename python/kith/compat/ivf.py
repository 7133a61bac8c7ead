"""Inverted files."""
# mypy: warn-return-any=False
from __future__ import annotations

import re
from typing import Any

import numpy as np

from .. import _arrays
from .._errors import ArgumentError, UnsupportedError, UntrainedError
from .._handle import Handle
from .._learned import learned
from .._lib import lib
from .._types import Floats
from ..index import Index, new_handle
from . import arguments as args
from . import constructors
from .base import FaissIndex, fixed
from .clustering_parameters import ClusteringParameters
from .flat import (FastScan, IndexFlat, PQView, ScalarQuantizer, bbs_of, four_bits, hamming_threshold, polysemous, pq_word,
                   take_books)
from .graph import DEFAULT_EF, IndexHNSWFlat
from .ivf_lists import DirectMap, InvertedLists
from .ivf_searches import Searches
from .metrics import METRIC_INNER_PRODUCT, METRIC_L2, name_of, same_metric
from .parameters import Kind, Parameters, parameter


class IndexIVF(Searches, FaissIndex):  # type: ignore[misc]  # as Searchable, which says so itself
    """An inverted file: vectors in nlist lists by their nearest centroid, of which a search scans nprobe."""

    __slots__ = ("_nlist", "_quantizer", "_quantizer_spec", "_quantizer_state", "cp", "invlists", "direct_map", "parallel_mode",
                 "clustering_index")
    _quantizer: Any
    _quantizer_spec: str  # the factory string of a quantizer other than IndexFlat and IndexHNSWFlat; "" for these
    _quantizer_state: Any
    cp: ClusteringParameters
    invlists: InvertedLists
    _uses = ("nprobe", "max_codes")
    _settings = (*FaissIndex._settings, "cp", "direct_map", "parallel_mode")

    nprobe = parameter("nprobe")
    max_codes = parameter("max_codes")
    PARALLEL_MODE_NO_HEAP_INIT = 1024
    quantizer_trains_alone = fixed("quantizer_trains_alone", 0)

    def __init__(self, quantizer: Index, d: int, nlist: int, word: str, metric: Any) -> None:
        nlist = args.count(nlist, "nlist", 1)
        if not isinstance(quantizer, FaissIndex):
            raise ArgumentError(f"quantizer is {_arrays.short(quantizer)}; it must be one of kith's FAISS-like indexes, "
                                "such as IndexFlat or IndexHNSWFlat")
        if quantizer.d != d:
            raise ArgumentError(f"quantizer is for dimension {quantizer.d}; d is {d}")
        super().__init__(f"IVF{nlist}({quantizer._spec}),{word}", d, metric)
        if self._quantizer_spec and quantizer._metric != self._metric:
            raise UnsupportedError("quantizer: it must have the same metric as the inverted file, unless it is an "
                                   "IndexFlat or IndexHNSWFlat")
        self._quantizer = quantizer
        self._share_efSearch()
        self._prepare_training()

    def _place(self, handle: Handle, spec: str, d: int, metric: int, params: Parameters, node: int,
               part: bool) -> None:
        super()._place(handle, spec, d, metric, params, node, part)
        if "HNSW" in self._spec and "efSearch" not in self._params.used:
            self._params.use("efSearch")
            self._params.values["efSearch"] = 0  # chosen automatically: the graph or all centroids, whichever is faster
        quantizer = re.match(r"IVF\d+\((.+)\)(?:_whole)?,", self._spec)
        self._quantizer_spec = quantizer[1] if quantizer else ""
        self._nlist = int(re.match(r"IVF(\d+)", self._spec)[1])  # type: ignore[index]
        self._quantizer = None
        self._quantizer_state = None
        self.cp = ClusteringParameters()
        self.cp.niter = 10
        self.cp.spherical = self.metric_type == METRIC_INNER_PRODUCT
        self.invlists = InvertedLists(self)
        self.direct_map = DirectMap()
        self.parallel_mode = 0  # has no effect: kith decides itself how threads share the work
        self.clustering_index: Any = None  # has no effect: kith's training finds the nearest centroids exactly

    @property
    def quantizer(self) -> FaissIndex:
        """An index of the centroids, whose ids are the numbers of lists. If the lists are found by a graph,
        quantizer.hnsw.efSearch is the efSearch of this index."""
        if self._quantizer is None:
            graph = re.match(r"IVF\d+_HNSW(\d+)", self._spec)
            if self._quantizer_spec:
                self._quantizer = constructors.index_factory(self.d, self._quantizer_spec, same_metric(self._metric))
            else:
                self._quantizer = (IndexHNSWFlat(self.d, int(graph[1]), same_metric(self._metric)) if graph else
                                   IndexFlat(self.d, same_metric(self._metric)))
        self._share_efSearch()
        self._trained()
        return self._quantizer

    @quantizer.setter
    def quantizer(self, value: Any) -> None:
        kind: Any = IndexHNSWFlat if "_HNSW" in self._spec else IndexFlat
        given: Any = value
        name = f"'{self._quantizer_spec}'" if self._quantizer_spec else kind.__name__
        fits = given._spec == self._quantizer_spec if self._quantizer_spec and isinstance(given, FaissIndex) else (
            isinstance(given, kind))
        if not fits or given.d != self.d:
            raise UnsupportedError(f"quantizer is {_arrays.short(value)}; it must be {name} of dimension {self.d}")
        if self.is_trained and (given.ntotal != self.nlist or (given._stored_vectors() != self.centroids()).any()):
            raise UnsupportedError("quantizer: its vectors must be the centroids of this index, which is trained; give "
                                   "other centroids to a new index")
        self._quantizer, self._quantizer_state = value, None
        self._prepare_training()

    def _share_efSearch(self) -> None:
        """Let the quantizer's graph share the parameters of this index, so that efSearch has one value."""
        if isinstance(self._quantizer, IndexHNSWFlat) and self._quantizer._params.values is not self._params.values:
            if not self._params.values["efSearch"] and self._quantizer._params.values["efSearch"] != DEFAULT_EF:
                self._params.values["efSearch"] = self._quantizer._params.values["efSearch"]
            self._quantizer._params.values = self._params.values
            self._quantizer._params.coarse = True

    def _prepare_training(self) -> None:
        """Take the centroids from the quantizer if it holds as many vectors as there are lists."""
        if self._quantizer is None or self._quantizer.ntotal != self.nlist or len(self):
            return
        centroids = self._quantizer._stored_vectors()
        with self._handle.changing() as pointer:
            lib.index_set_centroids(pointer, self.nlist, _arrays.address(centroids))
            self._handle.trainings += 1
        self._quantizer_state = self._handle.trainings, self._handle.pointer

    def _trained(self) -> None:
        state = self._handle.trainings, self._handle.pointer
        if self._quantizer is None or self._quantizer_state == state or not self.is_trained:
            return
        if self._quantizer_spec:
            with self._part_handle().reading() as pointer:
                found = Handle(lib.index_clone, lib.index_quantizer(pointer))
            with self._quantizer._handle.changing():
                self._quantizer._handle.replace(found)
                self._quantizer._handle.trainings += 1
            self._quantizer_state = state
            return
        centroids = self.centroids()
        if self._quantizer.ntotal != self.nlist or (self._quantizer._stored_vectors() != centroids).any():
            self._quantizer.reset()
            self._quantizer.add(centroids)
        self._quantizer_state = state

    def _take_settings(self, other: FaissIndex) -> None:
        super()._take_settings(other)
        assert isinstance(other, IndexIVF)
        self.clustering_index = other.clustering_index
        if other._quantizer is not None:
            self._quantizer, self._quantizer_state = other._quantizer.clone(), None
            self._share_efSearch()

    @property
    def nlist(self) -> int:
        """The number of lists."""
        return self._nlist

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
        """Nothing to do but remember it: every index can reconstruct vectors by id."""
        self.direct_map.set_type(DirectMap.Array if new_maintain_direct_map else DirectMap.NoMap)

    def set_direct_map_type(self, type: int) -> None:
        """Nothing to do but remember it: every index can reconstruct vectors by id."""
        self.direct_map.set_type(type)

    @property
    def is_trained(self) -> bool:
        return FaissIndex.is_trained.fget(self)  # type: ignore[attr-defined]

    @is_trained.setter
    def is_trained(self, value: bool) -> None:
        if value and not self.is_trained:
            self._prepare_training()
        FaissIndex.is_trained.fset(self, value)  # type: ignore[attr-defined]

    @property
    def own_invlists(self) -> bool:
        return True

    @own_invlists.setter
    def own_invlists(self, value: bool) -> None:
        """Has no effect: Python frees objects that are no longer used."""

    def replace_invlists(self, il: Any, own: bool = False) -> None:
        if il is not self.invlists:
            raise UnsupportedError("replace_invlists: an index always has its own lists. Use copy_subset_to for a smaller "
                                   "index, merge_from to join several, and IO_FLAG_MMAP to map a file")

    @property
    def by_residual(self) -> bool:
        """Whether residuals (the differences of vectors from their centroids) are encoded. May be set before training."""
        return self._can_differ and not self._spec.rpartition(",")[0].endswith("_whole")

    @by_residual.setter
    def by_residual(self, value: bool) -> None:
        if bool(value) == self.by_residual:
            return
        if not self._can_differ or "_HNSW" in self._spec or self._quantizer_spec:
            raise UnsupportedError(f"by_residual is always {self.by_residual} for '{self._spec}' in kith")
        if self._part or self.is_trained or len(self):
            raise UnsupportedError("by_residual: set it before the index is trained or wrapped")
        rest = self._spec.rpartition(",")[2]
        spec = f"IVF{self.nlist}{'' if value else '_whole'},{rest}"
        made = new_handle(spec, self.d, name_of(same_metric(self._metric)))
        with self._handle.changing():
            self._handle.replace(made)
        self._spec = spec

    @property
    def _can_differ(self) -> bool:
        return not (self._word == "Flat" or self._word.startswith("SQ8_direct"))


class IndexIVFFlat(IndexIVF):
    __slots__ = ()

    def __init__(self, quantizer: Index, d: int, nlist: int, metric: Any = METRIC_L2) -> None:
        super().__init__(quantizer, d, nlist, "Flat", metric)


class IndexIVFFlatPanorama(IndexIVFFlat):
    """IndexIVFFlat. FAISS's class skips the remaining dimensions of vectors that are too far; kith's IndexIVFFlat has
    means of its own to skip vectors."""

    __slots__ = ("n_levels",)
    _settings = (*IndexIVFFlat._settings, "n_levels")

    def __init__(self, quantizer: Index, d: int, nlist: int, n_levels: int, metric: Any = METRIC_L2) -> None:
        super().__init__(quantizer, d, nlist, metric)
        self.n_levels = args.count(n_levels, "n_levels", 1)


class IndexIVFPQ(IndexIVF):
    __slots__ = ("_pq",)

    do_polysemous_training = polysemous()
    polysemous_ht = hamming_threshold()
    scan_table_threshold = fixed("scan_table_threshold", 0)

    def __init__(self, quantizer: Index, d: int, nlist: int, M: int, nbits_per_idx: int = 8,
                 metric: Any = METRIC_L2) -> None:
        super().__init__(quantizer, d, nlist, pq_word(M, nbits_per_idx), metric)

    @property
    def pq(self) -> PQView:
        if not hasattr(self, "_pq"):
            self._pq = PQView(self)
        return self._pq

    @pq.setter
    def pq(self, value: Any) -> None:
        """Set the codebooks of an empty index, whose quantizer must have its centroids."""
        centroids = self.centroids() if self.is_trained else self._quantizer._stored_vectors() if self._quantizer else None
        take_books(self, value, centroids)

    def precompute_table(self) -> None:
        """Nothing to do: kith has only one way to compute these distances."""

    @property
    def use_precomputed_table(self) -> int:
        """In FAISS, the choice between two ways to compute the same distances; kith has only one."""
        return 0

    @use_precomputed_table.setter
    def use_precomputed_table(self, value: int) -> None:
        pass


class IndexIVFPQFastScan(FastScan, IndexIVFPQ):  # type: ignore[misc]
    """IndexIVFPQ with 4 bits, for which kith always uses fast scan. IndexIVFPQFastScan(index, bbs) copies an IndexIVFPQ."""

    __slots__ = FastScan._more
    _settings = (*IndexIVFPQ._settings, *FastScan._more)

    def __init__(self, quantizer: Index, d: int = 32, nlist: int = 0, M: int = 0, nbits: int = 4,
                 metric: Any = METRIC_L2, bbs: int = 32) -> None:
        if isinstance(quantizer, IndexIVFPQ):
            self._copy(quantizer, d)
            return
        four_bits(nbits)
        super().__init__(quantizer, d, nlist, M, nbits, metric)
        self._params.kind = Kind(bbs_of(bbs))


class IndexIVFScalarQuantizer(IndexIVF):
    __slots__ = ()

    def __init__(self, quantizer: Index, d: int, nlist: int, qtype: int = ScalarQuantizer.QT_8bit,
                 metric: Any = METRIC_L2, by_residual: bool | None = None) -> None:
        super().__init__(quantizer, d, nlist, ScalarQuantizer.word(qtype), metric)
        if by_residual is not None:
            self.by_residual = by_residual

    @property
    def sq(self) -> ScalarQuantizer:
        return ScalarQuantizer.of_index(self)
