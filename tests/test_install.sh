#!/bin/sh
# test_install.sh: installs into a temporary folder, builds a C and a C++ program there with nothing but pkg-config,
# shared and static, runs them and the installed programs, and uninstalls again. Started from the root of the
# repository; needs no network.
# shellcheck disable=SC2046,SC2086 # compilers and flags are several words
set -u
export LC_ALL=C
make=${MAKE:-make} cc=${CC:-cc} cxx=${CXX:-c++} pkg_config=${PKG_CONFIG:-pkg-config}
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-install.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
root=$dir/root prefix=/opt/convnet
here=$root$prefix
checks=0 failures=0

# try WHAT COMMAND...: runs it; its output is shown if it fails.
try() {
    what=$1
    shift
    checks=$((checks + 1))
    "$@" >"$dir/output" 2>&1 && return
    failures=$((failures + 1))
    printf 'FAIL %s: %s\n' "$what" "$*"
    sed 's/^/     /' "$dir/output"
    false
}

flags() { # what a Makefile would say between backquotes
    PKG_CONFIG_PATH=$here/lib/pkgconfig "$pkg_config" "$@" convnet
}

# same WANTED GOT
same() {
    checks=$((checks + 1))
    [ "$1" = "$2" ] && return
    failures=$((failures + 1))
    printf 'FAIL wanted %s\n     but got %s\n' "$1" "$2"
}

try "install" "$make" install DESTDIR="$root" PREFIX="$prefix" || exit 1
version=$(awk '/define CN_VERSION_(MAJOR|MINOR|PATCH)/ { v = v "." $3 } END { print substr(v, 2) }' include/convnet.h)
same "$version" "$(flags --modversion)"
find "$root" ! -type d | sed "s|^$here/||" | sort >"$dir/installed"
cat >"$dir/wanted" <<EOF
bin/convnet-classify
bin/convnet-compare
bin/convnet-explore
bin/convnet-info
bin/convnet-summary
bin/convnet-test
bin/convnet-train
include/convnet.h
lib/libconvnet.a
lib/libconvnet.so
lib/libconvnet.so.${version%%.*}
lib/libconvnet.so.$version
lib/pkgconfig/convnet.pc
share/convnet/session8-cifar10.md
share/convnet/session8-cifar10.safetensors
EOF
try "the files installed" diff "$dir/wanted" "$dir/installed"
try "a sysroot is counted once" [ "$(PKG_CONFIG_SYSROOT_DIR=$root flags --variable=includedir)" = "$(flags --variable=includedir)" ]

# ---- the header alone, by every compiler there is ----

echo '#include <convnet.h>' >"$dir/header.c"
cp "$dir/header.c" "$dir/header.cc"
for compiler in "$cc" gcc clang; do
    command -v ${compiler%% *} >/dev/null || continue
    try "the header is C99" $compiler -std=c99 -pedantic -Wall -Wextra -Wstrict-prototypes -Werror -fsyntax-only \
        $(flags --cflags) "$dir/header.c"
done
for compiler in "$cxx" g++ clang++; do
    command -v ${compiler%% *} >/dev/null || continue
    try "the header is C++17" $compiler -std=c++17 -pedantic -Wall -Wextra -Werror -fsyntax-only \
        $(flags --cflags) "$dir/header.cc"
done

# ---- foreign programs ----

# Where the C program writes a model, the C++ one reads it; both then say the same of one image.
run_both() { # KIND
    try "C program, $1" "$dir/app-c" "$dir/$1.safetensors" && mv "$dir/output" "$dir/said-in-c" || return
    try "C++ program, $1" "$dir/app-cc" "$dir/$1.safetensors" && mv "$dir/output" "$dir/said-in-cc" || return
    try "both say the same, $1" diff "$dir/said-in-c" "$dir/said-in-cc"
    same 10 "$(wc -l <"$dir/said-in-c")"
}

try "C, shared" $cc -std=c99 tests/foreign/app.c $(flags --cflags --libs) -o "$dir/app-c"
try "C++, shared" $cxx -std=c++17 tests/foreign/app.cc $(flags --cflags --libs) -o "$dir/app-cc"
export LD_LIBRARY_PATH="$here/lib"
run_both shared
unset LD_LIBRARY_PATH

try "C, --static" $cc -std=c99 tests/foreign/app.c -static $(flags --static --cflags --libs) -o "$dir/app-c"
try "C++, --static" $cxx -std=c++17 tests/foreign/app.cc -static $(flags --static --cflags --libs) -o "$dir/app-cc"
run_both static

# ---- all of it moved elsewhere; uninstalled ----

mv "$root" "$dir/moved" || exit 1
root=$dir/moved here=$dir/moved$prefix
try "C, shared, moved" $cc -std=c99 tests/foreign/app.c $(flags --cflags --libs) -o "$dir/app-c"
try "an installed program" "$here/bin/convnet-info"
same "$version" "$(sed -n 's/^library: *\([^ ]*\) .*/\1/p' "$dir/output")"
try "the installed model" "$here/bin/convnet-summary" "$here/share/convnet/session8-cifar10.safetensors"
try "uninstall" "$make" uninstall DESTDIR="$root" PREFIX="$prefix"
same "" "$(find "$root" ! -type d)"

echo "install: $checks checks, $failures failures"
[ "$failures" -eq 0 ]
