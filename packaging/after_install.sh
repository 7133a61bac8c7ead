#!/bin/sh
# After `meson install`: let the loader know of the new library, or say what a program needs to find it.
#   usage: after_install.sh LIBDIR
# Into a staging directory (DESTDIR) nothing is to be done: a package's own scripts do that where it is installed.
set -eu
libdir=$1
[ -z "${DESTDIR:-}" ] || exit 0
[ "$(uname -s)" = Linux ] || exit 0
ldconfig=$(PATH=$PATH:/sbin:/usr/sbin command -v ldconfig) || exit 0

if [ "$(id -u)" = 0 ]; then
	"$ldconfig" || echo "kith: ldconfig failed: the loader may not find $libdir/libkith.so.0 yet" >&2
fi
case $("$ldconfig" -p 2>/dev/null) in
*"$libdir/libkith.so.0"*) ;;
*)
	echo "kith: the loader does not look in $libdir. The program kith and the Python package find the library" >&2
	echo "there by themselves; link your own programs with -Wl,-rpath,$libdir, or set LD_LIBRARY_PATH=$libdir" >&2
	;;
esac
