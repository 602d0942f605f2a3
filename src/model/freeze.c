/* SPDX-License-Identifier: MIT */
/* freeze.c: parts of a model that training leaves as they are. */
#include "model/model.h"
#include <string.h>

bool cn__model_matches(const cn_model *model, const cn__node *node, int32_t tensor, const char *pattern) {
    return cn__glob(pattern, node->name) || cn__glob(pattern, model->tensors[node->first_tensor + tensor].name);
}

void cn__model_clear_frozen(cn_model *model) {
    for (size_t i = 0; i < model->tensor_count; i++) {
        cn__model_tensor *entry = &model->tensors[i];
        if (entry->parameter && entry->frozen)
            memset(entry->gradient.data, 0, (size_t)entry->value.count * sizeof(float));
    }
}

/* Whether anything of the layer is matched. */
static bool freeze_node(cn_model *model, cn__node *node, const char *pattern, bool frozen) {
    bool whole = cn__glob(pattern, node->name), any = whole;
    for (int32_t t = 0; t < node->tensor_count; t++) {
        cn__model_tensor *entry = &model->tensors[node->first_tensor + t];
        if (!cn__model_matches(model, node, t, pattern))
            continue;
        any = true;
        if (entry->parameter)
            entry->frozen = frozen;
        else
            whole = true; /* one of the statistics means all, which then are what the layer computes with */
    }
    if (whole)
        node->frozen = frozen;
    return any;
}

void cn__model_frozen_flags(const cn_model *model, unsigned char *flags) {
    for (size_t i = 0; i < model->tensor_count; i++)
        *flags++ = model->tensors[i].frozen;
    for (size_t i = 0; i < model->node_count; i++)
        *flags++ = model->nodes[i].frozen;
}

void cn__model_set_frozen_flags(cn_model *model, const unsigned char *flags) {
    for (size_t i = 0; i < model->tensor_count; i++)
        model->tensors[i].frozen = *flags++ != 0 && model->tensors[i].parameter;
    for (size_t i = 0; i < model->node_count; i++)
        model->nodes[i].frozen = *flags++ != 0;
    cn__model_clear_frozen(model);
    model->freezes++;
}

cn_status cn_model_freeze(cn_model *model, const char *pattern, int frozen) {
    bool any = false;
    CN__TRY(cn__model_ready(model, "cn_model_freeze"));
    CN__REQUIRE(pattern);
    CN__TRY(cn__check_range("cn_model_freeze", "frozen", frozen, 0, 1));
    CN__TAKES(model, "cn_model_freeze");
    for (size_t i = 0; i < model->node_count; i++)
        any |= freeze_node(model, &model->nodes[i], pattern, frozen == 1);
    if (!any)
        return cn__error(CN_ERR_NOT_FOUND, "cn_model_freeze: '%s' matches no layer or tensor of the model", pattern);
    cn__model_clear_frozen(model);
    model->freezes++;
    return CN_OK;
}

int cn_model_frozen(const cn_model *model, const char *name) {
    if (!model || !name)
        return 0;
    for (size_t i = 0; i < model->node_count; i++) {
        const cn__node *node = &model->nodes[i];
        if (strcmp(node->name, name) == 0)
            return node->frozen;
        for (int32_t t = 0; t < node->tensor_count; t++) {
            const cn__model_tensor *entry = &model->tensors[node->first_tensor + t];
            if (strcmp(entry->name, name) == 0)
                return entry->parameter ? entry->frozen : node->frozen;
        }
    }
    return 0;
}
