#!/usr/bin/env bash
# Cross-build kith for 64-bit Arm in BUILD and run the tests under QEMU's user-mode emulation.
#   usage: run.sh BUILD [ARGUMENTS OF meson test]
# Needs aarch64-linux-gnu-gcc and qemu-aarch64 (`./run test-arm` sees to that) and Debian's arm64 packages.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
build=$1
shift
mkdir -p "$build"
build=$(cd "$build" && pwd)
root=$build/sysroot

if [ ! -f "$root/.complete" ]; then
	rm -rf "$root"
	bash "$here/sysroot.sh" "$root" libc6-dev libgomp1 libopenblas-dev libxxhash-dev check libjansson-dev \
		>"$build/sysroot.log" 2>&1 || {
		tail -5 "$build/sysroot.log" >&2
		echo "The package sources of this system have no arm64 packages." >&2
		exit 1
	}
fi

qemu=$(command -v qemu-aarch64 || command -v qemu-aarch64-static)
lib=$root/usr/lib/aarch64-linux-gnu
cat >"$build/cross.ini" <<END
[binaries]
c = ['aarch64-linux-gnu-gcc', '--sysroot=$root']
ar = 'aarch64-linux-gnu-ar'
strip = 'aarch64-linux-gnu-strip'
objcopy = 'aarch64-linux-gnu-objcopy'
pkgconfig = 'pkg-config'
exe_wrapper = ['$qemu', '-L', '$root', '-E', 'LD_LIBRARY_PATH=$lib/openblas-pthread']

[properties]
sys_root = '$root'
pkg_config_libdir = '$lib/pkgconfig'

[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'armv8-a'
endian = 'little'
END

if [ ! -f "$build/build.ninja" ]; then
	meson setup "$build" --cross-file "$build/cross.ini" -Dbenchmarks=false -Dhdf5=disabled
fi
ninja -C "$build"
rm -f "$build"/meson-logs/testlog*.json
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} OMP_WAIT_POLICY=passive
rc=0
meson test -C "$build" --no-rebuild --print-errorlogs --timeout-multiplier 10 "${@:---no-suite=slow}" || rc=$?
python3 "$here/../count.py" "$build"/meson-logs/testlog*.json || rc=1
exit $rc
