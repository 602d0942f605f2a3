/* SPDX-License-Identifier: MIT */
/* test_tensor.c: tensors. */
#include "testing.h"
#include "base/base.h"
#include <math.h>

TEST_RUNS_ONCE;

START_TEST(tensors_have_their_properties) {
    cn_context *ctx = test_context(1);
    cn_tensor *t;
    int64_t shape[3] = {2, 3, 5};
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_INT64, 3, shape, &t));
    ck_assert_int_eq(cn_tensor_dtype(t), CN_DTYPE_INT64);
    ck_assert_int_eq(cn_tensor_dims(t), 3);
    ck_assert_int_eq(cn_tensor_count(t), 30);
    ck_assert_int_eq(cn_tensor_shape(t, 2), 5);
    ck_assert_int_eq(cn_tensor_shape(t, 3), 0);
    ck_assert_int_eq(cn_tensor_shape(t, -1), 0);
    for (int i = 0; i < 30; i++)
        ck_assert_int_eq(((int64_t *)cn_tensor_data(t))[i], 0);
    cn_tensor_free(t);
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 0, NULL, &t));
    ck_assert_int_eq(cn_tensor_count(t), 1);
    cn_tensor_free(t);
    shape[1] = 0;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 3, shape, &t));
    ck_assert_int_eq(cn_tensor_count(t), 0);
    cn_tensor_free(t);
    cn_tensor_free(NULL);
    float mine[6];
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){2, 3}, mine, &t));
    ck_assert_ptr_eq(cn_tensor_data(t), mine);
    cn_tensor_free(t);
    cn_context_free(ctx);
}
END_TEST

START_TEST(impossible_tensors_are_refused) {
    cn_context *ctx = test_context(1);
    cn_tensor *t;
    int64_t shape[CN_MAX_DIMS + 1] = {2, -3};
    float mine[1];
    ck_fails(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, shape, &t), CN_ERR_SHAPE, "[2, -3]");
    ck_assert_ptr_null(t);
    shape[1] = INT64_MAX;
    ck_fails(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, shape, &t), CN_ERR_SHAPE, "9223372036854775807");
    shape[0] = 1;
    ck_fails(cn_tensor_new(ctx, CN_DTYPE_UINT8, 9, shape, &t), CN_ERR_ARGUMENT, "dims is 9");
    ck_fails(cn_tensor_new(ctx, CN_DTYPE_UINT8, -1, shape, &t), CN_ERR_ARGUMENT, "dims is -1");
    ck_fails(cn_tensor_new(ctx, (cn_dtype)0, 1, shape, &t), CN_ERR_ARGUMENT, "dtype 0");
    ck_fails(cn_tensor_new(ctx, CN_DTYPE_UINT8, 1, NULL, &t), CN_ERR_ARGUMENT, "shape is NULL");
    ck_fails(cn_tensor_new(NULL, CN_DTYPE_UINT8, 1, shape, &t), CN_ERR_ARGUMENT, "context is NULL");
    ck_fails(cn_tensor_new(ctx, CN_DTYPE_UINT8, 1, shape, NULL), CN_ERR_ARGUMENT, "tensor is NULL");
    ck_fails(cn_tensor_borrow(ctx, CN_DTYPE_UINT8, 1, shape, NULL, &t), CN_ERR_ARGUMENT, "data is NULL");
    ck_fails(cn_tensor_borrow(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){-1, 1}, mine, &t), CN_ERR_SHAPE, "[-1, 1]");
    shape[0] = INT64_MAX / 8; /* a legal number that no machine has */
    ck_fails(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 1, shape, &t), CN_ERR_MEMORY, "float32 tensor");
    ck_assert_ptr_null(t);
    cn_context_free(ctx);
}
END_TEST

START_TEST(argmax_finds_the_first_largest) {
    cn_context *ctx = test_context(1);
    cn_tensor *t;
    float values[4][3] = {{1, 3, 3}, {NAN, -2, -1}, {NAN, NAN, NAN}, {-INFINITY, -INFINITY, -5}};
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){4, 3}, values, &t));
    ck_assert_int_eq(cn_tensor_argmax(t, 0), 1);
    ck_assert_int_eq(cn_tensor_argmax(t, 1), 2);
    ck_assert_int_eq(cn_tensor_argmax(t, 2), -1);
    ck_assert_int_eq(cn_tensor_argmax(t, 3), 2);
    ck_assert_int_eq(cn_tensor_argmax(t, 4), -1);
    ck_assert_int_eq(cn_tensor_argmax(t, -1), -1);
    ck_assert_int_eq(cn_tensor_argmax(NULL, 0), -1);
    cn_tensor_free(t);
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_FLOAT32, 1, (int64_t[]){3}, values, &t));
    ck_assert_int_eq(cn_tensor_argmax(t, 0), -1);
    cn_tensor_free(t);
    cn_context_free(ctx);
}
END_TEST

START_TEST(expectations_name_what_they_got) {
    cn_context *ctx = test_context(1);
    cn_tensor *t;
    int64_t shape[2] = {2, 3};
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, shape, &t));
    ck_ok(cn__tensor_expect(t, "images", CN_DTYPE_FLOAT32, 2, shape));
    ck_fails(cn__tensor_expect(t, "images", CN_DTYPE_FLOAT32, 2, (int64_t[]){2, 4}), CN_ERR_SHAPE,
             "images is float32 [2, 3], wanted float32 [2, 4]");
    ck_fails(cn__tensor_expect(t, "labels", CN_DTYPE_INT64, 1, shape), CN_ERR_SHAPE,
             "labels is float32 [2, 3], wanted int64 [2]");
    cn_tensor_free(t);
    cn_context_free(ctx);
    char text[CN__SHAPE_TEXT];
    int64_t longest[CN_MAX_DIMS];
    for (int i = 0; i < CN_MAX_DIMS; i++)
        longest[i] = INT64_MIN;
    ck_assert_uint_eq(strlen(cn__shape_text(text, CN_MAX_DIMS, longest)), 8 * 20 + 7 * 2 + 2);
}
END_TEST

int main(void) {
    const TTest *const tensors[] = {tensors_have_their_properties, impossible_tensors_are_refused,
                                    argmax_finds_the_first_largest, expectations_name_what_they_got};
    Suite *suite = suite_create("tensor");
    test_add(suite, "tensors", tensors, CN__COUNT(tensors), 1);
    return test_run(suite);
}
