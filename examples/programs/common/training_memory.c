/* SPDX-License-Identifier: MIT */
/* training_memory.c: see training_memory.h. */
#include "training_memory.h"
#include <sys/resource.h>

enum { SMALLEST = 16 /* images of a batch that others would be accumulated from: fewer take as much */ };

const char *memory_text(size_t bytes, char text[MEMORY_TEXT]) {
    double mebibytes = (double)bytes / (1 << 20);
    if (mebibytes < 1000.0)
        snprintf(text, MEMORY_TEXT, "%.1f MiB", mebibytes);
    else
        snprintf(text, MEMORY_TEXT, "%.1f GiB", mebibytes / 1024.0);
    return text;
}

/* The same steps by half the batches, twice as many of them. */
static bool halve(cn_trainer_options *options, int least) {
    if (options->batch_size % 2 != 0 || options->batch_size / 2 < least || options->accumulate > (1 << 20))
        return false;
    options->batch_size /= 2;
    options->accumulate *= 2;
    return true;
}

/* ---- before a run ---- */

typedef struct wanted {
    const cn_model *model;
    const cn_dataset *train, *test;
    cn_trainer_options options;
    uint64_t memory; /* that there is; 0: not known */
    size_t bytes;    /* that it takes, 0: not known */
} wanted;

/* Whether it takes no more than there is, or fails for another reason, of which cn_trainer_new will say more. */
static bool fits(wanted *w) {
    cn_status status = cn_trainer_memory(w->model, w->train, w->test, &w->options, &w->bytes);
    return status != CN_ERR_MEMORY && (w->memory == 0 || w->bytes <= w->memory);
}

static void say_what_fits(const wanted *w, int least) {
    wanted smaller = *w;
    char takes[96], there[MEMORY_TEXT], less[MEMORY_TEXT], instead[160] = "";
    memory_text((size_t)w->memory, there);
    if (w->bytes > 0)
        snprintf(takes, sizeof takes, "%s of memory, and there are %s", memory_text(w->bytes, less), there);
    else
        snprintf(takes, sizeof takes, "more memory than the %s that there are", there);
    bool found = false;
    while (!found && halve(&smaller.options, least))
        found = fits(&smaller);
    if (found)
        snprintf(instead, sizeof instead,
                 "; --batch %d --accumulate %d takes %s for the same steps, but for batch norm",
                 smaller.options.batch_size, smaller.options.accumulate, memory_text(smaller.bytes, less));
    complain("batches of %d images take %s%s", w->options.batch_size, takes, instead);
}

bool memory_suffices(const ranks *r, const cn_context *context, const cn_model *model, const cn_dataset *train,
                     const cn_dataset *test, const cn_trainer_options *options, size_t *bytes) {
    cn_device device = CN_DEVICE_INIT;
    struct rlimit limit;
    wanted w = {.model = model, .train = train, .test = test, .options = *options};
    int count = r->communicator.ranks, rank = r->communicator.rank;
    if (cn_context_device(context, &device) == CN_OK)
        w.memory = device.memory;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < w.memory)
        w.memory = limit.rlim_cur;
    int first = count - ranks_largest(r, fits(&w) ? 0 : count - rank);
    if (first == rank)
        say_what_fits(&w, SMALLEST * count);
    *bytes = w.bytes;
    return first >= count;
}

/* ---- without data ---- */

static int no_sample(void *user, int64_t index, void *image, void *const *targets) {
    (void)user;
    (void)index;
    (void)image;
    (void)targets;
    return 1; /* nobody asks */
}

/* What an output is held against: a class, the class of each pixel, or values as it gives them. */
static cn_target_options target_of(const cn_model *model, int64_t output, cn_loss_options *loss) {
    cn_target_options target = CN_TARGET_OPTIONS_INIT;
    cn_model_output_shape_at(model, output, target.shape);
    bool map = target.shape[1] > 1 || target.shape[2] > 1;
    if (output > 0 || target.shape[0] == 1) {
        loss->kind = CN_LOSS_MSE;
        target.kind = map ? CN_TARGET_IMAGE : CN_TARGET_VECTOR;
        return target;
    }
    loss->kind = cn_model_loss(model);
    target.kind = map ? CN_TARGET_MASK : CN_TARGET_CLASS;
    target.classes = target.shape[0];
    target.shape[0] = 1;
    return target;
}

enum { OUTPUTS = 16 };

typedef struct imagined {
    cn_loss_options losses[OUTPUTS];
    const cn_loss_options *list[OUTPUTS];
    cn_target_options targets[OUTPUTS];
    cn_dataset *data;
} imagined;

/* As many images as a batch has, and what the model is to make of them. */
static cn_status imagine(imagined *i, cn_context *context, const cn_model *model, int images) {
    const cn_loss_options usual = CN_LOSS_OPTIONS_INIT;
    cn_dataset_source source = CN_DATASET_SOURCE_INIT;
    int64_t outputs = cn_model_output_count(model), shape[3];
    for (int64_t k = 0; k < outputs && k < OUTPUTS; k++) {
        i->losses[k] = usual;
        i->list[k] = &i->losses[k];
        i->targets[k] = target_of(model, k, &i->losses[k]);
    }
    cn_model_input_shape(model, shape);
    source.count = images;
    source.channels = (int)shape[0];
    source.height = (int)shape[1];
    source.width = (int)shape[2];
    source.targets = i->targets;
    source.target_count = (int)(outputs < OUTPUTS ? outputs : OUTPUTS);
    source.fetch_sample = no_sample;
    return cn_dataset_callback(context, &source, &i->data);
}

static bool print_row(const cn_model *model, const cn_dataset *data, const cn_trainer_options *options) {
    char images[GROUPED_TEXT], text[MEMORY_TEXT];
    size_t bytes;
    cn_status status = cn_trainer_memory(model, data, data, options, &bytes);
    if (status != CN_OK && status != CN_ERR_MEMORY) {
        complain_library("cannot train so");
        return false;
    }
    if (output_json) {
        json_object(NULL);
        json_integer("batch", options->batch_size);
        json_integer("accumulate", options->accumulate);
        if (status == CN_OK)
            json_integer("bytes", (int64_t)bytes);
        else
            json_text("bytes", NULL);
        json_end();
        return true;
    }
    printf("%10s %10d  %s\n", grouped(options->batch_size, images), options->accumulate,
           status == CN_OK ? memory_text(bytes, text) : "more than can be addressed");
    return true;
}

bool memory_print(cn_context *context, const cn_model *model, int batch_size) {
    imagined all = {.data = NULL};
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    char text[MEMORY_TEXT];
    if (imagine(&all, context, model, batch_size) != CN_OK) {
        complain_library("cannot train it");
        return false;
    }
    options.losses = all.list;
    options.loss_count = cn_model_output_count(model);
    options.batch_size = batch_size;
    if (output_json)
        json_array("training");
    else
        printf("\nTraining, beside model and data, by SGD with momentum; Adam takes %s more\n%10s %10s  memory\n",
               memory_text((size_t)cn_model_parameter_count(model) * sizeof(float), text), "batch", "accumulate");
    bool good = print_row(model, all.data, &options);
    while (good && halve(&options, SMALLEST))
        good = print_row(model, all.data, &options);
    if (output_json)
        json_end();
    cn_dataset_free(all.data);
    return good;
}
