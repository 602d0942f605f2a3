/* train.c: convnet-train, which trains a network on labelled images, shows and logs its progress, and saves it.
 *
 * Introduces contexts, data sets with augmentation, trainers with their options, and both callbacks.
 */
#include "common/common.h"
#include <errno.h>
#include <math.h>
#include <string.h>

/* ---- what is asked for: a recipe, and options that change it ---- */

static const char *data_text, *out_path, *log_path, *report_path;
static network_spec network = NETWORK_SPEC_INIT;
static int recipe_kind = RECIPE_STUDY;
static int64_t epochs = 20, batch_size = 32, threads, seed, patience, step_size = 10, crop, cutout;
static double rate, momentum = 0.9, weight_decay, label_smoothing, l1, ema, factor, min_rate, max_rate, rise = 0.3,
                    power = 1;
static double flip = 0.5, grayscale = 0.1, rotation = 7, perspective = 0.5;
static int optimizer_kind = CN_OPTIMIZER_SGD, schedule_kind = CN_SCHEDULE_PLATEAU, nesterov, linear, algorithm;
static int decay_weights_only, alternating_flip, profiling, augment = -1; /* -1: as the data has it */

/* In the order of cn_optimizer_kind, cn_schedule_kind and cn_conv_algorithm. */
static const char *const optimizers[] = {"sgd", "adam", "adamw", "muon", NULL};
static const char *const schedules[] = {"constant", "plateau", "step", "cosine", "one-cycle", "polynomial", NULL};
static const char *const algorithms[] = {"auto", "direct", "gemm", NULL};

static argument arguments[] = {
    REQUIRED("data", "DATA", &data_text, DATA_HELP),
    TEXT("model", "MODEL", &network.name, "what to train: " NETWORK_HELP ", which is trained further"),
    TEXT("out", "FILE", &out_path, "save the model here, as the last epoch leaves it (safetensors)"),
    TEXT("log", "FILE", &log_path, "write a CSV file with a line an epoch"),
    TEXT("report", "DIR", &report_path, "write a report into this folder: a page, its charts, the history"),
    NETWORK_ARGUMENTS(network),
    HEADING("Training (defaults are the study's, and other recipes have their own)"),
    CHOICE("recipe", recipe_names, &recipe_kind,
           "all that follows, the changes to images included, of which single options may be given otherwise"),
    INTEGER("epochs", &epochs, 1, 1000000, "passes over the training images"),
    INTEGER("batch", &batch_size, 1, 65536, "images a step"),
    CHOICE("optimizer", optimizers, &optimizer_kind, "how a step follows the gradient"),
    REAL("lr", &rate, 0, true, 1000, false, "learning rate [0.01 for sgd, 0.001 for the others]"),
    REAL("momentum", &momentum, 0, false, 1, true, "share of the last step in the next, for sgd and muon"),
    FLAG("nesterov", &nesterov, 1, "Nesterov's momentum, for sgd and muon"),
    REAL("weight-decay", &weight_decay, 0, false, 1000, false, "pulls parameters to zero"),
    FLAG("decay-weights-only", &decay_weights_only, 1, "no weight decay for biases and norms"),
    REAL("l1", &l1, 0, false, 1000, false, "adds this times the sum of |parameter| to the loss"),
    REAL("label-smoothing", &label_smoothing, 0, false, 1, true, "share of the target spread over all classes"),
    REAL("ema", &ema, 0, false, 1, true,
         "test and save the moving average of all steps' parameters, to which each step adds what this leaves to 1"),
    HEADING("Learning rate"),
    CHOICE("schedule", schedules, &schedule_kind, "how the rate changes"),
    REAL("factor", &factor, 0, true, 1, true,
         "plateau, step: each cut multiplies the rate by this "
         "[0.3 for plateau, 0.1 for step]"),
    INTEGER("patience", &patience, 0, 1000000, "plateau: epochs without a better test loss that are borne"),
    INTEGER("step-size", &step_size, 1, 1000000, "step: epochs between cuts"),
    REAL("min-lr", &min_rate, 0, false, 1000, false, "plateau, cosine: the lowest rate"),
    REAL("max-lr", &max_rate, 0, true, 1000, false, "one-cycle: the highest rate [10 times --lr]"),
    REAL("rise", &rise, 0, true, 1, true, "one-cycle: share of the run until the highest rate"),
    FLAG("linear", &linear, 1, "one-cycle: straight lines instead of cosines"),
    REAL("power", &power, 0, false, 100, false, "polynomial: of the share of the run that is left"),
    HEADING("Random changes to training images"),
    FLAG("augment", &augment, 1, "those of the recipe (the default but for synthetic images)"),
    FLAG("no-augment", &augment, 0, "none but those given by an option (the default for synthetic images)"),
    REAL("flip", &flip, 0, false, 1, false, "probability of a horizontal flip; not for idx"),
    FLAG("alternating-flip", &alternating_flip, 1, "instead: flip every image in every other epoch"),
    REAL("grayscale", &grayscale, 0, false, 1, false, "probability of a grey image; not for idx"),
    REAL("rotation", &rotation, 0, false, 180, false, "up to so many degrees"),
    REAL("perspective", &perspective, 0, false, 1, false, "probability of a change of view"),
    INTEGER("crop", &crop, 0, 64, "shift by up to so many pixels, edges mirrored"),
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
    .arguments = arguments,
    .notes =
        "Ctrl-C ends the training after the current batch; the model is still saved.\n"
        "\n"
        "Examples:\n"
        "  convnet-train --data synthetic --epochs 3\n"
        "  convnet-train --data cifar10:cifar-10-batches-bin --norm group --out group.safetensors --log group.csv\n"
        "  convnet-train --data folder:photos --out photos.safetensors\n"
        "  convnet-train --data idx:mnist --model mnist5 --seed 7 --out mnist5.safetensors\n"
        "  convnet-train --data cifar10:cifar-10-batches-bin --recipe best --out best.safetensors\n"
        "  convnet-train --data cifar10:cifar-10-batches-bin --recipe fast --epochs 10 --flip 0.5 --crop 1\n"
        "\n"
        "Exit codes: 0 trained; 1 something failed; 2 a mistake on the command line; 130 ended by Ctrl-C.\n",
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
    TAKE("factor", o->factor, (float)factor);
    TAKE("patience", o->patience, (int)patience);
    TAKE("step-size", o->step_size, (int)step_size);
    TAKE("min-lr", o->min_learning_rate, (float)min_rate);
    TAKE("lr", o->max_learning_rate, CN_LEARNING_RATE_DEFAULT); /* then 10 times that */
    TAKE("max-lr", o->max_learning_rate, (float)max_rate);
    TAKE("rise", o->pct_start, (float)rise);
    TAKE("linear", o->linear, 1);
    TAKE("power", o->power, (float)power);
}

static void change_recipe(recipe *r) {
    TAKE("epochs", r->epochs, (int)epochs);
    TAKE("batch", r->batch_size, (int)batch_size);
    TAKE("dropout", r->dropout, (float)network.dropout);
    TAKE("label-smoothing", r->label_smoothing, (float)label_smoothing);
    TAKE("l1", r->l1, (float)l1);
    TAKE("ema", r->ema_decay, (float)ema);
    change_optimizer(&r->optimizer);
    change_schedule(&r->schedule);
}

static void check_arguments(const recipe *r) {
    cn_optimizer_kind optimizer = r->optimizer.kind;
    cn_schedule_kind schedule = r->schedule.kind;
    bool moving = optimizer == CN_OPTIMIZER_SGD || optimizer == CN_OPTIMIZER_MUON;
    bool plateau = schedule == CN_SCHEDULE_PLATEAU, step = schedule == CN_SCHEDULE_STEP;
    bool cosine = schedule == CN_SCHEDULE_COSINE, one_cycle = schedule == CN_SCHEDULE_ONE_CYCLE;
    const program_spec *p = &train_program;
    network_check(&network, p);
    arguments_need(p, "momentum", moving, "--optimizer sgd or muon");
    arguments_need(p, "nesterov", moving && r->optimizer.momentum > 0.0f, "--optimizer sgd or muon, and momentum");
    arguments_need(p, "factor", plateau || step, "--schedule plateau or step");
    arguments_need(p, "patience", plateau, "--schedule plateau");
    arguments_need(p, "step-size", step, "--schedule step");
    arguments_need(p, "min-lr", plateau || cosine, "--schedule plateau or cosine");
    arguments_need(p, "max-lr", one_cycle, "--schedule one-cycle");
    arguments_need(p, "rise", one_cycle, "--schedule one-cycle");
    arguments_need(p, "linear", one_cycle, "--schedule one-cycle");
    arguments_need(p, "power", schedule == CN_SCHEDULE_POLYNOMIAL, "--schedule polynomial");
    if (out_path && log_path && strcmp(out_path, log_path) == 0)
        complain_usage("--out and --log are both '%s'", out_path);
}

/* The recipe's, as far as they go with the data, or none, and single ones as they are asked for. */
static cn_status set_augmentation(cn_dataset *train, const data_spec *data, const recipe *r) {
    cn_augmentation changes = CN_AUGMENTATION_INIT;
    if (augment < 0 ? data->kind != DATA_SYNTHETIC : augment)
        changes = data_augmentation(data, r->changes);
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

/* ---- the run ---- */

typedef struct run {
    recipe recipe;
    cn_dataset *train, *test;
    cn_model *model;
    cn_trainer *trainer;
    FILE *log;
    bool log_failed;
    progress progress;
    profile *profile;                                /* NULL: not asked for */
    int64_t batch_images, train_images, test_images; /* of the epoch under way; of those that are over */
    double best_accuracy;
    int64_t best_epoch;
} run;

static int on_batch(void *user, const cn_batch_info *batch) {
    run *r = user;
    r->batch_images = batch->images;
    progress_batch(&r->progress, batch);
    return interruption() != 0;
}

static int on_epoch(void *user, const cn_epoch_info *epoch) {
    run *r = user;
    r->batch_images = 0;
    r->train_images += cn_dataset_count(r->train);
    r->test_images += cn_dataset_count(r->test);
    progress_epoch(&r->progress, epoch);
    if (epoch->test_accuracy > r->best_accuracy || r->best_epoch == 0) {
        r->best_accuracy = epoch->test_accuracy;
        r->best_epoch = epoch->epoch;
    }
    if (r->log)
        r->log_failed = !epoch_log_write(r->log, log_path, epoch);
    return interruption() != 0 || r->log_failed;
}

static cn_status open_run(cn_context *context, data_spec *data, run *r) {
    cn_status status;
    if ((data->kind == DATA_FOLDER && (status = network_input(context, &network, data->shape)) != CN_OK) ||
        (status = data_open_both(context, data, &r->train, &r->test)) != CN_OK ||
        (status = set_augmentation(r->train, data, &r->recipe)) != CN_OK)
        return status;
    network.classes = cn_dataset_classes(r->train);
    network.seed = seed;
    network.dropout = (double)r->recipe.dropout;
    return network_open(context, &network, &r->model);
}

static cn_status make_trainer(run *r) {
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    recipe_fill(&r->recipe, &options);
    options.loss = network_loss(r->model);
    options.seed = (uint64_t)seed;
    options.on_batch = on_batch;
    options.user = r;
    cn_status status = cn_trainer_new(r->model, r->train, r->test, &options, &r->trainer);
    if (status != CN_OK)
        complain_library("cannot train so");
    return status;
}

static void print_beginning(const cn_context *context, const run *r) {
    char parameters[GROUPED_TEXT], train_count[GROUPED_TEXT], test_count[GROUPED_TEXT];
    int64_t shape[3];
    cn_device device = CN_DEVICE_INIT;
    cn_dataset_shape(r->train, shape);
    printf("%s with %s parameters; %s training and %s test images of %d×%d×%d in %lld classes", network.name,
           grouped(cn_model_parameter_count(r->model), parameters), grouped(cn_dataset_count(r->train), train_count),
           grouped(cn_dataset_count(r->test), test_count), (int)shape[0], (int)shape[1], (int)shape[2],
           (long long)cn_dataset_classes(r->train));
    if (cn_context_device(context, &device) == CN_OK)
        printf("; %d thread%s, %s", device.threads, device.threads == 1 ? "" : "s", cn_isa_name(device.isa));
    printf("\n");
}

static cn_status save(const cn_model *model) {
    cn_status status = cn_model_save(model, out_path);
    if (status == CN_OK)
        printf("Saved as %s\n", out_path);
    else
        complain_library("cannot save the model");
    return status;
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

/* What was trained, on what and how, for the report. */
static bool write_report(cn_context *context, const run *r) {
    char epochs_text[24], batch_text[24], seed_text[24], rate_text[32], title[96];
    const char *const names[] = {"data",  "network", "norm",      "recipe",      "epochs",
                                 "batch", "seed",    "optimizer", "highest rate"};
    bool session8 = strcmp(network.name, "session8") == 0;
    snprintf(title, sizeof title, "%.40s%s%s", network.name, session8 ? ", norm: " : "",
             session8 ? network_norms[network.norm] : "");
    snprintf(epochs_text, sizeof epochs_text, "%d", r->recipe.epochs);
    snprintf(batch_text, sizeof batch_text, "%d", r->recipe.batch_size);
    snprintf(seed_text, sizeof seed_text, "%lld", (long long)seed);
    snprintf(rate_text, sizeof rate_text, "%g", rate_shown(&r->recipe));
    const char *const values[] = {data_text,
                                  network.name,
                                  session8 ? network_norms[network.norm] : "the network's own",
                                  recipe_names[recipe_kind],
                                  epochs_text,
                                  batch_text,
                                  seed_text,
                                  optimizers[r->recipe.optimizer.kind],
                                  rate_text};
    cn_report report = CN_REPORT_INIT;
    report.title = title;
    report.model = r->model;
    report.dataset = r->test;
    report.setting_count = (int)COUNT(names);
    report.setting_names = names;
    report.setting_values = values;
    if (!report_write(context, report_path, r->trainer, &report))
        return false;
    printf("Report in %s/report.html\n", report_path);
    return true;
}

static void print_profile(const run *r) {
    int64_t trained = r->train_images + r->batch_images;
    profile_print(r->profile, &(profile_run){r->model, trained + r->test_images, trained});
}

/* Trains, and says how it went. A run that was interrupted still saves its model. */
static int train(cn_context *context, run *r) {
    int code = EXIT_SUCCESS;
    r->progress = progress_begin(r->recipe.epochs);
    cn_status status = cn_trainer_fit(r->trainer, r->recipe.epochs, on_epoch, r);
    progress_wipe(&r->progress);
    if (r->profile)
        print_profile(r);
    if (status != CN_OK) {
        complain_library("training stopped");
        return EXIT_FAILURE;
    }
    if (interruption())
        complain("interrupted after %d of %d epochs", (int)cn_trainer_epoch_count(r->trainer), r->recipe.epochs);
    if (r->best_epoch)
        printf("Best test accuracy %.2f %%, in epoch %d\n", 100.0 * r->best_accuracy, (int)r->best_epoch);
    if (interruption())
        code = 128 + interruption(); /* as a shell reports a signal */
    if ((out_path && save(r->model) != CN_OK) || r->log_failed)
        code = EXIT_FAILURE;
    if (report_path && !write_report(context, r))
        code = EXIT_FAILURE;
    return code;
}

int main(int argc, char **argv) {
    cn_context *context = NULL;
    run r = {0};
    int code = EXIT_FAILURE;
    arguments_read(&train_program, argc, argv);
    r.recipe = recipe_make((recipe_name)recipe_kind);
    change_recipe(&r.recipe);
    check_arguments(&r.recipe);
    data_spec data = data_spec_read(data_text);
    if (profiling && !(r.profile = profile_new()))
        return program_end(EXIT_FAILURE);
    if ((!out_path || output_possible(out_path, NULL)) && (!log_path || output_possible(log_path, NULL)) &&
        (!report_path || report_folder(report_path)) &&
        program_context(threads, (cn_conv_algorithm)algorithm, r.profile, &context) == CN_OK &&
        open_run(context, &data, &r) == CN_OK && make_trainer(&r) == CN_OK &&
        (!out_path || output_possible(out_path, r.model)) &&
        (!log_path || (r.log = epoch_log_open(log_path)) != NULL)) {
        print_beginning(context, &r);
        interruption_catch();
        code = train(context, &r);
    }
    if (r.log && fclose(r.log) != 0 && !r.log_failed) {
        complain("cannot write '%s': %s", log_path, strerror(errno));
        code = EXIT_FAILURE;
    }
    cn_trainer_free(r.trainer);
    cn_model_free(r.model);
    cn_dataset_free(r.test);
    cn_dataset_free(r.train);
    cn_context_free(context);
    profile_free(r.profile);
    return program_end(code);
}
