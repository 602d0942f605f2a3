#!/bin/sh
# SPDX-License-Identifier: MIT
# test_symbols.sh: what the libraries show to the linker: exactly the functions that convnet.h declares, each under its
# version; the right SONAME; no text relocations, no executable stack; nothing called that would print, abort or change
# the host. Started from the root of the repository after `make`.
set -u
export LC_ALL=C
lib=${LIB:-lib} nm=${NM:-nm} readelf=${READELF:-readelf}
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-symbols.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
checks=0 failures=0

# none WHAT FILE: the file, a list of mistakes, is empty.
none() {
    checks=$((checks + 1))
    [ -s "$2" ] || return 0
    failures=$((failures + 1))
    printf 'FAIL %s:\n' "$1"
    sed 's/^/     /' "$2"
}

command -v "$readelf" >/dev/null || { echo "symbols: skipped, no $readelf"; exit 0; }
shared=$lib/libconvnet.so

# ---- what leaves the library ----

"$readelf" -W --dyn-syms "$shared" >"$dir/symbols" || exit 1
awk '$4 != "NOTYPE" && $7 ~ /^[0-9]+$/ { print $8 }' "$dir/symbols" | sort >"$dir/exported"
sed -n 's/^CN_API [^(]*[ *]\(cn_[a-z0-9_]*\)(.*/\1/p' include/convnet.h | sort >"$dir/declared"
sed 's/@.*//' "$dir/exported" | sort | diff "$dir/declared" - >"$dir/wrong"
none "convnet.h declares (<) what the library does not export, or the library exports (>) more" "$dir/wrong"

# A version's list only grows. A new function comes with a line there, in the newest version.
diff src/symbols.txt "$dir/exported" >"$dir/wrong"
none "symbols promised in src/symbols.txt (<) and exported (>) differ" "$dir/wrong"

version=$(awk '/define CN_VERSION_(MAJOR|MINOR) / { v = v "." $3 } END { print substr(v, 2) }' include/convnet.h)
newest=$(sed 's/.*@@CONVNET_//' src/symbols.txt | sort -t. -k1,1n -k2,2n | tail -n 1)
[ "$newest" = "$version" ] && : >"$dir/wrong" || echo "$newest instead of $version" >"$dir/wrong"
none "the newest version in src/symbols.txt is not the header's" "$dir/wrong"

# ---- how it is linked ----

"$readelf" -W -d "$shared" >"$dir/dynamic"
sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p' "$dir/dynamic" >"$dir/soname"
echo "libconvnet.so.${version%%.*}" | diff - "$dir/soname" >"$dir/wrong"
none "SONAME: wanted (<) and found (>)" "$dir/wrong"
grep -E 'TEXTREL|RPATH|RUNPATH' "$dir/dynamic" >"$dir/wrong"
none "relocations of text, or a search path" "$dir/wrong"
"$readelf" -W -l "$shared" | grep 'GNU_STACK.*E' >"$dir/wrong"
none "an executable stack" "$dir/wrong"
sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' "$dir/dynamic" |
    grep -vE '^(lib(z|png16|jpeg|m|c|pthread|gcc_s)\.so|ld-linux)' >"$dir/wrong"
none "libraries needed without need" "$dir/wrong"

# ---- what it must not call ----

awk '$7 == "UND" { sub(/@.*/, "", $8); print $8 }' "$dir/symbols" | sort -u >"$dir/called"
grep -xE '(_?exit|_Exit|quick_exit|abort|raise|__assert.*|signal|sigaction|setlocale|chdir|fchdir|fesetround|fesetenv|feenableexcept|atexit|setenv|putenv|srand|srand48|fork|system|std(in|out|err)|v?printf|puts|putchar|perror|__v?printf_chk|omp_set.*)' "$dir/called" >"$dir/wrong"
none "called, though it would print, end the program or change the host" "$dir/wrong"

# ---- the static library ----

# Each C library rounds these in its own way, so none may be in what training computes (src/base/elementary.h); charts and
# constants of ONNX files may have them.
"$nm" -A -u "$lib/libconvnet.a" | sed -nE 's/^[^:]*:([^:]*):.* ((a?(sin|cos|tan)h?|sincos|atan2|exp[2m]?1?|log(2|10|1p)?|pow|erfc?|cbrt|hypot|[lt]gamma)[fl]?)$/\1 \2/p' |
    grep -vE '^(markup|scale|fold)\.o ' >"$dir/wrong"
none "functions of the C library in what training computes" "$dir/wrong"

"$nm" -g --defined-only "$lib/libconvnet.a" | awk 'NF == 3 && $3 !~ /^cn_/ { print $3 }' | sort -u >"$dir/wrong"
none "global names of the static library that do not begin with cn_" "$dir/wrong"

echo "symbols: $checks checks, $failures failures"
[ "$failures" -eq 0 ]
