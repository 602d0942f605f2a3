#!/bin/sh
# SPDX-License-Identifier: MIT
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

# install_to ROOT PREFIX [GOAL]: all folders are said, so that those that `make check` was told do not come in.
install_to() {
    CFLAGS=-O1 "$make" "${3:-install}" DESTDIR="$1" PREFIX="$2" LIBDIR="$2/lib" INCLUDEDIR="$2/include" BINDIR="$2/bin" \
        DATADIR="$2/share/convnet" MANDIR="$2/share/man" DOCDIR="$2/share/doc/convnet" \
        BASHDIR="$2/share/bash-completion/completions" ZSHDIR="$2/share/zsh/site-functions" PYTHONDIR="$2/lib/python3/dist-packages" \
        WITH_MPI=0
}

try "install" install_to "$root" "$prefix" || exit 1
try "nothing is compiled by other flags in the environment" sh -c "! grep -E '^  (CC|LD)' '$dir/output'"
version=$(awk '/define CN_VERSION_(MAJOR|MINOR|PATCH)/ { v = v "." $3 } END { print substr(v, 2) }' include/convnet.h)
suffix=$(sed -n 's/^.define CN_VERSION_SUFFIX *"\(.*\)"/\1/p' include/convnet.h)
same "$version$suffix" "$(flags --modversion)"
try "other flags are not installed" sh -c "! '$make' install DESTDIR='$dir/other' CFLAGS=-O1 >'$dir/said' 2>&1 &&
    grep -q 'built was with' '$dir/said' && ! grep -q '^  CC' '$dir/said' && [ ! -e '$dir/other' ]"
find "$root" ! -type d | sed "s|^$here/||" | sort >"$dir/everything"
grep -v '^share/man/man3/cn_' "$dir/everything" >"$dir/installed"
cat >"$dir/wanted" <<EOF
bin/convnet-classify
bin/convnet-compare
bin/convnet-convert
bin/convnet-explore
bin/convnet-export
bin/convnet-info
bin/convnet-summary
bin/convnet-test
bin/convnet-train
include/convnet.h
include/convnet.hpp
lib/cmake/convnet/convnet-config-version.cmake
lib/cmake/convnet/convnet-config.cmake
lib/libconvnet.a
lib/libconvnet.so
lib/libconvnet.so.${version%%.*}
lib/libconvnet.so.$version
lib/pkgconfig/convnet.pc
lib/python3/dist-packages/convnet.py
share/bash-completion/completions/convnet-classify
share/bash-completion/completions/convnet-compare
share/bash-completion/completions/convnet-convert
share/bash-completion/completions/convnet-explore
share/bash-completion/completions/convnet-export
share/bash-completion/completions/convnet-info
share/bash-completion/completions/convnet-summary
share/bash-completion/completions/convnet-test
share/bash-completion/completions/convnet-train
share/convnet/session8-cifar10.md
share/convnet/session8-cifar10.safetensors
share/man/man1/convnet-classify.1
share/man/man1/convnet-compare.1
share/man/man1/convnet-convert.1
share/man/man1/convnet-explore.1
share/man/man1/convnet-export.1
share/man/man1/convnet-info.1
share/man/man1/convnet-summary.1
share/man/man1/convnet-test.1
share/man/man1/convnet-train.1
share/man/man3/convnet.3
share/zsh/site-functions/_convnet-classify
share/zsh/site-functions/_convnet-compare
share/zsh/site-functions/_convnet-convert
share/zsh/site-functions/_convnet-explore
share/zsh/site-functions/_convnet-export
share/zsh/site-functions/_convnet-info
share/zsh/site-functions/_convnet-summary
share/zsh/site-functions/_convnet-test
share/zsh/site-functions/_convnet-train
EOF
try "the files installed" diff "$dir/wanted" "$dir/installed"
same "" "$(sed 's|\(.*\)@@.*|share/man/man3/\1.3|' src/symbols.txt | grep -vxF -f "$dir/everything")"
if command -v man >/dev/null && man -w man >/dev/null 2>&1; then
    try "a page under another name" sh -c "man -M '$here/share/man' cn_tensor_data_const | grep -q 'its first element'"
fi
try "a sysroot is counted once" [ "$(PKG_CONFIG_SYSROOT_DIR=$root flags --variable=includedir)" = "$(flags --variable=includedir)" ]

# ---- where Python looks ----

if command -v python3 >/dev/null; then
    python3 -c 'import site; print("\n".join(site.getsitepackages()))' >"$dir/searched"
    sed -n 's|^\(/.*\)/lib[0-9]*/.*|\1|p' "$dir/searched" | sort -u | while read -r below; do
        tools/python_dir.sh "$below"
    done | grep -vxF -f "$dir/searched" >"$dir/unseen"
    same "" "$(cat "$dir/unseen")"
fi
same "$dir/no such/lib/python3/dist-packages" "$(tools/python_dir.sh "$dir/no such/")"

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
for python in ${PYTHON:-python3 /usr/bin/python3}; do
    "$python" -c 'import numpy' 2>/dev/null || continue
    try "the Python module" env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$here/lib/python3/dist-packages" "$python" -c \
        'import convnet; print(convnet.Model.session8_pretrained().class_names[3])' && same cat "$(cat "$dir/output")"
    break
done
unset LD_LIBRARY_PATH

try "C, --static" $cc -std=c99 tests/foreign/app.c -static $(flags --static --cflags --libs) -o "$dir/app-c"
try "C++, --static" $cxx -std=c++17 tests/foreign/app.cc -static $(flags --static --cflags --libs) -o "$dir/app-cc"
run_both static

# ---- other build systems, where they are installed ----

if command -v cmake >/dev/null; then
    try "CMake configures" cmake -S tests/foreign/project -B "$dir/cmake" -DCMAKE_C_COMPILER="${cc##* }" -DCMAKE_PREFIX_PATH="$here" &&
        try "CMake builds" cmake --build "$dir/cmake"
    try "CMake's program, shared" "$dir/cmake/app-shared" "$dir/cmake.safetensors" && same 10 "$(wc -l <"$dir/output")"
    try "CMake's program, static" "$dir/cmake/app-static" "$dir/cmake.safetensors" && same 10 "$(wc -l <"$dir/output")"
    sed 's/convnet 1.0 /convnet 2.0 /' tests/foreign/project/CMakeLists.txt >"$dir/CMakeLists.txt"
    try "CMake refuses another version" sh -c "! cmake -S '$dir' -B '$dir/cmake 2' -DCMAKE_PREFIX_PATH='$here' >'$dir/said' 2>&1 &&
        grep -q 'version: 1.0.0' '$dir/said'"
fi
if command -v meson >/dev/null && command -v ninja >/dev/null; then
    try "Meson configures" env PKG_CONFIG_PATH="$here/lib/pkgconfig" CC="${cc##* }" meson setup "$dir/meson" tests/foreign/project &&
        try "Meson builds" ninja -C "$dir/meson"
    try "Meson's program" env LD_LIBRARY_PATH="$here/lib" "$dir/meson/app" "$dir/meson.safetensors" && same 10 "$(wc -l <"$dir/output")"
fi

# ---- the static library in a shared object, as plugins and language modules have it ----

echo 'int app_main(int argc, char **argv); int main(int argc, char **argv) { return app_main(argc, argv); }' >"$dir/host.c"
private=$(flags --static --libs-only-l | sed 's/-lconvnet//')
try "a shared object that holds the library" $cc -std=c99 -shared -fPIC -Dmain=app_main tests/foreign/app.c \
    $(flags --cflags) "$here/lib/libconvnet.a" $private -pthread -Wl,-z,defs -Wl,-z,text -o "$dir/libplugin.so"
try "its host" $cc -std=c99 "$dir/host.c" -L"$dir" -lplugin -Wl,-rpath,"$dir" -o "$dir/host"
try "runs" "$dir/host" "$dir/plugin.safetensors" && same 10 "$(wc -l <"$dir/output")"

# ---- prefixes with blanks and marks ----

odd="/opt/con net & co'x"
try "install, odd prefix" install_to "$dir/odd" "$odd"
odd_flags() {
    PKG_CONFIG_PATH="$dir/odd$odd/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$dir/odd" "$pkg_config" "$@" convnet
}
# From the installed place, which the sysroot stands for.
same "-I$dir/odd$odd/include" "$(eval "printf '%s\n' $(odd_flags --cflags-only-I)" | head -n 1)"
try "uninstall, odd prefix" install_to "$dir/odd" "$odd" uninstall
same "" "$(find "$dir/odd" ! -type d)"

# ---- all of it moved elsewhere; uninstalled ----

mv "$root" "$dir/moved" || exit 1
root=$dir/moved here=$dir/moved$prefix
try "C, shared, moved" $cc -std=c99 tests/foreign/app.c $(flags --cflags --libs) -o "$dir/app-c"
export LD_LIBRARY_PATH="$here/lib" # programs may have been linked shared
try "an installed program" "$here/bin/convnet-info"
same "$version$suffix" "$(sed -n 's/^library: *\([^ ]*\) .*/\1/p' "$dir/output")"
try "the installed model" "$here/bin/convnet-summary" "$here/share/convnet/session8-cifar10.safetensors"
try "uninstall" install_to "$root" "$prefix" uninstall
same "" "$(find "$root" ! -type d)"

echo "install: $checks checks, $failures failures"
[ "$failures" -eq 0 ]
