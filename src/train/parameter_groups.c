/* SPDX-License-Identifier: MIT */
/* parameter_groups.c: by which rule an optimizer updates each parameter: its groups, and what is exempt from weight
 * decay. */
#include "train/train.h"
#include <math.h>

/* What groups are applied to. */
typedef struct applied {
    const cn_model *model;
    const cn_optimizer_options *options;
    cn__update_rule *rules; /* of each tensor */
    int64_t *member;        /* the group of each tensor, from 1 */
} applied;

static bool not_negative(float x) {
    return x >= 0.0f && isfinite(x);
}

bool cn__is_weight(const cn__model_tensor *entry) {
    return entry->parameter && entry->value.dims > 1;
}

static cn_status read_group(const cn_optimizer_options *options, int64_t i, cn_parameter_group *group) {
    *group = (cn_parameter_group)CN_PARAMETER_GROUP_INIT;
    if (!options->groups[i])
        return cn__error(CN_ERR_ARGUMENT, "cn_optimizer_options: groups[%lld] is NULL", (long long)i);
    CN__TRY(CN__READ_OPTIONS(group, cn_parameter_group, options->groups[i]));
    CN__TRY(cn__check_reserved("cn_parameter_group", !group->reserved_pointer));
    if (!group->pattern)
        return cn__error(CN_ERR_ARGUMENT, "cn_parameter_group: pattern is NULL");
    if (!not_negative(group->learning_rate_scale))
        return cn__error(CN_ERR_ARGUMENT, "cn_parameter_group '%s': learning_rate_scale is %g, wanted 0 or more",
                         group->pattern, (double)group->learning_rate_scale);
    if (!not_negative(group->weight_decay) && group->weight_decay != CN_WEIGHT_DECAY_DEFAULT)
        return cn__error(CN_ERR_ARGUMENT,
                         "cn_parameter_group '%s': weight_decay is %g, wanted 0 or more, or CN_WEIGHT_DECAY_DEFAULT",
                         group->pattern, (double)group->weight_decay);
    return CN_OK;
}

/* Puts a parameter into group `i`. */
static cn_status join(applied *a, size_t tensor, int64_t i, const cn_parameter_group *group) {
    const cn__model_tensor *entry = &a->model->tensors[tensor];
    if (a->member[tensor])
        return cn__error(CN_ERR_ARGUMENT, "cn_optimizer_options: groups '%s' and '%s' both match '%s'",
                         a->options->groups[a->member[tensor] - 1]->pattern, group->pattern, entry->name);
    a->member[tensor] = i + 1;
    a->rules[tensor].scale = group->learning_rate_scale;
    if (group->weight_decay != CN_WEIGHT_DECAY_DEFAULT && (cn__is_weight(entry) || !a->options->decay_weights_only))
        a->rules[tensor].weight_decay = group->weight_decay;
    return CN_OK;
}

static cn_status apply_group(applied *a, int64_t i) {
    const cn_model *model = a->model;
    cn_parameter_group group;
    bool any = false;
    CN__TRY(read_group(a->options, i, &group));
    for (size_t n = 0; n < model->node_count; n++)
        for (int32_t t = 0; t < model->nodes[n].tensor_count; t++) {
            size_t tensor = (size_t)(model->nodes[n].first_tensor + t);
            if (!model->tensors[tensor].parameter || !cn__model_matches(model, &model->nodes[n], t, group.pattern))
                continue;
            any = true;
            CN__TRY(join(a, tensor, i, &group));
        }
    return any ? CN_OK
               : cn__error(CN_ERR_NOT_FOUND, "cn_optimizer_options: group '%s' matches no parameter of the model",
                           group.pattern);
}

static cn_status apply_groups(const cn_model *model, const cn_optimizer_options *options, cn__update_rule *rules) {
    applied a = {model, options, rules, cn__alloc(model->ctx, model->tensor_count, sizeof *a.member)};
    cn_status status = a.member ? CN_OK : cn__no_memory("an optimizer");
    for (int64_t i = 0; i < options->group_count && status == CN_OK; i++)
        status = apply_group(&a, i);
    cn__free(model->ctx, a.member);
    return status;
}

cn_status cn__update_rules(const cn_model *model, const cn_optimizer_options *options, cn__update_rule **rules) {
    *rules = cn__alloc(model->ctx, model->tensor_count + 1, sizeof **rules);
    if (!*rules)
        return cn__no_memory("an optimizer");
    for (size_t i = 0; i < model->tensor_count; i++) {
        bool decays = cn__is_weight(&model->tensors[i]) || !options->decay_weights_only;
        (*rules)[i] = (cn__update_rule){1.0f, decays ? options->weight_decay : 0.0f, 0};
    }
    return options->group_count > 0 ? apply_groups(model, options, *rules) : CN_OK;
}
