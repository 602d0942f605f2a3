/* compare.c: convnet-compare, the study: one network trained with several normalisations and seeds, and what came of
 * it as one page.
 *
 * Introduces histories, charts of several runs, and pages put together piece by piece.
 */
#include "common/common.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { NORMS = 5, MOST_SEEDS = 50, MOST_RUNS = NORMS * MOST_SEEDS };

static const char *data_text, *out_directory, *norms_text = "batch,group,layer";
static int64_t first_seed = 42, seeds = 3, epochs, threads;
static int recipe_kind = RECIPE_STUDY;

static argument arguments[] = {
    TEXT("data", "DATA", &data_text, DATA_HELP),
    TEXT("out", "DIR", &out_directory, "the folder for the page, its charts, and a CSV file a run [compare]"),
    TEXT("norms", "LIST", &norms_text, "what to compare, of none, batch, layer, group and instance"),
    INTEGER("seeds", &seeds, 1, MOST_SEEDS, "runs with each normalisation, the same seeds for all"),
    INTEGER("first-seed", &first_seed, 0, INT64_MAX - MOST_SEEDS, "the first of them; the others follow"),
    CHOICE("recipe", recipe_names, &recipe_kind, "how to train, as in convnet-train"),
    INTEGER("epochs", &epochs, 0, 1000000, "passes over the training images; 0: the recipe's"),
    INTEGER("threads", &threads, 0, 1024, "threads; 0: one for each core. The result does not depend on it"),
    END_OF_ARGUMENTS,
};

static const program_spec compare_program = {
    .name = "convnet-compare",
    .about =
        "Trains the session-8 network with several normalisations and seeds, on the same images, and writes a page "
        "that compares them. Runs whose CSV file in the folder is complete are not run again, so an interrupted "
        "comparison goes on where it was.",
    .required = "data",
    .arguments = arguments,
    .notes =
        "A run's file is called NORM-SEED.csv and has the columns of convnet-train --log. settings.txt says how the "
        "runs of a folder were made; a folder with other settings is refused.\n"
        "\n"
        "Example:\n"
        "  convnet-compare --data cifar10:cifar-10-batches-bin --seeds 5 --out study\n"
        "\n"
        "Exit codes: 0 done; 1 something failed; 2 a mistake on the command line; 130 ended by Ctrl-C.\n",
};

typedef struct experiment {
    int norm; /* cn_norm */
    char name[32];
    int runs;
    double best_test[MOST_SEEDS], best_train[MOST_SEEDS], seconds[MOST_SEEDS]; /* percentages */
} experiment;

typedef struct comparison {
    cn_context *context;
    recipe recipe;
    data_spec data;
    cn_dataset *train, *test;
    experiment experiments[NORMS];
    int count;
    cn_history *histories[MOST_RUNS];
    int history_count;
    FILE *log; /* of the run under way */
    const char *log_path;
    bool log_failed;
    progress progress;
} comparison;

static volatile sig_atomic_t interrupted;

static void interrupt(int signal) {
    interrupted = signal;
}

static void read_norms(comparison *c) {
    static char list[256];
    snprintf(list, sizeof list, "%s", norms_text);
    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        int norm = 0;
        while (network_norms[norm] && strcmp(network_norms[norm], name) != 0)
            norm++;
        if (!network_norms[norm])
            complain_usage("--norms '%s': want some of none, batch, layer, group, instance", name);
        for (int i = 0; i < c->count; i++)
            if (c->experiments[i].norm == norm)
                complain_usage("--norms: '%s' is there twice", name);
        c->experiments[c->count].norm = norm;
        snprintf(c->experiments[c->count].name, sizeof c->experiments[0].name, "%s%s", name, norm ? " norm" : "");
        c->count++;
    }
    if (c->count == 0)
        complain_usage("--norms: want at least one");
}

/* ---- runs that are there already ---- */

static char *run_path(const experiment *e, int64_t seed) {
    char name[64];
    snprintf(name, sizeof name, "%s-%lld.csv", network_norms[e->norm], (long long)seed);
    return path_join(out_directory, name);
}

static bool read_line(const char *line, cn_epoch *epoch) {
    double v[8];
    for (int i = 0; i < 8; i++) {
        char *end;
        v[i] = strtod(line, &end);
        if (end == line || (i < 7 ? *end != ',' : *end != '\n'))
            return false;
        line = end + 1;
    }
    epoch->epoch = (int64_t)v[0];
    epoch->train_loss = v[1];
    epoch->train_accuracy = v[2] / 100.0;
    epoch->test_loss = v[3];
    epoch->test_accuracy = v[4] / 100.0;
    epoch->learning_rate = v[5];
    epoch->seconds = v[6];
    epoch->images_per_second = v[7];
    return v[0] >= 1.0 && v[0] < 1e9;
}

static void note_epoch(experiment *e, const cn_epoch *epoch) {
    int run = e->runs;
    e->best_test[run] = fmax(e->best_test[run], 100.0 * epoch->test_accuracy);
    e->best_train[run] = fmax(e->best_train[run], 100.0 * epoch->train_accuracy);
    e->seconds[run] += epoch->seconds;
}

/* Reads a complete run into a history, which stays NULL if the file is missing, cut short or no such file. */
static cn_status read_run(comparison *c, experiment *e, const char *path, cn_history **history) {
    char line[1024];
    int64_t count = 0;
    bool good = true;
    FILE *file = fopen(path, "r");
    *history = NULL;
    if (!file)
        return CN_OK;
    cn_status status = cn_history_new(c->context, e->name, history);
    e->best_test[e->runs] = e->best_train[e->runs] = e->seconds[e->runs] = 0.0;
    good = fgets(line, sizeof line, file) && strncmp(line, "epoch,train_loss", 16) == 0;
    while (good && status == CN_OK && fgets(line, sizeof line, file)) {
        cn_epoch epoch = CN_EPOCH_INIT;
        good = read_line(line, &epoch) && epoch.epoch == ++count;
        if (good) {
            note_epoch(e, &epoch);
            status = cn_history_add(*history, &epoch);
        }
    }
    fclose(file);
    if (!good || count != c->recipe.epochs || status != CN_OK) {
        cn_history_free(*history);
        *history = NULL;
    }
    return status;
}

/* Written once; later runs into the folder have to be made in the same way. Without it, what is there is believed. */
static bool check_settings(comparison *c) {
    char wanted[4096], found[4096] = "";
    snprintf(wanted, sizeof wanted, "data %s\nrecipe %s\nepochs %d\nlibrary %s\n", data_text, recipe_names[recipe_kind],
             c->recipe.epochs, cn_version_string());
    char *path = path_join(out_directory, "settings.txt");
    FILE *file = path ? fopen(path, "r") : NULL;
    bool good = path != NULL;
    if (file) {
        found[fread(found, 1, sizeof found - 1, file)] = '\0';
        fclose(file);
        if (strcmp(wanted, found) != 0) {
            complain("'%s' holds runs with other settings; they are in '%s'", out_directory, path);
            good = false;
        }
    } else if (good && cn_text_save(c->context, wanted, path) != CN_OK) {
        complain("cannot write '%s': %s", path, cn_last_error());
        good = false;
    }
    free(path);
    return good;
}

/* ---- a run ---- */

static int on_batch(void *user, const cn_batch *batch) {
    comparison *c = user;
    progress_batch(&c->progress, batch);
    return interrupted != 0;
}

static int on_epoch(void *user, const cn_epoch *epoch) {
    comparison *c = user;
    progress_epoch(&c->progress, epoch);
    c->log_failed = !epoch_log_write(c->log, c->log_path, epoch);
    return interrupted != 0 || c->log_failed;
}

static cn_status fit(comparison *c, const experiment *e, int64_t seed) {
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    cn_trainer_options how = CN_TRAINER_OPTIONS_INIT;
    cn_model *model = NULL;
    cn_trainer *trainer = NULL;
    options.norm = (cn_norm)e->norm;
    options.dropout = c->recipe.dropout;
    options.classes = cn_dataset_classes(c->train);
    options.seed = how.seed = (uint64_t)seed;
    how.batch_size = c->recipe.batch_size;
    how.label_smoothing = c->recipe.label_smoothing;
    how.l1 = c->recipe.l1;
    how.ema_decay = c->recipe.ema_decay;
    how.optimizer = &c->recipe.optimizer;
    how.schedule = &c->recipe.schedule;
    how.on_batch = on_batch;
    how.user = c;
    cn_status status = cn_session8_new(c->context, &options, &model);
    if (status == CN_OK)
        status = cn_trainer_new(model, c->train, c->test, &how, &trainer);
    c->progress = progress_begin(c->recipe.epochs);
    if (status == CN_OK)
        status = cn_trainer_fit(trainer, c->recipe.epochs, on_epoch, c);
    progress_wipe(&c->progress);
    if (status != CN_OK)
        complain_library("training stopped");
    cn_trainer_free(trainer);
    cn_model_free(model);
    return status;
}

static cn_status open_data(comparison *c) {
    cn_status status = CN_OK;
    if (c->train)
        return CN_OK;
    if ((status = data_open(c->context, &c->data, CN_TRAIN, &c->train)) != CN_OK ||
        (status = data_open(c->context, &c->data, CN_TEST, &c->test)) != CN_OK)
        return status;
    cn_augmentation none = CN_AUGMENTATION_INIT, changes = data_augmentation(&c->data, c->recipe.changes);
    status = cn_dataset_set_augmentation(c->train, c->data.kind == DATA_SYNTHETIC ? &none : &changes);
    if (status != CN_OK)
        complain_library("cannot change the training images so");
    return status;
}

static bool train_run(comparison *c, const experiment *e, int64_t seed, const char *path) {
    if (open_data(c) != CN_OK)
        return false;
    printf("%s, seed %lld\n", e->name, (long long)seed);
    c->log_path = path;
    c->log = epoch_log_open(path);
    if (!c->log)
        return false;
    cn_status status = fit(c, e, seed);
    if (fclose(c->log) != 0 && !c->log_failed) {
        complain("cannot write '%s': %s", path, strerror(errno));
        c->log_failed = true;
    }
    return status == CN_OK && !c->log_failed && !interrupted;
}

static bool do_run(comparison *c, experiment *e, int64_t seed) {
    cn_history *history = NULL;
    char *path = run_path(e, seed);
    bool good = path && read_run(c, e, path, &history) == CN_OK;
    if (good && !history) {
        good = train_run(c, e, seed, path);
        if (good && read_run(c, e, path, &history) != CN_OK)
            good = false;
    } else if (good) {
        printf("%s, seed %lld: already there\n", e->name, (long long)seed);
    }
    if (history) {
        c->histories[c->history_count++] = history;
        e->runs++;
    }
    free(path);
    return good;
}

/* ---- what came of it ---- */

static double mean(const double *values, int count) {
    double sum = 0.0;
    for (int i = 0; i < count; i++)
        sum += values[i];
    return sum / count;
}

/* Of a sample; 0 for one value. */
static double deviation(const double *values, int count) {
    double middle = mean(values, count), sum = 0.0;
    for (int i = 0; i < count; i++)
        sum += (values[i] - middle) * (values[i] - middle);
    return count > 1 ? sqrt(sum / (count - 1)) : 0.0;
}

/* "76.31" or "76.31 ± 0.25". */
static void spread_text(const double *values, int count, char *text, size_t size) {
    int length = snprintf(text, size, "%.2f", mean(values, count));
    if (count > 1)
        snprintf(text + length, size - (size_t)length, " ± %.2f", deviation(values, count));
}

/* Two-sided 5 % points of Student's t with so many degrees of freedom. */
static double t_quantile(double freedom) {
    static const double quantile[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                                      2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086};
    int whole = (int)floor(freedom);
    return whole < 1 ? quantile[0] : whole > (int)COUNT(quantile) ? 2.086 : quantile[whole - 1];
}

/* One sentence on a pair: Welch's test of the difference of the best test accuracies. */
static void pair_sentence(const experiment *a, const experiment *b, char *text, size_t size) {
    double difference = mean(a->best_test, a->runs) - mean(b->best_test, b->runs);
    if (a->runs < 2 || b->runs < 2) {
        snprintf(text, size, "%s is %.2f points above %s; one run says nothing about chance.", a->name, difference,
                 b->name);
        return;
    }
    double va = pow(deviation(a->best_test, a->runs), 2) / a->runs;
    double vb = pow(deviation(b->best_test, b->runs), 2) / b->runs;
    double freedom = va + vb > 0.0 ? (va + vb) * (va + vb) / (va * va / (a->runs - 1) + vb * vb / (b->runs - 1)) : 1.0;
    double reach = t_quantile(freedom) * sqrt(va + vb);
    snprintf(text, size, "%s is %.2f ± %.2f points above %s (95 %% interval, Welch): %s.", a->name, difference, reach,
             b->name, difference > reach ? "more than chance explains" : "within what chance explains");
}

static void best_first(experiment *e, int count) {
    for (int i = 1; i < count; i++)
        for (int k = i; k > 0 && mean(e[k].best_test, e[k].runs) > mean(e[k - 1].best_test, e[k - 1].runs); k--) {
            experiment other = e[k];
            e[k] = e[k - 1];
            e[k - 1] = other;
        }
}

static cn_status add_finding(cn_page *page, const experiment *e, int count) {
    char text[512] = "";
    size_t length = 0;
    cn_status status = cn_page_heading(page, "Finding");
    for (int i = 0; i < count; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%s (%.2f %%)",
                                   i ? ", then " : "Best: ", e[i].name, mean(e[i].best_test, e[i].runs));
    snprintf(text + length, sizeof text - length, ", by the mean of the best test accuracies.");
    if (status == CN_OK)
        status = cn_page_paragraph(page, text);
    for (int i = 0; i + 1 < count && status == CN_OK; i++) {
        pair_sentence(&e[i], &e[i + 1], text, sizeof text);
        status = cn_page_paragraph(page, text);
        if (status == CN_OK)
            printf("%s\n", text);
    }
    return status;
}

static cn_status add_table(cn_page *page, const experiment *e, int count) {
    static const char *const headings[] = {"", "runs", "best train %", "best test %", "seconds a run"};
    char text[NORMS][4][48];
    const char *cells[NORMS * COUNT(headings)];
    for (int i = 0; i < count; i++) {
        snprintf(text[i][0], sizeof text[i][0], "%d", e[i].runs);
        spread_text(e[i].best_train, e[i].runs, text[i][1], sizeof text[i][1]);
        spread_text(e[i].best_test, e[i].runs, text[i][2], sizeof text[i][2]);
        snprintf(text[i][3], sizeof text[i][3], "%.0f", mean(e[i].seconds, e[i].runs));
        cells[5 * i] = e[i].name;
        printf("%-14s %2s runs   train %-14s  test %-14s  %s s\n", e[i].name, text[i][0], text[i][1], text[i][2],
               text[i][3]);
        for (int k = 0; k < 4; k++)
            cells[5 * i + 1 + k] = text[i][k];
    }
    return cn_page_table(page, count, COUNT(headings), headings, cells);
}

static cn_status add_curves(cn_page *page, const comparison *c) {
    cn_status status = CN_OK;
    for (int metric = CN_METRIC_LOSS; metric <= CN_METRIC_LEARNING_RATE && status == CN_OK; metric++) {
        char *svg;
        status = cn_chart_metric(c->history_count, (const cn_history *const *)c->histories, (cn_metric)metric, &svg);
        if (status == CN_OK)
            status = cn_page_figure(page, svg,
                                    metric == CN_METRIC_LOSS && seeds > 1
                                        ? "Means over the seeds; bands from the lowest to the highest."
                                        : NULL);
        cn_text_free(svg);
    }
    return status;
}

static cn_status compose(comparison *c, cn_page *page) {
    char text[512];
    cn_device device = CN_DEVICE_INIT;
    int count = 0;
    for (int i = 0; i < c->count; i++) /* those that have a run */
        if (c->experiments[i].runs)
            c->experiments[count++] = c->experiments[i];
    best_first(c->experiments, count);
    cn_status status = add_finding(page, c->experiments, count);
    if (status == CN_OK)
        status = add_table(page, c->experiments, count);
    if (status == CN_OK)
        status = cn_page_heading(page, "Curves");
    if (status == CN_OK)
        status = add_curves(page, c);
    if (status == CN_OK)
        status = cn_page_heading(page, "How");
    if (status == CN_OK)
        status = cn_context_device(c->context, &device);
    snprintf(text, sizeof text,
             "Session 8, %.60s recipe, %d epochs, data %.60s, seeds from %lld on. This page was made on: %.60s.",
             recipe_names[recipe_kind], c->recipe.epochs, data_text, (long long)first_seed, device.processor);
    return status == CN_OK ? cn_page_paragraph(page, text) : status;
}

static bool write_page(comparison *c) {
    cn_page *page;
    char *html = NULL, *svg;
    cn_status status = cn_page_new(c->context, "Normalisations compared", &page);
    if (status == CN_OK)
        status = compose(c, page);
    if (status == CN_OK)
        status = cn_page_html(page, &html);
    cn_page_free(page);
    bool good = report_save(c->context, out_directory, "report.html", status, html);
    status = cn_chart_curves(c->history_count, (const cn_history *const *)c->histories, &svg);
    good = report_save(c->context, out_directory, "curves.svg", status, svg) && good;
    if (good)
        printf("Report in %s/report.html\n", out_directory);
    return good;
}

static int compare(comparison *c) {
    bool good = check_settings(c);
    for (int64_t s = 0; s < seeds && good; s++)
        for (int i = 0; i < c->count && good; i++)
            good = do_run(c, &c->experiments[i], first_seed + s);
    if (c->history_count && !write_page(c))
        good = false;
    if (interrupted)
        return 128 + interrupted;
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    static comparison c;
    int code = EXIT_FAILURE;
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    arguments_read(&compare_program, argc, argv);
    out_directory = out_directory ? out_directory : "compare";
    c.data = data_spec_read(data_text);
    c.recipe = recipe_make((recipe_name)recipe_kind);
    c.recipe.epochs = epochs ? (int)epochs : c.recipe.epochs;
    read_norms(&c);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (report_folder(out_directory) && program_context(threads, CN_CONV_AUTO, &c.context) == CN_OK)
        code = compare(&c);
    for (int i = 0; i < c.history_count; i++)
        cn_history_free(c.histories[i]);
    cn_dataset_free(c.test);
    cn_dataset_free(c.train);
    cn_context_free(c.context);
    return program_end(code);
}
