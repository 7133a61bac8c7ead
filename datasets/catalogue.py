"""The data sets that fetch knows: where they officially are, what they hold, under which terms.

size: bytes of the download, as published (rounded) or computed from the numbers. md5: only where
the publisher gives one; `md5_source` says where. What has none is recorded at the first download, and checked then
on. TexMex links a list of MD5 sums from its page, in a place that may move: compare with it by hand.
"""
TEXMEX = "ftp://ftp.irisa.fr/local/texmex/corpus"
TEXMEX_TERMS = ("TexMex corpus, INRIA and IRISA (corpus-texmex.irisa.fr): offered for research on nearest-neighbour "
                "search; see that page, and cite Jégou, Douze & Schmid, PAMI 2011")
DEEP = "https://storage.yandexcloud.net/yandex-research/ann-datasets/DEEP"
BIGANN = "https://dl.fbaipublicfiles.com/billion-scale-ann-benchmarks/bigann"
FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
HUNDRED_NEIGHBOURS = 100


def _texmex(name, archive, size, n, dim, queries):
    return {"metric": "l2", "terms": TEXMEX_TERMS, "n": n, "dim": dim, "queries": queries, "kind": "texmex",
            "files": {"archive": {"url": f"{TEXMEX}/{archive}.tar.gz", "size": size}}, "inside": name, "type": "f32"}


def _crop(url, source, base, query, terms, dim, kind, n, queries=10_000):
    """The first n of a billion: a server that sends ranges is asked for just those."""
    element = {"f32": 4, "u8": 1}[kind]
    extension = {"f32": "fbin", "u8": "u8bin"}[kind]
    return {"metric": "l2", "terms": terms, "n": n, "dim": dim, "queries": queries, "kind": "crop", "type": kind,
            "extension": extension, "rows_at_source": source,
            "files": {"base": {"url": f"{url}/{base}", "size": 8 + n * dim * element, "first": True},
                      "query": {"url": f"{url}/{query}", "size": 8 + queries * dim * element}}}


def _deep(n):
    return _crop(DEEP, 10**9, "base.1B.fbin", "query.public.10K.fbin",
                 "Yandex DEEP (big-ann-benchmarks.com/neurips21.html names the terms); cite Babenko & Lempitsky, "
                 "CVPR 2016", 96, "f32", n)


def bigann(n):
    return _crop(BIGANN, 10**9, "base.1B.u8bin", "query.public.10K.u8bin",
                 f"BIGANN is SIFT1B of the {TEXMEX_TERMS}", 128, "u8", n)


SETS = {
    "siftsmall": _texmex("siftsmall", "siftsmall", 5_100_000, 10_000, 128, 100),
    "sift1m": _texmex("sift", "sift", 161_000_000, 1_000_000, 128, 10_000),
    "gist1m": _texmex("gist", "gist", 2_600_000_000, 1_000_000, 960, 1_000),
    "deep1m": _deep(10**6),
    "deep10m": _deep(10**7),
    "bigann": bigann(10**6),
    "glove-100": {
        "metric": "cosine", "n": 1_183_514, "dim": 100, "queries": 10_000, "kind": "hdf5", "type": "f32",
        "terms": "GloVe vectors of Pennington, Socher & Manning (nlp.stanford.edu/projects/glove): Public Domain "
                 "Dedication and License 1.0; split by ann-benchmarks.com",
        "files": {"archive": {"url": "http://ann-benchmarks.com/glove-100-angular.hdf5", "size": 485_000_000}}},
    "fashion-mnist": {
        "metric": "l2", "n": 60_000, "dim": 784, "queries": 10_000, "kind": "idx", "type": "u8",
        "terms": "Fashion-MNIST, Zalando Research: MIT licence",
        "md5_source": "the README of github.com/zalandoresearch/fashion-mnist",
        "files": {"base": {"url": f"{FASHION}/train-images-idx3-ubyte.gz", "size": 26_421_880,
                           "md5": "8d4fb7e6c68d591d4c3dfef9ec88bf0d"},
                  "query": {"url": f"{FASHION}/t10k-images-idx3-ubyte.gz", "size": 4_422_102,
                            "md5": "bef4ecab320f06d8554ea6380940ec79"}}},
}
