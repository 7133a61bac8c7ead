"""What FAISS's `faiss.contrib` has and programs use: test data, comparing results, looking into indexes, vector files.
Modules of that package that are not here need GPUs, PyTorch or other machines."""
