#include "conv_shape.c"

/* row[c] += w * x[c * stride + k], where that is one of `width` values. */
static void add_tap(const float *x, int width, int k, int stride, float w, int count, float *row) {
    int first = k < 0 ? (stride - 1 - k) / stride : 0, end = k < width ? (width - 1 - k) / stride + 1 : 0;
    if (end > count)
        end = count;
    for (int c = first; c < end; c++)
        row[c] += w * x[c * stride + k];
}

/* A convolution whose groups have one input channel each. */
static void depthwise_conv2d(const conv_shape *s, const float *x, const float *weight, const float *bias, float *y) {
    int taps = s->kernel[0] * s->kernel[1];
    for (int o = 0; o < s->out[0]; o++, weight += taps)
        for (int r = 0; r < s->out[1]; r++, y += s->out[2]) {
            for (int c = 0; c < s->out[2]; c++)
                y[c] = bias ? bias[o] : 0.0f;
            for (int t = 0; t < taps; t++) {
                int from = r * s->stride[0] + t / s->kernel[1] * s->dilation[0] - s->padding[0];
                int k = t % s->kernel[1] * s->dilation[1] - s->padding[1];
                const float *plane = x + o / (s->out[0] / s->in[0]) * s->in[1] * s->in[2];
                if (from >= 0 && from < s->in[1])
                    add_tap(plane + from * s->in[2], s->in[2], k, s->stride[1], weight[t], s->out[2], y);
            }
        }
}
