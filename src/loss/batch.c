/* SPDX-License-Identifier: MIT */
/* batch.c: the loss of a batch of outputs, in lanes or dense, and its gradient.
 *
 * Rows of images are items that may run on any threads; each has its sum, and sums are added image after image, row
 * after row, so that the order is that of the shapes. */
#include "loss/loss.h"
#include <string.h>

#define WORTH_SHARING 4096 /* values: fewer are done before another thread is awake */

/* ---- targets ---- */

static size_t value_bytes(const cn__target_spec *spec) {
    return cn__target_is_classes(spec) ? sizeof(int64_t) : sizeof(float);
}

cn_status cn__targets_init(cn__targets *targets, cn_context *ctx, const cn__target_spec *spec, int32_t images) {
    void *memory = cn__alloc(ctx, (size_t)images * cn__target_size(spec), value_bytes(spec));
    *targets = (cn__targets){.spec = *spec};
    if (cn__target_is_classes(spec))
        targets->batch.classes = memory;
    else
        targets->batch.values = memory;
    return memory ? CN_OK : cn__no_memory("a batch of targets");
}

void cn__targets_drop(cn__targets *targets, cn_context *ctx) {
    cn__free(ctx,
             cn__target_is_classes(&targets->spec) ? (void *)targets->batch.classes : (void *)targets->batch.values);
    *targets = (cn__targets){0};
}

cn__target_place cn__targets_place(const cn__targets *targets, int32_t n) {
    size_t first = (size_t)n * cn__target_size(&targets->spec);
    if (cn__target_is_classes(&targets->spec))
        return (cn__target_place){.classes = targets->batch.classes + first};
    return (cn__target_place){.values = targets->batch.values + first};
}

/* ---- the handle ---- */

static cn_status copy_weights(cn_context *ctx, const float *weights, int64_t count, const float **copy) {
    float *made = weights ? cn__alloc(ctx, (size_t)count, sizeof *made) : NULL;
    if (made)
        memcpy(made, weights, (size_t)count * sizeof *made);
    *copy = made;
    return made || !weights ? CN_OK : cn__no_memory("a loss");
}

/* [N, K] where there is one pixel, else [N, C, H, W]. */
static cn_status make_dense(cn_context *ctx, cn__shape shape, int32_t images, cn_tensor **tensor) {
    const int64_t dims[4] = {images, shape.channels, shape.height, shape.width};
    return cn_tensor_new(ctx, CN_DTYPE_FLOAT32, shape.height == 1 && shape.width == 1 ? 2 : 4, dims, tensor);
}

static cn_status make(cn__loss *loss, const cn_loss_options *options, cn__shape output) {
    CN__TRY(copy_weights(loss->ctx, options->class_weights, options->outputs, &loss->options.class_weights));
    CN__TRY(copy_weights(loss->ctx, options->pos_weight, options->outputs, &loss->options.pos_weight));
    loss->sums = cn__alloc(loss->ctx, (size_t)loss->images * (size_t)output.height, sizeof *loss->sums);
    if (!loss->sums)
        return cn__no_memory("a loss");
    if (options->kind != CN_LOSS_CUSTOM)
        return CN_OK;
    CN__TRY(make_dense(loss->ctx, output, loss->images, &loss->output));
    return make_dense(loss->ctx, output, loss->images, &loss->gradient);
}

cn_status cn__loss_init(cn__loss *loss, cn_context *ctx, const cn_loss_options *options, const cn__target_spec *target,
                        cn__shape output, int32_t images) {
    *loss = (cn__loss){.ctx = ctx, .options = *options, .target = *target, .images = images};
    loss->options.class_weights = loss->options.pos_weight = NULL;
    cn_status status = make(loss, options, output);
    if (status != CN_OK)
        cn__loss_drop(loss);
    return status;
}

void cn__loss_drop(cn__loss *loss) {
    if (!loss->ctx)
        return;
    cn__free(loss->ctx, (void *)loss->options.class_weights);
    cn__free(loss->ctx, (void *)loss->options.pos_weight);
    cn__free(loss->ctx, loss->sums);
    cn_tensor_free(loss->output);
    cn_tensor_free(loss->gradient);
    *loss = (cn__loss){0};
}

/* ---- what a mean is divided by ---- */

static bool ignored(const cn__loss *loss, int64_t label) {
    return label == loss->options.ignore_index ||
           (loss->target.kind == CN_TARGET_MASK && label == loss->target.ignore_index);
}

/* Classes that count, each with its weight. */
static double count_classes(const cn__loss *loss, const int64_t *classes, size_t count) {
    const float *weights = loss->options.class_weights;
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        if (!ignored(loss, classes[i]))
            sum += weights ? (double)weights[classes[i]] : 1.0;
    return sum;
}

/* As PyTorch has it: probabilities count by place, other values one by one. */
static double count_targets(const cn__loss *loss, const cn__targets *targets, cn__shape output, int32_t images) {
    double places = (double)images * output.height * output.width;
    if (cn__target_is_classes(&targets->spec))
        return count_classes(loss, targets->batch.classes, (size_t)images * cn__target_size(&targets->spec));
    return cn__loss_is_of_classes(loss->options.kind) ? places : places * output.channels;
}

/* ---- rows ---- */

typedef struct pass {
    const cn__loss *loss;
    const cn__targets *targets;
    cn__values output, gradient;
    int32_t images;
    double scale; /* of the gradient */
} pass;

static void clear(cn__row gradient) {
    for (int64_t k = 0; gradient.data && k < gradient.classes; k++)
        gradient.data[(size_t)k * gradient.step] = 0.0f;
}

static double classes_at(const pass *p, cn__row output, cn__row gradient, int64_t label) {
    if (!ignored(p->loss, label))
        return cn__class_loss(p->loss, output, label, (cn__row){0}, p->scale, gradient);
    clear(gradient);
    return 0.0;
}

static double values_at(const pass *p, cn__row output, cn__row gradient, cn__row target) {
    double sum = 0.0;
    if (cn__loss_is_of_classes(p->loss->options.kind))
        return cn__class_loss(p->loss, output, -1, target, p->scale, gradient);
    for (int64_t k = 0; k < output.classes; k++) {
        double x = (double)output.data[(size_t)k * output.step], t = (double)target.data[(size_t)k * target.step];
        sum += cn__value_loss(p->loss, x, t, k);
        if (gradient.data)
            gradient.data[(size_t)k * gradient.step] = (float)(p->scale * cn__value_slope(p->loss, x, t, k));
    }
    return sum;
}

static double loss_at(const pass *p, int32_t n, int32_t y, int32_t x) {
    cn__row output = cn__values_row(&p->output, n, y, x);
    cn__row gradient = p->gradient.data ? cn__values_row(&p->gradient, n, y, x) : (cn__row){0};
    cn__target_place at = cn__targets_place(p->targets, n);
    size_t pixel = (size_t)y * (size_t)p->output.shape.width + (size_t)x;
    if (cn__target_is_classes(&p->targets->spec))
        return classes_at(p, output, gradient, at.classes[pixel]);
    size_t plane = (size_t)p->output.shape.height * (size_t)p->output.shape.width;
    return values_at(p, output, gradient, (cn__row){at.values + pixel, plane, output.classes});
}

/* Row `item` of all rows of the images. */
static void sum_row(void *argument, size_t item, int thread) {
    const pass *p = argument;
    int32_t height = p->output.shape.height, n = (int32_t)(item / (size_t)height), y = (int32_t)(item % (size_t)height);
    double sum = 0.0;
    (void)thread;
    for (int32_t x = 0; x < p->output.shape.width; x++)
        sum += loss_at(p, n, y, x);
    p->loss->sums[item] = sum;
}

static void clear_spare_lanes(const pass *p) {
    for (int32_t n = p->images; p->gradient.data && n % (int32_t)p->gradient.lanes != 0; n++)
        for (int32_t y = 0; y < p->gradient.shape.height; y++)
            for (int32_t x = 0; x < p->gradient.shape.width; x++)
                clear(cn__values_row(&p->gradient, n, y, x));
}

static double sum_rows(const pass *p) {
    size_t rows = (size_t)p->images * (size_t)p->output.shape.height;
    size_t values = rows * (size_t)p->output.shape.width * (size_t)p->output.shape.channels;
    double sum = 0.0;
    if (values >= WORTH_SHARING)
        cn__parallel(p->loss->ctx, rows, sum_row, (void *)p);
    for (size_t row = 0; row < rows; row++) {
        if (values < WORTH_SHARING)
            sum_row((void *)p, row, 0);
        sum += p->loss->sums[row];
    }
    clear_spare_lanes(p);
    return sum;
}

/* ---- a loss of the program's own ---- */

/* Between dense memory and values in whatever order. */
static void copy_values(cn__values from, cn__values to, int32_t images, float scale) {
    for (int32_t n = 0; n < images; n++)
        for (int32_t y = 0; y < from.shape.height; y++)
            for (int32_t x = 0; x < from.shape.width; x++) {
                cn__row source = cn__values_row(&from, n, y, x), row = cn__values_row(&to, n, y, x);
                for (int64_t k = 0; k < row.classes; k++)
                    row.data[(size_t)k * row.step] = scale * source.data[(size_t)k * source.step];
            }
}

static cn_status borrow_targets(const cn__targets *targets, cn_context *ctx, int32_t images, cn_tensor **tensor) {
    cn__shape shape = targets->spec.shape;
    const int64_t plain[4] = {images, shape.channels, shape.height, shape.width};
    const int64_t mask[3] = {images, shape.height, shape.width};
    switch (targets->spec.kind) {
    case CN_TARGET_CLASS:
        return cn_tensor_borrow_const(ctx, CN_DTYPE_INT64, 1, plain, targets->batch.classes, tensor);
    case CN_TARGET_MASK:
        return cn_tensor_borrow_const(ctx, CN_DTYPE_INT64, 3, mask, targets->batch.classes, tensor);
    case CN_TARGET_VECTOR:
        return cn_tensor_borrow_const(ctx, CN_DTYPE_FLOAT32, 2, plain, targets->batch.values, tensor);
    default:
        return cn_tensor_borrow_const(ctx, CN_DTYPE_FLOAT32, 4, plain, targets->batch.values, tensor);
    }
}

/* The first `images` of a dense tensor, as a tensor of its own. */
static cn_status first_images(cn_tensor *all, int32_t images, cn_tensor **some) {
    int64_t shape[4] = {images, cn_tensor_shape(all, 1), cn_tensor_shape(all, 2), cn_tensor_shape(all, 3)};
    return cn_tensor_borrow(all->ctx, CN_DTYPE_FLOAT32, cn_tensor_dims(all), shape, cn_tensor_data(all), some);
}

static cn_status call_function(const pass *p, cn_tensor *output, cn_tensor *target, cn_tensor *gradient, double *sum) {
    const cn_loss_options *o = &p->loss->options;
    cn__shape shape = p->output.shape;
    copy_values(p->output, cn__values_of_array(cn_tensor_data(output), shape), p->images, 1.0f);
    int answer = cn__call_loss_function(o, output, target, sum, gradient);
    if (answer != 0)
        return cn__error(CN_ERR_DATA, "the program's loss function returned %d", answer);
    if (gradient)
        copy_values(cn__values_of_array(cn_tensor_data(gradient), shape), p->gradient, p->images, o->weight);
    clear_spare_lanes(p);
    return CN_OK;
}

static cn_status own_loss(const pass *p, double *sum) {
    cn_tensor *output = NULL, *gradient = NULL, *target = NULL;
    cn_status status = first_images(p->loss->output, p->images, &output);
    if (status == CN_OK && p->gradient.data)
        status = first_images(p->loss->gradient, p->images, &gradient);
    if (status == CN_OK)
        status = borrow_targets(p->targets, p->loss->ctx, p->images, &target);
    if (status == CN_OK)
        status = call_function(p, output, target, gradient, sum);
    cn_tensor_free(output);
    cn_tensor_free(gradient);
    cn_tensor_free(target);
    return status;
}

/* ---- a batch ---- */

cn_status cn__loss_batch(cn__loss *loss, cn__values output, const cn__targets *targets, int32_t images,
                         cn__values gradient, cn__loss_sum *total, double *value) {
    pass p = {loss, targets, output, gradient, images, 0.0};
    double weight = (double)loss->options.weight, sum = 0.0;
    if (loss->options.kind == CN_LOSS_CUSTOM) {
        CN__TRY(own_loss(&p, &sum));
        *value = weight * sum;
        total->sum += sum * images;
        total->count += images;
        return CN_OK;
    }
    bool mean = loss->options.reduction == CN_REDUCTION_MEAN;
    double count = count_targets(loss, targets, output.shape, images);
    p.scale = mean ? (count > 0.0 ? weight / count : 0.0) : weight;
    sum = sum_rows(&p);
    *value = sum * p.scale;
    total->sum += sum;
    total->count += mean ? count : 1.0;
    return CN_OK;
}
