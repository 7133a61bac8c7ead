#!/usr/bin/env bash
# Install kith as a package would, and build against it as its users would: from C and C++, shared and
# static, by pkg-config alone. Also: README's program is examples/first.c, and nothing but the public
# names leaves the shared library.
#   usage: install.sh SOURCE BUILD
set -euo pipefail
source=$(cd "$1" && pwd)
build=$(cd "$2" && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

meson install -C "$build" --no-rebuild --quiet --destdir "$stage" >/dev/null
pc=$(find "$stage" -name kith.pc)
[ -n "$pc" ] || fail "no kith.pc was installed"
prefix=$(sed -n 's/^prefix=//p' "$pc")
libs=$(dirname "$(dirname "$pc")")
# DESTDIR moves files but not what they say.
sed -i "s|^prefix=.*|prefix=$stage$prefix|" "$pc"
export PKG_CONFIG_PATH=$libs/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}

# --- what is there -------------------------------------------------------------------------------
for file in include/kith/kith.h bin/kith; do
	[ -f "$stage$prefix/$file" ] || fail "$file was not installed"
done
foreign=$(nm -D --defined-only "$libs/libkith.so" | awk '$3 !~ /^kith_/ && $3 !~ /^(_init|_fini)$/ {print $3}')
[ -z "$foreign" ] || fail "libkith.so exports $foreign"
version=$(pkg-config --modversion kith)
if [ -f "$build/tools/kith.1" ]; then
	[ -n "$(find "$stage" -path '*/man1/kith.1')" ] || fail "kith.1 was not installed"
fi

# --- C, shared ------------------------------------------------------------------------------------
read -r -a cflags <<<"$(pkg-config --cflags kith)"
read -r -a shared <<<"$(pkg-config --libs kith)"
read -r -a static <<<"$(pkg-config --static --libs kith)"
warn=(-Wall -Wextra -Werror -pedantic)
export LD_LIBRARY_PATH=$libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

cc -std=c17 "${warn[@]}" "$source/examples/first.c" "${cflags[@]}" -o "$stage/first" "${shared[@]}"
"$stage/first" >"$stage/first.txt" || fail "examples/first.c, shared"
grep -q '^neighbour 1: vector 42, squared distance 0$' "$stage/first.txt" ||
	fail "examples/first.c did not find vector 42: $(cat "$stage/first.txt")"
"$stage$prefix/bin/kith" --version | grep -qF "$version" || fail "bin/kith --version is not $version"

# --- C++ ------------------------------------------------------------------------------------------
if command -v c++ >/dev/null; then
	for standard in c++11 c++20; do
		c++ -std=$standard "${warn[@]}" "$source/tests/install/first.cc" "${cflags[@]}" -o "$stage/first_cc" \
			"${shared[@]}"
		"$stage/first_cc" || fail "first.cc, $standard"
	done
else
	echo "no C++ compiler: C++ not tried"
fi

# --- Python: the package finds the library beside it, wherever both were moved ---------------------
package=$(find "$stage" -path '*/kith/__init__.py')
if [ -n "$package" ]; then
	loaded=$(env -u LD_LIBRARY_PATH -u KITH_LIBRARY PYTHONDONTWRITEBYTECODE=1 \
		PYTHONPATH="$(dirname "$(dirname "$package")")" \
		/usr/bin/env "${PYTHON:-python3}" -c 'import kith; print(kith._lib.lib.path)') || fail "import kith"
	[ "${loaded#"$stage"}" != "$loaded" ] || fail "the installed package loads $loaded"
fi

# --- each header by itself ------------------------------------------------------------------------
for header in "$stage$prefix"/include/kith/*.h; do
	echo "#include <kith/$(basename "$header")>" |
		cc -std=c17 "${warn[@]}" "${cflags[@]}" -x c -fsyntax-only - || fail "$(basename "$header") alone"
done

# --- C, static: without the shared library there is only the other one -----------------------------
rm "$libs"/libkith.so*
# OpenBLAS lists what its own static library needs. The shared one, which is taken here, does not.
echo 'int main(void) { return 0; }' | cc -x c - -lgfortran -o "$stage/empty" 2>/dev/null ||
	static=("${static[@]/#-lgfortran/}")
for i in "${!static[@]}"; do [ -n "${static[i]}" ] || unset "static[i]"; done
cc -std=c17 "${warn[@]}" "$source/examples/first.c" "${cflags[@]}" -o "$stage/first_static" "${static[@]}"
"$stage/first_static" | cmp - "$stage/first.txt" || fail "examples/first.c, static, answers something else"

# --- README shows the program that was just tried ---------------------------------------------------
awk '/^```c$/ {on = 1; next} /^```$/ {if (on) exit} on' "$source/README.md" | cmp - "$source/examples/first.c" ||
	fail "README.md's program is not examples/first.c"
echo "installed, linked and ran kith $version: C and C++, shared and static"
