#include "broadcast_row.c"

static void broadcast_multiply(const int out[3], const int in[3], const float *x, float *y) {
    for (int i = 0; i < out[0] * out[1]; i++, y += out[2]) {
        const float *row = broadcast_row(in, x, i / out[1], i % out[1]);
        for (int c = 0; c < out[2]; c++)
            y[c] *= row[in[2] > 1 ? c : 0];
    }
}
