"""Calls of the library: which may run at the same time, and how a long one is interrupted.

Gate. The library allows concurrent const calls, but a call that changes an index must run alone; breaking this rule
could crash. A gate is a readers-writer lock: readers share it, a writer waits until it is alone, and later readers wait
for the writer. A call from within a callback of a running call raises an error where it would otherwise deadlock.

Long calls. Python runs no signal handlers while the library works, so Ctrl-C would have to wait. A long call from the
main thread is therefore made by a helper thread, while the main thread waits on a lock, where signal handlers do run.
If a handler raises (KeyboardInterrupt, a timeout), the progress callback tells the library to stop, the main thread
waits until it has stopped, and the exception propagates. Python never runs signal handlers in other threads, so their
calls, and short calls, are made directly and without overhead.
"""
from __future__ import annotations

import os
import queue
import threading
from typing import Any, Callable

from ._errors import InvalidError
from ._lib import Progress

# A call with at least this many multiply-adds counts as long. They take well below a tenth of a second on one core.
LONG = 1 << 30

ProgressFunction = Callable[[str, int, int], Any]

_inside = threading.local()  # .callback: whether this thread is running a callback of the library


class Gate:
    """A readers-writer lock that can be closed; entering a closed gate raises."""

    __slots__ = ("_lock", "_changed", "_readers", "_writing", "_waiting", "closed")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._readers = 0
        self._writing = False
        self._waiting = 0  # writers
        self.closed = False

    def enter(self) -> None:
        with self._lock:
            if not (self.closed or self._writing or self._waiting):
                self._readers += 1
                return
            nested = getattr(_inside, "callback", False)
            self._wait(lambda: not self._writing and (nested or not self._waiting))
            self._readers += 1

    def leave(self) -> None:
        with self._lock:
            self._readers -= 1
            if not self._readers:
                self._changed.notify_all()

    def enter_alone(self) -> None:
        with self._lock:
            self._waiting += 1
            try:
                self._wait(lambda: not self._writing and not self._readers)
                self._writing = True
            finally:
                self._waiting -= 1
                self._changed.notify_all()

    def leave_alone(self) -> None:
        with self._lock:
            self._writing = False
            self._changed.notify_all()

    def _wait(self, free: Callable[[], bool]) -> None:
        while not self.closed and not free():
            if getattr(_inside, "callback", False):
                raise RuntimeError("a callback of a running call uses an index that this call, or another thread, "
                                   "is changing")
            self._changed.wait()
        if self.closed:
            raise InvalidError("the index is closed")


class Watch:
    """The progress callback of one call: calls the user's function, if there is one, and reports cancellation."""

    __slots__ = ("function", "cancelled", "error", "callback")

    def __init__(self, function: ProgressFunction | None) -> None:
        self.function = function
        self.cancelled = False
        self.error: BaseException | None = None
        self.callback = Progress(self._on_progress)

    def _on_progress(self, _data: Any, stage: bytes, done: int, total: int) -> int:
        if self.function is not None and not self.cancelled:
            self.error = guarded(self._ask, stage.decode(), done, total)
            self.cancelled = self.cancelled or self.error is not None
        return self.cancelled

    def _ask(self, stage: str, done: int, total: int) -> None:
        if self.function(stage, done, total):  # type: ignore[misc]
            self.cancelled = True

    def cancel(self) -> None:
        self.cancelled = True

    def raise_error(self) -> None:
        if self.error is not None:
            raise self.error


def guarded(function: Callable[..., Any], *arguments: Any) -> BaseException | None:
    """Call a user's function within a callback of the library. An exception is returned, to be raised after the call."""
    before = getattr(_inside, "callback", False)
    _inside.callback = True
    try:
        function(*arguments)
    except BaseException as error:  # an exception must not propagate through C
        return error
    finally:
        _inside.callback = before
    return None


class _Helper:
    """A thread that makes calls for the main thread, one at a time. The thread is reused because OpenMP keeps a team
    of worker threads for every thread that has called it."""

    def __init__(self) -> None:
        self._process = -1
        self._jobs: queue.SimpleQueue[tuple[Callable[[], None], threading.Lock]] = queue.SimpleQueue()

    def _work(self, jobs: queue.SimpleQueue[Any]) -> None:
        while True:
            job, done = jobs.get()
            job()
            del job  # frees the arrays that it refers to before waiting for the next job
            done.release()
            del done

    def run(self, job: Callable[[], None], stop: Callable[[], None]) -> None:
        """Run job(), which must not raise. If a signal handler raises meanwhile, call stop(), wait for the end of job()
        and raise that exception."""
        if self._process != os.getpid():  # the first call, or a forked child, which has no such thread
            self._process = os.getpid()
            self._jobs = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(self._jobs,), name="kith", daemon=True).start()
        done = threading.Lock()
        done.acquire()
        self._jobs.put((job, done))
        interruption: BaseException | None = None
        while True:
            try:
                done.acquire()
                break
            except BaseException as error:  # whatever the signal handler raised
                interruption = error
                stop()
        if interruption is not None:
            raise interruption


_helper = _Helper()


def call(function: Callable[..., Any], *arguments: Any, work: float = 0, progress: ProgressFunction | None = None,
         watch: Callable[[Any], None] | None = None, calls_python: bool = False, watched: Watch | None = None) -> None:
    """Make a call that may be long.

    work          about how many multiply-adds it takes
    progress      the user's function of (stage, done, total), which returns true to cancel; called from any thread
    watch         a function that puts the progress callback into the call's options; None: the call has no callback
    calls_python  the call runs Python code, so it is not made in the main thread, where signal handlers would run
                  within it
    watched       the Watch whose callback the options have already, in place of progress and watch
    """
    if watched is not None:
        progress = watched.function
    aside = (work >= LONG or calls_python or progress is not None) and delays_signals()
    if not aside and progress is None:
        function(*arguments)
        return
    if watched is None:
        watched = Watch(progress)
        if watch is not None:
            watch(watched.callback)
    if not aside:
        _outcome(function, arguments, watched)
        return
    failure: list[BaseException] = []

    def job() -> None:
        try:
            function(*arguments)
        except BaseException as error:
            failure.append(error)

    _helper.run(job, watched.cancel)
    watched.raise_error()
    if failure:
        raise failure.pop()


def delays_signals() -> bool:
    """Whether a call of this thread would keep Python from running signal handlers."""
    return threading.current_thread() is threading.main_thread() and not getattr(_inside, "callback", False)


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...], watched: Watch) -> None:
    try:
        function(*arguments)
    finally:
        watched.raise_error()
