#!/bin/sh
# SPDX-License-Identifier: MIT
# browser.sh [FOLDER]: a report and a comparison in a real browser, from desktop to phone, light and dark, and on paper: they
# are drawn, nothing is complained about on the console, nothing is wider than the page, and what is wider than its place can
# be scrolled. Run by `make check-browser`; needs Chromium. With NPM=FOLDER, where `npm install --prefix FOLDER axe-core
# html-validate` was, axe looks at the pages, too, and an HTML checker.
set -u
bin=${PROGRAMS:-examples/bin} chromium=${CHROMIUM:-chromium} out=${1:-build/browser} npm=${NPM:-}
command -v "$chromium" >/dev/null || { echo "not installed: $chromium (Debian: chromium)" >&2; exit 1; }
mkdir -p "$out" || exit 1
out=$(cd "$out" && pwd) failures=0
fail() {
    echo "FAIL $*"
    failures=$((failures + 1))
}

# ---- the pages ----

train() { "$bin/convnet-train" --data synthetic:1000 --quiet "$@" || exit 1; }
train --epochs 4 --schedule one-cycle --warmup 1 --report "$out"
for seed in 1 2; do
    train --epochs 3 --seed $seed --report "$out/plateau-$seed"
    train --epochs 3 --seed $seed --recipe fast --report "$out/fast-$seed"
done
"$bin/convnet-compare" "$out"/plateau-? "$out"/fast-? --out "$out/compared" --quiet || exit 1
cp "$out/compared/report.html" "$out/comparison.html"

# ---- how they are looked at ----

browse() { timeout 120 "$chromium" --headless --no-sandbox --disable-gpu --hide-scrollbars --enable-logging=stderr "$@"; }

# measured PAGE TEXT...: a copy of the page with more at its end.
measured() {
    sed 's|</body>.*||; s|</html>||' "$out/$1.html"
    shift
    printf '%s' "$@"
    echo '</body></html>'
}

# What is wider than the page, and what is wider than its place and no reader could get at. Beside a figure nothing may be.
# shellcheck disable=SC2016
looks='<script>addEventListener("load", () => {
    const wrong = [], root = document.documentElement;
    if (root.scrollWidth > innerWidth) wrong.push(`page of ${root.scrollWidth} in ${innerWidth}`);
    for (const box of document.querySelectorAll("main > *, main .table, main .scroll")) {
        const style = getComputedStyle(box), name = box.getAttribute("aria-label") || box.textContent.slice(0, 30);
        if (box.getBoundingClientRect().right > innerWidth + 1) wrong.push(`${name}: beyond the page`);
        if (box.scrollWidth <= box.clientWidth + 1) continue;
        if (style.overflowX !== "auto" || box.tabIndex < 0) wrong.push(`${name}: cut off`);
        if (box.matches(".half")) wrong.push(`${name}: ${box.scrollWidth} in ${box.clientWidth}`);
    }
    document.body.dataset.wrong = wrong.join("; ");
    document.body.dataset.width = innerWidth;
});</script>'

# look PAGE WIDTH HEIGHT LOOK OPTION...: a picture, and what is wrong.
look() {
    page=$1 width=$2 height=$3 name=$1-$2-$4
    shift 4
    browse "$@" --window-size="$width,$height" --screenshot="$out/$name.png" "file://$out/$page.html" \
        2>"$out/chromium.log" >"$out/chromium.out"
    [ -s "$out/$name.png" ] || fail "$name: no picture"
    ! grep CONSOLE "$out/chromium.log" || fail "$name: console messages"
    # A window may have a least width, a frame has none.
    measured "$page" "$looks" >"$out/framed.html"
    printf '<!DOCTYPE html><body style="margin:0"><iframe style="border:0" width="%s" height="%s" src="framed.html"></iframe><script>
        document.querySelector("iframe").addEventListener("load", event => { const body = event.target.contentDocument.body;
            document.body.dataset.width = body.dataset.width; document.body.dataset.wrong = body.dataset.wrong; });
        </script></body>' "$width" "$height" >"$out/frame.html"
    browse "$@" --allow-file-access-from-files --virtual-time-budget=5000 --dump-dom "file://$out/frame.html" \
        2>"$out/chromium.log" >"$out/dom.html"
    grep -q "data-width=\"$width\"" "$out/dom.html" || fail "$name: nothing was measured"
    wrong=$(sed -n 's/.*data-wrong="\([^"]*\)".*/\1/p' "$out/dom.html")
    [ -z "$wrong" ] || fail "$name: $wrong"
}

dark=--blink-settings=preferredColorScheme=0
for page in report comparison; do
    for width in 1280 1000 768 390; do
        look $page $width 3000 light
    done
    look $page 1280 3000 dark $dark
    look $page 390 3000 dark $dark
    # Paper, as a screen as wide as what A4 has between its margins.
    sed 's/@media print/@media all/g' "$out/$page.html" >"$out/$page-paper.html"
    look $page-paper 718 3000 light
    browse --no-pdf-header-footer --print-to-pdf="$out/$page.pdf" "file://$out/$page.html" 2>"$out/chromium.log" >"$out/chromium.out"
    [ -s "$out/$page.pdf" ] || fail "$page: not printed"
done
browse --dump-dom "file://$out/report.html" 2>"$out/chromium.log" >"$out/dom.html"
for text in '<h1>' 'Confusion matrix' 'Receptive field' 'Learning rate, step by step' 'The surest mistake of each class'; do
    grep -q "$text" "$out/dom.html" || fail "the page lacks $text"
done

# ---- what others say of them ----

for page in ${npm:+report comparison}; do
    # shellcheck disable=SC2016
    run='</script><script>axe.run().then(found => { document.body.dataset.axe = "looked: " + found.violations.map(each =>
        `${each.id} (${each.nodes.length}): ${each.nodes[0].target}`).join("; "); });</script>'
    for scheme in 1 0; do
        measured $page "<script>" "$(cat "$npm/node_modules/axe-core/axe.min.js")" "$run" >"$out/axe.html"
        browse --blink-settings=preferredColorScheme=$scheme --window-size=1280,3000 --virtual-time-budget=60000 --dump-dom \
            "file://$out/axe.html" 2>"$out/chromium.log" >"$out/dom.html"
        said=$(sed -n 's/.*data-axe="\([^"]*\)".*/\1/p' "$out/dom.html" | head -1)
        [ "$said" = "looked: " ] || fail "axe, $page, scheme $scheme: ${said:-did not run}"
    done
    "$npm/node_modules/.bin/html-validate" --preset standard "$out/$page.html" >"$out/html.log" 2>&1 ||
        fail "HTML of $page: $(grep -m 3 error "$out/html.log")"
done
rm -f "$out/framed.html" "$out/frame.html" "$out/axe.html" "$out/dom.html" "$out"/*-paper.html
echo "browser: pictures in $out, $failures failures"
[ $failures -eq 0 ]
