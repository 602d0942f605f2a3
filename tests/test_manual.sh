#!/bin/sh
# SPDX-License-Identifier: MIT
# test_manual.sh: the manual as `make man` has left it: a page for each function, type and program, whose references lead
# somewhere; mandoc, groff and Doxygen, those that are there, find nothing to complain about. Started from the root of the
# repository after `make`.
set -u
export LC_ALL=C
man=${MAN:-build/release/man} mpi_man=${MPI_MAN:-build/release/man-mpi} bin=${PROGRAMS:-examples/bin}
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-manual.XXXXXX") || exit 1
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

# pages_for NAMES FOLDER: which of them, one a line, have no page of section 3 there.
pages_for() {
    while read -r name; do
        [ -s "$2/man3/$name.3" ] || echo "$name"
    done <"$1"
}

# ---- who has a page ----

sed 's/@.*//' src/symbols.txt >"$dir/functions"
pages_for "$dir/functions" "$man" >"$dir/wrong"
none "functions without a page" "$dir/wrong"
sed -n -e 's/^} \(cn_[a-z0-9_]*\);$/\1/p' -e 's/^typedef .*[ *(]\(cn_[a-z0-9_]*\)[);].*/\1/p' include/convnet.h >"$dir/types"
pages_for "$dir/types" "$man" >"$dir/wrong"
none "types without a page" "$dir/wrong"
{ echo convnet-mpi; grep -v ' A$' src/mpi/symbols.txt | sed 's/@.*//'; } >"$dir/mpi"
pages_for "$dir/mpi" "$mpi_man" >"$dir/wrong"
none "functions of libconvnet-mpi without a page" "$dir/wrong"
awk '/^CN_API/ && before !~ /\*\/$/ || /^CN_API/ && start !~ /^\/\*\*/ { print }
    /^\/\*/ { start = $0 } { before = $0 }' include/convnet.h >"$dir/wrong"
none "functions without a comment of their own" "$dir/wrong"
for page in convnet $(cat "$dir/functions"); do
    case $(head -n 1 "$man/man3/$page.3") in
    .so*) grep -qx "\.Nm $page\( ,\)\{0,1\}" "$man/$(sed 's/^.so //' "$man/man3/$page.3")" ;;
    *) grep -qx "\.Nm $page\( ,\)\{0,1\}" "$man/man3/$page.3" ;;
    esac 2>/dev/null || echo "$page"
done >"$dir/wrong"
none "pages that do not name what they are called after" "$dir/wrong"

# ---- programs ----

for program in examples/programs/*.c; do
    name=$(basename "$program" .c)
    "$bin/convnet-$name" --help | sed -n 's/^  \(-[a-zA-Z], \)\{0,1\}--\([a-z0-9-]*\).*/\2/p' |
        while read -r option; do
            grep -q "^\.It.* Fl \\\\-$(printf %s "$option" | sed 's/-/\\\\-/g')\( \|\$\)" "$man/man1/convnet-$name.1" || echo "convnet-$name --$option"
        done
    for section in NAME SYNOPSIS DESCRIPTION OPTIONS 'EXIT STATUS' EXAMPLES 'SEE ALSO'; do
        grep -qx ".Sh $section" "$man/man1/convnet-$name.1" || echo "convnet-$name $section"
    done
done >"$dir/wrong" 2>&1
none "options and sections that pages of programs lack" "$dir/wrong"

# ---- what they say ----

sed -n 's/^\.Xr \([^ ]*\) \([13]\).*/man\2\/\1.\2/p' "$man"/man?/*.? "$mpi_man"/man3/*.3 | sed 's/\\-/-/g' | sort -u >"$dir/named"
sed -n 's/^\.so //p' "$man"/man3/*.3 | sort -u >>"$dir/named"
while read -r page; do
    [ -s "$man/$page" ] || [ -s "$mpi_man/$page" ] || echo "$page"
done <"$dir/named" >"$dir/wrong"
none "pages that others name" "$dir/wrong"
grep -L '^\.so ' "$man"/man?/*.? "$mpi_man"/man3/*.3 >"$dir/pages"
if command -v mandoc >/dev/null; then
    xargs mandoc -Tlint -W warning <"$dir/pages" >"$dir/wrong" 2>&1
    none "mandoc -Tlint" "$dir/wrong"
fi
if [ -e /usr/share/groff/current/tmac/doc.tmac ] || [ -e /usr/share/groff/tmac/doc.tmac ]; then
    xargs groff -mandoc -Tutf8 -Kutf8 -ww -z <"$dir/pages" >"$dir/wrong" 2>&1
    none "groff -ww" "$dir/wrong"
fi
if command -v doxygen >/dev/null; then
    { VERSION=test OUT=$dir doxygen tools/Doxyfile || echo "exit code $?"; } >"$dir/wrong" 2>&1
    none "Doxygen" "$dir/wrong"
    cat "$dir"/html/group__*.html >"$dir/html.all"
    while read -r name; do
        grep -q "class=\"memname\">.*[> *]$name *</td>" "$dir/html.all" || echo "$name"
    done <"$dir/functions" >"$dir/wrong"
    none "functions that are in no section of the HTML" "$dir/wrong"
fi

echo "manual: $checks checks, $failures failures; $(wc -l <"$dir/pages") pages"
[ "$failures" -eq 0 ]
