#!/usr/bin/env python3
"""Make tables from reports of `kith bench`, sweep.py and peers.py: speed at equal recall, build time, memory.

The queries per second at a recall are interpolated on the Pareto front of an index, linearly in log(queries per
second). If even its lowest point has a higher recall, this point is used. Latency is that of the fastest point with
recall 0.95. If a library lacks an index of codes, its plain index of the same structure is used: `HNSW16` of hnswlib
is compared with `HNSW16,SQ8,RFlat`. Nothing is measured here, and the same reports give the same table.

    ratios.py kith.json faiss.json                  the table, as Markdown
    ratios.py peers.json                            the table of exact search, from a report of peers.py --json
    ratios.py --into README.md --name graphs kith.json faiss.json
                                                    replace the text between the two markers of this name in a file
"""
import argparse
import json
import math
import re
import sys

RECALLS, LATENCY_RECALL = (0.9, 0.95, 0.99), 0.95


def front(points):
    """The Pareto-optimal points in recall and speed, by ascending recall."""
    best, kept = 0.0, []
    for point in sorted(points, key=lambda p: (-p["recall"], -p["qps"])):
        if point["qps"] > best:
            best = point["qps"]
            kept.append(point)
    return kept[::-1]


def qps_at(points, recall):
    """The queries per second at a recall; None if it is not reached."""
    before = None
    for point in front(points):
        if point["recall"] >= recall:
            if before is None or point["recall"] == recall:
                return point["qps"]
            share = (recall - before["recall"]) / (point["recall"] - before["recall"])
            return math.exp((1 - share) * math.log(before["qps"]) + share * math.log(point["qps"]))
        before = point
    return None


def si(value):
    if value is None:
        return "–"
    for limit, divisor, prefix in ((999.5e3, 1e6, " M"), (999.5, 1e3, " k")):
        if value >= limit:
            return f"{value / divisor:.3g}{prefix}"
    return f"{value:.3g}"


def plural(n, word):
    return f"{n} {word}{'' if n == 1 else 's'}"


def heading(reports):
    first = reports[0]
    data, protocol = first["data"], first["protocol"]
    calls = "all queries in one call" if not protocol["batch"] else f"{plural(protocol['batch'], 'query')} a call"
    calls = calls.replace("querys", "queries")
    versions = ", ".join(f"{r['library']} {r['library_version']}" for r in reports)
    return (f"{data['base']['n']:,} vectors of dimension {data['base']['dim']} ({data['metric']}), "
            f"{data['query']['n']:,} queries, k = {protocol['k']}, {plural(protocol['threads'], 'thread')}, {calls}; "
            f"{first['machine']['cpu']}; {versions}.")


def comparable(reports):
    def key(report):
        base, query = report["data"]["base"], report["data"]["query"]
        return (base["n"], base["dim"], query["n"], report["data"]["metric"], report["machine"]["cpu"],
                *(report["protocol"][name] for name in ("k", "threads", "batch")))
    return len({key(report) for report in reports}) == 1


def multiple(own, other, text):
    """text, and in parentheses own / other: how many times as fast the first library is."""
    return text + (f" ({own / other:.2f}×)" if own and other else "")


def latency(points):
    """The latencies p50 and p99, in microseconds, of the fastest point that reaches LATENCY_RECALL."""
    for point in front(points):
        times = point.get("latency_seconds")
        if point["recall"] >= LATENCY_RECALL and times:
            return f"{1e6 * times['p50']:.0f} / {1e6 * times['p99']:.0f}"
    return "–"


def row(name, library, entry, first):
    """The row of a library's index, compared with the first library's entry, if given."""
    cells = [f"`{name}`", library if plain(entry["index"]) == name else f"{library} `{entry['index']}`"]
    for recall in RECALLS:
        qps = qps_at(entry["points"], recall)
        cells.append(multiple(qps_at(first["points"], recall) if first else None, qps, si(qps)))
    build = entry.get("build_seconds")
    cells.append(multiple(build, first.get("build_seconds") if first else None,
                          "–" if build is None else format(build, ".3g")))
    cells += [si(entry.get("bytes_per_vector")), latency(entry["points"])]
    return f"| {' | '.join(cells)} |"


def plain(name):
    """The shorter of two names of one graph: `HNSW16,Flat` is `HNSW16`."""
    return re.sub(r"^(HNSW\d+),Flat$", r"\1", name)


def entry_of(report, name):
    """A report's entry for an index, or for the plain index of the same structure."""
    measured = {plain(entry["index"]): entry for entry in report["indexes"] if entry["points"]}
    if name in measured:
        return measured[name]
    structure, comma, _ = name.partition(",")
    return measured.get(structure) if comma else None


def table(reports):
    """The rows, grouped by index. Figures of other libraries have the first library's advantage in parentheses."""
    names = []
    for report in reports:
        found = [plain(entry["index"]) for entry in report["indexes"] if entry["points"]]
        names += [name for name in dict.fromkeys(found) if name not in names]
    columns = " | ".join(f"QPS at {recall:g}" for recall in RECALLS)
    lines = [f"| index | library | {columns} | build, s | bytes per vector | p50 / p99, µs |",
             "|---|---|" + "---|" * (len(RECALLS) + 3)]
    for name in names:
        first = entry_of(reports[0], name)
        own = first is not None and plain(first["index"]) == name
        for report in reports:
            entry = entry_of(report, name)
            if entry is None or plain(entry["index"]) != name and (report is reports[0] or not own):
                continue
            lines.append(row(name, report["library"], entry, first if own and report is not reports[0] else None))
    return "\n".join(lines)


def swept_text(reports):
    text = f"{heading(reports)}\n\n{table(reports)}"
    if len(reports) == 1:
        return text
    return (f"{text}\n\nIn parentheses: how many times as fast {reports[0]['library']} is, at that recall or in "
            f"building. p50 / p99: single queries at recall {LATENCY_RECALL:g}. –: not reached, or not measured.")


def exact_text(report):
    """The table of exact search from a report of peers.py, with a row for each case."""
    rows, libraries, about = {}, [], report["environment"]
    for result in report["results"]:
        rows.setdefault((result["case"], result["queries"], result["at_once"], result["k"]), {})[
            result["library"]] = result["qps"]
        if result["library"] not in libraries:
            libraries.append(result["library"])
    versions = ", ".join(f"{name} {about[name]}" for name in ("kith", "faiss", "hnswlib") if name in about)
    lines = [f"{about['base']:,} vectors of dimension {about['dim']} ({about['type']}), "
             f"{plural(about['threads'], 'thread')}; {about['cpu']}; {versions}.", "",
             f"| exact search, queries per second | {' | '.join(libraries)} |", "|---|" + "---|" * len(libraries)]
    for (case, queries, at_once, k), found in rows.items():
        calls = "in one call" if at_once >= queries else "one by one" if at_once == 1 else f"{at_once:,} a call"
        cells = [multiple(found.get(libraries[0]), found.get(name) if name != libraries[0] else None,
                          si(found.get(name))) for name in libraries]
        lines.append(f"| `{case}`: {queries:,} {calls}, k = {k} | {' | '.join(cells)} |")
    return "\n".join(lines) + f"\n\nIn parentheses: how many times as fast {libraries[0]} is."


def around(path, name):
    """The parts of a page before and after the text between its markers, both with the marker."""
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    try:
        with open(path, encoding="utf-8") as file:
            content = file.read()
    except OSError as error:
        sys.exit(f"ratios.py: {error}")
    head, found, rest = content.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        sys.exit(f"ratios.py: '{path}' lacks the lines {begin} and {end}")
    return f"{head}{begin}\n", f"\n{end}{tail}"


def insert(path, name, text):
    before, after = around(path, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + text + after)


def read(path):
    try:
        with open(path) as file:
            report = json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"ratios.py: '{path}': {error}")
    if isinstance(report, dict) and {"environment", "cases", "results"} <= set(report):
        return report
    if not isinstance(report, dict) or report.get("format") != "kith-bench" or report.get("version") != 1:
        sys.exit(f"ratios.py: '{path}' is neither a report of 'kith bench', version 1, nor one of peers.py")
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="+", help="JSON reports; peers are compared with the first")
    parser.add_argument("--into", metavar="FILE", help="put the table between the markers in FILE")
    parser.add_argument("--name", default="ratios", help="of the markers: <!-- begin: NAME --> (default: ratios)")
    args = parser.parse_args()
    reports = [read(path) for path in args.reports]
    exact = ["results" in report for report in reports]
    if any(exact) and len(reports) > 1:
        sys.exit("ratios.py: a report of peers.py cannot be combined with others: it has all libraries")
    if not any(exact) and not comparable(reports):
        sys.exit("ratios.py: the reports are of different data, protocols or machines: they cannot be compared")
    text = exact_text(reports[0]) if any(exact) else swept_text(reports)
    if args.into:
        insert(args.into, args.name, text)
    else:
        print(text)


if __name__ == "__main__":
    main()
