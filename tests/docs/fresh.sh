#!/usr/bin/env bash
# The newcomer's way: docs/getting-started.md, README.md and docs/python.md from their first command to their last, in a copy
# of the sources in which nothing is built, with a /usr/local and a home of its own.
#   usage: fresh.sh SOURCE PYTHON [PAGE-TEST…]
# Exit status 77, skipped: without KITH_TEST_LONG=1, since the library is compiled twice; no namespace; not root.
set -euo pipefail
skip() {
	echo "skipped: $*"
	exit 77
}

if [ "${KITH_IN_NAMESPACE:-}" != yes ]; then
	[ "${KITH_TEST_LONG:-0}" = 1 ] || skip "KITH_TEST_LONG=1 builds as a newcomer does, which takes minutes"
	[ "$(id -u)" = 0 ] || skip "meson install into /usr/local is for root alone"
	unshare --mount sh -c 'mount -t tmpfs tmpfs /usr/local' 2>/dev/null || skip "no private mount namespace can be made here"
	exec env KITH_IN_NAMESPACE=yes unshare --mount "${BASH_SOURCE[0]}" "$@"
fi

source=$(cd "$1" && pwd)
python=$2
shift 2
[ $# -gt 0 ] || set -- Pages.test_docs_getting_started_md Pages.test_readme_md Pages.test_docs_python_md
case $(command -v meson) in /usr/local/*) skip "meson itself is in /usr/local" ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/home" "$work/kith" "$work/etc"
cd "$source"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
	[ ! -f "$file" ] || printf '%s\0' "$file"
done | tar -c --null -T - | tar -x -C "$work/kith"

# The loader's cache is written beside its file.
cp -a /etc/. "$work/etc" 2>/dev/null || true
mount --bind "$work/etc" /etc
mount -t tmpfs tmpfs /usr/local
if [ -d /var/cache/ldconfig ]; then mount -t tmpfs tmpfs /var/cache/ldconfig; fi
ldconfig
cd "$work/kith"
env -u PKG_CONFIG_PATH -u LD_LIBRARY_PATH -u PYTHONPATH KITH_FRESH="$work/kith" KITH_SOURCE_ROOT="$work/kith" HOME="$work/home" \
	PYTHON="$python" CCACHE_DISABLE=1 "$python" tests/docs/test_pages.py -v "$@"
