#include "pool_shape.c"

static float window_max(const pool_shape *s, const float *x, int top, int left) {
    float most = -INFINITY;
    for (int i = 0; i < s->kernel[0]; i++) {
        int row = top + i * s->dilation[0];
        if (row < 0 || row >= s->in[1])
            continue;
        for (int j = 0; j < s->kernel[1]; j++) {
            int column = left + j * s->dilation[1];
            if (column < 0 || column >= s->in[2])
                continue;
            float value = x[row * s->in[2] + column];
            if (value > most || value != value)
                most = value;
        }
    }
    return most;
}

static void max_pool2d(const pool_shape *s, const float *x, float *y) {
    for (int c = 0; c < s->out[0]; c++, x += s->in[1] * s->in[2])
        for (int i = 0; i < s->out[1]; i++)
            for (int j = 0; j < s->out[2]; j++)
                *y++ = window_max(s, x, i * s->stride[0] - s->padding[0], j * s->stride[1] - s->padding[1]);
}
