/* SPDX-License-Identifier: MIT */
/* test_state_dicts.c: a model's tensors as a collection and back, by way of safetensors and .npz, for every layer. */
#include "every_layer.h"
#include "model_files.h"
#include "network.h"
#include "scratch.h"
#include <stdio.h>

TEST_RUNS_ONCE;

/* Tensors of a model of other weights than `model`. */
static cn_model *other_weights(const cn_model *model) {
    cn_tensor *file;
    cn_model *other;
    ck_ok(cn_model_save_memory(model, &file));
    ck_ok(cn_model_load_memory(files.ctx, file->data, (size_t)file->count, &other));
    cn_tensor_free(file);
    for (size_t i = 0; i < other->tensor_count; i++)
        memset(other->tensors[i].value.data, 0,
               (size_t)other->tensors[i].value.count * cn__dtype_bytes(other->tensors[i].value.dtype));
    return other;
}

/* Out of a model and into another: directly, and through a file of either kind. Frees it. */
static void check_both_ways(cn_model *model) {
    static const char *const names[] = {"a.safetensors", "a.npz"};
    cn_tensors *tensors;
    cn_model *other = other_weights(model);
    scratch s = scratch_new();
    ck_ok(cn_model_state_dict(model, &tensors));
    ck_assert_int_eq(cn_tensors_count(tensors), cn_model_tensor_count(model));
    for (int64_t i = 0; i < cn_tensors_count(tensors); i++)
        ck_assert_str_eq(cn_tensors_name(tensors, i), cn_model_tensor_name(model, i));
    ck_ok(cn_model_load_state_dict(other, tensors, NULL));
    expect_same_tensors(model, other);
    cn_model_free(other);
    for (size_t i = 0; i < CN__COUNT(names) && cn_tensors_count(tensors) > 0; i++) {
        other = other_weights(model);
        ck_ok(cn_tensors_save(tensors, scratch_path(&s, names[i]), NULL));
        ck_ok(cn_model_load_tensors(other, scratch_path(&s, names[i])));
        expect_same_tensors(model, other);
        cn_model_free(other);
    }
    cn_tensors_free(tensors);
    cn_model_free(model);
    scratch_free(&s);
}

static const char *const networks[] = {
    "eval 1x4x6x6 | reshape to=6x-1x6 | pixel_unshuffle factor=2 | pixel_shuffle factor=2 | prelu weights=6 | prelu",
    "eval 2x4x6x5 | conv_transpose2d out=6 kernel=3x2 stride=2x3 padding=1x0 output_padding=1x2 groups=2 | "
    "layer_norm2d eps=1e-6 | conv_transpose2d out=3 kernel=1 bias=0 | layer_norm2d affine=0"};

START_TEST(every_layer_goes_both_ways) {
    check_both_ways(every_layer_model(files.ctx));
    for (size_t i = 0; i < CN__COUNT(networks); i++) {
        network net = network_of(networks[i]);
        check_both_ways(net_make_model(files.ctx, &net, 1));
    }
}
END_TEST

START_TEST(prebuilt_networks_go_both_ways) {
    for (int i = 0; cn_zoo_name(i); i++) {
        cn_zoo_options options = CN_ZOO_OPTIONS_INIT;
        cn_model *model;
        options.width_mult = 0.125f;
        ck_ok(cn_model_zoo(files.ctx, cn_zoo_name(i), &options, &model));
        check_both_ways(model);
    }
}
END_TEST

/* ---- by name ---- */

static void rename_all(cn_tensors *tensors, const char *beginning) {
    char name[256];
    for (int64_t left = cn_tensors_count(tensors); left > 0; left--) {
        const char *old = cn_tensors_name(tensors, 0);
        const cn_tensor *tensor;
        ck_ok(cn_tensors_get_const(tensors, old, &tensor));
        snprintf(name, sizeof name, "%s%s", beginning, old);
        ck_ok(cn_tensors_add(tensors, name, tensor));
        ck_ok(cn_tensors_remove(tensors, old));
    }
}

/* Wrappers' names are left out, options are those of files, and a file in memory is as one on disk. */
START_TEST(names_are_found_as_in_files) {
    cn_model *model = every_layer_model(files.ctx), *other = other_weights(model);
    cn_load_options options = CN_LOAD_OPTIONS_INIT;
    cn_tensors *tensors;
    cn_tensor *file;
    ck_ok(cn_model_state_dict(model, &tensors));
    rename_all(tensors, "module.");
    ck_ok(cn_model_load_state_dict(other, tensors, NULL));
    expect_same_tensors(model, other);
    cn_model_free(other);
    other = other_weights(model);
    rename_all(tensors, "part.");
    options.prefix = "part.module.";
    ck_ok(cn_tensors_save_memory(tensors, ".npz", NULL, &file));
    ck_ok(cn_model_load_tensors_memory(other, file->data, (size_t)file->count, &options));
    expect_same_tensors(model, other);
    cn_tensor_free(file);
    cn_tensors_free(tensors);
    cn_model_free(other);
    cn_model_free(model);
}
END_TEST

START_TEST(what_is_missing_or_unfit_changes_nothing) {
    cn_model *model = tiny_model(files.ctx), *same = tiny_model(files.ctx), *unfinished;
    cn_load_options lenient = CN_LOAD_OPTIONS_INIT;
    cn_tensors *tensors, *none = NULL;
    cn_tensor *tensor;
    scratch s = scratch_new();
    lenient.strict = 0;
    ck_ok(cn_model_state_dict(model, &tensors));
    ck_ok(cn_tensors_get(tensors, "c.bias", &tensor));
    ((float *)tensor->data)[0] += 1.0f;
    ck_ok(cn_tensors_remove(tensors, "c.weight"));
    ck_fails(cn_model_load_state_dict(model, tensors, NULL), CN_ERR_NOT_FOUND,
             "'(tensors)': it has no tensor 'c.weight'");
    ck_ok(cn_tensors_save(tensors, scratch_path(&s, "a.npz"), NULL));
    ck_fails(cn_model_load_tensors(model, scratch_path(&s, "a.npz")), CN_ERR_NOT_FOUND, "a.npz': it has no tensor");
    ck_ok(cn_tensor_new(files.ctx, CN_DTYPE_FLOAT32, 1, (int64_t[]){7}, &tensor));
    ck_ok(cn_tensors_add(tensors, "c.weight", tensor));
    cn_tensor_free(tensor);
    ck_fails(cn_model_load_state_dict(model, tensors, NULL), CN_ERR_SHAPE, "'c.weight' is F32 [7]");
    expect_same_tensors(model, same);
    ck_ok(cn_model_load_state_dict(model, tensors, &lenient));
    ck_ok(cn_model_tensor(model, "c.bias", &tensor));
    ck_ok(cn_model_new(files.ctx, 1, 1, 1, &unfinished));
    ck_fails(cn_model_state_dict(unfinished, &none), CN_ERR_STATE, "cn_model_state_dict");
    ck_assert_ptr_null(none);
    ck_fails(cn_model_load_state_dict(unfinished, tensors, NULL), CN_ERR_STATE, "cn_model_load_state_dict");
    ck_fails(cn_model_load_state_dict(model, NULL, NULL), CN_ERR_ARGUMENT, "tensors");
    ck_fails(cn_model_state_dict(NULL, &none), CN_ERR_ARGUMENT, "model");
    cn_model_free(unfinished);
    cn_tensors_free(tensors);
    cn_model_free(same);
    cn_model_free(model);
    scratch_free(&s);
}
END_TEST

/* A model file and a file of numpy's are told apart by content, whatever they are called. */
START_TEST(an_npz_file_is_no_model) {
    cn_model *model = tiny_model(files.ctx), *none;
    cn_tensors *tensors;
    cn_tensor *file;
    ck_ok(cn_model_state_dict(model, &tensors));
    ck_ok(cn_tensors_save_memory(tensors, ".npz", NULL, &file));
    ck_fails(cn_model_load_memory(files.ctx, file->data, (size_t)file->count, &none), CN_ERR_FORMAT, "numpy");
    cn_tensor_free(file);
    cn_tensors_free(tensors);
    cn_model_free(model);
}
END_TEST

static void add_tests(TCase *group) {
    tcase_add_test(group, every_layer_goes_both_ways);
    tcase_add_test(group, prebuilt_networks_go_both_ways);
    tcase_add_test(group, names_are_found_as_in_files);
    tcase_add_test(group, what_is_missing_or_unfit_changes_nothing);
    tcase_add_test(group, an_npz_file_is_no_model);
}

int main(void) {
    Suite *suite = suite_create("state dicts");
    add_tests(model_files_group(suite));
    return test_run(suite);
}
