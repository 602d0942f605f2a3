/* SPDX-License-Identifier: MIT */
/* fuzz_arguments.c: command lines of programs, word by word: read into their targets, within their ranges, or refused. */
#include "fuzzing.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

/* The programs' own reader, which ends them where something is wrong; here it comes back. */
static jmp_buf back;
#define exit(code)             longjmp(back, 1)
#define printf(...)            (void)snprintf(NULL, 0, __VA_ARGS__)
#define fputs(text, stream)    (void)(text)
#define putchar(character)     (void)(character)
#define complain_usage         fuzz_complain_usage
#define program_set_name       fuzz_program_set_name
#define program_end            fuzz_program_end
#define print_wrapped          fuzz_print_wrapped
#define arguments_read         fuzz_arguments_read
#define arguments_read_several fuzz_arguments_read_several
#define arguments_given        fuzz_arguments_given
#define arguments_need         fuzz_arguments_need
#define command_text           fuzz_command_text
#include "../examples/programs/common/arguments.c" /* NOLINT(bugprone-suspicious-include) */

void complain_usage(const char *format, ...) {
    char text[256];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    longjmp(back, 1);
}

void program_set_name(const char *name) {
    (void)name;
}

int program_end(int code) {
    return code;
}

static int flag, choice;
static int64_t integer;
static double real;
static const char *word;
static const char *const choices[] = {"one", "two", NULL};

/* A table with a row of each kind. */
static argument arguments[] = {HEADING("About"),
                               FLAG("flag", &flag, 1, "raises it"),
                               TEXT("text", "WORD", &word, "says it"),
                               INTEGER("integer", &integer, -5, 1000, "counts"),
                               REAL("real", &real, 0.0, true, 1.0, false, "measures"),
                               CHOICE("choice", choices, &choice, "chooses"),
                               END_OF_ARGUMENTS};
static const program_spec program = {
    .name = "convnet-fuzz", .about = "Tries.", .operand = "A", .arguments = arguments, .notes = ""};

enum { MOST_WORDS = 16 };

static void read_words(int count, char **words) {
    char *volatile command = NULL;
    flag = choice = 0;
    integer = 1;
    real = 1.0;
    word = "";
    for (size_t i = 0; i < COUNT(arguments); i++)
        arguments[i].given = false;
    if (setjmp(back) != 0)
        return;
    command = command_text("convnet-fuzz", count, words, "more");
    free(command);
    int operands = arguments_read_several(&program, count, words);
    FUZZ_EXPECT(operands >= 1 && operands < count && (flag == 0 || flag == 1) && (choice == 0 || choice == 1));
    FUZZ_EXPECT(integer >= -5 && integer <= 1000 && real > 0.0 && real <= 1.0 && word);
}

FUZZ(arguments) {
    fuzz_bytes rest = {data, size};
    static char program_name[] = "convnet-fuzz";
    char *words[MOST_WORDS + 1] = {program_name}, *order[MOST_WORDS + 1];
    int count = 1;
    for (; count < MOST_WORDS && rest.count > 0; count++)
        words[count] = fuzz_text(&rest);
    memcpy(order, words, sizeof words);
    read_words(count, order);
    for (int i = 1; i < count; i++)
        free(words[i]);
    return 0;
}
