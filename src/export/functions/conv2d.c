#include "conv_shape.c"

/* A convolution, of groups, or transposed, is a product of matrices: for TILE pixels of the output at a time the values
 * that their windows see are gathered, a row for each term (channel, row and column of the kernel), at most TERMS of
 * them. Outputs are sums of these rows, times weights. */
enum { TILE = 32, TERMS = 72 };

/* `count` values of a row of the input from column k on, `stride` apart; zeros where there are none. */
static void gather_row(const float *row, int width, int k, int stride, int spread, int count, float *to) {
    int p = 0;
    for (; p < count && k < 0; p++, k += stride)
        to[p] = 0.0f;
    if (spread == 1)
        for (; p < count && k < width; p++, k += stride)
            to[p] = row[k];
    else
        for (; p < count && k < width * spread; p++, k += stride)
            to[p] = k % spread == 0 ? row[k / spread] : 0.0f;
    for (; p < count; p++)
        to[p] = 0.0f;
}

/* What a term sees in the windows of a tile's pixels, of which `first` is the first. */
static void gather_term(const conv_shape *s, const float *x, int term, int first, float *to) {
    int taps = s->kernel[0] * s->kernel[1], tap = term % taps, r = first / s->out[2], c = first % s->out[2];
    int i = tap / s->kernel[1] * s->dilation[0] - s->padding[0];
    int j = tap % s->kernel[1] * s->dilation[1] - s->padding[1];
    x += term / taps * s->in[1] * s->in[2];
    for (int p = 0, count; p < TILE; p += count, r++, c = 0) {
        int y = r * s->stride[0] + i, inside = y >= 0 && y < s->in[1] * s->spread[0] && y % s->spread[0] == 0;
        count = s->out[2] - c < TILE - p ? s->out[2] - c : TILE - p;
        gather_row(inside ? x + y / s->spread[0] * s->in[2] : x, inside ? s->in[2] : 0, c * s->stride[1] + j,
                   s->stride[1], s->spread[1], count, to + p);
    }
}

/* Two rows of sums at a time, four terms at a time: so few loads go with each multiplication. */
static void add_terms(int terms, const float *w, const float *v, const float *restrict columns, float *restrict a,
                      float *restrict b) {
    int t = 0;
    for (; t + 4 <= terms; t += 4, columns += 4 * TILE) {
        float w0 = w[t], w1 = w[t + 1], w2 = w[t + 2], w3 = w[t + 3];
        float v0 = v[t], v1 = v[t + 1], v2 = v[t + 2], v3 = v[t + 3];
        for (int p = 0; p < TILE; p++) {
            float c0 = columns[p], c1 = columns[p + TILE], c2 = columns[p + 2 * TILE], c3 = columns[p + 3 * TILE];
            a[p] += w0 * c0 + w1 * c1 + w2 * c2 + w3 * c3;
            b[p] += v0 * c0 + v1 * c1 + v2 * c2 + v3 * c3;
        }
    }
    for (; t < terms; t++, columns += TILE) {
        float w0 = w[t], v0 = v[t];
        for (int p = 0; p < TILE; p++) {
            a[p] += w0 * columns[p];
            b[p] += v0 * columns[p];
        }
    }
}

/* Sums begin as biases, or where the terms before have left them. */
static void begin_sums(const float *bias, int channel, const float *y, int count, float *sums) {
    for (int p = 0; p < TILE; p++)
        sums[p] = y ? (p < count ? y[p] : 0.0f) : bias ? bias[channel] : 0.0f;
}

static void conv2d_group(const conv_shape *s, const float *x, const float *weight, const float *bias, float *columns,
                         float *y) {
    int outs = s->out[0] / s->groups, pixels = s->out[1] * s->out[2];
    int terms = s->in[0] / s->groups * s->kernel[0] * s->kernel[1];
    for (int first = 0; first < pixels; first += TILE) {
        int count = pixels - first < TILE ? pixels - first : TILE;
        for (int t = 0; t < terms; t += TERMS) {
            int some = terms - t < TERMS ? terms - t : TERMS;
            for (int i = 0; i < some; i++)
                gather_term(s, x, t + i, first, columns + i * TILE);
            for (int o = 0; o < outs; o += 2) {
                int next = o + 1 < outs ? o + 1 : o;
                float *a = y + o * pixels + first, *b = y + next * pixels + first, sums[2][TILE];
                begin_sums(bias, o, t ? a : NULL, count, sums[0]);
                begin_sums(bias, next, t ? b : NULL, count, sums[1]);
                add_terms(some, weight + o * terms + t, weight + next * terms + t, columns, sums[0], sums[1]);
                for (int p = 0; p < count; p++) {
                    a[p] = sums[0][p];
                    b[p] = sums[1][p];
                }
            }
        }
    }
}

static void conv2d(const conv_shape *s, const float *x, const float *weight, const float *bias, float *columns,
                   float *y) {
    int ins = s->in[0] / s->groups, outs = s->out[0] / s->groups;
    for (int g = 0; g < s->groups; g++)
        conv2d_group(s, x + g * ins * s->in[1] * s->in[2], weight + g * outs * ins * s->kernel[0] * s->kernel[1],
                     bias ? bias + g * outs : NULL, columns, y + g * outs * s->out[1] * s->out[2]);
}
