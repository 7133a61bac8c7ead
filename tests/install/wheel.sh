#!/usr/bin/env bash
# The wheel: built offline by the project's own back end, whole by its own record, and at work where nothing but the wheel
# is: with libkith and everything that it needs taken from it. And `pip install .` in a virtual environment, offline.
#   usage: wheel.sh SOURCE BUILD PYTHON
# Exit status 77, skipped: without KITH_TEST_LONG=1, since the library is compiled anew.
set -euo pipefail
if [ "${KITH_TEST_LONG:-0}" != 1 ]; then
	echo "skipped: KITH_TEST_LONG=1 builds the wheel, which takes minutes"
	exit 77
fi
source=$(cd "$1" && pwd)
build=$(cd "$2" && pwd)
python=$3
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# One build directory for both, that of `./run wheel`.
"$python" "$source/packaging/kith_backend.py" "$stage" build-dir="$build-wheel" bundle=true >"$stage/log" 2>&1 ||
	fail "the wheel: $(tail -20 "$stage/log")"
wheel=$(echo "$stage"/kith-*.whl)
case $wheel in *-py3-none-manylinux_2_*.whl) ;; *) fail "the wheel is called $wheel" ;; esac

"$python" - "$wheel" "$stage/site" <<'END' || fail "the wheel's record"
import base64, hashlib, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
names = set(wheel.namelist())
record = next(name for name in names if name.endswith(".dist-info/RECORD"))
listed = {}
for line in wheel.read(record).decode().splitlines():
    name, digest, _size = line.rsplit(",", 2)
    listed[name] = digest
assert set(listed) == names, set(listed) ^ names
for name, digest in listed.items():
    if name != record:
        mine = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest()).rstrip(b"=").decode()
        assert digest == "sha256=" + mine, name
assert {"kith/__init__.py", "kith/compat/__init__.py", "kith/py.typed", "kith/libkith.so.0", "kith/collection.py"} <= names
wheel.extractall(sys.argv[2])
END

have_sqlite=no
if pkg-config --exists 'sqlite3 >= 3.38'; then have_sqlite=yes; fi
works='import sys, numpy as np, kith
x = np.random.default_rng(1).random((3000, 16), dtype=np.float32)
index = kith.Index("IVF8,Flat", dim=16)
index.train(x)
index.add(x)
assert index.search(x[:10], k=1, nprobe=8)[1].ravel().tolist() == list(range(10))
kith.knn(x, x[:600], 3)
import sqlite3
if hasattr(sqlite3.Connection, "enable_load_extension") and "'"$have_sqlite"'" == "yes":
    docs = kith.Collection(":memory:")
    docs.add(["a", "b"], [[1, 0], [0, 1]])
    assert docs.query([[1, 0]], 1)["ids"] == [["a"]]
print(kith._lib.lib.path)
print(*sorted({line.split()[-1] for line in open("/proc/self/maps") if ".so" in line and "numpy" not in line}))'
if "$python" -c 'import numpy' 2>/dev/null; then
	cd "$stage"
	env -i PATH="$PATH" OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH="$stage/site" "$python" -c "$works" >loaded ||
		fail "the wheel's package does not work"
	for library in "$stage/site/kith/libkith.so.0" "$stage/site/kith/libs/libgomp.so.1"; do
		grep -qF "$library" loaded || fail "$library was not loaded, but: $(cat loaded)"
	done
else
	echo "not tried: import (no NumPy)"
fi

# In a virtual environment, which is where Debian's pip installs to. It sees the system's NumPy; no kith but its own.
if "$python" -m venv --system-site-packages "$stage/venv" >"$stage/log" 2>&1; then
	(cd "$source" && env -u PYTHONPATH "$stage/venv/bin/pip" install . --no-build-isolation --no-index --no-deps --quiet \
		--config-settings=build-dir="$build-wheel") >"$stage/log" 2>&1 || fail "pip install .: $(tail -20 "$stage/log")"
	site=$("$stage/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	grep -q '^Requires-External: libgomp.so.1$' "$site"/kith-*.dist-info/METADATA || fail "METADATA names no libraries"
	[ ! -e "$site/kith/libs" ] || fail "pip install . carries libraries along"
	cd "$stage"
	if "$stage/venv/bin/python" -c 'import numpy' 2>/dev/null; then
		env -i PATH="$PATH" OMP_NUM_THREADS=1 "$stage/venv/bin/python" -c "$works" >loaded ||
			fail "the package that pip installed does not work"
		head -n 1 loaded | grep -qxF "$site/kith/libkith.so.0" || fail "what was loaded is $(head -n 1 loaded)"
	fi
	env -i PATH="$PATH" "$stage/venv/bin/pip" uninstall --yes --quiet kith >"$stage/log" 2>&1 || fail "pip uninstall: $(cat "$stage/log")"
	[ ! -e "$site/kith" ] || fail "pip uninstall left $(find "$site/kith" | head -n 3)"
else
	echo "not tried: pip install . (no virtual environment can be made: $(tail -n 1 "$stage/log"))"
fi
echo "built and used $(basename "$wheel")"
