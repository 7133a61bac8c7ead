"""Retrieval with metadata: find software packages by what they do, by words, vectors, or both.

    python3 package_search.py [FOLDER]     a folder with base.fvecs, base.csv, query.fvecs, query.csv; else a few made up

Vectors come with the data; for texts of your own let a model make them (kith.Collection's embedding_function). A language
model would then be given the documents that were found, as its context.
"""
import csv
import sys
import time
from pathlib import Path

import numpy as np

import kith

MADE_UP = [
    ("zip-tool", "utils", 120, "creates and extracts compressed archives"), ("archiver", "utils", 900, "file compression with a window"),
    ("chess", "games", 5000, "play chess against the computer"), ("go-board", "games", 2500, "the game of go, with a teacher"),
    ("libchess", "libs", 300, "library of chess rules and openings"), ("sqlview", "database", 4000, "browser for database tables"),
]


def made_up():
    """Vectors of letters' pairs: enough to show how things fit together."""
    def vector(text):
        x = np.zeros(64, dtype=np.float32)
        for a, b in zip(text, text[1:]):
            x[(ord(a) * 7 + ord(b)) % 64] += 1
        return x
    records = [dict(zip(("name", "section", "installed_kb", "synopsis"), one)) for one in MADE_UP]
    return np.array([vector(one["synopsis"]) for one in records]), records, np.array([vector("compress files")]), [{"synopsis": "compress files"}]


def read(folder):
    def table(name):
        with open(folder / f"{name}.csv", newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    return kith.read_vectors(folder / "base.fvecs"), table("base"), kith.read_vectors(folder / "query.fvecs"), table("query")


def main():
    x, records, q, queries = read(Path(sys.argv[1])) if len(sys.argv) > 1 else made_up()
    packages = kith.Collection(":memory:", "packages", fields={"section": str, "installed_kb": int}, full_text=True)
    begin = time.perf_counter()
    packages.add(ids=[str(i) for i in range(len(x))], embeddings=x, documents=[one["name"] + ": " + one["synopsis"] for one in records],
                 metadatas=[{"name": one["name"], "section": one["section"], "installed_kb": int(one["installed_kb"])} for one in records])
    print(f"{len(packages)} packages in {time.perf_counter() - begin:.1f} s")

    for vector, query in zip(q[:3], queries):
        wish = query["synopsis"]
        by_vector = packages.query([vector], 3, where={"section": {"$ne": "games"}}, include=["documents"])["documents"][0]
        small = packages.query([vector], 3, where={"installed_kb": {"$lt": 1000}}, include=["metadatas"])["metadatas"][0]
        both = packages.hybrid(wish, vector, 3, include=["documents"])["documents"]
        print(f"\n{wish}\n  by vector: {by_vector[0]}\n  under 1 MB: {', '.join(one['name'] for one in small)}\n  by both: {both[0]}")

    first = packages.get(limit=1)["metadatas"][0]["section"]
    packages.delete(where={"section": first})
    print(f"\nwithout '{first}': {len(packages)} packages, {packages.count(where={'section': first})} of that section")


if __name__ == "__main__":
    main()
