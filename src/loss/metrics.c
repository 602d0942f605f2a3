/* SPDX-License-Identifier: MIT */
/* metrics.c: how good outputs are, held against their targets: what is counted, and the measures made of it.
 *
 * Definitions are scikit-learn's: precision, recall and F1 by class, their means over classes without weights, and R²
 * as the mean of the outputs'. Classes that neither occur nor were taken for anything have none, and no part in means. */
#include "loss/loss.h"
#include <math.h>
#include <string.h>

/* ---- their names ---- */

static const struct {
    const char *name;
    bool increases;
} metrics_known[] = {
    [CN_METRIC_LOSS] = {"loss", false},
    [CN_METRIC_ACCURACY] = {"accuracy", true},
    [CN_METRIC_LEARNING_RATE] = {"learning rate", false},
    [CN_METRIC_TOP5_ACCURACY] = {"top-5 accuracy", true},
    [CN_METRIC_PRECISION] = {"precision", true},
    [CN_METRIC_RECALL] = {"recall", true},
    [CN_METRIC_F1] = {"F1", true},
    [CN_METRIC_MEAN_IOU] = {"mean IoU", true},
    [CN_METRIC_MAE] = {"MAE", false},
    [CN_METRIC_RMSE] = {"RMSE", false},
    [CN_METRIC_R2] = {"R²", true},
};

const char *cn_metric_name(cn_metric metric) {
    return (size_t)metric < CN__COUNT(metrics_known) ? metrics_known[metric].name : NULL;
}

int cn_metric_increases(cn_metric metric) {
    return (size_t)metric < CN__COUNT(metrics_known) && metrics_known[metric].increases;
}

/* ---- memory ---- */

/* Of a channel's values: sums of errors, and of targets less the first, which keeps their squares small. */
typedef struct cn__errors {
    double absolute, square;
    double first, sum, sum_of_squares;
    int64_t count;
} cn__errors;

static bool is_of_classes(const cn__metrics *m) {
    return cn__target_is_classes(&m->target);
}

/* A row for each class, with a column for each output and one more for what was taken for nothing: only NaN. */
static int64_t confusion_cells(const cn__metrics *m) {
    return m->target.classes * (m->outputs + 1);
}

cn_status cn__metrics_init(cn__metrics *metrics, cn_context *ctx, const cn__target_spec *target, cn_loss_kind loss,
                           cn__shape output, bool detailed) {
    cn__metrics *m = metrics;
    *m = (cn__metrics){.ctx = ctx, .target = *target, .outputs = output.channels};
    m->labels = !is_of_classes(m) && cn__loss_is_of_labels(loss);
    bool counts_all = is_of_classes(m) && (detailed || target->kind == CN_TARGET_MASK), made = true;
    if (counts_all)
        made = (m->confusion = cn__alloc(ctx, (size_t)confusion_cells(m), sizeof *m->confusion)) != NULL;
    if (made && is_of_classes(m) && detailed && target->kind == CN_TARGET_CLASS)
        made = (m->ranks = cn__alloc(ctx, (size_t)m->outputs, sizeof *m->ranks)) != NULL;
    if (m->labels)
        made = (m->hits = cn__alloc(ctx, (size_t)m->outputs, sizeof *m->hits)) != NULL;
    else if (!is_of_classes(m))
        made = (m->errors = cn__alloc(ctx, (size_t)m->outputs, sizeof *m->errors)) != NULL;
    if (made)
        return CN_OK;
    cn__metrics_drop(metrics);
    return cn__no_memory("metrics");
}

void cn__metrics_drop(cn__metrics *metrics) {
    if (!metrics->ctx)
        return;
    cn__free(metrics->ctx, metrics->confusion);
    cn__free(metrics->ctx, metrics->ranks);
    cn__free(metrics->ctx, metrics->hits);
    cn__free(metrics->ctx, metrics->errors);
    *metrics = (cn__metrics){0};
}

static void zero(void *array, int64_t count, size_t bytes) {
    if (array)
        memset(array, 0, (size_t)count * bytes);
}

void cn__metrics_clear(cn__metrics *metrics) {
    zero(metrics->confusion, confusion_cells(metrics), sizeof *metrics->confusion);
    zero(metrics->ranks, metrics->outputs, sizeof *metrics->ranks);
    zero(metrics->hits, metrics->outputs, sizeof *metrics->hits);
    zero(metrics->errors, metrics->outputs, sizeof *metrics->errors);
    metrics->images = metrics->counted = metrics->correct = 0;
}

static void copy(void *to, const void *from, int64_t count, size_t bytes) {
    if (to)
        memcpy(to, from, (size_t)count * bytes);
}

void cn__metrics_copy(cn__metrics *to, const cn__metrics *from) {
    copy(to->confusion, from->confusion, confusion_cells(from), sizeof *to->confusion);
    copy(to->ranks, from->ranks, from->outputs, sizeof *to->ranks);
    copy(to->hits, from->hits, from->outputs, sizeof *to->hits);
    copy(to->errors, from->errors, from->outputs, sizeof *to->errors);
    to->images = from->images;
    to->counted = from->counted;
    to->correct = from->correct;
}

/* Errors go as words of 8 bytes, whatever these are. */
void cn__metrics_state(cn__metrics *metrics, int output, cn__state *state) {
    cn__metrics *m = metrics;
    _Static_assert(sizeof(cn__errors) % sizeof(double) == 0, "errors are words of 8 bytes");
    size_t words = (size_t)m->outputs * (sizeof *m->errors / sizeof(double));
    cn__state_add(state, "I64", &m->images, 1, "output/%d/images", output);
    cn__state_add(state, "I64", &m->counted, 1, "output/%d/counted", output);
    cn__state_add(state, "I64", &m->correct, 1, "output/%d/correct", output);
    if (m->confusion)
        cn__state_add(state, "I64", m->confusion, (size_t)confusion_cells(m), "output/%d/confusion", output);
    if (m->hits)
        cn__state_add(state, "I64", m->hits, 3 * (size_t)m->outputs, "output/%d/hits", output);
    if (m->errors)
        cn__state_add(state, "F64", m->errors, words, "output/%d/errors", output);
}

/* ---- counting ---- */

static int64_t rank(cn__row output, int64_t truth) {
    float own = output.data[(size_t)truth * output.step];
    int64_t before = 0;
    for (int64_t k = 0; k < output.classes; k++) {
        float other = output.data[(size_t)k * output.step];
        before += other > own || (other == own && k < truth);
    }
    return isnan(own) ? output.classes - 1 : before;
}

static void count_class(cn__metrics *m, cn__row output, int64_t truth) {
    int64_t predicted = cn__row_argmax(output);
    if (truth < 0 || truth >= m->target.classes) /* ignored */
        return;
    m->counted++;
    m->correct += predicted == truth;
    if (m->confusion)
        m->confusion[truth * (m->outputs + 1) + (predicted < 0 ? m->outputs : predicted)]++;
    if (m->ranks)
        m->ranks[rank(output, truth)]++;
}

static void count_label(cn__metrics *m, int64_t k, float output, float target) {
    bool found = output > 0.0f, there = target >= 0.5f;
    m->counted++;
    m->correct += found == there;
    if (found || there)
        m->hits[k][found && there ? 0 : found ? 1 : 2]++;
}

static void count_error(cn__metrics *m, int64_t k, float output, float target) {
    cn__errors *e = &m->errors[k];
    double error = (double)output - (double)target;
    if (e->count++ == 0)
        e->first = (double)target;
    double moved = (double)target - e->first;
    e->absolute += fabs(error);
    e->square += error * error;
    e->sum += moved;
    e->sum_of_squares += moved * moved;
}

static void count_values(cn__metrics *m, cn__row output, const float *target, size_t plane) {
    for (int64_t k = 0; k < output.classes; k++) {
        float value = output.data[(size_t)k * output.step], wanted = target[(size_t)k * plane];
        if (m->labels)
            count_label(m, k, value, wanted);
        else
            count_error(m, k, value, wanted);
    }
}

/* A loss of the program's own may compare other shapes, of which nothing else is known. */
static bool comparable(const cn__metrics *m, cn__shape output) {
    cn__shape target = m->target.shape;
    return target.height == output.height && target.width == output.width &&
           (is_of_classes(m) ? m->target.classes <= output.channels : target.channels == output.channels);
}

void cn__metrics_add(cn__metrics *metrics, cn__values output, const cn__targets *targets, int32_t images) {
    size_t plane = (size_t)output.shape.height * (size_t)output.shape.width;
    metrics->images += images;
    if (!comparable(metrics, output.shape))
        return;
    for (int32_t n = 0; n < images; n++) {
        cn__target_place at = cn__targets_place(targets, n);
        for (size_t pixel = 0; pixel < plane; pixel++) {
            int32_t y = (int32_t)(pixel / (size_t)output.shape.width),
                    x = (int32_t)(pixel % (size_t)output.shape.width);
            cn__row row = cn__values_row(&output, n, y, x);
            if (is_of_classes(metrics))
                count_class(metrics, row, at.classes[pixel]);
            else
                count_values(metrics, row, at.values + pixel, plane);
        }
    }
}

/* ---- classes and labels: found, found where none is, missed ---- */

int64_t cn__metrics_confusion(const cn__metrics *metrics, int64_t truth, int64_t predicted) {
    return metrics->confusion[truth * (metrics->outputs + 1) + predicted];
}

static void hits_of_class(const cn__metrics *m, int64_t k, int64_t hits[3]) {
    int64_t there = 0, found = 0;
    for (int64_t j = 0; j <= m->outputs && k < m->target.classes; j++)
        there += cn__metrics_confusion(m, k, j);
    for (int64_t truth = 0; truth < m->target.classes; truth++)
        found += cn__metrics_confusion(m, truth, k);
    hits[0] = k < m->target.classes ? cn__metrics_confusion(m, k, k) : 0;
    hits[1] = found - hits[0];
    hits[2] = there - hits[0];
}

static double share(int64_t part, int64_t all) {
    return all > 0 ? (double)part / (double)all : (double)NAN;
}

static double measure(const cn__metrics *m, cn_metric metric, int64_t k) {
    int64_t own[3], *hits = own;
    if (m->labels)
        hits = m->hits[k];
    else
        hits_of_class(m, k, own);
    switch (metric) {
    case CN_METRIC_ACCURACY: /* of a class: of what is it */
        return m->labels ? share(m->images - hits[1] - hits[2], m->images) : share(hits[0], hits[0] + hits[2]);
    case CN_METRIC_PRECISION:
        return share(hits[0], hits[0] + hits[1]);
    case CN_METRIC_RECALL:
        return share(hits[0], hits[0] + hits[2]);
    case CN_METRIC_F1:
        return share(2 * hits[0], 2 * hits[0] + hits[1] + hits[2]);
    case CN_METRIC_MEAN_IOU:
        return m->labels ? (double)NAN : share(hits[0], hits[0] + hits[1] + hits[2]);
    default:
        return NAN;
    }
}

/* Of classes that occur or were found; what they lack of it counts as 0. */
static double mean_measure(const cn__metrics *m, cn_metric metric) {
    double sum = 0.0;
    int64_t count = 0;
    for (int64_t k = 0; k < m->outputs; k++) {
        double value = measure(m, metric, k);
        if (isnan(measure(m, CN_METRIC_F1, k)))
            continue;
        sum += isnan(value) ? 0.0 : value;
        count++;
    }
    return count > 0 ? sum / (double)count : (double)NAN;
}

static double class_value(const cn__metrics *m, cn_metric metric, int64_t k) {
    if (metric == CN_METRIC_ACCURACY && k < 0)
        return share(m->correct, m->counted);
    if (metric == CN_METRIC_TOP5_ACCURACY && k < 0 && m->ranks) {
        int64_t among = 0;
        for (int64_t i = 0; i < 5 && i < m->outputs; i++)
            among += m->ranks[i];
        return share(among, m->counted);
    }
    bool by_class = metric >= CN_METRIC_PRECISION && metric <= CN_METRIC_MEAN_IOU;
    if ((!m->confusion && !m->labels) || !(by_class || metric == CN_METRIC_ACCURACY) ||
        (m->labels && metric == CN_METRIC_MEAN_IOU))
        return NAN;
    return k < 0 ? mean_measure(m, metric) : measure(m, metric, k);
}

/* ---- values ---- */

static double r2(const cn__errors *e) {
    double spread = e->sum_of_squares - e->sum * e->sum / (double)e->count;
    return spread > 0.0 ? 1.0 - e->square / spread : (double)NAN;
}

static double error_value(const cn__metrics *m, cn_metric metric, int64_t k) {
    double absolute = 0.0, square = 0.0, fits = 0.0;
    int64_t count = 0, first = k < 0 ? 0 : k, last = k < 0 ? m->outputs - 1 : k;
    for (int64_t i = first; i <= last; i++) {
        absolute += m->errors[i].absolute;
        square += m->errors[i].square;
        count += m->errors[i].count;
        fits += m->errors[i].count > 0 ? r2(&m->errors[i]) : 0.0;
    }
    if (count == 0)
        return NAN;
    switch (metric) {
    case CN_METRIC_MAE:
        return absolute / (double)count;
    case CN_METRIC_RMSE:
        return sqrt(square / (double)count);
    case CN_METRIC_R2:
        return fits / (double)(last - first + 1);
    default:
        return NAN;
    }
}

double cn__metrics_value(const cn__metrics *metrics, cn_metric metric, int64_t k) {
    if (k >= metrics->outputs || k < -1)
        return NAN;
    return metrics->errors ? error_value(metrics, metric, k) : class_value(metrics, metric, k);
}

cn_metric cn__metrics_main(const cn__metrics *metrics) {
    if (metrics->errors)
        return CN_METRIC_MAE;
    if (metrics->labels)
        return CN_METRIC_F1;
    return metrics->target.kind == CN_TARGET_MASK ? CN_METRIC_MEAN_IOU : CN_METRIC_ACCURACY;
}
