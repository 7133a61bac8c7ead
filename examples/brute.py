#!/usr/bin/env python3
"""Find nearest neighbours the plain way, to check kith by something that shares no line with it.

usage: brute.py BASE.fvecs QUERY.fvecs IDS.ivecs DISTANCES.fvecs TRUTH.ivecs

Computes for every query the distance to every base vector, in double precision and pure Python, compares
the neighbours (ids and squared distances) that kith wrote, and writes the true ids to TRUTH.ivecs.
Exit status 1 if anything differs.
"""
import array
import heapq
import math
import sys


def read_vecs(path):
    """Rows of an fvecs or ivecs file, as tuples."""
    with open(path, "rb") as file:
        words = array.array("i", file.read())
    width = words[0] + 1
    if path.endswith(".fvecs"):
        values = array.array("f", words.tobytes())
    else:
        values = words
    return [tuple(values[i + 1:i + width]) for i in range(0, len(values), width)]


def neighbours(base, query, k):
    """The k nearest rows as (distance, id), nearest first, ties by id."""
    dist = math.dist
    return heapq.nsmallest(k, ((dist(query, x), i) for i, x in enumerate(base)))


def main():
    base, queries, ids, dists = (read_vecs(path) for path in sys.argv[1:5])
    wrong = 0
    with open(sys.argv[5], "wb") as truth:
        for query, found, found_dist in zip(queries, ids, dists):
            true = neighbours(base, query, len(found))
            true_ids = [i for _, i in true]
            same = true_ids == list(found) and all(
                math.isclose(d * d, f, rel_tol=1e-6) for (d, _), f in zip(true, found_dist))
            if not same:
                wrong += 1
                print(f"query {query[:3]}…: found {found}, true {true_ids}")
            array.array("i", [len(true_ids), *true_ids]).tofile(truth)
    if len(ids) != len(queries) or len(dists) != len(queries):
        wrong += 1
        print(f"{len(queries)} queries, but {len(ids)} and {len(dists)} results")
    print(f"brute force over {len(base):,} vectors: {len(queries) - wrong} of {len(queries)} queries have exactly "
          f"the ids and distances that kith found")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
