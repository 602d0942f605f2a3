/* SPDX-License-Identifier: MIT */
/* data.c: draws what the guide's commands read: small files of every kind, in the current folder.
 *
 *     draw [PICTURES [SIDE]]
 *
 * For test_guide.sh as few and small pictures as will do, for installed.sh as many as somebody may have, and photographs of
 * that side. */
#include <convnet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PICTURES = 60, CLASSES = 3, SIDE = 32, VALUES = 3 * SIDE * SIDE, SAMPLES = 128 };
static const char *const names[CLASSES] = {"disc", "ring", "square"};
static cn_context *ctx;

static void check(int failed) {
    if (failed) {
        fprintf(stderr, "data: %s\n", cn_last_error());
        exit(1);
    }
}

static cn_tensor *tensor(cn_dtype dtype, int dims, const int64_t *shape) {
    cn_tensor *made;
    check(cn_tensor_new(ctx, dtype, dims, shape, &made));
    return made;
}

static void folder(const char *path) {
    mkdir(path, 0777);
}

static void save_photo(const cn_tensor *image, int side, const char *path) {
    cn_tensor *larger;
    check(cn_image_fit(image, 3, side, side, &larger) || cn_image_save(larger, path));
    cn_tensor_free(larger);
}

/* Photographs in folders of their classes, and one by itself. */
static void photos(int count, int side) {
    cn_tensor *image = tensor(CN_DTYPE_UINT8, 4, (int64_t[]){1, 3, SIDE, SIDE});
    cn_dataset *drawn;
    char path[100];
    check(cn_dataset_synthetic(ctx, CN_SPLIT_TRAIN, (count / CLASSES + 1) * 10, 1, &drawn));
    folder("photos");
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "photos/%s", names[i % CLASSES]);
        folder(path);
        snprintf(path, sizeof path, "photos/%s/%02d.png", names[i % CLASSES], i);
        check(cn_dataset_image(drawn, i / CLASSES * 10 + i % CLASSES, image, NULL));
        save_photo(image, side, path);
    }
    save_photo(image, side, "photo.png");
    cn_dataset_free(drawn);
    cn_tensor_free(image);
}

/* Bright squares on a dark ground, and their pixels' classes. */
static void streets(int count) {
    cn_tensor *image = tensor(CN_DTYPE_UINT8, 4, (int64_t[]){1, 1, SIDE, SIDE});
    cn_tensor *mask = tensor(CN_DTYPE_UINT8, 4, (int64_t[]){1, 1, SIDE, SIDE});
    uint8_t *pixels = cn_tensor_data(image), *classes = cn_tensor_data(mask);
    char path[100];
    folder("streets");
    folder("streets/images");
    folder("streets/masks");
    for (int n = 0; n < count; n++) {
        for (int i = 0; i < SIDE * SIDE; i++) {
            classes[i] = abs(i % SIDE - n % 20 - 6) < 5 && abs(i / SIDE - 12 - n % 9) < 5;
            pixels[i] = (uint8_t)(classes[i] ? 200 : 20 + i % 7);
        }
        snprintf(path, sizeof path, "streets/images/%02d.png", n);
        check(cn_image_save(image, path));
        snprintf(path, sizeof path, "streets/masks/%02d.png", n);
        check(cn_image_save(mask, path));
    }
    cn_tensor_free(image);
    cn_tensor_free(mask);
}

static void save_pair(const char *path, cn_tensor *images, cn_tensor *labels) {
    cn_tensors *both;
    check(cn_tensors_new(ctx, &both) || cn_tensors_add(both, "images", images) ||
          cn_tensors_add(both, "labels", labels) || cn_tensors_save(both, path, NULL));
    cn_tensors_free(both);
    cn_tensor_free(images);
    cn_tensor_free(labels);
}

/* How wide and how bright a spot is, from -1 to 1, and of which kind a wave is. */
static void arrays(int count) {
    cn_tensor *spots = tensor(CN_DTYPE_FLOAT32, 4, (int64_t[]){count, 1, SIDE, SIDE});
    cn_tensor *sizes = tensor(CN_DTYPE_FLOAT32, 2, (int64_t[]){count, 2});
    cn_tensor *waves = tensor(CN_DTYPE_FLOAT32, 4, (int64_t[]){count, 1, 1, SAMPLES});
    cn_tensor *kinds = tensor(CN_DTYPE_INT64, 1, (int64_t[]){count});
    float *spot = cn_tensor_data(spots), *size = cn_tensor_data(sizes), *wave = cn_tensor_data(waves);
    for (int n = 0; n < count; n++) {
        int x = n * 7 % SIDE, y = n * 11 % SIDE;
        size[2 * n] = (float)(n % 9) / 4 - 1;
        size[2 * n + 1] = (float)(n % 7) / 3 - 1;
        for (int i = 0; i < SIDE * SIDE; i++)
            spot[n * SIDE * SIDE + i] =
                (0.6f + 0.4f * size[2 * n + 1]) *
                expf(-hypotf((float)(i % SIDE - x), (float)(i / SIDE - y)) / (3 + 2 * size[2 * n]));
        for (int i = 0; i < SAMPLES; i++) {
            float value = sinf((float)(i * (1 + n % 5)) * 0.1f);
            wave[n * SAMPLES + i] = n % 2 ? copysignf(1.0f, value) : value;
        }
        ((int64_t *)cn_tensor_data(kinds))[n] = n % 2;
    }
    save_pair("sizes.npz", spots, sizes);
    save_pair("waves.npz", waves, kinds);
}

static void bytes(FILE *file, const void *data, size_t size) {
    check(fwrite(data, 1, size, file) != size);
}

static void idx(const char *path, int dims, const unsigned char *extents, const unsigned char *data, size_t size) {
    FILE *file = fopen(path, "wb");
    check(!file);
    bytes(file, (unsigned char[]){0, 0, 8, (unsigned char)dims}, 4);
    for (int i = 0; i < dims; i++)
        bytes(file, (unsigned char[]){0, 0, 0, extents[i]}, 4);
    bytes(file, data, size);
    fclose(file);
}

/* CIFAR-10's six files, and MNIST's four, of few images. */
static void known_sets(const cn_dataset *drawn) {
    cn_tensor *image = tensor(CN_DTYPE_UINT8, 4, (int64_t[]){1, 3, SIDE, SIDE});
    static unsigned char digits[PICTURES * 28 * 28], labels[PICTURES];
    char path[100];
    folder("cifar-10-batches-bin");
    for (int part = 0; part < 6; part++) {
        snprintf(path, sizeof path,
                 part < 5 ? "cifar-10-batches-bin/data_batch_%d.bin" : "cifar-10-batches-bin/test_batch.bin", part + 1);
        FILE *file = fopen(path, "wb");
        check(!file);
        for (int i = 0; i < 10; i++) {
            int64_t label;
            check(cn_dataset_image(drawn, part * 10 + i, image, &label));
            bytes(file, &(unsigned char){(unsigned char)label}, 1);
            bytes(file, cn_tensor_data(image), VALUES);
        }
        fclose(file);
    }
    cn_tensor_free(image);
    for (int i = 0; i < PICTURES; i++) {
        labels[i] = (unsigned char)(i % 10);
        memset(digits + i * 28 * 28 + i % 10 * 28, 255, 56);
    }
    folder("mnist");
    idx("mnist/train-images-idx3-ubyte", 3, (unsigned char[]){PICTURES, 28, 28}, digits, sizeof digits);
    idx("mnist/train-labels-idx1-ubyte", 1, (unsigned char[]){PICTURES}, labels, sizeof labels);
    idx("mnist/t10k-images-idx3-ubyte", 3, (unsigned char[]){10, 28, 28}, digits, 10 * 28 * 28);
    idx("mnist/t10k-labels-idx1-ubyte", 1, (unsigned char[]){10}, labels, 10);
}

/* A network of somebody else's, as ONNX and as a state dict. */
static void networks(void) {
    cn_model *model;
    cn_tensors *state;
    check(cn_model_session8(ctx, NULL, &model) || cn_model_save_onnx(model, "net.onnx", NULL));
    cn_model_free(model);
    check(cn_model_zoo(ctx, "resnet18", NULL, &model) || cn_model_state_dict(model, &state) ||
          cn_tensors_save(state, "resnet18.pt.safetensors", NULL));
    cn_tensors_free(state);
    cn_model_free(model);
}

int main(int argc, char **argv) {
    cn_dataset *drawn;
    check(cn_context_new(NULL, &ctx) || cn_dataset_synthetic(ctx, CN_SPLIT_TRAIN, 10 * PICTURES, 1, &drawn));
    int count = argc > 1 ? atoi(argv[1]) : PICTURES;
    photos(count, argc > 2 ? atoi(argv[2]) : SIDE);
    streets(count / 3);
    arrays(count);
    known_sets(drawn);
    networks();
    cn_dataset_free(drawn);
    cn_context_free(ctx);
    return 0;
}
