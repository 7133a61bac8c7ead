#!/bin/sh
# Make a static library of one object that shows its public symbols alone.
#   usage: one_object.sh OUTPUT.a INPUT.a OBJCOPY AR COMPILER…
# The linker joins all objects of INPUT into one (-r); then what was compiled with hidden visibility is made local.
set -eu
output=$1
input=$2
objcopy=$3
ar=$4
shift 4
object=$output.p/kith.o
mkdir -p "$output.p"
rm -f "$output" "$object"
"$@" -r -nostdlib -Wl,--whole-archive "$input" -Wl,--no-whole-archive -o "$object"
"$objcopy" --localize-hidden "$object"
"$ar" crs "$output" "$object"
