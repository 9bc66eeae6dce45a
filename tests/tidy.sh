#!/bin/sh
# tidy.sh CLANG-TIDY FLAG... FILE: check one file, silent when it is clean.
set -eu
tidy=$1
shift
for file in "$@"; do :; done
count=$#
while [ "$count" -gt 1 ]; do
	set -- "$@" "$1"
	shift
	count=$((count - 1))
done
shift
if ! out=$("$tidy" --quiet --warnings-as-errors='*' "$file" -- "$@" 2>&1); then
	printf '%s\n' "$out" >&2
	exit 1
fi
