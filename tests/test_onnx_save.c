/* test_onnx_save.c: models as ONNX files: what comes back computes the same, under the same names; metadata; what cannot be
 * written. ONNX Runtime's word on the files is `make check-onnx-save`'s. */
#include "saved_models.h"
#include "own_layers.h"
#include "scratch.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

enum { MAX_ENDS = 4 };

/* ---- there and back ---- */

static cn_model *there_and_back(const cn_model *model, const cn_onnx_options *options) {
    cn_tensor *file;
    cn_model *again;
    ck_ok(cn_model_save_onnx_memory(model, options, &file));
    cn_status status = cn_model_load_memory(ctx, cn_tensor_data_const(file), (size_t)cn_tensor_count(file), &again);
    ck_assert_msg(status == CN_OK, "%s", cn_last_error());
    cn_tensor_free(file);
    return again;
}

static void run(cn_model *model, cn_tensor *outputs[MAX_ENDS]) {
    enum { IMAGES = 3 };
    cn_tensor *inputs[MAX_ENDS] = {NULL};
    int64_t s[3], ins = cn_model_input_count(model), outs = cn_model_output_count(model);
    for (int64_t i = 0; i < ins; i++) {
        cn_model_input_shape_at(model, i, s);
        inputs[i] = images(IMAGES, s[0], s[1], s[2]);
        saved_model_fill(inputs[i], (int)i);
    }
    for (int64_t i = 0; i < outs; i++) {
        cn_model_output_shape_at(model, i, s);
        outputs[i] = images(IMAGES, s[0], s[1], s[2]);
    }
    ck_ok(cn_model_forward_all(model, 0, ins, (const cn_tensor *const *)inputs, outs, outputs));
    for (int64_t i = 0; i < ins; i++)
        cn_tensor_free(inputs[i]);
}

/* By the largest. */
static void expect_near(const cn_tensor *a, const cn_tensor *b, double share, const char *what) {
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

/* Both have the same outputs for the same inputs. */
static void expect_same(cn_model *model, cn_model *again, double share, const char *what) {
    cn_tensor *wanted[MAX_ENDS] = {NULL}, *given[MAX_ENDS] = {NULL};
    ck_assert_int_eq(cn_model_input_count(model), cn_model_input_count(again));
    ck_assert_int_eq(cn_model_output_count(model), cn_model_output_count(again));
    run(model, wanted);
    run(again, given);
    for (int i = 0; i < MAX_ENDS && wanted[i]; i++) {
        expect_near(wanted[i], given[i], share, what);
        cn_tensor_free(wanted[i]);
        cn_tensor_free(given[i]);
    }
}

/* Scales of a Resize are float32, by which pixels far from the first are off. */
static double accuracy(const char *name) {
    return strstr(name, "upsample bilinear") ? 1e-5 : 1e-6;
}

START_TEST(every_layer_comes_back) {
    const char *name = saved_model_name(_i);
    cn_model *model = saved_model_new(ctx, _i), *again = there_and_back(model, NULL);
    expect_same(model, again, accuracy(name), name);
    cn_model_free(model);
    cn_model_free(again);
}
END_TEST

static Suite *make_suite(void) {
    Suite *suite = suite_create("onnx_save");
    const TTest *const each[] = {every_layer_comes_back};
    add_tests(suite, "layers", set_up, tear_down, each, COUNT(each), saved_model_count());
    return suite;
}

int main(void) {
    return test_run(make_suite());
}
