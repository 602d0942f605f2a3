/* SPDX-License-Identifier: MIT */
/* compare.c: convnet-compare, which trains session 8 with several normalisations from several seeds and puts what came
 * of it on one page.
 *
 * Introduces histories of one's own and charts of several runs.
 */
#include "common/outputs.h"
#include "common/comparison.h"
#include "common/ranks.h"
#include <errno.h>
#include <string.h>

/* ---- what is asked for ---- */

static const char *data_text, *norms_text = "group,layer,batch", *directory;
static int recipe_kind = RECIPE_STUDY;
static int64_t seeds = 1, first_seed, epochs = 20, threads;

static argument arguments[] = {
    REQUIRED("data", "DATA", &data_text, DATA_HELP),
    REQUIRED("out", "DIR", &directory, "where histories, report.html and curves.svg go; made if it is not there"),
    TEXT("norms", "LIST", &norms_text, "normalisations, of none, batch, layer, group and instance"),
    INTEGER("seeds", &seeds, 1, COMPARISON_SEEDS, "runs of each"),
    INTEGER("seed", &first_seed, 0, INT64_MAX - COMPARISON_SEEDS, "the first; the others count on from it"),
    CHOICE("recipe", recipe_names, &recipe_kind, "how all are trained"),
    INTEGER("epochs", &epochs, 1, 1000, "passes over the training images [the recipe's]"),
    INTEGER("threads", &threads, 0, 1024, "threads; 0: one for each core. The result does not depend on it"),
    END_OF_ARGUMENTS,
};

static const program_spec compare_program = {
    .name = "convnet-compare",
    .about = "Trains the session-8 network with several normalisations, on the same data from the same seeds, and "
             "writes a page with their curves, their best accuracies and what can be told from them.",
    .arguments = arguments,
    .notes = "Each run leaves DIR/NORM-SEED.csv, the log of convnet-train. Runs that are complete there are not done "
             "again: a comparison that was interrupted goes on when it is started once more, and more seeds or norms "
             "may be added.\n"
             "\n"
             "Example:\n"
             "  convnet-compare --data cifar10:cifar-10-batches-bin --seeds 5 --out comparison\n"
             "\n"
             "Exit codes: 0 compared; 1 something failed; 2 a mistake on the command line; 128 + N ended by signal N "
             "(130: Ctrl-C).\n",
};

static int find_norm(const char *name, size_t length) {
    for (int i = 0; network_norms[i]; i++)
        if (strlen(network_norms[i]) == length && strncmp(network_norms[i], name, length) == 0)
            return i;
    complain_usage("--norms: '%.*s' is none of none, batch, layer, group and instance", (int)length, name);
}

static void read_norms(comparison *c) {
    const char *at = norms_text;
    for (;;) {
        size_t length = strcspn(at, ",");
        int norm = find_norm(at, length);
        for (int i = 0; i < c->norm_count; i++)
            if (c->norms[i] == norm)
                complain_usage("--norms: '%s' comes twice", network_norms[norm]);
        c->norms[c->norm_count++] = norm;
        if (at[length] == '\0')
            return;
        at += length + 1;
    }
}

/* ---- the folder ---- */

/* Runs of other settings must not be taken for ours. */
static bool check_settings(const comparison *c, const char *path) {
    char wanted[4096];
    snprintf(wanted, sizeof wanted, "data %s\nrecipe %s\nepochs %d\n", data_text, recipe_names[recipe_kind], c->epochs);
    char *found = file_text(path, sizeof wanted);
    if (!found && errno == ENOENT) {
        if (cn_text_save(c->context, wanted, path) == CN_OK)
            return true;
        complain_library("cannot begin");
        return false;
    }
    if (!found) {
        complain("cannot read '%s': %s", path, strerror(errno));
        return false;
    }
    bool same = strcmp(found, wanted) == 0;
    free(found);
    if (same)
        return true;
    complain("'%s' holds runs with other settings, those in '%s'; choose another --out", directory, path);
    return false;
}

static bool open_directory(const comparison *c) {
    if (!report_folder(directory))
        return false;
    char *path = path_join(directory, "settings.txt");
    bool good = path && check_settings(c, path);
    free(path);
    return good;
}

/* ---- one run ---- */

static char *run_path(const comparison_run *run) {
    char name[64];
    snprintf(name, sizeof name, "%s-%lld.csv", network_norms[run->norm], (long long)run->seed);
    return path_join(directory, name);
}

static int run_number(const comparison *c) {
    return c->norm_count * c->seed_count;
}

/* Runs after that one that are not done yet. */
static int64_t runs_to_come(const comparison *c, const comparison_run *run) {
    int64_t count = 0;
    while (++run < c->runs + run_number(c))
        count += run->count < c->epochs;
    return count;
}

typedef struct recorder {
    comparison_run *run;
    progress progress;
    epoch_log log;
    bool failed;
} recorder;

static int on_batch(void *user, const cn_batch_info *batch) {
    recorder *r = user;
    progress_batch(&r->progress, batch);
    return interruption() != 0;
}

static int on_epoch(void *user, const cn_epoch_info *epoch) {
    recorder *r = user;
    progress_epoch(&r->progress, epoch);
    r->run->epochs[r->run->count++] = *epoch;
    r->failed = !epoch_log_write(&r->log, epoch);
    return interruption() != 0 || r->failed;
}

static bool fit(const comparison *c, recorder *r, cn_model *model) {
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_trainer *trainer;
    recipe_fill(&c->recipe, &options);
    options.seed = (uint64_t)r->run->seed;
    options.on_batch = on_batch;
    options.user = r;
    cn_status status = cn_trainer_new(model, c->train, c->test, &options, &trainer);
    if (status == CN_OK) {
        r->progress = progress_begin(c->epochs, "test", CN_METRIC_ACCURACY);
        r->progress.later = c->epochs * runs_to_come(c, r->run);
        status = cn_trainer_fit(trainer, c->epochs, on_epoch, r);
        progress_wipe(&r->progress);
    }
    if (status != CN_OK)
        complain_library("cannot train");
    cn_trainer_free(trainer);
    return status == CN_OK && !r->failed;
}

static bool train_run(const comparison *c, comparison_run *run, const char *path) {
    cn_session8_options network = CN_SESSION8_OPTIONS_INIT;
    recorder r = {.run = run};
    cn_model *model;
    if (!epoch_log_open(&r.log, path, "test", CN_METRIC_ACCURACY))
        return false;
    run->count = 0;
    network.norm = (cn_norm_kind)run->norm;
    network.dropout = c->recipe.dropout;
    network.classes = cn_dataset_classes(c->train);
    network.seed = (uint64_t)run->seed;
    bool good = cn_model_session8(c->context, &network, &model) == CN_OK;
    if (good)
        good = fit(c, &r, model);
    else
        complain_library("cannot make the network");
    cn_model_free(model);
    if (!epoch_log_close(&r.log))
        good = false;
    return good;
}

/* Takes a run from its file, or trains it. */
static bool do_run(const comparison *c, comparison_run *run) {
    char *path = run_path(run);
    bool good = path != NULL;
    if (good && run->count == c->epochs) {
        printf("%s, seed %lld: taken from %s\n", network_norms[run->norm], (long long)run->seed, path);
    } else if (good) {
        printf("%s, seed %lld\n", network_norms[run->norm], (long long)run->seed);
        good = train_run(c, run, path);
    }
    free(path);
    return good;
}

/* ---- all runs: seed by seed, so that what is there when it is interrupted can be compared ---- */

static bool open_comparison(comparison *c, data_spec *data) {
    if (data_open_both(c->context, data, &c->train, &c->test) != CN_OK)
        return false;
    if (task_of(c->train).kind != CN_TARGET_CLASS) {
        complain("'%s' has no classes of images, which the networks here tell apart", data->text);
        return false;
    }
    cn_augmentation changes = data_augmentation(data, c->train, c->recipe.changes);
    if (cn_dataset_set_augmentation(c->train, data->format->drawn ? NULL : &changes) != CN_OK) {
        complain_library("cannot change the training images so");
        return false;
    }
    c->runs = calloc((size_t)(c->norm_count * c->seed_count), sizeof *c->runs);
    cn_epoch_info *all = calloc((size_t)(c->norm_count * c->seed_count) * (size_t)c->epochs, sizeof *all);
    c->epoch_memory = all;
    if (!c->runs || !all) {
        complain("no memory for the histories");
        return false;
    }
    for (int i = 0; i < run_number(c); i++)
        c->runs[i] = (comparison_run){.norm = c->norms[i % c->norm_count],
                                      .seed = first_seed + i / c->norm_count,
                                      .epochs = all + (size_t)i * (size_t)c->epochs};
    return true;
}

/* Those that are there. */
static bool look_up_runs(const comparison *c) {
    bool good = true;
    for (int i = 0; i < run_number(c) && good; i++) {
        char *path = run_path(&c->runs[i]);
        good = path != NULL;
        if (good)
            c->runs[i].count = epoch_log_read(path, c->epochs, c->runs[i].epochs);
        good = good && c->runs[i].count >= 0;
        free(path);
    }
    return good;
}

static int compare(comparison *c) {
    int code = EXIT_SUCCESS;
    for (int i = 0; i < run_number(c) && code == EXIT_SUCCESS; i++) {
        if (!do_run(c, &c->runs[i]))
            code = EXIT_FAILURE;
        else if (interruption())
            code = 128 + interruption();
        else
            c->run_count = i + 1;
    }
    if (interruption())
        complain("interrupted after %d of %d runs; started again it goes on from there", c->run_count, run_number(c));
    if (!comparison_report(c, directory) && code == EXIT_SUCCESS)
        code = EXIT_FAILURE;
    return code;
}

int main(int argc, char **argv) {
    comparison c = {0};
    int code = EXIT_FAILURE;
    arguments_read(&compare_program, argc, argv);
    read_norms(&c);
    c.recipe = recipe_make((recipe_name)recipe_kind);
    c.recipe_name = recipe_names[recipe_kind];
    c.seed_count = (int)seeds;
    c.epochs = arguments_given(&compare_program, "epochs") ? (int)epochs : c.recipe.epochs;
    data_spec data = data_spec_read(data_text);
    if (ranks_absent() && program_context(threads, CN_CONV_AUTO, NULL, &c.context) == CN_OK && open_directory(&c) &&
        open_comparison(&c, &data) && look_up_runs(&c)) {
        interruption_catch();
        code = compare(&c);
    }
    free(c.runs);
    free(c.epoch_memory);
    cn_dataset_free(c.test);
    cn_dataset_free(c.train);
    cn_context_free(c.context);
    return program_end(code);
}
