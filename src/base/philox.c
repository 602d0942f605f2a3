/* SPDX-License-Identifier: MIT */
/* philox.c: Philox 4×32-10, the counter-based generator of Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as
 * easy as 1, 2, 3" (2011), and a reader of its streams. */
#include "base/base.h"
#include "base/elementary.h"
#include <math.h>

#define ROUNDS 10

cn__philox cn__philox4x32(const uint32_t counter[4], uint64_t key) {
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t next0 = (uint32_t)(b >> 32) ^ c[1] ^ k0, next2 = (uint32_t)(a >> 32) ^ c[3] ^ k1;
        c[0] = next0;
        c[1] = (uint32_t)b;
        c[2] = next2;
        c[3] = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return (cn__philox){{c[0], c[1], c[2], c[3]}};
}

cn__rng cn__rng_new(uint64_t seed, uint32_t stream, uint64_t index) {
    return (cn__rng){.seed = seed, .index = index, .stream = stream, .used = 4};
}

uint32_t cn__rng_u32(cn__rng *rng) {
    if (rng->used == 4) {
        uint32_t counter[4] = {rng->block++, rng->stream, (uint32_t)rng->index, (uint32_t)(rng->index >> 32)};
        rng->words = cn__philox4x32(counter, rng->seed);
        rng->used = 0;
    }
    return rng->words.word[rng->used++];
}

float cn__rng_uniform(cn__rng *rng) {
    return (float)(cn__rng_u32(rng) >> 8) * 0x1p-24f;
}

float cn__rng_normal(cn__rng *rng) {
    double u = ((double)cn__rng_u32(rng) + 1.0) * 0x1p-32, v = (double)cn__rng_u32(rng) * 0x1p-32;
    return (float)(sqrt(-2.0 * cn__math_log(u)) * cn__math_cos(6.283185307179586 * v));
}

/* Lemire's multiplication, with the few low products that would favour some values drawn again. */
uint32_t cn__rng_below(cn__rng *rng, uint32_t bound) {
    uint32_t reject = (0u - bound) % bound;
    uint64_t product;
    do
        product = (uint64_t)cn__rng_u32(rng) * bound;
    while ((uint32_t)product < reject);
    return (uint32_t)(product >> 32);
}

void cn__rng_shuffle(cn__rng *rng, int64_t *items, int64_t count) {
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = (int64_t)cn__rng_below(rng, (uint32_t)i + 1);
        int64_t other = items[j];
        items[j] = items[i];
        items[i] = other;
    }
}
