#!/usr/bin/env bash
# Install kith into a staging directory as a package would, and build against it as its users would: from C and C++,
# shared and static, by pkg-config alone, and by CMake. Also: README's program is examples/first.c, and nothing but the
# public names leaves either library.
#   usage: install.sh SOURCE BUILD
set -euo pipefail
source=$(cd "$1" && pwd)
build=$(cd "$2" && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
warn=(-Wall -Wextra -Werror -pedantic)
left_out=()

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
version=$(pkg-config --modversion kith)
for file in bash-completion/completions/kith.bash zsh/site-functions/_kith fish/vendor_completions.d/kith.fish; do
	[ ! -e "$build/tools/kith.bash" ] || [ -n "$(find "$stage" -path "*/share/$file")" ] || fail "$file was not installed"
done
if [ -f "$build/tools/kith.1" ]; then
	[ -n "$(find "$stage" -path '*/man1/kith.1')" ] || fail "kith.1 was not installed"
fi
env -u LD_LIBRARY_PATH "$stage$prefix/bin/kith" --version | grep -qF "$version" ||
	fail "bin/kith --version is not $version"

# --- what programs see of it: public names, and few libraries -----------------------------------------
foreign=$(nm -D --defined-only "$libs/libkith.so" | awk '$3 !~ /^kith_/ && $3 !~ /^(_init|_fini)$/ {print $3}')
[ -z "$foreign" ] || fail "libkith.so exports $foreign"
foreign=$(nm -g --defined-only "$libs/libkith.a" | awk 'NF == 3 && $3 !~ /^kith_/ {print $3}')
[ -z "$foreign" ] || fail "libkith.a exports $foreign"
nm -D --defined-only "$libs/libkith.so" | awk '$3 ~ /^kith_/ {print $3}' | sort >"$stage/shared.names"
nm -g --defined-only "$libs/libkith.a" | awk 'NF == 3 {print $3}' | sort | cmp - "$stage/shared.names" ||
	fail "libkith.a and libkith.so export different functions"
if ldd "$libs/libkith.so" | grep -E 'hdf5|curl|krb5|ldap'; then fail "libkith.so is linked to what few programs need"; fi

[ "$(pkg-config --cflags kith | xargs)" = "-I$stage$prefix/include" ] ||
	fail "pkg-config --cflags says $(pkg-config --cflags kith)"
[ "$(pkg-config --libs kith | xargs)" = "-L$libs -lkith" ] || fail "pkg-config --libs says $(pkg-config --libs kith)"

# --- C, shared ------------------------------------------------------------------------------------
read -r -a cflags <<<"$(pkg-config --cflags kith)"
read -r -a shared <<<"$(pkg-config --libs kith)"
read -r -a static <<<"$(pkg-config --static --libs kith)"
export LD_LIBRARY_PATH=$libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

cc -std=c17 "${warn[@]}" "$source/examples/first.c" "${cflags[@]}" -o "$stage/first" "${shared[@]}"
"$stage/first" >"$stage/first.txt" || fail "examples/first.c, shared"
grep -q '^neighbour 1: vector 42, squared distance 0$' "$stage/first.txt" ||
	fail "examples/first.c did not find vector 42: $(cat "$stage/first.txt")"

# --- C++ ------------------------------------------------------------------------------------------
if command -v c++ >/dev/null; then
	for standard in c++11 c++20; do
		c++ -std=$standard "${warn[@]}" "$source/tests/install/first.cc" "${cflags[@]}" -o "$stage/first_cc" \
			"${shared[@]}"
		"$stage/first_cc" || fail "first.cc, $standard"
	done
else
	left_out+=("C++ (no compiler)")
fi

# --- Python: the package finds the library beside it, wherever both were moved ---------------------
package=$(find "$stage" -path '*/kith/__init__.py')
if [ -n "$package" ] && "${PYTHON:-python3}" -c 'import numpy' 2>/dev/null; then
	loaded=$(env -u LD_LIBRARY_PATH -u KITH_LIBRARY PYTHONDONTWRITEBYTECODE=1 \
		PYTHONPATH="$(dirname "$(dirname "$package")")" \
		/usr/bin/env "${PYTHON:-python3}" -c 'import kith; print(kith._lib.lib.path)') || fail "import kith"
	[ "${loaded#"$stage"}" != "$loaded" ] || fail "the installed package loads $loaded"
else
	left_out+=("Python (no package, or no NumPy)")
fi

# --- each header by itself ------------------------------------------------------------------------
for header in "$stage$prefix"/include/kith/*.h; do
	echo "#include <kith/$(basename "$header")>" |
		cc -std=c17 "${warn[@]}" "${cflags[@]}" -x c -fsyntax-only - || fail "$(basename "$header") alone"
done

# --- CMake ----------------------------------------------------------------------------------------
if command -v cmake >/dev/null; then
	{
		cmake -S "$source/tests/install/cmake" -B "$stage/cmake" -DKITH_SOURCE="$source" \
			-DCMAKE_PREFIX_PATH="$stage$prefix" && cmake --build "$stage/cmake"
	} >"$stage/cmake.log" 2>&1 || fail "CMake: $(tail -20 "$stage/cmake.log")"
	for program in shared static; do
		"$stage/cmake/$program" | cmp - "$stage/first.txt" || fail "CMake, $program, answers something else"
	done
	if cmake -S "$source/tests/install/cmake" -B "$stage/cmake2" -DKITH_SOURCE="$source" -DKITH_WANTED=99 \
		-DCMAKE_PREFIX_PATH="$stage$prefix" >"$stage/cmake.log" 2>&1; then
		fail "CMake took kith $version for version 99"
	fi
else
	left_out+=("CMake (not installed)")
fi

# --- C, static: without the shared library there is only the other one -----------------------------
rm "$libs"/libkith.so*
cc -std=c17 "${warn[@]}" "$source/examples/first.c" "${cflags[@]}" -o "$stage/first_static" "${static[@]}"
"$stage/first_static" | cmp - "$stage/first.txt" || fail "examples/first.c, static, answers something else"

# A program may have functions of its own under every name that is used inside.
nm -g --defined-only "$build/lib/libkith-internal.a" | awk 'NF == 3 && $3 !~ /^kith_/ {print $3}' | sort -u >"$stage/internal"
grep -qx fail "$stage/internal" || fail "no internal name was found: what is this test about?"
sed 's/.*/int &(void); int &(void) { return 42; }/' "$stage/internal" >"$stage/names.c"
cc -std=c17 -fno-builtin -w "$stage/names.c" "$source/examples/first.c" "${cflags[@]}" -o "$stage/names" "${static[@]}" ||
	fail "a program with names of its own does not link"
"$stage/names" | cmp - "$stage/first.txt" || fail "a program with names of its own answers something else"

if echo 'int main(void) { return 0; }' | cc -static -x c - -lgomp -o "$stage/empty" 2>/dev/null; then
	cc -static -std=c17 -Wall "$source/examples/first.c" "${cflags[@]}" -o "$stage/first_all" "${static[@]}" \
		2>"$stage/static.log" || fail "-static: $(cat "$stage/static.log")"
	"$stage/first_all" | cmp - "$stage/first.txt" || fail "examples/first.c, -static, answers something else"
else
	left_out+=("-static (no static OpenMP)")
fi

# --- README shows the program that was just tried ---------------------------------------------------
awk '/^```c$/ {on = 1; next} /^```$/ {if (on) exit} on' "$source/README.md" | cmp - "$source/examples/first.c" ||
	fail "README.md's program is not examples/first.c"
echo "installed, linked and ran kith $version: C and C++, shared and static"
for what in "${left_out[@]}"; do echo "not tried: $what"; done
