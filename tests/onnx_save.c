/* SPDX-License-Identifier: MIT */
/* onnx_save.c: writes models as ONNX files, with what they compute, for `make check-onnx-save`.
 *
 *   onnx_save layers FOLDER          every model of saved_models.h
 *   onnx_save network NAME FOLDER    a prebuilt network, as it is and with its preprocessing
 *   onnx_save networks               their names, a line each
 *
 * FOLDER/N.onnx is what line N of standard output says, from 0. FOLDER/N.floats has what goes in and what comes out: for
 * one image and then for three all inputs, then all outputs. Convolutions are plain sums, which are nearest to the
 * runtime's. */
#include "saved_models.h"
#include "testing.h"
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 8 }; /* inputs, and outputs */

typedef struct ends {
    int inputs, outputs;
    cn_tensor *input[MOST], *output[MOST];
} ends;

static cn_tensor *tensor_of(cn_context *ctx, int64_t images, const int64_t sides[3]) {
    const int64_t shape[4] = {images, sides[0], sides[1], sides[2]};
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, shape, &tensor));
    return tensor;
}

static ends ends_of(cn_context *ctx, const cn_model *model, int64_t images) {
    ends e = {(int)cn_model_input_count(model), (int)cn_model_output_count(model), {NULL}, {NULL}};
    int64_t sides[3];
    for (int i = 0; i < e.inputs; i++) {
        cn_model_input_shape_at(model, i, sides);
        e.input[i] = tensor_of(ctx, images, sides);
        saved_model_fill(e.input[i], i);
    }
    for (int i = 0; i < e.outputs; i++) {
        cn_model_output_shape_at(model, i, sides);
        e.output[i] = tensor_of(ctx, images, sides);
    }
    return e;
}

static void put(FILE *to, const cn_tensor *tensor) {
    size_t count = (size_t)cn_tensor_count(tensor);
    if (fwrite(cn_tensor_data_const(tensor), sizeof(float), count, to) != count)
        abort();
}

static void put_ends(FILE *to, const ends *e) {
    for (int i = 0; i < e->inputs; i++)
        put(to, e->input[i]);
    for (int i = 0; i < e->outputs; i++)
        put(to, e->output[i]);
}

static void free_ends(ends *e) {
    for (int i = 0; i < MOST; i++) {
        cn_tensor_free(e->input[i]);
        cn_tensor_free(e->output[i]);
    }
}

/* The same whole numbers as floats, which the file takes, and as pixels, which the library does. */
static void run_on_pixels(cn_context *ctx, cn_model *model, ends *e) {
    cn_tensor *pixels;
    cn_predictor *predictor;
    int64_t shape[4];
    for (int i = 0; i < 4; i++)
        shape[i] = cn_tensor_shape(e->input[0], i);
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, shape, &pixels));
    for (int64_t i = 0; i < cn_tensor_count(pixels); i++) {
        float *value = (float *)cn_tensor_data(e->input[0]) + i;
        uint8_t pixel = (uint8_t)((*value + 2.0f) * 63.0f);
        ((uint8_t *)cn_tensor_data(pixels))[i] = pixel;
        *value = (float)pixel;
    }
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_ok(cn_predictor_run(predictor, pixels, e->output[0]));
    cn_predictor_free(predictor);
    cn_tensor_free(pixels);
}

/* The model as file `number`. */
static void save(cn_context *ctx, cn_model *model, const char *folder, int number, int preprocessing) {
    cn_onnx_options options = CN_ONNX_OPTIONS_INIT;
    char path[4096];
    options.include_preprocessing = preprocessing;
    snprintf(path, sizeof path, "%s/%d.onnx", folder, number);
    ck_ok(cn_model_save_onnx(model, path, &options));
    snprintf(path, sizeof path, "%s/%d.floats", folder, number);
    FILE *floats = fopen(path, "wb");
    ck_assert_ptr_nonnull(floats);
    for (int images = 1; images <= 3; images += 2) {
        ends e = ends_of(ctx, model, images);
        if (preprocessing)
            run_on_pixels(ctx, model, &e);
        else
            ck_ok(cn_model_forward_all(model, 0, e.inputs, (const cn_tensor *const *)e.input, e.outputs, e.output));
        put_ends(floats, &e);
        free_ends(&e);
    }
    if (fclose(floats) != 0)
        abort();
}

static void save_layers(cn_context *ctx, const char *folder) {
    for (int i = 0; i < saved_model_count(); i++) {
        cn_model *model = saved_model_new(ctx, i);
        save(ctx, model, folder, i, 0);
        printf("%s\n", saved_model_name(i));
        cn_model_free(model);
    }
}

/* ---- prebuilt networks ---- */

enum { FIRST_MNIST = 2, LAST_MNIST = 5 };

static const struct {
    const char *name;
    cn_norm_kind norm;
} session8[] = {{"session8", CN_NORM_BATCH},
                {"session8_layer", CN_NORM_LAYER},
                {"session8_group", CN_NORM_GROUP},
                {"session8_instance", CN_NORM_INSTANCE},
                {"session8_none", CN_NORM_NONE}};

static cn_model *network_new(cn_context *ctx, const char *name) {
    cn_model *model = NULL;
    for (size_t i = 0; i < sizeof session8 / sizeof *session8; i++)
        if (strcmp(name, session8[i].name) == 0) {
            cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
            options.norm = session8[i].norm;
            ck_ok(cn_model_session8(ctx, &options, &model));
        }
    if (strcmp(name, "session8_pretrained") == 0)
        ck_ok(cn_model_session8_pretrained(ctx, &model));
    else if (strncmp(name, "mnist", 5) == 0)
        ck_ok(cn_model_mnist(ctx, name[5] - '0', 1, &model));
    else if (!model)
        ck_ok(cn_model_zoo(ctx, name, NULL, &model));
    return model;
}

static void list_networks(void) {
    for (size_t i = 0; i < sizeof session8 / sizeof *session8; i++)
        printf("%s\n", session8[i].name);
    printf("session8_pretrained\n");
    for (int i = FIRST_MNIST; i <= LAST_MNIST; i++)
        printf("mnist%d\n", i);
    for (int i = 0; cn_zoo_name(i); i++)
        printf("%s\n", cn_zoo_name(i));
}

/* Running statistics that are those of images. */
static void measure(cn_context *ctx, cn_model *model) {
    ends e = ends_of(ctx, model, 4);
    for (int i = 0; i < 3; i++)
        ck_ok(cn_model_forward(model, 1, e.input[0], e.output[0]));
    free_ends(&e);
}

static void save_network(cn_context *ctx, const char *name, const char *folder) {
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};
    cn_model *model = network_new(ctx, name);
    int64_t sides[3];
    measure(ctx, model);
    save(ctx, model, folder, 0, 0);
    cn_model_input_shape(model, sides);
    ck_ok(cn_model_set_normalization(model, (int)sides[0], mean, std));
    save(ctx, model, folder, 1, 1);
    printf("%s\n%s, from pixels\n", name, name);
    cn_model_free(model);
}

int main(int argc, char **argv) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    options.conv_algorithm = CN_CONV_DIRECT;
    if (cn_context_new(&options, &ctx) != CN_OK)
        return 2;
    if (argc == 3 && strcmp(argv[1], "layers") == 0)
        save_layers(ctx, argv[2]);
    else if (argc == 4 && strcmp(argv[1], "network") == 0)
        save_network(ctx, argv[2], argv[3]);
    else if (argc == 2 && strcmp(argv[1], "networks") == 0)
        list_networks();
    else
        return 2;
    cn_context_free(ctx);
    return 0;
}
