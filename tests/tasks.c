/* SPDX-License-Identifier: MIT */
/* tasks.c: small tasks with targets of all kinds, and models for them. */
#include "tasks.h"
#include "numbers.h"

enum { CHANNELS = 3 };

const task_output task_outputs[TASK_OUTPUTS] = {
    {"class", CN_TARGET_CLASS, CN_LOSS_CROSS_ENTROPY, 0.5f, {3, 1, 1}, CN_METRIC_ACCURACY},
    {"vector", CN_TARGET_VECTOR, CN_LOSS_SMOOTH_L1, 2.0f, {2, 1, 1}, CN_METRIC_MAE},
    {"mask", CN_TARGET_MASK, CN_LOSS_CROSS_ENTROPY, 1.0f, {3, TOY_SIDE, TOY_SIDE}, CN_METRIC_MEAN_IOU},
    {"image", CN_TARGET_IMAGE, CN_LOSS_MSE, 0.25f, {1, TOY_SIDE, TOY_SIDE}, CN_METRIC_MAE},
};

const task tasks[TASKS] = {{1, {1}}, {1, {2}}, {1, {3}}, {2, {0, 1}}, {4, {3, 1, 2, 0}}};

bool task_of_classes(const task_output *o) {
    return o->kind == CN_TARGET_CLASS || o->kind == CN_TARGET_MASK;
}

static cn_layer *wide_conv(int out) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    cn_layer *layer;
    options.padding[0] = options.padding[1] = 1;
    ck_ok(cn_conv2d_new(ctx, out == CHANNELS ? 1 : CHANNELS, out, 3, 3, &options, &layer));
    return layer;
}

static void add_head(cn_model *model, const task_output *o) {
    cn_layer *layer;
    const char *from = "trunk", *flat = "flat";
    if (o->shape[1] > 1) {
        ck_ok(cn_model_add(model, o->layer, o->kind == CN_TARGET_MASK ? conv(CHANNELS, 3, 1) : wide_conv(1), 1, &from));
        return;
    }
    ck_ok(cn_linear_new(ctx, CHANNELS * TOY_PIXELS, (int)o->shape[0], 1, &layer));
    ck_ok(cn_model_add(model, o->layer, layer, 1, &flat));
}

cn_model *task_model(const task *t) {
    const char *outputs[TASK_OUTPUTS];
    bool flat = false;
    cn_layer *layer;
    cn_model *model = model_for(1, TOY_SIDE, TOY_SIDE);
    ck_ok(cn_model_append(model, "conv", wide_conv(CHANNELS)));
    ck_ok(cn_model_append(model, "norm", norm(CN_NORM_BATCH, CHANNELS)));
    ck_ok(cn_model_append(model, "trunk", relu()));
    for (int i = 0; i < t->count; i++)
        flat = flat || task_outputs[t->which[i]].shape[1] == 1;
    if (flat) {
        ck_ok(cn_flatten_new(ctx, &layer));
        ck_ok(cn_model_append(model, "flat", layer));
    }
    for (int i = 0; i < t->count; i++) {
        outputs[i] = task_outputs[t->which[i]].layer;
        add_head(model, &task_outputs[t->which[i]]);
    }
    ck_ok(cn_model_set_outputs(model, t->count, outputs));
    ck_ok(cn_model_init(model, 1));
    return model;
}

/* ---- data: random pictures, and targets that have to do with them ---- */

cn_tensor *task_target(const task_output *o, int64_t n) {
    int dims = o->kind == CN_TARGET_CLASS ? 1 : o->kind == CN_TARGET_VECTOR ? 2 : o->kind == CN_TARGET_MASK ? 3 : 4;
    const int64_t s[] = {n, o->kind == CN_TARGET_MASK ? TOY_SIDE : o->shape[0], TOY_SIDE, TOY_SIDE};
    return tensor_of(task_of_classes(o) ? CN_DTYPE_INT64 : CN_DTYPE_FLOAT32, dims, s);
}

/* Value i of a target that has `size` of them an image. */
static void fill(const task_output *o, cn_tensor *target, const float *pixels) {
    int64_t count = cn_tensor_count(target), size = count / cn_tensor_shape(target, 0);
    for (int64_t i = 0; i < count; i++) {
        float x = pixels[i / size * TOY_PIXELS + i % size],
              y = pixels[i / size * TOY_PIXELS + TOY_PIXELS - 1 - i % size];
        if (task_of_classes(o)) /* of a mask every ninth pixel is ignored, more or less */
            ((int64_t *)cn_tensor_data(target))[i] =
                o->kind == CN_TARGET_MASK && y < 0.11f ? -100 : (int64_t)(x * 3.0f);
        else
            ((float *)cn_tensor_data(target))[i] = x + 0.5f * y;
    }
}

task_data task_data_new(const task *t, int64_t count, uint32_t seed) {
    task_data d = {.pictures = images(count, 1, TOY_SIDE, TOY_SIDE)};
    float *pixels = cn_tensor_data(d.pictures);
    for (int64_t i = 0; i < count * TOY_PIXELS; i++)
        pixels[i] = numbers_hashed(seed, (uint32_t)i);
    ck_ok(cn_dataset_memory(ctx, d.pictures, NULL, 0, &d.set));
    for (int i = 0; i < t->count; i++) {
        const task_output *o = &task_outputs[t->which[i]];
        cn_target_options options = CN_TARGET_OPTIONS_INIT;
        options.kind = o->kind;
        options.classes = task_of_classes(o) ? 3 : 0;
        d.targets[i] = task_target(o, count);
        fill(o, d.targets[i], pixels);
        ck_ok(cn_dataset_add_target(d.set, d.targets[i], &options));
    }
    return d;
}

void task_data_free(task_data *d) {
    cn_dataset_free(d->set);
    cn_tensor_free(d->pictures);
    for (int i = 0; i < TASK_OUTPUTS; i++)
        cn_tensor_free(d->targets[i]);
}

/* ---- a task in training ---- */

static counting_allocator counter;

void task_begin(task_training *f, const task *t, int threads) {
    counter = (counting_allocator){0};
    ctx = counting_context(&counter, threads);
    *f = (task_training){.task = t, .model = task_model(t), .options = CN_TRAINER_OPTIONS_INIT};
    f->train = task_data_new(t, TRAINING_COUNT, 1);
    f->test = task_data_new(t, 40, 2);
    for (int i = 0; i < t->count; i++) {
        f->losses[i] = (cn_loss_options)CN_LOSS_OPTIONS_INIT;
        f->losses[i].kind = task_outputs[t->which[i]].loss;
        f->losses[i].weight = task_outputs[t->which[i]].weight;
        f->list[i] = &f->losses[i];
    }
    f->options.batch_size = TRAINING_BATCH;
    f->options.seed = 5;
    f->options.losses = f->list;
    f->options.loss_count = t->count;
}

void task_end(task_training *f) {
    cn_model_free(f->model);
    task_data_free(&f->train);
    task_data_free(&f->test);
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
}
