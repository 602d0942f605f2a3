/* SPDX-License-Identifier: MIT */
/* test_npy.c: numpy's files: all that numpy writes, what is refused, damage. */
#include "scratch.h"
#include "testing.h"
#include "base/base.h"
#include "fuzzing.h"
#include <math.h>

TEST_RUNS_ONCE;

#define GOLDEN "tests/golden/npy/"

/* ---- what numpy writes ---- */

static double number_at(const cn_tensor *tensor, int64_t at) {
    const void *data = cn_tensor_data_const(tensor);
    switch (cn_tensor_dtype(tensor)) {
    case CN_DTYPE_UINT8:
        return ((const uint8_t *)data)[at];
    case CN_DTYPE_INT64:
        return (double)((const int64_t *)data)[at];
    default:
        return (double)((const float *)data)[at];
    }
}

static void expect_numbers(const cn_tensor *tensor, const char *type) {
    bool bytes = strcmp(type, "b1") == 0 || strcmp(type, "u1") == 0;
    cn_dtype wanted = bytes ? CN_DTYPE_UINT8 : type[0] == 'f' ? CN_DTYPE_FLOAT32 : CN_DTYPE_INT64;
    ck_assert_int_eq(cn_tensor_dtype(tensor), wanted);
    ck_assert_int_eq(cn_tensor_dims(tensor), 3);
    ck_assert(cn_tensor_shape(tensor, 0) == 2 && cn_tensor_shape(tensor, 1) == 3 && cn_tensor_shape(tensor, 2) == 4);
    for (int i = 0; i < 24; i++)
        ck_assert_double_eq(number_at(tensor, i), type[0] == 'b' ? i % 2 : type[0] == 'u' ? i : i - 12);
}

START_TEST(all_types_and_orders_are_read) {
    static const char *const types[] = {"b1", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"};
    static const char *const files[] = {GOLDEN "stored.npz", GOLDEN "deflated.npz"};
    cn_context *ctx = test_context(1);
    for (size_t f = 0; f < 2; f++)
        for (size_t t = 0; t < CN__COUNT(types); t++)
            for (int how = 0; how < 4; how++) {
                char name[32];
                cn_tensor *tensor;
                snprintf(name, sizeof name, "%s_%s_%s", types[t], how % 2 ? "fortran" : "c",
                         how / 2 ? "big" : "little");
                ck_ok(cn_tensor_load_npz(ctx, files[f], name, &tensor));
                expect_numbers(tensor, types[t]);
                cn_tensor_free(tensor);
            }
    cn_context_free(ctx);
}
END_TEST

START_TEST(archives_of_wide_records_are_read) {
    cn_context *ctx = test_context(1);
    cn_tensor *tensor;
    ck_ok(cn_tensor_load_npz(ctx, GOLDEN "wide.npz", "a", &tensor));
    expect_numbers(tensor, "f4");
    cn_tensor_free(tensor);
    cn_context_free(ctx);
}
END_TEST

START_TEST(all_versions_and_shapes_are_read) {
    cn_context *ctx = test_context(1);
    const double halves[5] = {1.5, ldexp(1.0, -24), -65504.0, HUGE_VAL, ldexp(1.0, -14)};
    cn_tensor *tensor;
    ck_ok(cn_tensor_load_npy(ctx, GOLDEN "version2.npy", &tensor));
    expect_numbers(tensor, "f4");
    cn_tensor_free(tensor);
    ck_ok(cn_tensor_load_npy(ctx, GOLDEN "version3.npy", &tensor));
    expect_numbers(tensor, "f4");
    cn_tensor_free(tensor);
    ck_ok(cn_tensor_load_npy(ctx, GOLDEN "scalar.npy", &tensor));
    ck_assert_int_eq(cn_tensor_dims(tensor), 0);
    ck_assert_double_eq(number_at(tensor, 0), 2.5);
    cn_tensor_free(tensor);
    ck_ok(cn_tensor_load_npy(ctx, GOLDEN "empty.npy", &tensor));
    ck_assert(cn_tensor_dims(tensor) == 2 && cn_tensor_shape(tensor, 0) == 3 && cn_tensor_count(tensor) == 0);
    cn_tensor_free(tensor);
    ck_ok(cn_tensor_load_npy(ctx, GOLDEN "halves.npy", &tensor));
    for (int i = 0; i < 5; i++)
        ck_assert_double_eq(number_at(tensor, i), halves[i]);
    cn_tensor_free(tensor);
    cn_context_free(ctx);
}
END_TEST

START_TEST(what_is_saved_is_read_again) {
    const cn_dtype types[3] = {CN_DTYPE_UINT8, CN_DTYPE_INT64, CN_DTYPE_FLOAT32};
    const int64_t shape[CN_MAX_DIMS] = {2, 1, 3, 1, 1, 2, 1, 5};
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    for (int t = 0; t < 3; t++)
        for (int dims = 0; dims <= CN_MAX_DIMS; dims++) {
            uint8_t start[128];
            cn_tensor *saved, *loaded;
            ck_ok(cn_tensor_new(ctx, types[t], dims, shape, &saved));
            uint8_t *bytes = cn_tensor_data(saved);
            for (size_t i = 0; i < (size_t)cn_tensor_count(saved) * cn__dtype_bytes(types[t]); i++)
                bytes[i] = (uint8_t)(i * 37 % 100);
            ck_ok(cn_tensor_save_npy(saved, scratch_path(&s, "a.npy")));
            ck_ok(cn_tensor_load_npy(ctx, scratch_path(&s, "a.npy"), &loaded));
            ck_ok(cn__tensor_expect(loaded, "loaded", types[t], dims, shape));
            ck_assert_mem_eq(cn_tensor_data(loaded), bytes, (size_t)cn_tensor_count(saved) * cn__dtype_bytes(types[t]));
            ck_assert_uint_eq(scratch_read(&s, "a.npy", start, 128), 128);
            ck_assert_int_eq((10 + start[8] + 256 * start[9]) % 64, 0); /* as numpy aligns them */
            cn_tensor_free(saved);
            cn_tensor_free(loaded);
        }
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(other_types_and_numbers_beyond_are_refused) {
    cn_context *ctx = test_context(1);
    cn_tensor *t;
    ck_fails(cn_tensor_load_npy(ctx, GOLDEN "complex.npy", &t), CN_ERR_UNSUPPORTED, "numpy's type '<c8'");
    ck_fails(cn_tensor_load_npy(ctx, GOLDEN "records.npy", &t), CN_ERR_UNSUPPORTED, "records or objects");
    ck_fails(cn_tensor_load_npy(ctx, GOLDEN "wide.npy", &t), CN_ERR_DATA,
             "has 9223372036854775808 at place 1, which int64 cannot hold");
    ck_fails(cn_tensor_load_npy(ctx, GOLDEN "large.npy", &t), CN_ERR_DATA, "at place 1, which float32 cannot hold");
    ck_fails(cn_tensor_load_npy(ctx, GOLDEN "stored.npz", &t), CN_ERR_FORMAT, "does not begin as numpy's arrays do");
    ck_fails(cn_tensor_load_npz(ctx, GOLDEN "stored.npz", "x", &t), CN_ERR_NOT_FOUND, "b1_c_little.npy, b1_c_big.npy");
    ck_fails(cn_tensor_load_npz(ctx, GOLDEN "empty.npy", "x", &t), CN_ERR_FORMAT, "no whole ZIP archive");
    ck_fails(cn_tensor_load_npz(ctx, GOLDEN "none.npz", "x", &t), CN_ERR_IO, "none.npz");
    ck_assert_ptr_null(t);
    cn_context_free(ctx);
}
END_TEST

/* A version 1 file of that header, with `bytes` zeros behind it. */
static void write_array(const scratch *s, const char *header, size_t bytes) {
    static char file[4096];
    size_t length = strlen(header);
    memset(file, 0, sizeof file);
    memcpy(file, "\x93NUMPY\1\0", 8);
    file[8] = (char)(length & 255);
    file[9] = (char)(length >> 8);
    memcpy(file + 10, header, length);
    scratch_write(s, "a.npy", file, 10 + length + bytes);
}

START_TEST(headers_are_read_as_python_does) {
    static const char *const good[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
        "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}\n",
        "  { \"descr\" : \"<f4\" , 'fortran_order':False,'shape':( 2 ,3 ) }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }",
    };
    static const char *const bad[] = {
        "",
        "{",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2, 3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 6, }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'more': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 99999999999999999999), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4611686018427387904), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }",
    };
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    cn_tensor *tensor;
    for (size_t i = 0; i < CN__COUNT(good); i++) {
        write_array(&s, good[i], 24);
        ck_ok(cn_tensor_load_npy(ctx, scratch_path(&s, "a.npy"), &tensor));
        ck_assert(cn_tensor_shape(tensor, 0) == 2 && cn_tensor_shape(tensor, 1) == 3);
        cn_tensor_free(tensor);
    }
    for (size_t i = 0; i < CN__COUNT(bad); i++) {
        write_array(&s, bad[i], 24);
        ck_fails(cn_tensor_load_npy(ctx, scratch_path(&s, "a.npy"), &tensor), CN_ERR_FORMAT, "a.npy");
    }
    write_array(&s, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 6), }", 24);
    ck_fails(cn_tensor_load_npy(ctx, scratch_path(&s, "a.npy"), &tensor), CN_ERR_UNSUPPORTED, "more than 8 dimensions");
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

/* ---- damage ---- */

static size_t read_file(const char *path, uint8_t *bytes, size_t most) {
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    size_t count = fread(bytes, 1, most, file);
    fclose(file);
    return count;
}

/* Whatever happens to a file, it is read or refused. */
START_TEST(damage_is_refused) {
    static const char *const files[] = {"npy/a.npy", "npz/stored.npz", "npz/deflated.npz", "npz/wide.npz"};
    static uint8_t whole[8192], hurt[8192];
    char path[80];
    snprintf(path, sizeof path, "tests/corpus/%s", files[_i]);
    size_t count = read_file(path, whole, sizeof whole);
    int step = test_quick() ? 7 : 1;
    int (*run)(const uint8_t *data, size_t size) = strstr(files[_i], ".npz") ? fuzz_npz : fuzz_npy;
    run(whole, count);
    for (size_t at = 0; at < count; at += (size_t)step) {
        run(whole, at);
        for (int bit = 0; bit < 8; bit++) {
            memcpy(hurt, whole, count);
            hurt[at] ^= (uint8_t)(1 << bit);
            run(hurt, count);
        }
        memset(hurt + at, 255, count - at < 8 ? count - at : 8);
        run(hurt, count);
    }
}
END_TEST

/* A wrong number in a compressed array is found by its checksum. */
START_TEST(checksums_are_looked_at) {
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    static uint8_t bytes[8192];
    cn_tensor *tensor;
    size_t count = read_file("tests/corpus/npz/stored.npz", bytes, sizeof bytes);
    scratch_write(&s, "a.npz", bytes, count);
    ck_ok(cn_tensor_load_npz(ctx, scratch_path(&s, "a.npz"), "a", &tensor));
    cn_tensor_free(tensor);
    for (size_t i = 0; i + 4 < count; i++) /* the last number */
        if (memcmp(bytes + i, "PK\1\2", 4) == 0) {
            bytes[i - 1] ^= 1;
            break;
        }
    scratch_write(&s, "a.npz", bytes, count);
    ck_fails(cn_tensor_load_npz(ctx, scratch_path(&s, "a.npz"), "a", &tensor), CN_ERR_FORMAT, "a checksum is wrong");
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

START_TEST(out_of_memory_is_a_status) {
    static const char *const files[] = {"npy/a.npy", "npz/stored.npz", "npz/deflated.npz", "npy/fortran.npy"};
    for (int persistent = 0; persistent < 2; persistent++) {
        counting_allocator counter = {.persistent = persistent};
        cn_context *ctx = counting_context(&counter, 1);
        cn_status status = CN_ERR_MEMORY;
        char path[80];
        snprintf(path, sizeof path, "tests/corpus/%s", files[_i]);
        for (long failure = 1; status != CN_OK; failure++) {
            cn_tensor *tensor;
            long live = counter.live;
            counter.fail_at = counter.calls + failure;
            status = strstr(path, ".npz") ? cn_tensor_load_npz(ctx, path, "a", &tensor)
                                          : cn_tensor_load_npy(ctx, path, &tensor);
            counter.fail_at = 0;
            ck_assert_msg(status == CN_OK || status == CN_ERR_MEMORY, "%s", cn_last_error());
            ck_assert((status == CN_OK) == (tensor != NULL));
            cn_tensor_free(tensor);
            ck_assert_int_eq(counter.live, live);
        }
        cn_context_free(ctx);
    }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        all_types_and_orders_are_read, archives_of_wide_records_are_read,          all_versions_and_shapes_are_read,
        what_is_saved_is_read_again,   other_types_and_numbers_beyond_are_refused, headers_are_read_as_python_does,
        checksums_are_looked_at};
    const TTest *const damage[] = {damage_is_refused};
    const TTest *const memory[] = {out_of_memory_is_a_status};
    Suite *suite = suite_create("npy");
    test_add(suite, "npy", tests, CN__COUNT(tests), 1);
    test_add(suite, "damage", damage, 1, 4);
    test_add(suite, "memory", memory, 1, 4);
    return test_run(suite);
}
