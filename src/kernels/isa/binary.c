/* SPDX-License-Identifier: MIT */
/* binary.c: sums and products of two planes, either of which may have but one row, column or lane for all; and the way
 * back, which adds up what went to all. */
#include "kernels/isa/isa.h"

INLINE vf value(const float *pixel, size_t lane, bool one_lane) {
    return one_lane ? vf_set1(*pixel) : vf_load(pixel + lane);
}

INLINE void forward_rows(bool product, cn__operand a, cn__operand b, cn__plane y, int32_t height, int32_t width,
                         bool one_lanes) {
    for (size_t r = 0; r < (size_t)height; r++) {
        const float *x = a.data + r * a.row, *z = b.data + r * b.row;
        float *to = y.data + r * y.row;
        for (int32_t c = 0; c < width; c++, x += a.column, z += b.column, to += CN__LANES)
            for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH) {
                vf left = value(x, lane, one_lanes && a.one_lane), right = value(z, lane, one_lanes && b.one_lane);
                vf_store(to + lane, product ? left * right : left + right);
            }
    }
}

void CN__ISA_NAME(binary)(bool product, cn__operand a, cn__operand b, cn__plane y, int32_t height, int32_t width) {
    if (a.one_lane || b.one_lane)
        product ? forward_rows(true, a, b, y, height, width, true) : forward_rows(false, a, b, y, height, width, true);
    else
        product ? forward_rows(true, a, b, y, height, width, false)
                : forward_rows(false, a, b, y, height, width, false);
}

/* Σ dy · other over a row; even and odd columns apart, so that additions do not wait for each other. */
INLINE vf row_sum(const float *dy, const float *other, size_t step, size_t lane, int32_t columns, bool product,
                  bool one_lane) {
    vf even = {0}, odd = {0};
    for (; columns > 1; columns -= 2, dy += 2 * CN__LANES, other += 2 * step) {
        vf a = vf_load(dy), b = vf_load(dy + CN__LANES);
        even = product ? vf_fma(a, value(other, lane, one_lane), even) : even + a;
        odd = product ? vf_fma(b, value(other + step, lane, one_lane), odd) : odd + b;
    }
    if (columns > 0)
        even = product ? vf_fma(vf_load(dy), value(other, lane, one_lane), even) : even + vf_load(dy);
    return even + odd;
}

INLINE void backward_rows(cn__plane dy, cn__operand other, cn__target dx, size_t lane, int32_t height, int32_t width,
                          bool accumulate, bool product, bool one_lane) {
    for (size_t r = 0; r < (size_t)height; r++) {
        const float *from = dy.data + r * dy.row + lane, *z = product ? other.data + r * other.row : from;
        float *to = dx.data + r * dx.row + lane;
        bool add = accumulate || (r > 0 && dx.row == 0);
        if (dx.column == 0) {
            vf sum = row_sum(from, z, other.column, lane, width, product, one_lane);
            vf_store(to, add ? vf_load(to) + sum : sum);
            continue;
        }
        for (int32_t c = 0; c < width; c++, from += CN__LANES, z += other.column, to += dx.column) {
            vf gradient = product ? vf_load(from) * value(z, lane, one_lane) : vf_load(from);
            vf_store(to, add ? vf_load(to) + gradient : gradient);
        }
    }
}

/* Of what has one lane for all, pixel by pixel: the sum of the lanes that count. */
static void backward_lanes(cn__plane dy, cn__operand other, cn__target dx, int32_t height, int32_t width,
                           bool accumulate) {
    float line[CN__LANES] __attribute__((aligned(CN__ALIGN)));
    for (size_t r = 0; r < (size_t)height; r++)
        for (size_t c = 0; c < (size_t)width; c++) {
            const float *from = dy.data + r * dy.row + c * CN__LANES;
            const float *z = other.data ? other.data + r * other.row + c * other.column : NULL;
            float *to = dx.data + r * dx.row + c * dx.column;
            for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH)
                vf_store(line + lane, z ? vf_load(from + lane) * value(z, lane, other.one_lane) : vf_load(from + lane));
            for (int32_t l = dx.lanes; l < CN__LANES; l++)
                line[l] = 0.0f;
            bool add = accumulate || (r > 0 && dx.row == 0) || (c > 0 && dx.column == 0);
            *to = (add ? *to : 0.0f) + vf_line_sum(line);
        }
}

void CN__ISA_NAME(binary_backward)(cn__plane dy, cn__operand other, cn__target dx, int32_t height, int32_t width,
                                   bool accumulate) {
    if (dx.lanes > 0) {
        backward_lanes(dy, other, dx, height, width, accumulate);
        return;
    }
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH)
        if (!other.data)
            backward_rows(dy, other, dx, lane, height, width, accumulate, false, false);
        else if (other.one_lane)
            backward_rows(dy, other, dx, lane, height, width, accumulate, true, true);
        else
            backward_rows(dy, other, dx, lane, height, width, accumulate, true, false);
}
