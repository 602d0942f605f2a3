/* SPDX-License-Identifier: MIT */
/* perspective.c: pictures seen from another place: bytes to the byte what torchvision 0.14 makes of a PIL image; and the
 * coefficients that move the corners of a picture as wanted. */
#include "data/augmentation.h"
#include <math.h>

static int clamp(int i, int size) {
    return i < 0 ? 0 : i < size ? i : size - 1;
}

/* Where a pixel comes from: its place in a plane, the ways to its right and lower neighbours, their shares. */
typedef struct spot {
    int32_t at, right, below;
    int32_t inside; /* all bits, or none if it comes from nowhere */
    double share_x, share_y;
} spot;

_Static_assert(CN__ROW_BYTES >= 2 * sizeof(double) + sizeof(spot), "scratch memory for a row's points and spots");

static bool lies_inside(cn__shape shape, double x, double y) {
    return x >= 0.0 && x < shape.width && y >= 0.0 && y < shape.height; /* and is a number */
}

/* Between the four pixels around (x, y), of which those at the border reach out by half a pixel. */
static spot find_spot(cn__shape shape, double x, double y) {
    if (!lies_inside(shape, x, y))
        return (spot){.inside = 0};
    int column = (int)(x + 0.5) - 1, row = (int)(y + 0.5) - 1; /* floor(x - 1/2) */
    int left = clamp(column, shape.width), above = clamp(row, shape.height) * shape.width;
    return (spot){.at = above + left,
                  .right = clamp(column + 1, shape.width) - left,
                  .below = clamp(row + 1, shape.height) * shape.width - above,
                  .inside = -1,
                  .share_x = x - 0.5 - column,
                  .share_y = y - 0.5 - row};
}

static double mix(double a, double b, double share) {
    return a + (b - a) * share;
}

/* Bilinear, in double precision and cut off, not rounded, as PIL does. */
static void blend_bytes(const uint8_t *restrict from, uint8_t *restrict to, const spot *restrict spots, int count) {
    for (int i = 0; i < count; i++) {
        const uint8_t *above = from + spots[i].at, *below = above + spots[i].below;
        double upper = mix(above[0], above[spots[i].right], spots[i].share_x);
        double lower = mix(below[0], below[spots[i].right], spots[i].share_x);
        to[i] = (uint8_t)((int)(upper + (lower - upper) * spots[i].share_y) & spots[i].inside);
    }
}

static void blend_floats(const float *restrict from, float *restrict to, const spot *restrict spots, int count) {
    for (int i = 0; i < count; i++) {
        const float *above = from + spots[i].at, *below = above + spots[i].below;
        double upper = mix(above[0], above[spots[i].right], spots[i].share_x);
        double lower = mix(below[0], below[spots[i].right], spots[i].share_x);
        to[i] = spots[i].inside ? (float)mix(upper, lower, spots[i].share_y) : 0.0f;
    }
}

/* The points that the pixels of row `y` come from, as PIL computes them. */
static void find_points(const double k[8], double y, int count, double *restrict xs, double *restrict ys) {
    for (int column = 0; column < count; column++) {
        double x = column + 0.5, w = k[6] * x + k[7] * y + 1.0;
        xs[column] = (k[0] * x + k[1] * y + k[2]) / w;
        ys[column] = (k[3] * x + k[4] * y + k[5]) / w;
    }
}

static void nearest_row(cn__shape shape, const uint32_t *from, uint32_t *to, const double *xs, const double *ys) {
    for (int x = 0; x < shape.width; x++)
        to[x] = lies_inside(shape, xs[x], ys[x]) ? from[(int)ys[x] * shape.width + (int)xs[x]] : 0;
}

static void blend_row(cn__planes planes, const void *from, void *to, size_t row, const spot *spots) {
    size_t plane = (size_t)planes.shape.height * (size_t)planes.shape.width;
    for (size_t c = 0; c < (size_t)planes.shape.channels; c++) {
        size_t first = c * plane, out = first + row * (size_t)planes.shape.width;
        if (planes.kind == CN__PIXEL_BYTES)
            blend_bytes((const uint8_t *)from + first, (uint8_t *)to + out, spots, planes.shape.width);
        else
            blend_floats((const float *)from + first, (float *)to + out, spots, planes.shape.width);
    }
}

void cn__perspective(cn__planes planes, const void *from, void *to, const double coefficients[8], void *row) {
    cn__shape shape = planes.shape;
    size_t width = (size_t)shape.width;
    double *xs = row, *ys = xs + width;
    spot *spots = (spot *)(void *)(ys + width);
    for (size_t y = 0; y < (size_t)shape.height; y++) {
        find_points(coefficients, (double)y + 0.5, shape.width, xs, ys);
        if (planes.kind == CN__PIXEL_PLACES) {
            nearest_row(shape, from, (uint32_t *)to + y * width, xs, ys);
            continue;
        }
        for (size_t x = 0; x < width; x++)
            spots[x] = find_spot(shape, xs[x], ys[x]);
        blend_row(planes, from, to, y, spots);
    }
}

/* ---- its coefficients ---- */

/* Gaussian elimination of eight equations, each with its right side as ninth value. False if they have no one solution.
 */
static bool solve(double equations[8][9], double solution[8]) {
    for (int i = 0; i < 8; i++) {
        int pivot = i;
        for (int r = i + 1; r < 8; r++)
            if (fabs(equations[r][i]) > fabs(equations[pivot][i]))
                pivot = r;
        if (fabs(equations[pivot][i]) < 1e-9)
            return false;
        for (int j = i; j < 9; j++) {
            double other = equations[i][j];
            equations[i][j] = equations[pivot][j];
            equations[pivot][j] = other;
        }
        for (int r = i + 1; r < 8; r++) {
            double factor = equations[r][i] / equations[i][i];
            for (int j = i; j < 9; j++)
                equations[r][j] -= factor * equations[i][j];
        }
    }
    for (int i = 7; i >= 0; i--) {
        double sum = equations[i][8];
        for (int j = i + 1; j < 8; j++)
            sum -= equations[i][j] * solution[j];
        solution[i] = sum / equations[i][i];
    }
    return true;
}

/* Each corner (x, y) has to come from the image's corner (u, v): u (gx + hy + 1) = ax + by + c, and so for v. */
bool cn__perspective_solve(int height, int width, const int corners[8], double coefficients[8]) {
    const double sources[4][2] = {{0, 0}, {width - 1, 0}, {width - 1, height - 1}, {0, height - 1}};
    double equations[8][9] = {{0}};
    for (int i = 0; i < 4; i++)
        for (int v = 0; v < 2; v++) {
            double x = corners[2 * i], y = corners[2 * i + 1], source = sources[i][v], *equation = equations[2 * i + v];
            equation[3 * v] = x;
            equation[3 * v + 1] = y;
            equation[3 * v + 2] = 1.0;
            equation[6] = -source * x;
            equation[7] = -source * y;
            equation[8] = source;
        }
    if (!solve(equations, coefficients))
        return false;
    for (int i = 0; i < 8; i++)
        coefficients[i] = (float)coefficients[i];
    return true;
}
