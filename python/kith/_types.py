"""Names for the types of arrays that functions return."""
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
Codes = NDArray[np.uint8]
Limits = NDArray[np.uint64]  # the lims of range searches in FAISS's interface
