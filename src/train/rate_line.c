/* SPDX-License-Identifier: MIT */
/* rate_line.c: the learning rates of a run as they were used, step by step: a line whose corners are few where the rate stays
 * or jumps, and a bounded number of an epoch where it glides. */
#include "train/train.h"
#include <string.h>

/* An epoch of more steps has a corner for each that is noted and one at its end; of fewer, two for each. */
enum { MOST_CORNERS = 2 * CN__RATE_STEPS };

cn_status cn__rate_line_grow(cn__rate_line *line, cn_context *ctx) {
    size_t wanted = line->count + MOST_CORNERS;
    if (wanted <= line->capacity)
        return CN_OK;
    return cn__grow(ctx, (void **)&line->corners, &line->capacity, wanted, sizeof *line->corners);
}

/* Whether the last two are of that rate: then the last one can stand further on. */
static bool goes_on_level(const cn__rate_line *line, double rate) {
    const cn__rate_corner *c = line->corners + line->count;
    return line->count > 1 && c[-1].rate == rate && c[-2].rate == rate;
}

void cn__rate_line_add(cn__rate_line *line, double place, double rate) {
    if (line->count > 0 && line->corners[line->count - 1].place == place && line->corners[line->count - 1].rate == rate)
        return;
    if (goes_on_level(line, rate))
        line->corners[line->count - 1].place = place;
    else
        line->corners[line->count++] = (cn__rate_corner){place, rate};
}

void cn__rate_line_level(cn__rate_line *line, double from, double to, double rate) {
    cn__rate_line_add(line, from, rate);
    cn__rate_line_add(line, to, rate);
}

/* Of many steps the first of each of CN__RATE_STEPS parts. */
static bool is_noted(int64_t batch, int64_t batches) {
    return batch == 0 || batch * CN__RATE_STEPS / batches != (batch - 1) * CN__RATE_STEPS / batches;
}

void cn__rate_line_batch(cn__rate_line *line, int64_t epoch, int64_t batch, int64_t batches, double rate) {
    double begins = (double)epoch + (double)batch / (double)batches;
    double ends = batch + 1 == batches ? (double)(epoch + 1) : (double)epoch + (double)(batch + 1) / (double)batches;
    if (line->count + 2 > line->capacity)
        return;
    if (batches <= CN__RATE_STEPS) {
        cn__rate_line_level(line, begins, ends, rate);
        return;
    }
    if (is_noted(batch, batches))
        cn__rate_line_add(line, begins, rate);
    if (batch + 1 == batches)
        cn__rate_line_add(line, ends, rate);
}
