/* SPDX-License-Identifier: MIT */
/* points.c: where points of an image go as it is changed. The operations say of each result pixel where it comes from;
 * points go the other way. A point at (0, 0) is the centre of the first pixel, (1/2, 1/2) to the operations. */
#include "base/elementary.h"
#include "data/augmentation.h"
#include <math.h>

typedef struct point {
    double x, y;
} point;

static point rotated(point p, double degrees, cn__shape shape) {
    double radians = degrees * (3.14159265358979323846 / 180.0), cosine = cn__math_cos(radians),
           sine = cn__math_sin(radians);
    double x = p.x - shape.width / 2.0, y = p.y - shape.height / 2.0;
    return (point){cosine * x + sine * y + shape.width / 2.0, cosine * y - sine * x + shape.height / 2.0};
}

/* By the inverse of the matrix [a b c; d e f; g h 1]; its determinant cancels out. */
static point seen(point p, const double k[8]) {
    double x = (k[4] - k[5] * k[7]) * p.x + (k[2] * k[7] - k[1]) * p.y + k[1] * k[5] - k[2] * k[4];
    double y = (k[5] * k[6] - k[3]) * p.x + (k[0] - k[2] * k[6]) * p.y + k[2] * k[3] - k[0] * k[5];
    double w = (k[3] * k[7] - k[4] * k[6]) * p.x + (k[1] * k[6] - k[0] * k[7]) * p.y + k[0] * k[4] - k[1] * k[3];
    return (point){x / w, y / w};
}

static point moved(const cn__changes *c, cn__shape shape, point p) {
    if (c->cropped)
        p = (point){p.x + c->padding - c->left, p.y + c->padding - c->top};
    if (c->flipped)
        p.x = shape.width - p.x;
    if (c->rotated)
        p = rotated(p, c->degrees, shape);
    return c->perspective ? seen(p, c->coefficients) : p;
}

void cn__changes_points(const cn__changes *changes, cn__shape shape, int count, const int *mirrored, const float *from,
                        float *to) {
    for (int i = 0; i < count; i++) {
        const float *source = from + 2 * (changes->flipped ? mirrored[i] : i);
        point p = moved(changes, shape, (point){(double)source[0] + 0.5, (double)source[1] + 0.5});
        to[2 * i] = (float)(p.x - 0.5);
        to[2 * i + 1] = (float)(p.y - 0.5);
    }
}
