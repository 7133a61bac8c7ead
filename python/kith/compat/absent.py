"""Names of FAISS that kith lacks, each with advice on what to use instead."""
from __future__ import annotations

import re
from typing import Any

from .._errors import UnsupportedError
from .metrics import OTHERS

_BINARY = ("kith has no binary vectors: use IndexFlat with their bits as floats, whose squared L2 distances are the Hamming "
           "distances")
_ADDITIVE = "use IndexPQ, or IndexRefineFlat around one"

# Names of the module, with the advice in the error message.
ABSENT = {
    "StandardGpuResources": "kith runs on CPUs: leave the GPU part out",
    "index_cpu_to_gpu": "kith runs on CPUs: use the index as it is",
    "index_gpu_to_cpu": "kith runs on CPUs: use the index as it is",
    "index_cpu_to_all_gpus": "kith runs on CPUs: use the index as it is",
    "IndexLSH": "use IndexPQ or IndexScalarQuantizer",
    "IndexNSG": "use IndexHNSWFlat", "IndexNSGFlat": "use IndexHNSWFlat", "IndexNSGPQ": "use IndexHNSWPQ",
    "IndexNSGSQ": "use IndexHNSWSQ", "IndexNNDescentFlat": "use IndexHNSWFlat", "NNDescent": "use IndexHNSWFlat",
    "IndexHNSW2Level": "use IndexHNSWPQ", "IndexHNSWCagra": "use IndexHNSWFlat",
    "IndexResidualQuantizer": _ADDITIVE, "IndexLocalSearchQuantizer": _ADDITIVE, "IndexAdditiveQuantizer": _ADDITIVE,
    "IndexProductResidualQuantizer": _ADDITIVE, "IndexProductLocalSearchQuantizer": _ADDITIVE,
    "ResidualQuantizer": "use ProductQuantizer", "LocalSearchQuantizer": "use ProductQuantizer",
    "ProductResidualQuantizer": "use ProductQuantizer", "ProductLocalSearchQuantizer": "use ProductQuantizer",
    "IndexIVFResidualQuantizer": "use IndexIVFPQ", "IndexIVFLocalSearchQuantizer": "use IndexIVFPQ",
    "IndexIVFPQR": "use IndexRefineFlat(IndexIVFPQ(…))",
    "Index2Layer": "use IndexIVFPQ", "IndexLattice": "use IndexScalarQuantizer",
    "IndexIVFSpectralHash": "use IndexIVFPQ", "IndexIVFIndependentQuantizer": "use IndexPreTransform(…, IndexIVFPQ(…))",
    "IndexReplicas": "search one index from several threads: searches run side by side",
    "IndexBinaryReplicas": "search one index from several threads: searches run side by side",
    "IndexSplitVectors": "use IndexPQ",
    "MultiIndexQuantizer": "use IndexFlat or IndexHNSWFlat as the quantizer",
    "MultiIndexQuantizer2": "use IndexFlat or IndexHNSWFlat as the quantizer",
    "ResidualCoarseQuantizer": "use IndexFlat or IndexHNSWFlat as the quantizer",
    "ITQMatrix": "use OPQMatrix or RandomRotationMatrix", "ITQTransform": "use OPQMatrix or RandomRotationMatrix",
    "HadamardRotation": "use RandomRotationMatrix",
    "OnDiskInvertedLists": "save the index and open it with IO_FLAG_MMAP, or merge indexes with merge_from",
    "merge_ondisk": "merge indexes with merge_from, save the result, and open it with IO_FLAG_MMAP",
    **{name: "make a smaller index with copy_subset_to, or several into one with merge_from" for name in (
        "SliceInvertedLists", "HStackInvertedLists", "VStackInvertedLists", "StopWordsInvertedLists",
        "CappedInvertedLists", "ConcatenatedInvertedLists", "MaskedInvertedLists", "ArrayInvertedLists",
        "BlockInvertedLists")},
    "IndexIVFFlatDedup": "use IndexIVFFlat",
    "MatrixStats": "look at the array with NumPy",
    **{name: "use index_factory(d, 'RaBitQ4')" for name in ("IndexRaBitQ", "IndexRaBitQFastScan")},
    **{name: "use index_factory(d, 'IVF1024,RaBitQ4')" for name in ("IndexIVFRaBitQ", "IndexIVFRaBitQFastScan")},
    "IndexRowwiseMinMax": "use IndexScalarQuantizer", "IndexRowwiseMinMaxFP16": "use IndexScalarQuantizer",
    "TimeoutGuard": "stop a long call by an exception in a signal handler, or by what a progress function of kith.Index "
                    "returns",
    **{name: _BINARY for name in (
        "IndexBinary", "IndexBinaryFlat", "IndexBinaryIVF", "IndexBinaryHNSW", "IndexBinaryHash", "IndexBinaryMultiHash",
        "IndexBinaryIDMap", "IndexBinaryIDMap2", "IndexBinaryShards", "IndexBinaryFromFloat", "index_binary_factory",
        "read_index_binary", "write_index_binary", "serialize_index_binary", "deserialize_index_binary", "knn_hamming")},
    "IndexFlat1D": "use IndexFlatL2(1)",
    "IndexRandom": "use rand and randint for made-up results",
    "IndexProxy": "search one index from several threads: searches run side by side",
    "IndexEDEN": "use IndexScalarQuantizer", "IndexIVFEDEN": "use IndexIVFScalarQuantizer",
    "IndexQINCo": _ADDITIVE, "IndexNeuralNetCodec": _ADDITIVE, "IndexResidual": _ADDITIVE,
    "IndexRefinePanorama": "use IndexRefineFlat",
    "AdditiveQuantizer": "use ProductQuantizer",
    "ProgressiveDimClustering": "use Kmeans", "ProgressiveDimIndexFactory": "use Kmeans",
    "Clustering1D": "use Kmeans(1, k)", "kmeans1d": "use Kmeans(1, k)",
    **{f"Index{kind}{fast}": _ADDITIVE if not kind.startswith("IVF") else "use IndexIVFPQ"
       for kind in ("AdditiveQuantizer", "LocalSearchQuantizer", "ResidualQuantizer", "ProductLocalSearchQuantizer",
                    "ProductResidualQuantizer", "IVFAdditiveQuantizer", "IVFLocalSearchQuantizer",
                    "IVFResidualQuantizer", "IVFProductLocalSearchQuantizer", "IVFProductResidualQuantizer")
       for fast in ("", "FastScan")},
}

METRICS = {f"METRIC_{name}": number for number, name in OTHERS.items()}

# Words of factory strings (regular expressions), with the advice in the error message.
_WORDS = (
    (r"IMI\w+|IVF\w+\((IMI|RCQ|ResQ|RQ|LSQ|NSG).*", "'IVF65536_HNSW32,…' finds one of many lists quickly"),
    (r"NSG.*|NNDescent.*", "use 'HNSW32'"),
    (r"LSH.*|ITQ.*", "use 'PQ16' or 'SQ4'"),
    (r"PQ\d+\+\d+", "refine instead: 'IVF1024,PQ8,Refine(PQ16)' or '…,RFlat'"),
    (r"SQ[1-3]\w*|SQt.*", "use 'SQ4'"),
    (r"(Eden|TQ|Zn).*", "use 'SQ4', 'RaBitQ4' or 'PQ32x4'"),
    (r"RaBitQ(fs)?9.*", "use 'RaBitQ8'"),
    (r"P?(RQ|LSQ)\d.*|Res.*|RCQ.*", "use 'PQ16', or 'PQ16,RFlat'"),
    (r"FlatDedup", "use 'Flat'"),
    (r"HR\d*", "use 'RR'"),
    (r"SH[\d.]*", "use 'PQ16'"),
    (r"(Jaccard|Hamming|B).*", _BINARY),
    # Mistakes that are easily made.
    (r"(Index)?Flat(L2|IP)|IndexFlat", "use 'Flat', and give the metric as an argument"),
    (r"(Index)?IVF_?(Flat|PQ|SQ|ScalarQuantizer)", "use 'IVF1024,Flat', 'IVF1024,PQ16' or 'IVF1024,SQ8'"),
    (r"IVF\d+_?(Flat|PQ\d*|SQ\d*)", "a comma stands between the lists and the codec: 'IVF1024,Flat'"),
    (r"(Index)?HNSW_?(Flat|PQ|SQ)|HNSW", "use 'HNSW32', 'HNSW32,SQ8' or 'HNSW32,PQ16': 32 links a vector"),
    (r"(Index)?PQ|PQ\d+x", "use 'PQ16' (16 bytes a vector) or 'PQ32x4'"),
    (r"(Index)?(SQ|ScalarQuantizer)", "use 'SQ8', 'SQ6', 'SQ4', 'SQfp16' or 'SQbf16'"),
    (r"Refine(\(\))?|RFlat\w+", "use 'RFlat' or 'Refine(SQ8)'"),
)


def refused(description: Any, error: Exception) -> Exception:
    """The exception of index_factory for a string that the library refused with `error`. If a word of FAISS is the reason,
    the message says what to use instead."""
    if description in ("IDMap", "IDMap2"):
        return UnsupportedError(f"description: '{description}' wraps an index; use '{description},Flat'")
    for word in re.split(r",(?![^(]*\))", description) if isinstance(description, str) else ():
        for pattern, advice in _WORDS:
            if re.fullmatch(pattern, word):
                return UnsupportedError(f"description: kith has no '{word}'; {advice}")
    return error


class AbsentError(AttributeError, UnsupportedError):
    """Also an AttributeError, because programs use hasattr(faiss, name) to find out whether FAISS was built with GPUs."""


class _Refusing(type):
    """The metaclass of classes that kith lacks. They can be imported, but not instantiated."""

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        raise UnsupportedError(f"kith has no {cls.__name__}: {ABSENT[cls.__name__]}")

    def __getattr__(cls, name: str) -> Any:
        raise AbsentError(f"kith has no {cls.__name__}: {ABSENT[cls.__name__]}")


def _function(name: str) -> Any:
    def refuse(*arguments: Any, **keywords: Any) -> Any:
        raise UnsupportedError(f"kith has no {name}: {ABSENT[name]}")

    refuse.__name__ = refuse.__qualname__ = name
    return refuse


_made: dict[str, Any] = {}


def missing(name: str) -> Any:
    """The attribute of the module for a name that kith lacks. Names that every FAISS build has exist, for imports and for
    isinstance(), and raise an error when they are used. All other names, those about GPUs included, do not exist."""
    if name in METRICS:
        return METRICS[name]
    if name not in ABSENT:
        raise AttributeError(f"module 'kith' has no attribute {name!r}")
    if name.startswith(("StandardGpu", "Gpu", "index_cpu_to", "index_gpu_to")):
        raise AbsentError(f"kith has no {name}: {ABSENT[name]}")
    if name not in _made:
        described = f"kith has no {name}: {ABSENT[name]}."
        _made[name] = (_Refusing(name, (), {"__doc__": described, "__module__": "kith"}) if name[0].isupper() else
                       _function(name))
    return _made[name]
