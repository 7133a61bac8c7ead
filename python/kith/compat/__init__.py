"""The names of FAISS's Python interface, over kith. They are all in `kith` itself: ``import kith as faiss``."""
from .._arrays import METRIC_INNER_PRODUCT, METRIC_L2
from .base import FaissIndex
from .clustering import ClusteringParameters, Kmeans
from .flat import IndexFlat, IndexFlatIP, IndexFlatL2, IndexPQ, IndexScalarQuantizer, ScalarQuantizer
from .graph import IndexHNSW, IndexHNSWFlat, IndexHNSWPQ, IndexHNSWSQ
from .ivf import (IndexIVF, IndexIVFFlat, IndexIVFPQ, IndexIVFScalarQuantizer, InvertedLists, extract_index_ivf,
                  try_extract_index_ivf)
from .parameters import (IndexRefineSearchParameters, IVFPQSearchParameters, IVFSearchParameters, ParameterSpace,
                         SearchParameters, SearchParametersHNSW, SearchParametersIVF, SearchParametersIVFPQ,
                         SearchParametersPQ, SearchParametersPreTransform)
from .selectors import (IDSelector, IDSelectorAll, IDSelectorAnd, IDSelectorArray, IDSelectorBatch, IDSelectorBitmap,
                        IDSelectorNot, IDSelectorOr, IDSelectorRange, IDSelectorXOr)
from .tools import (IO_FLAG_MMAP, IO_FLAG_READ_ONLY, clone_index, deserialize_index, downcast_index, get_num_gpus,
                    index_factory, normalize_L2, omp_get_max_threads, omp_set_num_threads, read_index,
                    serialize_index, vector_float_to_array, vector_to_array, write_index)
from .transforms import (LinearTransform, NormalizationTransform, OPQMatrix, PCAMatrix, RandomRotationMatrix,
                         VectorTransform)
from .wrappers import (IndexIDMap, IndexIDMap2, IndexPreTransform, IndexRefine, IndexRefineFlat, IndexShards)
from . import tree  # noqa: F401  # index_of_handle, which base asks for

__all__ = [name for name in dir() if not name.startswith("_") and name not in (
    "base", "clustering", "flat", "graph", "ivf", "parameters", "selectors", "tools", "transforms", "tree",
    "wrappers")]
