#!/usr/bin/env bash
# Build Debian packages from a copy of the sources in BUILD; they end up in BUILD, with lintian's opinion of them.
#   usage: deb.sh SOURCE BUILD
set -euo pipefail
source=$(cd "$1" && pwd)
mkdir -p "$2"
build=$(cd "$2" && pwd)
version=$(sed -n "s/^ *version: '\(.*\)',$/\1/p" "$source/meson.build" | head -n 1)
tree=$build/kith-$version

rm -rf "$tree" "$build"/*.deb "$build"/*.buildinfo "$build"/*.changes
mkdir -p "$tree"
cd "$source"
# What git keeps; outside of a clone, everything but build directories.
if git rev-parse --git-dir >/dev/null 2>&1; then
	git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
		[ ! -f "$file" ] || printf '%s\0' "$file"
	done
else
	find . -path './build*' -prune -o -path ./.git -prune -o -path ./dist -prune -o -type f -print0
fi | tar -c --null -T - | tar -x -C "$tree"
cp -a "$tree/packaging/debian" "$tree/debian"

# The newest commit's time, so that the same sources give the same packages.
when=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
sed -e "s/@VERSION@/$version/" -e "s/@DATE@/$(LC_ALL=C date -u -R -d "@$when")/" "$tree/debian/changelog.in" \
	>"$tree/debian/changelog"
awk -v license="$tree/LICENSE" '
	/^@COPYRIGHT@$/ { while ((getline line < license) > 0) if (line ~ /^Copyright/) {
		sub(/^Copyright *(\(c\))? */, "", line); print "Copyright: " line }; close(license); next }
	/^@LICENSE@$/ { while ((getline line < license) > 0) { if (line ~ /^(MIT License|Copyright)/) continue
		if (line == "" && !begun) continue
		begun = 1; print " " (line == "" ? "." : line) }; next }
	{ print }' "$tree/debian/copyright.in" >"$tree/debian/copyright"
rm "$tree/debian/changelog.in" "$tree/debian/copyright.in"

cd "$tree"
root=()
[ "$(id -u)" = 0 ] || root=(--root-command=fakeroot)
# Without packages of debugging symbols: `apt install ./*.deb` is to take what there is.
export DEB_BUILD_OPTIONS="noautodbgsym ${DEB_BUILD_OPTIONS:-}"
dpkg-buildpackage --build=binary --no-sign "${root[@]}" >"$build/build.log" 2>&1 || {
	tail -n 40 "$build/build.log" >&2
	echo "deb: dpkg-buildpackage failed; all it said is in $build/build.log" >&2
	exit 1
}
cd "$build"
rm -rf "$tree"
if command -v lintian >/dev/null; then
	lintian --allow-root --fail-on error,warning ./*.changes >lintian.log 2>&1 || {
		cat lintian.log >&2
		exit 1
	}
	cat lintian.log
else
	echo "lintian is not installed: the packages were not checked" >&2
fi
ls "$build"/*.deb
