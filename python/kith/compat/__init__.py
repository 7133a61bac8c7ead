"""FAISS's Python interface, implemented by kith. The module `kith` has all of these names: ``import kith as faiss``."""
from .metrics import (METRIC_BrayCurtis, METRIC_Canberra, METRIC_INNER_PRODUCT, METRIC_Jaccard, METRIC_JensenShannon,
                      METRIC_L1, METRIC_L2, METRIC_Linf, METRIC_Lp, METRIC_NaNEuclidean)
from .autotune import (AutoTuneCriterion, IntersectionCriterion, OneRecallAtRCriterion, OperatingPoint,
                       OperatingPoints, ParameterRange, ParameterSpace)
from .base import FaissIndex
from .clustering import Clustering, ClusteringIterationStats, Kmeans
from .clustering_parameters import ClusteringParameters
from .computer import DistanceComputer
from .extra import (ResultHeap, downcast_InvertedLists, downcast_Quantizer, downcast_VectorTransform,
                   eval_intersection, get_compile_options, imbalance_factor, is_similarity_metric, kmax, kmin,
                   merge_knn_results, pairwise_distances, range_search_with_parameters, search_with_parameters)
from .factory import index_factory
from .files import (IO_FLAG_MMAP, IO_FLAG_MMAP_IFC, IO_FLAG_ONDISK_SAME_DIR, IO_FLAG_READ_ONLY, IO_FLAG_SKIP_IVF_DATA,
                    IO_FLAG_PQ_SKIP_SDC_TABLE, IO_FLAG_SKIP_PRECOMPUTE_TABLE, IO_FLAG_SKIP_STORAGE,
                    BufferedIOReader, BufferedIOWriter, IOReader, IOWriter,
                    FileIOReader, FileIOWriter, PyCallbackIOReader, PyCallbackIOWriter, VectorIOReader, VectorIOWriter,
                    ZeroCopyIOReader, clone_index, clone_Quantizer, deserialize_index, read_index, serialize_index,
                    write_index)
from .flat import (IndexFlat, IndexFlatCodes, IndexFlatIP, IndexFlatL2, IndexFlatL2Panorama, IndexPQ, IndexPQFastScan,
                   IndexScalarQuantizer, ScalarQuantizer)
from .graph import HNSWView as HNSW
from .graph import IndexHNSW, IndexHNSWFlat, IndexHNSWPQ, IndexHNSWSQ
from .ivf import (IndexIVF, IndexIVFFlat, IndexIVFFlatPanorama, IndexIVFPQ, IndexIVFPQFastScan,
                  IndexIVFScalarQuantizer)
from .ivf_lists import DirectMap, InvertedLists
from .ivf_searches import (check_compatible_for_merge, extract_index_ivf, merge_into, search_centroid,
                           try_extract_index_ivf)
from .parameters import (IndexRefineSearchParameters, IVFPQSearchParameters, IVFSearchParameters, SearchParameters,
                         SearchParametersHNSW, SearchParametersIVF, SearchParametersIVFPQ, SearchParametersPQ,
                         SearchParametersPreTransform)
from .product import ProductQuantizer
from .random import lrand, rand, randint, randn
from .selectors import (IDSelector, IDSelectorAll, IDSelectorAnd, IDSelectorArray, IDSelectorBatch, IDSelectorBitmap,
                        IDSelectorNot, IDSelectorOr, IDSelectorRange, IDSelectorTranslated, IDSelectorXOr,
                        PyCallbackIDSelector)
from .shards import IndexShards, IndexShardsIVF
from .simd import *
from .statistics import HNSWStats, IndexIVFStats, cvar
from .swig import *
from .tools import (FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR, FAISS_VERSION_PATCH, Float16, Float32, Int8, UInt8,
                    downcast_index, get_num_gpus, normalize_L2, omp_get_max_threads, omp_set_num_threads)
from .transform_files import read_ProductQuantizer, read_VectorTransform, write_ProductQuantizer, write_VectorTransform
from .transforms import (CenteringTransform, LinearTransform, NormalizationTransform, OPQMatrix, PCAMatrix,
                         RandomRotationMatrix, RemapDimensionsTransform, VectorTransform)
from .wrappers import IndexIDMap, IndexIDMap2, IndexPreTransform, IndexRefine, IndexRefineFlat
from . import tree as _tree  # registers in constructors.py how indexes are created

__all__ = [
    "AutoTuneCriterion", "BufferedIOReader", "BufferedIOWriter", "ByteVector", "CenteringTransform", "CharVector",
    "Clustering", "ClusteringIterationStats", "ClusteringParameters", "DirectMap", "DistanceComputer",
    "DoubleVector", "FAISS_VERSION_MAJOR", "FAISS_VERSION_MINOR", "FAISS_VERSION_PATCH", "FaissIndex",
    "FileIOReader", "FileIOWriter", "Float16", "Float32", "Float32Vector", "Float64Vector", "FloatVector", "HNSW",
    "HNSWStats", "IDSelector", "IDSelectorAll", "IDSelectorAnd", "IDSelectorArray", "IDSelectorBatch",
    "IDSelectorBitmap", "IDSelectorNot", "IDSelectorOr", "IDSelectorRange", "IDSelectorTranslated",
    "IDSelectorXOr", "IOReader", "IOWriter", "IO_FLAG_MMAP", "IO_FLAG_MMAP_IFC", "IO_FLAG_ONDISK_SAME_DIR",
    "IO_FLAG_PQ_SKIP_SDC_TABLE", "IO_FLAG_READ_ONLY", "IO_FLAG_SKIP_IVF_DATA", "IO_FLAG_SKIP_PRECOMPUTE_TABLE",
    "IO_FLAG_SKIP_STORAGE", "IVFPQSearchParameters", "IVFSearchParameters", "IndexFlat", "IndexFlatCodes",
    "IndexFlatIP", "IndexFlatL2", "IndexFlatL2Panorama", "IndexHNSW", "IndexHNSWFlat", "IndexHNSWPQ",
    "IndexHNSWSQ", "IndexIDMap", "IndexIDMap2", "IndexIVF", "IndexIVFFlat", "IndexIVFFlatPanorama", "IndexIVFPQ",
    "IndexIVFPQFastScan", "IndexIVFScalarQuantizer", "IndexIVFStats", "IndexPQ", "IndexPQFastScan",
    "IndexPreTransform", "IndexRefine", "IndexRefineFlat", "IndexRefineSearchParameters", "IndexScalarQuantizer",
    "IndexShards", "IndexShardsIVF", "Int16Vector", "Int32Vector", "Int64Vector", "Int8", "Int8Vector",
    "IntVector", "IntersectionCriterion", "InvertedLists", "InvertedListsPtrVector", "Kmeans", "LinearTransform",
    "LongLongVector", "LongVector", "METRIC_BrayCurtis", "METRIC_Canberra", "METRIC_INNER_PRODUCT",
    "METRIC_Jaccard", "METRIC_JensenShannon", "METRIC_L1", "METRIC_L2", "METRIC_Linf", "METRIC_Lp",
    "METRIC_NaNEuclidean", "NormalizationTransform", "OPQMatrix",
    "OneRecallAtRCriterion", "OperatingPoint", "OperatingPoints", "PCAMatrix", "ParameterRange", "ParameterSpace",
    "ProductQuantizer", "PyCallbackIDSelector", "PyCallbackIOReader", "PyCallbackIOWriter",
    "RandomRotationMatrix", "RemapDimensionsTransform", "ResultHeap", "SIMDConfig", "SIMDLevel_ARM_NEON",
    "SIMDLevel_ARM_SVE", "SIMDLevel_AVX2", "SIMDLevel_AVX512", "SIMDLevel_AVX512_SPR", "SIMDLevel_COUNT",
    "SIMDLevel_NONE", "SIMDLevel_RISCV_RVV", "ScalarQuantizer", "SearchParameters", "SearchParametersHNSW",
    "SearchParametersIVF", "SearchParametersIVFPQ", "SearchParametersPQ", "SearchParametersPreTransform",
    "UInt16Vector", "UInt32Vector", "UInt64Vector", "UInt8", "UInt8Vector", "Uint64Vector", "VectorIOReader",
    "VectorIOWriter", "VectorTransform", "ZeroCopyIOReader", "check_compatible_for_merge", "clone_Quantizer",
    "clone_index", "copy_array_to_vector", "cvar", "deserialize_index", "downcast_InvertedLists",
    "downcast_Quantizer", "downcast_VectorTransform", "downcast_index", "eval_intersection", "extract_index_ivf",
    "get_compile_options", "get_num_gpus", "imbalance_factor", "index_factory", "is_similarity_metric", "kmax", "kmin", "lrand",
    "memcpy", "merge_into", "merge_knn_results", "normalize_L2", "omp_get_max_threads", "omp_set_num_threads",
    "pairwise_distances", "rand", "randint", "randn", "range_search_with_parameters", "read_ProductQuantizer",
    "read_VectorTransform", "read_index", "rev_swig_ptr", "search_centroid", "search_with_parameters",
    "serialize_index", "swig_ptr", "try_extract_index_ivf", "vector_float_to_array", "vector_to_array",
    "write_ProductQuantizer", "write_VectorTransform", "write_index",
]
