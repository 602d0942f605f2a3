/* SPDX-License-Identifier: MIT */
/* winograd.c: 3×3 convolutions of stride 1 by Winograd's F(4×4, 3×3): Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A for tiles
 * of 4×4 outputs, whose 36 products a channel do what plain sums take 144 for (Lavin & Gray 2016, nodes 0, ±1, ±2, ∞).
 * Tiles of side 3, where 4 does not divide a size, do without -2 and take the same transformed weights.
 *
 * Images lie in the lanes, so transforms are sums of whole lines, and what lies between them is 36 matrix products of
 * the direct kernel's register tiles. Sums run over input channels in their order, then as the transforms say. */
#include "kernels/isa/moment_lines.h"
#include "kernels/isa/transpose.h"
#include "kernels/isa/winograd.h"

#if CN__REGISTERS == 32
#define ROWS 8
#else
#define ROWS 4
#endif
#define COLUMNS 3

/* Whether what the next tile reads and writes is fetched while one is at hand: AVX-512 processors lost time by it. */
#define FETCHES_AHEAD (CN__ISA != 3)

/* ---- transforms in one dimension, for tiles of side 4 or 3 ---- */

/* Bᵀ d. With side 3, which has no t[FAR], rows are scaled: filters are transformed for side 4, and this makes up for
 * the ratio between the factors in G of the two sides. */
INLINE void transform_input(const vf d[PATCH], vf t[PATCH], int side) {
    vf two = vf_set1(2.0f), three = vf_set1(3.0f), four = vf_set1(4.0f), five = vf_set1(5.0f);
    if (side == 4) {
        vf even = vf_fma(-four, d[2], d[4]), odd = vf_fma(-four, d[1], d[3]);
        vf far_even = d[4] - d[2], far_odd = d[3] - d[1];
        t[0] = vf_fma(four, d[0], vf_fma(-five, d[2], d[4]));
        t[1] = even + odd;
        t[2] = even - odd;
        t[3] = vf_fma(two, far_odd, far_even);
        t[4] = vf_fma(-two, far_odd, far_even);
        t[5] = vf_fma(four, d[1], vf_fma(-five, d[3], d[5]));
    } else {
        vf far_odd = d[3] - d[1];
        t[0] = vf_fma(four, d[0] - d[2], two * far_odd);
        t[1] = three * vf_fma(-two, d[1], d[3] - d[2]);
        t[2] = vf_fma(two, d[1], vf_fma(-three, d[2], d[3]));
        t[3] = four * far_odd;
        t[5] = vf_fma(-two, far_odd, d[4] - d[2]);
    }
}

/* Aᵀ m. */
INLINE void transform_output(const vf m[PATCH], vf y[SIDE], int side) {
    vf two = vf_set1(2.0f), four = vf_set1(4.0f), eight = vf_set1(8.0f);
    vf near_even = m[1] + m[2], near_odd = m[1] - m[2];
    vf far_even = side == 4 ? m[3] + m[4] : m[3], far_odd = side == 4 ? m[3] - m[4] : m[3];
    y[0] = m[0] + (near_even + far_even);
    y[1] = vf_fma(two, far_odd, near_odd);
    y[2] = vf_fma(four, far_even, near_even);
    y[3] = vf_fma(eight, far_odd, near_odd);
    y[side - 1] += m[5];
}

/* ---- the inputs' patches ---- */

/* Two rows of Bᵀ d at a time, so that a patch needs no more registers than there are: 0 and 5, 1 and 2, or 3 and 4. */
INLINE void patch_rows(const window *from, bool inside, size_t lane, int first, int second, float *v, size_t point,
                       int rows, int columns) {
    vf t[2][PATCH];
    CN__UNROLL
    for (int j = 0; j < columns + 2; j++) {
        vf d[PATCH], column[PATCH];
        read_column(from, inside, j, rows + 2, lane, d);
        transform_input(d, column, rows);
        t[0][j] = column[first];
        t[1][j] = column[second];
    }
    CN__UNROLL
    for (int i = 0; i < 2; i++) {
        vf row[PATCH];
        int which = i ? second : first;
        if (rows == 3 && which == FAR)
            continue;
        transform_input(t[i], row, columns);
        store_points(row, v + (size_t)(which * PATCH) * point + lane, point, columns);
    }
}

INLINE void patch_part(const window *from, bool inside, size_t lane, float *v, size_t point, int rows, int columns) {
    patch_rows(from, inside, lane, 0, 5, v, point, rows, columns);
    patch_rows(from, inside, lane, 1, 2, v, point, rows, columns);
    patch_rows(from, inside, lane, 3, FAR, v, point, rows, columns);
}

INLINE void transform_patch(const window *from, bool inside, size_t lanes, float *v, size_t point, int rows,
                            int columns) {
    for (size_t lane = 0; lane < CN__LANES && lane < lanes; lane += CN__WIDTH) {
        if (inside)
            patch_part(from, true, lane, v, point, rows, columns);
        else
            patch_part(from, false, lane, v, point, rows, columns);
    }
}

/* The next tile's window, but for the columns that it shares with the one to its left. */
INLINE void fetch_next_window(const cn__winograd_tiles *s, const tile *at, int32_t c, int32_t t) {
    bool last = t + 1 == s->count;
    if (!FETCHES_AHEAD || (last && c + 1 == s->channels))
        return;
    window next = find_window(s, &at[last ? 0 : t + 1], s->data + (size_t)(c + last) * s->channel);
    for (int i = 0; i < PATCH; i++)
        for (int j = 2; j < PATCH; j++)
            __builtin_prefetch(next.row[i] + j * CN__LANES);
}

void CN__ISA_NAME(winograd_input)(const cn__winograd_tiles *s, float *v) {
    size_t point = point_floats(s->channels, s->count);
    tile at[CN__WINOGRAD_MAX_TILES];
    find_tiles(s, 2, at);
    for (int32_t c = 0; c < s->channels; c++)
        for (int32_t t = 0; t < s->count; t++, v += CN__LANES) {
            window from = find_window(s, &at[t], s->data + (size_t)c * s->channel);
            fetch_next_window(s, at, c, t);
            BY_SIDES(&at[t], transform_patch, &from, at[t].inside, lanes_of(s, c), v, point);
        }
}

/* ---- the products ---- */

INLINE void product(const float *u, const float *v, int32_t channels, size_t v_channel, float *m, size_t m_row,
                    int columns) {
    vf sum[ROWS][COLUMNS];
    CN__UNROLL
    for (int r = 0; r < ROWS; r++) {
        CN__UNROLL
        for (int p = 0; p < columns; p++)
            sum[r][p] = (vf){0};
    }
    for (int32_t c = 0; c < channels; c++, u += CN__OC_BLOCK, v += v_channel) {
        vf x[COLUMNS];
        CN__UNROLL
        for (int p = 0; p < columns; p++)
            x[p] = vf_load(v + p * CN__LANES);
        CN__UNROLL
        for (int r = 0; r < ROWS; r++) {
            vf w = vf_set1(u[r]);
            CN__UNROLL
            for (int p = 0; p < columns; p++)
                sum[r][p] = vf_fma(w, x[p], sum[r][p]);
        }
    }
    CN__UNROLL
    for (int r = 0; r < ROWS; r++) {
        CN__UNROLL
        for (int p = 0; p < columns; p++)
            vf_store(m + (size_t)r * m_row + p * CN__LANES, sum[r][p]);
    }
}

/* ROWS rows of a block of output channels at one point, for the tiles that have it. */
INLINE void product_row(const float *u, const float *v, int32_t channels, size_t line, float *m, range with) {
    int32_t t = with.first, end = with.end;
    for (; end - t >= 5 || end - t == 3; t += 3)
        product(u, v + t * CN__LANES, channels, line, m + t * CN__LANES, line, 3);
    for (; end - t >= 2; t += 2)
        product(u, v + t * CN__LANES, channels, line, m + t * CN__LANES, line, 2);
    if (t < end)
        product(u, v + t * CN__LANES, channels, line, m + t * CN__LANES, line, 1);
}

/* M[point] = U[point] · V[point] for a block of output channels; a point at a time, which stays in the first-level
 * cache. */
static void products(const cn__winograd_args *a, size_t m_point) {
    int32_t count = a->tiles.count, channels = a->tiles.channels;
    numbers n = number_tiles(&a->tiles);
    size_t v_point = point_floats(channels, count), line = (size_t)count * CN__LANES;
    const float *u = a->weights, *v = a->v;
    float *m = a->m;
    for (int point = 0; point < POINTS; point++) {
        range with = tiles_with(&a->tiles, &n, point);
        for (int32_t row = 0; row < a->out_channels; row += ROWS)
            for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH)
                product_row(u + row, v + lane, channels, line, m + (size_t)row * line + lane, with);
        u += CN__WINOGRAD_FILTER_POINT(channels);
        v += v_point;
        m += m_point;
    }
}

/* ---- the outputs' tiles ---- */

/* Where a tile of a channel goes. */
typedef struct target {
    float *out;
    const float *skip;
    vf bias;
    int32_t rows, columns; /* that the plane has */
    bool first;            /* of those that moments are gathered of */
} target;

/* Row i of a tile's outputs: what follows a convolution, which few plans have at once, and out with it. */
INLINE void finish_row(const cn__winograd_args *a, const target *to, size_t i, vf y[SIDE], moments *gathered,
                       int columns) {
    float *out = to->out + i * a->out_row;
    int width = columns == 3 && to->columns < 3 ? to->columns : columns;
    CN__UNROLL
    for (int j = 0; j < columns; j++)
        y[j] += to->bias;
    if (a->accumulate) {
        CN__UNROLL
        for (int j = 0; j < width; j++)
            y[j] += vf_load(out + j * CN__LANES);
    }
    if (to->skip) {
        CN__UNROLL
        for (int j = 0; j < width; j++)
            y[j] += vf_load(to->skip + i * a->skip_row + (size_t)j * CN__LANES);
    }
    if (a->relu) {
        CN__UNROLL
        for (int j = 0; j < columns; j++)
            y[j] = vf_relu(y[j]);
    }
    if (a->most > 0.0f) {
        CN__UNROLL
        for (int j = 0; j < columns; j++)
            y[j] = vf_select(y[j] > a->most, vf_set1(a->most), y[j]);
    }
    CN__UNROLL
    for (int j = 0; j < width; j++)
        vf_store(out + j * CN__LANES, y[j]);
    if (!a->moments)
        return;
    if (i == 0 && to->first)
        gathered->pivot = y[0];
    CN__UNROLL
    for (int j = 0; j < width; j++)
        add_to_moments(gathered, y[j]);
}

INLINE void finish_tile(const cn__winograd_args *a, const float *m, size_t point, const target *to, moments *gathered,
                        int rows, int columns) {
    vf t[SIDE][PATCH];
    CN__UNROLL
    for (int j = 0; j < PATCH; j++) {
        vf column[PATCH], y[SIDE];
        const float *from = m + (size_t)j * point;
        if (columns == 3 && j == FAR)
            continue;
        CN__UNROLL
        for (int i = 0; i < PATCH; i++) {
            from = i ? walk(from, PATCH * point) : from;
            if (rows == 4 || i != FAR)
                column[i] = vf_load(from);
        }
        transform_output(column, y, rows);
        CN__UNROLL
        for (int i = 0; i < rows; i++)
            t[i][j] = y[i];
    }
    CN__UNROLL
    for (int i = 0; i < rows; i++) {
        vf y[SIDE];
        if (rows == 3 && i >= to->rows)
            break;
        transform_output(t[i], y, columns);
        finish_row(a, to, (size_t)i, y, gathered, columns);
    }
}

INLINE float *first_output(const cn__winograd_args *a, const tile *at, int32_t channel) {
    return a->out + (size_t)at->image * a->out_image + (size_t)channel * a->out_channel + (size_t)at->y * a->out_row +
           (size_t)at->x * CN__LANES;
}

/* Where the next tile's outputs go. */
INLINE void fetch_next_outputs(const cn__winograd_args *a, const tile *at, int32_t channel, int32_t t) {
    bool last = t + 1 == a->tiles.count;
    if (!FETCHES_AHEAD || (last && channel + 1 == a->out_channels))
        return;
    const float *next = first_output(a, &at[last ? 0 : t + 1], channel + last);
    for (size_t i = 0; i < SIDE; i++)
        for (size_t j = 0; j < SIDE; j++)
            __builtin_prefetch(next + i * a->out_row + j * CN__LANES, 1);
}

static void finish_channel(const cn__winograd_args *a, const tile *at, int32_t channel, size_t lane, size_t m_point,
                           vf bias) {
    const float *m = a->m + (size_t)channel * (size_t)a->tiles.count * CN__LANES + lane;
    float *line = a->moments ? a->moments + (size_t)channel * CN__MOMENT_LINES * CN__LANES + lane : NULL;
    moments gathered = {{0}, {0}, {0}};
    vf sum = {0}, squares = {0};
    if (line && a->add_moments) {
        gathered = moments_from(line);
        sum = gathered.sum;
        squares = gathered.squares;
    }
    for (int32_t t = 0; t < a->tiles.count; t++, m += CN__LANES) {
        target to = {.out = first_output(a, &at[t], channel) + lane,
                     .bias = bias,
                     .rows = a->out_height - at[t].y,
                     .columns = a->out_width - at[t].x,
                     .first = t == 0 && !a->add_moments};
        if (a->skip)
            to.skip = a->skip + (size_t)at[t].image * a->skip_image + (size_t)channel * a->skip_channel +
                      (size_t)at[t].y * a->skip_row + (size_t)at[t].x * CN__LANES + lane;
        if (lane == 0)
            fetch_next_outputs(a, at, channel, t);
        gathered.sum = gathered.squares = (vf){0};
        BY_SIDES(&at[t], finish_tile, a, m, m_point, &to, &gathered);
        sum += gathered.sum;
        squares += gathered.squares;
    }
    if (line) {
        begin_moments(line, gathered.pivot);
        moments_to(line, &(moments){gathered.pivot, sum, squares});
    }
}

void CN__ISA_NAME(winograd_conv)(const cn__winograd_args *args) {
    size_t m_point = point_floats(CN__OC_BLOCK, args->tiles.count);
    tile at[CN__WINOGRAD_MAX_TILES];
    products(args, m_point);
    find_tiles(&args->tiles, 2, at);
    for (int32_t channel = 0; channel < args->out_channels; channel++)
        for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH)
            finish_channel(args, at, channel, lane, m_point, args->bias ? vf_set1(args->bias[channel]) : (vf){0});
}

/* ---- the same with channels in the lanes ---- */

/* A point's products are a 1×1 convolution, its tiles a row of pixels. */
static void channel_products(const cn__winograd_args *a, size_t m_point) {
    static const cn__channel_tap tap = {0, 0};
    size_t line = (size_t)a->tiles.count * CN__LANES, v_point = point_floats(a->tiles.channels, a->tiles.count);
    numbers n = number_tiles(&a->tiles);
    for (int point = 0; point < POINTS; point++) {
        range with = tiles_with(&a->tiles, &n, point);
        size_t first = (size_t)with.first * CN__LANES;
        cn__channel_conv_args args = {
            .images = 1,
            .channels = a->channels,
            .height = 1,
            .width = with.end - with.first,
            .in = a->v + (size_t)point * v_point + first,
            .in_plane = line,
            .in_step = CN__LANES,
            .in_channels = a->in_channels,
            .taps = &tap,
            .tap_count = 1,
            .filter_taps = 1,
            .weights = a->weights + (size_t)point * a->weight_point,
            .weight_plane = (size_t)a->in_channels * CN__LANES,
            .out = a->m + (size_t)point * m_point + first,
            .out_plane = line,
            .out_step = CN__LANES,
        };
        if (args.width > 0)
            CN__ISA_NAME(channel_conv)(&args);
    }
}

void CN__ISA_NAME(channel_winograd_conv)(const cn__winograd_args *args) {
    size_t m_point = point_floats(args->out_channels, args->tiles.count);
    tile at[CN__WINOGRAD_MAX_TILES];
    channel_products(args, m_point);
    find_tiles(&args->tiles, 2, at);
    for (int32_t plane = 0; plane < args->out_channels; plane++)
        for (size_t lane = 0; lane < CN__LANES && (int32_t)lane < args->channels - plane * CN__LANES; lane += CN__WIDTH)
            finish_channel(args, at, plane, lane, m_point,
                           args->bias ? vf_load(args->bias + (size_t)plane * CN__LANES + lane) : (vf){0});
}

/* ---- the weights ---- */

/* G g. */
INLINE void transform_filter(const vf g[3], vf u[PATCH]) {
    vf quarter = vf_set1(0.25f), sixth = vf_set1(1.0f / 6), twelfth = vf_set1(1.0f / 12), last = vf_set1(1.0f / 24);
    vf sum = -sixth * (g[0] + g[2]), far_sum = vf_fma(sixth, g[2], last * g[0]);
    u[0] = quarter * g[0];
    u[1] = vf_fma(-sixth, g[1], sum);
    u[2] = vf_fma(sixth, g[1], sum);
    u[3] = vf_fma(twelfth, g[1], far_sum);
    u[4] = vf_fma(-twelfth, g[1], far_sum);
    u[5] = g[2];
}

void CN__ISA_NAME(winograd_filter)(const float *filters, bool rotated180, float *u, size_t point) {
    float g[CN__LANES][CN__LANES] __attribute__((aligned(CN__ALIGN)));
    transpose_lines(filters, CN__LANES, g[0]);
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH) {
        vf t[PATCH][3];
        CN__UNROLL
        for (int j = 0; j < 3; j++) {
            vf column[3], out[PATCH];
            CN__UNROLL
            for (int i = 0; i < 3; i++)
                column[i] = vf_load(&g[rotated180 ? 8 - (i * 3 + j) : i * 3 + j][lane]);
            transform_filter(column, out);
            CN__UNROLL
            for (int i = 0; i < PATCH; i++)
                t[i][j] = out[i];
        }
        CN__UNROLL
        for (int i = 0; i < PATCH; i++) {
            vf row[PATCH];
            transform_filter(t[i], row);
            CN__UNROLL
            for (int j = 0; j < PATCH; j++)
                vf_store(u + (size_t)(i * PATCH + j) * point + lane, row[j]);
        }
    }
}

void CN__ISA_NAME(stream_lines)(const float *from, size_t from_run, float *to, size_t to_run, size_t runs,
                                size_t lines) {
    for (size_t run = 0; run < runs; run++)
        for (size_t i = 0; i < lines * CN__LANES; i += CN__WIDTH)
            vf_stream(to + run * to_run + i, vf_load(from + run * from_run + i));
    vf_end_stream();
}
