/* SPDX-License-Identifier: MIT */
/* test_folder.c: folders of pictures as data sets: order, sizes, what is skipped, and folders that are none. */
#include "golden_images.h"
#include "scratch.h"
#include "testing.h"
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

TEST_RUNS_ONCE;

/* ---- a tree of files for one test, and a context that takes down warnings ---- */

static cn_context *ctx;
static scratch root;
static char warnings[4096];

static void take_down(void *user, cn_log_level level, const char *message) {
    (void)user;
    ck_assert_int_eq(level, CN_LOG_WARNING);
    ck_assert_uint_lt(strlen(warnings) + strlen(message) + 2, sizeof warnings);
    strcat(strcat(warnings, message), "\n");
}

static void setup(void) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = 3;
    options.log = take_down;
    ck_ok(cn_context_new(&options, &ctx));
    root = scratch_new();
}

static void teardown(void) {
    scratch_free(&root);
    cn_context_free(ctx);
}

static void folder(const char *name) {
    ck_assert_int_eq(mkdir(scratch_path(&root, name), 0755), 0);
}

static void text_file(const char *name, const char *text) {
    scratch_write(&root, name, text, strlen(text));
}

/* A picture all of one value. */
static void plain(const char *name, int channels, int height, int width, int value) {
    cn_tensor *image;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, channels, height, width}, &image));
    memset(cn_tensor_data(image), value, (size_t)cn_tensor_count(image));
    ck_ok(cn_image_save(image, scratch_path(&root, name)));
    cn_tensor_free(image);
}

static cn_dataset *open_root(void) {
    cn_dataset *dataset;
    ck_ok(cn_dataset_folder(ctx, root.path, NULL, &dataset));
    return dataset;
}

/* Image `index` is all of that value and label. */
static void expect_plain(const cn_dataset *dataset, int64_t index, int value, int64_t label) {
    int64_t got, shape[4] = {1, 0, 0, 0};
    cn_tensor *image;
    cn_dataset_shape(dataset, shape + 1);
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, shape, &image));
    ck_ok(cn_dataset_image(dataset, index, image, &got));
    const uint8_t *pixels = cn_tensor_data(image);
    ck_assert_int_eq(got, label);
    for (int64_t i = 0; i < cn_tensor_count(image); i++)
        ck_assert_msg(pixels[i] == value, "image %d, byte %d is %d, wanted %d", (int)index, (int)i, pixels[i], value);
    cn_tensor_free(image);
}

/* ---- what is read ---- */

START_TEST(subfolders_are_classes_in_the_order_of_names) {
    folder("dog");
    folder("Zebra");
    folder("cat");
    folder("cat/young");
    folder(".hidden");
    plain("dog/1.ppm", 3, 40, 50, 1);
    plain("cat/b.ppm", 3, 5, 90, 2);
    plain("cat/young/a.ppm", 3, 33, 32, 3);
    plain("cat/a.pgm", 1, 32, 32, 4);
    plain("Zebra/a.ppm", 3, 7, 7, 5);
    plain("beside.ppm", 3, 7, 7, 6);
    plain("cat/.hidden.ppm", 3, 7, 7, 7);
    cn_dataset *dataset = open_root();
    static const struct {
        int value;
        int64_t label;
    } wanted[] = {{5, 0}, {4, 1}, {2, 1}, {3, 1}, {1, 2}};
    static const char *const names[] = {"Zebra", "cat", "dog"};
    ck_assert_int_eq(cn_dataset_count(dataset), 5);
    ck_assert_int_eq(cn_dataset_classes(dataset), 3);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(cn_dataset_class_name(dataset, i), names[i]);
    for (int i = 0; i < 5; i++)
        expect_plain(dataset, i, wanted[i].value, wanted[i].label);
    ck_assert_int_eq(cn_dataset_skipped_count(dataset), 0);
    ck_assert_ptr_nonnull(strstr(warnings, "passed over: 1 picture of"));
    ck_assert_str_eq(cn_dataset_file_name(dataset, 3), "cat/young/a.ppm");
    ck_assert_ptr_null(cn_dataset_file_name(dataset, 5));
    ck_assert_ptr_null(cn_dataset_file_name(dataset, -1));
    cn_dataset_free(dataset);
}
END_TEST

START_TEST(pictures_are_fitted) {
    cn_folder_options options = {sizeof options, 1, 9, 14, CN_SPLIT_ALL, 0};
    cn_tensor *picture = golden_picture(ctx, 3, 31, 20), *wanted, *got;
    cn_dataset *dataset;
    folder("a");
    ck_ok(cn_image_save(picture, scratch_path(&root, "a/x.ppm")));
    ck_ok(cn_image_fit(picture, 1, 9, 14, &wanted));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, 1, 9, 14}, &got));
    ck_ok(cn_dataset_folder(ctx, root.path, &options, &dataset));
    ck_ok(cn_dataset_image(dataset, 0, got, NULL));
    ck_assert_mem_eq(cn_tensor_data(got), cn_tensor_data(wanted), 9 * 14);
    cn_dataset_free(dataset);
    cn_tensor_free(got);
    cn_tensor_free(wanted);
    cn_tensor_free(picture);
}
END_TEST

/* Three channels as session 8 has them, one as it is. */
START_TEST(values_are_normalised) {
    static const float mean[] = {0.49139968f, 0.48215827f, 0.44653124f},
                       std[] = {0.24703233f, 0.24348505f, 0.26158768f};
    folder("a");
    plain("a/x.ppm", 3, 2, 2, 100);
    for (int channels = 1; channels <= 3; channels += 2) {
        cn_folder_options options = {sizeof options, channels, 1, 1, CN_SPLIT_ALL, 0};
        cn_tensor *batch;
        cn_dataset *dataset;
        ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, channels, 1, 1}, &batch));
        ck_ok(cn_dataset_folder(ctx, root.path, &options, &dataset));
        ck_ok(cn_dataset_batch(dataset, 1, &(int64_t){0}, 0, 0, 0, batch, NULL));
        for (int c = 0; c < channels; c++)
            ck_assert_float_eq_tol(((float *)cn_tensor_data(batch))[c],
                                   channels == 3 ? (100.0f / 255.0f - mean[c]) / std[c] : 100.0f / 255.0f, 1e-6f);
        cn_dataset_free(dataset);
        cn_tensor_free(batch);
    }
}
END_TEST

/* ---- what is skipped ---- */

START_TEST(files_that_are_no_pictures_are_skipped_counted_and_named) {
    folder("a");
    folder("b");
    folder("c");
    plain("a/1.ppm", 3, 3, 3, 1);
    text_file("a/2.txt", "a note");
    text_file("a/3.ppm", "P6 3 3 255\ncut short");
    text_file("a/4.pgm", "P5 70000 70000 255\n");
    ck_assert_int_eq(mkfifo(scratch_path(&root, "a/5.ppm"), 0600), 0);
    ck_assert_int_eq(symlink("nowhere", scratch_path(&root, "a/6.ppm")), 0);
    text_file("b/empty.png", "");
    plain("c/2.ppm", 3, 3, 3, 2);
    ck_fails(cn_dataset_folder(NULL, root.path, NULL, &(cn_dataset *){NULL}), CN_ERR_ARGUMENT, "context is NULL");
    cn_dataset *dataset = open_root(), *view;
    ck_assert_int_eq(cn_dataset_count(dataset), 2);
    ck_assert_int_eq(cn_dataset_classes(dataset), 3); /* "b" stays, so that numbers do not move */
    expect_plain(dataset, 0, 1, 0);
    expect_plain(dataset, 1, 2, 2);
    ck_assert_int_eq(cn_dataset_skipped_count(dataset), 6);
    ck_ok(cn_dataset_shuffled(dataset, 1, &view));
    ck_assert_int_eq(cn_dataset_skipped_count(view), 6);
    static const char *const parts[] = {"a/2.txt' is no PNG",
                                        "a/3.ppm' ends too early",
                                        "a/4.pgm' has 70000×70000 pixels",
                                        "a/5.ppm': it is not a regular file",
                                        "a/6.ppm': No such file",
                                        "b/empty.png' is no PNG",
                                        "class 'b' of"};
    const char *at = warnings;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        at = strstr(at, parts[i]); /* in the order of names */
        ck_assert_msg(at != NULL, "'%s' is not said, or not in its place, in\n%s", parts[i], warnings);
    }
    ck_assert_ptr_nonnull(strstr(cn_last_error(), "context is NULL")); /* a successful call leaves it alone */
    cn_dataset_free(view);
    cn_dataset_free(dataset);
}
END_TEST

/* ---- folders that are no data sets ---- */

static void expect_failure(const char *path, cn_status status, const char *part) {
    cn_dataset *dataset = (cn_dataset *)&root;
    ck_fails(cn_dataset_folder(ctx, path, NULL, &dataset), status, part);
    ck_assert_ptr_null(dataset);
}

START_TEST(folders_that_are_no_data_sets_say_why) {
    expect_failure("/nowhere", CN_ERR_IO, "'/nowhere': No such file");
    expect_failure("Makefile", CN_ERR_IO, "'Makefile': Not a directory");
    expect_failure(root.path, CN_ERR_NOT_FOUND, "has no subfolders");
    plain("beside.ppm", 3, 7, 7, 6);
    expect_failure(root.path, CN_ERR_NOT_FOUND, "has no subfolders");
    folder("a");
    expect_failure(root.path, CN_ERR_DATA, "1 class and no readable picture (0 files");
    text_file("a/x.ppm", "P6");
    expect_failure(root.path, CN_ERR_DATA, "(1 file was skipped)");
    folder("a/b");
    expect_failure(scratch_path(&root, "a/b"), CN_ERR_NOT_FOUND, "has no subfolders");
    plain("a/b/x.ppm", 3, 7, 7, 6);
    expect_failure(scratch_path(&root, "a/b"), CN_ERR_NOT_FOUND,
                   "but 1 picture; wanted is the folder that has a folder");
    folder("caf\xe9");
    expect_failure(root.path, CN_ERR_DATA, "/caf\xe9': the name of a class is not UTF-8");
    expect_failure(NULL, CN_ERR_ARGUMENT, "directory is NULL");
    ck_fails(cn_dataset_folder(ctx, root.path, NULL, NULL), CN_ERR_ARGUMENT, "dataset is NULL");
}
END_TEST

START_TEST(a_folder_without_permission_says_so) {
    folder("a");
    plain("a/x.ppm", 3, 7, 7, 6);
    folder("b");
    ck_assert_int_eq(chmod(root.path, 0755), 0);
    ck_assert_int_eq(chmod(scratch_path(&root, "b"), 0), 0);
    int is_root = geteuid() == 0; /* whom permissions do not stop */
    ck_assert(!is_root || seteuid(65534) == 0);
    expect_failure(root.path, CN_ERR_IO, "/b': Permission denied");
    ck_assert(!is_root || seteuid(0) == 0);
    ck_assert_int_eq(chmod(scratch_path(&root, "b"), 0755), 0);
}
END_TEST

START_TEST(sizes_that_cannot_be_are_refused) {
    static const struct {
        cn_folder_options options;
        cn_status status;
        const char *part;
    } cases[] = {
        {{sizeof(cn_folder_options), 2, 32, 32, 0, 0}, CN_ERR_ARGUMENT, "channels is 2"},
        {{sizeof(cn_folder_options), 3, -1, 32, 0, 0}, CN_ERR_SHAPE, "height is -1"},
        {{sizeof(cn_folder_options), 3, 32, 20000000, 0, 0}, CN_ERR_SHAPE, "width is 20000000"},
    };
    cn_dataset *dataset;
    folder("a");
    plain("a/x.ppm", 3, 7, 7, 6);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_fails(cn_dataset_folder(ctx, root.path, &cases[i].options, &dataset), cases[i].status, cases[i].part);
}
END_TEST

/* ---- layouts ---- */

/* A picture in a folder of that name, which is made with all folders around it. */
static void put(const char *name, int value) {
    char path[256];
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(path, sizeof path, "%.*s", (int)(slash - name), name);
        mkdir(scratch_path(&root, path), 0755);
    }
    plain(name, 1, 3, 3, value);
}

static cn_dataset *open_split(cn_split split) {
    cn_folder_options options = CN_FOLDER_OPTIONS_INIT;
    cn_dataset *dataset;
    options.channels = 1;
    options.split = split;
    ck_ok(cn_dataset_folder(ctx, root.path, &options, &dataset));
    return dataset;
}

/* The files' names, with a space after each. */
static void expect_files(cn_split split, const char *files) {
    cn_dataset *dataset = open_split(split);
    char text[512] = "";
    for (int64_t i = 0; i < cn_dataset_count(dataset); i++)
        strcat(strcat(text, cn_dataset_file_name(dataset, i)), " ");
    ck_assert_str_eq(text, files);
    cn_dataset_free(dataset);
}

static void expect_no_validation(void) {
    cn_folder_options options = CN_FOLDER_OPTIONS_INIT;
    cn_dataset *dataset;
    options.split = CN_SPLIT_VALIDATION;
    ck_fails(cn_dataset_folder(ctx, root.path, &options, &dataset), CN_ERR_NOT_FOUND, "has no part for validation");
}

static void expect_parts(int parts) {
    int found = -1;
    ck_ok(cn_dataset_folder_has_parts(ctx, root.path, &found));
    ck_assert_int_eq(found, parts);
}

static const char *const pairs[][2] = {
    {"train", "test"},  {"train", "val"}, {"training", "validation"},   {"Train", "Test"},
    {"TRAIN", "VALID"}, {"train", "dev"}, {"training_set", "test_set"}, {"train-images", "test-images"}};

START_TEST(parts_are_known_by_their_usual_names) {
    char name[64], train[128], test[64];
    for (int k = 0; k < 3; k++) {
        snprintf(name, sizeof name, "%s/%s/%d.pgm", pairs[_i][k == 2], k == 1 ? "dog" : "cat", k);
        put(name, k);
    }
    snprintf(train, sizeof train, "%s/cat/0.pgm %s/dog/1.pgm ", pairs[_i][0], pairs[_i][0]);
    snprintf(test, sizeof test, "%s/cat/2.pgm ", pairs[_i][1]);
    expect_parts(1);
    expect_files(CN_SPLIT_TRAIN, train);
    ck_assert_str_eq(warnings, "");
    expect_files(CN_SPLIT_TEST, test);
    ck_assert_ptr_nonnull(strstr(warnings, "class 'dog' of"));
    ck_assert_ptr_nonnull(strstr(warnings, "has no readable picture for testing"));
    expect_files(CN_SPLIT_ALL, strcat(train, test));
    expect_no_validation(); /* of two parts, the other one is for testing */
    cn_dataset *dataset = open_split(CN_SPLIT_TEST);
    ck_assert_int_eq(cn_dataset_classes(dataset), 2);
    cn_dataset_free(dataset);
}
END_TEST

START_TEST(of_three_parts_the_test_part_is_for_testing) {
    put("train/a/1.pgm", 1);
    put("valid/a/2.pgm", 2);
    put("test/a/3.pgm", 3);
    put("pred/4.pgm", 4);
    expect_files(CN_SPLIT_TRAIN, "train/a/1.pgm ");
    ck_assert_ptr_nonnull(strstr(warnings, "pred', which is none of the parts"));
    expect_files(CN_SPLIT_TEST, "test/a/3.pgm ");
    expect_files(CN_SPLIT_VALIDATION, "valid/a/2.pgm ");
    expect_files(CN_SPLIT_ALL, "train/a/1.pgm test/a/3.pgm valid/a/2.pgm ");
    put("test/b/5.pgm", 5);
    expect_failure(root.path, CN_ERR_DATA, "test' has a class 'b', which '");
    put("training/a/6.pgm", 6);
    expect_failure(root.path, CN_ERR_DATA, "has two parts of one kind, 'train' and 'training'");
}
END_TEST

START_TEST(folders_around_the_classes_are_looked_into) {
    put("data/train/cat/1.pgm", 1);
    put("data/train/dog/2.pgm", 2);
    put("__MACOSX/data/3.pgm", 3);
    put("lost+found/4.pgm", 4);
    expect_parts(0);
    expect_files(CN_SPLIT_ALL, "data/train/cat/1.pgm data/train/dog/2.pgm ");
    ck_assert_str_eq(warnings, "");
    put("data/test/cat/5.pgm", 1);
    expect_parts(1);
    expect_files(CN_SPLIT_TEST, "data/test/cat/5.pgm ");
}
END_TEST

START_TEST(a_class_may_be_called_train_but_no_part_lies_beside_classes) {
    put("bus/1.pgm", 1);
    put("train/2.pgm", 2);
    expect_parts(0);
    expect_files(CN_SPLIT_ALL, "bus/1.pgm train/2.pgm ");
    put("test/bus/3.pgm", 3);
    expect_failure(root.path, CN_ERR_DATA, "test' looks like a part for training or testing, but lies beside");
}
END_TEST

START_TEST(pictures_without_classes_in_parts_are_refused) {
    put("train/1.pgm", 1);
    expect_failure(root.path, CN_ERR_NOT_FOUND, "train' has no subfolders");
    put("test/2.pgm", 2);
    expect_failure(root.path, CN_ERR_NOT_FOUND, "has no subfolders");
}
END_TEST

START_TEST(links_that_lead_nowhere_or_back_are_skipped_and_named) {
    put("cat/1.pgm", 1);
    put("dog/2.pgm", 2);
    put("a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/deep.pgm", 3);
    ck_assert_int_eq(symlink("/nowhere/owl", scratch_path(&root, "owl")), 0);
    ck_assert_int_eq(symlink("..", scratch_path(&root, "cat/up")), 0);
    ck_assert_int_eq(symlink(".", scratch_path(&root, "dog/self")), 0);
    cn_dataset *dataset = open_split(CN_SPLIT_ALL);
    ck_assert_int_eq(cn_dataset_count(dataset), 2);
    ck_assert_int_eq(cn_dataset_skipped_count(dataset), 4);
    static const char *const parts[] = {"owl' leads nowhere", "q' is more than 16 folders deep", "cat/up' is a link to",
                                        "dog/self' is a link to"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        ck_assert_msg(strstr(warnings, parts[i]) != NULL, "'%s' is not said in\n%s", parts[i], warnings);
    cn_dataset_free(dataset);
}
END_TEST

/* Each of ten folders has two links to the next, so that a thousand paths lead to the last. */
START_TEST(links_are_followed_to_each_folder_once) {
    char name[64], target[32];
    put("cat/0/1.pgm", 1);
    for (int depth = 0; depth < 10; depth++) {
        snprintf(name, sizeof name, "far/%d/2.pgm", depth);
        put(name, 2);
        for (int i = 0; i < 2; i++) {
            snprintf(name, sizeof name, "far/%d/%c", depth, 'a' + i);
            snprintf(target, sizeof target, "../%d", depth + 1);
            ck_assert_int_eq(symlink(target, scratch_path(&root, name)), 0);
        }
    }
    ck_assert_int_eq(mkdir(scratch_path(&root, "far/10"), 0700), 0);
    cn_dataset *dataset = open_split(CN_SPLIT_ALL);
    ck_assert_int_ge(cn_dataset_count(dataset), 11);
    ck_assert_int_le(cn_dataset_count(dataset), 1 + 10 * 11);
    ck_assert_ptr_nonnull(strstr(warnings, "is a link to a folder that has been read already"));
    cn_dataset_free(dataset);
}
END_TEST

/* Whether image `name` is in the data set. */
static int has_file(const cn_dataset *dataset, const char *name) {
    for (int64_t i = 0; i < cn_dataset_count(dataset); i++)
        if (strcmp(cn_dataset_file_name(dataset, i), name) == 0)
            return 1;
    return 0;
}

START_TEST(a_picture_is_for_testing_by_its_own_name) {
    char name[64];
    put("dog/one.pgm", 1); /* of one, that one is for training */
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "cat/%d.pgm", i);
        put(name, i);
    }
    cn_dataset *train = open_split(CN_SPLIT_TRAIN), *test = open_split(CN_SPLIT_TEST);
    int64_t tests = cn_dataset_count(test);
    ck_assert_int_eq(cn_dataset_count(train) + tests, 61);
    ck_assert(tests >= 5 && tests <= 20);
    ck_assert(has_file(train, "dog/one.pgm"));
    put("cat/aa.pgm", 3);
    cn_dataset *again = open_split(CN_SPLIT_TEST);
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "cat/%d.pgm", i);
        ck_assert_int_eq(has_file(test, name), has_file(again, name));
        ck_assert_int_ne(has_file(test, name), has_file(train, name));
    }
    cn_dataset_free(again);
    cn_dataset_free(test);
    cn_dataset_free(train);
}
END_TEST

START_TEST(of_three_pictures_one_is_for_testing) {
    put("a/1.pgm", 1);
    put("a/2.pgm", 2);
    put("a/3.pgm", 3);
    put("b/1.pgm", 1);
    cn_dataset *train = open_split(CN_SPLIT_TRAIN), *test = open_split(CN_SPLIT_TEST);
    ck_assert_int_ge(cn_dataset_count(test), 1);
    ck_assert_int_eq(cn_dataset_count(train) + cn_dataset_count(test), 4);
    cn_dataset_free(test);
    cn_dataset_free(train);
}
END_TEST

/* Loop index: once or for good. */
START_TEST(out_of_memory_is_a_status) {
    counting_allocator counter = {.persistent = _i};
    cn_context *poor;
    cn_dataset *dataset;
    folder("a");
    folder("b");
    plain("a/x.ppm", 3, 7, 7, 6);
    plain("b/y.pgm", 1, 3, 3, 6);
    text_file("b/z.txt", "no picture");
    poor = counting_context(&counter, 1);
    ck_survives(&counter, cn_dataset_folder(poor, root.path, NULL, &dataset), dataset, 30);
    cn_dataset_free(dataset);
    cn_context_free(poor);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("folder");
    TCase *group = tcase_create("folder");
    tcase_add_checked_fixture(group, setup, teardown);
    tcase_add_test(group, subfolders_are_classes_in_the_order_of_names);
    tcase_add_test(group, pictures_are_fitted);
    tcase_add_test(group, values_are_normalised);
    tcase_add_test(group, files_that_are_no_pictures_are_skipped_counted_and_named);
    tcase_add_test(group, folders_that_are_no_data_sets_say_why);
    tcase_add_test(group, a_folder_without_permission_says_so);
    tcase_add_test(group, sizes_that_cannot_be_are_refused);
    tcase_add_loop_test(group, parts_are_known_by_their_usual_names, 0, sizeof pairs / sizeof *pairs);
    tcase_add_test(group, of_three_parts_the_test_part_is_for_testing);
    tcase_add_test(group, folders_around_the_classes_are_looked_into);
    tcase_add_test(group, a_class_may_be_called_train_but_no_part_lies_beside_classes);
    tcase_add_test(group, pictures_without_classes_in_parts_are_refused);
    tcase_add_test(group, links_that_lead_nowhere_or_back_are_skipped_and_named);
    tcase_add_test(group, links_are_followed_to_each_folder_once);
    tcase_add_test(group, a_picture_is_for_testing_by_its_own_name);
    tcase_add_test(group, of_three_pictures_one_is_for_testing);
    tcase_add_loop_test(group, out_of_memory_is_a_status, 0, 2);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
