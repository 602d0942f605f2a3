/* SPDX-License-Identifier: MIT */
/* profile.c: a trace added up: where a run's time went, layer by layer. */
#include "common.h"
#include <pthread.h>
#include <string.h>

enum { PASSES = CN_PASS_EXCHANGE + 1 };

typedef struct row {
    const char *layer;      /* the model's own text; NULL: no layer's work */
    double seconds[PASSES]; /* of all threads together */
} row;

struct profile {
    pthread_mutex_t lock;
    row *rows; /* the first is what belongs to no layer; then in the order in which layers appear */
    size_t count, capacity;
    bool full;          /* no memory for another row */
    int64_t start, end; /* of all events */
    int threads;        /* that have been seen */
};

profile *profile_new(void) {
    profile *p = calloc(1, sizeof *p);
    if (p)
        p->rows = calloc(1, sizeof *p->rows);
    if (!p || !p->rows || pthread_mutex_init(&p->lock, NULL) != 0) {
        complain("no memory for a profile");
        profile_free(p);
        return NULL;
    }
    p->count = p->capacity = 1;
    return p;
}

void profile_free(profile *p) {
    if (p)
        free(p->rows);
    free(p);
}

static row *find_row(profile *p, const cn_trace_event *event) {
    for (size_t i = 0; i < p->count; i++)
        if (p->rows[i].layer == event->layer)
            return &p->rows[i];
    if (p->count == p->capacity) {
        row *grown = realloc(p->rows, 2 * p->capacity * sizeof *grown);
        if (!grown) {
            p->full = true;
            return &p->rows[0];
        }
        p->rows = grown;
        p->capacity *= 2;
    }
    p->rows[p->count] = (row){.layer = event->layer};
    return &p->rows[p->count++];
}

void profile_trace(void *user, const cn_trace_event *event) {
    profile *p = user;
    pthread_mutex_lock(&p->lock);
    if ((int)event->pass < PASSES)
        find_row(p, event)->seconds[event->pass] += 1e-9 * (double)(event->end - event->start);
    if (p->threads == 0 || event->start < p->start)
        p->start = event->start;
    if (event->end > p->end)
        p->end = event->end;
    if (event->thread >= p->threads)
        p->threads = event->thread + 1;
    pthread_mutex_unlock(&p->lock);
}

/* ---- the table ---- */

/* GFLOP/s, or nothing for layers that do not multiply. */
static void print_rate(double multiply_adds, double seconds) {
    if (multiply_adds > 0.0 && seconds > 0.0)
        printf("  %7.1f", 2e-9 * multiply_adds / seconds);
    else
        printf("  %7s", "");
}

static void print_layer(const row *r, const cn_layer_info *info, const profile_run *run, bool first, double all) {
    double products = (double)info->multiply_adds;
    double backward = (first ? 1.0 : 2.0) * products; /* the first needs no gradient of its input */
    printf("%-20s  %-17s  %6.2f %%", shown(info->name), shown(info->type), 100.0 * r->seconds[CN_PASS_FORWARD] / all);
    print_rate(products * (double)run->forward_images, r->seconds[CN_PASS_FORWARD]);
    printf("  %7.2f %%", 100.0 * r->seconds[CN_PASS_BACKWARD] / all);
    print_rate(backward * (double)run->backward_images, r->seconds[CN_PASS_BACKWARD]);
    printf("\n");
}

/* In the model's order. */
static void print_layers(const profile *p, const profile_run *run, double all) {
    cn_layer_info info = CN_LAYER_INFO_INIT;
    for (int n = 0; n < cn_model_layer_count(run->model); n++)
        for (size_t i = 1; cn_model_layer_info(run->model, n, &info) == CN_OK && i < p->count; i++)
            if (strcmp(p->rows[i].layer, info.name) == 0)
                print_layer(&p->rows[i], &info, run, n == 0, all);
}

static double sum_of(const profile *p, cn_pass first, cn_pass last) {
    double sum = 0.0;
    for (size_t i = 0; i < p->count; i++)
        for (int pass = first; pass <= (int)last; pass++)
            sum += p->rows[i].seconds[pass];
    return sum;
}

static void print_rest(const profile *p, double all) {
    const double *other = p->rows[0].seconds;
    double exchange = p->threads * sum_of(p, CN_PASS_EXCHANGE, CN_PASS_EXCHANGE); /* one thread waits for all of them */
    const struct {
        const char *what;
        double seconds;
    } lines[] = {
        {"images fetched and changed", other[CN_PASS_FETCH]},
        {"the first layer's border", other[CN_PASS_FORWARD]},
        {"weights put into order", sum_of(p, CN_PASS_PREPARE, CN_PASS_PREPARE)},
        {"loss", other[CN_PASS_LOSS]},
        {"optimizer", other[CN_PASS_UPDATE]},
        {"waiting for other processes", exchange},
        {"waiting, and the rest", all - sum_of(p, CN_PASS_FETCH, CN_PASS_UPDATE) - exchange},
    };
    for (size_t i = 0; i < COUNT(lines); i++)
        printf("%-39s  %6.2f %%\n", lines[i].what, 100.0 * lines[i].seconds / all);
}

void profile_print(profile *p, const profile_run *run) {
    pthread_mutex_lock(&p->lock);
    double seconds = 1e-9 * (double)(p->end - p->start), all = seconds * p->threads;
    printf("Where the time went, as shares of %.1f s on %d thread%s; GFLOP/s of one thread, counted as plain sums\n",
           seconds, p->threads, p->threads == 1 ? "" : "s");
    printf("%-20s  %-17s  %8s  %7s  %9s  %7s\n", "layer", "", "forward", "GFLOP/s", "backward", "GFLOP/s");
    print_layers(p, run, all);
    print_rest(p, all);
    if (p->full)
        printf("There was no memory to tell all layers apart.\n");
    pthread_mutex_unlock(&p->lock);
}
