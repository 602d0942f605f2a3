/* SPDX-License-Identifier: MIT */
/* pnm.c: Netpbm's PBM, PGM and PPM: "P1" to "P6", width, height and, but for PBM, the largest value as text, then
 * samples:
 *
 *     P1, P4  bits, 1 is black; as digits, or eight in a byte, each row in bytes of its own
 *     P2, P5  grey samples; as text, or of one byte, or of two where the largest value is above 255
 *     P3, P6  red, green and blue ones
 */
#include "image/image.h"
#include <stdio.h>
#include <string.h>

/* A file, and where reading has come to. */
typedef struct reader {
    const cn__encoded *file;
    size_t at;
    bool text, bits;
    int channels;
    uint64_t width, height, largest;
} reader;

static bool is_space(unsigned char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool cn__pnm_begins(const unsigned char *data, size_t bytes) {
    return bytes >= 3 && data[0] == 'P' && data[1] >= '1' && data[1] <= '6' && (is_space(data[2]) || data[2] == '#');
}

static cn_status failed(const reader *r, const char *message) {
    return cn__image_failed(r->file->name, "PNM", false, message);
}

/* ---- numbers as text ---- */

/* Past blanks and comments, to a digit. */
static cn_status find_digit(reader *r) {
    const unsigned char *data = r->file->data;
    size_t bytes = r->file->bytes;
    while (r->at < bytes && (is_space(data[r->at]) || data[r->at] == '#'))
        if (data[r->at++] == '#')
            while (r->at < bytes && data[r->at] != '\n')
                r->at++;
    if (r->at == bytes)
        return failed(r, "it ends too early");
    return data[r->at] >= '0' && data[r->at] <= '9' ? CN_OK : failed(r, "a number is wanted where none is");
}

static cn_status read_number(reader *r, uint64_t *value) {
    const cn__encoded *f = r->file;
    *value = 0;
    CN__TRY(find_digit(r));
    for (; r->at < f->bytes && f->data[r->at] >= '0' && f->data[r->at] <= '9'; r->at++)
        if (*value <= UINT32_MAX)
            *value = *value * 10 + (uint64_t)(f->data[r->at] - '0');
    return CN_OK;
}

/* ---- samples ---- */

/* The next of the rows' samples. What the file is too short for has been seen to, except in text. */
static cn_status read_sample(reader *r, int64_t x, uint64_t *value) {
    const unsigned char *from = r->file->data + r->at;
    if (r->text && r->bits) { /* which need no blanks between them */
        CN__TRY(find_digit(r));
        *value = (uint64_t)(r->file->data[r->at++] - '0');
    } else if (r->text)
        CN__TRY(read_number(r, value));
    else if (r->bits) {
        *value = *from >> (7 - x % 8) & 1;
        r->at += x % 8 == 7 || x + 1 == (int64_t)r->width;
    } else if (r->largest < 256) {
        *value = *from;
        r->at++;
    } else {
        *value = (uint64_t)(from[0] << 8 | from[1]);
        r->at += 2;
    }
    return *value <= r->largest ? CN_OK : failed(r, "a sample is above the largest value");
}

/* The usual file, quickly. */
static void read_bytes(const reader *r, cn_tensor *image) {
    int64_t pixels = image->shape[2] * image->shape[3];
    for (int64_t c = 0; c < r->channels; c++) {
        const unsigned char *from = r->file->data + r->at + c;
        uint8_t *to = (uint8_t *)image->data + c * pixels;
        for (int64_t i = 0; i < pixels; i++)
            to[i] = from[i * r->channels];
    }
}

/* Samples to planes, 0 to `largest` becoming 0 to 255, rounded, or bits white and black. */
static cn_status read_samples(reader *r, cn_tensor *image) {
    int64_t width = image->shape[3], pixels = image->shape[2] * width;
    uint64_t value;
    if (!r->text && r->largest == 255) {
        read_bytes(r, image);
        return CN_OK;
    }
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t c = 0; c < r->channels; c++) {
            CN__TRY(read_sample(r, i % width, &value));
            value = r->bits ? !value : value;
            /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): read_head() takes no largest value below 1 */
            ((uint8_t *)image->data)[c * pixels + i] = (uint8_t)((value * 510 + r->largest) / (2 * r->largest));
        }
    return CN_OK;
}

/* ---- the file ---- */

static cn_status read_header(reader *r) {
    CN__TRY(read_number(r, &r->width));
    CN__TRY(read_number(r, &r->height));
    if (!r->bits)
        CN__TRY(read_number(r, &r->largest));
    return r->largest >= 1 && r->largest <= 65535 ? CN_OK : failed(r, "its largest value is not 1 to 65535");
}

/* As many as the bytes behind the header can hold at best; in text, after a blank, a digit each, and blanks between
 * numbers. */
static uint64_t max_pixels(const reader *r) {
    uint64_t left = r->at < r->file->bytes ? r->file->bytes - r->at - 1 : 0, channels = (uint64_t)r->channels;
    if (r->bits && !r->text) {
        uint64_t rows = left / ((r->width + 7) / 8 + !r->width);
        return rows >= r->height ? UINT64_MAX : rows * r->width;
    }
    if (r->text)
        return r->bits ? left : (left + 1) / 2 / channels;
    return left / channels / (r->largest > 255 ? 2 : 1);
}

cn_status cn__pnm_decode(const cn__encoded *file, cn_tensor **image) {
    int kind = file->data[1] - '0';
    reader r = {.file = file, .at = 2, .text = kind <= 3, .bits = kind % 3 == 1, .largest = 1};
    r.channels = kind % 3 == 0 ? 3 : 1;
    CN__TRY(read_header(&r));
    CN__TRY(cn__image_new(file, r.channels, r.height, r.width, max_pixels(&r), image));
    r.at++; /* one blank ends the header */
    cn_status status = read_samples(&r, *image);
    if (status != CN_OK) {
        cn_tensor_free(*image);
        *image = NULL;
    }
    return status;
}

cn_status cn__pnm_encode(const cn_tensor *image, cn_tensor **file) {
    char head[64];
    int64_t channels = image->shape[1], pixels = image->count / channels;
    int length = snprintf(head, sizeof head, "P%d\n%lld %lld\n255\n", channels == 3 ? 6 : 5, (long long)image->shape[3],
                          (long long)image->shape[2]);
    const int64_t bytes = length + image->count;
    CN__TRY(cn_tensor_new(image->ctx, CN_DTYPE_UINT8, 1, &bytes, file));
    uint8_t *to = (uint8_t *)(*file)->data + length;
    memcpy((*file)->data, head, (size_t)length);
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t c = 0; c < channels; c++)
            *to++ = ((const uint8_t *)image->data)[c * pixels + i];
    return CN_OK;
}
