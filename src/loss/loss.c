/* SPDX-License-Identifier: MIT */
/* loss.c: the losses, their options, and which of them fit a target and a model. */
#include "loss/loss.h"
#include <math.h>
#include <string.h>

/* ---- the losses ---- */

typedef enum reading { LOG_PROBABILITIES, LOGITS, LABELS, VALUES, ANYTHING } reading;

typedef struct definition {
    const char *name;
    reading reads;       /* what outputs are held to be */
    bool weighs_classes; /* takes class weights */
} definition;

static const definition losses[] = {
    [CN_LOSS_NLL] = {"nll", LOG_PROBABILITIES, true},
    [CN_LOSS_CROSS_ENTROPY] = {"cross-entropy", LOGITS, true},
    [CN_LOSS_BCE_WITH_LOGITS] = {"bce-with-logits", LABELS, true},
    [CN_LOSS_MSE] = {"mse", VALUES, false},
    [CN_LOSS_L1] = {"l1", VALUES, false},
    [CN_LOSS_SMOOTH_L1] = {"smooth-l1", VALUES, false},
    [CN_LOSS_HUBER] = {"huber", VALUES, false},
    [CN_LOSS_CUSTOM] = {"custom", ANYTHING, false},
};

static const char *const readings[] = {"log-probabilities", "logits", "logits", "values", "anything"};

const char *cn_loss_name(cn_loss_kind loss) {
    return (size_t)loss < CN__COUNT(losses) ? losses[loss].name : NULL;
}

bool cn__loss_is_of_classes(cn_loss_kind kind) {
    return losses[kind].reads == LOG_PROBABILITIES || losses[kind].reads == LOGITS;
}

bool cn__loss_is_of_labels(cn_loss_kind kind) {
    return losses[kind].reads == LABELS;
}

/* ---- options ---- */

static cn_status expect(bool fits, const char *what, const char *name, double value, const char *wanted) {
    return fits ? CN_OK : cn__error(CN_ERR_ARGUMENT, "%s: %s is %g, wanted %s", what, name, value, wanted);
}

static bool positive(float x) {
    return x > 0.0f && isfinite(x);
}

static cn_status check_weights(const char *what, const char *name, const float *weights, int64_t count) {
    for (int64_t k = 0; weights && k < count; k++)
        if (!(weights[k] >= 0.0f) || !isfinite(weights[k]))
            return cn__error(CN_ERR_ARGUMENT, "%s: %s[%lld] is %g, wanted 0 or more", what, name, (long long)k,
                             (double)weights[k]);
    return CN_OK;
}

static cn_status check_arrays(const cn_loss_options *o, const char *what) {
    const char *name = losses[o->kind].name;
    if (o->class_weights && !losses[o->kind].weighs_classes)
        return cn__error(CN_ERR_ARGUMENT, "%s: loss '%s' with class_weights, which it does not know", what, name);
    if (o->pos_weight && !cn__loss_is_of_labels(o->kind))
        return cn__error(CN_ERR_ARGUMENT, "%s: loss '%s' with pos_weight, which it does not know", what, name);
    if ((o->class_weights || o->pos_weight) && o->outputs < 1)
        return cn__error(CN_ERR_ARGUMENT, "%s: outputs is %lld, wanted the number of weights", what,
                         (long long)o->outputs);
    CN__TRY(check_weights(what, "class_weights", o->class_weights, o->outputs));
    return check_weights(what, "pos_weight", o->pos_weight, o->outputs);
}

static cn_status check_options(const cn_loss_options *o, const char *what) {
    if (!cn_loss_name(o->kind))
        return cn__error(CN_ERR_ARGUMENT, "%s: unknown loss %d", what, (int)o->kind);
    CN__TRY(cn__check_range(what, "reduction", (int32_t)o->reduction, CN_REDUCTION_MEAN, CN_REDUCTION_SUM));
    CN__TRY(expect(positive(o->weight), what, "weight", (double)o->weight, "above 0"));
    CN__TRY(expect(o->label_smoothing >= 0.0f && o->label_smoothing < 1.0f, what, "label_smoothing",
                   (double)o->label_smoothing, "0 to below 1"));
    CN__TRY(expect(o->label_smoothing == 0.0f || cn__loss_is_of_classes(o->kind), what, "label_smoothing",
                   (double)o->label_smoothing, "0 for a loss that is not of classes"));
    CN__TRY(expect(positive(o->beta), what, "beta", (double)o->beta, "above 0"));
    CN__TRY(expect(positive(o->delta), what, "delta", (double)o->delta, "above 0"));
    if ((o->kind == CN_LOSS_CUSTOM) != (o->function != NULL))
        return cn__error(CN_ERR_ARGUMENT, "%s: loss '%s' with%s a function", what, losses[o->kind].name,
                         o->function ? "" : "out");
    return check_arrays(o, what);
}

cn_status cn__loss_options_read(cn_loss_options *known, const cn_loss_options *options, const char *what) {
    *known = (cn_loss_options)CN_LOSS_OPTIONS_INIT;
    CN__TRY(CN__READ_OPTIONS(known, cn_loss_options, options));
    return check_options(known, what);
}

/* ---- what fits a target ---- */

static const char *const target_names[] = {[CN_TARGET_CLASS] = "a class",
                                           [CN_TARGET_VECTOR] = "a vector",
                                           [CN_TARGET_MASK] = "a mask",
                                           [CN_TARGET_IMAGE] = "an image"};

static cn_status takes_target(const cn_loss_options *loss, const cn__target_spec *target, const char *function) {
    bool classes = cn__target_is_classes(target), wants = cn__loss_is_of_classes(loss->kind);
    bool probabilities = loss->kind == CN_LOSS_CROSS_ENTROPY && !classes;
    if (classes == wants || probabilities || loss->kind == CN_LOSS_CUSTOM)
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "%s: loss '%s' takes %s, but the target is %s", function, losses[loss->kind].name,
                     wants ? "classes" : "values", target_names[target->kind]);
}

/* Classes may be fewer than outputs; all else is as large as the outputs. */
static bool fits(const cn__target_spec *target, cn__shape output) {
    if (cn__target_is_classes(target))
        return target->classes <= output.channels && target->shape.height == output.height &&
               target->shape.width == output.width;
    return target->shape.channels == output.channels && target->shape.height == output.height &&
           target->shape.width == output.width;
}

cn_status cn__loss_check_target(const cn_loss_options *loss, const cn__target_spec *target, cn__shape output,
                                const char *function) {
    CN__TRY(takes_target(loss, target, function));
    if ((loss->class_weights || loss->pos_weight) && loss->outputs != output.channels)
        return cn__error(CN_ERR_SHAPE, "%s: weights for %lld outputs, the model has %d", function,
                         (long long)loss->outputs, output.channels);
    if (loss->kind == CN_LOSS_CUSTOM || fits(target, output))
        return CN_OK;
    if (target->kind == CN_TARGET_CLASS && (output.height != 1 || output.width != 1))
        return cn__error(CN_ERR_SHAPE, "%s: the model's output is %d×%d×%d, wanted one value a class", function,
                         output.channels, output.height, output.width);
    if (cn__target_is_classes(target) && target->classes > output.channels)
        return cn__error(CN_ERR_SHAPE, "%s: %lld classes in the data, the model tells %d apart", function,
                         (long long)target->classes, output.channels);
    if (target->kind == CN_TARGET_MASK)
        return cn__error(CN_ERR_SHAPE, "%s: the masks are %d×%d, the model's output %d×%d", function,
                         target->shape.height, target->shape.width, output.height, output.width);
    return cn__error(CN_ERR_SHAPE, "%s: the target is %d×%d×%d, the model's output %d×%d×%d", function,
                     target->shape.channels, target->shape.height, target->shape.width, output.channels, output.height,
                     output.width);
}

/* ---- what fits a model ---- */

/* Hands its input's values on, or means and maxima of them. */
static bool rearranges(const cn__node *node) {
    switch (node->layer->type->kind) {
    case CN__KIND_FLATTEN:
    case CN__KIND_REARRANGE:
    case CN__KIND_IDENTITY:
    case CN__KIND_DROPOUT:
    case CN__KIND_ADAPTIVE_AVG_POOL2D:
    case CN__KIND_ADAPTIVE_MAX_POOL2D:
    case CN__KIND_AVG_POOL2D:
    case CN__KIND_MAX_POOL2D:
        return true;
    default:
        return false;
    }
}

const cn__node *cn__loss_reads(const cn_model *model, int output) {
    const cn__node *node = &model->nodes[cn__model_output_node(model, output)];
    while (rearranges(node) && node->inputs[0] >= 0)
        node = &model->nodes[node->inputs[0]];
    return node;
}

static cn_loss_kind loss_of_output(const cn_model *model, int output) {
    bool logs = model->node_count > 0 && cn__loss_reads(model, output)->layer->type->kind == CN__KIND_LOG_SOFTMAX;
    return logs ? CN_LOSS_NLL : CN_LOSS_CROSS_ENTROPY;
}

cn_loss_kind cn_model_loss(const cn_model *model) {
    return model ? loss_of_output(model, 0) : CN_LOSS_NLL;
}

/* What the loss makes of logits by itself. */
static bool has_within(cn_loss_kind loss, const cn__node *end) {
    return (loss == CN_LOSS_CROSS_ENTROPY && end->layer->type->kind == CN__KIND_SOFTMAX) ||
           (loss == CN_LOSS_BCE_WITH_LOGITS && strcmp(end->layer->type->name, "Sigmoid") == 0);
}

static bool gives_probabilities(const cn__node *end) {
    return has_within(CN_LOSS_CROSS_ENTROPY, end) || has_within(CN_LOSS_BCE_WITH_LOGITS, end);
}

/* Whether the values of layer `end` are the output's alone, each as it is: nobody else reads them, and what is behind it
 * leaves classes what they are. */
static bool is_output_alone(const cn_model *model, const cn__node *end, int output) {
    int32_t at = cn__model_output_node(model, output);
    cn__shape shape = model->nodes[at].shape;
    if (model->nodes[at].readers > 0 || shape.channels != end->shape.channels || shape.height != end->shape.height ||
        shape.width != end->shape.width)
        return false;
    for (const cn__node *node = &model->nodes[at]; node != end; node = &model->nodes[at]) {
        cn__layer_kind kind = node->layer->type->kind;
        at = node->inputs[0];
        if ((kind != CN__KIND_FLATTEN && kind != CN__KIND_REARRANGE && kind != CN__KIND_IDENTITY) ||
            model->nodes[at].readers != 1 || cn__model_is_output(model, at))
            return false;
    }
    return true;
}

int32_t cn__loss_bypasses(const cn_loss_options *loss, const cn_model *model, int output) {
    const cn__node *end = cn__loss_reads(model, output);
    return has_within(loss->kind, end) && is_output_alone(model, end, output) ? (int32_t)(end - model->nodes) : -1;
}

static cn_status reads_other(const cn_loss_options *loss, const cn__node *end, cn_loss_kind fitting,
                             const char *function) {
    return cn__error(CN_ERR_ARGUMENT, "%s: loss '%s' reads %s, but the model ends in %s '%s', which gives %s: use '%s'",
                     function, losses[loss->kind].name, readings[losses[loss->kind].reads], end->layer->type->name,
                     end->name, gives_probabilities(end) ? "probabilities" : readings[losses[fitting].reads],
                     losses[fitting].name);
}

cn_status cn__loss_check_model(const cn_loss_options *loss, const cn_model *model, int output, const char *function) {
    const cn__node *end = cn__loss_reads(model, output);
    cn_loss_kind fitting =
        has_within(CN_LOSS_BCE_WITH_LOGITS, end) ? CN_LOSS_BCE_WITH_LOGITS : loss_of_output(model, output);
    if (!cn__loss_is_of_classes(loss->kind) && !cn__loss_is_of_labels(loss->kind))
        return CN_OK;
    if (has_within(loss->kind, end))
        return is_output_alone(model, end, output)
                   ? CN_OK
                   : cn__error(
                         CN_ERR_ARGUMENT,
                         "%s: loss '%s' reads logits, and %s '%s' of the model makes probabilities of them, which "
                         "other layers read, or pool or drop",
                         function, losses[loss->kind].name, end->layer->type->name, end->name);
    if (gives_probabilities(end) ||
        (cn__loss_is_of_labels(loss->kind) ? fitting == CN_LOSS_NLL : loss->kind != fitting))
        return reads_other(loss, end, fitting, function);
    return CN_OK;
}
