#!/usr/bin/env bash
# Make a 64-bit Arm system root in DIR from Debian's packages, without touching the host's own package
# state: apt is given lists and a status file of its own, what it would install is only downloaded, and
# dpkg-deb unpacks it.
#   usage: sysroot.sh DIR PACKAGE…
set -euo pipefail
root=$(mkdir -p "$1" && cd "$1" && pwd)
shift

apt=$root.apt
mkdir -p "$apt/lists/partial" "$apt/archives/partial"
: >"$apt/status"
options=(-q -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State::Lists="$apt/lists"
	-o Dir::State::status="$apt/status" -o Dir::Cache="$apt" -o Dir::Cache::archives="$apt/archives"
	-o Debug::NoLocking=1 -o APT::Sandbox::User=root -o APT::Install-Recommends=no)

apt-get "${options[@]}" update
apt-get "${options[@]}" --download-only -y install "$@"
for package in "$apt"/archives/*.deb; do
	dpkg-deb -x "$package" "$root"
done

# Debian's packages choose a BLAS by symbolic links that only an installation makes.
lib=$root/usr/lib/aarch64-linux-gnu
for file in "$lib"/openblas-*/pkgconfig/openblas.pc; do
	[ ! -f "$file" ] || cp "$file" "$lib/pkgconfig/"
done
# Absolute links would lead out of the root.
find "$root" -type l -lname '/*' | while read -r link; do
	ln -sfr "$root$(readlink "$link")" "$link"
done
rm -rf "$apt"
touch "$root/.complete"
