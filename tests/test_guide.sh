#!/bin/sh
# SPDX-License-Identifier: MIT
# test_guide.sh [PAGE]...: the README and the guide (docs/guide): the commands of each page are run, in order, in a folder with
# small drawn data; programs and scripts that a page shows are saved under their names for these commands, and other C is
# compiled. Started from the root of the repository.
set -eu
root=$PWD
lib=$(cd "${LIB:-lib}" && pwd)
bin=$(cd "${PROGRAMS:-examples/bin}" && pwd)
# absolute COMMAND: its first word, by its whole path, since `cc` and `c++` of this PATH will be others.
absolute() { echo "$(command -v "${1%% *}")${1#"${1%% *}"}"; }
cc=$(absolute "${CC:-cc}") cxx=$(absolute "${CXX:-c++}")
work=$(mktemp -d "${TMPDIR:-/tmp}/convnet-guide.XXXXXX")
trap 'rm -rf "$work"' EXIT
[ $# -gt 0 ] || set -- README.md docs/guide/*.md

# The library as if it were installed: pkg-config, CMake, the loader and Python find it, and `cc` and `c++` are those of the test.
mkdir "$work/bin" "$work/data"
# shellcheck disable=SC2086 # a compiler may be several words
$cc -std=c11 -Iinclude tests/guide/data.c -L"$lib" -lconvnet -lm -o "$work/draw"
packages=zlib
"${NM:-nm}" -D "$lib/libconvnet.so" | grep -q ' U png_' && packages="zlib libpng libjpeg"
cat >"$work/convnet.pc" <<END
Name: convnet
Description: as it lies in the tree
Version: 1
Requires.private: $packages
Cflags: "-I$root/include"
Libs: "-L$lib" -lconvnet
Libs.private: -lm -pthread
END
PREFIX=/nowhere LIBDIR=$lib INCLUDEDIR=$root/include VERSION=$(tools/version.sh) SONAME=libconvnet.so.1 PACKAGES=$packages \
    tools/cmake_config.sh "$work"
# Of a command all is tried but its patience: with WHOLE alone programs train as long, on as many drawn images, and are made as
# fast as the page has it.
spared= epochs=
if [ -z "${WHOLE:-}" ]; then
    spared="-O0 -include $work/spared.h" epochs='--epochs 1'
    cat >"$work/spared.h" <<'END'
#if __has_include(<convnet.h>) && !defined __cplusplus
#include <convnet.h>
#define cn_dataset_synthetic(context, split, count, seed, dataset) cn_dataset_synthetic(context, split, (count) / 10, seed, dataset)
#endif
END
fi
printf '#!/bin/sh\nexec "%s" "$@" %s\n' "$bin/convnet-train" "$epochs" >"$work/bin/convnet-train"
# ccache under a compiler's name looks for the next one of that name in PATH, and must not find this.
printf '#!/bin/sh\nPATH="%s"\nexec %s "$@" %s\n' "$PATH" "$cc" "$spared" >"$work/bin/cc"
printf '#!/bin/sh\nPATH="%s"\nexec %s "$@" %s\n' "$PATH" "$cxx" "$spared" >"$work/bin/c++"
python=
for candidate in ${PYTHON:-python3 /usr/bin/python3}; do
    "$candidate" -c 'import numpy' 2>/dev/null && { python=$candidate; break; }
done
[ -z "$python" ] || printf '#!/bin/sh\nexec %s "$@"\n' "$python" >"$work/bin/python3"
chmod +x "$work/bin/"*
export PATH="$work/bin:$bin:$PATH" PKG_CONFIG_PATH="$work" convnet_DIR="$work" LD_LIBRARY_PATH="$lib" PYTHONPATH="$root/python" LC_ALL=C
export PYTHONDONTWRITEBYTECODE=1
(cd "$work/data" && "$work/draw" 30)
mv "$work/data/resnet18.pt.safetensors" "$work" # too large for a copy each page

# What the guide's fragments take for granted.
cat >"$work/prelude.h" <<'END'
#include <convnet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define FRAGMENT                                                                                                       \
    cn_context *ctx, cn_model *model, cn_dataset *data, cn_dataset *train, cn_dataset *test, cn_trainer *trainer,      \
        cn_predictor *predictor, cn_tensor *image, cn_tensor *scores, cn_layer *layer, cn_evaluation *evaluation,      \
        cn_tensor *images, cn_tensor *labels, cn_tensor *output, cn_tensor *gradient, cn_tensor *positions,            \
        const void *bytes, size_t size
END

pages=0 blocks=0 failures=0
fail() {
    failures=$((failures + 1))
    printf 'FAIL %s: %s\n' "$page" "$1"
    tail -n 15 "$work/said" | sed 's/^/     /'
}
for page in "$@"; do
    folder=$work/page$pages
    mkdir "$folder"
    cp -R "$work/data/." "$folder"
    ln -s "$work/resnet18.pt.safetensors" "$folder"
    pages=$((pages + 1))
    blocks=$((blocks + $(grep -c '^```.' "$page" || :)))
    if ! files=$(awk -v to="$folder" -f tests/guide/blocks.awk "$page" 2>"$work/said"); then
        fail "its blocks"
        continue
    fi
    for file in $files; do
        grep -qF "$file" "$folder/run.sh" 2>"$work/said" || fail "no command uses $file"
    done
    if [ -f "$folder/fragments.c" ]; then
        { cat "$work/prelude.h" "$folder/fragments.c"; } >"$folder/fragments_.c"
        # shellcheck disable=SC2086 # a compiler may be several words
        $cc -std=c11 -I"$root/include" -Wall -Werror -Wno-unused -fsyntax-only "$folder/fragments_.c" >"$work/said" 2>&1 ||
            fail "its C"
    fi
    if [ -f "$folder/run.sh" ]; then
        [ -n "$python" ] || sed -i '/python3/,$d' "$folder/run.sh" # without NumPy, what needs none
        for tool in cmake meson; do
            command -v "$tool" >/dev/null || sed -i "/^$tool /,+2d" "$folder/run.sh"
        done
        (cd "$folder" && sh -eux ./run.sh) >"$work/said" 2>&1 || fail "its commands"
    fi
done
echo "guide: $pages pages, $blocks blocks, $failures failures"
[ "$failures" = 0 ]
