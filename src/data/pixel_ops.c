/* pixel_ops.c: flip, grayscale, crop, rotation and perspective of 8-bit images, to the byte what torchvision 0.14 makes
 * of a PIL image. Every result pixel looks up where it comes from; a pixel's centre lies at (x + 1/2, y + 1/2). */
#include "data/augmentation.h"
#include "data/data.h"
#include "image/image.h"
#include <math.h>
#include <string.h>

static size_t plane_size(cn__shape shape) {
    return (size_t)shape.height * (size_t)shape.width;
}

void cn__flip(cn__shape shape, const uint8_t *from, uint8_t *to) {
    size_t rows = (size_t)shape.channels * (size_t)shape.height, width = (size_t)shape.width;
    for (size_t r = 0; r < rows; r++, from += width, to += width)
        for (size_t x = 0; x < width; x++)
            to[x] = from[width - 1 - x];
}

void cn__grayscale(cn__shape shape, const uint8_t *from, uint8_t *to) {
    size_t plane = plane_size(shape);
    const uint8_t *red = from, *green = from + plane, *blue = green + plane;
    for (size_t i = 0; i < plane; i++)
        to[i] = cn__luma(red[i], green[i], blue[i]);
    memcpy(to + plane, to, plane);
    memcpy(to + 2 * plane, to, plane);
}

/* Pixels at `places`, 0 where a place is negative. */
static void pick(const uint8_t *from, uint8_t *to, const int32_t *places, int count) {
    for (int i = 0; i < count; i++) {
        int32_t outside = places[i] >> 31;
        to[i] = (uint8_t)(from[places[i] & ~outside] & ~outside);
    }
}

/* Where coordinate `i` of a padded side comes from; -1: from nowhere. */
static int padded_place(int i, int size, cn_padding_mode mode) {
    if (i >= 0 && i < size)
        return i;
    if (mode == CN_PADDING_ZEROS)
        return -1;
    if (mode == CN_PADDING_REFLECT)
        return cn__reflected(i, size);
    return i < 0 ? 0 : size - 1;
}

void cn__crop(cn__shape shape, const uint8_t *from, uint8_t *to, int padding, cn_padding_mode mode, int top, int left,
              void *row) {
    int32_t *places = row;
    int height = shape.height, width = shape.width;
    for (int x = 0; x < width; x++)
        places[x] = padded_place(x + left - padding, width, mode);
    for (int c = 0; c < shape.channels; c++, from += plane_size(shape))
        for (int y = 0; y < height; y++, to += width) {
            int source = padded_place(y + top - padding, height, mode);
            if (source < 0)
                memset(to, 0, (size_t)width);
            else
                pick(from + (size_t)source * (size_t)width, to, places, width);
        }
}

/* PIL's 16.16 fixed point. */
static int64_t fixed(double value) {
    return (int64_t)floor(value * 65536.0 + 0.5);
}

static double to_15_decimals(double value) {
    return round(value * 1e15) / 1e15;
}

/* PIL steps through the source in fixed point, along a row by (cos, -sin) and from row to row by (sin, cos). It does so
 * up to 32767 pixels a side and in floating point beyond; we do so always. */
void cn__rotate(cn__shape shape, const uint8_t *from, uint8_t *to, double degrees, void *row) {
    int32_t *places = row;
    double radians = -degrees * (3.14159265358979323846 / 180.0);
    double cosine = to_15_decimals(cos(radians)), sine = to_15_decimals(sin(radians));
    double centre_x = shape.width / 2.0, centre_y = shape.height / 2.0;
    double start_x = cosine * -centre_x + sine * -centre_y + centre_x;
    double start_y = -sine * -centre_x + cosine * -centre_y + centre_y;
    int64_t row_x = fixed(start_x + cosine * 0.5 + sine * 0.5), row_y = fixed(start_y - sine * 0.5 + cosine * 0.5);
    int64_t along_x = fixed(cosine), along_y = fixed(-sine), down_x = fixed(sine), down_y = fixed(cosine);
    size_t plane = plane_size(shape), width = (size_t)shape.width;
    for (size_t y = 0; y < (size_t)shape.height; y++, row_x += down_x, row_y += down_y) {
        int64_t at_x = row_x, at_y = row_y;
        for (size_t x = 0; x < width; x++, at_x += along_x, at_y += along_y) {
            int64_t source_x = at_x >> 16, source_y = at_y >> 16;
            bool inside = source_x >= 0 && source_x < shape.width && source_y >= 0 && source_y < shape.height;
            places[x] = inside ? (int32_t)(source_y * shape.width + source_x) : -1;
        }
        for (size_t c = 0; c < (size_t)shape.channels; c++)
            pick(from + c * plane, to + c * plane + y * width, places, shape.width);
    }
}

/* ---- perspective ---- */

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

/* Between the four pixels around (x, y), of which those at the border reach out by half a pixel. */
static spot find_spot(cn__shape shape, double x, double y) {
    if (!(x >= 0.0 && x < shape.width && y >= 0.0 && y < shape.height)) /* or not a number */
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

static double mix(int a, int b, double share) {
    return a + (b - a) * share;
}

/* Bilinear, in double precision and cut off, not rounded, as PIL does. */
static void blend(const uint8_t *restrict from, uint8_t *restrict to, const spot *restrict spots, int count) {
    for (int i = 0; i < count; i++) {
        const uint8_t *above = from + spots[i].at, *below = above + spots[i].below;
        double upper = mix(above[0], above[spots[i].right], spots[i].share_x);
        double lower = mix(below[0], below[spots[i].right], spots[i].share_x);
        to[i] = (uint8_t)((int)(upper + (lower - upper) * spots[i].share_y) & spots[i].inside);
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

void cn__perspective(cn__shape shape, const uint8_t *from, uint8_t *to, const double coefficients[8], void *row) {
    size_t plane = plane_size(shape), width = (size_t)shape.width;
    double *xs = row, *ys = xs + width;
    spot *spots = (spot *)(void *)(ys + width);
    for (size_t y = 0; y < (size_t)shape.height; y++) {
        find_points(coefficients, (double)y + 0.5, shape.width, xs, ys);
        for (size_t x = 0; x < width; x++)
            spots[x] = find_spot(shape, xs[x], ys[x]);
        for (size_t c = 0; c < (size_t)shape.channels; c++)
            blend(from + c * plane, to + c * plane + y * width, spots, shape.width);
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
