#!/bin/sh
# SPDX-License-Identifier: MIT
# accept.sh RECORDS HEADER LIBRARY: `make abi-accept`: puts an interface on record, as that of the version which the
# header names, if nothing is gone and nothing has changed. What is taken back nevertheless, before a release or with
# another SONAME, is said by BREAKING=yes.
set -eu
export LC_ALL=C
records=$1 header=$2 library=$3
here=$(dirname "$0")
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-accept.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT

version=$(awk '/define CN_VERSION_(MAJOR|MINOR)/ { v = v "." $3 } END { print substr(v, 2) }' "$header")
released=$(awk '/define CN_VERSION_SUFFIX/ { print $3 == "\"\"" }' "$header")
record=$records/convnet-$version
newest=$(printf "%s\n" "$records"/convnet-*.h | sort -V | tail -n 1)
if [ -e "$newest" ]; then
    "$here/facts.sh" "$newest" >"$dir/recorded"
    "$here/facts.sh" "$header" >"$dir/found"
    awk -f "$here/difference.awk" "$dir/recorded" "$dir/found" >"$dir/difference"
    cat "$dir/difference"
    if [ "${BREAKING:-}" != yes ]; then
        ! grep -q '^broken' "$dir/difference" || {
            echo "not accepted: programs that were compiled against $newest would break (BREAKING=yes accepts it)" >&2
            exit 1
        }
        [ "$released" = 0 ] || [ ! -e "$record.h" ] || [ ! -s "$dir/difference" ] || {
            echo "not accepted: $version is released, and what is added comes with another CN_VERSION_MINOR" >&2
            exit 1
        }
    fi
fi
"$here/abidw.sh" "$library" "$(dirname "$header")" >"$dir/abi" || { cat "$dir/abi" >&2; exit 1; }
cp "$dir/abi" "$record.abi"
cp "$header" "$record.h"
echo "on record: $record.h and $record.abi"
