/* SPDX-License-Identifier: MIT */
/* names.c: what layers are called, so that their parameters have the names that they have in the file, or in the program
 * that it comes from. */
#include "onnx/importer.h"
#include <stdio.h>

static bool printable(cn__bytes name) {
    for (size_t i = 0; i < name.count;) {
        uint32_t code;
        size_t bytes = cn__utf8_decode((const char *)name.at + i, name.count - i, &code);
        if (bytes == 0 || code < 32 || code == 127)
            return false;
        i += bytes;
    }
    return name.count > 0 && name.count <= CN__ONNX_PLAIN_NAME;
}

/* "fc" of "fc.weight". */
static bool without_suffix(const cn__onnx *onnx, int32_t value, const char *suffix, cn__bytes *name) {
    size_t length = strlen(suffix);
    if (value < 0)
        return false;
    *name = onnx->values[value].name;
    if (name->count <= length || memcmp(name->at + name->count - length, suffix, length) != 0)
        return false;
    name->count -= length;
    return printable(*name);
}

/* The parts of a path, from its end. */
static bool last_part(cn__bytes *path, cn__bytes *part) {
    size_t begin = path->count;
    if (path->count == 0)
        return false;
    while (begin > 0 && path->at[begin - 1] != '/')
        begin--;
    *part = (cn__bytes){path->at + begin, path->count - begin};
    path->count = begin > 0 ? begin - 1 : 0;
    return true;
}

static bool begins(cn__bytes text, cn__bytes with) {
    return text.count >= with.count && memcmp(text.at, with.at, with.count) == 0;
}

static bool put_in_front(char name[CN__ONNX_NAME], cn__bytes part) {
    char rest[CN__ONNX_NAME];
    memcpy(rest, name, sizeof rest);
    return snprintf(name, CN__ONNX_NAME, "%.*s%s%s", (int)part.count, (const char *)part.at, rest[0] ? "." : "", rest) <
           CN__ONNX_NAME;
}

/* PyTorch calls a node "/layer1/layer1.0/conv1/Conv" that module layer1.0.conv1 runs: of parts that each begin with the
 * one before, the last one counts, and the operator's does not. */
static bool module_name(const cn__onnx_node *node, char name[CN__ONNX_NAME]) {
    cn__bytes path = node->name, part, after = {0};
    name[0] = '\0';
    if (!printable(path) || path.at[0] != '/' || !last_part(&path, &part))
        return false;
    if (!(node->op.count > 0 && begins(part, node->op)) && !node->rewritten)
        path = node->name;
    while (path.count > 0 && last_part(&path, &part)) {
        bool repeated = after.count > part.count && begins(after, part) && after.at[part.count] == '.';
        if (part.count > 0 && !repeated && !put_in_front(name, part))
            return false;
        after = part;
    }
    return name[0] != '\0';
}

/* Whether a layer has that name, or one of the file's weights is called after it, whose layer is to have it. */
static bool is_taken(const cn__onnx *onnx, const char *name, bool has_weights) {
    char weight[CN__ONNX_NAME + 8];
    if (cn__model_find(onnx->model, name) != -2)
        return true;
    int length = snprintf(weight, sizeof weight, "%s.weight", name);
    return !has_weights && cn__onnx_find(onnx, (cn__bytes){(const unsigned char *)weight, (size_t)length}) >= 0;
}

/* The number to try after `number`: beyond a few one that no name has had, so that many of one name, or a file that has
 * taken what comes next, cost no more than others. */
static size_t next_number(cn__onnx *onnx, size_t number) {
    enum { FEW = 9 };
    if (number < FEW)
        return number + 1;
    size_t fresh = onnx->name_number + 1;
    onnx->name_number = fresh > onnx->model->node_count ? fresh : onnx->model->node_count;
    return onnx->name_number;
}

void cn__onnx_free_name(cn__onnx *onnx, bool has_weights, char name[CN__ONNX_NAME]) {
    char base[CN__ONNX_NAME];
    memcpy(base, name, sizeof base);
    for (size_t i = 2; is_taken(onnx, name, has_weights); i = next_number(onnx, i))
        snprintf(name, CN__ONNX_NAME, "%.*s_%zu", CN__ONNX_PLAIN_NAME + 4, base, i);
}

void cn__onnx_layer_name(cn__onnx *onnx, const cn__onnx_node *node, int32_t weight, int32_t bias,
                         char name[CN__ONNX_NAME]) {
    cn__bytes found;
    if (without_suffix(onnx, weight, ".weight", &found) || without_suffix(onnx, bias, ".bias", &found))
        snprintf(name, CN__ONNX_NAME, "%.*s", (int)found.count, (const char *)found.at);
    else if (!module_name(node, name)) {
        found = node->name;
        if (!printable(found) && node->output_count > 0 && node->outputs[0] >= 0)
            found = onnx->values[node->outputs[0]].name;
        if (!printable(found))
            found = printable(node->op) ? node->op : (cn__bytes){(const unsigned char *)"layer", 5};
        snprintf(name, CN__ONNX_NAME, "%.*s", (int)found.count, (const char *)found.at);
    }
    cn__onnx_free_name(onnx, weight >= 0 || bias >= 0, name);
}
