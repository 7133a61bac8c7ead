"""Threads: calls beside each other, closing under them, interrupting them."""
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import kith
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
    """The GIL is released: another thread runs Python code in the midst of a call. (Python itself takes it from no
    thread meanwhile. A busy machine may not run the other thread at once.)"""
    index = kith.Index("Flat", 64)
    x = np.random.default_rng(0).random((50000, 64), np.float32)
    index.add(x)
    inside, seen = False, []

    def search(_):
        nonlocal inside
        inside = True
        index.search(x[:4000], 5, threads=1)
        inside = False
        ended.set()

    def watch():
        while not ended.wait(0.001):
            seen.append(inside)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        for _ in range(20):
            ended = threading.Event()
            watcher = threading.Thread(target=watch)
            watcher.start()
            try:
                assert not in_threads(1, search)
            finally:
                ended.set()
                watcher.join()
            if any(seen):
                return
    finally:
        sys.setswitchinterval(interval)
    pytest.fail("no other thread ran while the index was searched")


def test_two_threads_are_in_calls_at_once():
    """Two searches of one index meet in the library: each ends only when the other has begun."""
    index = kith.Index("Flat", 8)
    x = np.random.default_rng(0).random((100, 8), np.float32)
    index.add(x)
    meet = threading.Barrier(2, timeout=100)
    first = [True, True]

    def search(number):
        def progress(*_):
            if first[number]:
                first[number] = False
                meet.wait()

        index.search(x, 5, progress=progress)

    assert not in_threads(2, search)


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
try:
    calls[sys.argv[1]]()
    print("finished")
except (KeyboardInterrupt, TimeoutError) as error:
    print(type(error).__name__)
assert index.search(x[:1], 1).ids[0, 0] == 0
"""


@pytest.mark.parametrize("call, signum, raised", [
    ("kmeans", "SIGINT", "KeyboardInterrupt"), ("knn", "SIGINT", "KeyboardInterrupt"),
    ("search", "SIGINT", "KeyboardInterrupt"), ("callback", "SIGINT", "KeyboardInterrupt"),
    ("kmeans", "SIGALRM", "TimeoutError")])
def test_a_signal_interrupts_a_long_call(call, signum, raised):
    run = subprocess.run([sys.executable, "-c", INTERRUPTED, call, signum], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout == raised + "\n"


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
