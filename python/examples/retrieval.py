"""Retrieval for question answering: documents in SQLite, their vectors in a kith index.

The vectors here are hashed words weighted by how rare they are, made with NumPy; a language model's embeddings would
take their place. Ids tie the two together, filters come from SQL, and a document that is deleted is deleted in both.
"""
import re
import sqlite3
import zlib

import numpy as np

import kith

DIM = 512
DOCUMENTS = [
    ("faq", 2021, "To reset a forgotten password choose the link below the sign-in form; a mail with a new one follows."),
    ("faq", 2023, "Invoices are sent by mail on the first day of each month and can be downloaded from the account page."),
    ("manual", 2022, "The pump must be switched off and emptied before its filter is cleaned or replaced."),
    ("manual", 2023, "A red light on the pump means that its filter is blocked: clean the filter with warm water."),
    ("manual", 2019, "Hold the power button of the pump for five seconds to restore its factory settings."),
    ("news", 2023, "The new warehouse shortens delivery to two days in all of the country."),
    ("news", 2020, "Delivery may be late in December because of the holidays."),
]


def words(text):
    return re.findall(r"[a-z]+", text.lower())


def number(word):
    return zlib.crc32(word.encode()) % DIM


class Embedder:
    """Texts to unit vectors: words count by how few documents have them."""

    def __init__(self, texts):
        seen = np.zeros(DIM)
        for text in texts:
            seen[list({number(word) for word in words(text)})] += 1
        self.weights = np.log((1 + len(texts)) / (1 + seen)).astype(np.float32)

    def __call__(self, text):
        vector = np.zeros(DIM, np.float32)
        for word in words(text):
            vector[number(word)] += self.weights[number(word)]
        return vector


def build(database):
    database.execute("CREATE TABLE document (id INTEGER PRIMARY KEY, kind TEXT, year INTEGER, text TEXT)")
    database.executemany("INSERT INTO document (kind, year, text) VALUES (?, ?, ?)", DOCUMENTS)
    rows = database.execute("SELECT id, text FROM document").fetchall()
    embed = Embedder([text for _, text in rows])
    index = kith.Index("Flat", dim=DIM, metric="cosine")
    index.add(np.stack([embed(text) for _, text in rows]), ids=[id for id, _ in rows])
    return index, embed


def ask(database, index, embed, question, k=2, where="1"):
    """The k documents that fit a question best, of those that an SQL condition lets through."""
    allowed = [id for id, in database.execute(f"SELECT id FROM document WHERE {where}")]
    scores, ids = index.search(embed(question), k, filter=allowed)
    for score, id in zip(scores, ids):
        if id >= 0:
            yield score, *database.execute("SELECT kind, year, text FROM document WHERE id = ?", (int(id),)).fetchone()


def main():
    database = sqlite3.connect(":memory:")
    index, embed = build(database)
    for question, where in [("how do I clean the filter of the pump?", "1"),
                            ("how long does delivery take?", "1"),
                            ("how long does delivery take?", "year < 2022"),
                            ("I have forgotten my password", "kind = 'faq'")]:
        print(f"{question}  [{where}]")
        for score, kind, year, text in ask(database, index, embed, question, where=where):
            print(f"  {score:.2f}  {kind} {year}: {text}")
    gone = [id for id, in database.execute("SELECT id FROM document WHERE year < 2021")]
    database.execute("DELETE FROM document WHERE year < 2021")
    print(f"removed {index.remove(gone)} old documents, {len(index)} are left")


if __name__ == "__main__":
    main()
