"""Call everything with anything, many times. Run by test_any_arguments.py: whatever the calls raise, the interpreter
must survive, and indexes must still answer correctly afterwards.

  usage: any_arguments.py CALLS SEED
"""
import inspect
import os
import random
import sys
import tempfile

import numpy as np

import kith
import kith as faiss

DIM = 8
calls, seed = int(sys.argv[1]), int(sys.argv[2])
pick = random.Random(seed)
numbers = np.random.default_rng(seed)
folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)  # some names of files are relative

SPECS = ["Flat", "SQ8", "PQ4x4", "IVF4,Flat", "IVF4,PQ4x4", "SQ8_direct", "PCA4,Flat", "PQ4x4,RFlat", "L2norm,Flat",
         "IDMap,Flat", "SQfp16", "nonsense", "IVF,Flat", "", "PQ5", "Shards2(Flat)", "HNSW8", "\0", "Flat,Flat"]
DTYPES = ["f4", "f8", "f2", ">f4", "i1", "u1", "i2", "i4", "i8", ">i8", "u8", "?", "c8", "O", "U3", "S2", "M8[s]",
          "m8[s]", "f4,i4", "longdouble"]


class Awkward:
    """Says that it is an array, and is not."""

    def __array__(self, *_):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")


def shape():
    rows = pick.choice([0, 1, 2, 5, 40, 300])
    return pick.choice([(), (0,), (DIM,), (rows,), (rows, DIM), (rows, DIM), (rows, DIM), (rows, DIM), (0, DIM),
                        (rows, 0), (rows, DIM + 1), (rows, 1), (2, 3, DIM), (DIM, rows)])


def array():
    """An array of any type, shape and layout."""
    size = shape()
    with np.errstate(all="ignore"):
        x = numbers.normal(scale=pick.choice([1, 1, 1, 1e30, 1e300]), size=size)
        if x.size and pick.random() < 0.15:
            x.flat[pick.randrange(x.size)] = pick.choice([np.nan, np.inf, -np.inf])
        try:
            x = np.abs(x * 20).astype(pick.choice(DTYPES) if pick.random() < 0.5 else "f4")
        except (TypeError, ValueError, OverflowError):
            x = np.zeros(size, "f4")
    layout = pick.randrange(10)
    if layout == 0 and x.ndim == 2:
        x = np.asfortranarray(x)
    elif layout == 1:
        x = x[::-1] if x.ndim else x
    elif layout == 2 and x.ndim == 2 and not x.dtype.hasobject:
        x = np.repeat(x, 2, axis=1)[:, ::2]
    elif layout == 3 and x.ndim == 2 and len(x):
        x = np.broadcast_to(x[:1], (pick.choice([1, 3, 1000]), x.shape[1]))
    elif layout == 4 and x.dtype == np.float32:
        x = np.frombuffer(b"x" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape)
    elif layout == 5:
        x = x.T
    elif layout == 6:
        x.flags.writeable = False
    elif layout == 7 and x.ndim == 2 and not x.dtype.hasobject:
        x = np.ma.masked_array(x, mask=np.zeros(x.shape, bool))
    return x


def good():
    """Vectors as they should be."""
    return np.abs(numbers.normal(size=(pick.choice([1, 5, 40, 300]), DIM))).astype("f4")


def scalar():
    return pick.choice([0, 1, -1, 3, 10, 2**20, 2**20 + 1, 2**31, 2**63 - 1, 2**63, -2**63, 2**200, 0.5, np.nan, np.inf,
                        None, "3", b"x", np.int64(4), np.float32(2), True, [], (), {}, Awkward(), object(), np.bool_(1)])


def something():
    return pick.choice([array, array, array, good, good, scalar, scalar, selector, lambda: pick.choice(indexes),
                        lambda: pick.choice([f"{folder.name}/{pick.randrange(5)}", "no/such/file", "\0", b"x"]),
                        lambda: [[1.0] * DIM, [2] * DIM], lambda: [[1], [2, 3]]])()


def selector():
    kinds = [lambda: kith.Filter.range(1, 20), lambda: kith.Filter.ids([3, 1, 4]), lambda: lambda id: id % 2,
             lambda: np.arange(30) % 3 == 0, lambda: range(5, 9), lambda: {1, 2}, lambda: [1, 5],
             lambda: faiss.IDSelectorNot(faiss.IDSelectorBatch([1, 2])), lambda: lambda id: 1 / 0]
    return pick.choice(kinds)()


def new_index():
    """An index, most often with vectors in it."""
    spec = pick.choice(SPECS)
    if pick.random() < 0.5:
        made = kith.Index(spec, DIM, pick.choice(["l2", "ip", "cosine"]))
    else:
        made = faiss.index_factory(DIM, spec, pick.choice([faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT]))
    if pick.random() < 0.8:
        made.train(numbers.integers(0, 100, (600, DIM)).astype("f4"))
        made.add(numbers.integers(0, 100, (pick.choice([0, 1, 40]), DIM)).astype("f4"))
    return made


METHODS = ["train", "add", "add", "search", "search", "search", "range_search", "get", "update", "remove", "reserve",
           "clone", "save", "tobytes", "merge", "ids", "close", "add_with_ids", "reconstruct", "reconstruct_n",
           "reconstruct_batch", "search_and_reconstruct", "assign", "remove_ids", "merge_from", "reset", "sa_encode",
           "sa_decode", "update_vectors", "__contains__", "__len__", "__repr__", "compact", "reorder"]
FUNCTIONS = [kith.knn, kith.kmeans, kith.read_vectors, kith.write_vectors, faiss.normalize_L2, faiss.read_index,
             faiss.write_index, faiss.deserialize_index, faiss.serialize_index, faiss.clone_index, kith.shards,
             kith.Index, faiss.index_factory, faiss.IndexFlatL2, faiss.IndexIVFFlat, faiss.IndexIDMap,
             faiss.IndexPreTransform, faiss.IndexRefineFlat, faiss.Kmeans, faiss.ProductQuantizer, faiss.PCAMatrix,
             kith.Filter.ids, kith.Filter.range, kith.Filter.mask, kith.Filter.bitmap, faiss.IDSelectorBatch,
             faiss.ParameterSpace().set_index_parameters, kith.open, kith.Index.frombytes]
KEYWORDS = {"k": scalar, "filter": selector, "nprobe": scalar, "threads": scalar, "k_factor": scalar,
            "params": lambda: faiss.SearchParametersIVF(sel=selector(), nprobe=scalar()), "ids": something,
            "D": array, "I": array, "progress": lambda: pick.choice([lambda *_: 0, lambda *_: 1, lambda *_: 1 / 0, 3])}


# What a parameter of a name is meant to be.
MEANT = {"x": good, "q": good, "xq": good, "xb": good, "init": good, "codes": lambda: np.zeros((2, 8), "u1"),
         "k": lambda: pick.choice([1, 3, 10, 1000, 2**20]), "radius": lambda: 1e3, "thresh": lambda: 1e3,
         "ids": lambda: numbers.permutation(40), "key": lambda: numbers.integers(0, 40, 5), "id": lambda: 3,
         "keys": lambda: numbers.permutation(40), "which": selector, "path": lambda: f"{folder.name}/{pick.randrange(5)}",
         "other": lambda: pick.choice(indexes), "index": lambda: pick.choice(indexes), "n": lambda: 100}


def arguments(function):
    """Arguments for a function: of the number that it takes and of the kind that it means, mostly."""
    try:
        takes = [p for p in inspect.signature(function).parameters.values() if p.kind == p.POSITIONAL_OR_KEYWORD]
    except (TypeError, ValueError):
        takes = []
    least = sum(p.default is p.empty for p in takes)
    names = [p.name for p in takes[:pick.randint(least, len(takes))]]
    if pick.random() < 0.05:
        names = ["?"] * pick.randrange(4)
    values = [MEANT[name]() if name in MEANT and pick.random() < 0.6 else something() for name in names]
    keywords = pick.sample(list(KEYWORDS), 1) if pick.random() < 0.2 else []
    return values, {name: KEYWORDS[name]() for name in keywords}


def turn():
    """One call; whether it succeeded."""
    old = pick.randrange(len(indexes))
    if pick.random() < 0.03 or (indexes[old].closed and pick.random() < 0.5):
        indexes[old] = new_index()
        return
    if pick.random() < 0.8:
        index = pick.choice(indexes)
        function = getattr(index, pick.choice([name for name in METHODS if hasattr(index, name)]))
    else:
        function = pick.choice(FUNCTIONS)
    values, keywords = arguments(function)
    if any(type(v) is int and v > 1000 for v in [*values, *keywords.values()]):
        # A huge k is for few queries: results of many would be gigabytes.
        values = [v[:2] if isinstance(v, np.ndarray) and v.ndim else v for v in values]
    if function == kith.kmeans or function is faiss.Kmeans:
        values[1:] = [min(v, 50) if isinstance(v, int) else v for v in values[1:]]
    function(*values, **keywords)


indexes = [kith.Index("Flat", DIM), faiss.IndexFlatL2(DIM)]
while len(indexes) < 12:
    try:
        indexes.append(new_index())
    except (kith.KithError, ValueError, NotImplementedError):
        pass
succeeded = 0
for number in range(calls):
    try:
        turn()
        succeeded += 1
    except Exception:  # any exception will do: that the process lives on is what is tested
        pass

witness = kith.Index("Flat", DIM)
vectors = np.eye(DIM, dtype="f4")
witness.add(vectors)
assert (witness.search(vectors, 1).ids[:, 0] == np.arange(DIM)).all()
print(calls, succeeded)
