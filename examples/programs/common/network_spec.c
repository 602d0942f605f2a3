/* SPDX-License-Identifier: MIT */
/* network_spec.c: networks by name: the prebuilt ones with their options, the trained one, those of the literature, or a
 * model file. */
#include "common.h"
#include <string.h>
#include <unistd.h>

const char *const network_norms[] = {"none", "batch", "layer", "group", "instance", NULL}; /* in cn_norm_kind's order */
const char *const network_inits[] = {"own", "pytorch", NULL};

/* 2 to 5 for mnist2 … mnist5, else 0. */
static int mnist_number(const char *name) {
    bool mnist = strncmp(name, "mnist", 5) == 0 && name[5] >= '2' && name[5] <= '5' && name[6] == '\0';
    return mnist ? name[5] - '0' : 0;
}

bool network_is_of_literature(const char *name) {
    for (int i = 0; cn_zoo_name(i); i++)
        if (strcmp(cn_zoo_name(i), name) == 0)
            return true;
    return false;
}

static const char *const own_names[] = {"session8", "mnist2", "mnist3", "mnist4", "mnist5", "pretrained"};

bool network_is_named(const char *name) {
    for (size_t i = 0; i < COUNT(own_names); i++)
        if (strcmp(own_names[i], name) == 0)
            return true;
    return network_is_of_literature(name);
}

/* The name is none, and no file's. */
static _Noreturn void complain_unknown(const char *name) {
    char text[SUGGESTION_TEXT];
    suggestion s = suggestion_begin(name);
    for (size_t i = 0; i < COUNT(own_names); i++)
        suggestion_offer(&s, own_names[i]);
    for (int i = 0; cn_zoo_name(i); i++)
        suggestion_offer(&s, cn_zoo_name(i));
    complain_usage("network '%s': want %s%s", name, NETWORK_HELP, suggestion_text(&s, "", text));
}

static bool is_session8(const network_spec *spec) {
    return strcmp(spec->name, "session8") == 0;
}

static void read_size(network_spec *spec) {
    int height, width, end = 0;
    if (sscanf(spec->size, "%5dx%5d%n", &height, &width, &end) != 2 || spec->size[end] || height < 1 || width < 1)
        complain_usage("--size '%s': want height and width, such as 64x64", spec->size);
    spec->images[1] = height;
    spec->images[2] = width;
}

void network_check(network_spec *spec, const program_spec *program) {
    static const char *const options[] = {"norm", "groups", "dropout", "no-skip"};
    bool literature = network_is_of_literature(spec->name);
    if (!network_is_named(spec->name) && !strpbrk(spec->name, "./") && access(spec->name, F_OK) != 0)
        complain_unknown(spec->name);
    for (size_t i = 0; i < COUNT(options); i++)
        arguments_need(program, options[i], is_session8(spec), "session8");
    arguments_need(program, "classes", is_session8(spec) || literature, "session8 or a network of the literature");
    arguments_need(program, "size", literature, "a network of the literature");
    if (literature && !arguments_given(program, "classes"))
        spec->classes = CN_ZOO_DEFAULT;
    if (spec->size)
        read_size(spec);
    arguments_need(program, "groups", spec->norm == CN_NORM_GROUP, "--norm group");
    if (16 % spec->groups || 24 % spec->groups || 32 % spec->groups)
        complain_usage("--groups '%d': want a divisor of 16, 24 and 32: 1, 2, 4 or 8", (int)spec->groups);
}

static cn_status make_session8(cn_context *context, const network_spec *spec, cn_model **model) {
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    options.norm = (cn_norm_kind)spec->norm;
    options.groups = (int)spec->groups;
    options.dropout = (float)spec->dropout;
    options.skip = spec->skip;
    options.classes = (int)spec->classes;
    options.seed = (uint64_t)spec->seed;
    return cn_model_session8(context, &options, model);
}

static cn_status make_of_literature(cn_context *context, const network_spec *spec, cn_model **model) {
    cn_zoo_options options = CN_ZOO_OPTIONS_INIT;
    options.channels = (int)spec->images[0];
    options.height = (int)spec->images[1];
    options.width = (int)spec->images[2];
    options.classes = spec->classes;
    options.seed = (uint64_t)spec->seed;
    return cn_model_zoo(context, spec->name, &options, model);
}

cn_status network_init(const network_spec *spec, cn_model *model) {
    uint64_t seed = (uint64_t)spec->seed;
    return spec->init == NETWORK_INIT_PYTORCH ? cn_model_init_pytorch(model, seed) : cn_model_init(model, seed);
}

cn_status network_open(cn_context *context, const network_spec *spec, cn_model **model) {
    cn_status status;
    bool trained = false;
    if (is_session8(spec))
        status = make_session8(context, spec, model);
    else if (mnist_number(spec->name))
        status = cn_model_mnist(context, mnist_number(spec->name), (uint64_t)spec->seed, model);
    else if (network_is_of_literature(spec->name))
        status = make_of_literature(context, spec, model);
    else {
        status = model_load(context, spec->name, model);
        trained = true;
    }
    if (status == CN_OK && !trained && spec->init != NETWORK_INIT_OWN)
        status = network_init(spec, *model);
    if (status != CN_OK)
        complain_file("make network", spec->name, library_error());
    return status;
}

cn_status network_input(cn_context *context, const network_spec *spec, int64_t shape[3]) {
    cn_model *model = NULL;
    cn_status status = network_open(context, spec, &model);
    if (status == CN_OK)
        cn_model_input_shape(model, shape);
    cn_model_free(model);
    return status;
}

bool model_is_pretrained(const char *name) {
    return strcmp(name, "pretrained") == 0;
}

void complain_model(const char *name) {
    char text[SUGGESTION_TEXT];
    suggestion s = suggestion_begin(name);
    suggestion_offer(&s, "pretrained");
    if (network_is_named(name) && !model_is_pretrained(name))
        complain(
            "'%s' is a network that is yet to be trained: want a model file, as 'convnet-train --model %s --out FILE' "
            "leaves it, or pretrained",
            name, name);
    else if (s.best && !model_is_pretrained(name))
        complain("%s%s", library_error(), suggestion_text(&s, "", text));
    else
        complain_file("load", name, library_error());
}

cn_status model_load(cn_context *context, const char *name, cn_model **model) {
    return model_is_pretrained(name) ? cn_model_session8_pretrained(context, model)
                                     : cn_model_load(context, name, model);
}
