"""A collection in several files: one file for each month, searched as one index. Only the newest file is written to."""
import pathlib
import tempfile

import numpy as np

import kith

DIM, MONTHS, PER_MONTH = 48, 4, 5000


def main():
    random = np.random.default_rng(3)
    x = random.normal(size=(MONTHS * PER_MONTH, DIM)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        # What is learnt is learnt once; every month begins with a copy of it.
        trained = kith.Index("IVF64,SQ8", dim=DIM)
        trained.train(x[:PER_MONTH])
        for month in range(MONTHS):
            with trained.clone() as index:
                ids = np.arange(month * PER_MONTH, (month + 1) * PER_MONTH)
                index.add(x[ids], ids)
                index.save(pathlib.Path(folder, f"month{month}.kith"))

        files = sorted(pathlib.Path(folder).glob("*.kith"))
        with kith.shards(kith.open(file) for file in files) as index:
            print(index)
            queries = x[::1000] + 0.01
            _, ids = index.search(queries, k=3, nprobe=16)
            print(f"{(ids[:, 0] == np.arange(0, len(x), 1000)).sum()} of {len(queries)} queries find their vector first")
            _, recent = index.search(queries[0], k=3, nprobe=64, filter=range(3 * PER_MONTH, 4 * PER_MONTH))
            print("neighbours of query 0 in the last month:", ", ".join(map(str, recent)))


if __name__ == "__main__":
    main()
