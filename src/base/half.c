/* half.c: floating-point numbers of 16 bits (IEEE 754's binary16). */
#include "base/base.h"
#include <math.h>
#include <string.h>

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A sign, 5 bits of exponent, 10 of fraction. */
float cn__half_value(uint32_t bits) {
    uint32_t sign = (bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 1023;
    if (exponent == 31)
        return from_bits(sign | 0x7F800000 | fraction << 13);
    if (exponent > 0)
        return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    return sign ? -ldexpf((float)fraction, -24) : ldexpf((float)fraction, -24);
}
