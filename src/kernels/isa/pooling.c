/* SPDX-License-Identifier: MIT */
/* pooling.c: largest value and mean of windows, and the way back. Each output pixel's window is cut to the image first,
 * so that padding costs nothing. Backward, windows add to dx, which may overlap. */
#include "kernels/isa/isa.h"

/* A window along one dimension: input places first, first + step, … */
typedef struct span {
    int32_t first, count;
    int32_t weight; /* what a mean divides by: `count`, or more with padding */
} span;

static inline float *line(cn__plane plane, int32_t row, int32_t column) {
    return plane.data + (size_t)row * plane.row + (size_t)column * CN__LANES;
}

/* torch's: as many windows as the output has pixels, which cover the image. */
static span adaptive_span(const cn__pool_args *a, int d, int32_t out) {
    int32_t size = d ? a->in_width : a->in_height, outs = d ? a->out_width : a->out_height;
    int32_t first = (int32_t)((int64_t)out * size / outs);
    int32_t end = (int32_t)((((int64_t)out + 1) * size + outs - 1) / outs);
    return (span){first, end - first, end - first};
}

/* ---- maximum ---- */

static span max_span(const cn__pool_args *a, int d, int32_t out, bool adaptive) {
    if (adaptive)
        return adaptive_span(a, d, out);
    int32_t size = d ? a->in_width : a->in_height, step = a->dilation[d];
    int32_t first = out * a->stride[d] - a->padding[d], end = first + (a->kernel[d] - 1) * step + 1;
    if (first >= 0 && end <= size)
        return (span){first, a->kernel[d], a->kernel[d]};
    if (end > size)
        end = size;
    if (first < 0)
        first += (step - 1 - first) / step * step;
    int32_t count = first < end ? (end - 1 - first) / step + 1 : 0;
    return (span){first, count, count};
}

/* NaN, once met, stays. */
INLINE vf largest(const float *x, size_t row_step, size_t column_step, int32_t rows, int32_t columns) {
    vf best = vf_set1(-INFINITY);
    for (int32_t r = 0; r < rows; r++)
        for (int32_t c = 0; c < columns; c++) {
            vf value = vf_load(x + (size_t)r * row_step + (size_t)c * column_step);
            best = vf_select((value > best) | (value != value), value, best);
        }
    return best;
}

INLINE void maxima(const cn__pool_args *args, cn__plane x, cn__plane y, bool adaptive) {
    size_t row_step = (size_t)args->dilation[0] * x.row, column_step = (size_t)args->dilation[1] * CN__LANES;
    for (int32_t r = 0; r < args->out_height; r++) {
        span rows = max_span(args, 0, r, adaptive);
        for (int32_t c = 0; c < args->out_width; c++) {
            span columns = max_span(args, 1, c, adaptive);
            bool usual = rows.count == 2 && columns.count == 2; /* with the loops unrolled */
            for (size_t lane = 0; lane < CN__LANES && lane < CN__LANES - y.spare; lane += CN__WIDTH) {
                const float *from = line(x, rows.first, columns.first) + lane;
                vf_store(line(y, r, c) + lane, usual ? largest(from, row_step, column_step, 2, 2)
                                                     : largest(from, row_step, column_step, rows.count, columns.count));
            }
        }
    }
}

/* Gives `dy` to the first place, in row-major order, that holds `y`. */
INLINE void send_back(const float *x, float *dx, size_t x_row, size_t dx_row, size_t column_step, int32_t rows,
                      int32_t columns, vf y, vf dy, bool overwrite) {
    vi open = y == y;
    for (int32_t r = 0; r < rows; r++)
        for (int32_t c = 0; c < columns; c++) {
            float *to = dx + (size_t)r * dx_row + (size_t)c * column_step;
            vi hit = open & (vf_load(x + (size_t)r * x_row + (size_t)c * column_step) == y);
            open &= ~hit;
            vf_store(to, overwrite ? vf_and(hit, dy) : vf_load(to) + vf_and(hit, dy));
        }
}

INLINE void maxima_backward(const cn__pool_args *args, cn__plane x, cn__plane y, cn__plane dy, cn__plane dx,
                            bool adaptive) {
    size_t x_row = (size_t)args->dilation[0] * x.row, dx_row = (size_t)args->dilation[0] * dx.row;
    size_t column_step = (size_t)args->dilation[1] * CN__LANES;
    for (int32_t r = 0; r < args->out_height; r++) {
        span rows = max_span(args, 0, r, adaptive);
        for (int32_t c = 0; c < args->out_width; c++) {
            span columns = max_span(args, 1, c, adaptive);
            bool usual = rows.count == 2 && columns.count == 2;
            for (size_t lane = 0; lane < CN__LANES && lane < CN__LANES - y.spare; lane += CN__WIDTH) {
                const float *from = line(x, rows.first, columns.first) + lane;
                float *to = line(dx, rows.first, columns.first) + lane;
                vf top = vf_load(line(y, r, c) + lane), gradient = vf_load(line(dy, r, c) + lane);
                if (usual && args->overwrite)
                    send_back(from, to, x_row, dx_row, column_step, 2, 2, top, gradient, true);
                else if (usual)
                    send_back(from, to, x_row, dx_row, column_step, 2, 2, top, gradient, false);
                else
                    send_back(from, to, x_row, dx_row, column_step, rows.count, columns.count, top, gradient,
                              args->overwrite);
            }
        }
    }
}

void CN__ISA_NAME(max_pool)(const cn__pool_args *args, cn__plane x, cn__plane y) {
    maxima(args, x, y, false);
}

void CN__ISA_NAME(max_pool_backward)(const cn__pool_args *args, cn__plane x, cn__plane y, cn__plane dy, cn__plane dx) {
    maxima_backward(args, x, y, dy, dx, false);
}

void CN__ISA_NAME(adaptive_max_pool)(const cn__pool_args *args, cn__plane x, cn__plane y) {
    maxima(args, x, y, true);
}

void CN__ISA_NAME(adaptive_max_pool_backward)(const cn__pool_args *args, cn__plane x, cn__plane y, cn__plane dy,
                                              cn__plane dx) {
    maxima_backward(args, x, y, dy, dx, true);
}

/* ---- maximum of 2×2 that remembers ---- */

typedef uint8_t bytes __attribute__((vector_size(CN__WIDTH), aligned(1), may_alias));

void CN__ISA_NAME(max_pool2)(cn__plane x, cn__plane y, int32_t rows, int32_t columns, bool relu, uint8_t *which) {
    for (int32_t r = 0; r < rows; r++)
        for (int32_t c = 0; c < columns; c++, which += CN__LANES)
            for (size_t lane = 0; lane < CN__LANES && lane < CN__LANES - y.spare; lane += CN__WIDTH) {
                const float *from = line(x, 2 * r, 2 * c) + lane;
                vf best = vf_load(from);
                vi winner = {0};
                CN__UNROLL
                for (int i = 1; i < 4; i++) {
                    vf value = vf_load(from + (size_t)(i / 2) * x.row + (size_t)(i % 2) * CN__LANES);
                    vi larger = (value > best) | (value != value);
                    best = vf_select(larger, value, best);
                    winner = (larger & i) | (~larger & winner);
                }
                if (relu) {
                    vi none = ~(best > 0.0f);
                    winner = (none & 4) | (~none & winner);
                    best = vf_relu(best);
                }
                vf_store(line(y, r, c) + lane, best);
                *(bytes *)(which + lane) = __builtin_convertvector(winner, bytes);
            }
}

void CN__ISA_NAME(max_pool2_backward)(const uint8_t *which, cn__plane dy, cn__plane dx, int32_t rows, int32_t columns) {
    for (int32_t r = 0; r < rows; r++)
        for (int32_t c = 0; c < columns; c++, which += CN__LANES)
            for (size_t lane = 0; lane < CN__LANES && lane < CN__LANES - dy.spare; lane += CN__WIDTH) {
                float *to = line(dx, 2 * r, 2 * c) + lane;
                vf gradient = vf_load(line(dy, r, c) + lane);
                vi winner = __builtin_convertvector(*(const bytes *)(which + lane), vi);
                CN__UNROLL
                for (int i = 0; i < 4; i++)
                    vf_store(to + (size_t)(i / 2) * dx.row + (size_t)(i % 2) * CN__LANES,
                             vf_and(winner == i, gradient));
            }
}

/* ---- mean ---- */

static span mean_span(const cn__pool_args *a, int d, int32_t out, bool adaptive) {
    if (adaptive)
        return adaptive_span(a, d, out);
    int32_t size = d ? a->in_width : a->in_height;
    int32_t first = out * a->stride[d] - a->padding[d], end = first + a->kernel[d];
    if (end > size + a->padding[d])
        end = size + a->padding[d];
    int32_t weight = end - first;
    if (end > size)
        end = size;
    if (first < 0)
        first = 0;
    return (span){first, end - first, a->count_include_pad ? weight : end - first};
}

static float divisor(const cn__pool_args *a, span rows, span columns, bool adaptive) {
    return !adaptive && a->divisor ? (float)a->divisor : (float)rows.weight * (float)columns.weight;
}

INLINE void means(const cn__pool_args *a, cn__plane x, cn__plane y, bool adaptive) {
    for (int32_t r = 0; r < a->out_height; r++) {
        span rows = mean_span(a, 0, r, adaptive);
        for (int32_t c = 0; c < a->out_width; c++) {
            span columns = mean_span(a, 1, c, adaptive);
            float count = divisor(a, rows, columns, adaptive);
            for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH) {
                vf sum = {0};
                for (int32_t i = 0; i < rows.count; i++)
                    for (int32_t j = 0; j < columns.count; j++)
                        sum += vf_load(line(x, rows.first + i, columns.first + j) + lane);
                vf_store(line(y, r, c) + lane, sum / count);
            }
        }
    }
}

INLINE void means_backward(const cn__pool_args *a, cn__plane dy, cn__plane dx, bool adaptive) {
    for (int32_t r = 0; r < a->out_height; r++) {
        span rows = mean_span(a, 0, r, adaptive);
        for (int32_t c = 0; c < a->out_width; c++) {
            span columns = mean_span(a, 1, c, adaptive);
            float count = divisor(a, rows, columns, adaptive);
            for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH) {
                vf share = vf_load(line(dy, r, c) + lane) / count;
                for (int32_t i = 0; i < rows.count; i++)
                    for (int32_t j = 0; j < columns.count; j++) {
                        float *to = line(dx, rows.first + i, columns.first + j) + lane;
                        vf_store(to, vf_load(to) + share);
                    }
            }
        }
    }
}

void CN__ISA_NAME(avg_pool)(const cn__pool_args *args, cn__plane x, cn__plane y) {
    means(args, x, y, false);
}

void CN__ISA_NAME(avg_pool_backward)(const cn__pool_args *args, cn__plane dy, cn__plane dx) {
    means_backward(args, dy, dx, false);
}

void CN__ISA_NAME(adaptive_avg_pool)(const cn__pool_args *args, cn__plane x, cn__plane y) {
    means(args, x, y, true);
}

void CN__ISA_NAME(adaptive_avg_pool_backward)(const cn__pool_args *args, cn__plane dy, cn__plane dx) {
    means_backward(args, dy, dx, true);
}
