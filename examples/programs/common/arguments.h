/* SPDX-License-Identifier: MIT */
/* arguments.h: command lines as tables, and what was probably meant by a mistyped name. */
#ifndef EXAMPLES_ARGUMENTS_H
#define EXAMPLES_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- arguments.c: command lines as tables ---- */

typedef enum argument_kind {
    ARGUMENT_END, /* closes a table */
    ARGUMENT_HEADING,
    ARGUMENT_FLAG,
    ARGUMENT_TEXT,
    ARGUMENT_INTEGER,
    ARGUMENT_REAL,
    ARGUMENT_CHOICE
} argument_kind;

/* An option. Its target holds the default, which --help shows, until the option is read; a real default outside the
 * accepted range stands for one that the help's text explains. */
typedef struct argument {
    argument_kind kind;
    const char *name;  /* without the dashes; a heading's text */
    const char *value; /* what --help calls the value */
    void *target;      /* int for flags and choices, const char *, int64_t or double */
    const char *help;
    int set;                    /* flag: what it sets the target to */
    int64_t least, most;        /* integer: accepted range */
    double low, high;           /* real: accepted range, */
    bool above_low, below_high; /* which leaves out an end */
    const char *const *choices; /* names of 0, 1, …, ending with NULL; or NULL, and */
    const char *(*choice)(int); /* what the library calls them, NULL after the last */
    bool required;              /* the command line must have it */
    bool given;                 /* out: the command line has it */
} argument;

/* Rows of a table. */
#define HEADING(text_)                                                                                                 \
    { .kind = ARGUMENT_HEADING, .name = (text_) }
#define FLAG(name_, target_, set_, help_)                                                                              \
    { .kind = ARGUMENT_FLAG, .name = (name_), .target = (target_), .set = (set_), .help = (help_) }
#define TEXT(name_, value_, target_, help_)                                                                            \
    { .kind = ARGUMENT_TEXT, .name = (name_), .value = (value_), .target = (target_), .help = (help_) }
#define REQUIRED(name_, value_, target_, help_) /* a text */                                                           \
    {                                                                                                                  \
        .kind = ARGUMENT_TEXT, .name = (name_), .value = (value_), .target = (target_), .help = (help_),               \
        .required = true                                                                                               \
    }
#define INTEGER(name_, target_, least_, most_, help_)                                                                  \
    {                                                                                                                  \
        .kind = ARGUMENT_INTEGER, .name = (name_), .value = "N", .target = (target_), .least = (least_),               \
        .most = (most_), .help = (help_)                                                                               \
    }
#define REAL(name_, target_, low_, above_, high_, below_, help_)                                                       \
    {                                                                                                                  \
        .kind = ARGUMENT_REAL, .name = (name_), .value = "X", .target = (target_), .low = (low_),                      \
        .above_low = (above_), .high = (high_), .below_high = (below_), .help = (help_)                                \
    }
#define CHOICE(name_, choices_, target_, help_)                                                                        \
    { .kind = ARGUMENT_CHOICE, .name = (name_), .choices = (choices_), .target = (target_), .help = (help_) }
#define LIBRARY_CHOICE(name_, choice_, target_, help_)                                                                 \
    { .kind = ARGUMENT_CHOICE, .name = (name_), .choice = (choice_), .target = (target_), .help = (help_) }
#define END_OF_ARGUMENTS                                                                                               \
    { .kind = ARGUMENT_END }

/* A value of the document that --json asks for, as jq has it: ".classes[].name". */
typedef struct json_member {
    const char *path, *about;
} json_member;

typedef struct program_spec {
    const char *name;
    const char *about;            /* a sentence or two */
    const char *operand;          /* the one thing named without an option, such as "MODEL"; NULL: none */
    const char *(*networks)(int); /* names for --help, NULL after the last, of what MODEL may be, too; NULL: none */
    argument *arguments;
    const json_member *json; /* ends with a NULL */
    const char *notes;       /* after the options: examples and the like */
} program_spec;

/* Prints a text in lines of at most `width` columns. */
void print_wrapped(const char *text, int width);

/* Reads the command line into the targets and returns the operand or NULL. Answers --help and --version, and names
 * mistakes, without returning. */
const char *arguments_read(const program_spec *program, int argc, char **argv);

/* The same for a program that takes one or more operands: moves them to argv[0] and on, and returns their number. */
int arguments_read_several(const program_spec *program, int argc, char **argv);

/* Whether the command line had an option of the table. */
bool arguments_given(const program_spec *program, const char *name);

/* Ends with a usage message if option `name` was given although `fits` is false: it goes with `with` only. */
void arguments_need(const program_spec *program, const char *name, bool fits, const char *with);

/* The command as one may give it to a shell, with one more word unless that is NULL; to be freed, NULL without memory.
 */
char *command_text(const char *program, int argc, char **argv, const char *more);

/* ---- suggestion.c: names that were mistyped ---- */

typedef struct suggestion {
    const char *typed, *best; /* best: the likeliest so far, NULL: none is likely */
    size_t least;
} suggestion;

suggestion suggestion_begin(const char *typed);
/* A name that there is, which lives as long as the suggestion. */
void suggestion_offer(suggestion *s, const char *name);
#define SUGGESTION_TEXT 64
/* "; did you mean --epochs?", or nothing, to end a message with. */
const char *suggestion_text(const suggestion *s, const char *dashes, char text[SUGGESTION_TEXT]);

#endif
