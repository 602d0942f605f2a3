/* SPDX-License-Identifier: MIT */
/* export.h: models as C source: one file that computes what the model computes, without this library.
 *
 *   c_program.c   what there is to compute, step by step, and where values lie: dropout, flatten and the like are only
 *                 other names for their inputs, batch norms go into the convolutions before them, elementwise layers
 *                 work in place, and what is never alive together shares memory (plan/arena.c)
 *   c_layers.c    a function for each type of layer, which writes its weights and its calls; c_convolutions.c and
 *                 c_elementwise.c have some, c_writer.c and writer.h what they share
 *   c_functions.c the functions that are called, taken from functions/, which are C99 themselves; the Makefile makes
 *                 texts of them
 *   c_text.c      numbers, names and comments as C has them
 *   c_expected.c  what the model gives for a known input, for a self-test
 *   c_source.c    the header and the source around all this; c_self_test.c writes the self-test
 *   export_c.c    the public function
 */
#ifndef CN_EXPORT_H
#define CN_EXPORT_H

#include "model/model.h"

/* ---- programs (c_program.c) ---- */

typedef enum cn__c_memory { CN__C_INPUT, CN__C_OUTPUT, CN__C_SCRATCH } cn__c_memory;

/* Memory for one value, or for several of which each is made of the one before. */
typedef struct cn__c_buffer {
    cn__c_memory memory;
    int32_t index; /* of the input or output */
    size_t floats;
    int32_t first, last; /* steps, from the first that writes it to the last that reads it */
    size_t offset;       /* of scratch memory */
} cn__c_buffer;

/* A layer to be computed. */
typedef struct cn__c_step {
    int32_t node;
    int32_t folded;         /* batch norm that goes into its weights; -1: none */
    int32_t in_place;       /* the input that becomes its output; -1: none */
    size_t scratch, offset; /* floats that it needs besides, and where they begin */
} cn__c_step;

typedef struct cn__c_program {
    const cn_model *model;
    /* Of each value, of which number 0 is the model's first input and n + 1 what node n gives: */
    int32_t *root;      /* the value that it is a part of, or another name for; itself, where a step makes it */
    size_t *part;       /* floats from the root's first on */
    int32_t *last_read; /* of a root: the last step that reads it */
    int32_t *buffer;    /* of a root */
    cn__c_buffer *buffers;
    int32_t buffer_count;
    cn__c_step *steps;
    int32_t step_count;
    size_t scratch_floats;
} cn__c_program;

/* CN_ERR_UNSUPPORTED: a layer that a program defines itself. To be dropped in any case. */
cn_status cn__c_program_make(const cn_model *model, cn__c_program *program);
void cn__c_program_drop(cn__c_program *program);

static inline size_t cn__c_floats(cn__shape shape) {
    return (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
}

/* ---- writing ---- */

typedef struct cn__c_writer {
    const cn__c_program *program;
    cn__text functions, tables, body;
    bool *used; /* of each function, whether the text has it */
    cn_status status;
} cn__c_writer;

/* What a type of layer is, to a program. */
typedef struct cn__c_layer {
    const char *type;
    enum {
        CN__C_ELSEWHERE, /* writes its output beside its inputs */
        CN__C_IN_PLACE,  /* changes its first input, or a copy of that */
        CN__C_ADDS_TO,   /* changes one of its inputs that has the output's shape */
        CN__C_ALIAS      /* computes nothing: values stay in their order */
    } manner;
    /* Floats that it needs besides, or at which an alias begins in its input; NULL: none. */
    size_t (*floats)(const cn_model *model, const cn__node *node);
    void (*write)(cn__c_writer *w, const cn__c_step *step);
} cn__c_layer;

const cn__c_layer *cn__c_layer_find(const cn_layer *layer); /* NULL: none */
/* Whether a batch norm can go into the weights of the layer that it reads. */
bool cn__c_folds(const cn_layer *layer, const cn_layer *norm);
void cn__c_write_step(cn__c_writer *w, const cn__c_step *step);

/* Sees that the functions' text has this one, and those that it includes (c_functions.c). */
void cn__c_use(cn__c_writer *w, const char *function);
/* A function that changes each of several values, such as "tanhf(v)", in which a and b are what is given. */
void cn__c_use_formula(cn__c_writer *w, const char *function, const char *parameters, const char *formula);
size_t cn__c_function_count(void);

/* ---- C as text (c_text.c) ---- */

#define CN__C_NAME   64
#define CN__C_NUMBER 40

/* A number as it is, in hexadecimal: no locale plays a part, and no reader rounds. Returns the buffer. */
const char *cn__c_number(char text[CN__C_NUMBER], float value);
/* The same for people, "0.1f". */
void cn__c_decimal(cn__text *text, float value);
/* "static const float NAME[COUNT] = {…};" */
void cn__c_table(cn__text *text, const char *name, const float *values, size_t count);
/* A comment cannot end early, a string not at all. */
void cn__c_comment(cn__text *text, const char *words);
void cn__c_string(cn__text *text, const char *string);
/* `name` with what C does not take in identifiers as _, behind `prefix`; in capitals or not. */
void cn__c_identifier(char identifier[CN__C_NAME], const char *prefix, const char *name, bool capitals);
/* Where a value begins: "input + 12", "scratch"; returns the buffer. */
#define CN__C_PLACE (CN__C_NAME + 32)
const char *cn__c_place(const cn__c_program *program, int32_t value, char text[CN__C_PLACE]);
/* What a program calls its inputs and outputs: "input", "input_mask"; "output", "output_box". */
void cn__c_input_name(const cn_model *model, int32_t index, bool capitals, char name[CN__C_NAME]);
void cn__c_output_name(const cn_model *model, int32_t index, bool capitals, char name[CN__C_NAME]);

/* ---- what a self-test expects (c_expected.c) ---- */

/* The generator of its inputs: state = (state · FACTOR + TERM) mod 2^32, of which the upper 24 bits make a number of -1
 * to 1. */
#define CN__C_FACTOR 1664525u
#define CN__C_TERM   1013904223u
#define CN__C_SEED   1u
enum { CN__C_EXPECTED = 256 }; /* values of an output at most */

/* Of an output, every `step`-th value, `count` of them. */
typedef struct cn__c_expected {
    size_t step, count;
    float values[CN__C_EXPECTED];
} cn__c_expected;

/* One for each output, to be freed with cn__free; computed by plain sums. */
cn_status cn__c_expect(const cn_model *model, cn__c_expected **expected);

/* ---- the whole (c_source.c, c_self_test.c) ---- */

/* A program's two files in the making. */
typedef struct cn__c_files {
    const cn_model *model;
    const char *name;          /* what all public names begin with, */
    char capitals[CN__C_NAME]; /* in capitals */
    const char *include;       /* the header's file name */
    cn__text header, source;
} cn__c_files;

/* Appends to the texts, which are to be freed, also after a failure. */
void cn__c_write_header(cn__c_files *f, size_t scratch_floats);
void cn__c_write_source(cn__c_files *f, const cn__c_writer *w);
void cn__c_write_self_test(cn__c_files *f, const cn__c_expected *expected);
/* "const float *input, float *output", or the names alone. */
void cn__c_arguments(cn__text *text, const cn_model *model, bool types);

#endif
