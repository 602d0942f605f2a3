#!/bin/sh
# SPDX-License-Identifier: MIT
# reproducible.sh: `make check-reproducible`: the same sources give the same bytes, wherever and whenever they are built:
# once as usual; once in a folder with another name that is reached through a link, into a third folder (O=), by files of
# another age, in another year (with faketime, where it is), language, zone and umask. Several minutes of compiling.
set -eu
make=${MAKE:-make}
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-reproducible.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
first=$dir/first
second="$dir/the second, which has a longer name"
result=$dir/objects
export CCACHE_DISABLE=1 # what comes out of a cache proves nothing

for copy in "$first" "$second"; do
    mkdir "$copy"
    cp -R Makefile CHANGELOG.md include python src examples tests tools weights "$copy"
    rm -rf "$copy/examples/bin" "$copy/tests/bin"
done
find "$second" -exec touch -d '2020-02-02 02:02:02' {} +
ln -s "$second" "$dir/link"
year='faketime -f +1000d'
command -v faketime >/dev/null || { year=; echo "without faketime (Debian: faketime): both in this year"; }

"$make" -C "$first" CONFIG=release O= all install DESTDIR="$dir/root 1" PREFIX=/usr >"$dir/log" 2>&1 || { tail -n 40 "$dir/log"; exit 1; }
(
    cd "$dir/link"
    umask 077
    # shellcheck disable=SC2086 # a command and its options, or nothing
    LC_ALL=C.UTF-8 TZ=Asia/Kathmandu $year "$make" CONFIG=release O="$result" all install DESTDIR="$dir/root 2" PREFIX=/usr >"$dir/log" 2>&1
) || { tail -n 40 "$dir/log"; exit 1; }

count=0 different=0
# same FOLDER1 FOLDER2: all files of either are in both.
same() {
    { (cd "$1" && find . ! -type d); (cd "$2" && find . ! -type d); } | sort -u >"$dir/names"
    while read -r name; do
        count=$((count + 1))
        cmp "$1/$name" "$2/$name" || different=$((different + 1))
    done <"$dir/names"
}
same "$first/lib" "$result/lib"
same "$first/examples/bin" "$result/examples/bin"
same "$dir/root 1" "$dir/root 2"
echo "reproducible: $count files compared, $different differ"
[ "$different" -eq 0 ]
