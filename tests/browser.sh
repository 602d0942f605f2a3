#!/bin/sh
# SPDX-License-Identifier: MIT
# browser.sh: a report in a real browser, at desktop and phone width: it is drawn, nothing is complained about on the
# console, and nothing is wider than a phone. Run by `make check-browser`; needs Chromium.
set -u
bin=${PROGRAMS:-examples/bin} chromium=${CHROMIUM:-chromium} out=${1:-build/browser}
command -v "$chromium" >/dev/null || { echo "not installed: $chromium (Debian: chromium)" >&2; exit 1; }
mkdir -p "$out"
"$bin/convnet-train" --data synthetic:1000 --epochs 4 --report "$out" >"$out/train.log" || exit 1
page="file://$(cd "$out" && pwd)/report.html" failures=0
browse() { timeout 120 "$chromium" --headless --no-sandbox --disable-gpu --hide-scrollbars --enable-logging=stderr "$@" "$page"; }
for size in 1280,3000 390,6000; do
    picture=$out/report-${size%,*}.png
    browse --window-size=$size --screenshot="$picture" 2>"$out/chromium.log" >"$out/chromium.out"
    [ -s "$picture" ] || { echo "FAIL no screenshot at $size"; failures=$((failures + 1)); }
    ! grep CONSOLE "$out/chromium.log" || { echo "FAIL console messages at $size"; failures=$((failures + 1)); }
done
browse --dump-dom 2>"$out/chromium.log" >"$out/dom.html"
for text in '<h1>' 'Confusion matrix' 'Receptive field'; do
    grep -q "$text" "$out/dom.html" || { echo "FAIL the page lacks $text"; failures=$((failures + 1)); }
done
echo "browser: screenshots in $out, $failures failures"
[ $failures -eq 0 ]
