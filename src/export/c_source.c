/* SPDX-License-Identifier: MIT */
/* c_source.c: the two files of a written program: what is around its functions, tables and steps. */
#include "export/export.h"
#include <string.h>

#define HEADER(...) cn__text_append(&f->header, __VA_ARGS__)
#define SOURCE(...) cn__text_append(&f->source, __VA_ARGS__)

/* ---- the header ---- */

static void define_shape(cn__c_files *f, const char *name, cn__shape shape) {
    HEADER("#define %s_%s_CHANNELS %d\n", f->capitals, name, shape.channels);
    HEADER("#define %s_%s_HEIGHT %d\n", f->capitals, name, shape.height);
    HEADER("#define %s_%s_WIDTH %d\n", f->capitals, name, shape.width);
    HEADER("#define %s_%s_FLOATS %zu\n", f->capitals, name, cn__c_floats(shape));
}

static void define_shapes(cn__c_files *f, size_t scratch) {
    char name[CN__C_NAME];
    HEADER("/* Shapes; floats lie channel by channel, row by row. */\n");
    for (int32_t i = 0; i < cn__model_input_count(f->model); i++) {
        cn__c_input_name(f->model, i, true, name);
        define_shape(f, name, cn__model_shape(f->model, cn__model_input_node(f->model, i)));
    }
    for (int32_t i = 0; i < cn__model_output_count(f->model); i++) {
        cn__c_output_name(f->model, i, true, name);
        define_shape(f, name, cn__model_shape(f->model, cn__model_output_node(f->model, i)));
    }
    HEADER("/* Memory for what layers give each other: %zu bytes. */\n", scratch * sizeof(float));
    HEADER("#define %s_SCRATCH_FLOATS %zu\n\n", f->capitals, scratch);
}

void cn__c_arguments(cn__text *text, const cn_model *model, bool types) {
    char name[CN__C_NAME];
    for (int32_t i = 0; i < cn__model_input_count(model); i++) {
        cn__c_input_name(model, i, false, name);
        cn__text_append(text, "%s%s%s", i ? ", " : "", types ? "const float *" : "", name);
    }
    for (int32_t i = 0; i < cn__model_output_count(model); i++) {
        cn__c_output_name(model, i, false, name);
        cn__text_append(text, ", %s%s", types ? "float *" : "", name);
    }
}

static void declare_functions(cn__c_files *f) {
    if (f->model->mean)
        HEADER(
            "/* Pixels of 0 to 255 as the network wants them, (pixel / 255 - mean) / std: those of rows from the top,\n"
            " * the channels of a pixel side by side, or channel by channel. */\n"
            "void %s_from_pixels(const unsigned char *pixels, float *input);\n"
            "void %s_from_planes(const unsigned char *planes, float *input);\n\n",
            f->name, f->name);
    HEADER("/* Runs the network on one image. Inputs, outputs and scratch memory must not overlap. */\nvoid %s_run(",
           f->name);
    cn__c_arguments(&f->header, f->model, true);
    HEADER(");\n\n/* The same with %s_SCRATCH_FLOATS of the caller's: for several threads, or to use the memory for\n"
           " * other things in between. %s_run has its own. */\nvoid %s_run_in(float *scratch, ",
           f->capitals, f->name, f->name);
    cn__c_arguments(&f->header, f->model, true);
    HEADER(");\n\n/* Runs it on a known input. 0: outputs are within 1e-5 of the largest of what they were in "
           "libconvnet. */\n"
           "int %s_self_test(void);\n\n",
           f->name);
}

void cn__c_write_header(cn__c_files *f, size_t scratch) {
    HEADER("/* The network '%s' as C, written by libconvnet %s. It needs <math.h> and int of 32 bits.\n *\n", f->name,
           cn_version_string());
    HEADER(" *     %s_run(", f->name);
    cn__c_arguments(&f->header, f->model, false);
    HEADER(");\n *\n * Functions here and in the source are libconvnet's, and may be used under the licence that "
           "stands there\n"
           " * (MIT). The weights, and names of classes, are whose the model is. */\n#ifndef %s_H\n#define "
           "%s_H\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n",
           f->capitals, f->capitals);
    define_shapes(f, scratch);
    if (f->model->class_count)
        HEADER("#define %s_CLASSES %lld\nextern const char *const %s_class_names[%s_CLASSES];\n\n", f->capitals,
               (long long)f->model->class_count, f->name, f->capitals);
    declare_functions(f);
    HEADER("#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}

/* ---- the source ---- */

static const char licence[] = "/* SPDX-License-Identifier: MIT\n *\n"
                              " * The functions of this file, not the weights, which are whose the model is:\n *\n"
                              " * Copyright (c) 2026 The libconvnet authors\n *\n"
                              " * Permission is hereby granted, free of charge, to any person obtaining a copy\n"
                              " * of this software and associated documentation files (the \"Software\"), to deal\n"
                              " * in the Software without restriction, including without limitation the rights\n"
                              " * to use, copy, modify, merge, publish, distribute, sublicense, and/or sell\n"
                              " * copies of the Software, and to permit persons to whom the Software is\n"
                              " * furnished to do so, subject to the following conditions:\n *\n"
                              " * The above copyright notice and this permission notice shall be included in all\n"
                              " * copies or substantial portions of the Software.\n *\n"
                              " * THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR\n"
                              " * IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,\n"
                              " * FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE\n"
                              " * AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER\n"
                              " * LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,\n"
                              " * OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE\n"
                              " * SOFTWARE. */\n\n";

static void write_class_names(cn__c_files *f) {
    if (!f->model->class_count)
        return;
    SOURCE("const char *const %s_class_names[%s_CLASSES] = {\n", f->name, f->capitals);
    for (int64_t i = 0; i < f->model->class_count; i++) {
        SOURCE("    ");
        cn__c_string(&f->source, f->model->class_names[i]);
        SOURCE(",\n");
    }
    SOURCE("};\n\n");
}

static void write_from(cn__c_files *f, const char *word, const char *index) {
    SOURCE("void %s_from_%s(const unsigned char *%s, float *input) {\n", f->name, word, word);
    SOURCE("    for (int c = 0; c < %s_INPUT_CHANNELS; c++)\n", f->capitals);
    SOURCE("        for (int i = 0; i < %s_INPUT_HEIGHT * %s_INPUT_WIDTH; i++)\n", f->capitals, f->capitals);
    SOURCE("            *input++ = ((float)%s[", word);
    SOURCE(index, f->capitals, f->capitals);
    SOURCE("] / 255.0f - pixel_mean[c]) / pixel_std[c];\n}\n\n");
}

static void write_normalization(cn__c_files *f) {
    size_t channels = (size_t)f->model->input.channels;
    if (!f->model->mean)
        return;
    cn__c_table(&f->source, "pixel_mean", f->model->mean, channels);
    cn__c_table(&f->source, "pixel_std", f->model->std, channels);
    write_from(f, "pixels", "i * %s_INPUT_CHANNELS + c");
    write_from(f, "planes", "c * %s_INPUT_HEIGHT * %s_INPUT_WIDTH + i");
}

static void write_run(cn__c_files *f, const char *body) {
    SOURCE("void %s_run_in(float *scratch, ", f->name);
    cn__c_arguments(&f->source, f->model, true);
    SOURCE(") {\n%s    (void)scratch;\n}\n\nvoid %s_run(", body ? body : "", f->name);
    cn__c_arguments(&f->source, f->model, true);
    SOURCE(") {\n    static float scratch[%s_SCRATCH_FLOATS];\n    %s_run_in(scratch, ", f->capitals, f->name);
    cn__c_arguments(&f->source, f->model, false);
    SOURCE(");\n}\n");
}

void cn__c_write_source(cn__c_files *f, const cn__c_writer *w) {
    SOURCE("/* The network '%s', written by libconvnet %s: see the header. */\n", f->name, cn_version_string());
    SOURCE("%s#include \"%s\"\n#include <math.h>\n#include <stddef.h>\n\n", licence, f->include);
    SOURCE("/* ---- functions: images are [channels][height][width] ---- */\n\n");
    if (w->functions.data)
        SOURCE("%s", w->functions.data);
    SOURCE("/* ---- weights: those of layer n are called ..._n ---- */\n\n");
    if (w->tables.data)
        SOURCE("%s", w->tables.data);
    SOURCE("/* ---- the network ---- */\n\n");
    write_class_names(f);
    write_normalization(f);
    write_run(f, w->body.data);
}
