#!/usr/bin/env bash
# What `./run demo` shows: make vectors, find neighbours, and check them by brute force in pure Python.
#   usage: demo.sh BUILD
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kith=$(cd "$1" && pwd)/tools/kith
first=$(cd "$1" && pwd)/examples/first
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
cd "$data"

show() {
	local command=${*/#"$kith"/kith}
	if [ -t 1 ]; then printf '\n\033[1m$ %s\033[0m\n' "$command"; else printf '\n$ %s\n' "$command"; fi
	"$@"
}

show "$kith" gen --n 50000 --dim 64 --queries 50 --out .
show "$kith" knn base.fvecs query.fvecs -k 10 --ids found.ivecs --distances found.fvecs
printf '\nChecking all of it by brute force, in Python and double precision ...\n'
python3 "$here/brute.py" base.fvecs query.fvecs found.ivecs found.fvecs truth.ivecs
show "$kith" eval found.ivecs truth.ivecs -k 1,10

printf '\nThe same from C, examples/first.c:\n'
"$first"
printf '\nIt works: kith is built, and its answers are exact.\n'
