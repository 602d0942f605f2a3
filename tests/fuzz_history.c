/* SPDX-License-Identifier: MIT */
/* fuzz_history.c: the files of a run that convnet-compare reads: its history and its settings. */
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

FUZZ(history) {
    const char *path = fuzz_file("history.csv", data, size);
    read_history(path);
    read_settings_of(path);
    return 0;
}
