/* SPDX-License-Identifier: MIT */
/* history.c: the epochs of a run, apart from its trainer. */
#include "train/train.h"

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
    cn__free(history->ctx, history);
}

cn_status cn_trainer_history(const cn_trainer *trainer, const char *name, cn_history **history) {
    CN__COMPUTES;
    CN__REQUIRE(history);
    *history = NULL;
    CN__REQUIRE(trainer);
    CN__REQUIRE(name);
    cn_history *made;
    CN__TRY(cn_history_new(trainer->ctx, name, &made));
    for (size_t i = 0; i < cn__trainer_recorded(trainer); i++) {
        cn_status status = cn_history_add(made, &trainer->history[i]);
        if (status != CN_OK) {
            cn_history_free(made);
            return status;
        }
    }
    *history = made;
    return CN_OK;
}
