/* SPDX-License-Identifier: MIT */
/* test_checkpoint.c: a run that was saved and goes on elsewhere has the bits of one that was never stopped: a
 * trainer's, saved after any batch or epoch, and a loop of one's own. */
#include "scratch.h"
#include "testing.h"
#include "training.h"
#include <stdio.h>

enum { EPOCHS = 4, BATCHES = EPOCHS * TRAINING_BATCHES };

/* ---- ways to train ---- */

typedef struct way {
    cn_optimizer_kind optimizer;
    float momentum, dropout, ema;
    int augment, one_cycle, test_data, threads;
    int accumulate, warmup, weighted; /* batches a step; steps; images drawn by their weights */
} way;

static const way ways[] = {
    {CN_OPTIMIZER_SGD, 0.9f, 0.0f, 0.0f, 0, 0, 1, 1, 1, 0, 0},
    {CN_OPTIMIZER_SGD, 0.0f, 0.3f, 0.9f, 1, 1, 1, 3, 2, 0, 0},
    {CN_OPTIMIZER_ADAM, 0.9f, 0.3f, 0.0f, 1, 0, 0, 3, 1, 5, 1},
    {CN_OPTIMIZER_ADAMW, 0.9f, 0.0f, 0.9f, 0, 1, 1, 1, 3, 2, 0},
    {CN_OPTIMIZER_MUON, 0.9f, 0.2f, 0.5f, 1, 1, 1, 3, 1, 0, 1},
};
enum { WAYS = sizeof ways / sizeof *ways };

typedef struct run {
    training f;
    cn_trainer *trainer;
} run;

typedef struct saver {
    cn_trainer *trainer;
    cn_tensor *file; /* what was saved */
    int batches, save_at_batch, epochs, save_at_epoch;
} saver;

static void save(saver *s) {
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    checkpoint.trainer = s->trainer;
    ck_ok(cn_checkpoint_save_memory(&checkpoint, &s->file));
}

static int save_in_batch(void *user, const cn_batch_info *batch) {
    saver *s = user;
    (void)batch;
    if (++s->batches == s->save_at_batch)
        save(s);
    return 0;
}

static int save_in_epoch(void *user, const cn_epoch_info *epoch) {
    saver *s = user;
    (void)epoch;
    if (++s->epochs == s->save_at_epoch)
        save(s);
    return 0;
}

static run begin(const way *w, int threads, saver *s) {
    run r = {.f = training_begin_with(test_context(threads), CN_NORM_BATCH, w->dropout)};
    training *f = &r.f;
    cn_optimizer_options optimizer = CN_OPTIMIZER_OPTIONS_INIT;
    cn_schedule_options schedule = CN_SCHEDULE_OPTIONS_INIT;
    cn_augmentation augmentation = CN_AUGMENTATION_MNIST;
    optimizer.kind = w->optimizer;
    optimizer.momentum = w->momentum;
    optimizer.weight_decay = 0.01f;
    augmentation.alternating_flip = 1;
    if (w->augment)
        ck_ok(cn_dataset_set_augmentation(f->train.set, &augmentation));
    if (w->one_cycle)
        training_one_cycle(&schedule);
    schedule.epochs = 0; /* the first fit's */
    schedule.warmup_steps = w->warmup;
    double weights[TRAINING_COUNT];
    for (int i = 0; i < TRAINING_COUNT; i++)
        weights[i] = i % 4;
    f->options.sample_weights = w->weighted ? weights : NULL;
    f->options.accumulate = w->accumulate;
    f->options.clip_norm = w->accumulate > 1 ? 0.5f : 0.0f;
    f->options.optimizer = &optimizer;
    f->options.schedule = &schedule;
    f->options.ema_decay = w->ema;
    f->options.on_batch = s ? save_in_batch : NULL;
    f->options.user = s;
    ck_ok(cn_trainer_new(f->model, f->train.set, w->test_data ? f->test.set : NULL, &f->options, &r.trainer));
    if (s)
        s->trainer = r.trainer;
    return r;
}

static void end(run *r) {
    cn_trainer_free(r->trainer);
    training_end(&r->f);
}

static void load(run *r, const cn_tensor *file) {
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    checkpoint.trainer = r->trainer;
    ck_ok(cn_checkpoint_load_memory(&checkpoint, cn_tensor_data_const(file), (size_t)cn_tensor_count(file)));
}

/* All of a run's state is in its checkpoint. */
static void expect_same(const run *a, const run *b, bool but_seconds) {
    training_expect_same_history(a->trainer, b->trainer);
    toy_expect_equal(a->f.model, b->f.model);
    if (but_seconds)
        return;
    saver x = {.trainer = a->trainer}, y = {.trainer = b->trainer};
    save(&x);
    save(&y);
    ck_assert_int_eq(cn_tensor_count(x.file), cn_tensor_count(y.file));
    ck_assert_mem_eq(cn_tensor_data(x.file), cn_tensor_data(y.file), (size_t)cn_tensor_count(x.file));
    cn_tensor_free(x.file);
    cn_tensor_free(y.file);
}

static void save_and_go_on(const way *w, saver *s) {
    run whole = begin(w, 2, NULL), saved = begin(w, 2, s), resumed = begin(w, w->threads, NULL);
    ck_ok(cn_trainer_fit(whole.trainer, EPOCHS, NULL, NULL));
    ck_ok(cn_trainer_fit(saved.trainer, EPOCHS, save_in_epoch, s));
    expect_same(&whole, &saved, true); /* saving is not noticed */
    load(&resumed, s->file);
    ck_ok(cn_trainer_fit(resumed.trainer, EPOCHS - cn_trainer_epoch_count(resumed.trainer), NULL, NULL));
    expect_same(&whole, &resumed, true);
    cn_tensor_free(s->file);
    end(&whole);
    end(&saved);
    end(&resumed);
}

/* By each way from every other batch, and with WHOLE from all. */
START_TEST(a_run_goes_on_from_any_batch) {
    if (!test_whole() && (_i / BATCHES + _i) % 2)
        return;
    saver s = {.save_at_batch = _i % BATCHES + 1};
    save_and_go_on(&ways[_i / BATCHES], &s);
}
END_TEST

START_TEST(a_run_goes_on_from_any_epoch) {
    saver s = {.save_at_epoch = _i % EPOCHS + 1};
    save_and_go_on(&ways[_i / EPOCHS], &s);
}
END_TEST

START_TEST(a_run_goes_on_that_was_saved_between_fits) {
    const way *w = &ways[_i];
    saver s = {0};
    run whole = begin(w, 2, NULL), saved = begin(w, 1, NULL), resumed = begin(w, w->threads, NULL);
    for (int epochs = 0; epochs < 3; epochs++) {
        ck_ok(cn_trainer_fit(whole.trainer, epochs, NULL, NULL));
        ck_ok(cn_trainer_fit(saved.trainer, epochs, NULL, NULL));
        s.trainer = saved.trainer;
        save(&s);
        load(&resumed, s.file); /* over what it had */
        expect_same(&saved, &resumed, false);
        cn_tensor_free(s.file);
    }
    expect_same(&whole, &resumed, true);
    end(&whole);
    end(&saved);
    end(&resumed);
}
END_TEST

/* ---- frozen layers, one of which a callback thaws, and groups of parameters ---- */

typedef struct thawing {
    cn_model *model;
    saver s;
} thawing;

static int thaw_and_save(void *user, const cn_batch_info *batch) {
    thawing *t = user;
    if (batch->epoch == 2 && batch->batch == 1)
        ck_ok(cn_model_freeze(t->model, "conv", 0));
    return save_in_batch(&t->s, batch);
}

static run begin_frozen(thawing *t, float scale) {
    run r = {.f = training_begin(CN_NORM_BATCH, 0.1f)};
    cn_optimizer_options optimizer = CN_OPTIMIZER_OPTIONS_INIT;
    cn_parameter_group group = CN_PARAMETER_GROUP_INIT;
    group.pattern = "fc";
    group.learning_rate_scale = scale;
    optimizer.kind = CN_OPTIMIZER_ADAM;
    optimizer.groups = (const cn_parameter_group *const[]){&group};
    optimizer.group_count = 1;
    ck_ok(cn_model_freeze(r.f.model, "conv", 1));
    ck_ok(cn_model_freeze(r.f.model, "norm", 1));
    r.f.options.optimizer = &optimizer;
    r.f.options.ema_decay = 0.7f;
    r.f.options.on_batch = thaw_and_save;
    r.f.options.user = t;
    r.trainer = training_trainer(&r.f, r.f.model);
    t->model = r.f.model;
    t->s.trainer = r.trainer;
    return r;
}

START_TEST(a_run_goes_on_while_layers_thaw) {
    thawing first = {.s.save_at_batch = _i}, second = {0};
    run whole = begin_frozen(&first, 2.0f), resumed = begin_frozen(&second, 2.0f);
    ck_ok(cn_trainer_fit(whole.trainer, 3, NULL, NULL));
    load(&resumed, first.s.file);
    ck_ok(cn_trainer_fit(resumed.trainer, 3 - cn_trainer_epoch_count(resumed.trainer), NULL, NULL));
    expect_same(&whole, &resumed, true);
    ck_assert_int_eq(cn_model_frozen(resumed.f.model, "conv.weight"), 0);
    ck_assert_int_eq(cn_model_frozen(resumed.f.model, "norm.weight"), 1);
    cn_tensor_free(first.s.file);
    end(&whole);
    end(&resumed);
}
END_TEST

START_TEST(other_groups_and_other_frozen_layers_are_refused) {
    thawing t = {0};
    run r = begin_frozen(&t, 2.0f), other = begin_frozen(&t, 3.0f);
    scratch dir = scratch_new();
    const char *path = scratch_path(&dir, "run");
    ck_ok(cn_trainer_save(r.trainer, path));
    ck_fails(cn_trainer_resume(other.trainer, path), CN_ERR_STATE,
             "optimizer.groups 'fc.weight'.learning_rate_scale is 2 there, 3 here");
    cn_trainer_free(other.trainer);
    ck_ok(cn_model_freeze(other.f.model, "norm", 0));
    other.f.options.optimizer = NULL;
    other.trainer = training_trainer(&other.f, other.f.model);
    ck_fails(cn_trainer_resume(other.trainer, path), CN_ERR_STATE, "frozen[2] is 'norm.weight' there, 'conv' here");
    end(&r);
    end(&other);
    scratch_free(&dir);
}
END_TEST

/* ---- files ---- */

START_TEST(a_checkpoint_is_a_file_and_a_model_file) {
    const way *w = &ways[4]; /* with an average */
    scratch dir = scratch_new();
    const char *path = scratch_path(&dir, "run.safetensors");
    saver s = {0};
    run first = begin(w, 2, &s), second = begin(w, 2, NULL);
    cn_model *model;
    ck_fails(cn_trainer_resume(second.trainer, path), CN_ERR_NOT_FOUND, "there is no '");
    ck_ok(cn_trainer_fit(first.trainer, 2, NULL, NULL));
    ck_ok(cn_trainer_save(first.trainer, path));
    ck_ok(cn_trainer_resume(second.trainer, path));
    expect_same(&first, &second, false);
    ck_ok(cn_model_load(first.f.ctx, path, &model));
    toy_expect_equal(first.f.model, model);
    cn_model_free(model);
    ck_ok(cn_trainer_save(first.trainer, path)); /* over itself */
    end(&first);
    end(&second);
    scratch_free(&dir);
}
END_TEST

/* ---- tensors of the program's own ---- */

typedef struct own {
    int64_t counts[2];
    float sums[3];
    uint8_t text[5];
    cn_tensor *tensors[3];
} own;

static const char *const own_names[] = {"counts", "conv.weight", "Zähler/\"\n"};

static void own_begin(cn_context *ctx, own *o) {
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_INT64, 1, (int64_t[]){2}, o->counts, &o->tensors[0]));
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){3, 1}, o->sums, &o->tensors[1]));
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_UINT8, 1, (int64_t[]){5}, o->text, &o->tensors[2]));
}

static void own_end(own *o) {
    for (int i = 0; i < 3; i++)
        cn_tensor_free(o->tensors[i]);
}

START_TEST(tensors_of_the_programs_own_go_with_it) {
    training f = training_begin(CN_NORM_BATCH, 0.1f);
    cn_trainer *trainer = training_trainer(&f, f.model);
    own before = {{-1, INT64_MAX}, {1.5f, -0.0f, 3.0f}, "abcd", {NULL}}, after = {0};
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    cn_tensor *file;
    own_begin(f.ctx, &before);
    own_begin(f.ctx, &after);
    checkpoint.trainer = trainer;
    checkpoint.tensor_count = 3;
    checkpoint.names = own_names;
    checkpoint.tensors = before.tensors;
    ck_ok(cn_checkpoint_save_memory(&checkpoint, &file));
    const void *data = cn_tensor_data(file);
    size_t bytes = (size_t)cn_tensor_count(file);
    checkpoint.tensors = after.tensors;
    ck_ok(cn_checkpoint_load_memory(&checkpoint, data, bytes));
    ck_assert_mem_eq(before.counts, after.counts, sizeof before.counts);
    ck_assert_mem_eq(before.sums, after.sums, sizeof before.sums);
    ck_assert_mem_eq(before.text, after.text, sizeof before.text);
    checkpoint.tensor_count = 0; /* nobody has to ask for them */
    ck_ok(cn_checkpoint_load_memory(&checkpoint, data, bytes));
    checkpoint.tensor_count = 3;
    checkpoint.names = (const char *const[]){"counts", "conv.weight", "count"};
    ck_fails(cn_checkpoint_load_memory(&checkpoint, data, bytes), CN_ERR_STATE, "it has no tensor 'count'");
    checkpoint.names = (const char *const[]){"conv.weight", "counts", "Zähler/\"\n"};
    ck_fails(cn_checkpoint_load_memory(&checkpoint, data, bytes), CN_ERR_STATE,
             "its tensor 'conv.weight' is F32 [3, 1], wanted I64 [2]");
    cn_tensor_free(file);
    own_end(&before);
    own_end(&after);
    cn_trainer_free(trainer);
    training_end(&f);
}
END_TEST

/* ---- a loop of one's own ---- */

typedef struct loop {
    training f;
    cn_optimizer *optimizer;
    cn_tensor *images, *labels, *output, *gradient;
    int64_t step;
    cn_tensor *position;
    cn_checkpoint checkpoint;
} loop;

static const char *const step_name = "step";

static void loop_begin(loop *l, cn_optimizer_kind kind) {
    cn_optimizer_options options = CN_OPTIMIZER_OPTIONS_INIT;
    options.kind = kind;
    *l = (loop){.f = training_begin(CN_NORM_BATCH, 0.3f), .checkpoint = CN_CHECKPOINT_INIT};
    cn_context *ctx = l->f.ctx;
    int64_t images[] = {TRAINING_BATCH, 1, TOY_SIDE, TOY_SIDE}, outputs[] = {TRAINING_BATCH, TOY_CLASSES};
    ck_ok(cn_optimizer_new(l->f.model, &options, &l->optimizer));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, images, &l->images));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_INT64, 1, images, &l->labels));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, outputs, &l->output));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, outputs, &l->gradient));
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_INT64, 0, NULL, &l->step, &l->position));
    l->checkpoint.model = l->f.model;
    l->checkpoint.optimizer = l->optimizer;
    l->checkpoint.tensor_count = 1;
    l->checkpoint.names = &step_name;
    l->checkpoint.tensors = &l->position;
}

static void loop_until(loop *l, int64_t steps) {
    int64_t indices[TRAINING_BATCH];
    cn_loss_options nll = CN_LOSS_OPTIONS_INIT;
    double loss;
    nll.kind = CN_LOSS_NLL;
    for (; l->step < steps; l->step++) {
        for (int64_t i = 0; i < TRAINING_BATCH; i++)
            indices[i] = (l->step * TRAINING_BATCH + i) % TRAINING_COUNT;
        ck_ok(cn_dataset_batch(l->f.train.set, TRAINING_BATCH, indices, 0, 0, 0, l->images, l->labels));
        ck_ok(cn_model_forward(l->f.model, 1, l->images, l->output));
        ck_ok(cn_loss_compute(&nll, l->output, l->labels, &loss, l->gradient));
        ck_ok(cn_model_backward(l->f.model, l->gradient, NULL));
        ck_ok(cn_optimizer_set_learning_rate(l->optimizer, 0.01 / (double)(l->step + 1)));
        ck_ok(cn_optimizer_step(l->optimizer));
    }
}

static void loop_end(loop *l) {
    cn_tensor_free(l->position);
    cn_tensor_free(l->gradient);
    cn_tensor_free(l->output);
    cn_tensor_free(l->labels);
    cn_tensor_free(l->images);
    cn_optimizer_free(l->optimizer);
    training_end(&l->f);
}

START_TEST(a_loop_of_ones_own_goes_on) {
    static const cn_optimizer_kind kinds[] = {CN_OPTIMIZER_SGD, CN_OPTIMIZER_ADAM, CN_OPTIMIZER_MUON};
    scratch dir = scratch_new();
    const char *path = scratch_path(&dir, "loop");
    loop whole, resumed;
    loop_begin(&whole, kinds[_i]);
    loop_begin(&resumed, kinds[_i]);
    loop_until(&whole, 3);
    ck_ok(cn_checkpoint_save(&whole.checkpoint, path));
    double rate = cn_optimizer_learning_rate(whole.optimizer);
    loop_until(&whole, 7);
    ck_ok(cn_checkpoint_load(&resumed.checkpoint, path));
    ck_assert_int_eq(resumed.step, 3);
    ck_assert_int_eq(cn_model_training_passes(resumed.f.model), 3);
    ck_assert_double_eq(cn_optimizer_learning_rate(resumed.optimizer), rate);
    loop_until(&resumed, 7);
    toy_expect_equal(whole.f.model, resumed.f.model);
    loop_end(&whole);
    loop_end(&resumed);
    scratch_free(&dir);
}
END_TEST

START_TEST(dropout_goes_by_the_number_of_training_passes) {
    loop a, b;
    loop_begin(&a, CN_OPTIMIZER_SGD);
    loop_begin(&b, CN_OPTIMIZER_SGD);
    ck_assert_int_eq(cn_model_training_passes(a.f.model), 0);
    ck_ok(cn_model_set_training_passes(a.f.model, 41));
    loop_until(&a, 1);
    ck_assert_int_eq(cn_model_training_passes(a.f.model), 42);
    ck_ok(cn_model_set_training_passes(b.f.model, UINT32_MAX));
    ck_ok(cn_model_set_training_passes(b.f.model, 41));
    loop_until(&b, 1);
    toy_expect_equal(a.f.model, b.f.model);
    ck_fails(cn_model_set_training_passes(b.f.model, -1), CN_ERR_ARGUMENT, "-1, wanted 0 to 4294967295");
    ck_fails(cn_model_set_training_passes(b.f.model, (int64_t)UINT32_MAX + 1), CN_ERR_ARGUMENT, "4294967296");
    ck_assert_int_eq(cn_model_training_passes(NULL), 0);
    loop_end(&a);
    loop_end(&b);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("checkpoint");
    TCase *group = tcase_create("checkpoint");
    tcase_add_loop_test(group, a_run_goes_on_from_any_batch, 0, WAYS * BATCHES);
    tcase_add_loop_test(group, a_run_goes_on_from_any_epoch, 0, WAYS * EPOCHS);
    tcase_add_loop_test(group, a_run_goes_on_that_was_saved_between_fits, 0, WAYS);
    tcase_add_loop_test(group, a_run_goes_on_while_layers_thaw, 1, 3 * TRAINING_BATCHES + 1);
    tcase_add_test(group, other_groups_and_other_frozen_layers_are_refused);
    tcase_add_test(group, a_checkpoint_is_a_file_and_a_model_file);
    tcase_add_test(group, tensors_of_the_programs_own_go_with_it);
    tcase_add_loop_test(group, a_loop_of_ones_own_goes_on, 0, 3);
    tcase_add_test(group, dropout_goes_by_the_number_of_training_passes);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
