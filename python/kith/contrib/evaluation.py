"""Compares results of searches with each other, and times searches."""
from __future__ import annotations

import time
from typing import Any, Iterator

import numpy as np

import kith


def knn_intersection_measure(I1: Any, I2: Any) -> float:
    """The fraction of ids that two results [nq × k] have in common, row by row."""
    one, two = np.asarray(I1), np.asarray(I2)
    if one.shape != two.shape:
        raise AssertionError(f"I1 has shape {one.shape}, I2 {two.shape}; they must be the same")
    return kith.eval_intersection(one, two) / one.size


# ---- range searches: lims [nq + 1], distances, ids ----


def _owners(lims: Any) -> Any:
    """The query of each result."""
    lims = np.asarray(lims).astype(np.int64)
    return np.repeat(np.arange(len(lims) - 1), np.diff(lims))


def _select(lims: Any, D: Any, I: Any, mask: Any) -> tuple[Any, Any, Any]:
    counts = np.bincount(_owners(lims)[mask], minlength=len(lims) - 1)
    kept = np.zeros_like(np.asarray(lims))
    kept[1:] = np.cumsum(counts)
    return kept, D[mask], I[mask]


def filter_range_results(lims: Any, D: Any, I: Any, thresh: float) -> tuple[Any, Any, Any]:
    """The results with distances below thresh."""
    return _select(lims, D, I, D < thresh)


def _pairs(lims: Any, I: Any) -> Any:
    """All pairs (query, id) of a result, each once."""
    found = np.empty(len(I), [("query", np.int64), ("id", np.int64)])
    found["query"], found["id"] = _owners(lims), I
    return np.unique(found)


def range_PR(lims_ref: Any, Iref: Any, lims_new: Any, Inew: Any, mode: str = "overall") -> tuple[float, float]:
    """Precision and recall of the results "new" if "ref" are the right ones. Distances are not compared."""
    if len(lims_ref) != len(lims_new):
        raise AssertionError(f"lims_ref has {len(lims_ref)} elements, lims_new {len(lims_new)}")
    common = np.intersect1d(_pairs(lims_ref, Iref), _pairs(lims_new, Inew))["query"]
    wanted, found = (np.diff(np.asarray(lims).astype(np.int64)) for lims in (lims_ref, lims_new))
    return counts_to_PR(wanted, found, np.bincount(common, minlength=len(lims_ref) - 1), mode=mode)


def counts_to_PR(ngt: Any, nres: Any, ninter: Any, mode: str = "overall") -> tuple[float, float]:
    """Precision and recall from the number of each query's right results (ngt), of its results (nres), and of the right
    ones among these (ninter). mode: "overall" for all results together, "average" for the mean over queries."""
    if mode == "overall":
        ngt, nres, ninter = np.sum(ngt), np.sum(nres), np.sum(ninter)
    elif mode != "average":
        raise AssertionError(f"mode is {mode!r}; it must be 'overall' or 'average'")
    ngt, nres, ninter = (np.atleast_1d(np.asarray(counts)) for counts in (ngt, nres, ninter))
    precision = np.where(nres > 0, ninter / np.maximum(nres, 1), 1.0)
    recall = np.where(ngt > 0, ninter / np.maximum(ngt, 1), (nres == 0).astype(float))
    return float(precision.mean()), float(recall.mean())


def sort_range_res_2(lims: Any, D: Any, I: Any) -> tuple[Any, Any]:
    """Ids and distances, with those of each query ordered by distance."""
    order = np.lexsort((D, _owners(lims)))
    return I[order], D[order]


def sort_range_res_1(lims: Any, I: Any) -> Any:
    """Ids, with those of each query in ascending order."""
    return I[np.lexsort((I, _owners(lims)))]


def range_PR_multiple_thresholds(lims_ref: Any, Iref: Any, lims_new: Any, Dnew: Any, Inew: Any, thresholds: Any,
                                 mode: str = "overall", do_sort: str = "ref,new") -> tuple[Any, Any]:
    """Precision and recall of those results "new" that are nearer than a threshold, for each of several thresholds."""
    found = [range_PR(lims_ref, Iref, *_select(lims_new, Dnew, Inew, Dnew < limit)[::2], mode=mode)
             for limit in thresholds]
    return np.array([p for p, _ in found]), np.array([r for _, r in found])


# ---- results that must agree except for ties ----


def check_ref_knn_with_draws(Dref: Any, Iref: Any, Dnew: Any, Inew: Any, rtol: float = 1e-5, atol: float = 0) -> None:
    """Raise unless distances agree, and ids as far as distances determine them: ids whose distances differ by less than
    the tolerance form a group and may change places, and the last group of a row may have other ids."""
    np.testing.assert_allclose(Dref, Dnew, rtol=rtol, atol=atol)
    for row, (dr, ir, dn, i_n) in enumerate(zip(Dref, Iref, Dnew, Inew)):
        if np.array_equal(ir, i_n):
            continue
        limit = rtol * np.max(dr) + atol
        values = np.sort(np.concatenate([dr, dn]))
        starts = values[np.r_[True, np.diff(values) > limit]]
        group_ref, group_new = (np.searchsorted(starts, d, side="right") - 1 for d in (dr, dn))
        for group in np.unique(group_ref):
            if group == group_ref[-1]:
                continue
            expected, found = set(ir[group_ref == group]), set(i_n[group_new == group])
            if expected != found:
                raise AssertionError(f"query {row}: ids {sorted(expected - found)} are missing, "
                                     f"{sorted(found - expected)} are wrong")


def check_ref_range_results(Lref: Any, Dref: Any, Iref: Any, Lnew: Any, Dnew: Any, Inew: Any) -> None:
    """Raise unless two range searches found the same ids, in any order, with distances that agree to 5 decimals."""
    np.testing.assert_array_equal(Lref, Lnew)
    by_id = [np.lexsort((I, _owners(Lref))) for I in (Iref, Inew)]
    np.testing.assert_array_equal(Iref[by_id[0]], Inew[by_id[1]])
    np.testing.assert_array_almost_equal(Dref[by_id[0]], Dnew[by_id[1]], decimal=5)


# ---- operating points: FAISS's ParameterSpace in Python ----


class OperatingPoints:
    """Experiments (key, perf, t): a key, its quality and its time. Pareto-optimal ones are kept in operating_points, all
    others in suboptimal_points."""

    def __init__(self) -> None:
        self.operating_points: list[tuple[Any, float, float]] = []
        self.suboptimal_points: list[tuple[Any, float, float]] = []

    def compare_keys(self, k1: Any, k2: Any) -> int:
        """1 if k1 must be slower and better than k2, −1 if it must be faster and worse, 0 if neither is known."""
        raise NotImplementedError

    def do_nothing_key(self) -> Any:
        raise NotImplementedError

    def is_pareto_optimal(self, perf_new: float, t_new: float) -> bool:
        return not any(perf >= perf_new and t <= t_new for _, perf, t in self.operating_points)

    def predict_bounds(self, key: Any) -> tuple[float, float]:
        """An upper bound of perf and a lower bound of t, from comparable experiments."""
        known = self.operating_points + self.suboptimal_points
        slowest = max((t for other, _, t in known if self.compare_keys(key, other) > 0), default=0.0)
        best = min((perf for other, perf, _ in known if self.compare_keys(key, other) < 0), default=1.0)
        return min(best, 1.0), max(slowest, 0.0)

    def should_run_experiment(self, key: Any) -> bool:
        return self.is_pareto_optimal(*self.predict_bounds(key))

    def add_operating_point(self, key: Any, perf: float, t: float) -> bool:
        """Add an experiment. Returns whether it is Pareto-optimal so far."""
        if not self.is_pareto_optimal(perf, t):
            self.suboptimal_points.append((key, perf, t))
            return False
        beaten = [point for point in self.operating_points if perf >= point[1] and t <= point[2]]
        self.suboptimal_points += beaten
        self.operating_points = [point for point in self.operating_points if point not in beaten] + [(key, perf, t)]
        return True


class OperatingPointsWithRanges(OperatingPoints):
    """Experiments with several parameters, each with a list of values in ascending order. A key holds the position of
    the chosen value for each parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges: list[tuple[str, list[Any]]] = []

    def add_range(self, name: str, values: list[Any]) -> None:
        self.ranges.append((name, values))

    def compare_keys(self, k1: Any, k2: Any) -> int:
        return 1 if np.all(k1 >= k2) else -1 if np.all(k2 >= k1) else 0

    def do_nothing_key(self) -> Any:
        return np.zeros(len(self.ranges), int)

    def num_experiments(self) -> int:
        return int(np.prod([len(values) for _, values in self.ranges]))

    def sample_experiments(self, n_autotune: int, rs: Any = None) -> list[int]:
        """The numbers of the first experiment, the last one, and random others: n_autotune in total, or all if it is 0."""
        if n_autotune == 1 or n_autotune < 0:
            raise AssertionError(f"n_autotune is {n_autotune}; it must be 0, or 2 or more")
        total = self.num_experiments()
        between = np.random.RandomState(123).permutation(max(total - 2, 0)) + 1
        if n_autotune:
            between = between[:n_autotune - 2]
        return [0, total - 1, *between.tolist()]

    def cno_to_key(self, cno: int) -> Any:
        key = np.zeros(len(self.ranges), int)
        for at, (_, values) in enumerate(self.ranges):
            cno, key[at] = divmod(cno, len(values))
        if cno:
            raise AssertionError("cno is beyond the last experiment")
        return key

    def get_parameters(self, k: Any) -> dict[str, Any]:
        return {name: values[at] for at, (name, values) in zip(k, self.ranges)}

    def restrict_range(self, name: str, max_val: Any) -> None:
        """Remove a parameter's values of max_val and more."""
        for known, values in self.ranges:
            if known == name:
                values[:] = [value for value in values if value < max_val]
                return
        raise RuntimeError(f"there is no parameter {name!r}")


class RepeatTimer:
    """Times the body of a loop ``for _ in timer: …``; then ms() and ms_std() are its time. The first `warmup` of `runs`
    do not count. With nt, calls in the loop use that many threads. The loop ends early after max_secs, and then all runs
    count."""

    def __init__(self, warmup: int = 0, nt: int = -1, runs: int = 1, max_secs: float = np.inf) -> None:
        if not warmup < runs:
            raise AssertionError(f"warmup is {warmup}; it must be below runs, {runs}")
        self.warmup, self.nt, self.runs, self.max_secs = warmup, nt, runs, max_secs
        self.times: Any = np.empty(0)

    def __iter__(self) -> Iterator[None]:
        before, times = kith.get_threads(), []
        if self.nt >= 0:
            kith.set_threads(self.nt)
        try:
            began = last = time.perf_counter()
            for _ in range(self.runs):
                yield None
                now = time.perf_counter()
                times.append(now - last)
                last = now
                if now - began > self.max_secs:
                    break
        finally:
            if self.nt >= 0:
                kith.set_threads(before)
            self.times = np.array(times[self.warmup:] if len(times) == self.runs else times)

    def ms(self) -> float:
        return float(np.mean(self.times)) * 1000

    def ms_std(self) -> float:
        return float(np.std(self.times)) * 1000 if len(self.times) > 1 else 0.0

    def nruns(self) -> int:
        """How many runs count."""
        return len(self.times)
