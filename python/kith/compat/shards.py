"""IndexShards: searches several indexes as if they were one."""
# mypy: warn-return-any=False
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import numpy as np

from .. import _arrays
from .._errors import ArgumentError, UnsupportedError
from .._types import Floats, Ids, Limits
from . import arguments as args
from .absent import AbsentError
from .base import FaissIndex
from .clustering import Clustering
from .clustering_parameters import ClusteringParameters
from .flat import IndexFlat
from .ivf import IndexIVF
from .metrics import METRIC_INNER_PRODUCT, METRIC_L2, favours_large
from .naming import by_name, owners
from .parameters import SearchParameters


class IndexShards(FaissIndex):
    """Searches several indexes, which remain independent objects. successive_ids: ids of a shard start at 0, and in
    results the sizes of all earlier shards are added to them; otherwise ids of shards are not changed. threaded: all
    shards are searched at the same time. (kith.shards makes one index of several, which can be saved.)"""

    __slots__ = ("threaded", "successive_ids", "_shards", "_only_metric")

    def __init__(self, d: int = 0, threaded: bool = False, successive_ids: bool = True) -> None:
        if isinstance(d, bool):  # FAISS's other form: (threaded, successive_ids)
            d, threaded, successive_ids = 0, bool(d), threaded
        self.d = args.count(d, "d")
        self.threaded, self.successive_ids = bool(threaded), bool(successive_ids)
        self.verbose = self.own_fields = self._part = False
        self._shards: list[FaissIndex] = []

    @property
    def _handle(self) -> Any:  # type: ignore[override]
        raise AbsentError("an IndexShards has no index of its own: use its shards, at(i)")

    def __getattr__(self, name: str) -> Any:
        if hasattr(FaissIndex, name):  # an attribute of all other indexes
            raise AbsentError("an IndexShards has no index of its own: use its shards, at(i)")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def closed(self) -> bool:
        return False

    def add_shard(self, shard: FaissIndex) -> None:
        if not isinstance(shard, FaissIndex):
            raise ArgumentError(f"shard is a {type(shard).__name__}; it must be one of kith's FAISS-like indexes")
        first = self._shards[0] if self._shards else shard
        if (self.d and shard.d != self.d) or shard.metric_type != first.metric_type:
            raise ArgumentError(f"{shard!r} does not fit: all shards must have the same dimension ({self.d}) and metric")
        self.d = shard.d
        self._shards.append(shard)

    def remove_shard(self, shard: FaissIndex) -> None:
        self._shards.remove(shard)

    def count(self) -> int:
        """The number of shards."""
        return len(self._shards)

    def at(self, i: int) -> FaissIndex:
        return self._shards[args.count(i, "i", 0, len(self._shards) - 1)]

    @property
    def ntotal(self) -> int:
        return sum(shard.ntotal for shard in self._shards)

    def __len__(self) -> int:
        return self.ntotal

    @property
    def is_trained(self) -> bool:
        return all(shard.is_trained for shard in self._shards)

    @is_trained.setter
    def is_trained(self, value: bool) -> None:
        for shard in self._shards:
            shard.is_trained = value

    @property
    def metric_type(self) -> int:
        return self._shards[0].metric_type if self._shards else METRIC_L2

    def _each(self, function: Callable[[FaissIndex], Any]) -> list[Any]:
        if not self._shards:
            raise ArgumentError("there are no shards: add_shard first")
        if not self.threaded or len(self._shards) == 1:
            return [function(shard) for shard in self._shards]
        with ThreadPoolExecutor(len(self._shards)) as pool:
            return list(pool.map(function, self._shards))

    def _firsts(self) -> Ids:
        """The number that is added to the ids of each shard."""
        sizes = [shard.ntotal if self.successive_ids else 0 for shard in self._shards]
        return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)

    def train(self, x: Any, *arguments: Any, **keywords: Any) -> None:
        """Train every shard on the rows of x."""
        self._each(lambda shard: shard.train(x, *arguments, **keywords))

    def add(self, x: Any, ids: Any = None, **keywords: Any) -> None:
        """Add an equal part of the rows of x to each shard, in order."""
        x = args.vectors(x, self.d, "x")
        self._spread(x, ids, lambda shard, rows, named: shard.add(x[rows], named, **keywords))

    def _spread(self, x: Any, ids: Any, add: Callable[[FaissIndex, slice, Any], None]) -> None:
        if ids is None and self.successive_ids and self.ntotal:
            raise UnsupportedError("add: the shards already hold vectors, whose successive ids would change; add all vectors "
                                   "in one call, or use successive_ids=False and add_with_ids")
        if ids is None and not self.successive_ids:
            ids = np.arange(self.ntotal, self.ntotal + len(x))
        wanted = None if ids is None else args.ids(ids, len(x))
        if wanted is not None and self.successive_ids:
            raise UnsupportedError("add_with_ids: ids are successive in these shards; use successive_ids=False")
        bounds = [len(x) * i // max(len(self._shards), 1) for i in range(len(self._shards) + 1)]
        parts = {id(shard): slice(a, b) for shard, a, b in zip(self._shards, bounds, bounds[1:])}
        self._each(lambda shard: add(shard, parts[id(shard)], None if wanted is None else wanted[parts[id(shard)]]))

    def remove_ids(self, x: Any) -> int:
        if self.successive_ids:
            raise UnsupportedError("remove_ids: ids are successive in these shards; use successive_ids=False, or remove "
                                   "ids from a shard")
        return sum(self._each(lambda shard: shard.remove_ids(x)))

    def reset(self) -> None:
        self._each(lambda shard: shard.reset())

    def search(  # type: ignore[override]
            self, x: Any, k: int, *, params: SearchParameters | None = None, D: Any = None, I: Any = None,
               numeric_type: Any = None) -> tuple[Floats, Ids]:
        k = args.k_of(k)
        inner = self._params_of(params)
        return self._together(self._each(lambda shard: shard.search(x, k, params=inner)), k, D, I)

    def _together(self, found: list[tuple[Floats, Ids]], k: int, D: Any, I: Any) -> tuple[Floats, Ids]:
        """The best k of all shards' results."""
        ids = [np.where(I >= 0, I + first, -1) for (_, I), first in zip(found, self._firsts())]
        all_d, all_i = np.hstack([d for d, _ in found]), np.hstack(ids)
        keys = -all_d if favours_large(self.metric_type) else all_d
        order = np.lexsort((all_i, keys), axis=1)[:, :k]
        D = args.output(D, order.shape, np.float32, "D")
        I = args.output(I, order.shape, np.int64, "I")
        D[:], I[:] = np.take_along_axis(all_d, order, 1), np.take_along_axis(all_i, order, 1)
        return D, I

    def _params_of(self, params: SearchParameters | None) -> SearchParameters | None:
        if params is not None and not isinstance(params, SearchParameters):
            raise ArgumentError(f"params is a {type(params).__name__}; it must be SearchParameters")
        if params is not None and params.filter() is not None and self.successive_ids:
            raise UnsupportedError("params.sel: ids are successive in these shards; use successive_ids=False")
        return params

    def range_search(  # type: ignore[override]
            self, x: Any, thresh: float, *, params: SearchParameters | None = None
                     ) -> tuple[Limits, Floats, Ids]:
        found = self._each(lambda shard: shard.range_search(x, thresh, params=self._params_of(params)))
        lims = np.sum([lims for lims, _, _ in found], axis=0)
        owner = np.concatenate([owners(part) for part, _, _ in found])
        order = np.argsort(owner, kind="stable")
        dist = np.concatenate([d for _, d, _ in found])
        ids = np.concatenate([i + first for (_, _, i), first in zip(found, self._firsts())])
        return by_name(lims, dist[order], ids[order])

    def reconstruct_batch(self, key: Any, x: Any = None) -> Floats:
        keys = args.ids(key, None, "key")
        x = args.output(x, (len(keys), self.d), np.float32, "x")
        firsts = self._firsts()
        for i, id in enumerate(keys):
            if self.successive_ids:
                number = int(np.searchsorted(firsts, id, side="right")) - 1
            else:
                number = next((n for n, shard in enumerate(self._shards) if id in shard), 0)
            self._shards[number]._get(np.array([id - firsts[number]]), x[i:i + 1])
        return x

    def clone(self) -> IndexShards:
        made = IndexShards(self.d, self.threaded, self.successive_ids)
        made._shards = [shard.clone() for shard in self._shards]
        return made

    def save(self, path: Any, *, overwrite: bool = True) -> None:
        raise UnsupportedError("an IndexShards is not saved: save each shard, or make one index with kith.shards")

    def tobytes(self) -> bytes:
        raise UnsupportedError("an IndexShards is not saved: save each shard, or make one index with kith.shards")

    def close(self) -> None:
        """Remove all shards from this object; they stay open."""
        self._shards = []

    def __repr__(self) -> str:
        return f"<kith.IndexShards of {len(self._shards)}, dim={self.d} size={self.ntotal}>"


class IndexShardsIVF(IndexShards):
    """Inverted files that share a quantizer, which finds the lists of a query once for all shards. The centroids of the
    quantizer, given or trained, become the centroids of the shards."""

    __slots__ = ("quantizer", "nlist", "cp")

    def __init__(self, quantizer: FaissIndex, nlist: int, threaded: bool = False, successive_ids: bool = True) -> None:
        if not isinstance(quantizer, IndexFlat):
            raise ArgumentError(f"quantizer is {_arrays.short(quantizer)}; it must be an IndexFlat")
        super().__init__(quantizer.d, threaded, successive_ids)
        self.quantizer, self.nlist = quantizer, args.count(nlist, "nlist", 1)
        self.cp = ClusteringParameters()
        self.cp.niter = 10

    def add_shard(self, shard: FaissIndex) -> None:
        if not isinstance(shard, IndexIVF) or shard.nlist != self.nlist:
            raise ArgumentError(f"shard is {_arrays.short(shard)}; it must be an inverted file of {self.nlist} lists")
        super().add_shard(shard)

    def train(self, x: Any, *arguments: Any, **keywords: Any) -> None:
        """Train the quantizer on the rows of x, unless it has its centroids, and then every shard."""
        x = args.vectors(x, self.d, "x")
        if self.quantizer.ntotal != self.nlist:
            clustering = Clustering(self.d, self.nlist, self.cp)
            clustering.spherical = self.metric_type == METRIC_INNER_PRODUCT
            clustering.train(x, self.quantizer)
        centroids = self.quantizer.reconstruct_n()
        for shard in self._shards:
            coarse = IndexFlat(self.d, self.metric_type)
            coarse.add(centroids)
            shard.quantizer = coarse  # type: ignore[attr-defined]
            if not shard.is_trained:
                shard.train(x, *arguments, **keywords)

    def _lists(self, x: Any, params: SearchParameters | None) -> Ids:
        wanted = params if params is not None and hasattr(params, "nprobe") else self._shards[0]
        return self.quantizer.search(x, min(wanted.nprobe, self.nlist))[1]  # type: ignore[attr-defined]

    def search(  # type: ignore[override]
            self, x: Any, k: int, *, params: SearchParameters | None = None, D: Any = None, I: Any = None,
               numeric_type: Any = None) -> tuple[Floats, Ids]:
        x, k = args.vectors(x, self.d, "x"), args.k_of(k)
        lists = self._lists(x, params) if self._shards else None
        inner = self._params_of(params)
        return self._together(self._each(lambda shard: shard.search_preassigned(  # type: ignore[attr-defined]
            x, k, lists, params=inner)), k, D, I)

    def add(self, x: Any, ids: Any = None, **keywords: Any) -> None:
        """Add an equal part of the rows of x to each shard, in order, to the lists that the quantizer finds."""
        x = args.floats(x, self.d, "x")
        lists = self.quantizer.search(x, 1)[1].ravel()
        self._spread(x, ids, lambda shard, rows, named: shard.add_core(  # type: ignore[attr-defined]
            rows.stop - rows.start, x[rows], named, lists[rows]))
