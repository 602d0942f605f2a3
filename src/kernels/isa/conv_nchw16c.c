/* SPDX-License-Identifier: MIT */
/* conv_nchw16c.c: convolution of some images with channels in the lanes: a tile of vectors of output channels × pixels in
 * registers, weights loaded, inputs broadcast. Every output has one accumulator, which may be put down in the output
 * between two blocks of input channels, so that the order of its sum is that of the taps, plane by plane of inputs.
 *
 * Pixels, those of all images in a row, go in strips whose inputs stay in the second-level cache while all channels of
 * outputs are computed; the weights of a panel, so many vectors of outputs × a block of input channels, stay in the first
 * while the strip's pixels go over them. Weights of small maps are read from memory, once: each panel's tiles ask for the next one's, each
 * for its share, so that no tile waits for all. */
#include "kernels/isa/isa.h"

/* A panel is 1 … 4 vectors of outputs high; how many pixels wide its tiles are depends on that. 16 registers hold 12
 * accumulators, the weights and an input, 32 hold 24, and 28 where multiply-adds broadcast inputs from memory, as
 * AVX-512's do. Where there is one pixel, it is FOUR_LINES high: weights come from memory twice as fast in several
 * streams as in one. */
#define FOUR_LINES (4 * CN__VECTORS_PER_LINE)
#define VECTORS    FOUR_LINES
#if CN__WIDTH == 16
#define PIXELS        7
#define MOST(vectors) 7
#elif CN__REGISTERS == 32
#define PIXELS        6
#define MOST(vectors) ((vectors) > 4 ? 1 : 6)
#else
#define PIXELS        12
#define MOST(vectors) ((vectors) > 4 ? 1 : 12 / (vectors))
#endif
#define FEW_PIXELS 9 /* or less: weights of two planes are read side by side, too */

#define PANEL_FLOATS (16 << 10 >> 2)  /* weights of a panel */
#define STRIP_FLOATS (192 << 10 >> 2) /* inputs of a strip */
#define STRIP_PIXELS 48               /* of a strip at least: else weights are read too often */
#define STRIP_UNIT   12               /* pixels, so that strips begin where tiles of most rows do */

/* Loops over a tile's vectors go to VECTORS, with a condition inside: Clang leaves the accumulators of a loop that runs
 * only once in memory. */

/* Vectors that lie side by side in any case: panels begin with an even one. */
#define PAIR  (CN__VECTORS_PER_LINE < 2 ? 1 : 2)
#define PAIRS (VECTORS / PAIR)

/* What a tile is part of: vectors `vector` … of the outputs, channels first … end - 1 of the inputs, of which `first`
 * begins a plane. */
typedef struct panel {
    int32_t vector;
    int32_t first, end;
    ptrdiff_t next; /* from its weights to those of the next one, in floats */
} panel;

/* Where a tile's pixels begin, and what it asks for: weights from so many floats ahead of its own on, a step further
 * with each of them. */
typedef struct place {
    int32_t image, row, column;
    int32_t asking; /* so many tiles, each for the next share; then none */
    ptrdiff_t ahead, step, share;
} place;

/* Floats to the next image, row and pixel of a map. */
typedef struct strides {
    size_t image, row, step;
} strides;

/* Where vector `vector` of the channels of a pixel lies. */
INLINE size_t vector_at(int32_t vector, size_t plane) {
    return (size_t)(vector / CN__VECTORS_PER_LINE) * plane + (size_t)(vector % CN__VECTORS_PER_LINE) * CN__WIDTH;
}

/* The same place, or the first one of the next row or image behind it. */
INLINE place carried(const cn__channel_conv_args *a, place at) {
    while (at.column >= a->width)
        at.column -= a->width, at.row++;
    while (at.row >= a->height)
        at.row -= a->height, at.image++;
    return at;
}

/* The next tile's. */
INLINE place behind(place at, int32_t pixels) {
    at.column += pixels;
    at.ahead = --at.asking > 0 ? at.ahead + at.share : 0;
    at.step = at.asking > 0 ? at.step : 0;
    return at;
}

INLINE size_t offset(place at, strides by) {
    return (size_t)at.image * by.image + (size_t)at.row * by.row + (size_t)at.column * by.step;
}

/* Where a tile's pixels lie in a map; `row`: in one row. */
INLINE void find_pixels(const cn__channel_conv_args *a, place at, strides by, int pixels, bool row, size_t to[PIXELS]) {
    to[0] = offset(at, by);
    CN__UNROLL
    for (int p = 1; p < pixels; p++) {
        if (!row) {
            at.column++;
            at = carried(a, at);
        }
        to[p] = row ? to[0] + (size_t)p * by.step : offset(at, by);
    }
}

/* Sums of a tile; `row`: its pixels lie side by side in one row, else each has an address of its own. */
INLINE void accumulate(const cn__channel_conv_args *a, const panel *of, place at, int vectors, int pixels, bool row,
                       vf sum[VECTORS][PIXELS]) {
    const float *in = a->in + (size_t)(of->first / CN__LANES) * a->in_plane, *weights[PAIRS], *asked[PAIRS];
    size_t pixel[PIXELS];
    find_pixels(a, at, (strides){a->in_image, a->in_row, row ? CN__LANES : a->in_step}, pixels, row, pixel);
    CN__UNROLL
    for (int i = 0; i < PAIRS; i++)
        if (i * PAIR < vectors) {
            weights[i] = a->weights + vector_at(of->vector + i * PAIR, a->weight_plane) +
                         (size_t)of->first * a->filter_taps * CN__LANES;
            asked[i] = weights[i] + at.ahead;
        }
    for (int32_t left = of->end - of->first; left > 0; left -= CN__LANES, in += a->in_plane) {
        size_t channels = left < CN__LANES ? (size_t)left : CN__LANES;
        for (const cn__channel_tap *tap = a->taps; tap < a->taps + a->tap_count; tap++) {
            const float *x = in + tap->input + (row ? pixel[0] : 0), *from[PAIRS];
            CN__UNROLL
            for (int i = 0; i < PAIRS; i++)
                if (i * PAIR < vectors)
                    from[i] = weights[i] + tap->filter * channels * CN__LANES;
            for (const float *end = x + channels; x < end; x++) {
                vf w[VECTORS];
                CN__UNROLL
                for (int k = 0; k < VECTORS; k++)
                    if (k < vectors)
                        w[k] = vf_load(from[k / PAIR] + k % PAIR * CN__WIDTH);
                CN__UNROLL
                for (int p = 0; p < pixels; p++) {
                    vf input = vf_set1(x[row ? (size_t)p * CN__LANES : pixel[p]]);
                    CN__UNROLL
                    for (int k = 0; k < VECTORS; k++)
                        if (k < vectors)
                            sum[k][p] = vf_fma(w[k], input, sum[k][p]);
                }
                CN__UNROLL
                for (int i = 0; i < PAIRS; i++)
                    if (i * PAIR < vectors)
                        from[i] += CN__LANES;
                CN__UNROLL
                for (int i = 0; i * PAIR < vectors; i += CN__VECTORS_PER_LINE / PAIR) {
                    __builtin_prefetch(asked[i], 0, 2);
                    asked[i] += at.step;
                }
            }
        }
        CN__UNROLL
        for (int i = 0; i < PAIRS; i++)
            if (i * PAIR < vectors)
                weights[i] += channels * a->filter_taps * CN__LANES;
    }
}

/* What the sums begin with: biases, what is there, or what the panel before has left. */
INLINE void begin(const cn__channel_conv_args *a, const panel *of, const size_t out[PIXELS], int vectors, int pixels,
                  vf sum[VECTORS][PIXELS]) {
    CN__UNROLL
    for (int k = 0; k < VECTORS; k++) {
        if (k >= vectors)
            continue;
        if (of->first > 0 || a->accumulate) {
            const float *from = a->out + vector_at(of->vector + k, a->out_plane);
            CN__UNROLL
            for (int p = 0; p < pixels; p++)
                sum[k][p] = vf_load(from + out[p]);
        } else {
            vf bias = a->bias ? vf_load(a->bias + (of->vector + k) * CN__WIDTH) : (vf){0};
            CN__UNROLL
            for (int p = 0; p < pixels; p++)
                sum[k][p] = bias;
        }
    }
}

/* What follows the sums. */
INLINE void post(const cn__channel_conv_args *a, const panel *of, place at, int vectors, int pixels, bool row,
                 vf sum[VECTORS][PIXELS]) {
    if (a->skip) {
        size_t skip[PIXELS];
        find_pixels(a, at, (strides){a->skip_image, a->skip_row, a->skip_step}, pixels, row, skip);
        CN__UNROLL
        for (int k = 0; k < VECTORS; k++) {
            if (k >= vectors)
                continue;
            const float *from = a->skip + vector_at(of->vector + k, a->skip_plane);
            CN__UNROLL
            for (int p = 0; p < pixels; p++)
                sum[k][p] += vf_load(from + skip[p]);
        }
    }
    if (a->relu) {
        CN__UNROLL
        for (int k = 0; k < VECTORS; k++)
            if (k < vectors) {
                CN__UNROLL
                for (int p = 0; p < pixels; p++)
                    sum[k][p] = vf_relu(sum[k][p]);
            }
    }
    if (a->most > 0.0f) {
        vf most = vf_set1(a->most);
        CN__UNROLL
        for (int k = 0; k < VECTORS; k++)
            if (k < vectors) {
                CN__UNROLL
                for (int p = 0; p < pixels; p++)
                    sum[k][p] = vf_min(most, sum[k][p]);
            }
    }
}

INLINE void tile(const cn__channel_conv_args *a, const panel *of, place at, int vectors, int pixels, bool row) {
    vf sum[VECTORS][PIXELS];
    size_t out[PIXELS];
    find_pixels(a, at, (strides){a->out_image, a->out_row, row ? CN__LANES : a->out_step}, pixels, row, out);
    begin(a, of, out, vectors, pixels, sum);
    accumulate(a, of, at, vectors, pixels, row, sum);
    if (of->end == a->in_channels)
        post(a, of, at, vectors, pixels, row, sum);
    CN__UNROLL
    for (int k = 0; k < VECTORS; k++) {
        if (k >= vectors)
            continue;
        float *to = a->out + vector_at(of->vector + k, a->out_plane);
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            vf_store(to + out[p], sum[k][p]);
    }
}

/* Some tiles side by side. A call for each would take a third as long again where a sum has 16 terms. */
INLINE void row_of_tiles(const cn__channel_conv_args *a, const panel *of, place at, int vectors, int pixels,
                         int32_t count) {
    for (; count > 0; count--, at = behind(at, pixels))
        tile(a, of, at, vectors, pixels, true);
}

/* Tiles of so many vectors, of 1 … MOST(vectors) pixels, are functions of their own: within larger ones compilers run out
 * of registers for addresses. */
typedef void row_function(const cn__channel_conv_args *a, const panel *of, place at, int32_t pixels, int32_t count);
typedef void any_function(const cn__channel_conv_args *a, const panel *of, place at, int32_t pixels);
#define TILES(vectors)                                                                                                 \
    static NOINLINE void row_tiles_##vectors(const cn__channel_conv_args *a, const panel *of, place at,                \
                                             int32_t pixels, int32_t count) {                                          \
        CN__AS_CONSTANT(n, pixels, MOST(vectors), row_of_tiles(a, of, at, vectors, n, count))                          \
    }                                                                                                                  \
    static NOINLINE void any_tile_##vectors(const cn__channel_conv_args *a, const panel *of, place at,                 \
                                            int32_t pixels) {                                                          \
        CN__AS_CONSTANT(n, pixels, MOST(vectors), tile(a, of, at, vectors, n, false))                                  \
    }
TILES(1)
TILES(2)
TILES(3)
TILES(4)
#if CN__VECTORS_PER_LINE > 1
TILES(FOUR_LINES)
#endif

typedef struct tile_functions {
    row_function *row;
    any_function *any;
} tile_functions;

static const tile_functions tiles_of[VECTORS + 1] = {
    [1] = {row_tiles_1, any_tile_1},
    [2] = {row_tiles_2, any_tile_2},
    [3] = {row_tiles_3, any_tile_3},
    [4] = {row_tiles_4, any_tile_4},
#if CN__VECTORS_PER_LINE > 1
    [FOUR_LINES] = {row_tiles_FOUR_LINES, any_tile_FOUR_LINES},
#endif
};

/* A strip's pixels first … end - 1, cut into tiles of about the same width. */
static void all_tiles(const cn__channel_conv_args *a, const panel *of, int64_t first, int64_t end, int32_t vectors) {
    int32_t count = (int32_t)(end - first), tiles = (count + MOST(vectors) - 1) / MOST(vectors);
    int32_t least = count / tiles, wider = count % tiles;
    int32_t step = (CN__LANES + tiles - 1) / tiles, row = (int32_t)(first / a->width);
    ptrdiff_t share = step * (of->end - of->first) * (ptrdiff_t)a->tap_count;
    place at = {.image = row / a->height,
                .row = row % a->height,
                .column = (int32_t)(first % a->width),
                .asking = (CN__LANES + step - 1) / step,
                .ahead = of->next,
                .step = step,
                .share = share};
    bool dense = a->in_step == CN__LANES && a->out_step == CN__LANES;
    for (int32_t i = 0, together; i < tiles; i += together) {
        int32_t pixels = least + (i < wider), alike = i < wider ? wider - i : tiles - i;
        int32_t in_row = dense ? (a->width - at.column) / pixels : 0;
        together = in_row > 1 ? (in_row < alike ? in_row : alike) : 1;
        if (in_row > 0)
            tiles_of[vectors].row(a, of, at, pixels, together);
        else
            tiles_of[vectors].any(a, of, at, pixels);
        for (int32_t t = 0; t < together; t++)
            at = behind(at, pixels);
        at = carried(a, at);
    }
}

static int64_t all_pixels(const cn__channel_conv_args *a) {
    return (int64_t)a->images * a->height * a->width;
}

static bool one_pixel(const cn__channel_conv_args *a) {
    return all_pixels(a) == 1;
}

/* Input channels of a panel: whole planes; all, if the output still holds what is added to it, or if weights are used
 * once. */
static int32_t panel_channels(const cn__channel_conv_args *a, int32_t vectors) {
    size_t plane = (size_t)vectors * CN__WIDTH * a->filter_taps * CN__LANES, planes = PANEL_FLOATS / plane;
    if (a->skip == a->out || one_pixel(a))
        return a->in_channels;
    return (int32_t)(planes > 0 ? planes : 1) * CN__LANES;
}

/* Of 16 registers two vectors make the better tile, but three are better than two and one. */
static int32_t panel_vectors(const cn__channel_conv_args *a, int32_t left) {
    if (one_pixel(a) && left >= FOUR_LINES)
        return FOUR_LINES;
    if (CN__REGISTERS == 32 || (all_pixels(a) <= FEW_PIXELS && left > 3))
        return left < 4 ? left : 4;
    return left == 1 || left == 3 ? left : 2;
}

/* From a panel's weights to those that are soon wanted, usually the next one's; 0: there are none. */
static ptrdiff_t to_next(const cn__channel_conv_args *a, const panel *of, int32_t vectors) {
    if (one_pixel(a))
        return PANEL_FLOATS;
    ptrdiff_t channel = (ptrdiff_t)(a->filter_taps * CN__LANES);
    if (of->end < a->in_channels)
        return (of->end - of->first) * channel;
    if ((of->vector + vectors) * CN__WIDTH >= a->channels)
        return 0;
    return (ptrdiff_t)vector_at(of->vector + vectors, a->weight_plane) -
           (ptrdiff_t)vector_at(of->vector, a->weight_plane) - of->first * channel;
}

static void strip(const cn__channel_conv_args *a, int64_t first, int64_t end) {
    int32_t vectors = (a->channels + CN__WIDTH - 1) / CN__WIDTH;
    for (int32_t v = 0, count; v < vectors; v += count) {
        count = panel_vectors(a, vectors - v);
        int32_t channels = panel_channels(a, count);
        for (int32_t c = 0; c < a->in_channels; c += channels) {
            panel of = {v, c, a->in_channels - c < channels ? a->in_channels : c + channels, 0};
            of.next = to_next(a, &of, count);
            all_tiles(a, &of, first, end, count);
        }
    }
}

static int32_t strip_pixels(const cn__channel_conv_args *a) {
    size_t planes = ((size_t)a->in_channels + CN__LANES - 1) / CN__LANES;
    size_t pixels = STRIP_FLOATS / (planes * (a->in_row / (size_t)a->width + 1));
    return pixels > STRIP_PIXELS ? (int32_t)pixels : STRIP_PIXELS;
}

/* What no channel lies in of the last line of a pixel. */
static void clear_rest(const cn__channel_conv_args *a, int32_t vectors) {
    for (; vectors % CN__VECTORS_PER_LINE; vectors++)
        for (size_t row = 0; row < (size_t)a->images * (size_t)a->height; row++) {
            float *out = a->out + vector_at(vectors, a->out_plane) + row / (size_t)a->height * a->out_image +
                         row % (size_t)a->height * a->out_row;
            for (size_t p = 0; p < (size_t)a->width; p++)
                vf_store(out + p * a->out_step, (vf){0});
        }
}

/* Rows that follow on each other without a gap, in every map, are one: tiles then need not end with them. */
static cn__channel_conv_args join_rows(const cn__channel_conv_args *args) {
    cn__channel_conv_args a = *args;
    size_t width = (size_t)a.width;
    if (a.in_row == width * a.in_step && a.out_row == width * a.out_step &&
        (!a.skip || a.skip_row == width * a.skip_step)) {
        a.width *= a.height;
        a.height = 1;
    }
    return a;
}

/* Where a strip ends: what is left goes in equal shares, of whole units. */
static int64_t strip_end(int64_t first, int64_t pixels, int64_t most) {
    int64_t left = pixels - first, strips = (left + most - 1) / most;
    return strips > 1 ? first + (left / strips + STRIP_UNIT - 1) / STRIP_UNIT * STRIP_UNIT : pixels;
}

void CN__ISA_NAME(channel_conv)(const cn__channel_conv_args *args) {
    cn__channel_conv_args a = join_rows(args);
    int64_t pixels = all_pixels(&a), most = strip_pixels(args);
    for (int64_t first = 0, end; first < pixels; first = end) {
        end = strip_end(first, pixels, most);
        strip(&a, first, end);
    }
    clear_rest(&a, (a.channels + CN__WIDTH - 1) / CN__WIDTH);
}
