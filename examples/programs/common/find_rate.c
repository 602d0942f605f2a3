/* SPDX-License-Identifier: MIT */
/* find_rate.c: a search for a learning rate instead of a run. */
#include "run.h"
#include <math.h>

int find_rate_batch(void *user, const cn_batch_info *batch) {
    (void)user;
    (void)batch;
    return interruption() != 0;
}

static void print_found(const run *r, const cn_rate_curve *curve, double rate) {
    char text[512];
    cn_rate_search all = CN_RATE_SEARCH_INIT;
    cn_rate_point last = CN_RATE_POINT_INIT;
    int64_t count = cn_rate_curve_count(curve);
    const char *option = r->recipe.schedule.kind == CN_SCHEDULE_ONE_CYCLE ? "--max-lr" : "--lr";
    if (cn_rate_curve_point(curve, count - 1, &last) != CN_OK)
        return;
    int used = snprintf(text, sizeof text, "%lld steps at rates from %g to %.2g%s. ", (long long)count, all.first,
                        last.rate, count < all.steps && !r->interrupted ? ", where the loss had grown" : "");
    if (isfinite(rate))
        snprintf(text + used, sizeof text - (size_t)used, "It fell fastest at %.2g: try %s %.2g.", rate, option, rate);
    else
        snprintf(text + used, sizeof text - (size_t)used, "It fell nowhere: no rate can be told.");
    print_fitting(text);
}

static void write_found(const cn_rate_curve *curve, double rate) {
    cn_rate_point point = CN_RATE_POINT_INIT;
    json_begin();
    json_number("rate", rate);
    json_array("steps");
    for (int64_t i = 0; cn_rate_curve_point(curve, i, &point) == CN_OK; i++) {
        json_object(NULL);
        json_number("rate", point.rate);
        json_number("loss", point.loss);
        json_number("smoothed", point.smoothed);
        json_end();
    }
    json_end();
    json_end();
}

static bool draw(const run *r, const cn_rate_curve *curve, const char *path) {
    char *svg = NULL;
    cn_status status = cn_chart_rates(curve, &svg);
    if (status == CN_OK)
        status = cn_text_save(r->context, svg, path);
    cn_text_free(svg);
    if (status != CN_OK)
        complain_file("draw", path, library_error());
    else
        printf("Picture in %s\n", shown(path));
    return status == CN_OK;
}

int find_rate(run *r, const char *path) {
    cn_rate_curve *curve = NULL;
    double rate;
    interruption_catch();
    cn_status status = cn_trainer_find_rate(r->trainer, NULL, &rate, &curve);
    bool good = status == CN_OK;
    r->interrupted = ranks_largest(&r->ranks, interruption());
    if (!good && ranks_speaks(&r->ranks))
        complain_library("cannot search for a rate");
    if (r->interrupted && ranks_speaks(&r->ranks))
        complain("interrupted after %d steps", (int)cn_rate_curve_count(curve));
    if (good && ranks_speaks(&r->ranks) && cn_rate_curve_count(curve) > 0) {
        print_found(r, curve, rate);
        if (output_json)
            write_found(curve, rate);
        good = draw(r, curve, path);
    }
    cn_rate_curve_free(curve);
    if (ranks_largest(&r->ranks, !good))
        return EXIT_FAILURE;
    return r->interrupted ? 128 + r->interrupted : EXIT_SUCCESS;
}
