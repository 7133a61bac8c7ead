"""FAISS's files of fast scans: codes that are packed in blocks become codes as they are otherwise."""
import io
import struct

import numpy as np
import pytest

import kith as faiss
from conftest import DIM

HEADER = 4 + struct.calcsize("<iqqq?i")
ORDER = [0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15]


def packed(codes, m, block):
    """Blocks of codes [n × (m + 1) // 2]: after another two numbers of all vectors of a block."""
    n, size = codes.shape
    full = np.zeros((-(-n // block) * block, size), np.uint8)
    full[:n] = codes
    out = []
    for rows in full.reshape(-1, block, size):
        for pair in range(size):
            for lanes in rows[:, pair].reshape(-1, 32):
                for number in (lanes & 15, lanes >> 4):
                    out.append((number[ORDER] | number[np.array(ORDER) + 16] << 4).tobytes())
    return b"".join(out)


def plain(index):
    """The file of FAISS's that an index is written as."""
    stream = io.BytesIO()
    faiss.write_index(index, stream, format="faiss")
    return stream.getvalue()


def array(data):
    return struct.pack("<Q", len(data)) + data


def fast_flat(index, block):
    """The file of FAISS's that an IndexPQ would be as an IndexPQFastScan."""
    file = plain(index)
    m, n = index.pq.M, index.ntotal
    books = HEADER + 24 + 8 + index.pq.centroids.nbytes
    tail = struct.pack("<iiiQQ", 0, block, 0, -(-n // block) * block, (m + 1) // 2 * 2)
    return b"IPfs" + file[4:books] + tail + array(packed(index.codes.reshape(n, index.code_size), m, block))


def fast_lists(index, block):
    file = plain(index)
    m, size, lists = index.pq.M, index.code_size, index.invlists
    product = file.rindex(struct.pack("<QQQ", index.d, m, 4))
    books = file[product:product + 24 + 8 + index.pq.centroids.nbytes]
    head = b"IwPf" + file[4:product - 9] + struct.pack("<?QiQiQ", index.by_residual, size, block, (m + 1) // 2 * 2, 0, 0)
    out = [head, books, b"ilbl", struct.pack("<QQQQ", index.nlist, 2**64 - 1, block, block * ((m + 1) // 2))]
    for number in range(index.nlist):
        ids = lists.get_ids(number)
        out += [struct.pack("<Q", len(ids)), ids.tobytes(), array(packed(lists.get_codes(number), m, block))]
    return b"".join(out)


@pytest.mark.parametrize("block", [32, 96])
@pytest.mark.parametrize("m, n", [(4, 300), (1, 33), (16, 32), (4, 1), (8, 0)])
def test_flat(m, n, block, base, queries, tmp_path):
    index = faiss.IndexPQ(DIM, m, 4)
    index.train(base)
    index.add(base[:n])
    (tmp_path / "fast").write_bytes(fast_flat(index, block))
    for made in (faiss.read_index(str(tmp_path / "fast")), faiss.deserialize_index((tmp_path / "fast").read_bytes())):
        assert type(made) is faiss.IndexPQFastScan and (made.bbs, made.ntotal, made.pq.M) == (block, n, m)
        np.testing.assert_array_equal(made.codes, index.codes)
        np.testing.assert_array_equal(made.search(queries, 3)[1], index.search(queries, 3)[1])
    assert len(faiss.open(tmp_path / "fast")) == n


@pytest.mark.parametrize("by_residual", [True, False])
@pytest.mark.parametrize("metric", [faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT])
def test_lists(metric, by_residual, base, queries, tmp_path):
    index = faiss.IndexIVFPQ(faiss.IndexFlat(DIM, metric), DIM, 5, 4, 4, metric)
    index.by_residual, index.nprobe = by_residual, 3
    index.train(base)
    index.add_with_ids(base[:333], np.arange(333) * 7)
    (tmp_path / "fast").write_bytes(fast_lists(index, 64))
    made = faiss.read_index(str(tmp_path / "fast"))
    assert type(made) is faiss.IndexIVFPQFastScan and (made.bbs, made.nprobe, made.by_residual) == (64, 3, by_residual)
    for mine, theirs in zip(made.search(queries, 4), index.search(queries, 4)):
        np.testing.assert_array_equal(mine, theirs)


def test_what_does_not_fit_together(base, tmp_path):
    index = faiss.IndexPQ(DIM, 4, 4)
    index.train(base)
    index.add(base[:100])
    lists = faiss.IndexIVFPQ(faiss.IndexFlatL2(DIM), DIM, 4, 4, 4)
    lists.train(base)
    lists.add(base[:100])
    path = tmp_path / "bad"
    for good, block in ((fast_flat(index, 32), 32), (fast_lists(lists, 32), 32)):
        path.write_bytes(good)
        assert faiss.read_index(str(path)).ntotal == 100
        at = good.index(struct.pack("<iiiQ", 0, block, 0, 128)) + 4 if good[:4] == b"IPfs" else \
            good.index(struct.pack("<?QiQiQ", True, 2, block, 4, 0, 0)) + 9
        for wrong in (0, 31, 33, 96, -32, 1 << 20):
            path.write_bytes(good[:at] + struct.pack("<i", wrong) + good[at + 4:])
            with pytest.raises(faiss.FormatError, match="bad"):
                faiss.read_index(str(path))
        for length in (len(good) - 1, len(good) // 2, HEADER + 30):
            path.write_bytes(good[:length])
            with pytest.raises(faiss.FormatError):
                faiss.read_index(str(path))


def test_files_of_faiss_itself(faiss_itself, base, queries, tmp_path):
    for words in ("PQ4x4fs", "IVF8,PQ4x4fs", "PCA8,IVF8,PQ4x4fs_64", "PQ4x4fs,RFlat"):
        theirs = faiss_itself.index_factory(DIM, words)
        theirs.train(base)
        theirs.add(base)
        faiss_itself.write_index(theirs, str(tmp_path / "theirs"))
        made = faiss.read_index(str(tmp_path / "theirs"))
        same = np.mean([len(np.intersect1d(a, b)) for a, b in zip(made.search(queries, 10)[1], theirs.search(queries, 10)[1])])
        assert made.ntotal == len(base) and same > 8.5, words  # FAISS's tables are of 8 bits


@pytest.fixture
def faiss_itself():
    return pytest.importorskip("faiss", reason="FAISS is not installed (Debian: python3-faiss)")
