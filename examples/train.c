/* train.c: convnet-train, which trains a network on labelled images, shows and logs its progress, and saves it.
 *
 * Introduces contexts, data sets with augmentation, trainers with their options, and both callbacks.
 */
#include "common/run.h"
#include <errno.h>
#include <string.h>
#include <time.h>

/* ---- what is asked for: a recipe, and options that change it ---- */

static const char *data_text, *out_path, *log_path, *report_path, *checkpoint_path, *every_text = "epoch";
static network_spec network = NETWORK_SPEC_INIT;
static transfer going_on = TRANSFER_INIT;
static int recipe_kind = RECIPE_STUDY;
static int64_t epochs = 20, batch_size = 32, threads, seed, patience, step_size = 10, warmup, accumulate = 1, crop,
               cutout, patience_stop;
static double rate, momentum = 0.9, weight_decay, label_smoothing, l1, ema, factor, min_rate, max_rate, rise = 0.3,
                    power = 1, warmup_start = 1.0 / 3.0, clip_norm, clip_value, mixup, cutmix, validation;
static double flip = 0.5, grayscale = 0.1, rotation = 7, perspective = 0.5;
static int loss_choice, optimizer_kind = CN_OPTIMIZER_SGD, schedule_kind = CN_SCHEDULE_PLATEAU, nesterov, linear,
                        algorithm;
static int decay_weights_only, alternating_flip, balanced, profiling, resume, augment = -1; /* -1: as the data has it */

enum { KEEP_LAST, KEEP_BEST };
static const char *const keeps[] = {"last", "best", NULL};
static int keep = KEEP_LAST;
static const char *const algorithms[] = {"auto", "direct", "gemm", NULL}; /* in the order of cn_conv_algorithm */

static const char *optimizer_name(int kind) {
    return cn_optimizer_name((cn_optimizer_kind)kind);
}

static const char *schedule_name(int kind) {
    return kind == CN_SCHEDULE_CUSTOM ? NULL : cn_schedule_name((cn_schedule_kind)kind); /* which is the last */
}

static argument arguments[] = {
    REQUIRED("data", "DATA", &data_text, DATA_HELP),
    TEXT(
        "model", "MODEL", &network.name,
        "what to train: " NETWORK_HELP ", which is trained further, and for "
        "other classes with a new output layer; unless it is given, resnet20 for data with vectors, and unet for masks "
        "and images"),
    LOSS_ARGUMENT(&loss_choice),
    SIZE_ARGUMENT(network),
    TRANSFER_ARGUMENTS(going_on),
    TEXT("out", "FILE", &out_path, "save the model here (safetensors), after every epoch that is kept"),
    REAL("validation", &validation, 0, true, 1, true,
         "share of the training images, the same of each class, that epochs are tested on instead: they steer the "
         "schedule and --keep, and the test images are looked at once, in the end [none]"),
    CHOICE(
        "keep", keeps, &keep,
        "which epoch's model is left in the end; best: of the best test accuracy, or mean IoU of masks, F1 of labels, "
        "MAE of other values, which then flatters a little, since the test images have chosen (but see --validation)"),
    TEXT("log", "FILE", &log_path, "write a CSV file with a line an epoch"),
    TEXT("report", "DIR", &report_path, "write a report into this folder: a page, its charts, the history"),
    TEXT("checkpoint", "FILE", &checkpoint_path, "save the run itself here, so that it can go on with the same result"),
    TEXT("every", "N|epoch", &every_text, "how often: after so many batches, or after each epoch, which always is"),
    FLAG("resume", &resume, 1, "go on with --checkpoint's run where it is; if there is none, begin it"),
    NETWORK_ARGUMENTS(network),
    HEADING("Training (defaults are the study's, and other recipes have their own)"),
    CHOICE("recipe", recipe_names, &recipe_kind,
           "all that follows, the changes to images included, of which single options may be given otherwise"),
    INTEGER("epochs", &epochs, 1, 1000000, "passes over the training images"),
    INTEGER("patience-stop", &patience_stop, 1, 1000000,
            "end after so many epochs without a better one, as --keep weighs them"),
    FLAG("balanced", &balanced, 1, "draw images so that each class is seen equally often, instead of each image once"),
    INTEGER("batch", &batch_size, 1, 65536, "images at a time"),
    INTEGER("accumulate", &accumulate, 1, 65536, "batches a step, which follows their mean gradient"),
    LIBRARY_CHOICE("optimizer", optimizer_name, &optimizer_kind, "how a step follows the gradient"),
    REAL("lr", &rate, 0, true, 1000, false, "learning rate [0.01 for sgd, 0.001 for the others]"),
    REAL("momentum", &momentum, 0, false, 1, true, "share of the last step in the next, for sgd and muon"),
    FLAG("nesterov", &nesterov, 1, "Nesterov's momentum, for sgd and muon"),
    REAL("weight-decay", &weight_decay, 0, false, 1000, false, "pulls parameters to zero"),
    FLAG("decay-weights-only", &decay_weights_only, 1, "no weight decay for biases and norms"),
    REAL("l1", &l1, 0, false, 1000, false, "adds this times the sum of |parameter| to the loss"),
    REAL("label-smoothing", &label_smoothing, 0, false, 1, true, "share of the target spread over all classes"),
    REAL("clip-norm", &clip_norm, 0, true, 1e30, false, "shorten gradients, all as one vector, to this length [not]"),
    REAL("clip-value", &clip_value, 0, true, 1e30, false, "bring each gradient to this at most, up or down [not]"),
    REAL("ema", &ema, 0, false, 1, true,
         "test and save the moving average of all steps' parameters, to which each step adds what this leaves to 1, "
         "and the first ones more"),
    HEADING("Learning rate"),
    LIBRARY_CHOICE("schedule", schedule_name, &schedule_kind, "how the rate changes"),
    REAL("factor", &factor, 0, true, 1, true,
         "plateau, step, exponential: each cut multiplies the rate by this "
         "[0.3 for plateau, 0.1 for step, 0.9 for exponential]"),
    INTEGER("patience", &patience, 0, 1000000, "plateau: epochs without a better test loss that are borne"),
    INTEGER("step-size", &step_size, 1, 1000000, "step: epochs between cuts"),
    REAL("min-lr", &min_rate, 0, false, 1000, false, "plateau, cosine: the lowest rate"),
    REAL("max-lr", &max_rate, 0, true, 1000, false, "one-cycle: the highest rate [10 times --lr]"),
    REAL("rise", &rise, 0, true, 1, true, "one-cycle: share of the run until the highest rate"),
    FLAG("linear", &linear, 1, "one-cycle: straight lines instead of cosines"),
    REAL("power", &power, 0, false, 100, false, "polynomial: of the share of the run that is left"),
    INTEGER("warmup", &warmup, 0, 1000000,
            "epochs before the schedule begins in which the rate rises to its first, step by step"),
    REAL("warmup-start", &warmup_start, 0, false, 1, false, "share of that rate which a warm-up begins with"),
    HEADING("Random changes to training images"),
    FLAG("augment", &augment, 1, "those of the recipe (the default but for synthetic images)"),
    FLAG("no-augment", &augment, 0, "none but those given by an option (the default for synthetic images)"),
    REAL("flip", &flip, 0, false, 1, false, "probability of a horizontal flip; not for idx"),
    FLAG("alternating-flip", &alternating_flip, 1, "instead: flip every image in every other epoch"),
    REAL("grayscale", &grayscale, 0, false, 1, false, "probability of a grey image; not for idx"),
    REAL("rotation", &rotation, 0, false, 180, false, "up to so many degrees"),
    REAL("perspective", &perspective, 0, false, 1, false, "probability of a change of view"),
    INTEGER("crop", &crop, 0, 64, "shift by up to so many pixels, edges mirrored"),
    REAL("mixup", &mixup, 0, false, 1000, false,
         "mix images of a batch with one another by a share of Beta(X, X), and what they cost; 0: not"),
    REAL("cutmix", &cutmix, 0, false, 1000, false,
         "the same with a box of the other image; with --mixup half of the batches each"),
    INTEGER("cutout", &cutout, 0, 1024, "blank a square of so many pixels a side"),
    HEADING("The run"),
    INTEGER("threads", &threads, 0, 1024, "threads; 0: one for each core. The result does not depend on it"),
    INTEGER("seed", &seed, 0, INT64_MAX, "of first parameters, order, changes to images and dropout"),
    CHOICE("algorithm", algorithms, &algorithm,
           "how convolutions compute; direct: by plain sums, the same bits on every machine with fused multiply-add"),
    FLAG("profile", &profiling, 1, "show where the time went, layer by layer"),
    END_OF_ARGUMENTS,
};

static const program_spec train_program = {
    .name = "convnet-train",
    .about = "Trains a convolutional network on labelled images, on the CPU. Without options it follows the recipe of "
             "the session-8 study: SGD at 0.01 with momentum 0.9, batches of 32, 20 epochs, and a rate that falls to "
             "0.3 of itself after each epoch that does not improve the test loss. --recipe best does better, and "
             "--recipe fast as well in a fraction of the time.",
    .networks = cn_zoo_name,
    .arguments = arguments,
    .notes =
        "The model is saved after every epoch, so that a run that is killed loses one at most. Ctrl-C, SIGTERM, a "
        "hang-up "
        "and other signals end the training after the current batch, and everything is still written; a second Ctrl-C "
        "ends it at once. A run that fails, as when the loss is no number any more, leaves what it has, too.\n"
        "\n"
        "With --checkpoint a run that was ended, killed or lost its machine goes on: give the same command with "
        "--resume, and results are those of a run that was never stopped, bit by bit. A job's script may always have "
        "--resume. What changes results must be as it was, but more --epochs are taken where the schedule has no end.\n"
        "\n"
        "Examples:\n"
        "  convnet-train --data synthetic --epochs 3\n"
        "  convnet-train --data cifar10:cifar-10-batches-bin --norm group --out group.safetensors --log group.csv\n"
        "  convnet-train --data folder:photos --out photos.safetensors\n"
        "  convnet-train --data idx:mnist --model mnist5 --seed 7 --out mnist5.safetensors\n"
        "  convnet-train --data folder:photos --model resnet18 --size 64x64 --out resnet18.safetensors\n"
        "  convnet-train --data masks:streets --size 96x96 --keep best --out streets.safetensors\n"
        "  convnet-train --data npz:positions.npz --loss smooth-l1 --recipe fast --out positions.safetensors\n"
        "  convnet-train --data cifar10:cifar-10-batches-bin --recipe best --out best.safetensors --checkpoint "
        "best.run --every 200 --resume\n"
        "  convnet-train --data cifar10:cifar-10-batches-bin --recipe fast --epochs 10 --flip 0.5 --crop 1\n"
        "\n"
        "Exit codes: 0 trained; 1 something failed; 2 a mistake on the command line; 128 + N ended by signal N (130: "
        "Ctrl-C).\n",
};

/* What an option says, where it was given. */
#define TAKE(name_, member_, value_)                                                                                   \
    do {                                                                                                               \
        if (arguments_given(&train_program, name_))                                                                    \
            (member_) = (value_);                                                                                      \
    } while (0)

static void change_optimizer(cn_optimizer_options *o) {
    TAKE("optimizer", o->kind, (cn_optimizer_kind)optimizer_kind);
    TAKE("lr", o->learning_rate, (float)rate);
    TAKE("momentum", o->momentum, (float)momentum);
    TAKE("nesterov", o->nesterov, 1);
    TAKE("weight-decay", o->weight_decay, (float)weight_decay);
    TAKE("decay-weights-only", o->decay_weights_only, 1);
}

static void change_schedule(cn_schedule_options *o) {
    TAKE("schedule", o->kind, (cn_schedule_kind)schedule_kind);
    if (o->kind == CN_SCHEDULE_STEP)
        o->factor = 0.1f;
    if (o->kind == CN_SCHEDULE_EXPONENTIAL)
        o->factor = 0.9f;
    TAKE("factor", o->factor, (float)factor);
    TAKE("patience", o->patience, (int)patience);
    TAKE("step-size", o->step_size, (int)step_size);
    TAKE("min-lr", o->min_learning_rate, (float)min_rate);
    TAKE("lr", o->max_learning_rate, CN_LEARNING_RATE_DEFAULT); /* then 10 times that */
    TAKE("max-lr", o->max_learning_rate, (float)max_rate);
    TAKE("rise", o->pct_start, (float)rise);
    TAKE("linear", o->linear, 1);
    TAKE("power", o->power, (float)power);
    TAKE("warmup", o->warmup_epochs, (int)warmup);
    TAKE("warmup-start", o->warmup_start, (float)warmup_start);
}

static void change_recipe(recipe *r) {
    TAKE("epochs", r->epochs, (int)epochs);
    TAKE("batch", r->batch_size, (int)batch_size);
    TAKE("dropout", r->dropout, (float)network.dropout);
    TAKE("label-smoothing", r->label_smoothing, (float)label_smoothing);
    TAKE("l1", r->l1, (float)l1);
    TAKE("accumulate", r->accumulate, (int)accumulate);
    TAKE("clip-norm", r->clip_norm, (float)clip_norm);
    TAKE("clip-value", r->clip_value, (float)clip_value);
    TAKE("mixup", r->mixup_alpha, (float)mixup);
    TAKE("cutmix", r->cutmix_alpha, (float)cutmix);
    TAKE("ema", r->ema_decay, (float)ema);
    TAKE("ema", r->ema_warmup, 1);
    change_optimizer(&r->optimizer);
    change_schedule(&r->schedule);
}

static void check_arguments(const recipe *r) {
    cn_optimizer_kind optimizer = r->optimizer.kind;
    cn_schedule_kind schedule = r->schedule.kind;
    bool moving = optimizer == CN_OPTIMIZER_SGD || optimizer == CN_OPTIMIZER_MUON;
    bool plateau = schedule == CN_SCHEDULE_PLATEAU, step = schedule == CN_SCHEDULE_STEP;
    bool exponential = schedule == CN_SCHEDULE_EXPONENTIAL;
    bool cosine = schedule == CN_SCHEDULE_COSINE, one_cycle = schedule == CN_SCHEDULE_ONE_CYCLE;
    const program_spec *p = &train_program;
    arguments_need(p, "momentum", moving, "--optimizer sgd or muon");
    arguments_need(p, "nesterov", moving && r->optimizer.momentum > 0.0f, "--optimizer sgd or muon, and momentum");
    arguments_need(p, "factor", plateau || step || exponential, "--schedule plateau, step or exponential");
    arguments_need(p, "patience", plateau, "--schedule plateau");
    arguments_need(p, "step-size", step, "--schedule step");
    arguments_need(p, "min-lr", plateau || cosine, "--schedule plateau or cosine");
    arguments_need(p, "max-lr", one_cycle, "--schedule one-cycle");
    arguments_need(p, "rise", one_cycle, "--schedule one-cycle");
    arguments_need(p, "linear", one_cycle, "--schedule one-cycle");
    arguments_need(p, "power", schedule == CN_SCHEDULE_POLYNOMIAL, "--schedule polynomial");
    arguments_need(p, "warmup-start", r->schedule.warmup_epochs > 0, "--warmup");
    arguments_need(p, "every", checkpoint_path != NULL, "--checkpoint");
    arguments_need(p, "resume", checkpoint_path != NULL, "--checkpoint");
}

/* Batches; 0: after epochs only. */
static int64_t read_every(void) {
    char *end;
    if (strcmp(every_text, "epoch") == 0)
        return 0;
    errno = 0;
    long long batches = strtoll(every_text, &end, 10);
    if (every_text[0] < '1' || every_text[0] > '9' || *end != '\0' || errno != 0)
        complain_usage("--every '%s': want epoch or a number of batches from 1", every_text);
    return batches;
}

/* Complains: vectors may be about where things lie. */
static bool moves_images(void) {
    static const char *const options[] = {"flip", "alternating-flip", "rotation", "perspective", "crop"};
    for (size_t i = 0; i < COUNT(options); i++)
        if (arguments_given(&train_program, options[i])) {
            complain("--%s moves the images, and '%s' does not say what that means to its vectors", options[i],
                     data_text);
            return true;
        }
    return false;
}

/* The recipe's, as far as they go with the data, or none, and single ones as they are asked for. */
static cn_status set_augmentation(cn_dataset *train, const data_spec *data, const recipe *r) {
    if (task_of(train).kind == CN_TARGET_VECTOR && moves_images())
        return CN_ERR_ARGUMENT;
    cn_augmentation changes = CN_AUGMENTATION_INIT;
    if (augment < 0 ? !data->format->drawn : augment)
        changes = data_augmentation(data, train, r->changes);
    changes.perspective_distortion = 0.3f;
    TAKE("flip", changes.horizontal_flip, (float)flip);
    TAKE("flip", changes.alternating_flip, 0);
    TAKE("alternating-flip", changes.alternating_flip, 1);
    TAKE("grayscale", changes.grayscale, (float)grayscale);
    TAKE("rotation", changes.rotation, (float)rotation);
    TAKE("perspective", changes.perspective, (float)perspective);
    TAKE("crop", changes.crop_padding, (int)crop);
    TAKE("crop", changes.crop_mode, CN_PADDING_REFLECT);
    TAKE("cutout", changes.cutout, (int)cutout);
    cn_status status = cn_dataset_set_augmentation(train, &changes);
    if (status != CN_OK)
        complain_library("cannot change the training images so");
    return status;
}

/* Named files that would destroy each other; the model that is trained further may be replaced by the result. */
static void check_files(void) {
    enum { REPORT_MOST = 16 };
    named_file files[REPORT_MOST + 3] = {{"--out", out_path}, {"--log", log_path}, {"--checkpoint", checkpoint_path}};
    char *paths[REPORT_MOST] = {NULL};
    size_t count = 3;
    for (size_t i = 0; report_path && report_names[i] && i < REPORT_MOST; i++) {
        paths[i] = path_join(report_path, report_names[i]);
        files[count++] = (named_file){"--report's", paths[i]};
    }
    files_must_differ(files, count);
    files[0] = (named_file){"--model", network_is_named(network.name) ? NULL : network.name};
    files_must_differ(files, count);
    for (size_t i = 0; i < REPORT_MOST; i++)
        free(paths[i]);
}

/* ---- the run ---- */

/* A part of the training images, as they are. */
static cn_status set_validation_apart(run *r) {
    cn_dataset *part, *rest;
    if (!arguments_given(&train_program, "validation"))
        return CN_OK;
    cn_status status = r->task.kind == CN_TARGET_CLASS
                           ? cn_dataset_split_stratified(r->train, validation, (uint64_t)seed, &part, &rest)
                           : cn_dataset_split(r->train, validation, (uint64_t)seed, &part, &rest);
    if (status != CN_OK) {
        complain_library("cannot set images for validation apart");
        return status;
    }
    cn_dataset_free(r->train);
    r->train = rest;
    r->validation = part;
    return CN_OK;
}

/* Unless one is asked for. */
static void choose_network(cn_target_kind kind) {
    if (!arguments_given(&train_program, "model"))
        network.name = task_network(kind);
    network_check(&network, &train_program);
}

static cn_status open_data(data_spec *data, run *r) {
    cn_status status;
    if ((data->format->fitted && (status = network_input(r->context, &network, data->shape)) != CN_OK) ||
        (status = data_open_both(r->context, data, &r->train, &r->test)) != CN_OK)
        return status;
    r->task = task_of(r->train);
    if ((status = set_validation_apart(r)) != CN_OK)
        return status;
    return set_augmentation(r->train, data, &r->recipe);
}

/* Whether model and data go together, if need be with a new output layer. */
static bool join(run *r) {
    if (!task_read(&r->task, r->model, network.name, loss_choice))
        return false;
    cn_dataset **const parts[] = {&r->train, &r->test, &r->validation, NULL};
    if (task_has_classes(&r->task))
        return transfer_classes(&going_on, r->model, network.name, parts, data_text, (uint64_t)seed);
    return transfer_values(&going_on, r->model, network.name, &r->task, r->train, data_text, (uint64_t)seed);
}

static cn_status open_run(data_spec *data, run *r) {
    cn_status status = open_data(data, r);
    if (status != CN_OK)
        return status;
    choose_network(r->task.kind);
    network.classes = r->task.outputs;
    cn_dataset_shape(r->train, network.images);
    network.seed = seed;
    network.dropout = (double)r->recipe.dropout;
    if ((status = network_open(r->context, &network, &r->model)) != CN_OK)
        return status;
    return join(r) && transfer_freeze(&going_on, r->model) && transfer_rates(&going_on, r->model, &r->recipe.optimizer)
               ? CN_OK
               : CN_ERR_DATA;
}

/* Weights to draw images by, to be freed; NULL: none are asked for. */
static cn_status make_weights(const run *r, double **weights) {
    int64_t count = cn_dataset_count(r->train);
    *weights = NULL;
    if (!balanced)
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

static cn_status make_trainer(run *r) {
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    double *weights;
    recipe_fill(&r->recipe, &options);
    if (schedule_has_an_end(r->recipe.schedule.kind))
        r->recipe.schedule.epochs = r->recipe.epochs; /* a run that goes on wants the same */
    options.loss = r->task.loss;
    options.seed = (uint64_t)seed;
    options.on_batch = run_batch;
    options.user = r;
    cn_status status = make_weights(r, &weights);
    options.sample_weights = weights;
    if (status == CN_OK && (status = cn_trainer_new(r->model, r->train, run_tested(r), &options, &r->trainer)) != CN_OK)
        complain_library("cannot train so");
    free(weights);
    return status;
}

/* A run that is there is not overwritten by another. */
static bool find_checkpoint(run *r) {
    char text[600];
    if (!checkpoint_path)
        return true;
    bool there = output_holds_something(checkpoint_path);
    if (there && resume)
        return run_resume(r);
    if (resume) {
        snprintf(text, sizeof text, "%.500s is not there yet: the run begins", checkpoint_path);
        print_fitting(text);
    }
    if (there)
        complain("'%s' is there already: --resume goes on with it; for another run, choose another name or remove it",
                 checkpoint_path);
    return !there;
}

/* The last things that may be wrong before time is spent on training. */
static bool open_outputs(run *r) {
    if (out_path && !output_possible(out_path, r->model))
        return false;
    return !log_path || (r->log = epoch_log_open(log_path, run_tested_name(r), r->task.metric)) != NULL;
}

static bool outputs_possible(const data_spec *data) {
    const char *const files[] = {out_path, log_path, checkpoint_path};
    for (size_t i = 0; i < COUNT(files); i++)
        if (files[i] && !(output_spares_data(files[i], data->directory) && output_possible(files[i], NULL)))
            return false;
    return !report_path || report_folder(report_path);
}

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

static void print_beginning(const run *r) {
    char parameters[GROUPED_TEXT], train_count[GROUPED_TEXT], test_count[GROUPED_TEXT], text[1024];
    char validation_count[GROUPED_TEXT], targets[CLASS_LIST_TEXT + 64];
    int64_t shape[3];
    cn_device device = CN_DEVICE_INIT;
    cn_dataset_shape(r->train, shape);
    target_text(r, targets, sizeof targets);
    int used = snprintf(text, sizeof text, "%.300s with %s parameters; %s training%s%s%s%s test images of %d×%d×%d %s",
                        network.name, grouped(cn_model_parameter_count(r->model), parameters),
                        grouped(cn_dataset_count(r->train), train_count), r->validation ? ", " : "",
                        r->validation ? grouped(cn_dataset_count(r->validation), validation_count) : "",
                        r->validation ? " validation and " : " and ", grouped(cn_dataset_count(r->test), test_count),
                        (int)shape[0], (int)shape[1], (int)shape[2], targets);
    if (cn_context_device(r->context, &device) == CN_OK)
        snprintf(text + used, sizeof text - (size_t)used, "; %d thread%s, %s", device.threads,
                 device.threads == 1 ? "" : "s", cn_isa_name(device.isa));
    print_fitting(text);
    if (out_path && !r->resumed && output_holds_something(out_path)) {
        snprintf(text, sizeof text, "%.500s is there, and is replaced when the first epoch is over", out_path);
        print_fitting(text);
    }
}

/* ---- its settings, for the report ---- */

/* The highest that there is. */
static double rate_shown(const recipe *r) {
    double start = r->optimizer.learning_rate >= 0.0f      ? (double)r->optimizer.learning_rate
                   : r->optimizer.kind == CN_OPTIMIZER_SGD ? 0.01
                                                           : 0.001;
    if (r->schedule.kind != CN_SCHEDULE_ONE_CYCLE)
        return start;
    return r->schedule.max_learning_rate >= 0.0f ? (double)r->schedule.max_learning_rate : 10.0 * start;
}

static void describe_data(setting_list *s, const run *r) {
    char train_count[GROUPED_TEXT], test_count[GROUPED_TEXT];
    settings_add(s, "data", "%s", data_text);
    settings_add(s, "images", "%s to train with, %s to test with", grouped(cn_dataset_count(r->train), train_count),
                 grouped(cn_dataset_count(r->test), test_count));
    if (r->validation)
        settings_append(s, ", and %s to steer by (validation), %g %% of the training images%s",
                        grouped(cn_dataset_count(r->validation), test_count), 100.0 * validation,
                        r->task.kind == CN_TARGET_CLASS ? " of each class" : "");
    settings_add(s, "changes to images", "%s",
                 augment == 0                                 ? "none but those of the command"
                 : arguments_given(&train_program, "augment") ? "the recipe's, and those of the command"
                                                              : "the recipe's, as far as they go with the data");
}

static void describe_network(setting_list *s, const run *r) {
    bool session8 = strcmp(network.name, "session8") == 0;
    settings_add(s, "network", "%s%s", network.name, going_on.new_output ? ", with a new output layer" : "");
    if (going_on.freeze)
        settings_add(s, "frozen", "%s", going_on.freeze);
    if (going_on.head_rate != 1.0)
        settings_add(s, "output layer's rate", "times %g", going_on.head_rate);
    settings_add(s, "norm", "%s", session8 ? network_norms[network.norm] : "the network's own");
    if (session8)
        settings_add(s, "dropout", "%g", (double)r->recipe.dropout);
}

static void describe_training(setting_list *s, const run *trained) {
    const recipe *r = &trained->recipe;
    const cn_optimizer_options *o = &r->optimizer;
    settings_add(s, "recipe", "%s", recipe_names[recipe_kind]);
    settings_add(s, "epochs", "%d", r->epochs);
    settings_add(s, "batch", "%d", r->batch_size);
    if (r->accumulate > 1)
        settings_append(s, ", %d to a step", r->accumulate);
    if (r->clip_norm > 0.0f)
        settings_add(s, "longest gradient", "%g", (double)r->clip_norm);
    if (r->clip_value > 0.0f)
        settings_add(s, "largest gradient", "%g", (double)r->clip_value);
    if (balanced)
        settings_add(s, "images drawn", "%s", "each class equally often");
    settings_add(s, "seed", "%lld", (long long)seed);
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

static int train(run *r, int argc, char **argv) {
    setting_list *s = calloc(1, sizeof *s);
    char *command = command_text(train_program.name, argc, argv, NULL);
    char *again = command_text(argv[0], argc, argv, resume ? NULL : "--resume");
    char title[96];
    bool session8 = strcmp(network.name, "session8") == 0;
    if (!s || !command || !again) {
        complain("no memory for a run");
        return EXIT_FAILURE;
    }
    r->again = again;
    snprintf(title, sizeof title, "%.40s%s%s", network.name, session8 ? ", norm: " : "",
             session8 ? network_norms[network.norm] : "");
    describe_data(s, r);
    describe_network(s, r);
    describe_training(s, r);
    describe_command(s, command);
    print_beginning(r);
    interruption_catch();
    int code = run_train(r, s, title);
    free(command);
    free(again);
    free(s);
    return code;
}

int main(int argc, char **argv) {
    run r = {0};
    int code = EXIT_FAILURE;
    arguments_read(&train_program, argc, argv);
    r.recipe = recipe_make((recipe_name)recipe_kind);
    change_recipe(&r.recipe);
    data_spec data = data_spec_read(data_text);
    choose_network(data.format->target);
    check_arguments(&r.recipe);
    check_files();
    arguments_need(&train_program, "size", data.format->fitted, "--data folder:DIR or masks:DIR");
    r.log_path = log_path;
    r.report_path = report_path;
    r.checkpoint_path = checkpoint_path;
    r.every = checkpoint_path ? read_every() : 0;
    r.patience = patience_stop;
    if (profiling && !(r.profile = profile_new()))
        return program_end(EXIT_FAILURE);
    if (outputs_possible(&data) &&
        program_context(threads, (cn_conv_algorithm)algorithm, r.profile, &r.context) == CN_OK &&
        open_run(&data, &r) == CN_OK && make_trainer(&r) == CN_OK &&
        keeper_init(&r.keeper, r.model, out_path, keep == KEEP_BEST) && find_checkpoint(&r) && open_outputs(&r))
        code = train(&r, argc, argv);
    keeper_free(&r.keeper);
    cn_trainer_free(r.trainer);
    cn_model_free(r.model);
    cn_dataset_free(r.test);
    cn_dataset_free(r.validation);
    cn_dataset_free(r.train);
    cn_context_free(r.context);
    profile_free(r.profile);
    return program_end(code);
}
