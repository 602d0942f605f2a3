/* SPDX-License-Identifier: MIT */
/* values.c: the numbers of tensors in a file, little-endian, on machines of any byte order. */
#include "base/values.h"
#include <float.h>
#include <math.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LITTLE_ENDIAN_HERE 1
#else
#define LITTLE_ENDIAN_HERE 0
#endif

typedef enum kind { OTHER, FLOAT, COUNT } kind;

static const struct type {
    const char *name;
    unsigned bytes;
    kind kind;
} types[] = {{"F32", 4, FLOAT},  {"F16", 2, FLOAT}, {"BF16", 2, FLOAT},    {"F64", 8, FLOAT},
             {"I64", 8, COUNT},  {"I32", 4, COUNT}, {"I16", 2, COUNT},     {"I8", 1, COUNT},
             {"U64", 8, COUNT},  {"U32", 4, COUNT}, {"U16", 2, COUNT},     {"U8", 1, COUNT},
             {"BOOL", 1, OTHER}, {"C64", 8, OTHER}, {"F8_E4M3", 1, OTHER}, {"F8_E5M2", 1, OTHER}};

static const struct type *find_type(const char *name) {
    for (size_t i = 0; i < CN__COUNT(types); i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

unsigned cn__value_bytes(const char *dtype) {
    const struct type *type = find_type(dtype);
    return type ? type->bytes : 0;
}

const char *cn__value_dtype(cn_dtype dtype) {
    return dtype == CN_DTYPE_INT64 ? "I64" : dtype == CN_DTYPE_UINT8 ? "U8" : "F32";
}

const char *cn__weights_dtype(cn_weights weights) {
    static const char *const dtypes[] = {"F32", "F16", "BF16"};
    return (size_t)weights < CN__COUNT(dtypes) ? dtypes[weights] : NULL;
}

static bool is(const char *dtype, const char *name) {
    return strcmp(dtype, name) == 0;
}

/* ---- into a file ---- */

void cn__numbers_store(const void *numbers, unsigned width, size_t count, unsigned char *bytes) {
    const unsigned char *from = numbers;
    for (size_t i = 0; i < count; i++, from += width, bytes += width) {
        uint64_t value;
        uint32_t narrow;
        if (width == 8) {
            memcpy(&value, from, sizeof value);
        } else if (width == 4) {
            memcpy(&narrow, from, sizeof narrow);
            value = narrow;
        } else {
            value = *from;
        }
        for (unsigned b = 0; b < width; b++)
            bytes[b] = (unsigned char)(value >> (8 * b));
    }
}

/* The upper half of a float32 is a bfloat16. */
static uint32_t bfloat16_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return isnan(value) ? bits >> 16 | 0x40 : (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}

static uint32_t narrow_bits(const char *dtype, float value) {
    return is(dtype, "F16") ? cn__half_bits(value) : bfloat16_bits(value);
}

void cn__values_store(const cn_tensor *tensor, const char *dtype, int64_t first, int64_t count, unsigned char *bytes) {
    unsigned width = (unsigned)cn__dtype_bytes(tensor->dtype);
    const float *values = (const float *)tensor->data + first;
    if (is(dtype, cn__value_dtype(tensor->dtype))) {
        cn__numbers_store((const char *)tensor->data + (size_t)first * width, width, (size_t)count, bytes);
        return;
    }
    for (int64_t i = 0; i < count; i++, bytes += 2) {
        uint32_t bits = narrow_bits(dtype, values[i]);
        bytes[0] = (unsigned char)bits;
        bytes[1] = (unsigned char)(bits >> 8);
    }
}

cn_status cn__values_storable(const cn_tensor *tensor, const char *name, const char *dtype) {
    const float *values = tensor->data;
    uint32_t infinity = is(dtype, "F16") ? 0x7C00 : 0x7F80;
    if (is(dtype, cn__value_dtype(tensor->dtype)))
        return CN_OK;
    for (int64_t i = 0; i < tensor->count; i++)
        if ((narrow_bits(dtype, values[i]) & 0x7FFF) == infinity && !isinf(values[i]))
            return cn__error(CN_ERR_DATA, "tensor '%.200s' has %g at place %lld, which %s cannot hold", name,
                             (double)values[i], (long long)i, is(dtype, "F16") ? "float16" : "bfloat16");
    return CN_OK;
}

/* ---- out of a file ---- */

static uint64_t bits_at(const unsigned char *bytes, unsigned width) {
    uint64_t bits = 0;
    for (unsigned b = 0; b < width; b++)
        bits |= (uint64_t)bytes[b] << (8 * b);
    return bits;
}

void cn__numbers_load(void *numbers, unsigned width, size_t count, const unsigned char *bytes) {
    unsigned char *to = numbers;
    if (LITTLE_ENDIAN_HERE) {
        memcpy(numbers, bytes, count * width);
        return;
    }
    for (size_t i = 0; i < count; i++, to += width, bytes += width) {
        uint64_t value = bits_at(bytes, width);
        uint32_t narrow = (uint32_t)value;
        if (width == 8)
            memcpy(to, &value, sizeof value);
        else if (width == 4)
            memcpy(to, &narrow, sizeof narrow);
        else
            *to = (unsigned char)value;
    }
}

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double double_at(const unsigned char *bytes) {
    uint64_t bits = bits_at(bytes, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float float_at(const char *dtype, const unsigned char *bytes) {
    if (is(dtype, "F64"))
        return (float)double_at(bytes);
    if (is(dtype, "F16"))
        return cn__half_value((uint32_t)bits_at(bytes, 2));
    if (is(dtype, "BF16"))
        return from_bits((uint32_t)bits_at(bytes, 2) << 16);
    return from_bits((uint32_t)bits_at(bytes, 4));
}

/* False: it is not whole, or beyond what an int64 holds. */
static bool count_at(const struct type *type, const unsigned char *bytes, int64_t *count) {
    if (type->kind == FLOAT) {
        double value = is(type->name, "F64") ? double_at(bytes) : (double)float_at(type->name, bytes);
        if (!(fabs(value) < 9007199254740992.0) || value != floor(value))
            return false;
        *count = (int64_t)value;
        return true;
    }
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): types have 1 to 8 bytes */
    uint64_t bits = bits_at(bytes, type->bytes), top = (uint64_t)1 << (8 * type->bytes - 1);
    if (type->name[0] == 'I')
        bits = (bits ^ top) - top; /* the sign, carried on */
    *count = (int64_t)bits;
    return type->name[0] == 'I' || *count >= 0;
}

bool cn__values_convertible(const char *from, cn_dtype to) {
    const struct type *type = find_type(from);
    return type->kind == FLOAT || (type->kind == COUNT && to == CN_DTYPE_INT64);
}

bool cn__value_tensor(const char *dtype, cn_dtype *tensor) {
    const struct type *type = find_type(dtype);
    bool byte = is(dtype, "U8") || is(dtype, "BOOL");
    *tensor = byte ? CN_DTYPE_UINT8 : type->kind == FLOAT ? CN_DTYPE_FLOAT32 : CN_DTYPE_INT64;
    return byte || type->kind != OTHER;
}

/* Of the numbers that become float32 only those from F64 can be too large; infinities and NaN are kept. */
static bool fits(const struct type *type, const unsigned char *bytes, cn_dtype to) {
    int64_t whole;
    if (to == CN_DTYPE_INT64)
        return count_at(type, bytes, &whole);
    return to != CN_DTYPE_FLOAT32 || !is(type->name, "F64") || isinf(double_at(bytes)) ||
           !(fabs(double_at(bytes)) > (double)FLT_MAX);
}

cn_status cn__values_loadable(const char *dtype, const unsigned char *bytes, int64_t first, int64_t count,
                              const char *name, cn_dtype to) {
    const struct type *type = find_type(dtype);
    for (int64_t i = 0; i < count; i++, bytes += type->bytes) {
        if (fits(type, bytes, to))
            continue;
        if (type->kind == FLOAT)
            return cn__error(CN_ERR_DATA, "'%s' has %g at place %lld, which %s cannot hold", name,
                             is(dtype, "F64") ? double_at(bytes) : (double)float_at(dtype, bytes),
                             (long long)(first + i), cn__dtype_name(to));
        return cn__error(CN_ERR_DATA, "'%s' has %llu at place %lld, which %s cannot hold", name,
                         (unsigned long long)bits_at(bytes, type->bytes), (long long)(first + i), cn__dtype_name(to));
    }
    return CN_OK;
}

void cn__values_load(const char *dtype, const unsigned char *bytes, cn_tensor *tensor) {
    const struct type *type = find_type(dtype);
    if (is(dtype, cn__value_dtype(tensor->dtype))) { /* a NaN keeps its bits */
        cn__numbers_load(tensor->data, type->bytes, (size_t)tensor->count, bytes);
        return;
    }
    for (int64_t i = 0; i < tensor->count; i++, bytes += type->bytes) {
        if (tensor->dtype == CN_DTYPE_INT64)
            (void)count_at(type, bytes, (int64_t *)tensor->data + i);
        else if (tensor->dtype == CN_DTYPE_UINT8)
            ((uint8_t *)tensor->data)[i] = *bytes != 0;
        else
            ((float *)tensor->data)[i] = float_at(dtype, bytes);
    }
}
