/* depthwise_nchw16c.c: convolution of each channel by itself, with channels in the lanes: a tile of pixels of a row in
 * registers, weights and inputs loaded side by side. Every output has one accumulator. */
#include "kernels/isa/isa.h"

/* A tile is VECTORS vectors of a line high: 16 registers hold 12 accumulators and the weights. */
#define VECTORS (CN__VECTORS_PER_LINE < 2 ? CN__VECTORS_PER_LINE : 2)
#if CN__REGISTERS == 32
#define PIXELS 7
#else
#define PIXELS 6
#endif

/* Where a tile begins, in its plane's lines. */
typedef struct origin {
    const float *in, *weights, *bias, *skip; /* bias, skip: NULL: none */
    float *out;
} origin;

INLINE void tile(const cn__channel_conv_args *a, origin at, int pixels, size_t step) {
    vf sum[VECTORS][PIXELS];
    CN__UNROLL
    for (int k = 0; k < VECTORS; k++) {
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            sum[k][p] = a->accumulate ? vf_load(at.out + (size_t)p * a->out_step + k * CN__WIDTH)
                        : at.bias     ? vf_load(at.bias + k * CN__WIDTH)
                                      : (vf){0};
    }
    for (const cn__channel_tap *tap = a->taps; tap < a->taps + a->tap_count; tap++) {
        const float *x = at.in + tap->input, *w = at.weights + tap->filter * CN__LANES;
        CN__UNROLL
        for (int k = 0; k < VECTORS; k++) {
            vf weight = vf_load(w + k * CN__WIDTH);
            CN__UNROLL
            for (int p = 0; p < pixels; p++)
                sum[k][p] = vf_fma(weight, vf_load(x + (size_t)p * step + k * CN__WIDTH), sum[k][p]);
        }
    }
    CN__UNROLL
    for (int k = 0; k < VECTORS; k++) {
        CN__UNROLL
        for (int p = 0; p < pixels; p++) {
            vf y = sum[k][p];
            if (at.skip)
                y += vf_load(at.skip + (size_t)p * a->skip_step + k * CN__WIDTH);
            if (a->relu)
                y = vf_relu(y);
            if (a->most > 0.0f)
                y = vf_select(y > a->most, vf_set1(a->most), y);
            vf_store(at.out + (size_t)p * a->out_step + k * CN__WIDTH, y);
        }
    }
}

/* All vectors of a line of 1 … PIXELS pixels, with their number as a constant. */
#define CASE(n)                                                                                                        \
    case n:                                                                                                            \
        if (n <= PIXELS)                                                                                               \
            tile(a, at, n, step);                                                                                      \
        break;
INLINE void lines(const cn__channel_conv_args *a, origin at, int32_t pixels, size_t step) {
    for (int k = 0; k < CN__VECTORS_PER_LINE; k += VECTORS) {
        switch (pixels) {
            CASE(1)
            CASE(2)
            CASE(3)
            CASE(4)
            CASE(5)
            CASE(6)
            CASE(7)
        }
        at.in += VECTORS * CN__WIDTH;
        at.weights += VECTORS * CN__WIDTH;
        at.bias = at.bias ? at.bias + VECTORS * CN__WIDTH : NULL;
        at.out += VECTORS * CN__WIDTH;
        at.skip = at.skip ? at.skip + VECTORS * CN__WIDTH : NULL;
    }
}

/* A plane's rows, cut into tiles of about the same width. */
INLINE void plane(const cn__channel_conv_args *a, size_t number, size_t step) {
    int32_t tiles = (a->width + PIXELS - 1) / PIXELS, least = a->width / tiles, wider = a->width % tiles;
    for (size_t row = 0; row < (size_t)a->height; row++) {
        origin at = {a->in + number * a->in_plane + row * a->in_row, a->weights + number * a->weight_plane,
                     a->bias ? a->bias + number * CN__LANES : NULL,
                     a->skip ? a->skip + number * a->skip_plane + row * a->skip_row : NULL,
                     a->out + number * a->out_plane + row * a->out_row};
        for (int32_t i = 0; i < tiles; i++) {
            int32_t pixels = least + (i < wider);
            lines(a, at, pixels, step);
            at.in += (size_t)pixels * step;
            at.out += (size_t)pixels * a->out_step;
            at.skip = at.skip ? at.skip + (size_t)pixels * a->skip_step : NULL;
        }
    }
}

void CN__ISA_NAME(channel_depthwise)(const cn__channel_conv_args *args) {
    for (size_t number = 0; number * CN__LANES < (size_t)args->channels; number++)
        args->in_step == CN__LANES       ? plane(args, number, CN__LANES)
        : args->in_step == 2 * CN__LANES ? plane(args, number, 2 * CN__LANES)
                                         : plane(args, number, args->in_step);
}
