"""Calls: who may use an index at the same time, and how a long call is interrupted.

Gate. The library lets const calls run side by side, while a change needs the index for itself; breaking that rule
would crash. A gate counts the calls that run: readers share, a writer waits until it is alone, and readers wait for
it. Whoever calls from a callback of a running call gets an error instead of waiting for itself.

Long calls. While the library works, Python runs no signal handlers: Ctrl-C would wait. So a long call from the main
thread is made by a helper thread, while the main thread waits for it as Python waits for any lock: handlers run.
If one raises (KeyboardInterrupt, a timeout), the progress callback tells the library to stop, the main thread waits
for it to do so, and the exception goes on its way. Signals never reach other threads, so calls from those, and
short calls, are made directly and pay nothing.
"""
from __future__ import annotations

import os
import queue
import threading
from typing import Any, Callable

from ._errors import InvalidError
from ._lib import Progress

# Multiply-adds from which on a call counts as long: well below a tenth of a second on one core.
LONG = 1 << 30

ProgressFunction = Callable[[str, int, int], Any]

_inside = threading.local()  # .callback: this thread runs a callback of the library


class Gate:
    """Lets readers in together, a writer alone, and nobody once it is closed."""

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
                raise RuntimeError("a callback of a running call uses an index that the call, or another thread, "
                                   "has for itself")
            self._changed.wait()
        if self.closed:
            raise InvalidError("the index is closed")


class Watch:
    """The progress callback of one call: asks the user's function, if there is one, and knows of cancelling."""

    __slots__ = ("function", "cancelled", "error", "callback")

    def __init__(self, function: ProgressFunction | None) -> None:
        self.function = function
        self.cancelled = False
        self.error: BaseException | None = None
        self.callback = Progress(self._told)

    def _told(self, _data: Any, stage: bytes, done: int, total: int) -> int:
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
    """Call a user's function from within a callback: what it raises is returned, to be raised after the call."""
    before = getattr(_inside, "callback", False)
    _inside.callback = True
    try:
        function(*arguments)
    except BaseException as error:  # nothing may pass through the library
        return error
    finally:
        _inside.callback = before
    return None


class _Helper:
    """A thread that makes calls for the main thread, one at a time. The same one each time, because OpenMP keeps
    a team of threads for each thread that called it."""

    def __init__(self) -> None:
        self._process = -1
        self._jobs: queue.SimpleQueue[tuple[Callable[[], None], threading.Lock]] = queue.SimpleQueue()

    def _work(self, jobs: queue.SimpleQueue[Any]) -> None:
        while True:
            job, done = jobs.get()
            job()
            del job  # and the arrays it holds, before waiting for the next
            done.release()
            del done

    def run(self, job: Callable[[], None], stop: Callable[[], None]) -> None:
        """Run job(), which must not raise. If the waiting is interrupted: stop(), and raise when job() is over."""
        if self._process != os.getpid():  # the first call, or a forked child, where the thread is not
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
         watch: Callable[[Any], None] | None = None, away: bool = False, watched: Watch | None = None) -> None:
    """Make a call that may be long.

    work      about how many multiply-adds it takes
    progress  the user's function: (stage, done, total), something true to cancel; called from any thread
    watch     puts the progress callback that it is given into the options; None: the call takes none
    away      the call runs Python code: never in the main thread, whose signal handlers would run inside of it
    watched   what watches the call already, in place of progress and watch
    """
    if watched is not None:
        progress = watched.function
    aside = (work >= LONG or away or progress is not None) and would_wait()
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


def would_wait() -> bool:
    """Whether signals would wait for a call of this thread."""
    return threading.current_thread() is threading.main_thread() and not getattr(_inside, "callback", False)


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...], watched: Watch) -> None:
    try:
        function(*arguments)
    finally:
        watched.raise_error()
