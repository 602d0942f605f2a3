/* loss.c: negative log-likelihood and cross-entropy, with label smoothing (Szegedy et al. 2016).
 *
 * With log-probabilities l, target q = (1 - s) [k = label] + s / K and mean over N images:
 *     loss = -1/N Σ q l,      NLL: dloss/dl = -q / N,      cross-entropy, l = log softmax z: dloss/dz = (e^l - q) / N
 * Computed in double, image after image. */
#include "infer/infer.h"
#include <math.h>

static double value(cn__row row, int64_t k) {
    return (double)row.data[(size_t)k * row.step];
}

/* log Σ e^z, with the largest z taken out so that nothing overflows. */
static double log_sum_exp(cn__row row) {
    double largest = -INFINITY, sum = 0.0;
    for (int64_t k = 0; k < row.classes; k++)
        if (value(row, k) > largest) /* fmax here makes GCC 12 die on arm64 at -O3 */
            largest = value(row, k);
    for (int64_t k = 0; k < row.classes; k++)
        sum += exp(value(row, k) - largest);
    return largest + log(sum);
}

/* ---- the losses ---- */

static double zero(cn__row row) {
    (void)row;
    return 0.0;
}

static double nothing(double log_p) {
    (void)log_p;
    return 0.0;
}

/* A loss takes a normalizer from each output, which makes it a log-probability l, and is -Σ q l. */
typedef struct definition {
    const char *name;
    const char *reads; /* what outputs are */
    double (*normalizer)(cn__row output);
    double (*gradient)(double log_p); /* of the normalizer by the output of l = log_p */
} definition;

static const definition losses[] = {
    [CN_LOSS_NLL] = {"nll", "log-probabilities", zero, nothing},
    [CN_LOSS_CROSS_ENTROPY] = {"cross-entropy", "logits", log_sum_exp, exp},
};

const char *cn_loss_name(cn_loss_kind loss) {
    return (size_t)loss < CN__COUNT(losses) ? losses[loss].name : NULL;
}

cn_status cn__loss_spec_check(const cn__loss_spec *loss_spec, const char *function) {
    if (!cn_loss_name(loss_spec->loss))
        return cn__error(CN_ERR_ARGUMENT, "%s: unknown loss %d", function, (int)loss_spec->loss);
    if (!(loss_spec->label_smoothing >= 0.0f && loss_spec->label_smoothing < 1.0f))
        return cn__error(CN_ERR_ARGUMENT, "%s: label_smoothing is %g, wanted 0 to below 1", function,
                         (double)loss_spec->label_smoothing);
    return CN_OK;
}

/* ---- which loss fits a model ---- */

/* Hands its input's values on, or means and maxima of them. */
static bool rearranges(const cn__node *node) {
    switch (node->layer->type->kind) {
    case CN__KIND_FLATTEN:
    case CN__KIND_REARRANGE:
    case CN__KIND_IDENTITY:
    case CN__KIND_DROPOUT:
    case CN__KIND_ADAPTIVE_AVG_POOL2D:
    case CN__KIND_AVG_POOL2D:
    case CN__KIND_MAX_POOL2D:
        return true;
    default:
        return false;
    }
}

const cn__node *cn__loss_reads(const cn_model *model) {
    const cn__node *node = &model->nodes[cn__model_output_node(model, 0)];
    while (rearranges(node) && node->inputs[0] >= 0)
        node = &model->nodes[node->inputs[0]];
    return node;
}

cn_loss_kind cn_model_loss(const cn_model *model) {
    bool logs = model->node_count > 0 && cn__loss_reads(model)->layer->type->kind == CN__KIND_LOG_SOFTMAX;
    return logs ? CN_LOSS_NLL : CN_LOSS_CROSS_ENTROPY;
}

cn_status cn__loss_check_model(cn_loss_kind loss, const cn_model *model, const char *function) {
    const cn__node *end = cn__loss_reads(model);
    cn_loss_kind fits = cn_model_loss(model);
    if (end->layer->type->kind == CN__KIND_SOFTMAX)
        return cn__error(CN_ERR_ARGUMENT,
                         "%s: the model ends in %s '%s', whose probabilities no loss reads: end it in a log-softmax "
                         "(CN_LOSS_NLL) or in the layer before (CN_LOSS_CROSS_ENTROPY)",
                         function, end->layer->type->name, end->name);
    if (loss != fits)
        return cn__error(CN_ERR_ARGUMENT,
                         "%s: loss '%s' reads %s, but the model ends in %s '%s', which gives %s: use '%s'", function,
                         losses[loss].name, losses[loss].reads, end->layer->type->name, end->name, losses[fits].reads,
                         losses[fits].name);
    return CN_OK;
}

/* ---- rows ---- */

double cn__loss_row(const cn__loss_spec *loss_spec, cn__row output, int64_t label, double scale, cn__row gradient) {
    const definition *kind = &losses[loss_spec->loss];
    double smoothing = (double)loss_spec->label_smoothing, rest = smoothing / (double)output.classes, sum = 0.0;
    double normalizer = kind->normalizer(output);
    for (int64_t k = 0; k < output.classes; k++) {
        double target = k == label ? 1.0 - smoothing + rest : rest, log_p = value(output, k) - normalizer;
        if (target > 0.0) /* an impossible class that is no target costs nothing: not 0 · ∞ */
            sum -= target * log_p;
        if (gradient.data)
            gradient.data[(size_t)k * gradient.step] = (float)(scale * (kind->gradient(log_p) - target));
    }
    return sum;
}

int64_t cn__row_argmax(cn__row output) {
    int64_t best = -1;
    for (int64_t k = 0; k < output.classes; k++)
        if (!isnan(value(output, k)) && (best < 0 || value(output, k) > value(output, best)))
            best = k;
    return best;
}

double cn__row_probability(cn_loss_kind loss, cn__row output, int64_t k) {
    return exp(value(output, k) - losses[loss].normalizer(output));
}

/* log(mean of `count` times e^a and e^b) */
static double log_mean(double a, int count, double b) {
    double sum = a + log(count), larger = fmax(sum, b), distance = fabs(sum - b);
    return larger == -INFINITY ? larger : larger + log1p(exp(-distance)) - log(count + 1);
}

void cn__row_join(cn__row output, int count, cn__row another, bool probabilities) {
    double ours = log_sum_exp(output), theirs = log_sum_exp(another);
    for (int64_t k = 0; k < output.classes; k++) {
        double a = value(output, k), b = value(another, k);
        output.data[(size_t)k * output.step] =
            (float)(probabilities ? (count * a + b) / (count + 1) : log_mean(a - ours, count, b - theirs));
    }
}

double cn__loss_batch(const cn__loss_spec *loss_spec, const cn__fmap *output, const int64_t *labels, int32_t images,
                      const cn__fmap *gradient, cn__tally *tally) {
    double sum = 0.0, scale = 1.0 / images;
    for (int32_t n = 0; n < images; n++) {
        cn__row row = cn__fmap_row(output, n);
        cn__row to = gradient ? cn__fmap_row(gradient, n) : (cn__row){0};
        sum += cn__loss_row(loss_spec, row, labels[n], scale, to);
        tally->correct += cn__row_argmax(row) == labels[n];
    }
    for (int32_t n = images; gradient && n % CN__LANES != 0; n++) {
        cn__row to = cn__fmap_row(gradient, n);
        for (int64_t k = 0; k < to.classes; k++)
            to.data[(size_t)k * to.step] = 0.0f;
    }
    tally->loss += sum;
    tally->images += images;
    return sum * scale;
}

static cn_status check_labels(const cn_tensor *labels, int64_t classes) {
    const int64_t *label = labels->data;
    for (int64_t n = 0; n < cn_tensor_count(labels); n++)
        if (label[n] < 0 || label[n] >= classes)
            return cn__error(CN_ERR_DATA, "cn_loss_compute: label %lld of image %lld is outside 0 to %lld",
                             (long long)label[n], (long long)n, (long long)classes - 1);
    return CN_OK;
}

static cn_status check_tensors(const cn_tensor *output, const cn_tensor *labels, const cn_tensor *gradient) {
    int64_t shape[2] = {cn_tensor_shape(output, 0), cn_tensor_shape(output, 1)};
    CN__TRY(cn__tensor_expect(output, "cn_loss_compute: output", CN_DTYPE_FLOAT32, 2, shape));
    if (cn_tensor_count(output) == 0)
        return cn__error(CN_ERR_SHAPE, "cn_loss_compute: output has %lld images of %lld classes", (long long)shape[0],
                         (long long)shape[1]);
    CN__TRY(cn__tensor_expect(labels, "cn_loss_compute: labels", CN_DTYPE_INT64, 1, shape));
    if (gradient) {
        CN__TRY(cn__tensor_expect(gradient, "cn_loss_compute: gradient", CN_DTYPE_FLOAT32, 2, shape));
        CN__TRY(cn__tensor_writable(gradient, "cn_loss_compute: gradient"));
    }
    return check_labels(labels, shape[1]);
}

static cn__row tensor_row(const cn_tensor *tensor, int64_t n) {
    int64_t classes = cn_tensor_shape(tensor, 1);
    return (cn__row){(float *)tensor->data + n * classes, 1, classes};
}

cn_status cn_loss_compute(cn_loss_kind loss, float label_smoothing, const cn_tensor *output, const cn_tensor *labels,
                          double *mean, cn_tensor *gradient) {
    cn__loss_spec loss_spec = {loss, label_smoothing};
    CN__REQUIRE(output);
    CN__REQUIRE(labels);
    CN__REQUIRE(mean);
    CN__TRY(cn__loss_spec_check(&loss_spec, "cn_loss_compute"));
    CN__TRY(check_tensors(output, labels, gradient));
    int64_t images = cn_tensor_shape(output, 0);
    const int64_t *label = labels->data;
    double sum = 0.0, scale = 1.0 / (double)images;
    for (int64_t n = 0; n < images; n++)
        sum += cn__loss_row(&loss_spec, tensor_row(output, n), label[n], scale,
                            gradient ? tensor_row(gradient, n) : (cn__row){0});
    *mean = sum * scale;
    return CN_OK;
}
