#!/usr/bin/env bash
# README's `meson install -C build`, into /usr/local of a private mount namespace: afterwards `kith`, a compiled first.c
# and `import kith` work, with nothing said to the loader, to pkg-config or to Python.
#   usage: local.sh SOURCE BUILD [PYTHON PACKAGE]
# Exit status 77, skipped: no namespace can be made, or kith is to be installed elsewhere.
set -euo pipefail
skip() {
	echo "skipped: $*"
	exit 77
}
fail() {
	echo "FAILED: $*" >&2
	exit 1
}

if [ "${KITH_IN_NAMESPACE:-}" != yes ]; then
	grep -q '^prefix=/usr/local$' "$2/meson-private/kith.pc" || skip "the prefix is not /usr/local"
	ns=(unshare --mount)
	[ "$(id -u)" = 0 ] || ns=(unshare --map-root-user --mount)
	"${ns[@]}" sh -c 'mount -t tmpfs tmpfs /usr/local' 2>/dev/null || skip "no private mount namespace can be made here"
	exec env KITH_IN_NAMESPACE=yes "${ns[@]}" "${BASH_SOURCE[0]}" "$@"
fi

source=$(cd "$1" && pwd)
build=$(cd "$2" && pwd)
python=${3:-}
package=${4:-}
# What is in /usr/local stays reachable by its old path only if the build needs it: ours does not. The loader's cache
# is written beside its file, so all of /etc is a copy.
work=$(mktemp -d)
mount -t tmpfs tmpfs "$work"
cp -a /etc "$work/etc" 2>/dev/null || true
meson=$(command -v meson)
case $meson in /usr/local/*) skip "meson itself is in /usr/local" ;; esac
mount --bind "$work/etc" /etc
mount -t tmpfs tmpfs /usr/local
if [ -d /var/cache/ldconfig ]; then mount -t tmpfs tmpfs /var/cache/ldconfig; fi

"$meson" install -C "$build" --no-rebuild --quiet >"$work/install.log" 2>&1 || fail "meson install: $(cat "$work/install.log")"

# As in a new shell: nothing of this one's environment.
clean() {
	env -i HOME="$work" PATH=/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 "$@"
}
cd "$work"
clean kith --version || fail "kith does not run"
# shellcheck disable=SC2016  # expanded by the inner shell
clean sh -c 'cc "$1" -o first $(pkg-config --cflags --libs kith)' sh "$source/examples/first.c" || fail "first.c does not build"
clean ./first | grep -q '^neighbour 1: vector 42, squared distance 0$' || fail "first.c does not run"
readelf -d first | grep -E 'R(UN)?PATH' && fail "first.c was helped by an rpath"
if [ -f "$build/tools/kith.1" ]; then
	[ -f /usr/local/share/man/man1/kith.1 ] || fail "the manual page is elsewhere"
fi
if [ -z "$package" ]; then
	echo "not tried: Python (no package)"
elif [ "${package#/usr/local/}" = "$package" ]; then
	echo "not tried: Python ($python is not the system's: its packages are in $package)"
elif ! clean "$python" -c 'import numpy' 2>/dev/null; then
	echo "not tried: Python (no NumPy)"
else
	clean "$python" -c 'import kith, numpy as np
x = np.eye(4, dtype=np.float32)
index = kith.Index("Flat", dim=4)
index.add(x)
assert index.search(x, k=1)[1].ravel().tolist() == [0, 1, 2, 3]
assert kith.__file__.startswith("/usr/local/") and kith._lib.lib.path.startswith("/usr/local/"), kith._lib.lib.path' ||
		fail "import kith"
fi
if command -v cmake >/dev/null; then
	clean cmake -S "$source/tests/install/cmake" -B cmake -DKITH_SOURCE="$source" >cmake.log 2>&1 || fail "CMake: $(tail cmake.log)"
fi
echo "meson install: kith, first.c and the Python package work from /usr/local"
