/* SPDX-License-Identifier: MIT */
/* fuzz_history.c: the files of a run that convnet-compare reads: its history, its settings and its learning rates. */
#include "../examples/programs/common/outputs.h"
#include "fuzzing.h"
#include <string.h>

static void read_history(const char *path) {
    logged_epochs log;
    if (!epoch_log_read(path, path, &log))
        return;
    FUZZ_EXPECT(log.count == 0 || log.epochs);
    FUZZ_EXPECT(cn_metric_name(log.metric) && strlen(log.tested) < sizeof log.tested);
    for (int i = 0; i < log.count; i++)
        FUZZ_EXPECT(log.epochs[i].epoch == i + 1 && log.epochs[i].metric == log.metric);
    free(log.epochs);
}

/* What was read is written so that it is read again. */
static void read_settings_of(const char *path) {
    read_settings settings, again;
    FUZZ_EXPECT(settings_read(path, &settings) && settings.count <= SETTINGS);
    char *text = settings_csv(settings.count, settings.names, settings.values);
    const char *written = fuzz_file("settings.csv", (const uint8_t *)text, strlen(text));
    FUZZ_EXPECT(settings_read(written, &again) && again.count == settings.count);
    for (int i = 0; i < settings.count; i++)
        FUZZ_EXPECT(strcmp(again.names[i], settings.names[i]) == 0 && strcmp(again.values[i], settings.values[i]) == 0);
    free(text);
    free(again.text);
    free(settings.text);
}

static cn_history *rates_of(const char *path) {
    cn_history *history;
    FUZZ_EXPECT(cn_history_new(fuzz_context(), "", &history) == CN_OK);
    rates_read(path, history);
    return history;
}

/* They are a line, and it is there when it is read again; of corners that differ in their last digits alone some may go. */
static void read_rates_of(const char *path) {
    cn_history *history = rates_of(path);
    double place, rate, last = 0.0;
    int64_t count = cn_history_rate_count(history);
    for (int64_t i = 0; i < count; i++, last = place) {
        FUZZ_EXPECT(cn_history_rate(history, i, &place, &rate) == CN_OK);
        FUZZ_EXPECT(place >= last && rate >= 0.0);
    }
    char *text = rates_csv(history);
    cn_history *again = rates_of(fuzz_file("rates.csv", (const uint8_t *)text, strlen(text)));
    FUZZ_EXPECT(cn_history_rate_count(again) <= count && (cn_history_rate_count(again) > 0) == (count > 0));
    free(text);
    cn_history_free(again);
    cn_history_free(history);
}

FUZZ(history) {
    const char *path = fuzz_file("history.csv", data, size);
    read_history(path);
    read_settings_of(path);
    read_rates_of(path);
    return 0;
}
