/* SPDX-License-Identifier: MIT */
/* checkpoint_seal.c: checksums of a checkpoint: one of its data, which stands in the header, and one of the header, for
 * which its own digits count as zeros. So no byte of a file can change without notice, and a header that is damaged is
 * told from one of another run before anything is read behind it. */
#include "io/checkpoint.h"
#include <stdio.h>
#include <string.h>

#define KEY_DATA   CN__KEY_CHECKPOINT ".data_crc32"
#define KEY_HEADER CN__KEY_CHECKPOINT ".header_crc32"
#define ZEROS      "00000000"

enum { DIGITS = CN__CRC_TEXT - 1 };

/* Where the digits of a checksum stand in the header; 0: nowhere. Its key cannot occur in a text, in which quotes are
 * escaped. */
static size_t find_digits(const char *header, size_t bytes, const char *key) {
    char wanted[64];
    size_t length = (size_t)snprintf(wanted, sizeof wanted, "\"%s\":\"", key);
    for (size_t at = 0; at + length + DIGITS <= bytes; at++)
        if (memcmp(header + at, wanted, length) == 0)
            return at + length;
    return 0;
}

/* Its own digits count as zeros. */
static void sum_header(const char *header, size_t bytes, size_t digits, char text[CN__CRC_TEXT]) {
    uint32_t crc = cn__crc_add(0, header, digits);
    crc = cn__crc_add(crc, ZEROS, DIGITS);
    cn__crc_text(text, cn__crc_add(crc, header + digits + DIGITS, bytes - digits - DIGITS));
}

cn_status cn__checkpoint_check_header(const cn__safetensors *file) {
    const char *stored = cn__safetensors_metadata(file, KEY_HEADER);
    char sum[CN__CRC_TEXT] = "";
    size_t digits = find_digits(file->text, file->text_bytes, KEY_HEADER);
    if (stored && digits)
        sum_header(file->text, file->text_bytes, digits, sum);
    return stored && strcmp(stored, sum) == 0 ? CN_OK
                                              : cn__error(CN_ERR_FORMAT, "it is damaged: the checksum of its header "
                                                                         "does not fit");
}

cn_status cn__checkpoint_check_data(const cn__safetensors *file) {
    const char *stored = cn__safetensors_metadata(file, KEY_DATA);
    char sum[CN__CRC_TEXT];
    cn__crc_text(sum, cn__crc_add(0, file->data, file->bytes));
    return stored && strcmp(stored, sum) == 0 ? CN_OK
                                              : cn__error(CN_ERR_FORMAT, "it is damaged: the checksum of its data "
                                                                         "does not fit");
}

/* The header's last, since it covers the other. */
void cn__checkpoint_seal(cn_tensor *file) {
    char *bytes = file->data, sum[CN__CRC_TEXT];
    char *header = bytes + CN__SAFETENSORS_LENGTH;
    uint64_t header_bytes;
    cn__numbers_load(&header_bytes, sizeof header_bytes, 1, file->data);
    size_t at = find_digits(header, header_bytes, KEY_DATA);
    cn__crc_text(sum,
                 cn__crc_add(0, header + header_bytes, (size_t)file->count - CN__SAFETENSORS_LENGTH - header_bytes));
    memcpy(header + at, sum, DIGITS);
    at = find_digits(header, header_bytes, KEY_HEADER);
    sum_header(header, header_bytes, at, sum);
    memcpy(header + at, sum, DIGITS);
}
