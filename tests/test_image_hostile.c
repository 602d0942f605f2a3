/* SPDX-License-Identifier: MIT */
/* test_image_hostile.c: pictures that are made to cost memory or time, or to pass for whole: refused as CN_ERR_FORMAT,
 * and before memory is asked for. */
#include "checksums.h"
#include "testing.h"
#include "base/base.h"
#include "whole_file.h"
#include <stdlib.h>
#include <zlib.h>

TEST_RUNS_ONCE;

/* Counts all bytes that were ever asked for. */
static size_t asked;

static void *allocate(void *user, size_t bytes, size_t alignment) {
    void *memory;
    (void)user;
    asked += bytes;
    return posix_memalign(&memory, alignment, bytes) == 0 ? memory : NULL;
}

static void release(void *user, void *memory) {
    (void)user;
    free(memory);
}

static cn_context *ctx;

static void setup(void) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = 1;
    options.allocate = allocate;
    options.release = release;
    ck_ok(cn_context_new(&options, &ctx));
}

static void teardown(void) {
    cn_context_free(ctx);
}

/* CN_ERR_FORMAT with that message, for less than 256 KiB: libpng's own needs. */
static void refused(const uint8_t *data, size_t bytes, const char *message) {
    cn_tensor *image;
    asked = 0;
    ck_fails(cn_image_load_memory(ctx, data, bytes, &image), CN_ERR_FORMAT, message);
    ck_assert_uint_lt(asked, 256u << 10);
}

/* ---- PNG ---- */

typedef struct png {
    uint8_t data[4096];
    size_t bytes;
} png;

static void put_number(uint8_t *to, uint32_t value) {
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* A chunk whose length may be a lie. Its checksum is made right at the end. */
static void add_chunk(png *p, const char *type, const void *content, size_t bytes, uint32_t length) {
    put_number(p->data + p->bytes, length);
    memcpy(p->data + p->bytes + 4, type, 4);
    if (bytes)
        memcpy(p->data + p->bytes + 8, content, bytes);
    p->bytes += 12 + bytes;
}

static png png_begin(uint32_t width, uint32_t height, int depth, int colour, int interlaced) {
    png p = {.bytes = 8};
    uint8_t head[13] = {[8] = (uint8_t)depth, (uint8_t)colour, 0, 0, (uint8_t)interlaced};
    memcpy(p.data, "\x89PNG\r\n\x1a\n", 8);
    put_number(head, width);
    put_number(head + 4, height);
    add_chunk(&p, "IHDR", head, sizeof head, sizeof head);
    return p;
}

static void add_pixels(png *p, const uint8_t *rows, size_t bytes) {
    uint8_t packed[1024];
    uLongf size = sizeof packed;
    ck_assert_int_eq(compress(packed, &size, rows, bytes), Z_OK);
    add_chunk(p, "IDAT", packed, size, (uint32_t)size);
}

static void png_end(png *p) {
    add_chunk(p, "IEND", NULL, 0, 0);
    png_repair_checksums(p->data, p->bytes);
}

static const uint8_t grey_rows[] = {0, 10, 20, 0, 30, 40}; /* 2×2, each row behind its filter */

/* The picture of grey_rows. */
static void check_grey(const png *p) {
    cn_tensor *image;
    asked = 0;
    ck_ok(cn_image_load_memory(ctx, p->data, p->bytes, &image));
    ck_assert_uint_lt(asked, 256u << 10);
    ck_assert_mem_eq(cn_tensor_data(image), ((uint8_t[]){10, 20, 30, 40}), 4);
    cn_tensor_free(image);
}

START_TEST(png_headers_that_promise_too_much) {
    static const uint8_t padding[2048] = "no pixels\0";
    static const struct {
        uint32_t width, height;
        int depth, colour;
        const char *message;
    } cases[] = {
        {0x7fffffff, 1, 16, 6, "2147483647×1 pixels"},
        {1, 0x7fffffff, 16, 6, "1×2147483647 pixels"},
        {0x7fffffff, 0x7fffffff, 1, 0, "2147483647×2147483647 pixels"},
        {65536, 65536, 8, 2, "65536×65536 pixels"},
        {(1 << 20) + 1, 1, 1, 0, "at most 1048576 a side"},
        {8192, 8192, 8, 2, "ends too early"},
        {1 << 20, 128, 16, 6, "ends too early"},
        {16384, 8192, 1, 0, "ends too early"},
        {16384, 8192, 1, 3, "ends too early"},
    };
    for (size_t i = 0; i < CN__COUNT(cases); i++)
        for (int interlaced = 0; interlaced < 2; interlaced++) {
            png p = png_begin(cases[i].width, cases[i].height, cases[i].depth, cases[i].colour, interlaced);
            if (cases[i].colour == 3)
                add_chunk(&p, "PLTE", "\1\2\3\4\5\6", 6, 6);
            add_chunk(&p, "tEXt", padding, sizeof padding, sizeof padding);
            add_pixels(&p, grey_rows, sizeof grey_rows);
            png_end(&p);
            refused(p.data, p.bytes, cases[i].message);
        }
}
END_TEST

START_TEST(png_chunks_that_claim_to_be_long) {
    static const char *const types[] = {"IDAT", "PLTE", "tRNS", "iCCP", "zTXt", "tEXt", "iTXt",
                                        "eXIf", "sPLT", "hIST", "pCAL", "prVt", "IEND", "ABCD"};
    static const uint32_t lengths[] = {0x7fffffff, 0x80000000, 0xffffffff, 0x10000000, 100000};
    for (size_t i = 0; i < CN__COUNT(types); i++)
        for (size_t k = 0; k < CN__COUNT(lengths); k++) {
            png p = png_begin(2, 2, 8, 0, 0);
            add_chunk(&p, types[i], "name\0\0xxxxxxx", 13, lengths[k]);
            add_pixels(&p, grey_rows, sizeof grey_rows);
            png_end(&p);
            refused(p.data, p.bytes, "it ends too early");
        }
}
END_TEST

/* A text of zeros that would be a hundred times as long when inflated. */
START_TEST(compressed_chunks_stay_packed) {
    static const char *const types[] = {"zTXt", "iCCP"};
    static uint8_t zeros[1 << 20];
    uint8_t content[2048] = "name\0";
    uLongf size = sizeof content - 6;
    ck_assert_int_eq(compress(content + 6, &size, zeros, sizeof zeros), Z_OK);
    for (size_t i = 0; i < CN__COUNT(types); i++) {
        png p = png_begin(2, 2, 8, 0, 0);
        add_chunk(&p, types[i], content, size + 6, (uint32_t)size + 6);
        add_pixels(&p, grey_rows, sizeof grey_rows);
        png_end(&p);
        check_grey(&p);
    }
}
END_TEST

/* Rows cost memory, passes do not. */
START_TEST(interlaced_pngs_need_no_memory_for_passes) {
    png p = png_begin(2048, 2, 16, 6, 1);
    uint8_t rows[4 + 2048 * 2 * 8 + 16] = {0};
    cn_tensor *image;
    add_pixels(&p, rows, sizeof rows);
    png_end(&p);
    asked = 0;
    cn_status status = cn_image_load_memory(ctx, p.data, p.bytes, &image);
    ck_assert_msg(status == CN_OK, "%s", cn_last_error());
    ck_assert_uint_lt(asked, 2048 * 2 * 3 + 4 * 2048 * 8 + (128u << 10));
    cn_tensor_free(image);
}
END_TEST

START_TEST(only_damage_to_pixels_matters_in_a_png) {
    for (int behind = 0; behind < 2; behind++)
        for (int i = 0; i < 2; i++) {
            png p = png_begin(2, 2, 8, 0, 0);
            if (behind)
                add_pixels(&p, grey_rows, sizeof grey_rows);
            size_t chunk = p.bytes;
            add_chunk(&p, i ? "eXIf" : "tEXt", "MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0", 26, 26);
            if (!behind)
                add_pixels(&p, grey_rows, sizeof grey_rows);
            png_end(&p);
            p.data[chunk + 12] ^= 1;
            check_grey(&p);
        }
    png p = png_begin(2, 2, 8, 0, 0);
    size_t chunk = p.bytes;
    add_chunk(&p, "tRNS", "\0\x0a", 2, 2);
    add_pixels(&p, grey_rows, sizeof grey_rows);
    png_end(&p);
    p.data[chunk + 9] ^= 1;
    refused(p.data, p.bytes, "the chunk at byte 33 is damaged");
    p.data[chunk + 9] ^= 1;
    p.data[p.bytes - 1] ^= 1; /* the end's checksum */
    cn_tensor *image;
    ck_ok(cn_image_load_memory(ctx, p.data, p.bytes, &image));
    ck_assert_mem_eq(cn_tensor_data(image), ((uint8_t[]){255, 20, 30, 40}), 4);
    cn_tensor_free(image);
}
END_TEST

/* Transparency that libpng would pass over with a warning. */
START_TEST(transparency_that_makes_no_sense_is_damage) {
    png p = png_begin(2, 2, 8, 0, 0);
    add_chunk(&p, "tRNS", "\0\x0a\0", 3, 3);
    add_pixels(&p, grey_rows, sizeof grey_rows);
    png_end(&p);
    refused(p.data, p.bytes, "tRNS");
}
END_TEST

/* ---- JPEG ---- */

enum { SOF = 158, HEIGHT = SOF + 5 }; /* places in the file below */

/* A progressive JPEG of arithmetic codes that is all one colour, as large as is wanted. */
static uint8_t *arithmetic(size_t *bytes, int height, int width) {
    uint8_t *data;
    ck_ok(load_file(ctx, "tests/corpus/jpeg/arithmetic_progressive.jpg", &data, bytes));
    ck_assert(data[SOF] == 0xff && data[SOF + 1] == 0xca);
    data[HEIGHT] = (uint8_t)(height >> 8);
    data[HEIGHT + 1] = (uint8_t)height;
    data[HEIGHT + 2] = (uint8_t)(width >> 8);
    data[HEIGHT + 3] = (uint8_t)width;
    return data;
}

START_TEST(arithmetic_codes_pay_for_their_pixels) {
    static const struct {
        int height, width;
        const char *message;
    } cases[] = {{11585, 11585, "ends too early"},
                 {1024, 1025, "ends too early"},
                 {16384, 16384, "16384×16384 pixels"},
                 {1, 1, "bad arithmetic code"}}; /* few enough, but these codes are not theirs */
    for (size_t i = 0; i < CN__COUNT(cases); i++) {
        size_t bytes;
        uint8_t *data = arithmetic(&bytes, cases[i].height, cases[i].width);
        refused(data, bytes, cases[i].message);
        cn__free(ctx, data);
    }
}
END_TEST

START_TEST(arithmetic_codes_that_are_cut_are_found_out) {
    size_t bytes;
    uint8_t *data = arithmetic(&bytes, 64, 64);
    for (size_t cut = 3; cut < bytes; cut++) {
        cn_tensor *image;
        ck_fails(cn_image_load_memory(ctx, data, cut, &image), CN_ERR_FORMAT, "JPEG");
        ck_assert_ptr_null(image);
    }
    cn__free(ctx, data);
}
END_TEST

/* A file of three components whose one scan holds the first of them. */
START_TEST(colours_that_are_missing_are_missed) {
    static const uint8_t first_only[] = {0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0};
    size_t bytes, scan = 2;
    uint8_t *data;
    cn_tensor *image;
    ck_ok(load_file(ctx, "tests/golden/images/full_chroma.jpg", &data, &bytes));
    while (data[scan + 1] != 0xda)
        scan += 2u + (unsigned)(data[scan + 2] << 8 | data[scan + 3]);
    memcpy(data + scan, first_only, sizeof first_only);
    for (size_t i = scan + sizeof first_only, k = 0; i < bytes - 2; i++, k++)
        data[i] = (uint8_t[]){0x28, 0xa2, 0x8a}[k % 3]; /* blocks of zeros, in the usual codes */
    cn_status status = cn_image_load_memory(ctx, data, bytes, &image);
    ck_assert_msg(status == CN_ERR_FORMAT && strstr(cn_last_error(), "a colour is missing"), "%s", cn_last_error());
    cn__free(ctx, data);
}
END_TEST

/* The first scan of a progressive file 600 times. */
START_TEST(scans_are_counted) {
    size_t bytes, head = 2, length = 2;
    uint8_t *data;
    cn_tensor *image;
    ck_ok(load_file(ctx, "tests/golden/images/progressive.jpg", &data, &bytes));
    while (data[head + 1] != 0xda)
        head += 2u + (unsigned)(data[head + 2] << 8 | data[head + 3]);
    while (data[head + length] != 0xff || data[head + length + 1] == 0)
        length++;
    uint8_t *many = malloc(head + 600 * length + 2);
    memcpy(many, data, head);
    for (size_t i = 0; i < 600; i++)
        memcpy(many + head + i * length, data + head, length);
    memcpy(many + head + 600 * length, "\xff\xd9", 2);
    ck_fails(cn_image_load_memory(ctx, many, head + 600 * length + 2, &image), CN_ERR_FORMAT, "too many scans");
    free(many);
    cn__free(ctx, data);
}
END_TEST

/* ---- PNM ---- */

START_TEST(texts_that_promise_too_much) {
    static const struct {
        const char *text, *message;
    } cases[] = {{"P3 5000 5000 255\n1 2 3\n", "ends too early"},
                 {"P2 5000 5000 255\n1 2 3\n", "ends too early"},
                 {"P1 5000 5000\n1 0 1\n", "ends too early"},
                 {"P4 5000 5000\nabc", "ends too early"},
                 {"P4 0 5\nabc", "0×5 pixels"},
                 {"P3 99999 99999 255\n1 2 3\n", "99999×99999 pixels"},
                 {"P2 2 1 9\n3 10\n", "above the largest value"},
                 {"P2 2 1 9\n3 x\n", "a number is wanted"},
                 {"P2 2 1 9\n3   ", "it ends too early"},
                 {"P1 2 1\n12", "above the largest value"},
                 {"P1 2 2\n1#0101\n", "it ends too early"},
                 {"P51 1 255 x", "is no PNG"},
                 {"P7\nWIDTH 1\n", "is no PNG"}};
    for (size_t i = 0; i < CN__COUNT(cases); i++)
        refused((const uint8_t *)cases[i].text, strlen(cases[i].text), cases[i].message);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("image_hostile");
    TCase *group = tcase_create("hostile");
    tcase_add_checked_fixture(group, setup, teardown);
    if (CN_WITH_IMAGES) {
        tcase_add_test(group, png_headers_that_promise_too_much);
        tcase_add_test(group, png_chunks_that_claim_to_be_long);
        tcase_add_test(group, compressed_chunks_stay_packed);
        tcase_add_test(group, interlaced_pngs_need_no_memory_for_passes);
        tcase_add_test(group, only_damage_to_pixels_matters_in_a_png);
        tcase_add_test(group, transparency_that_makes_no_sense_is_damage);
        tcase_add_test(group, arithmetic_codes_pay_for_their_pixels);
        tcase_add_test(group, arithmetic_codes_that_are_cut_are_found_out);
        tcase_add_test(group, colours_that_are_missing_are_missed);
        tcase_add_test(group, scans_are_counted);
    }
    tcase_add_test(group, texts_that_promise_too_much);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
