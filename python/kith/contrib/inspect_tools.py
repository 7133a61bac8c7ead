"""The contents of indexes as arrays."""
from __future__ import annotations

from typing import Any

import numpy as np

import kith


def get_invlist(invlists: Any, l: int) -> tuple[Any, Any]:
    """The ids [n] and codes [n × code_size] of the vectors in a list."""
    return invlists.get_ids(l), invlists.get_codes(l)


def get_invlist_sizes(invlists: Any) -> Any:
    """The number of vectors in each list."""
    return np.array([invlists.list_size(i) for i in range(invlists.nlist)], np.int64)


def print_object_fields(obj: Any) -> None:
    """Print the values of an object's attributes."""
    for name in sorted(name for name in dir(type(obj)) if not name.startswith("_")):
        value = getattr(obj, name, None)
        if not callable(value):
            print(f"{name} = {value}")


def get_pq_centroids(pq: Any) -> Any:
    """The codebooks of a product quantizer [M × ksub × dsub]."""
    return kith.vector_to_array(pq.centroids).reshape(pq.M, pq.ksub, pq.dsub)


def get_LinearTransform_matrix(pca: Any) -> tuple[Any, Any]:
    """The matrix [d_out × d_in] of a linear transform, and its bias [d_out], which may be empty."""
    return kith.vector_to_array(pca.A).reshape(pca.d_out, pca.d_in), kith.vector_to_array(pca.b)


def make_LinearTransform_matrix(A: Any, b: Any = None) -> kith.LinearTransform:
    """A linear transform with a matrix [d_out × d_in] and a bias [d_out]."""
    A = np.asarray(A)
    if b is not None and np.shape(b) != (A.shape[0],):
        raise AssertionError(f"b has shape {np.shape(b)}; it must be ({A.shape[0]},)")
    made = kith.LinearTransform(A.shape[1], A.shape[0], b is not None)
    kith.copy_array_to_vector(A.ravel(), made.A)
    if b is not None:
        kith.copy_array_to_vector(b, made.b)
    made.is_trained = True
    made.set_is_orthonormal()
    return made


def get_flat_data(index: Any) -> Any:
    """The vectors of an IndexFlat [ntotal × d]."""
    return kith.vector_to_array(index.codes).view(np.float32).reshape(index.ntotal, index.d)


def get_flat_codes(index_flat: Any) -> Any:
    """The codes of a flat index [ntotal × code_size]."""
    return kith.vector_to_array(index_flat.codes).reshape(index_flat.ntotal, index_flat.code_size)
