/* pnm.c: the binary forms of PGM and PPM (Netpbm): "P5" or "P6", width, height and largest value as text, then samples
 * of one byte, or of two where the largest value is above 255. */
#include "image/image.h"
#include <stdio.h>
#include <string.h>

/* Where reading has come to. */
typedef struct header {
    const cn__encoded *file;
    size_t at;
} header;

static bool is_space(unsigned char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next number, after blanks and comments. */
static cn_status read_number(header *h, uint64_t *value) {
    const cn__encoded *f = h->file;
    *value = 0;
    while (h->at < f->bytes && (is_space(f->data[h->at]) || f->data[h->at] == '#'))
        if (f->data[h->at++] == '#')
            while (h->at < f->bytes && f->data[h->at] != '\n')
                h->at++;
    if (h->at == f->bytes)
        return cn__image_failed(f->name, "PNM", false, "it ends too early");
    if (f->data[h->at] < '0' || f->data[h->at] > '9')
        return cn__image_failed(f->name, "PNM", false, "its header is not a row of numbers");
    for (; h->at < f->bytes && f->data[h->at] >= '0' && f->data[h->at] <= '9'; h->at++)
        if (*value <= UINT32_MAX)
            *value = *value * 10 + (uint64_t)(f->data[h->at] - '0');
    return CN_OK;
}

/* Samples to planes, 0 to `largest` becoming 0 to 255, rounded. */
static void store(const unsigned char *from, unsigned largest, cn_tensor *image) {
    int64_t channels = image->shape[1], pixels = image->shape[2] * image->shape[3];
    bool wide = largest > 255;
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t c = 0; c < channels; c++) {
            unsigned value = *from++;
            if (wide)
                value = value << 8 | *from++;
            value = value < largest ? value : largest;
            ((uint8_t *)image->data)[c * pixels + i] = (uint8_t)((value * 510 + largest) / (2 * largest));
        }
}

cn_status cn__pnm_decode(const cn__encoded *file, cn_tensor **image) {
    header h = {file, 2};
    uint64_t width, height, largest;
    int channels = file->data[1] == '6' ? 3 : 1;
    CN__TRY(read_number(&h, &width));
    CN__TRY(read_number(&h, &height));
    CN__TRY(read_number(&h, &largest));
    if (largest < 1 || largest > 65535)
        return cn__image_failed(file->name, "PNM", false, "its largest value is not 1 to 65535");
    uint64_t left = h.at < file->bytes ? file->bytes - h.at - 1 : 0; /* one blank ends the header */
    CN__TRY(cn__image_new(file, channels, height, width, left / (uint64_t)channels / (largest > 255 ? 2 : 1), image));
    store(file->data + h.at + 1, (unsigned)largest, *image);
    return CN_OK;
}

cn_status cn__pnm_encode(const cn_tensor *image, cn_tensor **file) {
    char head[64];
    int64_t channels = image->shape[1], pixels = image->count / channels;
    int length = snprintf(head, sizeof head, "P%d\n%lld %lld\n255\n", channels == 3 ? 6 : 5, (long long)image->shape[3],
                          (long long)image->shape[2]);
    CN__TRY(cn_tensor_new(image->ctx, CN_DTYPE_UINT8, 1, &(int64_t){length + image->count}, file));
    uint8_t *to = (uint8_t *)(*file)->data + length;
    memcpy((*file)->data, head, (size_t)length);
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t c = 0; c < channels; c++)
            *to++ = ((const uint8_t *)image->data)[c * pixels + i];
    return CN_OK;
}
