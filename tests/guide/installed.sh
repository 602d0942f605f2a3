#!/bin/bash
# SPDX-License-Identifier: MIT
# installed.sh [PAGE]...: the README and the guide as packages have installed them, page by page in the guide's order, as a
# newcomer goes through them: each in a folder of its own with 300 pictures of 240×240 and whatever else it takes for
# granted (data.c), in the current folder, with what is in the system and nothing of the tree but this folder. Says how
# long the machine took over each page; ten minutes are too long.
set -eu -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
doc=/usr/share/doc/libconvnet-dev
[ $# -gt 0 ] || set -- "$doc/README.md" "$doc/docs/guide/installing.md" \
    $(sed -n "s|^. \[.*](\([a-z-]*\.md\)) .*|$doc/docs/guide/\1|p" "$doc/docs/guide/README.md")
work=$PWD
# shellcheck disable=SC2046 # flags are several words
cc -std=c11 "$here/data.c" $(pkg-config --cflags --libs convnet) -lm -o draw
mkdir data
(cd data && ../draw 300 240)
TIMEFORMAT='%1R s, of the processor %1U + %1S s'
for page in "$@"; do
    folder=$work/$(basename "$page" .md)
    cp -R "$work/data" "$folder"
    awk -v to="$folder" -f "$here/blocks.awk" "$page" >/dev/null
    [ -f "$folder/run.sh" ] || continue
    cd "$folder"
    time=$({ time timeout 600 sh -eux ./run.sh >said 2>&1; } 2>&1) || { tail -n 30 said; echo "FAIL $page"; exit 1; }
    echo "guide: ${page#"$doc/"}: $time"
done
