/* SPDX-License-Identifier: MIT */
/* rows.c: what a model says of the classes of one image or pixel, and dense or laned batches of that. */
#include "base/elementary.h"
#include "loss/loss.h"
#include <math.h>

cn__values cn__values_of_map(const cn__fmap *map) {
    return (cn__values){map->data, map->shape, CN__LANES, map->block, map->channel, map->row, CN__LANES};
}

cn__values cn__values_of_array(float *data, cn__shape shape) {
    size_t plane = (size_t)shape.height * (size_t)shape.width;
    return (cn__values){data, shape, 1, (size_t)shape.channels * plane, plane, (size_t)shape.width, 1};
}

cn__row cn__fmap_row(const cn__fmap *map, int32_t n) {
    cn__values values = cn__values_of_map(map);
    return cn__values_row(&values, n, 0, 0);
}

static double value(cn__row row, int64_t k) {
    return (double)row.data[(size_t)k * row.step];
}

double cn__row_log_sum_exp(cn__row row) {
    double largest = -INFINITY, sum = 0.0;
    for (int64_t k = 0; k < row.classes; k++)
        if (value(row, k) > largest) /* fmax here makes GCC 12 die on arm64 at -O3 */
            largest = value(row, k);
    for (int64_t k = 0; k < row.classes; k++)
        sum += cn__math_exp(value(row, k) - largest);
    return largest + cn__math_log(sum);
}

int64_t cn__row_argmax(cn__row output) {
    int64_t best = -1;
    for (int64_t k = 0; k < output.classes; k++)
        if (!isnan(value(output, k)) && (best < 0 || value(output, k) > value(output, best)))
            best = k;
    return best;
}

/* log(mean of `count` times e^a and e^b) */
static double log_mean(double a, int count, double b) {
    double sum = a + cn__math_log(count), larger = fmax(sum, b), distance = fabs(sum - b);
    return larger == -INFINITY ? larger : larger + cn__math_log1p(cn__math_exp(-distance)) - cn__math_log(count + 1);
}

void cn__row_join(cn__row output, int count, cn__row another, bool probabilities) {
    double ours = cn__row_log_sum_exp(output), theirs = cn__row_log_sum_exp(another);
    for (int64_t k = 0; k < output.classes; k++) {
        double a = value(output, k), b = value(another, k);
        output.data[(size_t)k * output.step] =
            (float)(probabilities ? (count * a + b) / (count + 1) : log_mean(a - ours, count, b - theirs));
    }
}
