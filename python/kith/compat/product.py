"""Standalone quantizers as in FAISS's Python interface: over learn.ProductQuantizer and the codecs of indexes."""
# mypy: warn-return-any=False
from __future__ import annotations

from typing import Any

import numpy as np

from .. import _arrays, learn
from .._errors import ArgumentError
from .._types import Array, Codes, Floats
from . import arguments as args
from . import constructors
from .clustering_parameters import ClusteringParameters
from .metrics import METRIC_INNER_PRODUCT, METRIC_L2, name_of
from .swig import Linked, Owned


class ProductQuantizer(Owned, learn.ProductQuantizer):
    """A product quantizer, which encodes a vector of d elements as M numbers of nbits bits.

    Attributes: d, M, nbits, dsub (elements of a sub-vector), ksub (centroids of a codebook), code_size (bytes),
    centroids; cp: the ClusteringParameters of train()."""

    __slots__ = ("cp", "assign_index", "sdc_table", "_this")

    def __init__(self, d: int, M: int, nbits: int = 8) -> None:
        args.asserted(super().__init__)(d, M, nbits)
        self.cp = ClusteringParameters()
        self.assign_index: Any = None
        self.sdc_table: Floats = np.empty(0, np.float32)

    def train(self, x: Any, *, iterations: int | None = None, seed: int | None = None,
              threads: int | None = None) -> None:
        """Learn the codebooks from the rows of x [n × d]."""
        super().train(args.floats(x, self.d, "x"), iterations=self.cp.niter if iterations is None else iterations,
                      seed=self.cp.seed if seed is None else seed, threads=threads)

    def compute_codes(self, x: Any) -> Codes:
        """Codes [n × code_size] of the rows of x [n × d]."""
        return super().compute_codes(args.floats(x, self.d, "x"))

    def decode(self, codes: Any) -> Floats:
        """The decoded vectors [n × d] of codes [n × code_size]."""
        return super().decode(args.codes_of(codes, self.code_size))

    @property
    def centroids(self) -> Floats:
        """The codebooks [M × ksub × dsub]. They may be set, also by copy_array_to_vector."""
        return Linked.of(learn.ProductQuantizer.centroids.fget(self), self._set)  # type: ignore[attr-defined]

    @centroids.setter
    def centroids(self, books: Any) -> None:
        self._set(books)

    def _set(self, books: Any) -> None:
        learn.ProductQuantizer.centroids.fset(self, books)  # type: ignore[attr-defined]

    def get_centroids(self, m: int, i: int) -> Floats:
        """Centroid i of codebook m."""
        return np.array(self.centroids[args.count(m, "m", 0, self.M - 1), args.count(i, "i", 0, self.ksub - 1)])

    def compute_codes_with_assign_index(self, x: Any, codes: Array, n: int) -> None:
        """Write the codes of n rows of x to an array [n × code_size]. assign_index is not used: centroids are compared
        exactly, as always."""
        codes.reshape(-1, self.code_size)[:n] = self.compute_codes(np.asarray(x).reshape(-1, self.d)[:n])

    def compute_distance_tables(  # type: ignore[override]  # FAISS's form as well
            self, q: Any, x: Any = METRIC_L2, tables: Any = None, *, metric: Any = None) -> Any:
        """Squared distances, or inner products, between queries [nq × d] and all centroids: [nq × M × ksub]. FAISS's form
        (nq, queries, array) writes them to the array."""
        if tables is None:
            return super().compute_distance_tables(q, name_of(x if metric is None else metric))
        return self._into(q, x, tables, METRIC_L2)

    def compute_inner_prod_tables(self, nq: int, x: Any, tables: Array) -> None:
        """Write the inner products of nq queries with all centroids to an array [nq × M × ksub]."""
        self._into(nq, x, tables, METRIC_INNER_PRODUCT)

    def compute_distance_table(self, x: Any, table: Array) -> None:
        self._into(1, x, table, METRIC_L2)

    def compute_inner_prod_table(self, x: Any, table: Array) -> None:
        self._into(1, x, table, METRIC_INNER_PRODUCT)

    def _into(self, nq: int, x: Any, tables: Any, metric: int) -> None:
        nq = args.count(nq, "nq")
        if not isinstance(tables, np.ndarray) or tables.dtype != np.float32 or tables.size != nq * self.M * self.ksub:
            raise ArgumentError(f"tables is {_arrays.short(tables)}; it must be a float32 array of {nq} times "
                             f"{self.M} times {self.ksub}")
        found = super().compute_distance_tables(np.asarray(x).reshape(-1, self.d)[:nq], name_of(metric))
        tables.reshape(found.shape)[:] = found

    def compute_sdc_table(self) -> None:
        """Compute sdc_table: squared distances between the centroids of each codebook [M × ksub × ksub]."""
        books = np.asarray(self.centroids, np.float64)
        norms = np.einsum("mij,mij->mi", books, books)
        squares = norms[:, :, None] + norms[:, None, :] - 2 * (books @ books.transpose(0, 2, 1))
        self.sdc_table = np.maximum(squares, 0).astype(np.float32).ravel()

    def search_sdc(self, qcodes: Any, codes: Any, k: int) -> tuple[Floats, Array]:
        """The k codes whose decoded vectors are nearest to the decoded vector of each of qcodes: squared distances and
        numbers [nq × k]."""
        return learn.knn(self.decode(qcodes), self.decode(codes), k)

    def sync_transposed_centroids(self) -> None:
        """Nothing to do: kith does not need transposed centroids."""

    def clear_transposed_centroids(self) -> None:
        """Nothing to do."""


class ScalarCodec(Owned):
    """The methods of a standalone ScalarQuantizer: train, compute_codes, decode. `_word` is its word in factory strings."""

    __slots__ = ()
    d: int
    code_size: int
    _index: Any

    @property
    def _word(self) -> str:
        raise NotImplementedError

    def train(self, x: Any) -> None:
        """Learn the ranges of the elements of the rows of x [n × d]."""
        self._made().train(args.floats(x, self.d, "x"))

    def _made(self) -> Any:
        """The index that holds the training of this quantizer."""
        if self._index is None:
            self._index = constructors.index_factory(self.d, self._word)
        return self._index

    def compute_codes(self, x: Any) -> Codes:
        """Codes [n × code_size] of the rows of x [n × d]."""
        return self._made().sa_encode(x)

    def decode(self, codes: Any) -> Floats:
        """The decoded vectors [n × d] of codes."""
        return self._made().sa_decode(codes)
