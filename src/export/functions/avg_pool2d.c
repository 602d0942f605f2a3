#include "pool_shape.c"

/* Rows, or columns, of a window that lie in the image, and how many it counts. */
static int window_part(const pool_shape *s, int d, int index, int *first, int *end) {
    int size = s->in[d + 1], begin = index * s->stride[d] - s->padding[d], stop = begin + s->kernel[d];
    if (stop > size + s->padding[d])
        stop = size + s->padding[d];
    *first = begin < 0 ? 0 : begin;
    *end = stop > size ? size : stop;
    return s->count_include_pad ? stop - begin : *end - *first;
}

static float window_mean(const pool_shape *s, const float *x, int i, int j) {
    int top, bottom, left, right;
    int rows = window_part(s, 0, i, &top, &bottom), columns = window_part(s, 1, j, &left, &right);
    float sum = 0.0f;
    for (int row = top; row < bottom; row++)
        for (int column = left; column < right; column++)
            sum += x[row * s->in[2] + column];
    return sum / (s->divisor ? (float)s->divisor : (float)(rows * columns));
}

static void avg_pool2d(const pool_shape *s, const float *x, float *y) {
    for (int c = 0; c < s->out[0]; c++, x += s->in[1] * s->in[2])
        for (int i = 0; i < s->out[1]; i++)
            for (int j = 0; j < s->out[2]; j++)
                *y++ = window_mean(s, x, i, j);
}
