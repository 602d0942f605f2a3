/* SPDX-License-Identifier: MIT */
/* arguments.c: reads a command line into a table of options, and prints --help from the same table. */
#include "common.h"
#include <errno.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { HELP_COLUMN = 25, HELP_WIDTH = 80 };

/* ---- help ---- */

typedef struct wrapping {
    int indent, width;
    const char *broken; /* ends a line that goes on */
} wrapping;

/* Characters, of UTF-8. */
static int columns_of(const char *text, size_t bytes) {
    int columns = 0;
    for (size_t i = 0; i < bytes; i++)
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    return columns;
}

/* Bytes up to the end of a word; of a command's option up to the end of its value, so that they stay together. */
static size_t word_length(const char *text, const wrapping *w) {
    size_t length = strcspn(text, " \n");
    bool takes = *w->broken && strncmp(text, "--", 2) == 0 && text[length] == ' ' && text[length + 1] != '-';
    return takes ? length + 1 + strcspn(text + length + 1, " \n") : length;
}

/* The words of `text`, of which the first stands at column `at`, and a line's end. */
static void print_words(const char *text, size_t bytes, int at, const wrapping *w) {
    const char *end = text + bytes;
    int most = w->width - (int)strlen(w->broken);
    for (bool first = true; text < end; first = false) {
        size_t length = word_length(text, w);
        int columns = columns_of(text, length);
        if (!first && at + 1 + columns > most) {
            printf("%s\n%*s", w->broken, w->indent, "");
            at = w->indent;
        } else if (!first) {
            putchar(' ');
            at++;
        }
        printf("%.*s", (int)length, text);
        at += columns;
        text += length;
        text += strspn(text, " ");
    }
    putchar('\n');
}

void print_wrapped(const char *text, int width) {
    print_words(text, strlen(text), 0, &(wrapping){0, width, ""});
}

/* Line by line. Indented ones are commands, which the shell reads on after a backslash. */
static void print_notes(const char *notes) {
    const wrapping prose = {0, HELP_WIDTH, ""}, command = {6, HELP_WIDTH, " \\"};
    while (*notes) {
        size_t length = strcspn(notes, "\n"), indent = strspn(notes, " ");
        printf("%*s", (int)indent, "");
        if (columns_of(notes, length) <= HELP_WIDTH)
            printf("%.*s\n", (int)(length - indent), notes + indent);
        else
            print_words(notes + indent, length - indent, (int)indent, indent ? &command : &prose);
        notes += length + (notes[length] == '\n');
    }
}

static const char *choice_at(const argument *a, int i) {
    return a->choices ? a->choices[i] : a->choice(i);
}

/* "batch, group or none". */
static const char *list_choices(const argument *a, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; choice_at(a, i) && used < size; i++) {
        const char *join = i == 0 ? "" : choice_at(a, i + 1) ? ", " : " or ";
        used += (size_t)snprintf(text + used, size - used, "%s%s", join, choice_at(a, i));
    }
    return text;
}

/* Whether a number is in the range of a real option. NaN is in none. */
static bool accepts(const argument *a, double value) {
    bool low = a->above_low ? value > a->low : value >= a->low;
    bool high = a->below_high ? value < a->high : value <= a->high;
    return low && high;
}

static void print_option(const argument *a) {
    char left[64], choices[256], help[768];
    snprintf(left, sizeof left, "  --%s%s%s", a->name, a->kind == ARGUMENT_FLAG ? "" : " ",
             a->kind == ARGUMENT_FLAG     ? ""
             : a->kind == ARGUMENT_CHOICE ? "NAME"
                                          : a->value);
    size_t used = (size_t)snprintf(help, sizeof help, "%s", a->help);
    if (a->kind == ARGUMENT_CHOICE)
        used += (size_t)snprintf(help + used, sizeof help - used, ": %s", list_choices(a, choices, sizeof choices));
    const char *text = a->kind == ARGUMENT_TEXT ? *(const char **)a->target : NULL;
    if (a->kind == ARGUMENT_TEXT && text)
        snprintf(help + used, sizeof help - used, " [%s]", text);
    else if (a->kind == ARGUMENT_INTEGER)
        snprintf(help + used, sizeof help - used, " [%lld]", (long long)*(int64_t *)a->target);
    else if (a->kind == ARGUMENT_REAL && accepts(a, *(double *)a->target))
        snprintf(help + used, sizeof help - used, " [%g]", *(double *)a->target);
    else if (a->kind == ARGUMENT_CHOICE)
        snprintf(help + used, sizeof help - used, " [%s]", choice_at(a, *(int *)a->target));
    printf("%-*s", HELP_COLUMN, left);
    int at = (int)strlen(left);
    if (at >= HELP_COLUMN)
        printf("\n%*s", HELP_COLUMN, "");
    print_words(help, strlen(help), HELP_COLUMN, &(wrapping){HELP_COLUMN, HELP_WIDTH, ""});
}

static void print_networks(const char *(*networks)(int)) {
    const argument names = {.choice = networks};
    char list[512], text[600];
    snprintf(text, sizeof text, "MODEL may be a network of the literature: %s.",
             list_choices(&names, list, sizeof list));
    print_wrapped(text, HELP_WIDTH);
}

static void print_members(const json_member *member) {
    printf("\nJSON (--json), as jq names it; null is what there is none of, or no number:\n");
    for (; member->path; member++) {
        printf("  %-*s", HELP_COLUMN - 2, member->path);
        if (strlen(member->path) + 4 > HELP_COLUMN)
            printf("\n%*s", HELP_COLUMN, "");
        print_words(member->about, strlen(member->about), HELP_COLUMN, &(wrapping){HELP_COLUMN, HELP_WIDTH, ""});
    }
}

static void print_help(const program_spec *program) {
    printf("Usage: %s", program->name);
    if (program->operand)
        printf(" %s", program->operand);
    for (const argument *a = program->arguments; a->kind != ARGUMENT_END; a++)
        if (a->required)
            printf(" --%s %s", a->name, a->value);
    printf(" [OPTION]...\n");
    print_wrapped(program->about, HELP_WIDTH);
    if (program->networks)
        print_networks(program->networks);
    printf("\nOptions (--name VALUE or --name=VALUE; defaults in brackets):\n");
    for (const argument *a = program->arguments; a->kind != ARGUMENT_END; a++)
        if (a->kind == ARGUMENT_HEADING)
            printf("\n%s:\n", a->name);
        else
            print_option(a);
    printf("\n%-*sprint this text and end\n%-*sprint the version and end\n", HELP_COLUMN, "  -h, --help", HELP_COLUMN,
           "  -V, --version");
    if (program->json)
        print_members(program->json);
    putchar('\n');
    print_notes(program->notes);
}

/* ---- values ---- */

static void read_integer(const argument *a, const char *text) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    bool digits = text[0] == '-' ? text[1] >= '0' && text[1] <= '9' : text[0] >= '0' && text[0] <= '9';
    if (!digits || *end || errno == ERANGE || value < a->least || value > a->most)
        complain_usage("--%s '%s': want a whole number from %lld to %lld", a->name, text, (long long)a->least,
                       (long long)a->most);
    *(int64_t *)a->target = value;
}

/* The library computes in single precision, in which a number may be another one, or none. */
static void check_single(const argument *a, const char *text, double value) {
    float single = (float)value;
    if (value != 0.0 && fabsf(single) < FLT_MIN)
        complain_usage("--%s '%s': that is 0 in single precision; want %sa number of at least %.3g", a->name, text,
                       a->above_low ? "" : "0 or ", (double)FLT_MIN);
    if (!accepts(a, (double)single))
        complain_usage("--%s '%s': that is %g in single precision; want a number %s %g", a->name, text, (double)single,
                       a->below_high ? "below" : "of at most", a->high);
}

static void read_real(const argument *a, const char *text) {
    char *end;
    bool plain = text[0] && text[strspn(text, "0123456789.eE+-")] == '\0'; /* no inf, nan, hexadecimal or spaces */
    double value = strtod(text, &end);
    if (!plain || *end || !accepts(a, value))
        complain_usage("--%s '%s': want a number %s %g and %s %g", a->name, text,
                       a->above_low ? "above" : "of at least", a->low, a->below_high ? "below" : "at most", a->high);
    check_single(a, text, value);
    *(double *)a->target = value;
}

static void read_choice(const argument *a, const char *text) {
    char choices[256], meant[SUGGESTION_TEXT];
    suggestion s = suggestion_begin(text);
    for (int i = 0; choice_at(a, i); i++) {
        suggestion_offer(&s, choice_at(a, i));
        if (strcmp(choice_at(a, i), text) == 0) {
            *(int *)a->target = i;
            return;
        }
    }
    complain_usage("--%s '%s': want %s%s", a->name, text, list_choices(a, choices, sizeof choices),
                   suggestion_text(&s, "", meant));
}

static void read_value(argument *a, const char *text) {
    a->given = true;
    switch (a->kind) {
    case ARGUMENT_FLAG:
        *(int *)a->target = a->set;
        break;
    case ARGUMENT_TEXT:
        *(const char **)a->target = text;
        break;
    case ARGUMENT_INTEGER:
        read_integer(a, text);
        break;
    case ARGUMENT_REAL:
        read_real(a, text);
        break;
    case ARGUMENT_CHOICE:
        read_choice(a, text);
        break;
    case ARGUMENT_HEADING:
    case ARGUMENT_END:
        break;
    }
}

/* ---- the command line ---- */

static argument *find(const program_spec *program, const char *name, size_t length) {
    for (argument *a = program->arguments; a->kind != ARGUMENT_END; a++)
        if (a->kind != ARGUMENT_HEADING && strlen(a->name) == length && memcmp(a->name, name, length) == 0)
            return a;
    return NULL;
}

/* What other programs call it. */
static const struct {
    const char *other, *ours;
} synonyms[] = {
    {"learning-rate", "lr"}, {"learning_rate", "lr"}, {"wd", "weight-decay"},     {"bs", "batch"},
    {"jobs", "threads"},     {"workers", "threads"},  {"num-workers", "threads"}, {"num_workers", "threads"},
    {"output", "out"},       {"save", "out"},         {"scheduler", "schedule"},  {"lr-scheduler", "schedule"}};

/* The option that was probably meant. */
static suggestion closest(const program_spec *program, const char *name) {
    suggestion s = suggestion_begin(name);
    suggestion_offer(&s, "help");
    suggestion_offer(&s, "version");
    for (const argument *a = program->arguments; a->kind != ARGUMENT_END; a++)
        if (a->kind != ARGUMENT_HEADING)
            suggestion_offer(&s, a->name);
    for (size_t i = 0; i < COUNT(synonyms); i++)
        if (strcmp(name, synonyms[i].other) == 0 && find(program, synonyms[i].ours, strlen(synonyms[i].ours)))
            s.best = synonyms[i].ours;
    return s;
}

static _Noreturn void complain_unknown(const program_spec *program, const char *word) {
    char name[64], text[SUGGESTION_TEXT];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    suggestion s = closest(program, name + strspn(name, "-"));
    complain_usage("unknown option '%s'%s", name, suggestion_text(&s, "--", text));
}

/* Handles the option at argv[*i], and its value, which may be the next word. */
static void read_option(const program_spec *program, int argc, char **argv, int *i) {
    const char *word = argv[*i], *name = word + 2, *equals = strchr(name, '=');
    argument *a = word[1] == '-' ? find(program, name, equals ? (size_t)(equals - name) : strlen(name)) : NULL;
    if (!a)
        complain_unknown(program, word);
    const char *value = equals ? equals + 1 : NULL;
    if (a->kind == ARGUMENT_FLAG && value)
        complain_usage("--%s takes no value, but has '%s'", a->name, value);
    if (a->kind != ARGUMENT_FLAG && !value && *i + 1 < argc && strncmp(argv[*i + 1], "--", 2) != 0)
        value = argv[++*i];
    if (a->kind != ARGUMENT_FLAG && (!value || !*value))
        complain_usage("--%s needs a value", a->name);
    read_value(a, value);
}

/* Moves the operands to the front of argv and returns their number. */
static int read_all(const program_spec *program, int most, int argc, char **argv) {
    int operands = 0;
    bool options = true;
    program_set_name(program->name);
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
            print_help(program);
            exit(program_end(EXIT_SUCCESS));
        } else if (options && (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)) {
            printf("%s %s\n", program->name, cn_version_string());
            exit(program_end(EXIT_SUCCESS));
        } else if (options && word[0] == '-' && word[1]) {
            read_option(program, argc, argv, &i);
        } else if (operands == most || !*word) {
            complain_usage("unexpected argument '%s'", word);
        } else {
            argv[operands++] = argv[i];
        }
    }
    if (program->operand && !operands)
        complain_usage("%s is missing", program->operand);
    for (const argument *a = program->arguments; a->kind != ARGUMENT_END; a++)
        if (a->required && !a->given)
            complain_usage("--%s is missing", a->name);
    output_begin();
    return operands;
}

const char *arguments_read(const program_spec *program, int argc, char **argv) {
    return read_all(program, program->operand ? 1 : 0, argc, argv) ? argv[0] : NULL;
}

int arguments_read_several(const program_spec *program, int argc, char **argv) {
    return read_all(program, argc, argc, argv);
}

bool arguments_given(const program_spec *program, const char *name) {
    const argument *a = find(program, name, strlen(name));
    return a && a->given;
}

void arguments_need(const program_spec *program, const char *name, bool fits, const char *with) {
    if (!fits && arguments_given(program, name))
        complain_usage("--%s goes with %s only", name, with);
}

/* ---- a command as a shell takes it ---- */

static bool is_plain(const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,+@%";
    return *word && word[strspn(word, plain)] == '\0';
}

static char *append_word(char *to, const char *word) {
    if (is_plain(word))
        return stpcpy(to, word);
    *to++ = '\'';
    for (; *word; word++)
        to = *word == '\'' ? stpcpy(to, "'\\''") : (*to = *word, to + 1);
    return stpcpy(to, "'");
}

char *command_text(const char *program, int argc, char **argv, const char *more) {
    size_t size = 4 * strlen(program) + (more ? strlen(more) : 0) + 4;
    for (int i = 1; i < argc; i++)
        size += 4 * strlen(argv[i]) + 3;
    char *text = malloc(size), *end = text;
    if (!text)
        return NULL;
    end = append_word(end, program);
    for (int i = 1; i < argc; i++)
        end = append_word(stpcpy(end, " "), argv[i]);
    if (more)
        stpcpy(stpcpy(end, " "), more);
    return text;
}
