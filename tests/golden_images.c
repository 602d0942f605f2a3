/* SPDX-License-Identifier: MIT */
/* golden_images.c: reads golden/images.txt. */
#include "golden_images.h"
#include "testing.h"
#include <stdio.h>
#include <stdlib.h>

static void read_case(char *text, golden_image *golden) {
    char *colon = strstr(text, " : ");
    ck_assert_msg(colon != NULL, "images.txt: no result in '%.60s'", text);
    *colon = '\0';
    snprintf(golden->line, sizeof golden->line, "%s", text);
    const char *digits = colon + 3;
    golden->bytes = strspn(digits, "0123456789abcdef") / 2;
    golden->result = malloc(golden->bytes);
    for (size_t i = 0; i < golden->bytes; i++) {
        char byte[3] = {digits[2 * i], digits[2 * i + 1], '\0'};
        golden->result[i] = (uint8_t)strtoul(byte, NULL, 16);
    }
    char *parameters = strchr(golden->line, ' ');
    int used = 0;
    if (strncmp(golden->line, "load", 4) == 0)
        ck_assert_int_eq(sscanf(parameters, " %63s%n", golden->file, &used), 1);
    parameters += used;
    for (int i = 0; i < 6 && sscanf(parameters, " %d%n", &golden->number[i], &used) == 1; i++)
        parameters += used;
}

int golden_images(const char *name, void (*check)(const golden_image *golden)) {
    FILE *file = fopen("tests/golden/images.txt", "r");
    char *line = NULL;
    size_t capacity = 0;
    int cases = 0;
    ck_assert_msg(file != NULL, "tests/golden/images.txt: run from the repository's root");
    while (getline(&line, &capacity, file) > 0) {
        golden_image golden = {.bytes = 0};
        if (strncmp(line, name, strlen(name)) != 0)
            continue;
        read_case(line, &golden);
        check(&golden);
        free(golden.result);
        cases++;
    }
    free(line);
    fclose(file);
    ck_assert_int_gt(cases, 0);
    return cases;
}

cn_tensor *golden_picture(cn_context *ctx, int channels, int height, int width) {
    cn_tensor *image;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, channels, height, width}, &image));
    uint8_t *pixels = cn_tensor_data(image);
    for (int64_t i = 0; i < cn_tensor_count(image); i++)
        pixels[i] = (uint8_t)((uint32_t)(i + 1) * 2654435761u >> 24);
    return image;
}

void golden_compare_image(const golden_image *golden, const cn_tensor *image, int channels, int height, int width,
                          int tolerance) {
    const uint8_t *got = cn_tensor_data_const(image);
    ck_assert_int_eq(cn_tensor_dims(image), 4);
    ck_assert_int_eq(cn_tensor_shape(image, 0), 1);
    ck_assert_msg(cn_tensor_shape(image, 1) == channels && cn_tensor_shape(image, 2) == height &&
                      cn_tensor_shape(image, 3) == width,
                  "%s: got [1, %d, %d, %d]", golden->line, (int)cn_tensor_shape(image, 1),
                  (int)cn_tensor_shape(image, 2), (int)cn_tensor_shape(image, 3));
    ck_assert_uint_eq((size_t)cn_tensor_count(image), golden->bytes);
    for (size_t i = 0; i < golden->bytes; i++)
        ck_assert_msg(abs(got[i] - golden->result[i]) <= tolerance, "%s: byte %zu is %d, wanted %d", golden->line, i,
                      got[i], golden->result[i]);
}
