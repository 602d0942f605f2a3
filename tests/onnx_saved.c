/* SPDX-License-Identifier: MIT */
/* onnx_saved.c: models as ONNX files, there and back. */
#include "onnx_saved.h"
#include "testing.h"
#include <math.h>

cn_tensor *written(const cn_model *model) {
    cn_tensor *file;
    ck_ok(cn_model_save_onnx_memory(model, NULL, &file));
    return file;
}

cn_model *there_and_back(const cn_model *model, const cn_onnx_options *options) {
    cn_tensor *file;
    cn_model *again;
    ck_ok(cn_model_save_onnx_memory(model, options, &file));
    cn_status status = cn_model_load_memory(ctx, cn_tensor_data_const(file), (size_t)cn_tensor_count(file), &again);
    ck_assert_msg(status == CN_OK, "%s", cn_last_error());
    cn_tensor_free(file);
    return again;
}

void expect_near(const cn_tensor *a, const cn_tensor *b, double share, const char *what) {
    const float *wanted = cn_tensor_data_const(a), *given = cn_tensor_data_const(b);
    double largest = 0.0;
    ck_assert_msg(cn_tensor_count(a) == cn_tensor_count(b), "%s: %lld outputs, not %lld", what,
                  (long long)cn_tensor_count(b), (long long)cn_tensor_count(a));
    for (int64_t i = 0; i < cn_tensor_count(a); i++)
        largest = fmax(largest, fabs((double)wanted[i]));
    for (int64_t i = 0; i < cn_tensor_count(a); i++)
        ck_assert_msg(fabs((double)given[i] - (double)wanted[i]) <= share * largest,
                      "%s: output %lld is %.9g, not %.9g", what, (long long)i, (double)given[i], (double)wanted[i]);
}
