"""Recommendations that change as people act: items with metadata, interactions in a table beside them, filters by stock.

Items and people are vectors of one space (made up here; a two-tower or matrix factorization model makes real ones). A
person is a record of a second collection, and moves a little towards every item bought. What was bought already, what is
sold out and what costs too much is filtered when searching, so k results come back whatever is left out.
"""
import numpy as np

import kith

ITEMS, PEOPLE, DIM = 4000, 50, 24
KINDS = ["books", "music", "games", "tools"]


def main():
    rng = np.random.default_rng(5)
    tastes = rng.normal(size=(len(KINDS), DIM))
    kind = rng.integers(len(KINDS), size=ITEMS)
    items = kith.Collection(":memory:", "items", metric="ip", fields={"kind": str, "price": float, "stock": int})
    x = tastes[kind] + 0.7 * rng.normal(size=(ITEMS, DIM))
    items.add([f"item-{i}" for i in range(ITEMS)], x / np.sqrt(DIM),
              [{"kind": KINDS[k], "price": float(rng.integers(1, 100)), "stock": int(rng.integers(0, 3))} for k in kind])
    db = items.connection
    people = kith.Collection(db, "people", dim=DIM, metric="ip")
    likes = rng.integers(len(KINDS), size=PEOPLE)
    people.add([f"person-{i}" for i in range(PEOPLE)], tastes[likes] / np.sqrt(DIM))
    db.execute("CREATE TABLE bought(person TEXT, item TEXT, PRIMARY KEY(person, item))")

    def bought(person):
        return [item for (item,) in db.execute("SELECT item FROM bought WHERE person = ?", (person,))]

    def recommend(person, n=10, most=60):
        taste = people.get(ids=[person], include=["embeddings"])["embeddings"][0]
        found = items.query([taste], n + len(bought(person)), where={"stock": {"$gt": 0}, "price": {"$lte": most}})
        known = set(bought(person))
        return [(id, about) for id, about in zip(found["ids"][0], found["metadatas"][0]) if id not in known][:n]

    def buy(person, item):
        """One transaction: the purchase, what is in stock, and what the person likes now."""
        db.execute("BEGIN")
        about = items.get(ids=[item], include=["metadatas", "embeddings"])
        db.execute("INSERT INTO bought VALUES(?, ?)", (person, item))
        items.update([item], metadatas=[{"stock": about["metadatas"][0]["stock"] - 1}])
        taste = people.get(ids=[person], include=["embeddings"])["embeddings"][0]
        people.update([person], embeddings=[0.9 * taste + 0.1 * about["embeddings"][0]])
        db.execute("COMMIT")

    right = 0
    for i in range(PEOPLE):
        for _ in range(3):
            buy(f"person-{i}", recommend(f"person-{i}")[0][0])
        again = recommend(f"person-{i}")
        assert len(again) == 10 and all(about["stock"] > 0 and about["price"] <= 60 for _, about in again)
        right += sum(about["kind"] == KINDS[likes[i]] for _, about in again)
    print(f"{right} of {10 * PEOPLE} recommendations are of the kind that the person likes")
    (sold,), = db.execute("SELECT count(*) FROM bought")
    print(f"{sold} purchases; {items.count(where={'stock': 0})} items are sold out")


if __name__ == "__main__":
    main()
