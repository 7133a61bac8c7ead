#!/usr/bin/env bash
# kith as a subproject of a user's Meson project: only the library is configured, and with KITH_TEST_LONG built and used.
#   usage: subproject.sh SOURCE PYTHON
set -euo pipefail
source=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

mkdir "$work/subprojects"
ln -s "$source" "$work/subprojects/kith"
cp "$source/tests/install/subproject/meson.build" "$source/examples/first.c" "$work"
for kind in static shared; do
	meson setup "$work/$kind" "$work" --wrap-mode=forcefallback -Ddefault_library=$kind >"$work/setup.log" 2>&1 ||
		fail "$kind: $(tail -20 "$work/setup.log")"
	meson introspect "$work/$kind" --targets >"$work/targets.json"
	"$2" - "$work/targets.json" <<-'END' || fail "$kind: more than the library is built"
		import json, sys
		kinds = {t["name"]: t["type"] for t in json.load(open(sys.argv[1]))}
		programs = sorted(name for name, kind in kinds.items() if kind == "executable")
		sys.exit(0 if programs == ["first"] and "tests" not in kinds else f"programs: {programs}")
	END
	[ "$(meson introspect "$work/$kind" --tests)" = '[]' ] || fail "$kind: tests come along"
	[ "${KITH_TEST_LONG:-0}" = 1 ] || continue
	ninja -C "$work/$kind" >"$work/build.log" 2>&1 || fail "$kind: $(tail -20 "$work/build.log")"
	"$work/$kind/first" | grep -q '^neighbour 1: vector 42, squared distance 0$' || fail "$kind: first.c"
done
[ "${KITH_TEST_LONG:-0}" = 1 ] || echo "configured only; KITH_TEST_LONG=1 also builds it"
