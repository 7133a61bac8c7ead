"""Compare vectors with metadata in kith's SQLite extension, sqlite-vec, vectorlite and zvec.

    ./run bench sql --data ../sift1m --rows 1000000 --sqlite-vec vec0.so --vectorlite vectorlite.so --zvec FOLDER

Everything runs on one thread, and each system in a process of its own. The same rows, a vector and five integers each,
are inserted in one transaction. Then 100 queries search for 10 neighbours, without and with a condition
`u >= ? AND u < ?` that 50, 10, 1, 0.1 and 0.01% of the rows pass, with different constants for every query. Systems with
an index use the smallest effort that reaches the recall. Finally, kith's first index gets --trickle transactions of one
row each (WAL, synchronous = NORMAL), while another process searches from time to time. With --cpu, inserts and queries are
timed by the processor time of their process, which is fair on a machine that does other work. Systems that are not given
are not measured, and are listed. FOLDER is where `npm install @zvec/zvec` was run.
"""
import argparse
import json
import os
import re
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time

import numpy as np

import data

K, NQ, SPAN = 10, 100, 10000
SHARES = {"all": None, "50%": 5000, "10%": 1000, "1%": 100, "0.1%": 10, "0.01%": 1}
EFS = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024]


class Table:
    """A SQLite extension: how its table is created, filled and searched."""

    def __init__(self, name, extension, create, filled=(), indexed=False):
        self.name, self.extension, self.create, self.filled, self.indexed = name, extension, create, filled, indexed

    def connect(self, path):
        db = sqlite3.connect(path, isolation_level=None)
        db.enable_load_extension(True)
        db.load_extension(self.extension)
        return db

    def fill(self, db, x, u):
        for sql in self.create:
            db.execute(sql)
        db.execute("BEGIN")
        db.executemany("INSERT INTO docs(rowid, embedding, u, a, b, c, d) VALUES(?, ?, ?, ?, ?, ?, ?)",
                       ((i, row.tobytes(), int(u[i]), i % 10, i % 100, i % 1000, i % 7) for i, row in enumerate(x)))
        db.execute("COMMIT")
        for sql in self.filled:
            db.execute(sql)

    def ask(self, db, q, window, ef):
        condition = "" if window is None else f" AND u >= {window[0]} AND u < {window[1]}"
        return db.execute(f"SELECT rowid FROM docs WHERE embedding MATCH ? AND k = {K}{condition}", (q.tobytes(),)).fetchall()


class Vectorlite(Table):
    """It stores only vectors: metadata is in another table, and conditions become lists of rowids."""

    def fill(self, db, x, u):
        for sql in self.create:
            db.execute(sql)
        db.execute("BEGIN")
        db.executemany("INSERT INTO docs(rowid, embedding) VALUES(?, ?)", ((i, row.tobytes()) for i, row in enumerate(x)))
        db.executemany("INSERT INTO meta VALUES(?, ?, ?, ?, ?, ?)", ((i, int(u[i]), i % 10, i % 100, i % 1000, i % 7) for i in range(len(x))))
        db.execute("COMMIT")

    def ask(self, db, q, window, ef):
        condition = "" if window is None else f" AND rowid IN (SELECT id FROM meta WHERE u >= {window[0]} AND u < {window[1]})"
        return db.execute(f"SELECT rowid FROM docs WHERE knn_search(embedding, knn_param(?, {K}, {ef})){condition}", (q.tobytes(),)).fetchall()


def systems(args, dim, rows):
    metadata = "u INTEGER, a INTEGER, b INTEGER, c INTEGER, d INTEGER"
    kith = os.path.join(args.build, "sqlite", "kith_sqlite")
    index, graph = [[f"INSERT INTO docs(docs, rank) VALUES('index', '{spec}')"] for spec in (args.index, "HNSW32")]
    columns = f"CREATE VIRTUAL TABLE docs USING kith(embedding FLOAT[{dim}], {metadata})"
    yield Table("kith, exact", kith, [columns])
    yield Table(f"kith, {args.index}", kith, [columns], index, indexed=True)
    yield Table(f"kith, {args.index}, u INDEXED", kith, [columns.replace("u INTEGER", "u INTEGER INDEXED")], index, indexed=True)
    yield Table("kith, HNSW32", kith, [columns], graph, indexed=True)
    if args.sqlite_vec:
        yield Table("sqlite-vec", args.sqlite_vec, [f"CREATE VIRTUAL TABLE docs USING vec0(embedding float[{dim}], {metadata})"])
    if args.vectorlite:
        graph = f"hnsw(max_elements={rows}, ef_construction=200, M=32)"
        yield Vectorlite("vectorlite", args.vectorlite, [
            f"CREATE VIRTUAL TABLE docs USING vectorlite(embedding float32[{dim}] l2, {graph})",
            f"CREATE TABLE meta(id INTEGER PRIMARY KEY, {metadata})", "CREATE INDEX meta_u ON meta(u)"], indexed=True)


def truth(x, u, q, windows):
    """For each query, the key of the K-th neighbour that passes, and how many of the K there are."""
    norms = (x * x).sum(1)
    far = []
    for i, one in enumerate(q):
        passing = slice(None) if windows is None else (u >= windows[i][0]) & (u < windows[i][1])
        keys = np.sort(norms[passing] - 2 * (x[passing] @ one))[:K]
        far.append((keys[-1] if len(keys) else -np.inf, len(keys)))
    return far


def recall(x, q, found, far):
    hits = total = 0
    for one, ids, (limit, count) in zip(q, found, far):
        rows = x[ids]
        hits += int(((rows * rows).sum(1) - 2 * (rows @ one) <= limit + 1e-3 * (1 + abs(limit))).sum())
        total += count
    return hits / max(1, total)


def measure(system, path, x, u, q, windows, limits, wanted, clock):
    """Measure a system: insert rate, size, time to open, and time and recall for each condition."""
    db = system.connect(path)
    begin = clock()
    system.fill(db, x, u)
    result = {"name": system.name, "insert": len(x) / (clock() - begin), "bytes": os.path.getsize(path), "queries": {}}
    if not isinstance(system, Vectorlite):
        db.close()
        begin = time.perf_counter()
        db = system.connect(path)
        system.ask(db, q[0], None, EFS[0])
        result["open"] = time.perf_counter() - begin
    for name, window in windows.items():
        effort = EFS if isinstance(system, Vectorlite) else [0]
        for ef in effort:
            system.ask(db, q[0], window and window[0], ef)
            times, found = [], []
            for i, one in enumerate(q):
                begin = clock()
                found.append([id for (id,) in system.ask(db, one, window and window[i], ef)])
                times.append(clock() - begin)
            got = recall(x, q, found, limits[name])
            if got >= wanted:
                break
        result["queries"][name] = {"ms": 1e3 * float(np.mean(times)), "recall": got}
    result["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - x.nbytes - u.nbytes
    return result


def trickle(system, path, x, u, q, n, clock):
    """Add rows in transactions of one row: their rate, the bytes of the log, and the time of another process's searches after
    one transaction, after n / 20, and after none since its last search."""
    asks, steps, waits = os.pipe(), 20, {"none": [], "one": [], "many": []}
    answers = os.pipe()
    child = os.fork()
    if child == 0:
        db = system.connect(path)
        for _ in range(2):
            system.ask(db, q[0], None, 0)
        os.write(answers[1], b"%20.9f" % 0)
        for i in range(len(waits) * steps):
            os.read(asks[0], 1)
            begin = clock()
            system.ask(db, q[i % len(q)], None, 0)
            os.write(answers[1], b"%20.9f" % (clock() - begin))
        os._exit(0)
    db = system.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    os.read(answers[0], 20)
    insert, spent, slowest = "INSERT INTO docs(rowid, embedding, u, a, b, c, d) VALUES(?, ?, ?, ?, ?, ?, ?)", 0.0, 0.0
    first = db.execute("SELECT max(rowid) + 1 FROM docs").fetchone()[0]
    for i in range(n):
        begin = time.perf_counter()
        db.execute(insert, (first + i, x[i].tobytes(), int(u[i]), i % 10, i % 100, i % 1000, i % 7))
        one = time.perf_counter() - begin
        spent += one
        slowest = max(slowest, one)
        place = i % (n // steps)  # in a batch: its last but one, and then its last
        for after in {n // steps - 2: ["many"], n // steps - 1: ["one", "none"]}.get(place, []):
            os.write(asks[1], b"?")
            waits[after].append(float(os.read(answers[0], 20)))
    log = os.path.getsize(path + "-wal")
    db.close()
    os.waitpid(child, 0)
    return {"rate": n / spent, "slowest": slowest, "log": log / n, "batch": n // steps,
            "waits": {name: {"mean": float(np.mean(some)), "longest": max(some)} for name, some in waits.items()}}


def told(n, trickled):
    waits = {name: f"{1e3 * one['mean']:.1f} ms (at most {1e3 * one['longest']:.1f})" for name, one in trickled["waits"].items()}
    return (f"{n:,} transactions of one row: {trickled['rate']:,.0f}/s, the slowest {1e3 * trickled['slowest']:.0f} ms, "
            f"{trickled['log'] / 1e3:.1f} KB of log each; another process's query takes {waits['none']}, after one of them {waits['one']}, "
            f"after {trickled['batch'] - 1} {waits['many']}")


def in_child(work):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            os.write(writer, json.dumps(work()).encode())
        except BaseException as error:
            print(f"failed: {error!r}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else None


def zvec(folder, work, x, u, q, windows, limits, wanted):
    x.tofile(os.path.join(work, "base.f32"))
    q.tofile(os.path.join(work, "query.f32"))
    job = {"base": os.path.join(work, "base.f32"), "queries": os.path.join(work, "query.f32"), "dim": x.shape[1], "nq": len(q), "m": 32,
           "ef_construction": 200, "folder": os.path.join(work, "zvec"), "u": u.tolist(), "windows": windows, "efs": EFS}
    path = os.path.join(work, "job.json")
    with open(path, "w", encoding="ascii") as file:
        json.dump(job, file)
    run = subprocess.run(["node", "--max-old-space-size=8192", os.path.join(os.path.dirname(os.path.abspath(__file__)), "sql_zvec.js"), path],
                         cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        print("zvec failed: " + run.stderr[-500:], file=sys.stderr)
        return None
    done = json.loads(run.stdout.strip().split("\n")[-1])
    result = {"name": "zvec", "insert": done["insert"], "bytes": done["bytes"], "open": done["open"], "memory": done["memory"] - x.nbytes,
              "queries": {}}
    for name, efs in done["answers"].items():
        for ef in EFS:
            got = recall(x, q, [[int(id) for id in ids] for ids in efs[str(ef)]["ids"]], limits[name])
            if got >= wanted:
                break
        result["queries"][name] = {"ms": 1e3 * efs[str(ef)]["seconds"], "recall": got}
    return result


def table(results):
    lines = ["| | rows/s inserted | " + " | ".join(f"{name}, ms (recall)" for name in SHARES) + " | file, MB | memory, MB | open and first query, s |",
             "|---" * (5 + len(SHARES)) + "|"]
    for one in results:
        queries = [f"{one['queries'][name]['ms']:.2f} ({one['queries'][name]['recall']:.3f})" for name in SHARES]
        lines.append(f"| {one['name']} | {one['insert']:,.0f} | " + " | ".join(queries) + f" | {one['bytes'] / 1e6:.0f} | {one['memory'] / 1e6:.0f} | "
                     + (f"{one['open']:.2f}" if "open" in one else "–") + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--data", help="a folder with base and query as fvecs or bvecs (default: synthetic vectors)")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--index", default="HNSW16,SQ8", help="kith's index (default %(default)s)")
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--sqlite-vec", metavar="FILE")
    parser.add_argument("--vectorlite", metavar="FILE")
    parser.add_argument("--zvec", metavar="FOLDER")
    parser.add_argument("--only", metavar="REGEX", help="only systems whose names match this regular expression")
    parser.add_argument("--trickle", type=int, default=10_000, metavar="N", help="one-row transactions (default %(default)s; 0: none)")
    parser.add_argument("--cpu", action="store_true", help="count processor time (kith, sqlite-vec and vectorlite)")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    if 0 < args.trickle < 40:
        parser.error("--trickle: at least 40, or 0")
    if not hasattr(sqlite3.Connection, "enable_load_extension"):
        raise SystemExit(f"the sqlite3 of {sys.executable} cannot load extensions; Debian's can: /usr/bin/python3 {sys.argv[0]} …")
    if not os.path.exists(os.path.join(args.build, "sqlite", "kith_sqlite.so")):
        raise SystemExit(f"{args.build} has no SQLite extension (Debian, Ubuntu: apt install libsqlite3-dev, then build anew)")
    os.environ["OMP_NUM_THREADS"] = "1"
    clock = time.process_time if args.cpu else time.perf_counter
    x, q = data.from_folder(args.data, args.rows) if args.data else data.synthetic(args.rows, NQ, 128)
    x, q = np.ascontiguousarray(x, np.float32), np.ascontiguousarray(q[:NQ], np.float32)
    random = np.random.default_rng(1)
    u = random.integers(SPAN, size=len(x))
    windows = {name: width and [[int(first), int(first) + width] for first in random.integers(0, SPAN - width + 1, len(q))]
               for name, width in SHARES.items()}
    limits = {name: truth(x, u, q, window) for name, window in windows.items()}
    results = []
    trickled = None
    for system in systems(args, x.shape[1], len(x)):
        if args.only and not re.search(args.only, system.name):
            continue
        with tempfile.TemporaryDirectory(prefix="kith-sql-") as work:
            path = os.path.join(work, "t.db")
            done = in_child(lambda: measure(system, path, x, u, q, windows, limits, args.recall, clock))
            if done and args.trickle and system.indexed and trickled is None and system.name.startswith("kith"):
                trickled = in_child(lambda: trickle(system, path, x, u, q, args.trickle, clock))
                print(f"{system.name}: {told(args.trickle, trickled)}", flush=True)
        if done:
            results.append(done)
            print(table([done]).split("\n")[-1], flush=True)
    if args.zvec:
        with tempfile.TemporaryDirectory(prefix="kith-sql-") as work:
            done = zvec(args.zvec, work, x, u, q, windows, limits, args.recall)
        results += [done] if done else []
    for name, given in (("sqlite-vec", args.sqlite_vec), ("vectorlite", args.vectorlite), ("zvec", args.zvec)):
        if not given:
            print(f"{name} was not given, so it was not measured")
    print(f"\n{len(x):,} rows of {x.shape[1]} dimensions, {len(q)} queries one at a time, one thread, k = {K}"
          f"{', processor time' if args.cpu else ''}\n\n{table(results)}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"systems": results, "trickle": trickled}, file, indent=1)


if __name__ == "__main__":
    main()
