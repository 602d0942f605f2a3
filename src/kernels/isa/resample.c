/* SPDX-License-Identifier: MIT */
/* resample.c: planes of another size, each pixel of which is a weighted sum of some rows and columns. */
#include "kernels/isa/isa.h"

INLINE vf weighted(const cn__resample_axis *rows, const cn__resample_axis *columns, cn__plane x, size_t lane,
                   int32_t row, int32_t row_end, int32_t column, int32_t column_end) {
    vf sum = {0};
    for (int32_t i = row; i < row_end; i++) {
        const float *from = x.data + (size_t)rows->from[i] * x.row + lane;
        vf across = {0};
        for (int32_t j = column; j < column_end; j++)
            across = vf_fma(vf_load(from + (size_t)columns->from[j] * CN__LANES), vf_set1(columns->weight[j]), across);
        sum = vf_fma(across, vf_set1(rows->weight[i]), sum);
    }
    return sum;
}

void CN__ISA_NAME(resample)(const cn__resample_axis *rows, const cn__resample_axis *columns, cn__plane x, cn__plane y,
                            bool accumulate) {
    for (int32_t r = 0; r < rows->size; r++) {
        int32_t row = rows->first[r], row_end = rows->first[r + 1];
        for (int32_t c = 0; c < columns->size; c++) {
            int32_t column = columns->first[c], column_end = columns->first[c + 1];
            bool two = row_end - row == 2 && column_end - column == 2; /* with the loops unrolled */
            float *to = y.data + (size_t)r * y.row + (size_t)c * CN__LANES;
            for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH) {
                vf sum = two ? weighted(rows, columns, x, lane, row, row + 2, column, column + 2)
                             : weighted(rows, columns, x, lane, row, row_end, column, column_end);
                vf_store(to + lane, accumulate ? vf_load(to + lane) + sum : sum);
            }
        }
    }
}
