/* SPDX-License-Identifier: MIT */
/* history.c: the epochs of a run, apart from its trainer. */
#include "train/train.h"
#include <float.h>
#include <math.h>
#include <string.h>

cn_status cn_history_new(cn_context *context, const char *name, cn_history **history) {
    CN__REQUIRE(history);
    *history = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(name);
    cn_history *made = cn__alloc(context, 1, sizeof *made);
    if (!made)
        return cn__no_memory("a history");
    made->ctx = context;
    made->name = cn__strdup(context, name);
    made->test_name = cn__strdup(context, "test");
    if (!made->name || !made->test_name) {
        cn_history_free(made);
        return cn__no_memory("a history");
    }
    *history = made;
    return CN_OK;
}

cn_status cn_history_add(cn_history *history, const cn_epoch_info *epoch) {
    CN__COMPUTES;
    cn_epoch_info known = CN_EPOCH_INFO_INIT;
    CN__REQUIRE(history);
    CN__REQUIRE(epoch);
    CN__TRY(CN__READ_OPTIONS(&known, cn_epoch_info, epoch));
    CN__TRY(
        cn__grow(history->ctx, (void **)&history->epochs, &history->capacity, history->count, sizeof *history->epochs));
    history->epochs[history->count++] = known;
    return CN_OK;
}

cn_status cn_history_add_rate(cn_history *history, double place, double rate) {
    CN__COMPUTES;
    CN__REQUIRE(history);
    cn__rate_line *line = &history->rates;
    double last = line->count > 0 ? line->corners[line->count - 1].place : 0.0;
    if (!(place >= last) || !isfinite(place))
        return cn__error(CN_ERR_ARGUMENT, "cn_history_add_rate: place is %g, wanted %g or more, where the last one is",
                         place, last);
    if (!(rate >= 0.0 && rate <= (double)FLT_MAX))
        return cn__error(CN_ERR_ARGUMENT, "cn_history_add_rate: rate is %g, wanted 0 to %g", rate, (double)FLT_MAX);
    CN__TRY(cn__rate_line_grow(line, history->ctx));
    cn__rate_line_add(line, place, rate);
    return CN_OK;
}

int64_t cn_history_rate_count(const cn_history *history) {
    return history ? (int64_t)history->rates.count : 0;
}

cn_status cn_history_rate(const cn_history *history, int64_t index, double *place, double *rate) {
    CN__REQUIRE(history);
    CN__REQUIRE(place);
    CN__REQUIRE(rate);
    const cn__rate_line *line = &history->rates;
    if (index < 0 || (uint64_t)index >= line->count)
        return cn__error(CN_ERR_NOT_FOUND, "cn_history_rate: index %lld, the history has %zu rates", (long long)index,
                         line->count);
    *place = line->corners[index].place;
    *rate = line->corners[index].rate;
    return CN_OK;
}

cn_status cn_history_set_test_name(cn_history *history, const char *name) {
    CN__REQUIRE(history);
    CN__REQUIRE(name);
    char *copy = cn__strdup(history->ctx, name);
    if (!copy)
        return cn__no_memory("a name");
    cn__free(history->ctx, history->test_name);
    history->test_name = copy;
    return CN_OK;
}

void cn_history_free(cn_history *history) {
    if (!history)
        return;
    cn__free(history->ctx, history->name);
    cn__free(history->ctx, history->test_name);
    cn__free(history->ctx, history->epochs);
    cn__free(history->ctx, history->rates.corners);
    cn__free(history->ctx, history);
}

static cn_status copy_rates(const cn_trainer *trainer, cn_history *history) {
    const cn__rate_line *from = &trainer->rates;
    cn__rate_line *to = &history->rates;
    if (from->count == 0)
        return CN_OK;
    to->corners = cn__alloc(history->ctx, from->count, sizeof *to->corners);
    if (!to->corners)
        return cn__no_memory("a history");
    memcpy(to->corners, from->corners, from->count * sizeof *to->corners);
    to->count = to->capacity = from->count;
    return CN_OK;
}

cn_status cn_trainer_history(const cn_trainer *trainer, const char *name, cn_history **history) {
    CN__COMPUTES;
    CN__REQUIRE(history);
    *history = NULL;
    CN__REQUIRE(trainer);
    CN__REQUIRE(name);
    cn_history *made;
    CN__TRY(cn_history_new(trainer->ctx, name, &made));
    cn_status status = copy_rates(trainer, made);
    for (size_t i = 0; i < cn__trainer_recorded(trainer) && status == CN_OK; i++)
        status = cn_history_add(made, &trainer->history[i]);
    if (status != CN_OK) {
        cn_history_free(made);
        return status;
    }
    *history = made;
    return CN_OK;
}
