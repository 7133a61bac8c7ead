"""The names of FAISS's Python interface, over kith. They are all in `kith` itself: ``import kith as faiss``."""
from .metrics import METRIC_INNER_PRODUCT, METRIC_L2
from .autotune import (AutoTuneCriterion, IntersectionCriterion, OneRecallAtRCriterion, OperatingPoint,
                       OperatingPoints, ParameterRange, ParameterSpace)
from .base import FaissIndex
from .clustering import Clustering, ClusteringIterationStats, ClusteringParameters, Kmeans
from .extra import (ResultHeap, downcast_InvertedLists, downcast_Quantizer, downcast_VectorTransform,
                    eval_intersection, get_compile_options, is_similarity_metric, kmax, kmin, merge_knn_results,
                    pairwise_distances, range_search_with_parameters, search_with_parameters)
from .files import (IO_FLAG_MMAP, IO_FLAG_MMAP_IFC, IO_FLAG_ONDISK_SAME_DIR, IO_FLAG_READ_ONLY, IO_FLAG_SKIP_IVF_DATA,
                    IO_FLAG_SKIP_PRECOMPUTE_TABLE, BufferedIOReader, BufferedIOWriter, IOReader, IOWriter,
                    PyCallbackIOReader, PyCallbackIOWriter, VectorIOReader, VectorIOWriter, clone_index, deserialize_index, read_index, serialize_index, write_index)
from .flat import (IndexFlat, IndexFlatIP, IndexFlatL2, IndexPQ, IndexPQFastScan, IndexScalarQuantizer,
                   ScalarQuantizer)
from .graph import IndexHNSW, IndexHNSWFlat, IndexHNSWPQ, IndexHNSWSQ
from .ivf import (IndexIVF, IndexIVFFlat, IndexIVFPQ, IndexIVFPQFastScan, IndexIVFScalarQuantizer, InvertedLists,
                  extract_index_ivf, try_extract_index_ivf)
from .parameters import (IndexRefineSearchParameters, IVFPQSearchParameters, IVFSearchParameters, SearchParameters,
                         SearchParametersHNSW, SearchParametersIVF, SearchParametersIVFPQ, SearchParametersPQ,
                         SearchParametersPreTransform)
from .random import lrand, rand, randint, randn
from .selectors import (IDSelector, IDSelectorAll, IDSelectorAnd, IDSelectorArray, IDSelectorBatch, IDSelectorBitmap,
                        IDSelectorNot, IDSelectorOr, IDSelectorRange, IDSelectorXOr)
from .tools import (copy_array_to_vector, downcast_index, get_num_gpus, index_factory, normalize_L2,
                    omp_get_max_threads, omp_set_num_threads, vector_float_to_array, vector_to_array)
from .transforms import (LinearTransform, NormalizationTransform, OPQMatrix, PCAMatrix, RandomRotationMatrix,
                         VectorTransform)
from .wrappers import IndexIDMap, IndexIDMap2, IndexPreTransform, IndexRefine, IndexRefineFlat, IndexShards
from . import tree as _tree  # index_of_handle, which base asks for

__all__ = [
    "AutoTuneCriterion", "BufferedIOReader", "BufferedIOWriter", "Clustering", "ClusteringIterationStats", "ClusteringParameters", "FaissIndex", "IDSelector",
    "IDSelectorAll", "IDSelectorAnd", "IDSelectorArray", "IDSelectorBatch", "IDSelectorBitmap", "IDSelectorNot",
    "IDSelectorOr", "IDSelectorRange", "IDSelectorXOr", "IO_FLAG_MMAP", "IO_FLAG_MMAP_IFC", "IO_FLAG_ONDISK_SAME_DIR",
    "IO_FLAG_READ_ONLY", "IO_FLAG_SKIP_IVF_DATA", "IO_FLAG_SKIP_PRECOMPUTE_TABLE", "IVFPQSearchParameters",
    "IOReader", "IOWriter", "IVFSearchParameters", "IndexFlat", "IndexFlatIP", "IndexFlatL2", "IndexHNSW", "IndexHNSWFlat", "IndexHNSWPQ",
    "IndexHNSWSQ", "IndexIDMap", "IndexIDMap2", "IndexIVF", "IndexIVFFlat", "IndexIVFPQ", "IndexIVFPQFastScan",
    "IndexIVFScalarQuantizer", "IndexPQ", "IndexPQFastScan", "IndexPreTransform", "IndexRefine", "IndexRefineFlat",
    "IndexRefineSearchParameters", "IndexScalarQuantizer", "IndexShards", "IntersectionCriterion", "InvertedLists",
    "Kmeans", "LinearTransform", "METRIC_INNER_PRODUCT", "METRIC_L2", "NormalizationTransform", "OPQMatrix",
    "OneRecallAtRCriterion", "OperatingPoint", "OperatingPoints", "PCAMatrix", "ParameterRange", "ParameterSpace",
    "PyCallbackIOReader", "PyCallbackIOWriter", "RandomRotationMatrix", "ResultHeap", "ScalarQuantizer",
    "SearchParameters", "SearchParametersHNSW", "SearchParametersIVF", "SearchParametersIVFPQ", "SearchParametersPQ",
    "SearchParametersPreTransform", "VectorIOReader", "VectorIOWriter", "VectorTransform", "clone_index",
    "copy_array_to_vector", "deserialize_index", "downcast_InvertedLists", "downcast_Quantizer",
    "downcast_VectorTransform", "downcast_index", "eval_intersection", "extract_index_ivf", "get_compile_options",
    "get_num_gpus", "index_factory", "is_similarity_metric", "kmax", "kmin", "lrand", "merge_knn_results",
    "normalize_L2", "omp_get_max_threads", "omp_set_num_threads", "pairwise_distances", "rand", "randint", "randn",
    "range_search_with_parameters", "read_index", "search_with_parameters", "serialize_index",
    "try_extract_index_ivf", "vector_float_to_array", "vector_to_array", "write_index",
]
