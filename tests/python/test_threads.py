"""Threads: calls beside each other, closing under them, interrupting them; and what a call costs."""
import os
import signal
import subprocess
import sys
import threading
import time
import timeit

import numpy as np
import pytest

import kith
from kith import _calls
from kith._lib import lib
from conftest import DIM, clusters, exact


def in_threads(n, work):
    """Run work(number) in n threads; what they raised."""
    errors = []

    def run(number):
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "a thread hangs"
    return errors


def test_many_threads_search_one_index(base, queries):
    index = kith.Index("IVF16,Flat", DIM)
    index.train(base)
    index.add(base)
    truth = exact(base, queries, 5)[1]

    def search(_):
        for _ in range(30):
            assert (index.search(queries, 5, nprobe=16, threads=1).ids == truth).all()

    assert not in_threads(4, search)


def test_a_call_lets_other_threads_run():
    """The GIL is released: another thread runs Python code in the midst of a call."""
    index = kith.Index("Flat", 64)
    x = np.random.default_rng(0).random((50000, 64), np.float32)
    index.add(x)
    during = []

    def search(_):
        start = time.monotonic()
        index.search(x[:4000], 5, threads=1)
        during.extend([start, time.monotonic()])

    ticks = []
    ended = threading.Event()

    def tick():
        while not ended.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    watcher = threading.Thread(target=tick)
    watcher.start()
    try:
        assert not in_threads(1, search)
    finally:
        ended.set()
        watcher.join()
    start, end = during
    middle = [t for t in ticks if start + 0.2 * (end - start) < t < end - 0.2 * (end - start)]
    assert len(middle) >= 3, f"{len(middle)} of {len(ticks)} ticks in a call of {end - start:.3f} s"


def test_two_threads_search_faster_than_one():
    """Work of two threads overlaps: more processor time than time passes. (A busy machine may not show it at once.)"""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor")
    index = kith.Index("Flat", 64)
    x = np.random.default_rng(0).random((50000, 64), np.float32)
    index.add(x)
    best = 0.0
    for _ in range(20):
        wall, cpu = time.perf_counter(), time.process_time()
        assert not in_threads(2, lambda number: index.search(x[number * 2000:][:2000], 5, threads=1))
        best = max(best, (time.process_time() - cpu) / (time.perf_counter() - wall))
        if best > 1.3:
            return
    if os.getloadavg()[0] > len(os.sched_getaffinity(0)):
        pytest.skip(f"the machine is busy: {best:.2f} processors were used")
    pytest.fail(f"two threads used {best:.2f} processors")


def test_searches_beside_changes_and_closing(base, queries):
    """Whatever the order, calls succeed or raise; at the end the index is closed."""
    index = kith.Index("IVF8,SQ8", DIM)
    index.train(base)
    index.add(base)
    closed = threading.Event()

    def work(number):
        random = np.random.default_rng(number)
        while True:
            try:
                if number < 3:
                    ids = index.search(queries[:5], 5, nprobe=8).ids
                    assert (ids >= -1).all()
                elif number == 3:
                    index.add(base[:7])
                    index.remove(random.integers(0, 2000, 5))
                else:
                    time.sleep(0.4)
                    index.close()
                    closed.set()
                    return
            except kith.InvalidError as error:
                assert "closed" in str(error)
                return

    assert not in_threads(5, work)
    assert closed.is_set() and index.closed


def test_close_waits_for_a_search(base):
    index = kith.Index("Flat", DIM)
    index.add(base)
    inside, order = threading.Event(), []

    def test(id):
        if not inside.is_set():
            inside.set()
            time.sleep(0.2)
            order.append("search")
        return True

    def work(number):
        if number == 0:
            assert index.search(base[:1], 1, filter=test, threads=1).ids[0, 0] == 0
        else:
            inside.wait(60)
            index.close()
            order.append("close")

    assert not in_threads(2, work)
    assert order == ["search", "close"]


def test_a_callback_cannot_wait_for_its_own_call(base):
    index = kith.Index("Flat", DIM)
    index.add(base)
    with pytest.raises(RuntimeError, match="callback"):
        index.search(base[:1], 1, filter=lambda id: index.add(base[:1]))
    with pytest.raises(RuntimeError, match="callback"):
        index.search(base[:1], 1, filter=lambda id: index.close())
    found = index.search(base[:1], 1, filter=lambda id: id == index.search(base[:1], 1).ids[0, 0])
    assert found.ids[0, 0] == 0 and len(index) == len(base)


def test_progress_cancels_and_raises(base):
    index = kith.Index("IVF64,PQ8", DIM)
    with pytest.raises(kith.CancelledError):
        index.train(base, progress=lambda *_: True)
    with pytest.raises(ZeroDivisionError):
        index.train(base, progress=lambda *_: 1 / 0)
    assert not index.trained
    index.train(base)
    with pytest.raises(kith.CancelledError):
        index.add(base, progress=lambda *_: True)
    assert index.trained and len(index) == 0


def test_progress_from_another_thread(base):
    seen = []

    def work(_):
        kith.kmeans(base, 20, progress=lambda *told: seen.append(told) and False)

    assert not in_threads(1, work) and seen


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
import kith
x = np.random.default_rng(0).random((200000, 64), np.float32)
index = kith.Index("Flat", 64)
index.add(x)
calls = {
    "kmeans": lambda: kith.kmeans(x, 4096, iterations=100000, tolerance=0, max_points=0),
    "knn": lambda: kith.knn(x, x, 1000),
    "search": lambda: index.search(x, 100),
    "callback": lambda: index.search(x[:1000], 10, filter=lambda id: sum(range(1000)) > 0),
}
signum = getattr(signal, sys.argv[2])
if signum == signal.SIGALRM:
    def late(*_): raise TimeoutError("late")
    signal.signal(signal.SIGALRM, late)
def later():
    time.sleep(1)
    os.kill(os.getpid(), signum)
threading.Thread(target=later, daemon=True).start()
start = time.monotonic()
try:
    calls[sys.argv[1]]()
    print("finished")
except (KeyboardInterrupt, TimeoutError) as error:
    print(type(error).__name__, time.monotonic() - start)
assert index.search(x[:1], 1).ids[0, 0] == 0
"""


@pytest.mark.parametrize("call, signum, raised", [
    ("kmeans", "SIGINT", "KeyboardInterrupt"), ("knn", "SIGINT", "KeyboardInterrupt"),
    ("search", "SIGINT", "KeyboardInterrupt"), ("callback", "SIGINT", "KeyboardInterrupt"),
    ("kmeans", "SIGALRM", "TimeoutError")])
def test_a_signal_interrupts_a_long_call(call, signum, raised):
    run = subprocess.run([sys.executable, "-c", INTERRUPTED, call, signum], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    name, seconds = run.stdout.split()
    assert name == raised and float(seconds) < 30


def test_a_forked_child_can_call(base, queries):
    index = kith.Index("Flat", DIM)
    index.add(base)
    kith.kmeans(clusters(30000, DIM, 5), 100, progress=lambda *_: False)  # the helper thread is there now
    child = os.fork()
    if child == 0:
        try:
            found = kith.kmeans(base, 4, progress=lambda *_: False)
            os._exit(0 if len(found.centroids) == 4 and index.search(queries, 5).ids.shape == (50, 5) else 1)
        finally:
            os._exit(2)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


def quickest(call, number=200, repeat=50):
    return min(timeit.repeat(call, number=number, repeat=repeat)) / number


@pytest.mark.parametrize("make", [lambda: kith.Index("Flat", 8), lambda: kith.IndexFlatL2(8)])
def test_a_call_costs_little(make):
    """A single query: less than 15 µs over the same call with everything prepared."""
    index, q = make(), np.ones((1, 8), "f4")
    index.add(np.eye(8, dtype="f4"))
    D, I = np.empty((1, 4), "f4"), np.empty((1, 4), "i8")
    call = lib.index_search_as.status
    prepared = (index._handle.pointer, 0, 1, q.ctypes.data, 4, D.ctypes.data, I.ctypes.data, None)
    assert quickest(lambda: index.search(q, 4)) - quickest(lambda: call(*prepared)) < 15e-6


def test_a_long_call_costs_little_more():
    """The way through the helper thread: less than a millisecond, of calls of a tenth of a second and more."""
    def nothing():
        pass

    assert quickest(lambda: _calls.call(nothing, work=_calls.LONG), 20, 20) < 1e-3
