/* SPDX-License-Identifier: MIT */
/* depthwise_nchw16c.c: convolution of each channel by itself, with channels in the lanes: a tile of pixels in registers,
 * weights and inputs loaded side by side. Every output has one accumulator. 3×3 kernels, the usual ones, load each input
 * once for the three taps of a row; others load it for every tap. */
#include "kernels/isa/isa.h"

/* A tile is VECTORS vectors of a line high: 16 registers hold 12 accumulators and the weights. */
#define VECTORS (CN__VECTORS_PER_LINE < 2 ? CN__VECTORS_PER_LINE : 2)
#if CN__REGISTERS == 32
#define PIXELS 7
#else
#define PIXELS 6
#endif

/* One of a 3×3 kernel is a vector high: 16 registers hold 12 accumulators, the weights of a row and an input. */
#define PIXELS_3X3 12

/* Where a tile begins, in its plane's lines. */
typedef struct origin {
    const float *in, *weights, *bias, *skip; /* bias, skip: NULL: none */
    float *out;
} origin;

static origin row_of(const cn__channel_conv_args *a, size_t plane, size_t row) {
    return (origin){a->in + plane * a->in_plane + row * a->in_row, a->weights + plane * a->weight_plane,
                    a->bias ? a->bias + plane * CN__LANES : NULL,
                    a->skip ? a->skip + plane * a->skip_plane + row * a->skip_row : NULL,
                    a->out + plane * a->out_plane + row * a->out_row};
}

/* The same for another vector of its lines. */
static origin vector_of(origin at, int vector) {
    int lane = vector * CN__WIDTH;
    return (origin){at.in + lane, at.weights + lane, at.bias ? at.bias + lane : NULL, at.skip ? at.skip + lane : NULL,
                    at.out + lane};
}

/* The same so many pixels further on. */
static origin pixels_on(const cn__channel_conv_args *a, origin at, size_t pixels, size_t step) {
    return (origin){at.in + pixels * step, at.weights, at.bias, at.skip ? at.skip + pixels * a->skip_step : NULL,
                    at.out + pixels * a->out_step};
}

/* What a row of sums begins with: what is there, or biases. */
INLINE void begin(const cn__channel_conv_args *a, origin at, int pixels, vf *sum) {
    vf bias = at.bias ? vf_load(at.bias) : (vf){0};
    CN__UNROLL
    for (int p = 0; p < pixels; p++)
        sum[p] = bias;
    if (a->accumulate) {
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            sum[p] = vf_load(at.out + (size_t)p * a->out_step);
    }
}

/* What follows it. */
INLINE void finish(const cn__channel_conv_args *a, origin at, int pixels, vf *sum) {
    if (at.skip) {
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            sum[p] += vf_load(at.skip + (size_t)p * a->skip_step);
    }
    if (a->relu) {
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            sum[p] = vf_relu(sum[p]);
    }
    if (a->most > 0.0f) {
        vf most = vf_set1(a->most);
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            sum[p] = vf_min(most, sum[p]);
    }
    CN__UNROLL
    for (int p = 0; p < pixels; p++)
        vf_store(at.out + (size_t)p * a->out_step, sum[p]);
}

/* ---- any kernel ---- */

INLINE void tile(const cn__channel_conv_args *a, origin at, int pixels, size_t step) {
    vf sum[VECTORS][PIXELS];
    CN__UNROLL
    for (int k = 0; k < VECTORS; k++)
        begin(a, vector_of(at, k), pixels, sum[k]);
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
    for (int k = 0; k < VECTORS; k++)
        finish(a, vector_of(at, k), pixels, sum[k]);
}

/* ---- 3×3 ---- */

/* Loaded once: compilers would rather load it for each of its uses. */
INLINE vf loaded(const float *x) {
    vf value = vf_load(x);
#if defined(__x86_64__) || defined(__i386__)
    __asm__("" : "+v"(value));
#endif
    return value;
}

/* Adds a row of the kernel to a row of sums: each input to those that see it, so that a sum's taps come from left to
 * right. */
INLINE void add_row(const float *x, const vf weight[3], int pixels, int stride, vf *sum) {
    CN__UNROLL
    for (int column = 0; column < pixels + 2 / stride; column++) {
        CN__UNROLL
        for (int odd = 0; odd < stride; odd++) {
            int place = column * stride + odd;
            if (place >= (pixels - 1) * stride + 3)
                continue;
            vf input = loaded(x + place * CN__LANES);
            CN__UNROLL
            for (int t = 0; t < 3; t++)
                if (place >= t && (place - t) % stride == 0 && (place - t) / stride < pixels)
                    sum[(place - t) / stride] = vf_fma(weight[t], input, sum[(place - t) / stride]);
        }
    }
}

INLINE void tile_3x3(const cn__channel_conv_args *a, origin at, int pixels, int stride) {
    vf sum[PIXELS_3X3];
    begin(a, at, pixels, sum);
    CN__UNROLL
    for (int row = 0; row < 3; row++) {
        vf weight[3];
        CN__UNROLL
        for (int t = 0; t < 3; t++)
            weight[t] = vf_load(at.weights + (3 * row + t) * CN__LANES);
        add_row(at.in + a->taps[3 * row].input, weight, pixels, stride, sum);
    }
    finish(a, at, pixels, sum);
}

/* Without dilation, and steps of one or two pixels. */
static bool is_3x3(const cn__channel_conv_args *a) {
    bool usual = a->tap_count == 9 && (a->in_step == CN__LANES || a->in_step == 2 * CN__LANES);
    for (size_t t = 0; usual && t < 9; t++)
        usual = a->taps[t].filter == t && a->taps[t].input == a->taps[t - t % 3].input + (ptrdiff_t)(t % 3) * CN__LANES;
    return usual;
}

/* ---- both ---- */

/* A plane's rows, cut into tiles of about the same width. */
INLINE void plane(const cn__channel_conv_args *a, size_t number, size_t step, bool usual) {
    int32_t most = usual ? PIXELS_3X3 : PIXELS, tiles = (a->width + most - 1) / most;
    int32_t least = a->width / tiles, wider = a->width % tiles;
    for (size_t row = 0; row < (size_t)a->height; row++) {
        origin at = row_of(a, number, row);
        for (int32_t i = 0; i < tiles; i++) {
            int32_t pixels = least + (i < wider);
            for (int k = 0; k < CN__VECTORS_PER_LINE; k += usual ? 1 : VECTORS)
                if (usual)
                    CN__AS_CONSTANT(n, pixels, PIXELS_3X3, tile_3x3(a, vector_of(at, k), n, (int)(step / CN__LANES)))
                else
                    CN__AS_CONSTANT(n, pixels, PIXELS, tile(a, vector_of(at, k), n, step))
            at = pixels_on(a, at, (size_t)pixels, step);
        }
    }
}

void CN__ISA_NAME(channel_depthwise)(const cn__channel_conv_args *args) {
    bool usual = is_3x3(args), dense = args->in_step == CN__LANES;
    for (size_t number = 0; number * CN__LANES < (size_t)args->channels; number++)
        if (usual)
            dense ? plane(args, number, CN__LANES, true) : plane(args, number, 2 * CN__LANES, true);
        else
            dense ? plane(args, number, CN__LANES, false) : plane(args, number, args->in_step, false);
}
