"""The Node section of docs/sqlite.md, run with better-sqlite3: KITH_NODE_MODULES names the folder node_modules that has it.

Without Node.js or the package it is skipped: the package needs a compiler or a download where it is installed.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
MORE = """
for (const [sql, values] of [["SELECT rowid FROM docs WHERE embedding MATCH ? AND k = 2", ['[1,2']],
        ["INSERT INTO docs(embedding) VALUES(?)", [Buffer.alloc(5)]], ["SELECT rowid FROM docs WHERE embedding MATCH ? AND k = ?", ['[1,2,3]', -1]]]) {
    let told = '';
    const statement = db.prepare(sql);
    try { statement[statement.reader ? 'all' : 'run'](...values); } catch (error) { told = error.message; }
    if (!/embedding|k must be/.test(told)) throw new Error(`not refused as it should be: ${sql}: ${told}`);
}
// Integers, in numbers and in BigInts, NULL; a transaction that is rolled back; iteration that stops early.
db.exec("CREATE VIRTUAL TABLE more USING kith(e FLOAT[2] INDEX 'HNSW8', id INTEGER PRIMARY KEY, n INTEGER, s TEXT)");
const put = db.prepare('INSERT INTO more(id, e, n, s) VALUES(?, ?, ?, ?)');
db.transaction(() => { for (let i = 0; i < 3000; i++) put.run(i, new Uint8Array(new Float32Array([i % 60, i / 60]).buffer), BigInt(i), i % 2 ? null : 'even'); })();
try { db.transaction(() => { put.run(5000, '[1,1]', 1, null); throw new Error('no'); })(); } catch (error) { if (error.message !== 'no') throw error; }
const others = db.prepare("SELECT id, n, s, distance FROM more WHERE e MATCH ? AND k = 3 AND n < 1000 AND s IS NULL");
for (let i = 0; i < 3; i++) {
    const rows = others.all('[7, 2]');
    if (rows.length !== 3 || rows[0].id !== 127 || rows.some(row => row.s !== null || row.n >= 1000)) throw new Error(JSON.stringify(rows));
}
for (const row of db.prepare("SELECT id FROM more WHERE e MATCH '[0,0]' ORDER BY distance").iterate()) { if (row.id !== 0) throw new Error('order'); break; }
if (db.pragma('integrity_check', { simple: true }) !== 'ok') throw new Error('integrity');
console.log(`SQLite ${db.prepare('SELECT sqlite_version() AS v').get().v}`);
"""


def blocks():
    with open(os.path.join(os.environ["KITH_SOURCE_ROOT"], "docs", "sqlite.md"), encoding="utf-8") as page:
        return re.findall(r"^```js\n(.*?)^```", page.read(), re.M | re.S)


def main():
    modules = os.environ.get("KITH_NODE_MODULES", "")
    node = shutil.which("node")
    if node is None or not os.path.isdir(os.path.join(modules, "better-sqlite3")):
        print("skipped: no Node.js, or KITH_NODE_MODULES names no folder with better-sqlite3")
        return SKIPPED
    found = blocks()
    assert found, "docs/sqlite.md has no code for Node"
    extension = os.environ["KITH_SQLITE"].removesuffix(".so")
    with tempfile.TemporaryDirectory() as folder:
        script = "\n".join(found).replace("build/sqlite/kith_sqlite", extension) + MORE
        path = os.path.join(folder, "script.js")
        with open(path, "w", encoding="utf-8") as file:
            file.write(script)
        run = subprocess.run([node, path], cwd=folder, env=dict(os.environ, NODE_PATH=modules), capture_output=True, text=True, timeout=120, check=False)
    print(run.stdout + run.stderr)
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
