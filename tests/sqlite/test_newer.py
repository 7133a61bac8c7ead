"""The suite with a newer SQLite than the system's: KITH_SQLITE_NEWER names a folder with its libsqlite3.so.0.

KITH_TEST_LONG=1: it is built from the amalgamation that better-sqlite3, a package of npm's, carries, where that can be had.
"""
import os
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SUITE = ("declarations", "queries", "writing", "differential", "damage", "hybrid", "indexes")
OPTIONS = ("FTS5", "LOAD_EXTENSION", "COLUMN_METADATA", "MATH_FUNCTIONS", "DESERIALIZE")
SKIPPED = 77


def build(folder):
    """libsqlite3.so.0 in the folder; False where there is no npm, no network or no compiler."""
    try:
        subprocess.run(["npm", "pack", "better-sqlite3@12"], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
        name = next(name for name in os.listdir(folder) if name.endswith(".tgz"))
        with tarfile.open(os.path.join(folder, name)) as tar:
            for file in ("sqlite3.c", "sqlite3.h"):
                with tar.extractfile("package/deps/sqlite3/" + file) as source, open(os.path.join(folder, file), "wb") as out:
                    out.write(source.read())
        subprocess.run([os.environ.get("CC", "cc"), "-O1", "-shared", "-fPIC", *("-DSQLITE_ENABLE_" + o for o in OPTIONS), "-o", "libsqlite3.so.0",
                        "sqlite3.c", "-lm", "-ldl", "-lpthread"], cwd=folder, check=True, timeout=900)
    except (OSError, subprocess.SubprocessError, StopIteration, KeyError):
        return False
    return True


def run(folder):
    env = dict(os.environ, LD_LIBRARY_PATH=folder, KITH_NO_SHELL="1")
    version = subprocess.run([sys.executable, "-c", "import sqlite3; print(sqlite3.sqlite_version)"], env=env, check=True, capture_output=True, text=True)
    print("SQLite", version.stdout.strip(), flush=True)
    return max(subprocess.run([sys.executable, os.path.join(HERE, "test_%s.py" % name)], env=env, check=False).returncode for name in SUITE)


def main():
    folder = os.environ.get("KITH_SQLITE_NEWER")
    if folder:
        return run(folder)
    if os.environ.get("KITH_TEST_LONG") == "1":
        with tempfile.TemporaryDirectory() as made:
            if build(made):
                return run(made)
    print("skipped: no newer SQLite (KITH_SQLITE_NEWER names a folder with libsqlite3.so.0)")
    return SKIPPED


if __name__ == "__main__":
    sys.exit(main())
