"""The parts of `faiss.contrib` that programs use: test data, comparison of results, inspection of indexes, vector files.
The other modules of that package need GPUs, PyTorch or several machines."""
