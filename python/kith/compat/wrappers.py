"""Indexes around others: ids of the caller's, transforms, refinement, shards."""
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterator

import numpy as np

from .. import _arrays
from .metrics import METRIC_L2
from .._errors import InvalidError
from .._handle import Handle
from .._lib import lib
from .._types import Codes, Floats, Ids
from .asking import k_of, output, vectors
from .base import Chain, FaissIndex
from .flat import IndexFlat, IndexPQ, IndexScalarQuantizer
from .naming import by_name
from .parameters import SearchParameters, parameter
from .transforms import VectorTransform


class IndexIDMap(FaissIndex):
    """An index whose vectors have ids of the caller's: any numbers but −1, the same one several times. All of kith's
    indexes have such ids, so this is another name of the index in it, which by itself counts 0, 1, 2, …"""

    __slots__ = ("index",)
    _counts_from_ntotal = False
    _idmap_kind = 1

    def __init__(self, index: FaissIndex) -> None:
        if not isinstance(index, FaissIndex):
            raise TypeError(f"index is a {type(index).__name__}; it must be one of kith's FAISS-like indexes")
        index._wrappable()
        self._surround(index, False)

    def _surround(self, index: FaissIndex, part: bool) -> None:
        self.index = index
        self._place(index._handle, index._spec, index.d, index._metric, index._params, index._node, part)
        index._become_part(self, index._node, True)

    def _children(self) -> Iterator[FaissIndex]:
        yield self.index

    def _node_below(self, node: int) -> int:
        return node

    @property
    def id_map(self) -> Ids:
        """Ids in the order in which vectors are stored."""
        return self.ids()

    @property
    def code_size(self) -> int:
        return self.index.code_size

    def sa_code_size(self) -> int:
        return self.index.sa_code_size()

    def sa_encode(self, x: Any) -> Codes:
        return self.index.sa_encode(x)

    def sa_decode(self, codes: Any) -> Floats:
        return self.index.sa_decode(codes)


class IndexIDMap2(IndexIDMap):
    __slots__ = ()
    _idmap_kind = 2


def around(index: FaissIndex, kind: int, part: bool) -> IndexIDMap:
    """An IndexIDMap (kind 1) or IndexIDMap2 (kind 2) around an index, or a part of one."""
    made = (IndexIDMap if kind == 1 else IndexIDMap2).__new__(IndexIDMap if kind == 1 else IndexIDMap2)
    made._surround(index, part)
    return made


class IndexPreTransform(FaissIndex):
    """An index behind transforms: IndexPreTransform(transform, …, index). What is trained already stays as it is; the
    rest is trained together. The index may hold vectors if the transforms are trained: they are taken to have gone
    through them."""

    __slots__ = ("_chain", "index")
    _chain: list[VectorTransform]
    index: FaissIndex

    def __init__(self, *parts: Any) -> None:
        if len(parts) == 1 and isinstance(parts[0], IndexPreTransform):
            parts = (*parts[0]._chain, parts[0].index)
        *chain, index = parts
        if not isinstance(index, FaissIndex) or not all(isinstance(vt, VectorTransform) for vt in chain):
            raise TypeError("IndexPreTransform takes transforms and then one of kith's FAISS-like indexes")
        index._wrappable()
        dims = [vt.d_in for vt in chain[1:]] + [index.d]
        for vt, follows in zip(chain, dims):
            if vt.d_out != follows:
                raise ValueError(f"{vt!r} is followed by something of dimension {follows}")
        self._chain, self.index = list(chain), index
        handle = index._handle
        for vt in reversed(chain):
            handle = _transformed(handle, vt)
        self._adopt(handle, index._metric, index._params)
        index._become_part(self, self._node_below(0))
        self._tie()

    def _node_below(self, node: int) -> int:
        return node + len(self._chain)

    def _tie(self) -> None:
        for number, vt in enumerate(self._chain):
            vt._tie(self._handle, self._node + number)

    def train(self, x: Any, numeric_type: Any = None, **keywords: Any) -> None:
        """Learn from the rows of x [n × d] what is not trained yet."""
        if not self.is_trained or not self._chain:
            super().train(x, numeric_type, **keywords)

    def prepend_transform(self, vt: VectorTransform) -> None:
        """Put another transform before the others."""
        self._whole()
        if vt.d_out != self.d:
            raise ValueError(f"{vt!r} is followed by something of dimension {self.d}")
        self._chain.insert(0, vt)
        try:
            handle = _transformed(self._handle, vt)
        except BaseException:
            del self._chain[0]
            raise
        self._adopt(handle, self._metric, self._params)
        self.index._become_part(self, self._node_below(0))
        self._tie()

    def _children(self) -> Iterator[FaissIndex]:
        yield self.index

    def _become_part(self, whole: FaissIndex, node: int, inner: bool = False) -> None:
        super()._become_part(whole, node, inner)
        self._tie()

    @property
    def _counts_through(self) -> bool:  # type: ignore[override]
        return self.index._counts_through

    @property
    def _counts_from_ntotal(self) -> bool:  # type: ignore[override]
        return self.index._counts_from_ntotal

    @property
    def chain(self) -> Chain:
        """The transforms, in the order in which vectors meet them."""
        return Chain(self._chain)

    @property
    def code_size(self) -> int:
        return self.index.code_size

    def apply_chain(self, x: Any) -> Floats:
        """Vectors [n × d] as the inner index sees them."""
        for vt in self._chain:
            x = vt.apply(x)
        return x

    def reverse_chain(self, x: Any) -> Floats:
        for vt in reversed(self._chain):
            x = vt.reverse_transform(x)
        return x

    def sa_code_size(self) -> int:
        return self.index.sa_code_size()

    def sa_encode(self, x: Any) -> Codes:
        return self.index.sa_encode(self.apply_chain(vectors(x, self.d, "x")))

    def sa_decode(self, codes: Any) -> Floats:
        return self.reverse_chain(self.index.sa_decode(codes))


def _transformed(handle: Handle, vt: VectorTransform) -> Handle:
    """A new index: the one in a handle, which is closed, behind a transform."""
    with handle.reading() as pointer:
        metric = lib.index_metric(pointer)
    if not vt.is_trained:
        word = _arrays.text_of(vt.word, "transform")
        return handle.wrapped(lambda out, child: lib.index_wrap_transform(out, child, vt.d_in, metric, word))
    like, node = vt._like()
    if like is handle:
        raise ValueError(f"{vt!r} is a part of the index that it is to be put before; clone that")
    with like.reading() as pointer:
        part = lib.index_part(pointer, node)
        return handle.wrapped(lambda out, child: lib.index_wrap_like(out, child, metric, part))


class IndexRefine(FaissIndex):
    """Ranks what a base index finds again, by finer codes: k_factor · k candidates for k results. Both indexes are
    empty, or hold the same vectors under the same ids."""

    __slots__ = ("base_index", "_fine")
    _uses = ("k_factor",)

    k_factor = parameter("k_factor")

    def __init__(self, base_index: FaissIndex, refine_index: FaissIndex | None = None) -> None:
        if not isinstance(base_index, FaissIndex):
            raise TypeError(f"base_index is a {type(base_index).__name__}; it must be one of kith's FAISS-like indexes")
        base_index._wrappable()
        if refine_index is None:
            refine_index = IndexFlat(base_index.d, base_index.metric_type)
        if not isinstance(refine_index, (IndexFlat, IndexScalarQuantizer, IndexPQ)):
            raise NotImplementedError(f"refine_index is a {type(refine_index).__name__}; kith refines by IndexFlat, "
                                      "IndexScalarQuantizer or IndexPQ")
        refine_index._wrappable()
        if base_index.ntotal != refine_index.ntotal:
            raise InvalidError(f"base_index has {_arrays.counted(base_index.ntotal, 'vector')}, refine_index "
                               f"{refine_index.ntotal}; they must be the same. IndexRefineFlat(base_index, xb) takes the vectors themselves")
        fine = refine_index._handle
        handle = base_index._handle.wrapped(
            lambda out, child, other: lib.index_wrap_fine(out, child, other), fine)
        self.base_index, self._fine = base_index, refine_index
        self._adopt(handle, base_index._metric, base_index._params)
        base_index._become_part(self, 1)
        refine_index._part = True

    def _children(self) -> Iterator[FaissIndex]:
        yield self.base_index

    @property
    def _counts_through(self) -> bool:  # type: ignore[override]
        return self.base_index._counts_through

    @property
    def _counts_from_ntotal(self) -> bool:  # type: ignore[override]
        return self.base_index._counts_from_ntotal

    @property
    def _word(self) -> str:
        last = self._spec.split(",")[-1]
        return "Flat" if last == "RFlat" else last[len("Refine("):-1]


class IndexRefineFlat(IndexRefine):
    """Refines by the vectors themselves. xb [ntotal × d]: those that base_index holds, under the ids 0, 1, 2, …"""

    __slots__ = ()

    def __init__(self, base_index: FaissIndex, xb: Any = None) -> None:
        if xb is None or not isinstance(base_index, FaissIndex):
            super().__init__(base_index)
            return
        fine = IndexFlat(base_index.d, base_index.metric_type)
        xb = np.asarray(xb)
        fine.add(xb.reshape(-1, fine.d) if xb.ndim == 1 and xb.size % fine.d == 0 else xb)
        super().__init__(base_index, fine)


class IndexShards(FaissIndex):
    """One index out of several, which stay what they are. successive_ids: each shard counts its vectors from 0, and
    results count them through, shard after shard; otherwise ids are the shards' own. threaded: all are searched at
    once. (kith.shards makes one index of several that can be saved.)"""

    __slots__ = ("threaded", "successive_ids", "_shards", "_only_metric")

    def __init__(self, d: int = 0, threaded: bool = False, successive_ids: bool = True) -> None:
        self.d = _arrays.count(d, "d")
        self.threaded, self.successive_ids = bool(threaded), bool(successive_ids)
        self.verbose = self.own_fields = self._part = False
        self._shards: list[FaissIndex] = []

    @property
    def _handle(self) -> Any:  # type: ignore[override]
        raise AttributeError("an IndexShards keeps no index of its own: ask its shards (at(i))")

    @property
    def closed(self) -> bool:
        return False

    def add_shard(self, shard: FaissIndex) -> None:
        if not isinstance(shard, FaissIndex):
            raise TypeError(f"shard is a {type(shard).__name__}; it must be one of kith's FAISS-like indexes")
        first = self._shards[0] if self._shards else shard
        if (self.d and shard.d != self.d) or shard.metric_type != first.metric_type:
            raise ValueError(f"{shard!r} does not fit: shards have one dimension ({self.d}) and one metric")
        self.d = shard.d
        self._shards.append(shard)

    def remove_shard(self, shard: FaissIndex) -> None:
        self._shards.remove(shard)

    def count(self) -> int:
        """How many shards there are."""
        return len(self._shards)

    def at(self, i: int) -> FaissIndex:
        return self._shards[_arrays.count(i, "i", 0, len(self._shards) - 1)]

    @property
    def ntotal(self) -> int:
        return sum(shard.ntotal for shard in self._shards)

    def __len__(self) -> int:
        return self.ntotal

    @property
    def is_trained(self) -> bool:
        return all(shard.is_trained for shard in self._shards)

    @property
    def metric_type(self) -> int:
        return self._shards[0].metric_type if self._shards else METRIC_L2

    def _each(self, function: Callable[[FaissIndex], Any]) -> list[Any]:
        if not self._shards:
            raise ValueError("there are no shards: add_shard first")
        if not self.threaded or len(self._shards) == 1:
            return [function(shard) for shard in self._shards]
        with ThreadPoolExecutor(len(self._shards)) as pool:
            return list(pool.map(function, self._shards))

    def _firsts(self) -> Ids:
        """What is added to the ids of each shard."""
        sizes = [shard.ntotal if self.successive_ids else 0 for shard in self._shards]
        return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)

    def train(self, x: Any, *arguments: Any, **keywords: Any) -> None:
        """Train every shard on the rows of x."""
        self._each(lambda shard: shard.train(x, *arguments, **keywords))

    def add(self, x: Any, ids: Any = None, **keywords: Any) -> None:
        """Give each shard an equal part of the rows of x, in order."""
        x = vectors(x, self.d, "x")
        if ids is None and self.successive_ids and self.ntotal:
            raise NotImplementedError("add: shards hold vectors, and successive ids would change: call it once, or "
                                      "use successive_ids=False and add_with_ids")
        if ids is None and not self.successive_ids:
            ids = np.arange(self.ntotal, self.ntotal + len(x))
        wanted = None if ids is None else _arrays.ids(ids, len(x))
        if wanted is not None and self.successive_ids:
            raise NotImplementedError("add_with_ids: ids are successive in these shards; use successive_ids=False")
        bounds = [len(x) * i // max(len(self._shards), 1) for i in range(len(self._shards) + 1)]
        parts = {id(shard): slice(a, b) for shard, a, b in zip(self._shards, bounds, bounds[1:])}
        self._each(lambda shard: shard.add(x[parts[id(shard)]],
                                           None if wanted is None else wanted[parts[id(shard)]], **keywords))

    def remove_ids(self, x: Any) -> int:
        if self.successive_ids:
            raise NotImplementedError("remove_ids: ids are successive in these shards; use successive_ids=False, or "
                                      "remove from a shard itself")
        return sum(self._each(lambda shard: shard.remove_ids(x)))

    def reset(self) -> None:
        self._each(lambda shard: shard.reset())

    def search(  # type: ignore[override]
            self, x: Any, k: int, *, params: SearchParameters | None = None, D: Any = None, I: Any = None,
               numeric_type: Any = None) -> tuple[Floats, Ids]:
        k = k_of(k)
        found = self._each(lambda shard: shard.search(x, k, params=self._params_of(params)))
        ids = [np.where(I >= 0, I + first, -1) for (_, I), first in zip(found, self._firsts())]
        all_d, all_i = np.hstack([d for d, _ in found]), np.hstack(ids)
        keys = all_d if self.metric_type == METRIC_L2 else -all_d
        order = np.lexsort((all_i, keys), axis=1)[:, :k]
        D = output(D, order.shape, np.float32, "D")
        I = output(I, order.shape, np.int64, "I")
        D[:], I[:] = np.take_along_axis(all_d, order, 1), np.take_along_axis(all_i, order, 1)
        return D, I

    def _params_of(self, params: SearchParameters | None) -> SearchParameters | None:
        if params is not None and params.filter() is not None and self.successive_ids:
            raise NotImplementedError("params.sel: ids are successive in these shards; use successive_ids=False")
        return params

    def range_search(  # type: ignore[override]
            self, x: Any, thresh: float, *, params: SearchParameters | None = None
                     ) -> tuple[Ids, Floats, Ids]:
        found = self._each(lambda shard: shard.range_search(x, thresh, params=self._params_of(params)))
        lims = np.sum([lims for lims, _, _ in found], axis=0)
        owner = np.concatenate([np.repeat(np.arange(len(lims) - 1), np.diff(part)) for part, _, _ in found])
        order = np.argsort(owner, kind="stable")
        dist = np.concatenate([d for _, d, _ in found])
        ids = np.concatenate([i + first for (_, _, i), first in zip(found, self._firsts())])
        return by_name(lims, dist[order], ids[order])

    def reconstruct_batch(self, key: Any, x: Any = None) -> Floats:
        keys = _arrays.ids(key, None, "key")
        x = output(x, (len(keys), self.d), np.float32, "x")
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
        raise NotImplementedError("an IndexShards is not saved: save each shard, or make one index with kith.shards")

    def tobytes(self) -> bytes:
        raise NotImplementedError("an IndexShards is not saved: save each shard, or make one index with kith.shards")

    def close(self) -> None:
        """Forget the shards; they stay open."""
        self._shards = []

    def __repr__(self) -> str:
        return f"<kith.IndexShards of {len(self._shards)}, dim={self.d} size={self.ntotal}>"
