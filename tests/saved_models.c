/* SPDX-License-Identifier: MIT */
/* saved_models.c: models of every layer and option. */
#include "saved_models.h"
#include "every_layer.h"
#include "expectation.h"
#include "random_network.h"
#include "testing.h"
#include <stdlib.h>

/* ---- networks of the golden file ---- */

static golden *file;
static int *chosen; /* those of its cases that have another network than those before */
static int chosen_count;

static const char *layers_of(int index) {
    return strchr(golden_text(file, index), '|');
}

static bool is_new(int index) {
    for (int i = 0; i < chosen_count; i++)
        if (strcmp(layers_of(chosen[i]), layers_of(index)) == 0)
            return false;
    return true;
}

static void drop_cases(void) {
    golden_free(file);
    free(chosen);
}

static void choose_cases(void) {
    if (file)
        return;
    file = golden_read("tests/golden/layers.txt");
    chosen = calloc((size_t)golden_count(file), sizeof *chosen);
    if (!chosen)
        abort();
    for (int i = 0; i < golden_count(file); i++)
        if (is_new(i))
            chosen[chosen_count++] = i;
    atexit(drop_cases);
}

/* ---- models beyond their grammar ---- */

#define ADD(name, inputs, ...)                                                                                         \
    do {                                                                                                               \
        static const char *const inputs_[] = {__VA_ARGS__};                                                            \
        cn_layer *layer_;                                                                                              \
        ck_ok(inputs);                                                                                                 \
        ck_ok(cn_model_add(model, name, layer_, (int)(sizeof inputs_ / sizeof *inputs_), inputs_));                    \
    } while (0)

/* Two inputs, of other sizes; outputs that others read, an image and flat. */
static cn_model *two_ends(cn_context *ctx) {
    cn_model *model;
    ck_ok(cn_model_new(ctx, 3, 6, 5, &model));
    ck_ok(cn_model_add_input(model, "factors", 4, 1, 1));
    ck_ok(cn_model_add_input(model, "other", 3, 6, 5));
    ADD("sum", cn_add_new(ctx, &layer_), "other", "input");
    ADD("conv", cn_conv2d_new(ctx, 3, 4, 3, 3, NULL, &layer_), "sum");
    ADD("scaled", cn_mul_new(ctx, &layer_), "conv", "factors");
    ADD("pool", cn_adaptive_avg_pool2d_new(ctx, 1, 1, &layer_), "scaled");
    ADD("fc", cn_linear_new(ctx, 4, 3, 1, &layer_), "pool");
    ADD("both", cn_concat_new(ctx, &layer_), "fc", "pool");
    ck_ok(cn_model_set_outputs(model, 3, (const char *[]){"both", "scaled", "fc"}));
    return model;
}

/* Features that become images again, and meet some. */
static cn_model *flat_and_not(cn_context *ctx) {
    cn_model *model;
    ck_ok(cn_model_new(ctx, 2, 3, 4, &model));
    ADD("flat", cn_flatten_new(ctx, &layer_), "input");
    ADD("again", cn_flatten_new(ctx, &layer_), "flat");
    ADD("fc", cn_linear_new(ctx, 24, 6, 0, &layer_), "again");
    ADD("norm", cn_norm_new(ctx, CN_NORM_BATCH, 6, NULL, &layer_), "fc");
    ADD("prelu", cn_prelu_new(ctx, 6, &layer_), "norm");
    ADD("group", cn_norm_new(ctx, CN_NORM_LAYER, 6, NULL, &layer_), "prelu");
    ADD("layer", cn_layer_norm2d_new(ctx, 6, NULL, &layer_), "prelu");
    ADD("conv", cn_conv2d_new(ctx, 6, 6, 1, 1, NULL, &layer_), "layer");
    ADD("narrow", cn_narrow_new(ctx, 1, 2, &layer_), "prelu");
    ADD("sum", cn_add_new(ctx, &layer_), "prelu", "conv", "group");
    ADD("all", cn_concat_new(ctx, &layer_), "sum", "narrow", "fc");
    ADD("shuffle", cn_channel_shuffle_new(ctx, 7, &layer_), "all");
    ADD("softmax", cn_softmax_new(ctx, &layer_), "narrow");
    ADD("log", cn_log_softmax_new(ctx, &layer_), "shuffle");
    ck_ok(cn_model_set_outputs(model, 2, (const char *[]){"log", "softmax"}));
    return model;
}

/* Layers that are called as a tensor is, as a piece of another layer, and by words that need quotes. */
static cn_model *named(cn_context *ctx) {
    cn_model *model;
    ck_ok(cn_model_new(ctx, 4, 4, 4, &model));
    ADD("conv", cn_conv2d_new(ctx, 4, 4, 1, 1, NULL, &layer_), "input");
    ADD("conv.weight", cn_relu_new(ctx, &layer_), "conv");
    ADD("conv.weight.weight", cn_gelu_new(ctx, CN_GELU_EXACT, &layer_), "conv.weight");
    ADD("silu", cn_silu_new(ctx, &layer_), "conv.weight.weight");
    ADD("silu/Sigmoid_1", cn_silu_new(ctx, &layer_), "silu");
    ADD("/a/b/", cn_norm_new(ctx, CN_NORM_GROUP, 4, NULL, &layer_), "silu/Sigmoid_1");
    ADD("\"quoted\" \\ 'n\xc3\xa4me'", cn_prelu_new(ctx, 1, &layer_), "/a/b/");
    ADD("a name of two hundred bytes, which is the longest that there is ............................................."
        "...................................................................................... 200",
        cn_mish_new(ctx, &layer_), "\"quoted\" \\ 'n\xc3\xa4me'");
    return model;
}

static const struct {
    const char *name;
    cn_model *(*make)(cn_context *ctx);
} further[] = {{"three inputs, three outputs", two_ends},
               {"flat features and images", flat_and_not},
               {"names", named},
               {"every layer of version 1", every_layer_model}};

/* ---- random graphs ---- */

enum { RANDOM = 60 };

/* Norms of few values magnify what is rounded. */
static bool is_steady(const network *net) {
    return !strstr(net->text, "running=0") && !strstr(net->text, "instance_norm") && !strstr(net->text, "group_norm");
}

static network random_of(int index) {
    dice d = {.state = (uint64_t)index, .seed_is_late = true};
    network net;
    do
        random_graph(&d, 1e6, &net);
    while (!is_steady(&net));
    return net;
}

/* ---- all ---- */

enum { FURTHER = (int)(sizeof further / sizeof *further) };

int saved_model_count(void) {
    choose_cases();
    return chosen_count + FURTHER + RANDOM;
}

const char *saved_model_name(int index) {
    static network drawn;
    choose_cases();
    if (index < chosen_count)
        return golden_text(file, chosen[index]);
    if (index < chosen_count + FURTHER)
        return further[index - chosen_count].name;
    drawn = random_of(index - chosen_count - FURTHER);
    return drawn.text;
}

static void fill_tensors(cn_model *model) {
    for (int i = 0; i < cn_model_tensor_count(model); i++) {
        const char *name = cn_model_tensor_name(model, i), *word = strrchr(name, '.');
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, name, &tensor));
        for (int64_t k = 0; k < cn_tensor_count(tensor) && cn_tensor_dtype(tensor) == CN_DTYPE_FLOAT32; k++) {
            double value = net_value((unsigned)i + 16, (size_t)k);
            ((float *)cn_tensor_data(tensor))[k] = (float)(strcmp(word, ".running_var") == 0 ? 1 + value / 2 : value);
        }
    }
}

cn_model *saved_model_new(cn_context *ctx, int index) {
    cn_model *model;
    choose_cases();
    if (index >= chosen_count && index < chosen_count + FURTHER) {
        model = further[index - chosen_count].make(ctx);
        ck_ok(cn_model_init(model, 1));
    } else {
        network net = index < chosen_count ? network_of(golden_text(file, chosen[index]))
                                           : random_of(index - chosen_count - FURTHER);
        model = net_make_model(ctx, &net, 1);
    }
    fill_tensors(model);
    return model;
}

void saved_model_fill(cn_tensor *tensor, int input) {
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++)
        ((float *)cn_tensor_data(tensor))[i] = (float)(2.0 * net_value((unsigned)input, (size_t)i));
}
