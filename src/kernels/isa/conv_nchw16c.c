/* conv_nchw16c.c: convolution of one image with channels in the lanes: a tile of vectors of output channels × pixels of
 * a row in registers, weights loaded, inputs broadcast. Every output has one accumulator. */
#include "kernels/isa/isa.h"

/* A tile is up to VECTORS vectors high; how many pixels wide depends on that. 32 registers hold 28 accumulators, the
 * weights and an input, 16 hold 12. Pixels that do not lie side by side each want an address of their own. */
#define VECTORS    3
#define MAX_PIXELS 14
#if CN__ISA == 3
#define PIXELS_ONE   14
#define PIXELS_TWO   14
#define PIXELS_THREE 9
#else
#define PIXELS_ONE   12
#define PIXELS_TWO   6
#define PIXELS_THREE 4
#endif
#define PIXELS_APART 4

/* Loops over a tile's vectors go to VECTORS, with a condition inside: Clang leaves the accumulators of a loop that runs
 * only once in memory. */

/* A tile's first output: vector of channels, row and pixel. */
typedef struct origin {
    int32_t vector, row, pixel;
} origin;

/* Where vector `vector` of the channels of a pixel lies. */
INLINE size_t vector_at(int32_t vector, size_t plane) {
    return (size_t)(vector / CN__VECTORS_PER_LINE) * plane + (size_t)(vector % CN__VECTORS_PER_LINE) * CN__WIDTH;
}

INLINE void accumulate(const cn__channel_conv_args *a, origin at, int vectors, int pixels, bool side_by_side,
                       vf sum[VECTORS][MAX_PIXELS]) {
    size_t step = side_by_side ? CN__LANES : a->in_step;
    const float *in = a->in + (size_t)at.row * a->in_row + (size_t)at.pixel * step, *weights[VECTORS];
    CN__UNROLL
    for (int k = 0; k < VECTORS; k++)
        if (k < vectors)
            weights[k] = a->weights + vector_at(at.vector + k, a->weight_plane);
    for (int32_t first = 0; first < a->in_channels; first += CN__LANES, in += a->in_plane) {
        int32_t channels = a->in_channels - first < CN__LANES ? a->in_channels - first : CN__LANES;
        for (const cn__channel_tap *tap = a->taps; tap < a->taps + a->tap_count; tap++) {
            const float *x = in + tap->input;
            size_t next = ((size_t)first * a->filter_taps + tap->filter * (size_t)channels) * CN__LANES; /* weight */
            for (int32_t c = 0; c < channels; c++, x++, next += CN__LANES) {
                vf w[VECTORS];
                CN__UNROLL
                for (int k = 0; k < VECTORS; k++)
                    if (k < vectors)
                        w[k] = vf_load(weights[k] + next);
                CN__UNROLL
                for (int p = 0; p < pixels; p++) {
                    vf input = vf_set1(x[(size_t)p * step]);
                    CN__UNROLL
                    for (int k = 0; k < VECTORS; k++)
                        if (k < vectors)
                            sum[k][p] = vf_fma(w[k], input, sum[k][p]);
                }
            }
        }
    }
}

INLINE void tile(const cn__channel_conv_args *a, origin at, int vectors, int pixels, bool side_by_side) {
    vf sum[VECTORS][MAX_PIXELS];
    CN__UNROLL
    for (int k = 0; k < VECTORS; k++) {
        if (k >= vectors)
            continue;
        vf bias = a->bias ? vf_load(a->bias + (at.vector + k) * CN__WIDTH) : (vf){0};
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            sum[k][p] = bias;
    }
    accumulate(a, at, vectors, pixels, side_by_side, sum);
    CN__UNROLL
    for (int k = 0; k < VECTORS; k++) {
        if (k >= vectors)
            continue;
        float *out = a->out + vector_at(at.vector + k, a->out_plane) + (size_t)at.row * a->out_row +
                     (size_t)at.pixel * a->out_step;
        if (a->skip) {
            const float *skip = a->skip + vector_at(at.vector + k, a->skip_plane) + (size_t)at.row * a->skip_row +
                                (size_t)at.pixel * a->skip_step;
            CN__UNROLL
            for (int p = 0; p < pixels; p++)
                sum[k][p] += vf_load(skip + (size_t)p * a->skip_step);
        }
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            vf_store(out + (size_t)p * a->out_step, a->relu ? vf_relu(sum[k][p]) : sum[k][p]);
    }
}

/* One tile of 1 … `most` pixels, with their number as a constant. */
#define CASE(n)                                                                                                        \
    case n:                                                                                                            \
        if (n <= most)                                                                                                 \
            tile(a, at, vectors, n, side_by_side);                                                                     \
        break;
INLINE void any_tile(const cn__channel_conv_args *a, origin at, int vectors, int most, int32_t pixels,
                     bool side_by_side) {
    switch (pixels) {
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
        CASE(7)
        CASE(8)
        CASE(9)
        CASE(10)
        CASE(11)
        CASE(12)
        CASE(13)
        CASE(14)
    }
}

/* All rows, cut into tiles of about the same width. */
INLINE void all_rows(const cn__channel_conv_args *a, int32_t vector, int vectors, int most, bool side_by_side) {
    int32_t tiles = (a->width + most - 1) / most, least = a->width / tiles, wider = a->width % tiles;
    origin at = {vector, 0, 0};
    for (at.row = 0; at.row < a->height; at.row++) {
        at.pixel = 0;
        for (int32_t i = 0; i < tiles; i++) {
            int32_t pixels = least + (i < wider);
            any_tile(a, at, vectors, most, pixels, side_by_side);
            at.pixel += pixels;
        }
    }
}

/* What no channel lies in of the last line of a pixel. */
static void clear_rest(const cn__channel_conv_args *a, int32_t vectors) {
    for (; vectors % CN__VECTORS_PER_LINE; vectors++)
        for (size_t row = 0; row < (size_t)a->height; row++) {
            float *out = a->out + vector_at(vectors, a->out_plane) + row * a->out_row;
            for (size_t p = 0; p < (size_t)a->width; p++)
                vf_store(out + p * a->out_step, (vf){0});
        }
}

/* Vectors go in twos, the last three together. */
void CN__ISA_NAME(channel_conv)(const cn__channel_conv_args *args) {
    int32_t vectors = (args->channels + CN__WIDTH - 1) / CN__WIDTH;
    bool side_by_side = args->in_step == CN__LANES;
    for (int32_t v = 0; v < vectors;) {
        int32_t left = vectors - v, count = left == 1 || left == 3 ? left : 2;
        if (!side_by_side)
            count == 1   ? all_rows(args, v, 1, PIXELS_APART, false)
            : count == 2 ? all_rows(args, v, 2, PIXELS_APART, false)
                         : all_rows(args, v, 3, PIXELS_APART, false);
        else
            count == 1   ? all_rows(args, v, 1, PIXELS_ONE, true)
            : count == 2 ? all_rows(args, v, 2, PIXELS_TWO, true)
                         : all_rows(args, v, 3, PIXELS_THREE, true);
        v += count;
    }
    clear_rest(args, vectors);
}
