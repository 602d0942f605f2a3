/* SPDX-License-Identifier: MIT */
/* outputs.h: what the programs write: files that are tried out first, logs, settings, reports. */
#ifndef EXAMPLES_OUTPUTS_H
#define EXAMPLES_OUTPUTS_H

#include "common.h"

/* ---- output_files.c: files that a long run writes ---- */

/* A file that a run reads or writes, and the option that names it. */
typedef struct named_file {
    const char *option, *path; /* path NULL: not given */
} named_file;

/* Ends with a usage message if two of them are one file, also under other names and through links. */
void files_must_differ(const named_file *files, size_t count);

/* The same if one of the outputs is one of the inputs, which would be lost. */
void files_must_spare(const named_file *inputs, size_t input_count, const named_file *outputs, size_t output_count);

/* The files that data are read from, as far as they are named one by one, and the one of --names: for files_must_spare. */
enum { DATA_INPUTS = 3 };
typedef struct data_inputs {
    named_file files[DATA_INPUTS];
    char *images; /* to be freed */
} data_inputs;
data_inputs data_inputs_of(const data_spec *spec);

/* Ends with a usage message if the path, unless NULL, ends as files do that hold no model as training leaves it. */
void output_is_model(const char *option, const char *path);

/* Ends with a usage message unless the path, if not NULL, ends in ".svg". */
void output_is_svg(const char *option, const char *path);

/* Whether a file can be put at `path` later: tries it with a temporary file beside it, which is empty or, unless NULL,
 * holds `model`. Complains if not. */
bool output_possible(const char *path, const cn_model *model);

/* Whether there is a file, and it is not empty; also if that cannot be told. */
bool output_holds_something(const char *path);

/* Complains and returns false if the file at `path` belongs to the data in `folder` (NULL: the data has none), as far
 * as one can see: it lies there, and is neither a model nor a log. */
bool output_spares_data(const char *path, const char *folder);

/* open, with the mode of any new file and closed in other programs; -1: errno says why not. */
int file_open(const char *path, int flags);
/* Writes all of it; false: errno says why not. */
bool file_write(int file, const void *data, size_t bytes);
/* The first `most` bytes of a file and a 0, to be freed; NULL: errno says why not. */
char *file_text(const char *path, size_t most);

/* Makes an empty file of a new name that begins with `stem`, which is to be freed; NULL: it could not. */
char *output_unique(const char *stem);

/* ---- epoch_log.c ---- */

/* The batches of an epoch that was cut short. */
typedef struct part_epoch {
    double share; /* of its batches; 0: there were none */
    cn_epoch_info so_far;
} part_epoch;

/* A CSV file with a line an epoch, whose columns call the images that were tested on and the metric so, such as
 * "test_accuracy" or "validation_mean_iou"; shares are percentages. A part of an epoch, if there is one, has a number
 * such as 2.35, and nothing where the test would be. All complain on failure. */
typedef struct epoch_log {
    const char *path; /* the caller's; NULL: there is none */
    int file;
} epoch_log;
#define EPOCH_LOG_BEGINS "epoch,train_loss,train_"

/* Whether there can be a log at `path` later: tries it out. */
bool epoch_log_possible(const char *path);
bool epoch_log_open(epoch_log *log, const char *path, const char *tested, cn_metric metric);
bool epoch_log_write(epoch_log *log, const cn_epoch_info *epoch);
bool epoch_log_write_part(epoch_log *log, const part_epoch *part);
bool epoch_log_close(epoch_log *log); /* does nothing if there is none */

/* The whole epochs of such a file. */
typedef struct logged_epochs {
    char tested[48]; /* what the images are called that epochs end with */
    cn_metric metric;
    int count;
    cn_epoch_info *epochs; /* to be freed */
} logged_epochs;
/* Complains, and leaves nothing to be freed, if it cannot be read or is no such file; `run`: what is asked for by it. */
bool epoch_log_read(const char *path, const char *run, logged_epochs *log);

/* ---- settings.c: what a report says of a run ---- */

enum { SETTINGS = 64, SETTING_TEXT = 512 };

typedef struct setting_list {
    int count;
    const char *names[SETTINGS]; /* the caller's */
    char values[SETTINGS][SETTING_TEXT];
} setting_list;

void settings_add(setting_list *s, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* To the value added last. */
void settings_append(setting_list *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The values as an array of texts, in `values`, which is returned. */
const char *const *settings_values(const setting_list *s, const char *values[SETTINGS]);
/* The text of the first one of that name; "unknown" if there is none. */
const char *settings_find(const setting_list *s, const char *name);

/* ---- settings_file.c: the same as a CSV file, a line a setting ---- */

#define SETTINGS_FILE "settings.csv" /* in a report's folder, */
#define HISTORY_FILE  "history.csv"  /* beside this */

/* The text of such a file, of `count` settings, to be freed; NULL without memory. */
char *settings_csv(int64_t count, const char *const *names, const char *const *values);

typedef struct read_settings {
    int count;
    const char *names[SETTINGS], *values[SETTINGS];
    char *text; /* that they lie in; to be freed */
} read_settings;
/* As far as the file is one: none, if it is not there. Complains if it cannot be read. */
bool settings_read(const char *path, read_settings *settings);
/* NULL: there is none of that name. */
const char *settings_value(const read_settings *settings, const char *name);

/* ---- rates_file.c: learning rates step by step as a CSV file ---- */

#define RATES_FILE "learning-rate.csv" /* in a report's folder, beside HISTORY_FILE */

/* The text of such a file, to be freed; NULL without memory. */
char *rates_csv(const cn_history *history);
/* Adds the rates of a file that may be missing, as in folders that earlier versions have left. Warns if it is none. */
void rates_read(const char *path, cn_history *history);

/* ---- report_files.c: reports of training runs ---- */

/* Names of the files that report_write makes, then NULL. */
extern const char *const report_names[];

/* Makes the folder if it is missing, and tries whether files of such names, ended by NULL, can be put there. Complains
 * if not. */
bool report_folder(const char *directory, const char *const *names);
/* "directory/name", to be freed; complains and gives NULL without memory. */
char *path_join(const char *directory, const char *name);
/* Puts a text that the library was asked for, with `made` as the answer, into directory/name, and frees it. Complains
 * if that fails; what this build cannot make is left out with a remark. */
bool report_save(cn_context *context, const char *directory, const char *name, cn_status made, char *text);
/* Page, charts, as far as the task has them, history.csv and learning-rate.csv of a run, whose epochs were tested on such images; `run` has
 * title, model, test data and settings. */
bool report_write(cn_context *context, const char *directory, const cn_trainer *trainer, const char *tested,
                  const task *asked, const cn_report *run, const part_epoch *part);

#endif
