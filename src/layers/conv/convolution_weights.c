/* convolution_weights.c: a convolution's weights as its kernels read them, [group][tile of CN__CONV_TILE
 * channels][channel summed over][tap][CN__CONV_TILE], or transformed for minimal filtering; forward a tile begins with
 * its biases. A norm behind it is folded in. */
#include "layers/conv/convolution.h"
#include <string.h>

static const cn__convolution *layer_of(const cn__op *op) {
    return (const cn__convolution *)op->layer;
}

size_t cn__convolution_forward_tiles(const cn__op *op) {
    const cn__conv_geometry *g = op->geometry;
    return (size_t)layer_of(op)->groups * (size_t)g->out_tiles;
}

size_t cn__convolution_backward_tiles(const cn__op *op) {
    const cn__conv_geometry *g = op->geometry;
    return op->training && op->d_in[0] ? (size_t)layer_of(op)->groups * (size_t)g->in_tiles : 0;
}

float *cn__convolution_bias(const cn__op *op, size_t tile) {
    const cn__conv_geometry *g = op->geometry;
    return op->packed + tile * g->forward_tile_floats;
}

float *cn__convolution_forward_weights(const cn__op *op, size_t tile) {
    return cn__convolution_bias(op, tile) + CN__LANES;
}

float *cn__convolution_backward_winograd(const cn__op *op, size_t tile) {
    const cn__conv_geometry *g = op->geometry;
    return op->packed + cn__convolution_forward_tiles(op) * g->forward_tile_floats + tile * g->backward_tile_floats;
}

float *cn__convolution_backward_weights(const cn__op *op, size_t tile) {
    const cn__conv_geometry *g = op->geometry;
    return cn__convolution_backward_winograd(op, tile) + g->backward_plain;
}

/* Weight (o, i, tap 0) of a group. */
static const float *weights_at(const cn__op *op, size_t group, int32_t o, int32_t i) {
    const cn__conv_geometry *g = op->geometry;
    size_t row = group * (size_t)g->out + (size_t)o;
    return (const float *)op->tensor[0] + (row * (size_t)g->in + (size_t)i) * (size_t)g->taps;
}

void cn__convolution_factors(const cn__op *op, size_t channel, double *scale, double *shift) {
    double bias = layer_of(op)->bias ? (double)((const float *)op->tensor[1])[channel] : 0.0;
    *scale = 1.0;
    *shift = 0.0;
    if (op->folded)
        op->folded->type->fixed_factors(op->folded, op->folded_tensor, channel, scale, shift);
    *shift += *scale * bias;
}

static void copy_filter(float to[CN__LANES], const float *from, double scale) {
    if (scale == 1.0)
        memcpy(to, from, 9 * sizeof *to);
    else
        for (int t = 0; t < 9; t++)
            to[t] = (float)((double)from[t] * scale);
}

/* Filters of the tile of channels from `first` on, outputs or going backward inputs, two of the channels that are
 * summed over at a time. */
static void transform(const cn__op *op, size_t group, int32_t first, bool backward, const double *scale, float *u) {
    const cn__conv_geometry *g = op->geometry;
    float filters[CN__LANES][CN__LANES] __attribute__((aligned(CN__ALIGN))) = {{0}};
    int32_t rows = backward ? g->in : g->out, summed = backward ? g->out : g->in;
    for (int32_t c = 0; c < summed; c += 2, u += CN__LANES) {
        for (int32_t l = 0; l < CN__LANES; l++) {
            int32_t row = first + l % CN__CONV_TILE, other = c + l / CN__CONV_TILE;
            if (row < rows && other < summed)
                copy_filter(filters[l], weights_at(op, group, backward ? other : row, backward ? row : other),
                            scale[l % CN__CONV_TILE]);
        }
        op->kernels->winograd_filter(filters[0], backward, u, CN__WINOGRAD_FILTER_PLACE(summed));
    }
}

static void pack_plain(const cn__op *op, size_t group, int32_t first, const double *scale, float *to) {
    const cn__conv_geometry *g = op->geometry;
    int32_t terms = g->in * g->taps;
    for (int32_t r = 0; r < CN__CONV_TILE; r++) {
        const float *from = first + r < g->out ? weights_at(op, group, first + r, 0) : NULL;
        for (int32_t k = 0; k < terms; k++)
            to[k * CN__CONV_TILE + r] = from ? (float)((double)from[k] * scale[r]) : 0.0f;
    }
}

static void pack_forward(const cn__op *op, size_t tile) {
    const cn__conv_geometry *g = op->geometry;
    size_t group = tile / (size_t)g->out_tiles;
    int32_t first = (int32_t)(tile % (size_t)g->out_tiles) * CN__CONV_TILE;
    double scale[CN__CONV_TILE] = {0.0};
    for (int32_t r = 0; r < CN__CONV_TILE; r++) {
        double shift = 0.0;
        if (first + r < g->out)
            cn__convolution_factors(op, group * (size_t)g->out + (size_t)(first + r), &scale[r], &shift);
        cn__convolution_bias(op, tile)[r] = (float)shift;
    }
    if (g->winograd.forward)
        transform(op, group, first, false, scale, cn__convolution_forward_weights(op, tile));
    else
        pack_plain(op, group, first, scale, cn__convolution_forward_weights(op, tile));
}

static void pack_backward(const cn__op *op, size_t tile) {
    static const double ones[CN__CONV_TILE] = {1, 1, 1, 1, 1, 1, 1, 1};
    const cn__conv_geometry *g = op->geometry;
    size_t group = tile / (size_t)g->in_tiles;
    int32_t first = (int32_t)(tile % (size_t)g->in_tiles) * CN__CONV_TILE;
    float *to = cn__convolution_backward_weights(op, tile);
    if (g->winograd.input)
        transform(op, group, first, true, ones, cn__convolution_backward_winograd(op, tile));
    if (g->winograd.input && g->backward_jobs == 0)
        return; /* nobody reads plain ones */
    for (int32_t o = 0; o < g->out; o++)
        for (int32_t t = 0; t < g->taps; t++)
            for (int32_t i = first; i < first + CN__CONV_TILE; i++)
                *to++ = i < g->in ? weights_at(op, group, o, i)[t] : 0.0f;
}

size_t cn__convolution_pack_items(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    (void)pass;
    return g->gemm ? 0 : cn__convolution_forward_tiles(op) + cn__convolution_backward_tiles(op);
}

void cn__convolution_pack(const cn__op *op, const cn__pass *pass, size_t item) {
    size_t forward = cn__convolution_forward_tiles(op);
    (void)pass;
    if (item < forward)
        pack_forward(op, item);
    else
        pack_backward(op, item - forward);
}
