/* SPDX-License-Identifier: MIT */
/* svg.c: the frame of every SVG document: its size, title, colours and background.
 *
 * The six colours are Okabe and Ito's, darkened or lightened until each stands out from its background; where a chart
 * has several they also differ in marker or dash. */
#include "report/report.h"

static const char style[] =
    ".cn-svg{font:13px system-ui,-apple-system,'Segoe UI','Helvetica Neue',Arial,sans-serif}"
    ".cn-bg{fill:#fff}.cn-t{fill:#24292f}.cn-m{fill:#59636e}.cn-h{font-weight:600}.cn-i{font-size:11px}"
    ".cn-g{stroke:#d9dee3;fill:none}.cn-a{stroke:#8c959f;fill:none}.cn-kk,.cn-kw{fill:#000}.cn-wk,.cn-ww{fill:#fff}"
    ".cn-l{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
    ".cn-d{stroke-width:1.5;stroke-dasharray:5 4}.cn-b{fill-opacity:.16}"
    ".cn-p{image-rendering:pixelated}"
    ".cn-s0{stroke:#0067a8}.cn-s1{stroke:#d04f00}.cn-s2{stroke:#007d5a}"
    ".cn-s3{stroke:#ad4f86}.cn-s4{stroke:#8a6500}.cn-s5{stroke:#50565e}"
    ".cn-f0{fill:#0067a8}.cn-f1{fill:#d04f00}.cn-f2{fill:#007d5a}"
    ".cn-f3{fill:#ad4f86}.cn-f4{fill:#8a6500}.cn-f5{fill:#50565e}"
    "@media screen and (prefers-color-scheme:dark){"
    ".cn-bg{fill:#161b22}.cn-t{fill:#e6edf3}.cn-m{fill:#9aa4af}.cn-g{stroke:#2f363d}.cn-a{stroke:#6e7681}"
    ".cn-kw{fill:#fff}.cn-wk{fill:#000}.cn-b{fill-opacity:.22}"
    ".cn-s0{stroke:#56b4e9}.cn-s1{stroke:#ff8a3d}.cn-s2{stroke:#2ec795}"
    ".cn-s3{stroke:#e394c4}.cn-s4{stroke:#e5b84b}.cn-s5{stroke:#b6bec8}"
    ".cn-f0{fill:#56b4e9}.cn-f1{fill:#ff8a3d}.cn-f2{fill:#2ec795}"
    ".cn-f3{fill:#e394c4}.cn-f4{fill:#e5b84b}.cn-f5{fill:#b6bec8}}";

void cn__svg_begin(cn__text *out, int width, int height, const char *title) {
    cn__text_append(out,
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"cn-svg\" role=\"img\" width=\"%d\" "
                    "height=\"%d\" viewBox=\"0 0 %d %d\">\n<title>",
                    width, height, width, height);
    cn__append_name(out, title, CN__WHOLE);
    cn__text_append(out, "</title>\n<style>%s</style>\n<rect class=\"cn-bg\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n",
                    style, width, height);
}

void cn__svg_end(cn__text *out) {
    cn__text_append(out, "</svg>\n");
}
