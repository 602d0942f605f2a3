/* SPDX-License-Identifier: MIT */
/* test_submodel.c: parts of models, and where in an image a model sees a class. */
#include "pieces.h"
#include <math.h>

/* ---- parts ---- */

static float *floats(cn_tensor *tensor) {
    return cn_tensor_data(tensor);
}

static cn_tensor *run(const cn_model *model, const cn_tensor *input) {
    int64_t shape[4] = {1, 0, 0, 0};
    cn_predictor *predictor;
    cn_model_output_shape(model, shape + 1);
    cn_tensor *output = tensor_of(CN_DTYPE_FLOAT32, 4, shape);
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_ok(cn_predictor_run(predictor, input, output));
    cn_predictor_free(predictor);
    return output;
}

static cn_tensor *noise(int64_t channels, int64_t height, int64_t width) {
    cn_tensor *image = images(1, channels, height, width);
    for (int64_t i = 0; i < cn_tensor_count(image); i++)
        floats(image)[i] = (float)(int32_t)((uint32_t)(i + 1) * 2654435761u) / 2147483648.0f;
    return image;
}

/* input → ReLU "a"; input → convolution "b"; a + b "c"; → tanh "d". */
static cn_model *forked(void) {
    cn_model *model = model_for(2, 3, 4);
    cn_layer *layer;
    ck_ok(cn_model_append(model, "a", relu()));
    ck_ok(cn_model_add(model, "b", conv(2, 2, 1), 1, (const char *const[]){"input"}));
    ck_ok(cn_add_new(ctx, &layer));
    ck_ok(cn_model_add(model, "c", layer, 2, (const char *const[]){"a", "b"}));
    ck_ok(cn_tanh_new(ctx, &layer));
    ck_ok(cn_model_append(model, "d", layer));
    ck_ok(cn_model_init(model, 3));
    return model;
}

START_TEST(a_part_has_what_its_layer_depends_on) {
    static const struct {
        const char *layer;
        int layers, tensors;
    } wanted[] = {{"a", 1, 0}, {"b", 1, 2}, {"c", 3, 2}, {"d", 4, 2}};
    cn_model *model = forked(), *part;
    for (size_t i = 0; i < COUNT(wanted); i++) {
        ck_ok(cn_model_until(model, wanted[i].layer, &part));
        ck_assert_int_eq(cn_model_layer_count(part), wanted[i].layers);
        ck_assert_int_eq(cn_model_tensor_count(part), wanted[i].tensors);
        cn_model_free(part);
    }
    cn_model_free(model);
}
END_TEST

START_TEST(a_part_computes_what_its_layer_does) {
    cn_model *model = forked(), *part[3];
    static const char *const layers[] = {"a", "b", "c"};
    cn_tensor *image = noise(2, 3, 4), *output[4];
    for (int i = 0; i < 3; i++) {
        ck_ok(cn_model_until(model, layers[i], &part[i]));
        output[i] = run(part[i], image);
    }
    output[3] = run(model, image);
    cn_model_free(model); /* a part is a model of its own */
    for (int i = 0; i < 24; i++) {
        float a = floats(output[0])[i], b = floats(output[1])[i], c = floats(output[2])[i];
        ck_assert_float_eq(a, fmaxf(floats(image)[i], 0.0f));
        ck_assert_float_eq(c, a + b);
        ck_assert_float_eq_tol(floats(output[3])[i], tanhf(c), 1e-6);
    }
    for (int i = 0; i < 4; i++)
        cn_tensor_free(output[i]);
    for (int i = 0; i < 3; i++)
        cn_model_free(part[i]);
    cn_tensor_free(image);
}
END_TEST

/* Changes every tensor, so that none can be a freshly drawn one. */
static void disturb(cn_model *model) {
    cn_tensor *tensor;
    for (int i = 0; i < cn_model_tensor_count(model); i++) {
        ck_ok(cn_model_tensor(model, cn_model_tensor_name(model, i), &tensor));
        if (cn_tensor_dtype(tensor) == CN_DTYPE_INT64)
            *(int64_t *)cn_tensor_data(tensor) = 40 + i;
        else
            floats(tensor)[0] = 1.0f + 0.01f * (float)i;
    }
}

START_TEST(all_of_a_model_is_a_copy) {
    static const float mean[] = {0.5f, 0.4f, 0.3f}, std[] = {0.2f, 0.3f, 0.4f};
    static const char *const names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "nine"};
    cn_model *model, *copy, *part;
    cn_tensor *image, *a, *b;
    ck_ok(cn_model_session8(ctx, NULL, &model));
    disturb(model);
    ck_ok(cn_model_set_normalization(model, 3, mean, std));
    ck_ok(cn_model_set_class_names(model, 10, names));
    cn_layer_info last = CN_LAYER_INFO_INIT;
    ck_ok(cn_model_layer_info(model, cn_model_layer_count(model) - 1, &last));
    ck_ok(cn_model_until(model, last.name, &copy));
    ck_ok(cn_model_until(model, "oblock.1", &part));
    ck_assert_str_eq(cn_model_class_name(copy, 9), "nine");
    ck_assert_ptr_null(cn_model_class_name(part, 9)); /* its outputs are no classes */
    ck_assert_int_eq(cn_model_tensor_count(copy), cn_model_tensor_count(model));
    for (int i = 0; i < cn_model_tensor_count(model); i++) {
        ck_assert_str_eq(cn_model_tensor_name(copy, i), cn_model_tensor_name(model, i));
        ck_ok(cn_model_tensor(model, cn_model_tensor_name(model, i), &a));
        ck_ok(cn_model_tensor(copy, cn_model_tensor_name(model, i), &b));
        ck_assert_mem_eq(cn_tensor_data(a), cn_tensor_data(b),
                         (size_t)cn_tensor_count(a) * (cn_tensor_dtype(a) == CN_DTYPE_INT64 ? 8 : 4));
    }
    image = tensor_of(CN_DTYPE_UINT8, 4, (int64_t[]){1, 3, 32, 32}); /* needs the normalisation */
    memset(cn_tensor_data(image), 77, 3 * 32 * 32);
    a = run(model, image);
    b = run(copy, image);
    ck_assert_mem_eq(cn_tensor_data(a), cn_tensor_data(b), 10 * sizeof(float));
    cn_tensor_free(b);
    cn_tensor_free(a);
    cn_tensor_free(image);
    cn_model_free(part);
    cn_model_free(copy);
    cn_model_free(model);
}
END_TEST

START_TEST(parts_that_cannot_be_are_refused) {
    cn_model *model = forked(), *bare = model_for(1, 2, 2), *part = bare;
    ck_fails(cn_model_until(model, "e", &part), CN_ERR_NOT_FOUND, "no layer 'e'");
    ck_assert_ptr_null(part);
    ck_fails(cn_model_until(model, "input", &part), CN_ERR_NOT_FOUND, "'input' is an input");
    ck_fails(cn_model_until(bare, "e", &part), CN_ERR_STATE, "cn_model_until");
    ck_fails(cn_model_until(model, NULL, &part), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_model_until(NULL, "a", &part), CN_ERR_ARGUMENT, "cn_model_until");
    ck_fails(cn_model_until(model, "a", NULL), CN_ERR_ARGUMENT, "part is NULL");
    cn_model_free(bare);
    cn_model_free(model);
}
END_TEST

/* ---- class-activation maps ---- */

static void expect_map(cn_model *model, const char *scores_layer, const char *bias_name, const cn_tensor *image,
                       int64_t height, int64_t width) {
    cn_model *part;
    cn_tensor *map, *bias;
    ck_ok(cn_model_until(model, scores_layer, &part));
    cn_tensor *scores = run(part, image);
    ck_ok(cn_model_tensor(model, bias_name, &bias));
    for (int64_t k = 0; k < cn_tensor_count(scores); k++) {
        double sum = 0.0;
        ck_ok(cn_model_class_activation_map(model, image, k, &map));
        ck_assert_int_eq(cn_tensor_shape(map, 2), height);
        ck_assert_int_eq(cn_tensor_shape(map, 3), width);
        ck_assert_int_eq(cn_tensor_count(map), height * width);
        for (int64_t i = 0; i < height * width; i++)
            sum += (double)floats(map)[i];
        double score = (double)floats(scores)[k];
        ck_assert_double_eq_tol(sum / (double)(height * width) + (double)floats(bias)[k], score,
                                1e-5 * fmax(1.0, fabs(score)));
        cn_tensor_free(map);
    }
    cn_tensor_free(scores);
    cn_model_free(part);
}

START_TEST(a_map_adds_up_to_the_score) {
    cn_model *model;
    cn_tensor *image = noise(3, 32, 32);
    ck_ok(cn_model_session8(ctx, NULL, &model));
    disturb(model);
    expect_map(model, "oblock.1", "oblock.1.bias", image, 7, 7);
    cn_tensor_free(image);
    cn_model_free(model);
}
END_TEST

/* conv → identity → average pool of all → dropout → flatten → identity → linear, as others write it. */
START_TEST(a_linear_layer_has_a_map_too) {
    cn_model *model = model_for(1, 4, 6);
    cn_layer *layer;
    cn_tensor *image = noise(1, 4, 6);
    ck_ok(cn_model_append(model, "conv", conv(1, 5, 3)));
    ck_ok(cn_identity_new(ctx, &layer));
    ck_ok(cn_model_append(model, "same", layer));
    ck_ok(cn_avg_pool2d_new(ctx, 2, 4, NULL, &layer));
    ck_ok(cn_model_append(model, "pool", layer));
    ck_ok(cn_dropout_new(ctx, 0.5f, &layer));
    ck_ok(cn_model_append(model, "dropout", layer));
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flatten", layer));
    ck_ok(cn_identity_new(ctx, &layer));
    ck_ok(cn_model_append(model, "drop", layer));
    ck_ok(cn_linear_new(ctx, 5, 3, 1, &layer));
    ck_ok(cn_model_append(model, "fc", layer));
    ck_ok(cn_model_init(model, 5));
    expect_map(model, "fc", "fc.bias", image, 2, 4);
    cn_tensor_free(image);
    cn_model_free(model);
}
END_TEST

/* The map grows with the image; a pool of fixed size would no longer average all of it. */
START_TEST(images_of_other_sizes_have_maps) {
    for (int fixed = 0; fixed < 2; fixed++) {
        cn_model *model = model_for(1, 4, 6);
        cn_layer *layer;
        cn_tensor *image = noise(1, 9, 8), *map = image;
        ck_ok(cn_model_append(model, "conv", conv(1, 5, 3)));
        if (fixed)
            ck_ok(cn_avg_pool2d_new(ctx, 2, 4, NULL, &layer));
        else
            ck_ok(cn_adaptive_avg_pool2d_new(ctx, 1, 1, &layer));
        ck_ok(cn_model_append(model, "pool", layer));
        ck_ok(cn_model_append(model, "fc", conv(5, 3, 1)));
        ck_ok(cn_model_init(model, 5));
        if (fixed)
            ck_fails(cn_model_class_activation_map(model, image, 0, &map), CN_ERR_SHAPE,
                     "AvgPool2d 'pool' averages all of images of 4×6 only");
        else
            expect_map(model, "fc", "fc.bias", image, 7, 6);
        cn_tensor_free(image);
        cn_model_free(model);
    }
}
END_TEST

/* One bright pixel, and a convolution that passes it on: the map has it in its place. */
START_TEST(a_map_is_bright_where_the_image_is) {
    cn_model *model = model_for(1, 5, 5);
    cn_layer *layer;
    cn_tensor *image = images(1, 1, 5, 5), *map, *weight;
    ck_ok(cn_model_append(model, "conv", conv(1, 1, 1)));
    ck_ok(cn_adaptive_avg_pool2d_new(ctx, 1, 1, &layer));
    ck_ok(cn_model_append(model, "pool", layer));
    ck_ok(cn_model_append(model, "fc", conv(1, 2, 1)));
    ck_ok(cn_model_init(model, 5));
    for (int i = 0; i < 2; i++) {
        ck_ok(cn_model_tensor(model, i ? "fc.weight" : "conv.weight", &weight));
        floats(weight)[0] = 2.0f;
    }
    ck_ok(cn_model_tensor(model, "conv.bias", &weight));
    floats(weight)[0] = 0.0f;
    memset(floats(image), 0, 25 * sizeof(float));
    floats(image)[7] = 10.0f;
    ck_ok(cn_model_class_activation_map(model, image, 0, &map));
    for (int i = 0; i < 25; i++)
        ck_assert_float_eq(floats(map)[i], i == 7 ? 40.0f : 0.0f);
    cn_tensor_free(map);
    cn_tensor_free(image);
    cn_model_free(model);
}
END_TEST

START_TEST(models_without_a_map_say_why) {
    cn_model *model, *fork = forked(), *session8;
    cn_tensor *image = images(1, 1, 28, 28), *wrong = images(1, 2, 31, 32), *two = images(1, 2, 3, 4), *map = image;
    ck_ok(cn_model_mnist(ctx, 3, 1, &model)); /* two layers after its pool */
    ck_ok(cn_model_session8(ctx, NULL, &session8));
    ck_fails(cn_model_class_activation_map(model, image, 0, &map), CN_ERR_UNSUPPORTED, "not with ReLU");
    ck_assert_ptr_null(map);
    ck_fails(cn_model_class_activation_map(fork, two, 0, &map), CN_ERR_UNSUPPORTED, "not with Tanh 'd'");
    ck_fails(cn_model_class_activation_map(session8, wrong, 10, &map), CN_ERR_NOT_FOUND, "class 10 of a model with 10");
    ck_fails(cn_model_class_activation_map(session8, wrong, -1, &map), CN_ERR_NOT_FOUND, "class -1");
    ck_fails(cn_model_class_activation_map(session8, wrong, 0, &map), CN_ERR_SHAPE, "[1, 2, 31, 32]");
    ck_fails(cn_model_class_activation_map(session8, NULL, 0, &map), CN_ERR_ARGUMENT, "image is NULL");
    cn_tensor_free(two);
    cn_tensor_free(wrong);
    cn_tensor_free(image);
    cn_model_free(session8);
    cn_model_free(fork);
    cn_model_free(model);
}
END_TEST

/* Loop index: once or for good. */
START_TEST(out_of_memory_is_a_status) {
    counting_allocator counter = {.persistent = _i};
    cn_context *poor;
    cn_model *model;
    cn_tensor *image, *map;
    poor = counting_context(&counter, 1);
    ck_ok(cn_model_session8(poor, NULL, &model));
    ck_ok(cn_tensor_new(poor, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, 3, 32, 32}, &image));
    ck_survives(&counter, cn_model_class_activation_map(model, image, 1, &map), map, 100);
    cn_tensor_free(map);
    cn_tensor_free(image);
    cn_model_free(model);
    cn_context_free(poor);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

int main(void) {
    const TTest *const parts[] = {a_part_has_what_its_layer_depends_on, a_part_computes_what_its_layer_does,
                                  all_of_a_model_is_a_copy, parts_that_cannot_be_are_refused};
    const TTest *const maps[] = {a_map_adds_up_to_the_score, a_linear_layer_has_a_map_too,
                                 a_map_is_bright_where_the_image_is, images_of_other_sizes_have_maps,
                                 models_without_a_map_say_why};
    const TTest *const memory[] = {out_of_memory_is_a_status};
    Suite *suite = suite_create("model_until");
    add_tests(suite, "parts", set_up, tear_down, parts, COUNT(parts), 1);
    add_tests(suite, "maps", set_up, tear_down, maps, COUNT(maps), 1);
    add_tests(suite, "memory", NULL, NULL, memory, COUNT(memory), 2);
    return test_run(suite);
}
