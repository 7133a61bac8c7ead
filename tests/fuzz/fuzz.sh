#!/usr/bin/env bash
# Run the fuzz targets of BUILD, MINUTES in all, each for its share of the time.
#   usage: fuzz.sh BUILD MINUTES
# New inputs collect in BUILD/corpus/TARGET and are kept for the next time; the regression corpus seeds them.
# What crashes a target is saved in BUILD/crashes: once it is fixed it belongs into tests/fuzz/corpus/TARGET.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$1" && pwd)
minutes=$2

targets=()
for source in "$here"/fuzz_*.c; do
	name=$(basename "$source" .c)
	if [ -x "$build/tests/fuzz/$name" ]; then
		targets+=("$name")
	else
		echo "$name was not built, and does not run (fuzz_sql: without SQLite)"
	fi
done
[ ${#targets[@]} -gt 0 ] || { echo "no fuzz targets" >&2; exit 1; }

seconds=$((minutes * 60 / ${#targets[@]}))
crashed=()
export OMP_NUM_THREADS=1
export ASAN_OPTIONS=${ASAN_OPTIONS:-allocator_may_return_null=1}
mkdir -p "$build/corpus/fuzz_index"
"$build/tests/fuzz/seeds_index" "$build/corpus/fuzz_index"
for name in "${targets[@]}"; do
	echo "== $name, $seconds s"
	mkdir -p "$build/corpus/$name" "$build/crashes" "$here/corpus/$name"
	# Seeds that the build made.
	if [ "$name" = fuzz_faiss ]; then
		cp "$build"/tests/fuzz/*.faiss "$build/corpus/$name/"
	fi
	"$build/tests/fuzz/$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$build/crashes/$name-" "$build/corpus/$name" "$here/corpus/$name" \
		>"$build/$name.log" 2>&1 || crashed+=("$name")
	grep -E '^(stat::|SUMMARY|==.*ERROR)' "$build/$name.log" || true
done
if [ ${#crashed[@]} -gt 0 ]; then
	echo "crashed: ${crashed[*]} (inputs in $build/crashes, output in $build/fuzz_*.log)" >&2
	exit 1
fi
echo "${#targets[@]} targets, no crash"
