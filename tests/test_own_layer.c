/* SPDX-License-Identifier: MIT */
/* test_own_layer.c: layers that a program computes itself: against the library's own, in all that runs and trains models,
 * on threads and in files. */
#include "own_layers.h"
#include "toys.h"

TEST_BOTH_LAYOUTS;

/* ---- what they compute ---- */

/* Loop index: images. */
START_TEST(own_layers_compute_what_the_librarys_do) {
    static const int64_t counts[] = {1, 16, 21, 50};
    cn_model *ours = own_network(ctx, true), *library = own_network(ctx, false);
    own_copy_parameters(ours, library);
    own_pass a = own_pass_new(ctx, ours, counts[_i]), b = own_pass_new(ctx, library, counts[_i]);
    own_expect_close(b.output, a.output, "output");
    own_expect_close(b.grad_input, a.grad_input, "grad_input");
    for (int64_t i = 0; i < cn_model_tensor_count(ours); i++) {
        cn_tensor *x, *y;
        const char *name = cn_model_tensor_name(ours, i);
        ck_ok(cn_model_gradient(ours, name, &x));
        ck_ok(cn_model_gradient(library, own_library_name(name), &y));
        own_expect_close(y, x, name);
    }
    own_pass_free(&a);
    own_pass_free(&b);
    cn_model_free(ours);
    cn_model_free(library);
}
END_TEST

START_TEST(parameters_begin_as_they_say) {
    cn_model *model = own_network(ctx, true);
    cn_tensor *scale, *shift;
    ck_ok(cn_model_tensor(model, "a.scale", &scale));
    ck_ok(cn_model_tensor(model, "a.shift", &shift));
    const float *s = cn_tensor_data(scale);
    for (int i = 0; i < 3; i++) {
        ck_assert_float_ge(s[i], 1.25f);
        ck_assert_float_le(s[i], 1.75f);
        ck_assert_float_eq(((float *)cn_tensor_data(shift))[i], 0.0f);
    }
    ck_assert(s[0] != s[1] && s[1] != s[2]);
    cn_model_free(model);
}
END_TEST

/* Loop index: threads of the other context. */
START_TEST(bits_do_not_depend_on_threads) {
    static const int threads[] = {1, 3, 8};
    cn_context *other = test_context(threads[_i]);
    own_register(other);
    cn_model *a = own_network(ctx, true), *b = own_network(other, true);
    own_pass x = own_pass_new(ctx, a, 77), y = own_pass_new(other, b, 77);
    ck_assert_mem_eq(cn_tensor_data(x.output), cn_tensor_data(y.output), 77 * OWN_OUT * sizeof(float));
    ck_assert_mem_eq(cn_tensor_data(x.grad_input), cn_tensor_data(y.grad_input), 77 * OWN_IN * sizeof(float));
    for (int64_t i = 0; i < cn_model_tensor_count(a); i++) {
        cn_tensor *ours, *theirs;
        ck_ok(cn_model_gradient(a, cn_model_tensor_name(a, i), &ours));
        ck_ok(cn_model_gradient(b, cn_model_tensor_name(a, i), &theirs));
        ck_assert_mem_eq(cn_tensor_data(ours), cn_tensor_data(theirs), (size_t)cn_tensor_count(ours) * sizeof(float));
    }
    own_pass_free(&x);
    own_pass_free(&y);
    cn_model_free(a);
    cn_model_free(b);
    cn_context_free(other);
}
END_TEST

/* Few images go one by one, many in blocks; the predictor keeps parameters of its own. */
START_TEST(predictors_run_them) {
    cn_model *model = own_network(ctx, true);
    cn_predictor *predictor;
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    for (int64_t count = 1; count <= 40; count += 13) {
        cn_tensor *input = images(count, 3, 7, 6), *forward = images(count, 2, 4, 3), *run = images(count, 2, 4, 3);
        own_noise(input, 3);
        ck_ok(cn_model_forward(model, 0, input, forward));
        ck_ok(cn_predictor_run(predictor, input, run));
        own_expect_close(forward, run, "output");
        cn_tensor_free(input);
        cn_tensor_free(forward);
        cn_tensor_free(run);
    }
    cn_predictor_free(predictor);
    cn_model_free(model);
}
END_TEST

START_TEST(they_take_images_of_other_sizes) {
    cn_model *ours = own_network(ctx, true), *library = own_network(ctx, false);
    cn_predictor *predictor[2];
    own_copy_parameters(ours, library);
    ck_ok(cn_predictor_new(ours, NULL, &predictor[0]));
    ck_ok(cn_predictor_new(library, NULL, &predictor[1]));
    for (int64_t count = 1; count <= 20; count += 19) {
        cn_tensor *input = images(count, 3, 9, 10), *output[2];
        own_noise(input, 4);
        for (int i = 0; i < 2; i++) {
            output[i] = images(count, 2, 5, 5);
            ck_ok(cn_predictor_run(predictor[i], input, output[i]));
        }
        own_expect_close(output[1], output[0], "output");
        cn_tensor_free(input);
        cn_tensor_free(output[0]);
        cn_tensor_free(output[1]);
    }
    cn_predictor_free(predictor[0]);
    cn_predictor_free(predictor[1]);
    cn_model_free(ours);
    cn_model_free(library);
}
END_TEST

START_TEST(summaries_count_them) {
    cn_model *model = own_network(ctx, true);
    cn_layer_info info = CN_LAYER_INFO_INIT;
    char *text;
    ck_ok(cn_model_layer_info(model, 0, &info));
    ck_assert_str_eq(info.type, "test.Affine");
    ck_assert_int_eq(info.parameters, 6);
    ck_assert_int_eq(info.multiply_adds, OWN_IN);
    ck_ok(cn_model_layer_info(model, 4, &info));
    ck_assert_int_eq(info.parameters, 0);
    ck_assert_int_eq(info.multiply_adds, 0);
    ck_ok(cn_model_summary(model, &text));
    ck_assert_ptr_nonnull(strstr(text, "test.Affine, scale 1.5, no shifts"));
    ck_assert_ptr_nonnull(strstr(text, "test.Sum of a, b, c"));
    cn_text_free(text);
    cn_model_free(model);
}
END_TEST

START_TEST(parts_have_them) {
    cn_model *model = own_network(ctx, true), *part;
    cn_tensor *a, *b;
    ck_ok(cn_model_until(model, "c", &part));
    ck_assert_int_eq(cn_model_layer_count(part), 3);
    ck_ok(cn_model_tensor(model, "c.scale", &a));
    ck_ok(cn_model_tensor(part, "c.scale", &b));
    ck_assert_mem_eq(cn_tensor_data(a), cn_tensor_data(b), 3 * sizeof(float));
    cn_model_free(part);
    cn_model_free(model);
}
END_TEST

/* ---- training ---- */

START_TEST(trainers_train_them) {
    cn_model *model = own_classifier();
    toy_data train = toy_data_new(ctx, 60, 1), test = toy_data_new(ctx, 40, 2);
    cn_epoch_info first = CN_EPOCH_INFO_INIT, last = CN_EPOCH_INFO_INIT;
    cn_trainer *trainer;
    cn_tensor *scale;
    ck_ok(cn_model_tensor(model, "own.scale", &scale));
    float before = ((float *)cn_tensor_data(scale))[0];
    ck_ok(cn_trainer_new(model, train.set, test.set, NULL, &trainer));
    ck_ok(cn_trainer_fit(trainer, 10, NULL, NULL));
    ck_ok(cn_trainer_epoch_info(trainer, 0, &first));
    ck_ok(cn_trainer_epoch_info(trainer, 9, &last));
    ck_assert_double_lt(last.train_loss, 0.7 * first.train_loss);
    ck_assert_float_ne(((float *)cn_tensor_data(scale))[0], before);
    cn_trainer_free(trainer);
    toy_data_free(&train);
    toy_data_free(&test);
    cn_model_free(model);
}
END_TEST

/* ---- files ---- */

START_TEST(files_keep_them) {
    cn_model *model = own_network(ctx, true), *loaded;
    cn_tensor *file, *again;
    own_pass a = own_pass_new(ctx, model, 20);
    ck_ok(cn_model_save_memory(model, &file));
    ck_ok(cn_model_load_memory(ctx, cn_tensor_data(file), (size_t)cn_tensor_count(file), &loaded));
    own_pass b = own_pass_new(ctx, loaded, 20);
    ck_assert_mem_eq(cn_tensor_data(a.output), cn_tensor_data(b.output), 20 * OWN_OUT * sizeof(float));
    ck_ok(cn_model_save_memory(loaded, &again));
    ck_assert_int_eq(cn_tensor_count(file), cn_tensor_count(again));
    ck_assert_mem_eq(cn_tensor_data(file), cn_tensor_data(again), (size_t)cn_tensor_count(file));
    own_pass_free(&a);
    own_pass_free(&b);
    cn_tensor_free(file);
    cn_tensor_free(again);
    cn_model_free(loaded);
    cn_model_free(model);
}
END_TEST

/* Changes a place of a file, of which there is one. */
static void replace(cn_tensor *file, const char *from, const char *to) {
    char *bytes = cn_tensor_data(file), *place = NULL;
    for (int64_t i = 0; !place && i + (int64_t)strlen(from) <= cn_tensor_count(file); i++)
        if (memcmp(bytes + i, from, strlen(from)) == 0)
            place = bytes + i;
    ck_assert_ptr_nonnull(place);
    ck_assert_uint_eq(strlen(from), strlen(to));
    memcpy(place, to, strlen(to));
}

START_TEST(files_say_what_they_lack) {
    cn_context *bare = test_context(1);
    cn_model *model = own_network(ctx, true), *loaded = model;
    cn_tensor *file;
    ck_ok(cn_model_save_memory(model, &file));
    const void *bytes = cn_tensor_data(file);
    size_t count = (size_t)cn_tensor_count(file);
    ck_fails(cn_model_load_memory(bare, bytes, count, &loaded), CN_ERR_FORMAT,
             "layer 'a' is of type 'test.Affine', which is neither");
    ck_assert_ptr_null(loaded);
    replace(file, "\\\"scale\\\":1.5", "\\\"scale\\\":999");
    ck_fails(cn_model_load_memory(ctx, bytes, count, &loaded), CN_ERR_FORMAT,
             "test.Affine: scale is 999, wanted -10 to 10");
    replace(file, "\\\"scale\\\":999", "\\\"slope\\\":1.5");
    ck_fails(cn_model_load_memory(ctx, bytes, count, &loaded), CN_ERR_FORMAT, "option 'slope' is not known");
    replace(file, "\\\"slope\\\":1.5", "\\\"scale\\\":1.5");
    replace(file, "\\\"num_channels\\\":3", "\\\"num_channels\\\":2");
    ck_fails(cn_model_load_memory(ctx, bytes, count, &loaded), CN_ERR_FORMAT, "refuses an input of 3×7×6");
    cn_tensor_free(file);
    cn_model_free(model);
    cn_context_free(bare);
}
END_TEST

int main(void) {
    const TTest *const numbers[] = {own_layers_compute_what_the_librarys_do};
    const TTest *const threads[] = {bits_do_not_depend_on_threads};
    const TTest *const use[] = {parameters_begin_as_they_say, predictors_run_them, they_take_images_of_other_sizes,
                                summaries_count_them,         parts_have_them,     trainers_train_them};
    const TTest *const files[] = {files_keep_them, files_say_what_they_lack};
    Suite *suite = suite_create("layers of one's own");
    add_tests(suite, "numbers", own_begin, tear_down, numbers, COUNT(numbers), 4);
    add_tests(suite, "threads", own_begin, tear_down, threads, COUNT(threads), 3);
    add_tests(suite, "use", own_begin, tear_down, use, COUNT(use), 1);
    add_tests(suite, "files", own_begin, tear_down, files, COUNT(files), 1);
    return test_run(suite);
}
