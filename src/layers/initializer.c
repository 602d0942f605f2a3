/* SPDX-License-Identifier: MIT */
/* initializer.c: the random numbers that parameters begin with. */
#include "layers/layers.h"

void cn__initializer_begin(cn__initializer *from, bool as_pytorch, uint64_t seed) {
    from->as_pytorch = as_pytorch;
    from->seed = seed;
    if (as_pytorch)
        cn__torch_manual_seed(&from->torch, seed);
}

void cn__initializer_layer(cn__initializer *from, size_t place) {
    if (!from->as_pytorch)
        from->rng = cn__rng_new(from->seed, CN__STREAM_INIT, place);
}

void cn__init_constant(float *values, int64_t count, float value) {
    for (int64_t i = 0; i < count; i++)
        values[i] = value;
}

void cn__init_uniform(cn__initializer *from, float *values, int64_t count, float mean, float bound) {
    if (from->as_pytorch)
        cn__torch_uniform(&from->torch, values, count, mean - bound, mean + bound);
    else
        for (int64_t i = 0; i < count; i++)
            values[i] = mean + bound * (2.0f * cn__rng_uniform(&from->rng) - 1.0f);
}

void cn__init_normal(cn__initializer *from, float *values, int64_t count, double std) {
    if (from->as_pytorch)
        cn__torch_normal(&from->torch, values, count, 0.0, std);
    else
        for (int64_t i = 0; i < count; i++)
            values[i] = (float)std * cn__rng_normal(&from->rng);
}
