/* SPDX-License-Identifier: MIT */
/* test_data_out_of_memory.c: every allocation of whatever makes or reads a data set fails, once or for good. */
#include "arrays.h"
#include "data_files.h"
#include "testing.h"
#include "base/base.h"

TEST_RUNS_ONCE;

typedef struct fixture {
    counting_allocator counter;
    arrays a; /* in memory that is counted */
    scratch files;
} fixture;

static void begin(fixture *f) {
    static const char names[] = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    const idx_file images = idx_images(), labels = idx_labels();
    options.threads = 2;
    counting_options(&f->counter, &options);
    ck_ok(cn_context_new(&options, &f->a.ctx));
    arrays_fill(&f->a, CN_DTYPE_UINT8);
    ck_ok(cn_dataset_memory(f->a.ctx, f->a.images, f->a.labels, ARRAYS_CLASSES, &f->a.set));
    f->files = scratch_new();
    cifar10_write(&f->files);
    scratch_write(&f->files, "batches.meta.txt", names, sizeof names - 1);
    cifar_write(&f->files, "test.bin", 2, 7, 1);
    scratch_write(&f->files, "train-images-idx3-ubyte", images.bytes, images.count);
    scratch_gzip(&f->files, "train-labels-idx1-ubyte.gz", labels.bytes, labels.count);
}

static void end(fixture *f) {
    arrays_free(&f->a);
    ck_assert_int_eq(f->counter.live, 0);
    scratch_free(&f->files);
}

/* ---- what is made ---- */

typedef cn_status (*constructor)(const fixture *f, cn_dataset **set);

static cn_status make_memory(const fixture *f, cn_dataset **set) {
    return cn_dataset_memory(f->a.ctx, f->a.images, f->a.labels, ARRAYS_CLASSES, set);
}

static cn_status make_callback(const fixture *f, cn_dataset **set) {
    static arrays_teller t = {-1, -1};
    cn_dataset_source source = arrays_told(&t);
    return cn_dataset_callback(f->a.ctx, &source, set);
}

static cn_status make_synthetic(const fixture *f, cn_dataset **set) {
    return cn_dataset_synthetic(f->a.ctx, CN_SPLIT_TRAIN, 12, 1, set);
}

static cn_status make_subset(const fixture *f, cn_dataset **set) {
    const int64_t chosen[2] = {3, 1};
    return cn_dataset_subset(f->a.set, 2, chosen, set);
}

static cn_status make_shuffle(const fixture *f, cn_dataset **set) {
    return cn_dataset_shuffled(f->a.set, 1, set);
}

static cn_status make_split(const fixture *f, cn_dataset **set) {
    cn_dataset *rest = NULL;
    cn_status status = cn_dataset_split(f->a.set, 0.5, 1, set, &rest);
    ck_assert(status == CN_OK || (rest == NULL && *set == NULL));
    cn_dataset_free(rest);
    return status;
}

static cn_status make_stratified_split(const fixture *f, cn_dataset **set) {
    cn_dataset *rest = NULL;
    cn_status status = cn_dataset_split_stratified(f->a.set, 0.5, 1, set, &rest);
    ck_assert(status == CN_OK || (rest == NULL && *set == NULL));
    cn_dataset_free(rest);
    return status;
}

static cn_status make_names(const fixture *f, cn_dataset **set) {
    const char *names[ARRAYS_CLASSES] = {"a", "b", "c", "d", "e", "f", "g"};
    *set = NULL;
    return cn_dataset_set_class_names(f->a.set, ARRAYS_CLASSES, names);
}

static cn_status make_batch(const fixture *f, cn_dataset **set) {
    static const int64_t indices[2] = {0, 1};
    const int64_t shape[4] = {2, ARRAYS_CHANNELS, ARRAYS_HEIGHT, ARRAYS_WIDTH};
    float values[2 * ARRAYS_VALUES];
    cn_tensor *images = NULL;
    cn_status status = cn_tensor_borrow(f->a.ctx, CN_DTYPE_FLOAT32, 4, shape, values, &images);
    *set = NULL;
    if (status == CN_OK)
        status = cn_dataset_batch(f->a.set, 2, indices, 1, 1, 1, images, NULL);
    cn_tensor_free(images);
    return status;
}

/* Never asked. */
static int tell_sample(void *user, int64_t index, void *image, void *const *targets) {
    (void)user;
    (void)index;
    (void)image;
    (void)targets;
    return 1;
}

static cn_dataset_source points_source(const cn_target_options *targets, int count) {
    static arrays_teller t = {-1, -1};
    cn_dataset_source source = arrays_told(&t);
    source.classes = 0;
    source.fetch = NULL;
    source.fetch_sample = tell_sample;
    source.targets = targets;
    source.target_count = count;
    return source;
}

/* Of classes and of points whose order is copied, through a view. */
static cn_status make_targets(const fixture *f, cn_dataset **set) {
    static const int mirrored[2] = {1, 0};
    static const int64_t indices[2] = {4, 2};
    cn_target_options targets[2] = {CN_TARGET_OPTIONS_INIT, CN_TARGET_OPTIONS_INIT};
    cn_dataset *parent = NULL;
    targets[0].classes = ARRAYS_CLASSES;
    targets[1].kind = CN_TARGET_VECTOR;
    targets[1].vector = CN_VECTOR_POINTS;
    targets[1].mirrored = mirrored;
    targets[1].shape[0] = 4, targets[1].shape[1] = targets[1].shape[2] = 1;
    cn_dataset_source source = points_source(targets, 2);
    cn_status status = cn_dataset_callback(f->a.ctx, &source, &parent);
    if (status == CN_OK)
        status = cn_dataset_subset(parent, 2, indices, set);
    cn_dataset_free(parent);
    targets[1] = (cn_target_options)CN_TARGET_OPTIONS_INIT;
    targets[1].kind = CN_TARGET_IMAGE;
    if (status == CN_OK && (status = cn_dataset_add_target(*set, NULL, &targets[1])) != CN_OK) {
        cn_dataset_free(*set);
        *set = NULL;
    }
    return status;
}

static cn_status make_cifar10(const fixture *f, cn_dataset **set) {
    return cn_dataset_cifar10(f->a.ctx, f->files.path, CN_SPLIT_TRAIN, set);
}

static cn_status make_cifar100(const fixture *f, cn_dataset **set) {
    return cn_dataset_cifar100(f->a.ctx, f->files.path, CN_SPLIT_TEST, 1, set);
}

static cn_status make_idx(const fixture *f, cn_dataset **set) {
    return cn_dataset_idx(f->a.ctx, f->files.path, CN_SPLIT_TRAIN, set);
}

static cn_status make_idx_files(const fixture *f, cn_dataset **set) {
    return cn_dataset_idx_files(f->a.ctx, scratch_path(&f->files, "train-images-idx3-ubyte"),
                                scratch_path(&f->files, "train-labels-idx1-ubyte.gz"), set);
}

static const constructor constructors[] = {make_memory,           make_callback, make_synthetic, make_subset,
                                           make_shuffle,          make_split,    make_names,     make_batch,
                                           make_cifar10,          make_cifar100, make_idx,       make_idx_files,
                                           make_stratified_split, make_targets};

/* Loop index: which, and once or for good. */
START_TEST(out_of_memory_is_a_status) {
    constructor make = constructors[_i / 2];
    fixture f = {.counter = {.persistent = _i % 2}};
    cn_status status = CN_ERR_MEMORY;
    begin(&f);
    for (long failure = 1; status != CN_OK; failure++) {
        cn_dataset *set = NULL;
        long live = f.counter.live;
        f.counter.fail_at = f.counter.calls + failure;
        status = make(&f, &set);
        f.counter.fail_at = 0;
        ck_assert_msg(status == CN_OK || status == CN_ERR_MEMORY, "%s", cn_last_error());
        ck_assert((status == CN_OK && make != make_names && make != make_batch) == (set != NULL));
        cn_dataset_free(set);
        if (make != make_names) /* which stay */
            ck_assert_int_eq(f.counter.live, live);
        arrays_expect_image(f.a.set, f.a.ctx, 3, 3);
    }
    end(&f);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {out_of_memory_is_a_status};
    Suite *suite = suite_create("data out of memory");
    test_add(suite, "out of memory", tests, 1, 2 * (int)CN__COUNT(constructors));
    return test_run(suite);
}
