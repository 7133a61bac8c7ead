#!/usr/bin/env bash
# The Debian packages: built, checked by lintian, installed in a private mount namespace, used as the system's own, and
# removed without a trace.
#   usage: deb.sh SOURCE BUILD
# Exit status 77, skipped: without KITH_TEST_LONG=1, since the library is compiled anew; no debhelper; no namespace.
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
	[ "${KITH_TEST_LONG:-0}" = 1 ] || skip "KITH_TEST_LONG=1 builds the packages, which takes minutes"
	for tool in dh dh_python3 dpkg-buildpackage meson; do
		command -v $tool >/dev/null || skip "$tool is not installed"
	done
	[ "$(id -u)" = 0 ] || skip "packages are installed by root alone"
	unshare --mount sh -c 'mount -t tmpfs tmpfs /mnt' 2>/dev/null || skip "no private mount namespace can be made here"
	"$1/packaging/deb.sh" "$1" "$2/deb"
	exec env KITH_IN_NAMESPACE=yes unshare --mount "${BASH_SOURCE[0]}" "$@"
fi

source=$(cd "$1" && pwd)
build=$(cd "$2" && pwd)
work=$(mktemp -d)
mount -t tmpfs tmpfs "$work"
for dir in usr etc var; do
	mkdir -p "$work/$dir.upper" "$work/$dir.work"
	mount -t overlay overlay -o "lowerdir=/$dir,upperdir=$work/$dir.upper,workdir=$work/$dir.work" "/$dir" 2>/dev/null ||
		skip "no overlay can be mounted on /$dir"
done
# A kith of the machine's own must not help.
mount -t tmpfs tmpfs /usr/local
ldconfig

packages=(libkith0 libkith-dev kith python3-kith)
count=$(find "$build/deb" -name '*.deb' ! -name '*-dbgsym_*' | wc -l)
[ "$count" = 4 ] || fail "$count packages were built"
mapfile -t debs < <(find "$build/deb" -name '*.deb' ! -name '*-dbgsym_*')
dpkg --unpack "${debs[@]}" >"$work/log" 2>&1 || fail "unpacking: $(cat "$work/log")"
dpkg --configure "${packages[@]}" >"$work/log" 2>&1 || {
	if grep -q 'is not installed' "$work/log"; then skip "what the packages depend on is not installed: $(grep 'is not installed' "$work/log")"; fi
	fail "installing: $(cat "$work/log")"
}

clean() {
	env -i HOME="$work" PATH=/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 "$@"
}
cd "$work"
clean kith --version || fail "kith does not run"
for linking in '' --static; do
	# shellcheck disable=SC2016  # expanded by the inner shell
	clean sh -c 'cc "$1" -o first $(pkg-config $2 --cflags --libs kith)' sh "$source/examples/first.c" "$linking" ||
		fail "first.c does not build $linking"
	clean ./first | grep -q '^neighbour 1: vector 42, squared distance 0$' || fail "first.c does not run"
done
if command -v cmake >/dev/null; then
	{ clean cmake -S "$source/tests/install/cmake" -B cmake -DKITH_SOURCE="$source" && clean cmake --build cmake; } >"$work/log" 2>&1 ||
		fail "CMake: $(tail "$work/log")"
	for program in shared static; do
		clean "cmake/$program" | grep -q '^neighbour 1: vector 42, squared distance 0$' || fail "CMake, $program, does not run"
	done
else
	echo "not tried: CMake (not installed)"
fi
clean /usr/bin/python3 -c 'import kith, numpy as np
x = np.eye(4, dtype=np.float32)
index = kith.Index("Flat", dim=4)
index.add(x)
assert index.search(x, k=1)[1].ravel().tolist() == [0, 1, 2, 3]
docs = kith.Collection(":memory:")
docs.add(["a", "b"], [[1, 0], [0, 1]])
assert docs.query([[1, 0]], 1)["ids"] == [["a"]]
assert kith.__file__.startswith("/usr/lib/python3/dist-packages/"), kith.__file__' || fail "import kith"
[ -f /usr/share/man/man1/kith.1.gz ] || fail "there is no manual page"

# What completes it lies where each shell looks by itself, and loads.
completions=()
# check_completion SHELL FILE COMMAND…: prints "kith" and more, or nothing.
check_completion() {
	local shell=$1 file=$2
	shift 2
	[ -f "$file" ] || fail "there is no completion for $shell"
	if command -v "$shell" >/dev/null; then
		clean "$@" 2>&1 | grep -q '^convert' || fail "$shell does not complete kith: $(clean "$@" 2>&1)"
		completions+=("$shell")
	else
		echo "not tried: completion in $shell (not installed)"
	fi
}
# shellcheck disable=SC2016  # expanded by the inner shells
{
	check_completion bash /usr/share/bash-completion/completions/kith.bash bash --norc -c \
		'if [ -f /usr/share/bash-completion/bash_completion ]; then
			. /usr/share/bash-completion/bash_completion && { _completion_loader kith || true; }
		else
			. /usr/share/bash-completion/completions/kith.bash
		fi
		complete -p kith >/dev/null && COMP_WORDS=(kith conv) COMP_CWORD=1 && _kith && echo "${COMPREPLY[@]}"'
	check_completion zsh /usr/share/zsh/vendor-completions/_kith zsh -f -c \
		'autoload -Uz compinit && compinit -u -D && [[ $_comps[kith] = _kith ]] && autoload -Uz +X _kith &&
			[[ $functions[_kith] = *convert:* ]] && echo convert'
	check_completion fish /usr/share/fish/vendor_completions.d/kith.fish fish -c 'complete -C "kith conv"'
}

dpkg -L "${packages[@]}" | sort -u | while IFS= read -r path; do [ -d "$path" ] || echo "$path"; done >files
dpkg --purge "${packages[@]}" >"$work/log" 2>&1 || fail "removing: $(cat "$work/log")"
while IFS= read -r path; do [ ! -e "$path" ] || fail "$path was left behind"; done <files
[ ! -e /usr/lib/python3/dist-packages/kith ] || fail "the Python package left something behind"
if clean sh -c 'command -v kith'; then fail "kith is still there"; fi
echo "built, installed, used and removed ${packages[*]}: $(wc -l <files) files"
