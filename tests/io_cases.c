/* SPDX-License-Identifier: MIT */
/* io_cases.c: the library's calls for files, and the files that they want. */
#include "io_cases.h"
#include "base/base.h"
#include "data/data.h"
#include "data_files.h"
#include "onnx_writer.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct io_things io;

const char *io_path(const char *name) {
    return scratch_path(&io.folder, name);
}

static cn_context *context(void) {
    return io.run.f.ctx;
}

static cn_model *model(void) {
    return io.run.f.model;
}

void io_begin(const io_case *c) {
    io.folder = scratch_new();
    run_begin(&io.run);
    if (c->prepare)
        c->prepare();
}

void io_end(void) {
    run_end(&io.run);
    scratch_free(&io.folder);
}

/* Hands over bytes as a tensor. */
static cn_status give(const void *bytes, size_t count, cn_tensor **loaded) {
    CN__TRY(cn_tensor_new(context(), CN_DTYPE_UINT8, 1, (int64_t[]){(int64_t)count}, loaded));
    memcpy(cn_tensor_data(*loaded), bytes, count);
    return CN_OK;
}

/* ---- models ---- */

static cn_status save_model(cn_tensor **loaded) {
    (void)loaded;
    return cn_model_save(model(), io_path("a.safetensors"));
}

static cn_status save_halves(cn_tensor **loaded) {
    cn_save_options options = CN_SAVE_OPTIONS_INIT;
    options.weights = CN_WEIGHTS_FLOAT16;
    (void)loaded;
    return cn_model_save_with(model(), io_path("a.safetensors"), &options);
}

static cn_status save_onnx(cn_tensor **loaded) {
    (void)loaded;
    return cn_model_save_onnx(model(), io_path("a.onnx"), NULL);
}

static cn_status save_c(cn_tensor **loaded) {
    (void)loaded;
    return cn_model_export_c(model(), io_path("a.c"), NULL);
}

static void model_file(void) {
    ck_ok(save_model(NULL));
}

static void onnx_file(void) {
    ck_ok(save_onnx(NULL));
}

/* A network whose numbers are in another file. */
static void onnx_files(void) {
    onnx_writer whole = {.count = 0}, graph = {.count = 0};
    float weights[144];
    for (int i = 0; i < 144; i++)
        weights[i] = (float)i;
    onnx_put_ends(&graph);
    onnx_put_outside(&graph, "w", 4, (const int64_t[4]){4, 4, 3, 3}, "w.bin", NULL, NULL);
    onnx_put_node(&graph, "Conv x,w y pads=1,1,1,1");
    onnx_put_file(&whole, &graph, 13);
    scratch_write(&io.folder, "a.onnx", whole.data, whole.count);
    scratch_write(&io.folder, "w.bin", weights, sizeof weights);
}

static cn_status load_network(const char *name, cn_tensor **loaded) {
    cn_model *made;
    CN__TRY(cn_model_load(context(), io_path(name), &made));
    cn_status status = cn_model_save_memory(made, loaded);
    cn_model_free(made);
    return status;
}

static cn_status load_model(cn_tensor **loaded) {
    return load_network("a.safetensors", loaded);
}

static cn_status load_onnx(cn_tensor **loaded) {
    return load_network("a.onnx", loaded);
}

static cn_status load_into(cn_tensor **loaded) {
    CN__TRY(cn_model_load_tensors(model(), io_path("a.safetensors")));
    return cn_model_save_memory(model(), loaded);
}

/* ---- tensors ---- */

static cn_status save_tensors(const char *name, int deflate) {
    cn_tensors *tensors;
    cn_save_options options = CN_SAVE_OPTIONS_INIT;
    options.deflate = deflate;
    CN__TRY(cn_model_state_dict(model(), &tensors));
    cn_status status = cn_tensors_save(tensors, io_path(name), &options);
    cn_tensors_free(tensors);
    return status;
}

static cn_status save_dict(cn_tensor **loaded) {
    (void)loaded;
    return save_tensors("d.safetensors", 0);
}

static cn_status save_npz(cn_tensor **loaded) {
    (void)loaded;
    return save_tensors("d.npz", 1);
}

static cn_status load_tensors(const char *name, cn_tensor **loaded) {
    cn_tensors *tensors;
    CN__TRY(cn_tensors_load(context(), io_path(name), &tensors));
    cn_status status = cn_tensors_save_memory(tensors, ".safetensors", NULL, loaded);
    cn_tensors_free(tensors);
    return status;
}

static void dict_file(void) {
    ck_ok(save_dict(NULL));
}

static void npz_file(void) {
    ck_ok(save_npz(NULL));
}

static cn_status load_dict(cn_tensor **loaded) {
    return load_tensors("d.safetensors", loaded);
}

static cn_status load_npz(cn_tensor **loaded) {
    return load_tensors("d.npz", loaded);
}

/* An array that counts. */
static cn_status save_array(const char *name, cn_dtype dtype, int dims, const int64_t *shape, int period) {
    cn_tensor *tensor;
    CN__TRY(cn_tensor_new(context(), dtype, dims, shape, &tensor));
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++)
        if (dtype == CN_DTYPE_UINT8)
            ((uint8_t *)cn_tensor_data(tensor))[i] = (uint8_t)(i % period);
        else
            ((int64_t *)cn_tensor_data(tensor))[i] = i % period;
    cn_status status = cn_tensor_save_npy(tensor, io_path(name));
    cn_tensor_free(tensor);
    return status;
}

static cn_status save_npy(cn_tensor **loaded) {
    (void)loaded;
    return save_array("x.npy", CN_DTYPE_UINT8, 4, (const int64_t[]){6, 3, 4, 4}, 200);
}

static void npy_files(void) {
    ck_ok(save_npy(NULL));
    ck_ok(save_array("y.npy", CN_DTYPE_INT64, 1, (const int64_t[]){6}, 3));
}

static cn_status load_npy(cn_tensor **loaded) {
    cn_tensor *tensor;
    CN__TRY(cn_tensor_load_npy(context(), io_path("x.npy"), &tensor));
    cn_status status = give(cn_tensor_data(tensor), (size_t)cn_tensor_count(tensor), loaded);
    cn_tensor_free(tensor);
    return status;
}

/* ---- runs ---- */

static cn_status save_run(cn_tensor **loaded) {
    (void)loaded;
    return cn_trainer_save(io.run.trainer, io_path("a.run"));
}

static void run_file(void) {
    ck_ok(cn_trainer_fit(io.run.trainer, 1, NULL, NULL));
    ck_ok(save_run(NULL));
}

static cn_status load_run(cn_tensor **loaded) {
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    checkpoint.trainer = io.run.trainer;
    CN__TRY(cn_trainer_resume(io.run.trainer, io_path("a.run")));
    return cn_checkpoint_save_memory(&checkpoint, loaded);
}

/* ---- pictures and texts ---- */

static cn_status save_picture(const char *name, int channels, int seed) {
    cn_tensor *image;
    CN__TRY(cn_tensor_new(context(), CN_DTYPE_UINT8, 4, (int64_t[]){1, channels, 6, 5}, &image));
    for (int64_t i = 0; i < cn_tensor_count(image); i++)
        ((uint8_t *)cn_tensor_data(image))[i] = (uint8_t)(channels == 1 ? i % 3 : i * seed);
    cn_status status = cn_image_save(image, io_path(name));
    cn_tensor_free(image);
    return status;
}

static cn_status save_ppm(cn_tensor **loaded) {
    (void)loaded;
    return save_picture("a.ppm", 3, 7);
}

static void ppm_file(void) {
    ck_ok(save_ppm(NULL));
}

static cn_status load_picture(const char *name, cn_tensor **loaded) {
    return cn_image_load(context(), io_path(name), loaded);
}

static cn_status load_ppm(cn_tensor **loaded) {
    return load_picture("a.ppm", loaded);
}

static cn_status save_text(cn_tensor **loaded) {
    (void)loaded;
    return cn_text_save(context(), "<svg/>\n", io_path("a.svg"));
}

#if CN_WITH_IMAGES
static void copy_golden(const char *from, const char *to) {
    static unsigned char bytes[1 << 16];
    char path[128];
    snprintf(path, sizeof path, "tests/golden/images/%s", from);
    FILE *stream = fopen(path, "rb");
    ck_assert_ptr_nonnull(stream);
    size_t count = fread(bytes, 1, sizeof bytes, stream);
    ck_assert_uint_lt(count, sizeof bytes);
    fclose(stream);
    scratch_write(&io.folder, to, bytes, count);
}

static cn_status save_png(cn_tensor **loaded) {
    (void)loaded;
    return save_picture("a.png", 3, 7);
}

static void png_file(void) {
    ck_ok(save_png(NULL));
}

static cn_status load_png(cn_tensor **loaded) {
    return load_picture("a.png", loaded);
}

/* Of one scan, and of several, whose coefficients are kept. */
static void jpeg_file(void) {
    copy_golden("colour.jpg", "a.jpg");
}

static void progressive_file(void) {
    copy_golden("progressive.jpg", "a.jpg");
}

static cn_status load_jpeg(cn_tensor **loaded) {
    return load_picture("a.jpg", loaded);
}

static void interlaced_file(void) {
    copy_golden("rgb_alpha16_interlaced.png", "a.png");
}

static void masks_files(void) {
    static const char *const folders[] = {"m", "m/images", "m/masks"};
    char name[32];
    for (size_t i = 0; i < CN__COUNT(folders); i++)
        ck_assert_int_eq(mkdir(io_path(folders[i]), 0755), 0);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "m/images/%d.ppm", i);
        ck_ok(save_picture(name, 3, i + 1));
        snprintf(name, sizeof name, "m/masks/%d.png", i);
        ck_ok(save_picture(name, 1, 1));
    }
}
#endif

/* ---- data sets ---- */

/* What a data set is, as bytes; frees it. */
static cn_status describe(cn_status opened, cn_dataset **made, cn_tensor **loaded) {
    struct {
        int64_t count, skipped, classes;
        uint32_t images, targets;
        char name[32];
    } it = {0};
    cn__fingerprint print;
    CN__TRY(opened);
    cn_dataset *set = *made;
    it.count = cn_dataset_count(set);
    it.skipped = cn_dataset_skipped_count(set);
    it.classes = cn_dataset_classes(set);
    if (cn_dataset_class_name(set, 0))
        snprintf(it.name, sizeof it.name, "%s", cn_dataset_class_name(set, 0));
    cn_status status = cn__dataset_fingerprint(set, &print);
    it.images = print.images;
    it.targets = print.targets;
    if (status == CN_OK)
        status = give(&it, sizeof it, loaded);
    cn_dataset_free(set);
    return status;
}

static void cifar10_files(void) {
    static const char names[] = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";
    cifar10_write(&io.folder);
    scratch_write(&io.folder, "batches.meta.txt", names, sizeof names - 1);
}

static cn_status open_cifar10(cn_tensor **loaded) {
    cn_dataset *set;
    return describe(cn_dataset_cifar10(context(), io.folder.path, CN_SPLIT_TRAIN, &set), &set, loaded);
}

static void cifar100_files(void) {
    cifar_write(&io.folder, "train.bin", 2, 0, 5);
    cifar_write(&io.folder, "test.bin", 2, 5, 2);
}

static cn_status open_cifar100(cn_tensor **loaded) {
    cn_dataset *set;
    return describe(cn_dataset_cifar100(context(), io.folder.path, CN_SPLIT_TRAIN, 0, &set), &set, loaded);
}

static void idx_files(void) {
    idx_file images = idx_images(), labels = idx_labels();
    scratch_write(&io.folder, "train-images-idx3-ubyte", images.bytes, images.count);
    scratch_gzip(&io.folder, "train-labels-idx1-ubyte.gz", labels.bytes, labels.count);
    scratch_write(&io.folder, "t10k-images-idx3-ubyte", images.bytes, images.count);
    scratch_write(&io.folder, "t10k-labels-idx1-ubyte", labels.bytes, labels.count);
}

static cn_status open_idx(cn_tensor **loaded) {
    cn_dataset *set;
    return describe(cn_dataset_idx(context(), io.folder.path, CN_SPLIT_TRAIN, &set), &set, loaded);
}

static cn_status open_idx_files(cn_tensor **loaded) {
    cn_dataset *set;
    return describe(cn_dataset_idx_files(context(), io_path("train-images-idx3-ubyte"),
                                         io_path("train-labels-idx1-ubyte.gz"), &set),
                    &set, loaded);
}

static cn_status open_npy(cn_tensor **loaded) {
    cn_dataset *set;
    return describe(cn_dataset_npy(context(), io_path("x.npy"), io_path("y.npy"), NULL, &set), &set, loaded);
}

static void npz_data(void) {
    cn_tensors *tensors;
    cn_tensor *x, *y;
    ck_ok(cn_tensors_new(context(), &tensors));
    npy_files();
    ck_ok(cn_tensor_load_npy(context(), io_path("x.npy"), &x));
    ck_ok(cn_tensor_load_npy(context(), io_path("y.npy"), &y));
    ck_ok(cn_tensors_add(tensors, "x_train", x));
    ck_ok(cn_tensors_add(tensors, "y_train", y));
    ck_ok(cn_tensors_save(tensors, io_path("d.npz"), NULL));
    cn_tensor_free(x);
    cn_tensor_free(y);
    cn_tensors_free(tensors);
}

static cn_status open_npz(cn_tensor **loaded) {
    cn_dataset *set;
    return describe(cn_dataset_npz(context(), io_path("d.npz"), CN_SPLIT_TRAIN, NULL, &set), &set, loaded);
}

static void folder_files(void) {
    static const char *const folders[] = {"f",      "f/train",    "f/train/cat", "f/train/dog",
                                          "f/test", "f/test/cat", "f/test/dog"};
    static const char *const pictures[] = {"f/train/cat/1.ppm", "f/train/cat/2.ppm", "f/train/dog/1.ppm",
                                           "f/test/dog/1.ppm"};
    for (size_t i = 0; i < CN__COUNT(folders); i++)
        ck_assert_int_eq(mkdir(io_path(folders[i]), 0755), 0);
    for (size_t i = 0; i < CN__COUNT(pictures); i++)
        ck_ok(save_picture(pictures[i], 3, (int)i + 3));
    scratch_write(&io.folder, "f/train/dog/notes.txt", "no picture", 10);
}

static cn_status open_folder_with(uint64_t memory, cn_tensor **loaded) {
    cn_folder_options options = CN_FOLDER_OPTIONS_INIT;
    cn_dataset *set;
    options.split = CN_SPLIT_TRAIN;
    options.memory = memory;
    return describe(cn_dataset_folder(context(), io_path("f"), &options, &set), &set, loaded);
}

static cn_status open_folder(cn_tensor **loaded) {
    return open_folder_with(0, loaded);
}

static cn_status open_folder_later(cn_tensor **loaded) {
    return open_folder_with(1, loaded);
}

static cn_status find_parts(cn_tensor **loaded) {
    int parts;
    CN__TRY(cn_dataset_folder_has_parts(context(), io_path("f"), &parts));
    return give(&parts, sizeof parts, loaded);
}

#if CN_WITH_IMAGES
static cn_status open_masks(cn_tensor **loaded) {
    cn_dataset *set;
    return describe(cn_dataset_folder_masks(context(), io_path("m"), NULL, NULL, &set), &set, loaded);
}
#endif

const io_case io_cases[] = {
    {"cn_model_save", NULL, save_model, {"a.safetensors"}, false},
    {"cn_model_save_with", NULL, save_halves, {"a.safetensors"}, false},
    {"cn_model_save_onnx", NULL, save_onnx, {"a.onnx"}, false},
    {"cn_model_export_c", NULL, save_c, {"a.c", "a.h"}, false},
    {"cn_tensors_save .safetensors", NULL, save_dict, {"d.safetensors"}, false},
    {"cn_tensors_save .npz", NULL, save_npz, {"d.npz"}, false},
    {"cn_tensor_save_npy", NULL, save_npy, {"x.npy"}, false},
    {"cn_trainer_save", NULL, save_run, {"a.run"}, false},
    {"cn_image_save .ppm", NULL, save_ppm, {"a.ppm"}, false},
    {"cn_text_save", NULL, save_text, {"a.svg"}, false},
    {"cn_model_load", model_file, load_model, {NULL}, false},
    {"cn_model_load_tensors", model_file, load_into, {NULL}, false},
    {"cn_model_load ONNX", onnx_file, load_onnx, {NULL}, false},
    {"cn_model_load ONNX of two files", onnx_files, load_onnx, {NULL}, false},
    {"cn_tensors_load .safetensors", dict_file, load_dict, {NULL}, false},
    {"cn_tensors_load .npz", npz_file, load_npz, {NULL}, false},
    {"cn_tensor_load_npy", npy_files, load_npy, {NULL}, false},
    {"cn_trainer_resume", run_file, load_run, {NULL}, false},
    {"cn_image_load PPM", ppm_file, load_ppm, {NULL}, false},
    {"cn_dataset_cifar10", cifar10_files, open_cifar10, {NULL}, false},
    {"cn_dataset_cifar100", cifar100_files, open_cifar100, {NULL}, false},
    {"cn_dataset_idx", idx_files, open_idx, {NULL}, false},
    {"cn_dataset_idx_files", idx_files, open_idx_files, {NULL}, false},
    {"cn_dataset_npy", npy_files, open_npy, {NULL}, false},
    {"cn_dataset_npz", npz_data, open_npz, {NULL}, false},
    {"cn_dataset_folder", folder_files, open_folder, {NULL}, true},
    {"cn_dataset_folder, decoded later", folder_files, open_folder_later, {NULL}, false},
    {"cn_dataset_folder_has_parts", folder_files, find_parts, {NULL}, false},
#if CN_WITH_IMAGES
    {"cn_image_save .png", NULL, save_png, {"a.png"}, false},
    {"cn_image_load PNG", png_file, load_png, {NULL}, false},
    {"cn_image_load PNG, interlaced", interlaced_file, load_png, {NULL}, false},
    {"cn_image_load JPEG", jpeg_file, load_jpeg, {NULL}, false},
    {"cn_image_load JPEG, progressive", progressive_file, load_jpeg, {NULL}, false},
    {"cn_dataset_folder_masks", masks_files, open_masks, {NULL}, false},
#endif
};
const int io_case_count = sizeof io_cases / sizeof *io_cases;
