/* SPDX-License-Identifier: MIT */
/* convolution_geometry.c: the index lists that a convolution's kernels follow: which inputs an output reads, and which
 * outputs read an input. The latter are exact at every border, so the input gradient multiplies no zeros. */
#include "layers/conv/convolution_readers.h"

/* ---- jobs ---- */

/* The taps that all pixels of (row class, column class) see; with an algorithm of zero_border, of those that read
 * through the border. Returns their number. */
static int32_t fill_taps(const cn__op *op, const cn__conv_readers *y, const cn__conv_readers *x, int32_t row,
                         int32_t column, cn__tap *taps) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const cn__conv_geometry *g = op->geometry;
    bool border_only = g->algorithm[CN__CONV_INPUT_GRAD]->zero_border;
    int32_t count = 0;
    for (int32_t i = y->first[row]; i < y->first[row + 1]; i++)
        for (int32_t j = x->first[column]; j < x->first[column + 1]; j++) {
            cn__conv_reader r = y->readers[i], q = x->readers[j];
            if (border_only && cn__conv_reads_itself(c, 0, r, row) && cn__conv_reads_itself(c, 1, q, column))
                continue;
            ptrdiff_t rows = r.out - row / y->stride, columns = q.out - column / x->stride;
            taps[count].input = (int32_t)(rows * (ptrdiff_t)op->d_out->row + columns * CN__LANES);
            taps[count++].weight = r.tap * c->kernel[1] + q.tap;
        }
    return count;
}

static int32_t fill_pixels(const cn__op *op, const cn__conv_readers *y, const cn__conv_readers *x, int32_t row_class,
                           int32_t column_class, int32_t *in, int32_t *out) {
    int32_t count = 0;
    for (int32_t r = 0; r < y->size; r++)
        for (int32_t q = 0; y->class_of[r] == row_class && q < x->size; q++)
            if (x->class_of[q] == column_class) {
                in[count] = (int32_t)((size_t)(r / y->stride) * op->d_out->row) + q / x->stride * CN__LANES;
                out[count++] = (int32_t)((size_t)r * op->d_in[0]->row) + q * CN__LANES;
            }
    return count;
}

static cn_status fill_backward(cn__op *op, const cn__conv_readers *y, const cn__conv_readers *x) {
    cn__conv_geometry *g = op->geometry;
    size_t jobs = (size_t)y->classes * (size_t)x->classes, pixels = (size_t)y->size * (size_t)x->size;
    g->backward = cn__alloc(op->ctx, jobs, sizeof *g->backward);
    g->backward_taps =
        cn__alloc(op->ctx, cn__conv_readers_count(y) * cn__conv_readers_count(x), sizeof *g->backward_taps);
    g->backward_pixels = cn__alloc(op->ctx, pixels, 2 * sizeof *g->backward_pixels);
    if (!g->backward || !g->backward_taps || !g->backward_pixels)
        return cn__no_memory("a convolution's index lists");
    cn__tap *taps = g->backward_taps;
    int32_t *in = g->backward_pixels, *out = in + pixels;
    for (int32_t r = 0; r < y->classes; r++)
        for (int32_t q = 0; q < x->classes; q++) {
            cn__conv_job *job = &g->backward[g->backward_jobs++];
            job->taps = taps;
            job->pixel_in = in;
            job->pixel_out = out;
            job->tap_count = fill_taps(op, y, x, y->example[r], x->example[q], taps);
            if (g->algorithm[CN__CONV_INPUT_GRAD]->zero_border && job->tap_count == 0) {
                g->backward_jobs--;
                continue;
            }
            job->pixel_count = fill_pixels(op, y, x, r, q, in, out);
            taps += job->tap_count;
            in += job->pixel_count;
            out += job->pixel_count;
        }
    return CN_OK;
}

cn_status cn__convolution_backward_lists(cn__op *op) {
    cn__conv_readers y = {0}, x = {0};
    cn_status status = cn__conv_readers_make(op, 0, &y);
    if (status == CN_OK)
        status = cn__conv_readers_make(op, 1, &x);
    if (status == CN_OK)
        status = fill_backward(op, &y, &x);
    cn__conv_readers_drop(op->ctx, &y);
    cn__conv_readers_drop(op->ctx, &x);
    return status;
}

static cn_status list_skip_pixels(cn__op *op) {
    cn__conv_geometry *g = op->geometry;
    size_t width = (size_t)op->out->shape.width, pixels = (size_t)g->forward.pixel_count;
    g->skip_pixels = cn__alloc(op->ctx, pixels, sizeof *g->skip_pixels);
    if (!g->skip_pixels)
        return cn__no_memory("a convolution's index lists");
    for (size_t p = 0; p < pixels; p++)
        g->skip_pixels[p] = (int32_t)(p / width * op->post.skip->row + p % width * CN__LANES);
    g->forward.pixel_skip = g->skip_pixels;
    return CN_OK;
}

cn_status cn__convolution_forward_lists(cn__op *op) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const cn__fmap *in = op->in[0], *out = op->out;
    cn__conv_geometry *g = op->geometry;
    size_t pixels = (size_t)out->shape.height * (size_t)out->shape.width;
    g->forward_taps = cn__alloc(op->ctx, (size_t)g->taps, sizeof *g->forward_taps);
    g->forward_pixels = cn__alloc(op->ctx, pixels, 2 * sizeof *g->forward_pixels);
    g->column = cn__alloc(op->ctx, (size_t)g->in * (size_t)g->taps, sizeof *g->column);
    if (!g->forward_taps || !g->forward_pixels || !g->column)
        return cn__no_memory("a convolution's index lists");
    ptrdiff_t corner = -(ptrdiff_t)c->padding[0] * (ptrdiff_t)in->row - (ptrdiff_t)c->padding[1] * CN__LANES;
    for (int32_t t = 0; t < g->taps; t++) {
        ptrdiff_t y = t / c->kernel[1] * c->dilation[0], x = t % c->kernel[1] * c->dilation[1];
        g->forward_taps[t].input = (int32_t)(corner + y * (ptrdiff_t)in->row + x * CN__LANES);
        g->forward_taps[t].weight = t;
    }
    for (int32_t i = 0; i < g->in; i++)
        for (int32_t t = 0; t < g->taps; t++)
            g->column[i * g->taps + t] = (int32_t)((size_t)i * in->channel) + g->forward_taps[t].input;
    int32_t *pixel_in = g->forward_pixels, *pixel_out = pixel_in + pixels;
    for (size_t p = 0; p < pixels; p++) {
        size_t y = p / (size_t)out->shape.width, x = p % (size_t)out->shape.width;
        pixel_in[p] = (int32_t)(y * (size_t)c->stride[0] * in->row + x * (size_t)c->stride[1] * CN__LANES);
        pixel_out[p] = (int32_t)(y * out->row + x * CN__LANES);
    }
    g->forward.taps = g->forward_taps;
    g->forward.tap_count = g->taps;
    g->forward.pixel_count = (int32_t)pixels;
    g->forward.pixel_in = pixel_in;
    g->forward.pixel_out = pixel_out;
    return op->post.skip ? list_skip_pixels(op) : CN_OK;
}
