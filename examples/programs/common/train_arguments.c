/* SPDX-License-Identifier: MIT */
/* train_arguments.c: convnet-train's options: a recipe, what changes it, and what goes with what. */
#include "train_arguments.h"
#include "run.h"
#include <errno.h>
#include <string.h>

/* ---- the table, and where it is read to ---- */

/* What the run wants as it is given, */
static train_arguments asked = {
    .network = NETWORK_SPEC_INIT, .going_on = TRANSFER_INIT, .recipe_kind = RECIPE_STUDY, .augment = -1};

/* and what is made into something else. */
static const char *data_text, *every_text = "epoch";
static int64_t epochs = 20, batch_size = 32, patience, step_size = 10, warmup, accumulate = 1, crop, cutout;
static double rate, momentum = 0.9, weight_decay, label_smoothing, l1, ema, factor, min_rate, max_rate, rise = 0.3,
                    power = 1, warmup_start = 1.0 / 3.0, clip_norm, clip_value, mixup, cutmix;
static double flip = 0.5, grayscale = 0.1, rotation = 7, perspective = 0.5;
static int optimizer_kind = CN_OPTIMIZER_SGD, schedule_kind = CN_SCHEDULE_PLATEAU, nesterov, linear, decay_weights_only,
           alternating_flip;

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
    DATA_ARGUMENTS(data_text),
    TEXT(
        "model", "MODEL", &asked.network.name,
        "what to train: " NETWORK_HELP ", which is trained further, and for "
        "other classes with a new output layer; unless it is given, resnet20 for data with vectors, and unet for masks "
        "and images"),
    LOSS_ARGUMENT(&asked.loss_choice),
    SIZE_ARGUMENT(asked.network),
    TRANSFER_ARGUMENTS(asked.going_on),
    TEXT("out", "FILE", &asked.out_path, "save the model here (safetensors), after every epoch that is kept"),
    REAL("validation", &asked.validation, 0, true, 1, true,
         "share of the training images, the same of each class, that epochs are tested on instead: they steer the "
         "schedule and --keep, and the test images are looked at once, in the end [none]"),
    CHOICE(
        "keep", keeps, &keep,
        "which epoch's model is left in the end; best: of the best test accuracy, or mean IoU of masks, F1 of labels, "
        "MAE of other values, which then flatters a little, since the test images have chosen (but see --validation)"),
    TEXT("log", "FILE", &asked.log_path, "write a CSV file with a line an epoch"),
    TEXT("report", "DIR", &asked.report_path, "write a report into this folder: a page, its charts, the history"),
    TEXT("checkpoint", "FILE", &asked.checkpoint_path,
         "save the run itself here, so that it can go on with the same result"),
    TEXT("every", "N|epoch", &every_text, "how often: after so many batches, or after each epoch, which always is"),
    FLAG("resume", &asked.resume, 1, "go on with --checkpoint's run where it is; if there is none, begin it"),
    NETWORK_ARGUMENTS(asked.network),
    HEADING("Training (defaults are the study's, and other recipes have their own)"),
    CHOICE("recipe", recipe_names, &asked.recipe_kind,
           "all that follows, the changes to images included, of which single options may be given otherwise"),
    INTEGER("epochs", &epochs, 1, 1000000, "passes over the training images"),
    INTEGER("patience-stop", &asked.patience_stop, 1, 1000000,
            "end after so many epochs without a better one, as --keep weighs them"),
    FLAG("balanced", &asked.balanced, 1,
         "draw images so that each class is seen equally often, instead of each image once"),
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
    TEXT("find-rate", "FILE", &asked.rates_path,
         "instead of training: take a hundred steps at rates from 0.000001 to 10, as far as the loss does not grow, "
         "draw it "
         "into this file (SVG), and say at which rate it falls fastest"),
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
    FLAG("augment", &asked.augment, 1, "those of the recipe (the default but for synthetic images)"),
    FLAG("no-augment", &asked.augment, 0, "none but those given by an option (the default for synthetic images)"),
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
    INTEGER("threads", &asked.threads, 0, 1024, "threads; 0: one for each core. The result does not depend on it"),
    FLAG("pin", &asked.pin, 1, "each thread stays on a core of its own, for machines of several sockets (Linux)"),
    INTEGER("seed", &asked.seed, 0, INT64_MAX, "of first parameters, order, changes to images and dropout"),
    CHOICE(
        "init", network_inits, &asked.network.init,
        "whose random numbers new parameters begin with; pytorch: those that it draws after torch.manual_seed(SEED)"),
    CHOICE(
        "algorithm", algorithms, &asked.algorithm,
        "how convolutions compute; direct: by plain sums; gemm: linear layers as products of matrices, however small"),
    FLAG("profile", &asked.profiling, 1, "show where the time went, layer by layer"),
    INTEGER(
        "misclassified", &asked.misclassified, 0, 1000000000,
        "list the first N test images that the model takes for others in the end, by their files where they have some"),
    OUTPUT_ARGUMENTS,
    HEADING("Several processes, started by mpirun or srun"),
    FLAG("local-batch-norm", &asked.local_batch_norm, 1,
         "each process's batch norm goes by its own images, which is faster, and another result than one process has"),
    FLAG("alone", &asked.alone, 1, "each process trains by itself, instead of together with the others"),
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
    .json = run_members,
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
        "Processes that mpirun or srun has started train together, each on a part of every batch, where libconvnet-mpi "
        "is installed: the result is that of one process, bit by bit. All must see the same files; the first writes.\n"
        "\n"
        "Examples:\n"
        "  convnet-train --data synthetic --epochs 3\n"
        "  mpirun -n 4 convnet-train --data synthetic --batch 64 --epochs 3\n"
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
        "With --json, a run that fails before its first batch writes no JSON: standard error says why.\n"
        "\n"
        "Exit codes: 0 trained; 1 something failed; 2 a mistake on the command line; 128 + N ended by signal N (130: "
        "Ctrl-C).\n",
};

/* ---- the recipe, changed ---- */

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
    TAKE("dropout", r->dropout, (float)asked.network.dropout);
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

/* ---- what goes with what ---- */

/* It leaves nothing but a picture. */
static void check_search(const train_arguments *a) {
    static const char *const options[] = {"out",  "log",           "report",  "checkpoint",
                                          "keep", "patience-stop", "profile", "misclassified"};
    for (size_t i = 0; a->rates_path && i < COUNT(options); i++)
        if (arguments_given(&train_program, options[i]))
            complain_usage("--%s goes with a training, and --find-rate is none", options[i]);
}

static void check_arguments(const train_arguments *a) {
    const recipe *r = &a->recipe;
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
    check_search(a);
    arguments_need(p, "every", a->checkpoint_path != NULL, "--checkpoint");
    arguments_need(p, "resume", a->checkpoint_path != NULL, "--checkpoint");
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

/* Named files that would destroy each other; the model that is trained further may be replaced by the result. */
static void check_files(const train_arguments *a) {
    output_is_model("--out", a->out_path);
    output_is_svg("--find-rate", a->rates_path);
    enum { REPORT_MOST = 16 };
    named_file files[REPORT_MOST + 4] = {{"--out", a->out_path},
                                         {"--log", a->log_path},
                                         {"--checkpoint", a->checkpoint_path},
                                         {"--find-rate", a->rates_path}};
    char *paths[REPORT_MOST] = {NULL};
    data_inputs data = data_inputs_of(&a->data);
    size_t count = 4;
    for (size_t i = 0; a->report_path && report_names[i] && i < REPORT_MOST; i++) {
        paths[i] = path_join(a->report_path, report_names[i]);
        files[count++] = (named_file){"--report's", paths[i]};
    }
    files_must_differ(files, count);
    files_must_spare(data.files, DATA_INPUTS, files, count);
    files[0] = (named_file){"--model", network_is_named(a->network.name) ? NULL : a->network.name};
    files_must_differ(files, count);
    for (size_t i = 0; i < REPORT_MOST; i++)
        free(paths[i]);
    free(data.images);
}

void train_arguments_choose_network(train_arguments *a, cn_target_kind kind) {
    if (!arguments_given(&train_program, "model"))
        a->network.name = task_network(kind);
    network_check(&a->network, &train_program);
}

train_arguments train_arguments_read(int argc, char **argv) {
    arguments_read(&train_program, argc, argv);
    train_arguments a = asked;
    a.keep_best = keep == KEEP_BEST;
    a.recipe = recipe_make((recipe_name)a.recipe_kind);
    change_recipe(&a.recipe);
    a.data = data_spec_read(data_text);
    train_arguments_choose_network(&a, a.data.format->target);
    check_arguments(&a);
    check_files(&a);
    arguments_need(&train_program, "size", a.data.format->fitted, "--data folder:DIR or masks:DIR");
    a.every = a.checkpoint_path ? read_every() : 0;
    return a;
}

/* ---- changes to images ---- */

/* Complains: vectors may be about where things lie. */
static bool moves_images(const char *data) {
    static const char *const options[] = {"flip", "alternating-flip", "rotation", "perspective", "crop"};
    for (size_t i = 0; i < COUNT(options); i++)
        if (arguments_given(&train_program, options[i])) {
            complain("--%s moves the images, and '%s' does not say what that means to its vectors", options[i], data);
            return true;
        }
    return false;
}

/* Complains: a larger square would leave nothing of any image. */
static bool hole_fits(const cn_dataset *train) {
    int64_t shape[3];
    cn_dataset_shape(train, shape);
    int64_t longer = shape[1] > shape[2] ? shape[1] : shape[2];
    if (cutout <= longer)
        return true;
    complain("cannot change the training images so: --cutout is %d, wanted 0 to %d for images of %d×%d", (int)cutout,
             (int)longer, (int)shape[1], (int)shape[2]);
    return false;
}

/* The recipe's, as far as they go with the data, or none, and single ones as they are asked for. */
cn_status train_arguments_augment(const train_arguments *a, cn_dataset *train) {
    if ((task_of(train).kind == CN_TARGET_VECTOR && moves_images(a->data.text)) || !hole_fits(train))
        return CN_ERR_ARGUMENT;
    cn_augmentation changes = CN_AUGMENTATION_INIT;
    if (a->augment < 0 ? !a->data.format->drawn : a->augment)
        changes = data_augmentation(&a->data, train, a->recipe.changes);
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

/* ---- what is said of them ---- */

static void describe_argument(const argument *a, setting_list *s) {
    switch (a->kind) {
    case ARGUMENT_TEXT:
        settings_add(s, a->name, "%s", *(const char **)a->target);
        break;
    case ARGUMENT_INTEGER:
        settings_add(s, a->name, "%lld", (long long)*(int64_t *)a->target);
        break;
    case ARGUMENT_REAL:
        settings_add(s, a->name, "%g", *(double *)a->target);
        break;
    case ARGUMENT_CHOICE:
        settings_add(s, a->name, "%s", a->choices[*(int *)a->target]);
        break;
    case ARGUMENT_FLAG:
        settings_add(s, a->name, "yes");
        break;
    case ARGUMENT_HEADING:
    case ARGUMENT_END:
        break;
    }
}

void train_arguments_describe(setting_list *s) {
    static const char *const untold[] = {
        "groups",    "no-skip",  "size",        "factor",       "patience",      "step-size", "min-lr",
        "rise",      "linear",   "power",       "warmup-start", "patience-stop", "flip",      "alternating-flip",
        "grayscale", "rotation", "perspective", "crop",         "cutout",        "algorithm", "local-batch-norm"};
    for (const argument *a = arguments; a->kind != ARGUMENT_END; a++)
        for (size_t i = 0; a->given && i < COUNT(untold); i++)
            if (strcmp(a->name, untold[i]) == 0)
                describe_argument(a, s);
}
