/* SPDX-License-Identifier: MIT */
/* c_self_test.c: the function by which a written program finds out whether it computes what the library did. */
#include "export/export.h"
#include <stdio.h>

#define SOURCE(...) cn__text_append(&f->source, __VA_ARGS__)

static void write_helpers(cn__c_files *f) {
    SOURCE("\n/* ---- self-test ---- */\n\n"
           "/* Numbers of -1 to 1 from a linear congruential generator. */\n"
           "static void test_fill(unsigned long *state, int count, float *x) {\n"
           "    for (int i = 0; i < count; i++) {\n"
           "        *state = (*state * %uul + %uul) & 0xfffffffful;\n"
           "        x[i] = (float)(*state >> 8) / 8388608.0f - 1.0f;\n"
           "    }\n"
           "}\n\n",
           CN__C_FACTOR, CN__C_TERM);
    SOURCE("/* Whether every step-th value is what was expected. */\n"
           "static int test_near(int count, int step, const float *expected, const float *got) {\n"
           "    float most = 0.0f, off = 0.0f;\n"
           "    for (int i = 0; i < count; i++) {\n"
           "        float difference = fabsf(expected[i] - got[i * step]);\n"
           "        most = fabsf(expected[i]) > most ? fabsf(expected[i]) : most;\n"
           "        off = difference > off || difference != difference ? difference : off;\n"
           "    }\n"
           "    return off <= 1e-5f * most;\n"
           "}\n\n");
}

static void write_expected(cn__c_files *f, const cn__c_expected *expected) {
    char table[CN__C_NAME];
    for (int32_t i = 0; i < cn__model_output_count(f->model); i++) {
        snprintf(table, sizeof table, "expected_%d", i);
        cn__c_table(&f->source, table, expected[i].values, expected[i].count);
    }
}

/* Arrays of its own, since scratch memory is in use. */
static void write_arrays(cn__c_files *f) {
    char name[CN__C_NAME];
    for (int32_t i = 0; i < cn__model_input_count(f->model); i++) {
        cn__c_input_name(f->model, i, false, name);
        SOURCE("    static float %s[%zu];\n", name,
               cn__c_floats(cn__model_shape(f->model, cn__model_input_node(f->model, i))));
    }
    for (int32_t i = 0; i < cn__model_output_count(f->model); i++) {
        cn__c_output_name(f->model, i, false, name);
        SOURCE("    static float %s[%zu];\n", name,
               cn__c_floats(cn__model_shape(f->model, cn__model_output_node(f->model, i))));
    }
}

void cn__c_write_self_test(cn__c_files *f, const cn__c_expected *expected) {
    char name[CN__C_NAME];
    write_helpers(f);
    write_expected(f, expected);
    SOURCE("int %s_self_test(void) {\n    unsigned long state = %u;\n", f->name, CN__C_SEED);
    write_arrays(f);
    for (int32_t i = 0; i < cn__model_input_count(f->model); i++) {
        cn__c_input_name(f->model, i, false, name);
        SOURCE("    test_fill(&state, %zu, %s);\n",
               cn__c_floats(cn__model_shape(f->model, cn__model_input_node(f->model, i))), name);
    }
    SOURCE("    %s_run(", f->name);
    cn__c_arguments(&f->source, f->model, false);
    SOURCE(");\n    return !(");
    for (int32_t i = 0; i < cn__model_output_count(f->model); i++) {
        cn__c_output_name(f->model, i, false, name);
        SOURCE("%stest_near(%zu, %zu, expected_%d, %s)", i ? " && " : "", expected[i].count, expected[i].step, i, name);
    }
    SOURCE(");\n}\n");
}
