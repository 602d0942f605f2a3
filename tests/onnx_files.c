/* SPDX-License-Identifier: MIT */
/* onnx_files.c: see onnx_files.h. */
#include "onnx_files.h"
#include <math.h>
#include <stdio.h>

const char *onnx_path(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, ONNX_FILES "%s.onnx", name);
    return path;
}

static int read_arrays(cn_context *ctx, const char *path, const char *kind, cn_tensor *arrays[ONNX_MAX_ENDS]) {
    int count = 0;
    for (; count < ONNX_MAX_ENDS; count++) {
        char name[16];
        snprintf(name, sizeof name, "%s%d", kind, count);
        if (cn_tensor_load_npz(ctx, path, name, &arrays[count]) != CN_OK)
            break;
    }
    ck_assert_int_gt(count, 0);
    return count;
}

onnx_case onnx_case_read(cn_context *ctx, const char *name) {
    onnx_case c = {0};
    char path[128];
    snprintf(path, sizeof path, ONNX_FILES "%s.npz", name);
    c.inputs = read_arrays(ctx, path, "input", c.input);
    c.outputs = read_arrays(ctx, path, "output", c.output);
    return c;
}

void onnx_case_free(onnx_case *c) {
    for (int i = 0; i < ONNX_MAX_ENDS; i++) {
        cn_tensor_free(c->input[i]);
        cn_tensor_free(c->output[i]);
    }
}

void onnx_run(cn_context *ctx, cn_model *model, const onnx_case *c, int training, cn_tensor *given[ONNX_MAX_ENDS]) {
    cn_tensor *images[ONNX_MAX_ENDS];
    int64_t batch = cn_tensor_shape(c->input[0], 0);
    ck_assert_int_eq(cn_model_input_count(model), c->inputs);
    ck_assert_int_eq(cn_model_output_count(model), c->outputs);
    for (int i = 0; i < c->inputs; i++) {
        int64_t shape[4] = {batch, 0, 0, 0};
        cn_model_input_shape_at(model, i, shape + 1);
        for (int d = 1; d < 4 && cn_tensor_dims(c->input[i]) == 4; d++) /* of a model for images of any size */
            shape[d] = cn_tensor_shape(c->input[i], d);
        ck_assert_int_eq(cn_tensor_count(c->input[i]), batch * shape[1] * shape[2] * shape[3]);
        ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_FLOAT32, 4, shape, cn_tensor_data(c->input[i]), &images[i]));
    }
    for (int i = 0; i < c->outputs; i++) {
        int64_t shape[4] = {batch, 0, 0, 0};
        cn_model_output_shape_at(model, i, shape + 1);
        ck_assert_int_eq(cn_tensor_count(c->output[i]), batch * shape[1] * shape[2] * shape[3]);
        ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, shape, &given[i]));
    }
    ck_ok(cn_model_forward_all(model, training, c->inputs, (const cn_tensor *const *)images, c->outputs, given));
    for (int i = 0; i < c->inputs; i++)
        cn_tensor_free(images[i]);
}

static void expect_near(const cn_tensor *given, const cn_tensor *wanted) {
    const float *a = cn_tensor_data_const(given), *b = cn_tensor_data_const(wanted);
    float largest = 0.0f;
    for (int64_t i = 0; i < cn_tensor_count(wanted); i++)
        largest = fmaxf(largest, fabsf(b[i]));
    for (int64_t i = 0; i < cn_tensor_count(wanted); i++)
        ck_assert_msg(fabsf(a[i] - b[i]) <= 1e-5f * largest, "output %lld is %.9g, wanted %.9g", (long long)i,
                      (double)a[i], (double)b[i]);
}

void onnx_expect(cn_context *ctx, cn_model *model, const onnx_case *c) {
    cn_tensor *given[ONNX_MAX_ENDS];
    onnx_run(ctx, model, c, 0, given);
    for (int i = 0; i < c->outputs; i++) {
        expect_near(given[i], c->output[i]);
        cn_tensor_free(given[i]);
    }
}
