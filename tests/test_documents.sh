#!/bin/sh
# SPDX-License-Identifier: MIT
# test_documents.sh: links within and between the documents lead somewhere, their sections included; every file says the same
# version; tables of speed have the figures of docs/bench; the README stays short. Started from the root of the
# repository.
set -u
export LC_ALL=C
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-documents.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
checks=0 failures=0

# none WHAT FILE: the file, a list of mistakes, is empty.
none() {
    checks=$((checks + 1))
    [ -s "$2" ] || return 0
    failures=$((failures + 1))
    printf 'FAIL %s:\n' "$1"
    head -n 20 "$2" | sed 's/^/     /'
}

# same WHAT WANTED GOT
same() {
    [ "$2" = "$3" ] || echo "$2, but $1 has '$3'"
}

# ---- links ----

find . -name '*.md' ! -path './build/*' ! -path './debian/*' ! -path './*/build/*' ! -path '*/node_modules/*' | sed 's|^\./||' | sort >"$dir/documents"
# What a document links to: FILE#SECTION, and the sections of a document as GitHub calls them. Fences and code are no links.
links() {
    sed '/^```/,/^```$/d; s/`[^`]*`//g' "$1" | grep -oE '\]\([^) ]*|(src|href)="[^"]*' | sed 's/^](//; s/^[a-z]*="//' | grep -v '^[a-z]*:'
}
sections() {
    sed '/^```/,/^```$/d' "$1" | sed -n 's/^##* *//p' | tr 'A-Z ' 'a-z-' | sed 's/\[\([^]]*\)\]([^)]*)/\1/g; s/[][!-,./:-@^`{-~]//g'
}
while read -r document; do
    links "$document" | while read -r link; do
        file=${link%%#*} section=${link#"${link%%#*}"}
        target=$document
        [ -z "$file" ] || target=$(dirname "$document")/$file
        # Distributions' folders and CI are not in the tarball.
        case $file in *debian/* | *.github/* | *.ci/*) [ -e .github ] || continue ;; esac
        [ -e "$target" ] || { echo "$document: $link" && continue; }
        [ -z "$section" ] || sections "$target" | grep -qxF -e "${section#?}" || echo "$document: $link (no such section)"
    done
done <"$dir/documents" >"$dir/wrong"
none "links that lead nowhere" "$dir/wrong"
checks=$((checks + 1))
[ "$(while read -r document; do links "$document"; done <"$dir/documents" | wc -l)" -gt 100 ] || {
    failures=$((failures + 1))
    echo "FAIL hardly a link was found"
}

# ---- versions ----

version=$(tools/version.sh)
number=${version%%-*}
{
    same CHANGELOG.md "$version" "$(sed -n 's/^## \([^ ]*\).*/\1/p' CHANGELOG.md | head -n 1)"
    same src/symbols.txt "CONVNET_${number%.*}" "$(sed 's/.*@@//' src/symbols.txt | sort -V | tail -n 1)"
    same tests/abi "tests/abi/convnet-${number%.*}.h" "$(find tests/abi -name 'convnet-*.h' | sort -V | tail -n 1)"
    if [ -d debian ]; then
        same debian/changelog "$(printf %s "$version" | tr - '~')" "$(sed -n '1s/.*(\(.*\)-.*).*/\1/p' debian/changelog)"
        same debian/control "libconvnet${version%%.*}" "$(sed -n 's/^Package: \(libconvnet[0-9]*\)$/\1/p' debian/control)"
        cmp COPYRIGHT debian/copyright
    fi
} >"$dir/wrong" 2>&1
none "versions and copies that differ" "$dir/wrong"

# ---- figures ----

for document in README.md docs/performance.md; do
    awk -f tools/figures.awk docs/bench/*.csv "$document" 2>&1 | diff - "$document" | sed "s|^|$document: |"
done >"$dir/wrong"
none "figures that are not those of docs/bench (make figures)" "$dir/wrong"
sed -n 's/^"\([^"]*\)",.*/\1/p' docs/bench/*.csv >"$dir/measured"
sed -n '/^rows()/,/^}/s/^\([^|]*\)|.*/\1/p' tests/bench.sh >"$dir/rows"
grep -vxF -f "$dir/rows" "$dir/measured" >"$dir/wrong"
none "rows that make bench does not have any more" "$dir/wrong"

# ---- the README ----

[ "$(wc -l <README.md)" -le 120 ] || echo "$(wc -l <README.md) lines" >"$dir/wrong"
none "a README that nobody reads" "$dir/wrong"

echo "documents: $checks checks, $failures failures; $(wc -l <"$dir/documents") documents"
[ "$failures" -eq 0 ]
