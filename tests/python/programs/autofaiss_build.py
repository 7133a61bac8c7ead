"""What autofaiss does: puts indexes together from their parts by hand, sets parameters by a string, measures what codes
lose, makes the direct map, writes to a stream, opens the file mapped."""
import json
import re
import tempfile

import faiss
import numpy as np

random = np.random.RandomState(2)
x = np.repeat(random.normal(size=(64, 32)), 40, axis=0).astype("float32")
x += 0.1 * random.normal(size=x.shape).astype("float32")
queries = x[::32] + 0.01
truth = faiss.knn(queries, x, 5)[1]


kept = []


def build(key, metric):
    numbers = [int(n) for n in re.findall(r"\d+", key)]
    if key.startswith("OPQ") and "HNSW" in key:
        parts, d, lists, links, m = numbers[:5]
        quantizer = faiss.IndexHNSWFlat(d, links, metric)
        quantizer.hnsw.efConstruction = 100
        assert quantizer.metric_type == metric
        ivf = faiss.IndexIVFPQ(quantizer, d, lists, m, 8, metric)
    elif key.startswith("Pad"):
        d, lists, links, m = numbers[:4]
        quantizer = faiss.IndexHNSWFlat(d, links, metric)
        ivf = faiss.IndexIVFPQ(quantizer, d, lists, m, 8, metric)
    elif key.startswith("OPQ"):
        parts, d, lists, m = numbers[:4]
        quantizer = faiss.index_factory(d, "Flat", metric)
        ivf = faiss.IndexIVFPQ(quantizer, d, lists, m, 8, metric)
    else:
        return faiss.index_factory(32, key, metric)
    assert ivf.metric_type == metric
    ivf.own_fields = True
    quantizer.this.disown()
    transform = faiss.RemapDimensionsTransform(32, d, True) if key.startswith("Pad") else faiss.OPQMatrix(32, parts, d)
    kept.extend([quantizer, ivf, transform])
    return faiss.IndexPreTransform(transform, ivf)


scores = {}
for key, parameters in (("OPQ8_32,IVF16,PQ8x8", "nprobe=8,ht=2048"), ("OPQ8_32,IVF16_HNSW8,PQ8x8", "nprobe=8,quantizer_efSearch=16,ht=2048"),
                        ("Pad40,IVF16_HNSW8,PQ8x8", "nprobe=8,quantizer_efSearch=16,ht=2048"),
                        ("HNSW15", "efSearch=64"), ("IVF16,Flat", "nprobe=8"), ("Flat", "")):
    for metric in (faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT):
        index = build(key, metric)
        index.train(x)
        for first in range(0, len(x), 1000):
            index.add(x[first:first + 1000])
        faiss.ParameterSpace().set_index_parameters(index, parameters)
        ivf = faiss.extract_index_ivf(index) if isinstance(index, faiss.IndexPreTransform) else index
        if isinstance(ivf, (faiss.IndexIVF, faiss.IndexBinaryIVF)):
            ivf.make_direct_map()
            assert ivf.nprobe == 8
        lost = ((index.reconstruct_n(0, 500) - x[:500])**2).sum() / (x[:500]**2).sum()
        coded = lost if key.startswith("HNSW") else ((index.sa_decode(index.sa_encode(x[:500])) - x[:500])**2).sum() / (x[:500]**2).sum()
        assert lost < 0.1 and abs(lost - coded) < 0.02
        with tempfile.TemporaryDirectory() as folder:
            with open(folder + "/knn.index", "wb") as file:
                faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))
            mapped = faiss.read_index(folder + "/knn.index", faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
            I = mapped.search(queries, 5)[1]
            assert (I == index.search(queries, 5)[1]).all()  # with the parameters that were set
        if metric == faiss.METRIC_L2:
            scores[key] = float(np.mean([len(np.intersect1d(a, b)) / 5 for a, b in zip(I, truth)]))
print(json.dumps({"scores": scores}))
