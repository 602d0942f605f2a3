/* SPDX-License-Identifier: MIT */
/* common.h: what the programs share: messages, data and networks by name, tables, progress. Command lines are in
 * arguments.h, what is written in outputs.h. */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include "arguments.h"
#include <convnet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- program.c: what every program starts and ends with ---- */

enum { EXIT_USAGE = 2 }; /* beside EXIT_SUCCESS, 0, and EXIT_FAILURE, 1 */

/* What messages begin with; arguments_read sets it. */
void program_set_name(const char *name);
const char *program_name(void);

/* What every program takes. With --json the document alone goes to standard output, and what else is printed there to
 * standard error; with --quiet nowhere. */
extern int output_json, output_quiet;
#define OUTPUT_ARGUMENTS                                                                                               \
    FLAG("json", &output_json, 1, "write JSON to standard output, as described below"),                                \
        FLAG("quiet", &output_quiet, 1, "print nothing but errors, warnings and what --json asks for")
/* Sees to that; arguments_read calls it. Ends the program if it cannot be done. */
void output_begin(void);
/* Where the document goes. */
FILE *program_document(void);

/* This process is one of several, and not the one that speaks: messages get its rank in front, and standard output goes
 * nowhere. Complains on failure. */
bool program_is_rank(int rank);

/* "convnet-train: …" and a line's end, to stderr. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "convnet-train: warning: …", of something that goes on all the same; by one process alone. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The text of a message, or of a name that others gave, in one line without characters that a terminal obeys: those become
 * \\x1b, as what is no UTF-8 does. Until eight calls later. All that is printed for a person goes through it. */
const char *shown(const char *text);
/* The same of a text of several lines. */
const char *shown_lines(const char *text);
/* Bytes of the UTF-8 sequence that a text begins with; 0: it is none (RFC 3629: no surrogates, nothing longer than needed). */
int utf8_sequence(const char *text);

/* complain(), then a hint at --help; ends the program with EXIT_USAGE. */
void complain_usage(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* What cn_last_error() says, in our words; until the next call. */
const char *library_error(void);

/* A message of the library's as a user of the programs understands it, into `to` (words.c). */
void in_our_words(const char *text, char *to, size_t size);

/* Says what could not be done and why, as the library puts it. */
void complain_library(const char *what);

/* "cannot WHAT 'FILE': ERROR"; only ERROR where that has 'FILE' in it, as most of the library's messages do. */
void complain_file(const char *what, const char *file, const char *error);

typedef struct profile profile;

/* A context with `threads` workers (0: one a core) whose remarks go to stderr, and whose trace goes to `traced` unless
 * that is NULL. Complains on failure. */
cn_status program_context(int64_t threads, cn_conv_algorithm algorithm, profile *traced, cn_context **context);
/* The same, its threads as cn_context_options.pin says. */
cn_status program_pinned_context(int64_t threads, int pin, cn_conv_algorithm algorithm, profile *traced,
                                 cn_context **context);

/* `code`, or EXIT_FAILURE if what was printed could not be written. The last thing that main calls. */
int program_end(int code);

/* ---- data_spec.c: data sets by name ---- */

typedef struct data_spec data_spec;

typedef struct data_format {
    const char *name, *argument; /* argument: what follows the colon; NULL: none need follow */
    cn_status (*open)(cn_context *context, const data_spec *spec, cn_split split, cn_dataset **dataset);
    cn_target_kind target; /* what it has, unless its files say more */
    bool mirrored;         /* what is mirrored is still of its class */
    bool fitted;           /* pictures are brought to spec.shape */
    bool undivided;        /* CN_SPLIT_ALL is a split of it */
    bool drawn;            /* by the library */
    bool nameless;         /* classes have no names, or need not */
} data_format;

struct data_spec {
    const data_format *format;
    const char *text;      /* as it was given */
    const char *directory; /* or file; NULL for synthetic */
    int64_t count;         /* synthetic: training images; a fifth as many test images */
    int64_t shape[3];      /* channels, height, width that pictures are brought to; [3, 32, 32] until set */
};

#define DATA_HELP                                                                                                      \
    "the images: cifar10:DIR or cifar100:DIR (the binary files), idx:DIR (MNIST and its relatives; plain or .gz), "    \
    "folder:DIR (PNG, JPEG or PPM files, a subfolder for each class, in DIR/train and DIR/test, and DIR/val if you "   \
    "like, or all in DIR, of "                                                                                         \
    "which about a fifth of each class is for testing, chosen by the files' names), masks:DIR (pictures in "           \
    "DIR/images or DIR/train/images, each with a PNG of its pixels' classes in DIR/masks or DIR/train/masks), "        \
    "npz:FILE.npz (numpy's arrays train_images, train_labels, test_images, test_labels, or x_train, y_train and so "   \
    "on), npy:IMAGES.npy,LABELS.npy (of which a random fifth is for testing), or synthetic[:COUNT] (drawn by "         \
    "the library; 10000 to train on and a fifth of that to test on unless COUNT says otherwise)"

/* --data, of programs that need some, and what goes with it. */
#define DATA_ARGUMENTS(text_)                                                                                          \
    REQUIRED("data", "DATA", &(text_), DATA_HELP),                                                                     \
        TEXT("names", "FILE", &data_names, "names of the data's classes, a line each, where the data have none")
extern const char *data_names;

/* Ends with a usage message if `text` is not a data set's name, or has no use for --names. */
data_spec data_spec_read(const char *text);

/* Opens one part of it. Complains on failure. */
cn_status data_open(cn_context *context, const data_spec *spec, cn_split split, cn_dataset **dataset);

/* Opens both parts, which must have the same targets, and of classes two at least. Complains on failure, and may leave one that is to
 * be freed. */
cn_status data_open_both(cn_context *context, const data_spec *spec, cn_dataset **train, cn_dataset **test);

/* Opens the part for validation that the data may have beside these; NULL and CN_OK: it has none. Complains on failure. */
cn_status data_open_validation(cn_context *context, const data_spec *spec, const cn_dataset *train,
                               cn_dataset **validation);

/* Says what is doubtful about images that are well-formed (data_doubts.c). */
void doubts_say(cn_context *context, const data_spec *spec, cn_split split, const cn_dataset *dataset);

#define CLASS_LIST_TEXT 160
/* The classes' names, "cat, dog, owl", as far as they have room, into `text`, which is returned. */
const char *data_class_list(const cn_dataset *dataset, char text[CLASS_LIST_TEXT]);

/* Says how many images of another part, called `name`, are training images as well, byte by byte as they are in memory
 * (duplicates.c). */
void duplicates_say(cn_context *context, const cn_dataset *train, const cn_dataset *other, const char *name);

/* Those of the changes to colour images that go with the data: grey pictures lose no colour, digits and clothes are not
 * mirrored either, and what has a vector stays where it is. */
cn_augmentation data_augmentation(const data_spec *spec, const cn_dataset *dataset, cn_augmentation changes);

/* ---- task.c: what data ask of a model ---- */

typedef struct task {
    cn_target_kind kind;
    int64_t outputs; /* what a model has to give: classes, or values or channels */
    cn_loss_kind loss;
    cn_metric metric; /* that says most of it */
} task;

/* By the data's first target, with a loss that may have to be another for a model. */
task task_of(const cn_dataset *dataset);
/* A class an image or a class a pixel. */
bool task_has_classes(const task *t);
/* The network that a program takes for it by itself. */
const char *task_network(cn_target_kind kind);
/* Choices of --loss: 0, which goes by data and model, and from 1 on the library's losses; NULL after the last. */
const char *task_loss_name(int choice);
/* Completes the task with a loss that reads what the model, called `name`, gives, or the chosen one. Complains if there
 * is none. */
bool task_read(task *t, const cn_model *model, const char *name, int choice);
/* Whether each of the data's targets is what the loss is of: labels are 0 to 1. Complains if not (data_doubts.c). */
bool task_fits(cn_context *context, const task *t, const data_spec *spec, cn_split split, const cn_dataset *dataset);

#define LOSS_ARGUMENT(target_)                                                                                         \
    LIBRARY_CHOICE("loss", task_loss_name, target_,                                                                    \
                   "what outputs cost; auto: cross-entropy, or NLL after a log-softmax, of classes, and MSE of other " \
                   "values")

#define METRIC_TEXT 32
/* A share of 1, which is shown as a percentage. */
bool metric_is_share(cn_metric metric);
/* "97.31" or "0.031234", and "-" where there is none; and "97.31 %". */
const char *metric_number(cn_metric metric, double value, char text[METRIC_TEXT]);
const char *metric_text(cn_metric metric, double value, char text[METRIC_TEXT]);
/* As it is called in logs and JSON: "mean_iou". */
const char *metric_key(cn_metric metric, char text[METRIC_TEXT]);
/* On what was tested, by the metric that epochs have. */
bool epoch_is_better(const cn_epoch_info *epoch, const cn_epoch_info *than);

/* ---- recipe.c: ways to train ---- */

typedef enum recipe_name { RECIPE_STUDY, RECIPE_FAST, RECIPE_BEST } recipe_name;
extern const char *const recipe_names[]; /* in that order, then NULL */

typedef struct recipe {
    int epochs, batch_size;
    float dropout; /* session 8's */
    float label_smoothing, l1, ema_decay;
    int ema_warmup;
    float clip_norm, clip_value, mixup_alpha, cutmix_alpha;
    int accumulate;
    cn_optimizer_options optimizer;
    cn_schedule_options schedule;
    cn_augmentation changes; /* to colour images */
} recipe;
recipe recipe_make(recipe_name name);
/* What of it is the trainer's. The recipe must live until the trainer is made. */
void recipe_fill(const recipe *from, cn_trainer_options *options);

/* ---- network_spec.c: networks by name ---- */

typedef struct network_spec {
    const char *name; /* session8, mnist2 … mnist5, pretrained, one of the literature (cn_zoo_name), or a model file */
    int norm;         /* cn_norm_kind; this and what follows up to skip: session8 only */
    int64_t groups;
    double dropout;
    int skip;
    int64_t classes;   /* session8 and the literature's, as is: */
    int64_t seed;      /* of the parameters */
    int init;          /* of network_inits: whose numbers they begin with */
    const char *size;  /* "HxW": of images for one of the literature; NULL: its own */
    int64_t images[3]; /* channels, height, width that it is made for; CN_ZOO_DEFAULT: its own */
} network_spec;
#define NETWORK_SPEC_INIT                                                                                              \
    {                                                                                                                  \
        "session8", CN_NORM_BATCH, 4, 0.01, 1, 10, 0, NETWORK_INIT_OWN, NULL, {                                        \
            CN_ZOO_DEFAULT, CN_ZOO_DEFAULT, CN_ZOO_DEFAULT                                                             \
        }                                                                                                              \
    }

#define NETWORK_HELP "session8, mnist2, mnist3, mnist4, mnist5, pretrained, a network of the literature or a model file"

extern const char *const network_norms[];
enum { NETWORK_INIT_OWN, NETWORK_INIT_PYTORCH };
extern const char *const network_inits[];

/* The options of session8, for a program's table. */
#define NETWORK_ARGUMENTS(spec_)                                                                                       \
    HEADING("Session 8"),                                                                                              \
        CHOICE("norm", network_norms, &(spec_).norm, "the normalisation after each 3x3 convolution"),                  \
        INTEGER("groups", &(spec_).groups, 1, 32, "groups of --norm group; must divide 16, 24 and 32"),                \
        REAL("dropout", &(spec_).dropout, 0, false, 1, true, "probability of dropping an element in training"),        \
        FLAG("no-skip", &(spec_).skip, 0, "leave out the sums with a block's input")

#define SIZE_ARGUMENT(spec_)                                                                                           \
    TEXT("size", "HxW", &(spec_).size, "height and width of the images for a network of the literature")

/* Whether it is one that comes with the library, and not a file. */
bool network_is_named(const char *name);

/* Whether it is of the literature: made for images of any size, and as many classes as there are. */
bool network_is_of_literature(const char *name);

/* Ends with a usage message if the name is unknown or options do not go with it; takes --size in. */
void network_check(network_spec *spec, const program_spec *program);

/* What it wants to see: channels, height, width. Complains on failure. */
cn_status network_input(cn_context *context, const network_spec *spec, int64_t shape[3]);

/* Makes or loads it. Complains on failure. */
cn_status network_open(cn_context *context, const network_spec *spec, cn_model **model);

/* Draws first parameters of what is new in the model. */
cn_status network_init(const network_spec *spec, cn_model *model);

/* A trained model: `name` is "pretrained", the one that comes with the library, or a model file. */
bool model_is_pretrained(const char *name);
cn_status model_load(cn_context *context, const char *name, cn_model **model);
/* Says why it could not be loaded, and what to load instead. */
void complain_model(const char *name);

/* ---- network_fit.c: in words of the program, `name` is the model's, `data` the data's ---- */

/* Whether the model reads such images. Complains if not. */
bool network_reads(const cn_model *model, const char *name, const cn_dataset *dataset, const char *data);

/* Whether the model tells the data's classes apart: as many, and of the same names where both have some. Classes that
 * one of them knows by number only are taken by position, with a warning. */
typedef enum classes_fit { CLASSES_SAME, CLASSES_REORDERED, CLASSES_OTHER } classes_fit;
classes_fit network_classes(const cn_model *model, const cn_dataset *dataset, const char *data);

/* Whether it does both. Complains if not. */
bool network_fits(const cn_model *model, const char *name, const cn_dataset *dataset, const char *data);

/* The names of the classes that it tells apart, as data_class_list has them, or "by number". */
const char *model_class_list(const cn_model *model, char text[CLASS_LIST_TEXT]);

/* ---- transfer.c: trained networks that go on with other data ---- */

typedef struct transfer {
    const char *freeze;      /* patterns, commas between; NULL: nothing */
    double head_rate;        /* the output layer's, as a multiple */
    bool new_output;         /* out: that layer begins anew */
    cn_parameter_group head; /* of it alone, if it has a rate of its own */
    const cn_parameter_group *groups[1];
} transfer;
#define TRANSFER_INIT                                                                                                  \
    {                                                                                                                  \
        NULL, 1.0, false, CN_PARAMETER_GROUP_INIT, {                                                                   \
            NULL                                                                                                       \
        }                                                                                                              \
    }
#define TRANSFER_ARGUMENTS(t_)                                                                                         \
    TEXT("freeze", "PATTERNS", &(t_).freeze,                                                                           \
         "what stays as it is: names of layers and tensors, as convnet-summary shows them, with commas between; * is " \
         "any characters, ? is one"),                                                                                  \
        REAL("head-rate", &(t_).head_rate, 0, false, 1000, false, "the output layer learns at so many times the rate")

/* Sees that the model and parts of the data go together, of which the first is for training, some may be NULL, and the
 * list ends with NULL: classes in another order are matched by name, and for other classes the output layer is replaced,
 * to begin as the spec asks, and either is said. Complains on failure. */
bool transfer_classes(transfer *t, cn_model *model, const network_spec *spec, cn_dataset **const *parts,
                      const char *data);
/* The same for what is no class: the output layer is replaced where it gives another number of values. */
bool transfer_values(transfer *t, cn_model *model, const network_spec *spec, const task *asked, const cn_dataset *train,
                     const char *data);
/* Freezes what is to be frozen, and says how much is trained. Complains on failure. */
bool transfer_freeze(transfer *t, cn_model *model);
/* Puts the output layer's own rate into the options. Complains on failure. */
bool transfer_rates(transfer *t, const cn_model *model, cn_optimizer_options *options);

/* ---- name_list.c: names of classes out of a file, a line each ---- */

typedef struct name_list {
    char *text;
    const char **names;
    int64_t count;
} name_list;
/* Both complain. To be freed also after a failure. */
bool name_list_read(const char *path, name_list *list);
bool name_list_fits(const name_list *list, const char *path, const char *of, int64_t classes);
void name_list_free(name_list *list);

/* ---- json.c: a document of JSON, to program_document(), piece by piece ---- */

/* Values have a name in objects, and NULL in arrays and as the document itself. Texts are escaped; bytes that are no UTF-8,
 * as paths may have, become U+FFFD, and NULL becomes null. So do numbers that are infinite or none. */
void json_text(const char *name, const char *text);
void json_integer(const char *name, int64_t value);
void json_number(const char *name, double value);
void json_bool(const char *name, bool value);
void json_object(const char *name);
void json_array(const char *name);
void json_row(const char *name); /* an array in one line, with all that is in it */
void json_end(void);             /* of the innermost */
/* The document as an object, with the program's name and version in front. */
void json_begin(void);
/* "classes": the data's names, in order. */
void json_class_names(const cn_dataset *dataset);

/* ---- evaluation_json.c ---- */

/* Members "images", "loss_kind", "loss", "metrics", "classes" (or "outputs") and "confusion". */
void json_evaluation(const cn_evaluation *evaluation, const task *asked, const cn_dataset *dataset);
/* Members "misclassified_count" and "misclassified", of which at most so many are listed. */
void json_misclassified(const cn_evaluation *evaluation, const cn_dataset *dataset, int64_t most);
/* A class by number and name. */
void json_class(const char *name, const cn_dataset *dataset, int64_t label);

/* ---- tables.c: numbers and evaluations as text ---- */

#define GROUPED_TEXT 32
/* 47818 as "47,818", into `text`, which is returned. */
const char *grouped(int64_t value, char text[GROUPED_TEXT]);

#define NAME_TEXT    256
#define NAME_COLUMNS 24
/* A class's name without control characters into `text`, which is returned: on a terminal of at most NAME_COLUMNS. */
const char *class_name(const cn_dataset *dataset, int64_t label, char text[NAME_TEXT]);
/* The same, with blanks behind it up to that. */
const char *class_column(const cn_dataset *dataset, int64_t label, char text[NAME_TEXT]);

/* Images (pixels) of a class, by the truth. */
int64_t truth_count(const cn_evaluation *evaluation, int64_t truth);

void print_class_table(const cn_evaluation *evaluation, const cn_dataset *dataset);
/* The measures of each class of pixels, label or channel. */
void print_measure_table(const cn_evaluation *evaluation, const task *asked, const cn_dataset *dataset);
/* The whole matrix of up to 20 classes, else the confusions that happen most often. */
void print_confusion(const cn_evaluation *evaluation, const cn_dataset *dataset);
void print_misclassified(const cn_evaluation *evaluation, const cn_dataset *dataset, int64_t most);

/* ---- progress.c: training as it goes ---- */

/* Columns of the terminal that is standard output; 0: it is none that lines can be rewritten on. */
int terminal_columns(void);

/* A paragraph, in lines that fit; a single one where there is no terminal. */
void print_fitting(const char *text);

typedef struct progress {
    int64_t epochs;       /* of the whole run */
    const char *tested;   /* what the images are called that epochs end with: "test" or "validation" */
    cn_metric metric;     /* that epochs have */
    int64_t later;        /* epochs of runs that follow this one, for the time left */
    int columns;          /* of the terminal that lines of epochs go to, at the last look; 0: none */
    int live_columns;     /* of the one that has the live line; 0: none, and only whole epochs are shown */
    int shown;            /* letters of the live line, which is rewritten batch by batch */
    double shown_at;      /* when it last was */
    double epoch_seconds; /* what the last epoch took, testing included; 0: none yet */
} progress;

progress progress_begin(int64_t epochs, const char *tested, cn_metric metric);
void progress_batch(progress *progress, const cn_batch_info *batch);
void progress_epoch(progress *progress, const cn_epoch_info *epoch);
/* Wipes the live line, before something else is printed. */
void progress_wipe(progress *progress);

/* ---- profile.c: a trace added up ---- */

profile *profile_new(void); /* complains and returns NULL if there is no memory */
void profile_free(profile *p);
void profile_trace(void *user, const cn_trace_event *event); /* `user`: the profile */

typedef struct profile_run {
    const cn_model *model;                   /* that all events are of */
    int64_t forward_images, backward_images; /* by this process */
} profile_run;
/* A table of the time by layers and passes. */
void profile_print(profile *p, const profile_run *run);

/* ---- interruption.c ---- */

/* From now on Ctrl-C, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2 and SIGXCPU are only noted, unless they were ignored
 * until now; a second Ctrl-C or SIGTERM ends the program at once. */
void interruption_catch(void);
/* The signal that was noted, or 0. */
int interruption(void);
/* Who ended the run, to be read after "by". */
const char *interruption_name(int number);

#endif
