"""A recommender: factors of users and films from their ratings, then for each user the films of largest inner product
that the user has not seen."""
import numpy as np

import kith

USERS, FILMS, GENRES, FACTORS = 300, 120, 6, 16


def ratings(random):
    """Users like a genre or two; films belong to one. Most ratings are missing (0)."""
    taste = random.dirichlet(np.full(GENRES, 0.3), USERS)
    genre = random.integers(0, GENRES, FILMS)
    liked = taste[:, genre] * 4 + 1 + random.normal(0, 0.3, (USERS, FILMS))
    return np.where(random.random((USERS, FILMS)) < 0.3, liked, 0), taste, genre


def factors(rated):
    """Users and films as vectors whose inner product is the rating above the film's mean (truncated SVD)."""
    seen = rated > 0
    means = rated.sum(0) / np.maximum(seen.sum(0), 1)
    u, s, vt = np.linalg.svd(np.where(seen, rated - means, 0), full_matrices=False)
    root = np.sqrt(s[:FACTORS])
    return (u[:, :FACTORS] * root).astype(np.float32), (vt[:FACTORS].T * root).astype(np.float32)


def main():
    rated, taste, genre = ratings(np.random.default_rng(7))
    users, films = factors(rated)
    index = kith.Index("Flat", dim=FACTORS, metric="ip")
    index.add(films)
    hits = []
    for user in range(USERS):
        _, best = index.search(users[user], 5, filter=rated[user] == 0)
        assert not rated[user, best].any()
        hits.append((genre[best] == taste[user].argmax()).mean())
    print(f"{100 * np.mean(hits):.0f}% of the films recommended are of the user's favourite genre; "
          f"by chance it would be {100 / GENRES:.0f}%")
    _, similar = index.search(films[0], 4)
    print(f"films like film 0 (genre {genre[0]}):", ", ".join(f"{i} (genre {genre[i]})" for i in similar if i != 0))


if __name__ == "__main__":
    main()
