/* fuzz_image.c: hands arbitrary bytes to cn_image_load_memory and fits and encodes what loads, for libFuzzer
 * (`make fuzz`). Large pictures are only loaded. Most changed PNG files get their checksums made right, or
 * nothing behind a checksum would ever be reached. */
#include "fuzz_context.h"
#include "png_checksums.h"
#include <stdlib.h>
#include <string.h>

#define MAX_VALUES (1 << 16) /* of a picture that is also fitted and written */

/* A PNG of a picture is that picture. */
static void check_round_trip(const cn_tensor *image) {
    cn_tensor *png, *back;
    if (cn_image_encode_png(image, &png) != CN_OK ||
        cn_image_load_memory(fuzz_context(), cn_tensor_data(png), (size_t)cn_tensor_count(png), &back) != CN_OK)
        abort();
    if (cn_tensor_count(back) != cn_tensor_count(image) ||
        memcmp(cn_tensor_data(back), cn_tensor_data_const(image), (size_t)cn_tensor_count(image)) != 0)
        abort();
    cn_tensor_free(back);
    cn_tensor_free(png);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cn_tensor *image, *fitted;
    if (cn_image_load_memory(fuzz_context(), data, size, &image) != CN_OK) {
        if (image || strlen(cn_last_error()) == 0)
            abort();
        return 0;
    }
    if (cn_tensor_count(image) <= MAX_VALUES) {
        if (cn_image_fit(image, 3, 9, 7, &fitted) != CN_OK)
            abort();
        cn_tensor_free(fitted);
        check_round_trip(image);
    }
    cn_tensor_free(image);
    return 0;
}

#ifndef FUZZ_REPLAY /* what only libFuzzer has */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 8 != 0)
        png_repair_checksums(data, size);
    return size;
}

#endif
