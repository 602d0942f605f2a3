/* SPDX-License-Identifier: MIT */
/* train.c: convnet-train, which trains a network on labelled images, shows and logs its progress, and saves it.
 *
 * Introduces contexts, data sets with augmentation, trainers with their options, and both callbacks. Its own options
 * are in common/train_arguments.c.
 */
#include "common/run.h"
#include "common/train_arguments.h"
#include "common/training_memory.h"
#include <string.h>
#include <time.h>

/* ---- data and model ---- */

/* What the data have, or a part of the training images, as they are. */
static cn_status set_validation_apart(const train_arguments *a, run *r) {
    cn_dataset *part, *rest;
    cn_status status = data_open_validation(r->context, &a->data, r->train, &r->validation);
    if (status != CN_OK || a->validation == 0.0)
        return status;
    if (r->validation) {
        complain("'%s' has images for validation of its own, so that --validation does not go with it", a->data.text);
        return CN_ERR_ARGUMENT;
    }
    status = r->task.kind == CN_TARGET_CLASS
                 ? cn_dataset_split_stratified(r->train, a->validation, (uint64_t)a->seed, &part, &rest)
                 : cn_dataset_split(r->train, a->validation, (uint64_t)a->seed, &part, &rest);
    if (status != CN_OK) {
        complain_library("cannot set images for validation apart");
        return status;
    }
    cn_dataset_free(r->train);
    r->train = rest;
    r->validation = part;
    if (!a->data.format->drawn)
        duplicates_say(r->context, rest, part, "validation");
    return CN_OK;
}

static cn_status open_data(train_arguments *a, run *r) {
    cn_status status;
    if ((a->data.format->fitted && (status = network_input(r->context, &a->network, a->data.shape)) != CN_OK) ||
        (status = data_open_both(r->context, &a->data, &r->train, &r->test)) != CN_OK)
        return status;
    r->task = task_of(r->train);
    if ((status = set_validation_apart(a, r)) != CN_OK)
        return status;
    return train_arguments_augment(a, r->train);
}

/* Whether model and data go together, if need be with a new output layer. */
static bool join(train_arguments *a, run *r) {
    if (!task_read(&r->task, r->model, a->network.name, a->loss_choice) ||
        !task_fits(r->context, &r->task, &a->data, CN_SPLIT_TRAIN, r->train) ||
        !task_fits(r->context, &r->task, &a->data, CN_SPLIT_TEST, r->test) ||
        !task_fits(r->context, &r->task, &a->data, CN_SPLIT_VALIDATION, r->validation))
        return false;
    if (a->misclassified > 0 && r->task.kind != CN_TARGET_CLASS) {
        complain("'%s' has no classes of images, which --misclassified lists", a->data.text);
        return false;
    }
    cn_dataset **const parts[] = {&r->train, &r->test, &r->validation, NULL};
    if (task_has_classes(&r->task))
        return transfer_classes(&a->going_on, r->model, &a->network, parts, a->data.text);
    return transfer_values(&a->going_on, r->model, &a->network, &r->task, r->train, a->data.text);
}

static cn_status open_run(train_arguments *a, run *r) {
    cn_status status = open_data(a, r);
    if (status != CN_OK)
        return status;
    train_arguments_choose_network(a, r->task.kind);
    a->network.classes = r->task.outputs;
    cn_dataset_shape(r->train, a->network.images);
    a->network.seed = a->seed;
    a->network.dropout = (double)r->recipe.dropout;
    if ((status = network_open(r->context, &a->network, &r->model)) != CN_OK)
        return status;
    return join(a, r) && transfer_freeze(&a->going_on, r->model) &&
                   transfer_rates(&a->going_on, r->model, &r->recipe.optimizer)
               ? CN_OK
               : CN_ERR_DATA;
}

/* ---- trainer ---- */

/* Weights to draw images by, to be freed; NULL: none are asked for. */
static cn_status make_weights(const train_arguments *a, const run *r, double **weights) {
    int64_t count = cn_dataset_count(r->train);
    *weights = NULL;
    if (!a->balanced)
        return CN_OK;
    *weights = malloc((size_t)count * sizeof **weights);
    if (!*weights) {
        complain("no memory for weights of images");
        return CN_ERR_MEMORY;
    }
    cn_status status = cn_dataset_balanced_weights(r->train, count, *weights);
    if (status != CN_OK)
        complain_library("cannot balance the classes");
    return status;
}

static bool schedule_has_an_end(cn_schedule_kind kind) {
    return kind == CN_SCHEDULE_COSINE || kind == CN_SCHEDULE_ONE_CYCLE || kind == CN_SCHEDULE_POLYNOMIAL;
}

static cn_status make_trainer(const train_arguments *a, run *r) {
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    double *weights;
    recipe_fill(&r->recipe, &options);
    if (schedule_has_an_end(r->recipe.schedule.kind))
        r->recipe.schedule.epochs = r->recipe.epochs; /* a run that goes on wants the same */
    options.loss = r->task.loss;
    options.seed = (uint64_t)a->seed;
    options.on_batch = a->rates_path ? find_rate_batch : run_batch;
    options.user = r;
    cn_status status = make_weights(a, r, &weights);
    options.sample_weights = weights;
    options.communicator = ranks_communicator(&r->ranks);
    options.local_batch_norm = a->local_batch_norm;
    if (status == CN_OK &&
        !memory_suffices(&r->ranks, r->context, r->model, r->train, run_tested(r), &options, &r->memory))
        status = CN_ERR_MEMORY;
    if (status == CN_OK &&
        (status = cn_trainer_new(r->model, r->train, run_tested(r), &options, &r->trainer)) != CN_OK &&
        ranks_speaks(&r->ranks)) /* all have failed */
        complain_library("cannot train so");
    free(weights);
    return status;
}

/* ---- outputs ---- */

/* A run that is there is not overwritten by another. */
static bool find_checkpoint(const train_arguments *a, run *r) {
    char text[600];
    if (!a->checkpoint_path)
        return true;
    bool there = output_holds_something(a->checkpoint_path);
    if (there && a->resume && !run_resume(r))
        return false;
    if (!ranks_speaks(&r->ranks))
        r->checkpoint_path = NULL; /* rank 0 writes it */
    if (r->resumed)
        return true;
    if (a->resume) {
        snprintf(text, sizeof text, "%.500s is not there yet: the run begins", a->checkpoint_path);
        print_fitting(text);
    }
    if (there && ranks_speaks(&r->ranks))
        complain("'%s' is there already: --resume goes on with it; for another run, choose another name or remove it",
                 a->checkpoint_path);
    return !there;
}

/* The last things that may be wrong before time is spent on training. */
static bool open_outputs(const train_arguments *a, run *r) {
    if (a->out_path && !output_possible(a->out_path, r->model))
        return false;
    return !a->log_path || epoch_log_open(&r->log, a->log_path, run_tested_name(r), r->task.metric);
}

static bool outputs_possible(const train_arguments *a) {
    const char *const files[] = {a->out_path, a->log_path, a->checkpoint_path, a->rates_path};
    for (size_t i = 0; i < COUNT(files); i++)
        if (files[i] && !output_spares_data(files[i], a->data.directory))
            return false;
    if (a->report_path && !report_folder(a->report_path, report_names)) /* the others may lie in it */
        return false;
    return (!a->out_path || output_possible(a->out_path, NULL)) &&
           (!a->rates_path || output_possible(a->rates_path, NULL)) &&
           (!a->log_path || epoch_log_possible(a->log_path)) &&
           (!a->checkpoint_path || output_possible(a->checkpoint_path, NULL));
}

/* ---- what is said of the run, on the terminal and in the report ---- */

/* "in 3 classes: cat, dog, owl", "with 2 values each". */
static void target_text(const run *r, char *text, size_t size) {
    char classes[CLASS_LIST_TEXT];
    long long outputs = (long long)r->task.outputs;
    switch (r->task.kind) {
    case CN_TARGET_CLASS:
        snprintf(text, size, "in %lld classes: %s", outputs, data_class_list(r->train, classes));
        break;
    case CN_TARGET_MASK:
        snprintf(text, size, "whose pixels are of %lld classes: %s", outputs, data_class_list(r->train, classes));
        break;
    case CN_TARGET_VECTOR:
        snprintf(text, size, "with %lld value%s each", outputs, outputs == 1 ? "" : "s");
        break;
    case CN_TARGET_IMAGE:
        snprintf(text, size, "with an image of %lld channel%s each", outputs, outputs == 1 ? "" : "s");
        break;
    }
}

#define LARGE ((size_t)1 << 30) /* bytes of memory, from which on a run says what it takes */

static void print_beginning(const train_arguments *a, const run *r) {
    char parameters[GROUPED_TEXT], train_count[GROUPED_TEXT], test_count[GROUPED_TEXT], text[1024];
    char validation_count[GROUPED_TEXT], targets[CLASS_LIST_TEXT + 64], memory[MEMORY_TEXT];
    int64_t shape[3];
    cn_device device = CN_DEVICE_INIT;
    cn_dataset_shape(r->train, shape);
    target_text(r, targets, sizeof targets);
    int used = snprintf(text, sizeof text, "%.300s with %s parameters; %s training%s%s%s%s test images of %d×%d×%d %s",
                        a->network.name, grouped(cn_model_parameter_count(r->model), parameters),
                        grouped(cn_dataset_count(r->train), train_count), r->validation ? ", " : "",
                        r->validation ? grouped(cn_dataset_count(r->validation), validation_count) : "",
                        r->validation ? " validation and " : " and ", grouped(cn_dataset_count(r->test), test_count),
                        (int)shape[0], (int)shape[1], (int)shape[2], targets);
    if (r->ranks.communicator.ranks > 1)
        used += snprintf(text + used, sizeof text - (size_t)used, "; %d processes", r->ranks.communicator.ranks);
    if (cn_context_device(r->context, &device) == CN_OK)
        snprintf(text + used, sizeof text - (size_t)used, "%s %d thread%s, %s",
                 r->ranks.communicator.ranks > 1 ? " of" : ";", device.threads, device.threads == 1 ? "" : "s",
                 cn_isa_name(device.isa));
    if (r->memory >= LARGE)
        snprintf(text + strlen(text), sizeof text - strlen(text), ", %s of memory", memory_text(r->memory, memory));
    print_fitting(text);
    if (a->out_path && !r->resumed && output_holds_something(a->out_path)) {
        snprintf(text, sizeof text, "%.500s is there, and is replaced when the first epoch is over", a->out_path);
        print_fitting(text);
    }
}

/* The highest that there is. */
static double rate_shown(const recipe *r) {
    double start = r->optimizer.learning_rate >= 0.0f      ? (double)r->optimizer.learning_rate
                   : r->optimizer.kind == CN_OPTIMIZER_SGD ? 0.01
                                                           : 0.001;
    if (r->schedule.kind != CN_SCHEDULE_ONE_CYCLE)
        return start;
    return r->schedule.max_learning_rate >= 0.0f ? (double)r->schedule.max_learning_rate : 10.0 * start;
}

static void describe_data(setting_list *s, const train_arguments *a, const run *r) {
    char train_count[GROUPED_TEXT], test_count[GROUPED_TEXT];
    settings_add(s, "data", "%s", a->data.text);
    settings_add(s, "images", "%s to train with, %s to test with", grouped(cn_dataset_count(r->train), train_count),
                 grouped(cn_dataset_count(r->test), test_count));
    if (r->validation)
        settings_append(s, ", and %s to steer by (validation)", grouped(cn_dataset_count(r->validation), test_count));
    if (a->validation > 0.0)
        settings_append(s, ", %g %% of the training images%s", 100.0 * a->validation,
                        r->task.kind == CN_TARGET_CLASS ? " of each class" : "");
    settings_add(s, "changes to images", "%s",
                 a->augment == 0  ? "none but those of the command"
                 : a->augment > 0 ? "the recipe's, and those of the command"
                                  : "the recipe's, as far as they go with the data");
}

static void describe_network(setting_list *s, const train_arguments *a, const run *r) {
    bool session8 = strcmp(a->network.name, "session8") == 0;
    settings_add(s, "network", "%s%s", a->network.name, a->going_on.new_output ? ", with a new output layer" : "");
    if (a->going_on.freeze)
        settings_add(s, "frozen", "%s", a->going_on.freeze);
    if (a->going_on.head_rate != 1.0)
        settings_add(s, "output layer's rate", "times %g", a->going_on.head_rate);
    settings_add(s, "norm", "%s", session8 ? network_norms[a->network.norm] : "the network's own");
    if (session8)
        settings_add(s, "dropout", "%g", (double)r->recipe.dropout);
}

static void describe_training(setting_list *s, const train_arguments *a, const run *trained) {
    const recipe *r = &trained->recipe;
    const cn_optimizer_options *o = &r->optimizer;
    settings_add(s, "recipe", "%s", recipe_names[a->recipe_kind]);
    settings_add(s, "epochs", "%d", r->epochs);
    settings_add(s, "batch", "%d", r->batch_size);
    if (r->accumulate > 1)
        settings_append(s, ", %d to a step", r->accumulate);
    if (r->clip_norm > 0.0f)
        settings_add(s, "longest gradient", "%g", (double)r->clip_norm);
    if (r->clip_value > 0.0f)
        settings_add(s, "largest gradient", "%g", (double)r->clip_value);
    if (a->balanced)
        settings_add(s, "images drawn", "%s", "each class equally often");
    settings_add(s, "seed", "%lld", (long long)a->seed);
    if (a->network.init == NETWORK_INIT_PYTORCH)
        settings_add(s, "first parameters", "as PyTorch draws them");
    settings_add(s, "loss", "%s", cn_loss_name(trained->task.loss));
    settings_add(s, "optimizer", "%s", cn_optimizer_name(o->kind));
    if (o->kind == CN_OPTIMIZER_SGD || o->kind == CN_OPTIMIZER_MUON)
        settings_append(s, ", momentum %g%s", (double)o->momentum, o->nesterov ? " (Nesterov)" : "");
    if (o->weight_decay > 0.0f)
        settings_append(s, ", weight decay %g%s", (double)o->weight_decay, o->decay_weights_only ? " of weights" : "");
    settings_add(s, "highest rate", "%g", rate_shown(r));
    settings_add(s, "schedule", "%s", cn_schedule_name(r->schedule.kind));
    if (r->schedule.warmup_epochs > 0)
        settings_append(s, ", after a warm-up of %d epoch%s", r->schedule.warmup_epochs,
                        r->schedule.warmup_epochs == 1 ? "" : "s");
    if (r->label_smoothing > 0.0f)
        settings_add(s, "label smoothing", "%g", (double)r->label_smoothing);
    if (r->l1 > 0.0f)
        settings_add(s, "L1 penalty", "%g", (double)r->l1);
    if (r->mixup_alpha > 0.0f)
        settings_add(s, "mixup", "%g", (double)r->mixup_alpha);
    if (r->cutmix_alpha > 0.0f)
        settings_add(s, "cutmix", "%g", (double)r->cutmix_alpha);
    if (r->ema_decay > 0.0f)
        settings_add(s, "average", "moving, of decay %g%s", (double)r->ema_decay, r->ema_warmup ? ", warmed up" : "");
}

/* What it takes to do the same again. */
static void describe_command(setting_list *s, const char *command) {
    char date[32] = "?";
    time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local))
        strftime(date, sizeof date, "%Y-%m-%d %H:%M", &local);
    settings_add(s, "begun", "%s", date);
    settings_add(s, "command", "%s", command);
}

/* ---- the run ---- */

static int search(const train_arguments *a, run *r) {
    print_beginning(a, r);
    return find_rate(r, a->rates_path);
}

/* Whether all that a run wants to keep has its place. */
static bool find_places(const train_arguments *a, run *r) {
    return keeper_init(&r->keeper, r->model, a->out_path, a->keep_best) && find_checkpoint(a, r) && open_outputs(a, r);
}

static int train(const train_arguments *a, run *r, int argc, char **argv) {
    setting_list *s = calloc(1, sizeof *s);
    char *command = command_text("convnet-train", argc, argv, NULL);
    char *again = command_text(argv[0], argc, argv, a->resume ? NULL : "--resume");
    char title[96];
    bool session8 = strcmp(a->network.name, "session8") == 0;
    if (!s || !command || !again) {
        complain("no memory for a run");
        return EXIT_FAILURE;
    }
    r->again = again;
    snprintf(title, sizeof title, "%.40s%s%s", a->network.name, session8 ? ", norm: " : "",
             session8 ? network_norms[a->network.norm] : "");
    describe_data(s, a, r);
    describe_network(s, a, r);
    describe_training(s, a, r);
    train_arguments_describe(s);
    describe_command(s, command);
    print_beginning(a, r);
    interruption_catch();
    int code = run_train(r, s, title);
    free(command);
    free(again);
    free(s);
    return code;
}

/* Becomes one of several processes, if there are; only one of them writes. */
static bool join_ranks(train_arguments *a, run *r) {
    if (!ranks_join(&r->ranks))
        return false;
    if (!ranks_speaks(&r->ranks))
        a->out_path = a->log_path = a->report_path = NULL;
    if (a->threads == 0)
        a->threads = r->ranks.threads;
    return true;
}

/* Pinned threads of processes that share cores would all be on the first ones. */
static bool make_context(const train_arguments *a, run *r) {
    cn_device device = CN_DEVICE_INIT;
    if (program_pinned_context(a->threads, a->pin, (cn_conv_algorithm)a->algorithm, r->profile, &r->context) != CN_OK ||
        cn_context_device(r->context, &device) != CN_OK)
        return false;
    bool shared = ranks_communicator(&r->ranks) && r->ranks.threads < device.cores;
    if (a->pin && shared)
        complain("--pin: %d processes share their cores; have %s bind each to cores of its own (--bind-to core)",
                 r->ranks.communicator.ranks, r->ranks.launcher);
    return !a->pin || !shared;
}

int main(int argc, char **argv) {
    run r = {0};
    int code = EXIT_FAILURE;
    if (!ranks_find(&r.ranks, argc, argv))
        return program_end(EXIT_FAILURE);
    train_arguments a = train_arguments_read(argc, argv);
    if (!join_ranks(&a, &r))
        return program_end(EXIT_FAILURE);
    r.recipe = a.recipe;
    r.log_path = a.log_path;
    r.report_path = a.report_path;
    r.checkpoint_path = a.checkpoint_path;
    r.every = a.every;
    r.patience = a.patience_stop;
    r.misclassified = a.misclassified;
    if ((!a.profiling || (r.profile = profile_new())) && (!ranks_speaks(&r.ranks) || outputs_possible(&a)) &&
        make_context(&a, &r) && open_run(&a, &r) == CN_OK && make_trainer(&a, &r) == CN_OK && find_places(&a, &r))
        code = a.rates_path ? search(&a, &r) : train(&a, &r, argc, argv);
    else
        ranks_give_up(&r.ranks);
    cn_evaluation_free(r.evaluation);
    keeper_free(&r.keeper);
    cn_trainer_free(r.trainer);
    cn_model_free(r.model);
    cn_dataset_free(r.test);
    cn_dataset_free(r.validation);
    cn_dataset_free(r.train);
    cn_context_free(r.context);
    profile_free(r.profile);
    ranks_leave(&r.ranks, code);
    return program_end(code);
}
