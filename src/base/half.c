/* SPDX-License-Identifier: MIT */
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

/* To the nearest: what is shifted out makes up one more where it is more than half, or half and the rest is odd. */
static uint32_t shift_out(uint32_t bits, unsigned count) {
    return (bits + (1u << (count - 1)) - 1 + (bits >> count & 1)) >> count;
}

uint32_t cn__half_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF, exponent = magnitude >> 23;
    if (isnan(value))
        return sign | 0x7E00 | (magnitude >> 13 & 0x1FF); /* it stays one */
    if (magnitude >= 0x477FF000)                          /* 65520, half-way from the largest number to the next */
        return sign | 0x7C00;
    if (exponent > 112)
        return sign | shift_out(magnitude - (112u << 23), 13);
    if (exponent < 102) /* below 2^-25, half of the smallest */
        return sign;
    return sign | shift_out((magnitude & 0x7FFFFF) | 0x800000, 126 - exponent);
}
