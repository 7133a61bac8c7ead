"""Keeping indexes: files, mapped and appended to; streams, bytes, pickles; tags; files of FAISS."""
import copy
import io
import pickle

import numpy as np
import pytest

import kith
from conftest import DIM


@pytest.fixture
def index(base):
    with kith.Index("Flat", DIM) as made:
        made.add(base)
        yield made


def test_save_and_open(index, base, queries, tmp_path):
    path = tmp_path / "vectors ü.kith"
    index.save(path)
    with kith.open(path, verify=True) as opened:
        assert repr(opened) == "<kith.Index 'Flat' dim=16 metric=l2 size=2000>"
        assert (opened.search(queries, 5).ids == index.search(queries, 5).ids).all()
    with pytest.raises(kith.NotFoundError):
        kith.open(tmp_path / "nothing")
    (tmp_path / "short").write_bytes(path.read_bytes()[:1000])
    with pytest.raises(kith.FormatError):
        kith.open(tmp_path / "short")
    with pytest.raises(OSError):
        index.save(tmp_path / "no" / "folder")
    with pytest.raises(TypeError, match="path"):
        index.save(3.5)


def test_wide_integers_are_written_whole(tmp_path):
    ids = np.array([[2**24 + 1, -(2**31)], [2**31 - 1, 0]])
    kith.write_vectors(tmp_path / "ids.ivecs", ids)
    assert (kith.read_vectors(tmp_path / "ids.ivecs") == ids).all()
    kith.write_vectors(tmp_path / "x.fbin", np.array([[2**24, -3]]))
    assert kith.read_vectors(tmp_path / "x.fbin").tolist() == [[2**24, -3]]
    with pytest.raises(ValueError, match=r"x\[0, 0\] is 16777217"):
        kith.write_vectors(tmp_path / "ids.fbin", ids)
    labels = np.array([[2**63 - 1, -(2**63)], [2**53 + 1, -1]])
    for name in ("labels.npy", "LABELS.NPY", "labels.hdf5:ids"):
        kith.write_vectors(tmp_path / name, labels)
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), labels)
    np.save(tmp_path / "numpy.npy", labels.astype(">i8"))
    for name in ("labels.npy", "numpy.npy"):
        read = kith.read_vectors(tmp_path / name)
        assert read.dtype == np.int64 and (read == labels).all()
    with pytest.raises(ValueError, match=r"x\[0, 1\] is 9223372036854775808, beyond int64"):
        kith.write_vectors(tmp_path / "u.npy", np.array([[1, 2**63]], np.uint64))
    with pytest.raises(ValueError, match=r"x\[1, 1\] is 2147483648"):
        kith.write_vectors(tmp_path / "ids.ivecs", np.array([[1, 2], [3, 2**31]]))
    assert (kith.read_vectors(tmp_path / "ids.ivecs") == ids).all()


def test_a_missing_file_of_vectors(tmp_path):
    with pytest.raises(FileNotFoundError):
        kith.read_vectors(tmp_path / "nothing.fvecs")


def test_open_with_mmap(index, queries, tmp_path):
    index.save(tmp_path / "index")
    try:
        opened = kith.open(tmp_path / "index", mmap=True)
    except kith.UnsupportedError as error:
        pytest.skip(str(error))
    with opened:
        assert (opened.search(queries, 5).ids == index.search(queries, 5).ids).all()


def test_append(index, base, queries, tmp_path, function_available):
    function_available("index_append")
    path = tmp_path / "index"
    index.save(path)
    with kith.open(path, update=True) as opened:
        opened.add(base[:5] + 1)
        opened.append(path)
    with kith.open(path, readonly=True) as opened:
        assert len(opened) == len(base) + 5
        with pytest.raises(kith.InvalidError):
            opened.add(base)


def test_copies(index, base, queries):
    expected = index.search(queries, 5).ids
    for made in (index.clone(), copy.copy(index), copy.deepcopy(index), pickle.loads(pickle.dumps(index)),
                 kith.Index.frombytes(index.tobytes())):
        index.remove([0])
        assert type(made) is kith.Index and (made.search(queries, 5).ids == expected).all()


def test_a_mapped_index_is_closed_by_with(index, queries, tmp_path):
    index.save(tmp_path / "index")
    with kith.open(tmp_path / "index", mmap=True) as opened:
        assert opened.memory < index.memory / 4
        opened.search(queries, 1)
    assert opened.closed
    with pytest.raises(kith.InvalidError, match="closed"):
        opened.search(queries, 1)


def test_streams(index, queries, tmp_path):
    stream = io.BytesIO(b"before")
    stream.seek(6)
    index.save(stream)
    assert stream.getvalue() == b"before" + index.tobytes()
    stream.seek(6)
    for source in (stream, io.BytesIO(index.tobytes())):
        made = kith.open(source)
        assert (made.search(queries, 5).ids == index.search(queries, 5).ids).all()
    with open(tmp_path / "plain", "wb", buffering=0) as file:
        index.save(file)
    with open(tmp_path / "plain", "rb") as file:
        assert len(kith.open(file, verify=True)) == len(index)


class Slow(io.BytesIO):
    """Takes and gives a few bytes at a time."""

    def write(self, data):
        return super().write(data[:1000])

    def read(self, n=-1):
        return super().read(min(n, 777))


def test_streams_that_take_little(base):
    small = kith.Index("Flat", DIM)
    small.add(base[:50])
    stream = Slow()
    small.save(stream)
    assert stream.getvalue() == small.tobytes()
    stream.seek(0)
    assert kith.open(stream).tobytes() == small.tobytes()


def test_streams_that_fail(index):
    class Full(io.BytesIO):
        def write(self, data):
            raise BlockingIOError("full")

    with pytest.raises(BlockingIOError, match="full"):
        index.save(Full())

    class Using(io.BytesIO):
        def write(self, data):
            index.add(np.zeros((1, DIM)))

    with pytest.raises(RuntimeError, match="callback"):
        index.save(Using())
    with pytest.raises(kith.FormatError):
        kith.open(io.BytesIO(index.tobytes()[:5000]))

    class Lying(io.BytesIO):
        def read(self, n=-1):
            return b""

    with pytest.raises(EOFError):
        kith.open(Lying(index.tobytes()))
    with pytest.raises(kith.InvalidError):
        kith.open(io.BytesIO(index.tobytes()), mmap=True)
    assert len(index) == 2000


def test_tags(index, tmp_path):
    assert dict(index.tags) == {} and "model" not in index.tags
    index.tags["model"] = "v2 ü"
    index.tags["also"] = ""
    index.tags.update(model="v3")
    assert dict(index.tags) == {"model": "v3", "also": ""} and len(index.tags) == 2
    index.save(tmp_path / "index")
    opened = kith.open(tmp_path / "index")
    assert opened.tags["model"] == "v3" and repr(opened.tags) == "{'also': '', 'model': 'v3'}"
    del opened.tags["model"]
    assert list(opened.tags) == ["also"]
    with pytest.raises(KeyError):
        opened.tags["model"]
    with pytest.raises(KeyError):
        del opened.tags["model"]
    for key, value, error in [(3, "x", TypeError), ("x", 3, TypeError), ("x\0", "y", ValueError), ("", "y", ValueError),
                              ("big", "x" * (1 << 21), kith.InvalidError)]:
        with pytest.raises(error):
            opened.tags[key] = value


def test_note_of_an_interrupted_append(index, base, tmp_path):
    path = tmp_path / "index"
    index.save(path)
    whole = len(path.read_bytes())
    with kith.open(path, update=True) as opened:
        assert opened.note == ""
        opened.add(base[:5] + 1)
        opened.append(path)
        opened.remove([3])
        with pytest.raises(kith.KithError):
            opened.append(tmp_path / "other")
    data = path.read_bytes()
    assert len(data) > whole
    path.write_bytes(data[:-20])
    with kith.open(path) as opened:
        assert len(opened) == len(base) and "append" in opened.note
    with pytest.raises(kith.InvalidError):
        index.append(path)


def test_files_of_faiss(base, queries, tmp_path, faiss):
    index = kith.Index("IVF8,SQ8", DIM)
    index.train(base)
    index.add(base)
    index.export_faiss(tmp_path / "index.faiss")
    theirs = faiss.read_index(str(tmp_path / "index.faiss"))
    theirs.nprobe = 8
    found = index.search(queries, 5, nprobe=8).ids
    assert (theirs.search(queries, 5)[1] == found).mean() > 0.99
    faiss.write_index(theirs, str(tmp_path / "again.faiss"))
    again = kith.open(tmp_path / "again.faiss")
    assert again.spec == "IVF8,SQ8" and (again.search(queries, 5, nprobe=8).ids == found).all()


def test_two_who_have_one_file(index, base, tmp_path):
    path = tmp_path / "index"
    index.save(path)
    a, b = kith.open(path, update=True), kith.open(path, update=True)
    with a, b:
        a.add(base[:1], ids=[10001])
        a.append(path)
        b.add(base[1:2], ids=[20001])
        with pytest.raises(kith.StaleError, match="open it again"):
            b.append(path)
        with pytest.raises(ValueError, match="appended"):
            b.save(path)
        with kith.open(path) as opened:
            assert 10001 in opened and 20001 not in opened
        b.save(path, overwrite=True)
        with kith.open(path) as opened:
            assert 10001 not in opened and 20001 in opened
        with pytest.raises(kith.StaleError):
            a.save(path)
    index.save(path)  # it never read the file


def test_generations(index, base, tmp_path):
    path = tmp_path / "index"
    index.save(path)
    with pytest.raises(kith.NotFoundError):
        index.file
    with kith.open(path, update=True) as opened:
        before = opened.file
        short = path.read_bytes()
        opened.add(base[:3])
        opened.append(path)
        state = opened.file
    assert state.appends == 1 and state.appended_bytes > 0 and not state.worth_saving and not before.appends
    assert state.saved_bytes + state.appended_bytes == path.stat().st_size
    for known in (before, state):
        with kith.open(path, generation=known.generation) as opened:
            assert opened.file.generation == state.generation
    path.write_bytes(short)
    with kith.open(path) as opened:
        assert not opened.note and len(opened) == len(base)
    with pytest.raises(kith.StaleError, match="generation"):
        kith.open(path, generation=state.generation)
    with pytest.raises(ValueError, match="generation"):
        kith.open(path, generation=-1)


def test_a_folder_is_no_index(tmp_path):
    for opening in (kith.open, kith.read_index, lambda path: kith.read_index(str(path))):
        with pytest.raises(OSError, match="is a directory; expected the name of"):
            opening(tmp_path)
