/* SPDX-License-Identifier: MIT */
/* test_bounds.c: files that are made to cost memory or time: what loading takes is in proportion to how large they are, and
 * twice as large a file takes twice as many allocations. `test_bounds KIND N` loads one alone, for tools that count
 * instructions. */
#include "checksums.h"
#include "scratch.h"
#include "testing.h"
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TEST_RUNS_ONCE;

/* ---- bytes that grow ---- */

typedef struct bytes {
    uint8_t *data;
    size_t count, capacity;
} bytes;

static void put(bytes *b, const void *data, size_t count) {
    while (b->capacity < b->count + count) {
        b->capacity = b->capacity ? 2 * b->capacity : 4096;
        b->data = realloc(b->data, b->capacity);
        ck_assert_ptr_nonnull(b->data);
    }
    memcpy(b->data + b->count, data, count);
    b->count += count;
}

static void put_text(bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put_text(bytes *b, const char *format, ...) {
    char text[512];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    put(b, text, (size_t)length);
}

/* The `width` lowest bytes of a number, the last first or not. */
static void put_number(bytes *b, uint64_t value, int width, bool big_endian) {
    for (int i = 0; i < width; i++) {
        int place = big_endian ? width - 1 - i : i;
        uint8_t byte = place < 8 ? (uint8_t)(value >> 8 * place) : 0;
        put(b, &byte, 1);
    }
}

/* ---- safetensors ---- */

/* A file of that header and so many bytes of zeros. */
static bytes safetensors(bytes header, size_t zeros) {
    bytes file = {NULL, 0, 0};
    put_number(&file, header.count, 8, false);
    put(&file, header.data, header.count);
    for (size_t i = 0; i < zeros; i++)
        put(&file, "", 1);
    free(header.data);
    return file;
}

/* Whose architecture is this, in which quotes are escaped already. */
static bytes model_file(bytes architecture) {
    bytes header = {NULL, 0, 0};
    put_text(&header, "{\"__metadata__\":{\"convnet.version\":\"1\", \"convnet.model\":\"");
    put(&header, architecture.data, architecture.count);
    put_text(&header, "\"}}");
    free(architecture.data);
    return safetensors(header, 0);
}

#define LAYER "{\\\"name\\\":\\\"%s%d\\\",\\\"type\\\":\\\"%s\\\",\\\"inputs\\\":[\\\"%s"

/* One after the other, with long names that begin alike. */
static bytes many_layers(int n) {
    bytes text = {NULL, 0, 0};
    static const char name[] = "a name that goes on for a while until it tells what it is ";
    put_text(&text, "{\\\"input\\\":[1,1,1],\\\"layers\\\":[");
    for (int i = 0; i < n && i < 16384; i++) {
        put_text(&text, "%s" LAYER, i ? "," : "", name, i, "Identity", i ? name : "input");
        if (i)
            put_text(&text, "%d", i - 1);
        put_text(&text, "\\\"]}");
    }
    put_text(&text, "]}");
    return model_file(text);
}

/* Each of sixteen sums names the last of many layers thousands of times. */
static bytes many_inputs(int n) {
    bytes text = {NULL, 0, 0};
    put_text(&text, "{\\\"input\\\":[1,1,1],\\\"layers\\\":[");
    for (int i = 0; i < n / 16; i++) {
        put_text(&text, "%s" LAYER, i ? "," : "", "x", i, "ReLU", i ? "x" : "input");
        if (i)
            put_text(&text, "%d", i - 1);
        put_text(&text, "\\\"]}");
    }
    for (int sum = 0; sum < 16; sum++) {
        put_text(&text, "," LAYER "\\\"", "sum", sum, "Add", "input");
        for (int i = 0; i < n / 16 && i < 4095; i++)
            put_text(&text, ",\\\"x%d\\\"", n / 16 - 1);
        put_text(&text, "]}");
    }
    put_text(&text, "],\\\"outputs\\\":[");
    for (int sum = 0; sum < 16; sum++)
        put_text(&text, "%s\\\"sum%d\\\"", sum ? "," : "", sum);
    put_text(&text, "]}");
    return model_file(text);
}

/* Many outputs, classes and members that nobody knows. */
static bytes many_members(int n) {
    bytes text = {NULL, 0, 0};
    put_text(&text, "{\\\"input\\\":[1,1,1],\\\"layers\\\":[");
    for (int i = 0; i < n / 4; i++)
        put_text(&text, "%s" LAYER "\\\"]}", i ? "," : "", "x", i, "ReLU", "input");
    put_text(&text, "],\\\"outputs\\\":[");
    for (int i = 0; i < n / 4; i++)
        put_text(&text, "%s\\\"x%d\\\"", i ? "," : "", i);
    put_text(&text, "]");
    for (int i = 0; i < n; i++)
        put_text(&text, ",\\\"member %d\\\":[1,{}]", i);
    put_text(&text, "}");
    return model_file(text);
}

static bytes many_tensors(int n) {
    bytes header = {NULL, 0, 0};
    put_text(&header, "{");
    for (int i = 0; i < n; i++)
        put_text(&header, "%s\"module.module.module.%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
                 i ? "," : "", i, i, i + 1);
    put_text(&header, "}");
    return safetensors(header, (size_t)n);
}

/* ---- .npz ---- */

/* Many members without a number in them, or that are no arrays. */
static bytes many_members_of_archive(int n) {
    static const char array[] = "\x93NUMPY\1\0\x37\0{'descr': '|u1', 'fortran_order': False, 'shape': (0,)}";
    bytes file = {NULL, 0, 0}, directory = {NULL, 0, 0};
    for (int i = 0; i < n; i++) {
        char name[16];
        size_t at = file.count, length = (size_t)snprintf(name, sizeof name, i % 2 ? "%d.npy" : "%d", i);
        put(&file, "PK\3\4\24\0\0\0\0\0\0\0\0\0", 14);
        for (int copy = 0; copy < 2; copy++) { /* checksum and sizes, here and in the directory */
            bytes *to = copy ? &directory : &file;
            if (copy)
                put(&directory, "PK\1\2\24\0\24\0\0\0\0\0\0\0\0\0", 16);
            put_number(to, 0, 4, false);
            put_number(to, sizeof array - 1, 4, false);
            put_number(to, sizeof array - 1, 4, false);
            put_number(to, length, 2, false);
            put_number(to, 0, copy ? 12 : 2, false);
        }
        put_number(&directory, at, 4, false);
        put(&directory, name, length);
        put(&file, name, length);
        put(&file, array, sizeof array - 1);
    }
    size_t offset = file.count;
    put(&file, directory.data, directory.count);
    put(&file, "PK\5\6\0\0\0\0", 8);
    put_number(&file, (uint64_t)n & 0xffff, 2, false);
    put_number(&file, (uint64_t)n & 0xffff, 2, false);
    put_number(&file, directory.count, 4, false);
    put_number(&file, offset, 4, false);
    put_number(&file, 0, 2, false);
    free(directory.data);
    zip_repair_checksums(file.data, file.count);
    return file;
}

/* ---- ONNX, as protobuf has it ---- */

static void put_varint(bytes *b, uint64_t value) {
    for (; value >= 128; value >>= 7)
        put_number(b, value | 128, 1, false);
    put_number(b, value, 1, false);
}

static void put_field(bytes *b, int field, const void *data, size_t count) {
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, count);
    put(b, data, count);
}

static void put_message(bytes *b, int field, bytes message) {
    put_field(b, field, message.data, message.count);
    free(message.data);
}

enum { NODE = 1, TENSOR = 5, INPUT = 11, OUTPUT = 12 };

/* x or y: N×1×1×1 floats. */
static bytes value_info(const char *name) {
    static const uint8_t type[] = {0x0a, 0x15, 8, 1,    0x12, 0x11, 0x0a, 3,    0x12, 1, 'N', 0x0a,
                                   2,    8,    1, 0x0a, 2,    8,    1,    0x0a, 2,    8, 1};
    bytes info = {NULL, 0, 0};
    put_field(&info, 1, name, strlen(name));
    put_field(&info, 2, type, sizeof type);
    return info;
}

/* Many nodes of one name, each with many attributes, and many tensors that nobody reads. */
static bytes many_nodes(int n) {
    bytes graph = {NULL, 0, 0}, file = {NULL, 0, 0}, opset = {NULL, 0, 0};
    for (int i = 0; i < n; i++) {
        bytes node = {NULL, 0, 0}, tensor = {NULL, 0, 0};
        char from[24], to[24], name[24];
        size_t in = (size_t)snprintf(from, sizeof from, i ? "v%d" : "x", i);
        size_t out = (size_t)snprintf(to, sizeof to, i + 1 < n ? "v%d" : "y", i + 1);
        put_field(&node, 1, from, in);
        put_field(&node, 2, to, out);
        put_field(&node, 3, "the same", 8);
        put_field(&node, 4, "Relu", 4);
        for (int k = 0; k < 20; k++)
            put_field(&node, 5, "\x0a\x01q\x18\x01", 5);
        put_message(&graph, NODE, node);
        put(&tensor, "\x08\x01\x10\x01", 4);
        size_t length = (size_t)snprintf(name, sizeof name, "w%d", i);
        put_field(&tensor, 8, name, length);
        put_field(&tensor, 9, "\0\0\0\0", 4);
        put_message(&graph, TENSOR, tensor);
    }
    put_message(&graph, INPUT, value_info("x"));
    put_message(&graph, OUTPUT, value_info("y"));
    put(&file, "\x08\x08", 2);
    put(&opset, "\x10\x0d", 2);
    put_message(&file, 8, opset);
    put_message(&file, 7, graph);
    return file;
}

/* ---- PNG ---- */

static void put_chunk(bytes *file, const char *type, const void *data, size_t count) {
    put_number(file, count, 4, true);
    put(file, type, 4);
    put(file, data, count);
    put_number(file, 0, 4, true);
}

/* One pixel, and many texts, names of colours and chunks that nobody knows. */
static bytes many_chunks(int n) {
    static const uint8_t pixel[] = {0x78, 0x01, 0x63, 0x60, 0x00, 0x00, 0x00, 0x02, 0x00, 0x01};
    bytes file = {NULL, 0, 0};
    put(&file, "\x89PNG\r\n\x1a\n", 8);
    put_chunk(&file, "IHDR", "\0\0\0\1\0\0\0\1\x08\0\0\0\0", 13);
    for (int i = 0; i < n; i++) {
        put_chunk(&file, "tEXt", "key\0text", 8);
        put_chunk(&file, "zTXt", "key\0\0\x78\x01\x03\0\0\0\0\1", 13);
        put_chunk(&file, "sPLT", "name\0\x08", 6);
        put_chunk(&file, "abCd", "", 0);
    }
    put_chunk(&file, "IDAT", pixel, sizeof pixel);
    put_chunk(&file, "IEND", "", 0);
    png_repair_checksums(file.data, file.count);
    return file;
}

/* ---- loading them ---- */

static cn_status load_model(cn_context *ctx, bytes file) {
    cn_model *model;
    cn_status status = cn_model_load_memory(ctx, file.data, file.count, &model);
    cn_model_free(model);
    return status;
}

static cn_status load_tensors(cn_context *ctx, bytes file) {
    cn_tensors *tensors;
    cn_status status = cn_tensors_load_memory(ctx, file.data, file.count, &tensors);
    cn_tensors_free(tensors);
    return status;
}

/* Into a model that has none of them. */
static cn_status load_into_model(cn_context *ctx, bytes file) {
    cn_load_options options = CN_LOAD_OPTIONS_INIT;
    cn_model *model;
    options.strict = 0;
    ck_ok(cn_model_mnist(ctx, 2, 1, &model));
    cn_status status = cn_model_load_tensors_memory(model, file.data, file.count, &options);
    cn_model_free(model);
    return status;
}

static cn_status load_image(cn_context *ctx, bytes file) {
    cn_tensor *image;
    cn_status status = cn_image_load_memory(ctx, file.data, file.count, &image);
    cn_tensor_free(image);
    return status;
}

static const struct kind {
    const char *name;
    bytes (*make)(int n);
    cn_status (*load)(cn_context *ctx, bytes file);
    int n;
    cn_status status; /* what becomes of it */
} kinds[] = {
    {"layers", many_layers, load_model, 4000, CN_OK},
    {"inputs", many_inputs, load_model, 16000, CN_OK},
    {"members", many_members, load_model, 4000, CN_OK},
    {"tensors", many_tensors, load_tensors, 8000, CN_OK},
    {"model", many_tensors, load_into_model, 8000, CN_ERR_NOT_FOUND},
    {"archive", many_members_of_archive, load_tensors, 8000, CN_OK},
    {"nodes", many_nodes, load_model, 4000, CN_OK},
    {"chunks", many_chunks, load_image, 4000, CN_WITH_IMAGES ? CN_OK : CN_ERR_UNSUPPORTED},
};

static long calls;

static void *allocate(void *user, size_t bytes_wanted, size_t alignment) {
    void *memory;
    (void)user;
    calls++;
    return posix_memalign(&memory, alignment, bytes_wanted) == 0 ? memory : NULL;
}

static void release(void *user, void *memory) {
    (void)user;
    free(memory);
}

static cn_context *watched_context(void) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    options.threads = 1;
    options.allocate = allocate;
    options.release = release;
    ck_ok(cn_context_new(&options, &ctx));
    return ctx;
}

/* Loads a file and returns how often memory was asked for. */
static long load(const struct kind *kind, int n) {
    enum { TIMES = 64, A_LITTLE = 2 << 20 /* of which the model that tensors are for has most */ };
    bytes file = kind->make(n);
    cn_context *ctx = watched_context();
    size_t before = cn_context_memory(ctx);
    calls = 0;
    cn_status status = kind->load(ctx, file);
    long count = calls;
    ck_assert_msg(status == kind->status, "%s: %s: %s", kind->name, cn_status_string(status), cn_last_error());
    size_t peak = cn_context_memory_peak(ctx) - before;
    ck_assert_msg(peak <= TIMES * file.count + A_LITTLE, "%s: %zu bytes for a file of %zu", kind->name, peak,
                  file.count);
    ck_assert_uint_eq(cn_context_memory(ctx), before);
    cn_context_free(ctx);
    free(file.data);
    return count;
}

START_TEST(what_loading_takes_grows_as_the_file_does) {
    const struct kind *kind = &kinds[_i];
    int n = test_quick() ? kind->n / 8 : kind->n;
    long once = load(kind, n), twice = load(kind, 2 * n);
    ck_assert_msg(twice <= 2 * once + once / 8 + 64, "%s: %ld allocations, and %ld for twice as much", kind->name, once,
                  twice);
}
END_TEST

/* ---- files that are larger than anyone reads ---- */

static cn_status open_npy(cn_context *ctx, const char *path) {
    cn_tensor *tensor;
    return cn_tensor_load_npy(ctx, path, &tensor);
}

static cn_status open_npz(cn_context *ctx, const char *path) {
    cn_tensor *tensor;
    return cn_tensor_load_npz(ctx, path, "a", &tensor);
}

static cn_status open_image(cn_context *ctx, const char *path) {
    cn_tensor *image;
    return cn_image_load(ctx, path, &image);
}

static cn_status open_model(cn_context *ctx, const char *path) {
    cn_model *model;
    return cn_model_load(ctx, path, &model);
}

static cn_status open_tensors(cn_context *ctx, const char *path) {
    cn_tensors *tensors;
    return cn_tensors_load(ctx, path, &tensors);
}

static cn_status open_idx(cn_context *ctx, const char *path) {
    cn_dataset *dataset;
    return cn_dataset_idx_files(ctx, path, path, &dataset);
}

static cn_status (*const openers[])(cn_context *ctx, const char *path) = {open_npy,   open_npz,     open_image,
                                                                          open_model, open_tensors, open_idx};

/* Of 5 GiB, hardly any of which is on the disk: refused before it is read, whatever it begins with. */
START_TEST(huge_files_are_refused_before_they_are_read) {
    static const char *const beginnings[] = {
        "",         "\xff\xff\xff\xff\1", "\x93NUMPY\1", "PK\3\4", "\x89PNG\r\n\x1a\n", "\xff\xd8\xff", "P5 9 9 255\n",
        "\x08\x08", "\x1f\x8b\x08"};
    scratch s = scratch_new();
    const char *path = scratch_path(&s, "huge");
    int file = open(path, O_RDWR | O_CREAT, 0600);
    ck_assert_int_ge(file, 0);
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        cn_context *ctx = watched_context();
        size_t before = cn_context_memory(ctx);
        ck_assert_int_eq(ftruncate(file, 0), 0);
        ck_assert_int_eq(ftruncate(file, (off_t)5 << 30), 0);
        ck_assert_int_ge(pwrite(file, beginnings[i], strlen(beginnings[i]), 0), 0);
        cn_status status = openers[_i](ctx, path);
        ck_assert_msg(status == CN_ERR_FORMAT || status == CN_ERR_UNSUPPORTED, "beginning %zu: %s: %s", i,
                      cn_status_string(status), cn_last_error());
        ck_assert_uint_lt(cn_context_memory_peak(ctx) - before, 1 << 25); /* a header may have 16 MiB */
        cn_context_free(ctx);
    }
    close(file);
    scratch_free(&s);
}
END_TEST

int main(int argc, char **argv) {
    enum { KINDS = (int)(sizeof kinds / sizeof *kinds) };
    for (int i = 0; argc > 2 && i < KINDS; i++)
        if (strcmp(argv[1], kinds[i].name) == 0)
            return load(&kinds[i], atoi(argv[2])) < 0;
    Suite *suite = suite_create("bounds");
    TCase *group = tcase_create("bounds");
    tcase_set_timeout(group, 0);
    tcase_add_loop_test(group, what_loading_takes_grows_as_the_file_does, 0, KINDS);
    tcase_add_loop_test(group, huge_files_are_refused_before_they_are_read, 0, (int)(sizeof openers / sizeof *openers));
    suite_add_tcase(suite, group);
    return test_run(suite);
}
