/* convolution_weights.c: a convolution's weights as its kernels read them, [group][tile of CN__CONV_TILE
 * channels][channel summed over][tap][CN__CONV_TILE]; forward a tile begins with its biases. A norm behind it is folded
 * in. */
#include "layers/convolution.h"

static const cn__convolution *layer_of(const cn__work *work) {
    return (const cn__convolution *)work->layer;
}

size_t cn__convolution_forward_tiles(const cn__work *work) {
    const cn__conv_geometry *g = work->geometry;
    return (size_t)layer_of(work)->groups * (size_t)g->out_tiles;
}

size_t cn__convolution_backward_tiles(const cn__work *work) {
    const cn__conv_geometry *g = work->geometry;
    return work->training && work->d_in[0] ? (size_t)layer_of(work)->groups * (size_t)g->in_tiles : 0;
}

static size_t forward_floats(const cn__conv_geometry *g) {
    return ((size_t)g->in * (size_t)g->taps + 1) * CN__CONV_TILE;
}

float *cn__convolution_bias(const cn__work *work, size_t tile) {
    return work->packed + tile * forward_floats(work->geometry);
}

float *cn__convolution_forward_weights(const cn__work *work, size_t tile) {
    return cn__convolution_bias(work, tile) + CN__CONV_TILE;
}

float *cn__convolution_backward_weights(const cn__work *work, size_t tile) {
    const cn__conv_geometry *g = work->geometry;
    float *first = work->packed + cn__convolution_forward_tiles(work) * forward_floats(g);
    return first + tile * (size_t)g->out * (size_t)g->taps * CN__CONV_TILE;
}

/* Weight (o, i, tap 0) of a group. */
static const float *weights_at(const cn__work *work, size_t group, int32_t o, int32_t i) {
    const cn__conv_geometry *g = work->geometry;
    size_t row = group * (size_t)g->out + (size_t)o;
    return (const float *)work->tensor[0] + (row * (size_t)g->in + (size_t)i) * (size_t)g->taps;
}

void cn__convolution_factors(const cn__work *work, size_t channel, double *scale, double *shift) {
    double bias = layer_of(work)->bias ? (double)((const float *)work->tensor[1])[channel] : 0.0;
    *scale = 1.0;
    *shift = 0.0;
    if (work->folded)
        work->folded->ops->fixed_factors(work->folded, work->folded_tensor, channel, scale, shift);
    *shift += *scale * bias;
}

static void pack_forward(const cn__work *work, size_t tile) {
    const cn__conv_geometry *g = work->geometry;
    size_t group = tile / (size_t)g->out_tiles;
    int32_t first = (int32_t)(tile % (size_t)g->out_tiles) * CN__CONV_TILE;
    float *bias = cn__convolution_bias(work, tile);
    for (int32_t r = 0; r < CN__CONV_TILE; r++) {
        float *to = cn__convolution_forward_weights(work, tile) + r;
        int32_t o = first + r, terms = g->in * g->taps;
        double scale = 0.0, shift = 0.0;
        if (o < g->out)
            cn__convolution_factors(work, group * (size_t)g->out + (size_t)o, &scale, &shift);
        const float *from = o < g->out ? weights_at(work, group, o, 0) : NULL;
        bias[r] = (float)shift;
        for (int32_t k = 0; k < terms; k++, to += CN__CONV_TILE)
            *to = from ? (float)((double)from[k] * scale) : 0.0f;
    }
}

static void pack_backward(const cn__work *work, size_t tile) {
    const cn__conv_geometry *g = work->geometry;
    size_t group = tile / (size_t)g->in_tiles;
    int32_t first = (int32_t)(tile % (size_t)g->in_tiles) * CN__CONV_TILE;
    float *to = cn__convolution_backward_weights(work, tile);
    for (int32_t o = 0; o < g->out; o++)
        for (int32_t t = 0; t < g->taps; t++)
            for (int32_t i = first; i < first + CN__CONV_TILE; i++)
                *to++ = i < g->in ? weights_at(work, group, o, i)[t] : 0.0f;
}

static size_t items(const cn__work *work, const cn__run *run) {
    const cn__conv_geometry *g = work->geometry;
    (void)run;
    return g->gemm ? 0 : cn__convolution_forward_tiles(work) + cn__convolution_backward_tiles(work);
}

static void pack(const cn__work *work, const cn__run *run, size_t item) {
    size_t forward = cn__convolution_forward_tiles(work);
    (void)run;
    if (item < forward)
        pack_forward(work, item);
    else
        pack_backward(work, item - forward);
}

const cn__phase cn__convolution_prepare = {items, pack, CN__DEFERRED};
