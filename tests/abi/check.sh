#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh RECORDS HEADER LIBRARY: compares an interface with the newest one on record in that folder. The header's facts
# are compared with those of the recorded header, and what abidw sees in the library with what it saw then, where abidw
# and debug information are. Prints each difference: broken, added, or abidiff's own words. 1: there are some.
set -u
export LC_ALL=C
records=$1 header=$2 library=$3
here=$(dirname "$0")
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-abi.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
wrong=0

record=$(printf "%s\n" "$records"/convnet-*.h | sort -V | tail -n 1)
"$here/facts.sh" "$record" >"$dir/recorded" && "$here/facts.sh" "$header" >"$dir/found" || exit 1
awk -f "$here/difference.awk" "$dir/recorded" "$dir/found" >"$dir/difference"
[ ! -s "$dir/difference" ] || { wrong=1; cat "$dir/difference"; }

"$here/abidw.sh" "$library" "$(dirname "$header")" >"$dir/library.abi"
case $? in
0)  abidiff --no-architecture --harmless "${record%.h}.abi" "$dir/library.abi" >"$dir/abidiff" || { wrong=1; cat "$dir/abidiff"; }
    how=", and of $library by abidiff" ;;
3)  how="; the library's skipped: $(cat "$dir/library.abi")" ;;
*)  exit 1 ;;
esac
[ "$wrong" = 0 ] || exit 1
echo "abi: $(wc -l <"$dir/found") facts of $header are those of $record$how"
