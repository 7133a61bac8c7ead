#!/usr/bin/env python3
"""Tables from reports of `kith bench` and sweep.py: speed at equal recall, build time, memory.

Queries per second at a recall are read off the Pareto front of an index, between two of its points on a straight
line in log(queries per second). Where even the lowest point lies above the recall, that point counts: it reaches
it. Nothing is measured here; the same reports give the same table.

    ratios.py kith.json faiss.json                  the table, as Markdown
    ratios.py --into README.md kith.json faiss.json replaces what is between the file's two markers
"""
import argparse
import json
import math
import sys

RECALLS = (0.9, 0.95, 0.99)
BEGIN, END = "<!-- begin: ratios -->", "<!-- end: ratios -->"


def front(points):
    """Points that no other beats in both recall and speed, by rising recall."""
    best, kept = 0.0, []
    for point in sorted(points, key=lambda p: (-p["recall"], -p["qps"])):
        if point["qps"] > best:
            best = point["qps"]
            kept.append(point)
    return kept[::-1]


def qps_at(points, recall):
    """Queries per second at a recall; None: it is not reached."""
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


def cells(entry, first):
    """Speed at each recall, with how many times as fast the first library is."""
    out = []
    for recall in RECALLS:
        qps = qps_at(entry["points"], recall)
        other = qps_at(first["points"], recall) if first else None
        out.append(si(qps) + (f" ({other / qps:.2f}×)" if qps and other else ""))
    return out


def table(reports):
    """Rows grouped by index. Beside the others' speeds is how many times as fast the first library is."""
    names = []
    for report in reports:
        names += [e["index"] for e in report["indexes"] if e["points"] and e["index"] not in names]
    columns = " | ".join(f"QPS at {recall:g}" for recall in RECALLS)
    lines = [f"| index | library | {columns} | build, s | bytes per vector |",
             "|---|---|" + "---|" * (len(RECALLS) + 2)]
    for name in names:
        entries = {r["library"]: next((e for e in r["indexes"] if e["index"] == name and e["points"]), None)
                   for r in reports}
        mine = entries[reports[0]["library"]]
        for library, entry in entries.items():
            if entry is None:
                continue
            multiples = cells(entry, mine if mine is not None and entry is not mine else None)
            build = entry.get("build_seconds")
            lines.append(f"| `{name}` | {library} | {' | '.join(multiples)} | "
                         f"{'–' if build is None else format(build, '.3g')} | "
                         f"{si(entry.get('bytes_per_vector'))} |")
    return "\n".join(lines)


def insert(path, text):
    with open(path, encoding="utf-8") as file:
        content = file.read()
    head, begin, rest = content.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        sys.exit(f"ratios.py: '{path}' lacks the lines {BEGIN} and {END}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{head}{BEGIN}\n{text}\n{END}{tail}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="+", help="JSON reports; peers are compared with the first")
    parser.add_argument("--into", metavar="FILE", help="put the table between the markers in FILE")
    args = parser.parse_args()
    reports = []
    for path in args.reports:
        with open(path) as file:
            report = json.load(file)
        if report.get("format") != "kith-bench" or report.get("version") != 1:
            sys.exit(f"ratios.py: '{path}' is no report of 'kith bench', version 1")
        reports.append(report)
    if not comparable(reports):
        sys.exit("ratios.py: the reports are of different data, protocols or machines: they cannot be compared")
    others = len(reports) > 1
    note = f"\n\nIn parentheses: how many times as fast {reports[0]['library']} is at that recall." if others else ""
    text = f"{heading(reports)}\n\n{table(reports)}{note}"
    if args.into:
        insert(args.into, text)
    else:
        print(text)


if __name__ == "__main__":
    main()
