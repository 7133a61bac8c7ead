"""FAISS's way to choose parameters: try combinations, and keep those that are Pareto-optimal in speed and accuracy.
(kith's own way is Index.tune.)"""
# mypy: warn-return-any=False
from __future__ import annotations

import math
import time
from typing import Any, Iterable, NamedTuple

import numpy as np

from .. import _arrays
from .._errors import ArgumentError, InvalidError, UnsupportedError
from .._types import Array
from . import arguments as args
from .base import Chain
from .graph import IndexHNSW
from .ivf import IndexIVF
from .parameters import checked
from .shards import IndexShards
from .wrappers import IndexRefine


class AutoTuneCriterion:
    """A measure of accuracy: evaluate(D, I) is between 0 and 1. nnn: how many neighbours are searched for."""

    def __init__(self, nq: int, R: int) -> None:
        self.nq, self.R = args.count(nq, "nq", 1), args.count(R, "R", 1)
        self.nnn = self.R
        self.gt_nnn = 0
        self.gt_I: Array = np.empty((self.nq, 0), np.int64)

    def set_groundtruth(self, gt_D: Any, gt_I: Any) -> None:
        """Set the ids of the true neighbours gt_I [nq × any number], nearest first. gt_D is not needed."""
        truth = np.asarray(gt_I)
        if truth.dtype.kind not in "iu" or truth.ndim != 2 or len(truth) != self.nq:
            raise ArgumentError(f"gt_I is {truth.dtype} of shape {truth.shape}; it must be ids of shape ({self.nq}, n)")
        self.gt_I, self.gt_nnn = truth, truth.shape[1]

    def _rows(self, I: Any, minimum: int) -> Array:
        """The first R ids of each row of I. The ground truth must have at least `minimum` neighbours."""
        found = np.asarray(I)
        if self.gt_nnn < minimum or found.ndim != 2 or len(found) != self.nq or found.shape[1] < self.R:
            raise ArgumentError(f"I has shape {found.shape}, the ground truth {self.gt_I.shape}; the criterion needs "
                             f"{self.nq} rows of {self.R}")
        return found[:, :self.R]

    def evaluate(self, D: Any, I: Any) -> float:
        raise UnsupportedError("use OneRecallAtRCriterion or IntersectionCriterion")


class OneRecallAtRCriterion(AutoTuneCriterion):
    """The fraction of queries whose nearest neighbour is among the first R results."""

    def evaluate(self, D: Any, I: Any) -> float:
        return float((self._rows(I, 1) == self.gt_I[:, :1]).any(axis=1).mean())


class IntersectionCriterion(AutoTuneCriterion):
    """The fraction of the R nearest neighbours that are among the first R results."""

    def evaluate(self, D: Any, I: Any) -> float:
        rows = self._rows(I, self.R)
        return sum(len(np.intersect1d(a, b[:self.R])) for a, b in zip(rows, self.gt_I)) / (self.nq * self.R)


class OperatingPoint(NamedTuple):
    """An experiment: its accuracy perf, its seconds t, and its parameters as text (key) and by number (cno)."""

    perf: float
    t: float
    key: str
    cno: int


class OperatingPoints:
    """Experiments: all of them in all_pts, and the Pareto-optimal ones, ordered by accuracy, in optimal_pts."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.all_pts = Chain()
        self.optimal_pts = Chain([OperatingPoint(0.0, 0.0, "", -1)])  # doing nothing

    def add(self, perf: float, t: float, key: str, cno: int = 0) -> bool:
        """Add an experiment. Returns whether it is Pareto-optimal so far."""
        point = OperatingPoint(float(perf), float(t), key, cno)
        self.all_pts.append(point)
        if point.perf <= 0 or any(p.perf >= point.perf and p.t <= point.t for p in self.optimal_pts):
            return False
        kept = [p for p in self.optimal_pts if p.perf > point.perf or p.t < point.t]
        self.optimal_pts = Chain(sorted([*kept, point]))
        return True

    def merge_with(self, other: OperatingPoints, prefix: str = "") -> int:
        """Add all experiments of another object. Returns how many were Pareto-optimal when they were added."""
        return sum(self.add(p.perf, p.t, prefix + p.key, p.cno) for p in other.all_pts)

    def t_for_perf(self, perf: float) -> float:
        """The smallest time in which an accuracy is reached; 1e50 if no experiment reaches it."""
        return min((p.t for p in self.optimal_pts if p.perf >= perf), default=1e50)

    def display(self, only_optimal: bool = True) -> None:
        """Print the experiments."""
        print(f"Tested {len(self.all_pts)} operating points, {len(self.optimal_pts)} of them optimal:")
        for p in self.optimal_pts if only_optimal else self.all_pts:
            star = "" if only_optimal or p not in self.optimal_pts else " *"
            print(f"cno={p.cno} key={p.key} perf={p.perf:.4f} t={p.t:.3f}{star}")


class ParameterRange(NamedTuple):
    name: str
    values: list[float]


class ParameterSpace:
    """Sets parameters of an index by name: nprobe, max_codes, efSearch, k_factor_rf (refinement), quantizer_efSearch,
    verbose, and ht (polysemous_ht). After initialize(index), explore() tries combinations of parameters."""

    _names = {"nprobe": "nprobe", "max_codes": "max_codes", "efSearch": "efSearch", "k_factor_rf": "k_factor",
              "k_factor": "k_factor", "quantizer_efSearch": "efSearch"}

    def __init__(self) -> None:
        self.verbose = 1
        self.n_experiments = 500
        self.min_test_duration = 0.0
        self.parameter_ranges = Chain()

    # ---- setting ----

    def set_index_parameters(self, index: Any, description: str | int) -> None:
        """description: "nprobe=16,k_factor_rf=4", or the number of a combination."""
        if not isinstance(description, str):
            description = self.combination_name(description)
        for word in filter(None, description.split(",")):
            name, equals, value = word.partition("=")
            try:
                number = float(value)
            except ValueError:
                number = math.nan
            if not equals or math.isnan(number):
                raise InvalidError(f"{word!r} in {description!r}: parameters are written NAME=NUMBER")
            self.set_index_parameter(index, name.strip(), number)

    def set_index_parameter(self, index: Any, name: str, value: float) -> None:
        if isinstance(index, IndexShards):
            for shard in index._shards:
                self.set_index_parameter(shard, name, value)
            return
        if name == "verbose":
            index.verbose = bool(value)
            return
        if name == "efConstruction":
            index._params.efConstruction = int(value)
            return
        if name == "ht" and value >= 0:
            index._params.ht = int(value)
            return
        if name not in self._names:
            raise UnsupportedError(f"parameter {name!r}: the parameters are {', '.join(self._names)} and efConstruction")
        known = self._names[name]
        if known not in index._params.used:
            raise InvalidError(f"{index!r} has no parameter {name!r}")
        index._params.values[known] = checked(known, float(value) if known == "k_factor" else int(value))

    # ---- exploring ----

    def add_range(self, name: str, values: Iterable[float] = ()) -> ParameterRange:
        """The range of values that are tried for a parameter, which is added unless it exists. It may be changed."""
        for known in self.parameter_ranges:
            if known.name == name:
                return known
        self.parameter_ranges.append(ParameterRange(name, list(values)))
        return self.parameter_ranges[-1]

    def initialize(self, index: Any) -> None:
        """Add ranges for the parameters of an index, with values that double."""
        for part in index._tree():
            if isinstance(part, IndexRefine):
                self.add_range("k_factor_rf", (2.0**i for i in range(7)))
            if isinstance(part, IndexIVF):
                self.add_range("nprobe", (2.0**i for i in range(13) if 2**i < part.nlist or i == 0))
            if isinstance(part, IndexHNSW):
                self.add_range("efSearch", (2.0**i for i in range(2, 10)))

    def n_combinations(self) -> int:
        return math.prod(len(each.values) for each in self.parameter_ranges)

    def _choice(self, cno: int) -> list[int]:
        """The position of the chosen value in each range, for a combination."""
        rest, chosen = args.count(cno, "cno", 0, self.n_combinations() - 1), []
        for each in self.parameter_ranges:
            rest, at = divmod(rest, len(each.values))
            chosen.append(at)
        return chosen

    def combination_name(self, cno: int) -> str:
        return ",".join(f"{each.name}={each.values[at]:g}"
                        for each, at in zip(self.parameter_ranges, self._choice(cno)))

    def display(self) -> None:
        """Print the ranges."""
        print(f"ParameterSpace, {len(self.parameter_ranges)} parameters, {self.n_combinations()} combinations:")
        for each in self.parameter_ranges:
            print(f"   {each.name}: {each.values}")

    def explore(self, index: Any, xq: Any, crit: AutoTuneCriterion) -> OperatingPoints:
        """Search xq [crit.nq × d] with combinations of parameters, at most n_experiments of them. Combinations that cannot
        be Pareto-optimal any more are skipped, assuming that a larger value of any parameter is slower and more
        accurate."""
        x = args.vectors(xq, index.d, "xq")
        if len(x) != crit.nq:
            raise ArgumentError(f"xq has {_arrays.counted(len(x), 'row')}; the criterion is for {crit.nq}")
        found = OperatingPoints()
        done: list[tuple[list[int], OperatingPoint]] = []
        for cno in self._order():
            choice = self._choice(cno)
            max_perf = min((p.perf for c, p in done if _above(c, choice)), default=1.0)
            min_t = max((p.t for c, p in done if _above(choice, c)), default=0.0)
            if self.n_experiments and any(p.perf >= max_perf and p.t <= min_t for p in found.optimal_pts):
                continue
            self.set_index_parameters(index, cno)
            seconds, perf = self._experiment(index, x, crit)
            kept = found.add(perf, seconds, self.combination_name(cno), cno)
            done.append((choice, found.all_pts[-1]))
            if self.verbose:
                print(f"  {len(done)}: {self.combination_name(cno)} perf={perf:.3f} t={seconds:.3f} s"
                      f"{' *' if kept else ''}")
        return found

    def _order(self) -> list[int]:
        """The numbers of the combinations to try: the fastest, the slowest, and then the others in random order."""
        n = self.n_combinations()
        if not self.n_experiments:
            return list(range(n))
        between = np.random.RandomState(1234).permutation(np.arange(1, max(n - 1, 1))).tolist()
        return ([0, n - 1] if n > 1 else [0])[:self.n_experiments] + between[:max(self.n_experiments - 2, 0)]

    def _experiment(self, index: Any, x: Array, crit: AutoTuneCriterion) -> tuple[float, float]:
        """The seconds of a search of all queries, and its accuracy."""
        start, runs = time.perf_counter(), 0
        while True:
            D, I = index.search(x, crit.nnn)
            runs += 1
            spent = time.perf_counter() - start
            if spent >= self.min_test_duration:
                return spent / runs, crit.evaluate(D, I)


def _above(a: list[int], b: list[int]) -> bool:
    """Whether no parameter of combination a is lower than in b."""
    return all(x >= y for x, y in zip(a, b))
