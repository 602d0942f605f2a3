/* SPDX-License-Identifier: MIT */
/* colour_map.c: numbers as colours, the one scale of all maps and sheets. */
#include "image/image.h"
#include <math.h>

/* From dark blue over teal to yellow in equal steps of OKLab (Ottosson 2020), ever lighter: differences look as large
 * as they are, to all eyes and in print. */
static const uint8_t colours[][3] = {
    {29, 24, 62},    {33, 37, 82},    {33, 50, 102},   {28, 64, 121},  {24, 81, 132},  {22, 97, 142},
    {6, 114, 147},   {7, 130, 149},   {14, 146, 150},  {21, 162, 148}, {50, 176, 142}, {79, 190, 135},
    {110, 202, 126}, {144, 213, 114}, {178, 221, 101}, {212, 228, 89}, {246, 234, 77},
};
enum { LAST = CN__COUNT(colours) - 1 };

void cn__colour_map(float value, float rgb[3]) {
    float at = fminf(fmaxf(value, 0.0f), 1.0f) * (float)LAST;
    size_t low = at < (float)LAST ? (size_t)at : LAST - 1;
    for (int c = 0; c < 3; c++)
        rgb[c] = (float)colours[low][c] + (at - (float)low) * (float)(colours[low + 1][c] - colours[low][c]);
}
