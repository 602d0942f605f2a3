/* SPDX-License-Identifier: MIT */
/* transfer.c: trained networks go on with other data: their classes are matched by name, or their output layer is
 * replaced; parts are frozen, and the output layer may learn at a rate of its own. */
#include "common.h"
#include <string.h>

/* ---- classes ---- */

/* Labels of all parts as the model has them. */
static bool match_labels(const cn_model *model, cn_dataset **const *parts) {
    for (; *parts; parts++) {
        cn_dataset *matched;
        if (!**parts)
            continue;
        if (cn_dataset_match_classes(**parts, model, &matched) != CN_OK) {
            complain_library("cannot match the classes");
            return false;
        }
        cn_dataset_free(**parts);
        **parts = matched;
    }
    print_fitting("The data's classes are the model's in another order, and are matched by name");
    return true;
}

static bool replace_output(transfer *t, cn_model *model, const network_spec *spec, const cn_dataset *train,
                           const char *data) {
    char text[3 * CLASS_LIST_TEXT], ours[CLASS_LIST_TEXT], theirs[CLASS_LIST_TEXT];
    int64_t classes = cn_dataset_classes(train), output[3];
    cn_model_output_shape(model, output);
    model_class_list(model, ours);
    if (cn_model_replace_output(model, (int)classes) != CN_OK || network_init(spec, model) != CN_OK) {
        complain_library("cannot give the model other classes");
        return false;
    }
    t->new_output = true;
    snprintf(text, sizeof text,
             "The output layer, %.60s, is new: it tells the %d classes of '%.100s' apart (%s), where the "
             "model told %d (%s)",
             cn_model_output_layer(model), (int)classes, data, data_class_list(train, theirs), (int)output[0], ours);
    print_fitting(text);
    return true;
}

bool transfer_classes(transfer *t, cn_model *model, const network_spec *spec, cn_dataset **const *parts,
                      const char *data) {
    const cn_dataset *train = **parts;
    if (!network_reads(model, spec->name, train, data))
        return false;
    switch (network_classes(model, train, data)) {
    case CLASSES_OTHER:
        return replace_output(t, model, spec, train, data);
    case CLASSES_REORDERED:
        return match_labels(model, parts);
    case CLASSES_SAME:
        break;
    }
    return true;
}

bool transfer_values(transfer *t, cn_model *model, const network_spec *spec, const task *asked, const cn_dataset *train,
                     const char *data) {
    char text[512];
    int64_t output[3];
    if (!network_reads(model, spec->name, train, data))
        return false;
    cn_model_output_shape(model, output);
    if (output[0] == asked->outputs)
        return true;
    if (cn_model_replace_output(model, (int)asked->outputs) != CN_OK || network_init(spec, model) != CN_OK) {
        complain_library("cannot give the model other outputs");
        return false;
    }
    t->new_output = true;
    snprintf(text, sizeof text,
             "The output layer, %.60s, is new: it gives the %d values of '%.100s', where the model gave %d",
             cn_model_output_layer(model), (int)asked->outputs, data, (int)output[0]);
    print_fitting(text);
    return true;
}

/* ---- what is frozen ---- */

static bool freeze(cn_model *model, const char *pattern) {
    if (cn_model_freeze(model, pattern, 1) == CN_OK)
        return true;
    complain_library("cannot freeze so");
    return false;
}

/* Each of a list with commas between. */
static bool freeze_all(cn_model *model, const char *patterns) {
    char pattern[256];
    for (const char *at = patterns; *at;) {
        size_t length = strcspn(at, ",");
        snprintf(pattern, sizeof pattern, "%.*s", (int)length, at);
        if (length == 0) {
            complain("--freeze '%s': a name in it is empty; want names of layers or tensors, with commas between",
                     patterns);
            return false;
        }
        if (!freeze(model, pattern))
            return false;
        at += length + (at[length] == ',');
    }
    return true;
}

static int64_t trained_parameters(cn_model *model) {
    int64_t count = 0;
    for (int64_t i = 0; i < cn_model_tensor_count(model); i++) {
        cn_tensor *gradient;
        if (cn_model_gradient(model, cn_model_tensor_name(model, i), &gradient) == CN_OK)
            count += cn_tensor_count(gradient);
    }
    return count;
}

/* A new output layer that did not learn would be of no use. */
bool transfer_freeze(transfer *t, cn_model *model) {
    char text[128], trained[GROUPED_TEXT], all[GROUPED_TEXT];
    const char *output = cn_model_output_layer(model);
    if (!t->freeze)
        return true;
    if (!freeze_all(model, t->freeze))
        return false;
    if (t->new_output)
        cn_model_freeze(model, output, 0);
    if (trained_parameters(model) == 0) {
        complain("--freeze '%s' leaves nothing to train: name less, such as all but the output layer, %s", t->freeze,
                 output ? output : "of which there is none");
        return false;
    }
    snprintf(text, sizeof text, "%s of %s parameters are trained, the others frozen",
             grouped(trained_parameters(model), trained), grouped(cn_model_parameter_count(model), all));
    print_fitting(text);
    return true;
}

/* ---- the output layer's rate ---- */

bool transfer_rates(transfer *t, const cn_model *model, cn_optimizer_options *options) {
    const cn_parameter_group usual = CN_PARAMETER_GROUP_INIT;
    if (t->head_rate == 1.0)
        return true;
    t->head = usual;
    t->head.pattern = cn_model_output_layer(model);
    t->head.learning_rate_scale = (float)t->head_rate;
    t->groups[0] = &t->head;
    options->groups = t->groups;
    options->group_count = 1;
    if (!t->head.pattern)
        complain("--head-rate goes with a model that has an output layer");
    return t->head.pattern != NULL;
}
