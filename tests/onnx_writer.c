/* SPDX-License-Identifier: MIT */
/* onnx_writer.c: ONNX files written field by field. */
#include "onnx_writer.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

void onnx_put_varint(onnx_writer *w, uint64_t value) {
    for (; value > 127; value >>= 7)
        w->data[w->count++] = (unsigned char)(value % 128 + 128);
    w->data[w->count++] = (unsigned char)value;
}

void onnx_put_number(onnx_writer *w, int field, uint64_t value) {
    onnx_put_varint(w, (uint64_t)field << 3 | ONNX_VARINT);
    onnx_put_varint(w, value);
}

void onnx_put_bytes(onnx_writer *w, int field, const void *data, size_t count) {
    onnx_put_varint(w, (uint64_t)field << 3 | ONNX_BYTES);
    onnx_put_varint(w, count);
    memcpy(w->data + w->count, data, count);
    w->count += count;
}

void onnx_put_text(onnx_writer *w, int field, const char *text) {
    onnx_put_bytes(w, field, text, strlen(text));
}

void onnx_put_message(onnx_writer *w, int field, const onnx_writer *message) {
    onnx_put_bytes(w, field, message->data, message->count);
}

/* ---- graphs ---- */

static void put_float(onnx_writer *w, int field, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    onnx_put_varint(w, (uint64_t)field << 3 | ONNX_FLOAT);
    for (int i = 0; i < 4; i++)
        w->data[w->count++] = (unsigned char)(bits >> (8 * i));
}

static void put_attribute(onnx_writer *node, char *name, char *value) {
    enum {
        NAME = 1,
        F = 2,
        I = 3,
        S = 4,
        FLOATS = 7,
        INTS = 8,
        TYPE = 20
    }; /* types have the numbers 1, 2, 3, 6 and 7 */
    onnx_writer attribute = {.count = 0};
    bool list = strchr(value, ',') != NULL, real = strchr(value, '.') != NULL, word = isalpha((unsigned char)*value);
    onnx_put_text(&attribute, NAME, name);
    onnx_put_number(&attribute, TYPE, word ? 3 : list ? (real ? 6 : 7) : real ? 1 : 2);
    if (word)
        onnx_put_text(&attribute, S, value);
    for (char *part; !word && (part = strsep(&value, ","));)
        if (*part && real)
            put_float(&attribute, list ? FLOATS : F, strtof(part, NULL));
        else if (*part)
            onnx_put_number(&attribute, list ? INTS : I, (uint64_t)strtoll(part, NULL, 10));
    onnx_put_message(node, 5, &attribute);
}

void onnx_put_node(onnx_writer *graph, const char *text) {
    char copy[256], *rest, *word, *name;
    onnx_writer node = {.count = 0};
    snprintf(copy, sizeof copy, "%s", text);
    char *op = strtok_r(copy, " ", &rest), *inputs = strtok_r(NULL, " ", &rest), *outputs = strtok_r(NULL, " ", &rest);
    while (strcmp(inputs ? inputs : "-", "-") != 0 && (name = strsep(&inputs, ",")))
        onnx_put_text(&node, 1, name);
    for (int i = 0; (name = strsep(&outputs, ",")); i++) {
        onnx_put_text(&node, 2, name);
        if (i == 0)
            onnx_put_text(&node, 3, name);
    }
    onnx_put_text(&node, 4, op);
    while ((word = strtok_r(NULL, " ", &rest))) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        put_attribute(&node, word, value);
    }
    onnx_put_message(graph, 1, &node);
}

void onnx_put_value(onnx_writer *graph, int field, const char *name, int dims, const int64_t *shape) {
    onnx_writer sides = {.count = 0}, tensor = {.count = 0}, type = {.count = 0}, value = {.count = 0};
    for (int i = 0; i < dims; i++) {
        onnx_writer side = {.count = 0};
        if (shape[i] > 0)
            onnx_put_number(&side, 1, (uint64_t)shape[i]);
        onnx_put_message(&sides, 1, &side);
    }
    onnx_put_number(&tensor, 1, 1); /* float */
    onnx_put_message(&tensor, 2, &sides);
    onnx_put_message(&type, 1, &tensor);
    onnx_put_text(&value, 1, name);
    onnx_put_message(&value, 2, &type);
    onnx_put_message(graph, field, &value);
}

static onnx_writer tensor_of(const char *name, int type, int dims, const int64_t *shape) {
    onnx_writer tensor = {.count = 0};
    for (int i = 0; i < dims; i++)
        onnx_put_number(&tensor, 1, (uint64_t)shape[i]);
    onnx_put_number(&tensor, 2, (uint64_t)type);
    onnx_put_text(&tensor, 8, name);
    return tensor;
}

void onnx_put_tensor(onnx_writer *graph, const char *name, int dims, const int64_t *shape, size_t bytes) {
    static const unsigned char zeros[2048];
    onnx_writer tensor = tensor_of(name, 1, dims, shape);
    onnx_put_bytes(&tensor, 9, zeros, bytes);
    onnx_put_message(graph, 5, &tensor);
}

void onnx_put_outside(onnx_writer *graph, const char *name, int dims, const int64_t *shape, const char *location,
                      const char *offset, const char *length) {
    const char *const entries[3][2] = {{"location", location}, {"offset", offset}, {"length", length}};
    onnx_writer tensor = tensor_of(name, 1, dims, shape);
    for (int i = 0; i < 3; i++) {
        onnx_writer entry = {.count = 0};
        if (!entries[i][1])
            continue;
        onnx_put_text(&entry, 1, entries[i][0]);
        onnx_put_text(&entry, 2, entries[i][1]);
        onnx_put_message(&tensor, 13, &entry);
    }
    onnx_put_number(&tensor, 14, 1);
    onnx_put_message(graph, 5, &tensor);
}

void onnx_put_integers(onnx_writer *graph, const char *name, int count, const int64_t *numbers) {
    onnx_writer tensor = tensor_of(name, 7, 1, &(int64_t){count});
    for (int i = 0; i < count; i++)
        onnx_put_number(&tensor, 7, (uint64_t)numbers[i]);
    onnx_put_message(graph, 5, &tensor);
}

void onnx_put_floats(onnx_writer *graph, const char *name, int count, const float *numbers) {
    onnx_writer tensor = tensor_of(name, 1, 1, &(int64_t){count});
    for (int i = 0; i < count; i++)
        put_float(&tensor, 4, numbers[i]);
    onnx_put_message(graph, 5, &tensor);
}

/* ---- whole files ---- */

void onnx_put_ends(onnx_writer *graph) {
    onnx_put_value(graph, 11, "x", 4, (const int64_t[4]){0, 4, 6, 5});
    onnx_put_value(graph, 12, "y", 4, (const int64_t[4]){0, 4, 6, 5});
}

void onnx_put_file(onnx_writer *file, const onnx_writer *graph, int opset) {
    onnx_writer set = {.count = 0};
    file->count = 0;
    onnx_put_number(file, 1, 8);
    onnx_put_message(file, 7, graph);
    onnx_put_number(&set, 2, (uint64_t)opset);
    onnx_put_message(file, 8, &set);
}

cn_status onnx_load_graph(cn_context *ctx, const onnx_writer *graph, int opset, cn_model **model) {
    onnx_writer file;
    onnx_put_file(&file, graph, opset);
    return cn_model_load_memory(ctx, file.data, file.count, model);
}

cn_status onnx_load_nodes(cn_context *ctx, int opset, const char *const *nodes, cn_model **model) {
    onnx_writer graph = {.count = 0};
    onnx_put_ends(&graph);
    onnx_put_tensor(&graph, "w", 4, (const int64_t[4]){4, 4, 3, 3}, 4 * 4 * 3 * 3 * 4);
    onnx_put_tensor(&graph, "m", 2, (const int64_t[2]){3, 2}, 3 * 2 * 4);
    onnx_put_tensor(&graph, "pixels", 3, (const int64_t[3]){4, 6, 5}, 4 * 6 * 5 * 4);
    for (; *nodes; nodes++)
        onnx_put_node(&graph, *nodes);
    return onnx_load_graph(ctx, &graph, opset, model);
}
