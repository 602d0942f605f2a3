/* SPDX-License-Identifier: MIT */
/* graph.c: the messages of a file as values and nodes that refer to each other by number. */
#include "onnx/importer.h"
#include <stdlib.h>

/* ---- limits, which bound the memory and the time that a file can ask for ---- */

enum {
    MAX_NODES = 1 << 16,
    MAX_TENSORS = 1 << 16,
    MAX_ENDS = 1024,
    MAX_EDGES = 4096,
    MAX_FIELDS = 1024 /* of a node's attributes, which are looked through for each node that reads it */
};

/* ---- memory ---- */

struct block {
    struct block *next;
    _Alignas(CN__ALIGN) unsigned char data[];
};

void *cn__onnx_alloc(cn__onnx *onnx, size_t count, size_t bytes) {
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all) || __builtin_add_overflow(all, sizeof(struct block), &all))
        return NULL;
    struct block *made = cn__alloc(onnx->ctx, all + 1, 1);
    if (!made) {
        onnx->starved = true;
        return NULL;
    }
    made->next = onnx->memory;
    onnx->memory = made;
    return made->data;
}

void cn__onnx_drop(cn__onnx *onnx) {
    while (onnx->memory) {
        struct block *next = onnx->memory->next;
        cn__free(onnx->ctx, onnx->memory);
        onnx->memory = next;
    }
    cn__free(onnx->ctx, onnx->fills);
}

/* ---- counting before anything is allocated ---- */

static cn_status count_fields(cn__bytes message, uint32_t number, int32_t most, const char *what, int32_t *count) {
    cn__field field;
    *count = 0;
    while (cn__wire_next(&message, &field))
        if (field.number == number && field.type == CN__WIRE_BYTES && (*count)++ == most)
            return cn__error(CN_ERR_UNSUPPORTED, "it has more than %d %s", most, what);
    return message.at ? CN_OK : cn__error(CN_ERR_FORMAT, "it is damaged, or cut short, among its %s", what);
}

/* The next field of that number, a text or message; there is one. */
static cn__bytes next_piece(cn__bytes *message, uint32_t number) {
    cn__field field;
    while (cn__wire_next(message, &field))
        if (field.number == number && field.type == CN__WIRE_BYTES)
            return field.bytes;
    return (cn__bytes){0};
}

/* ---- values by name ---- */

static int32_t new_value(cn__onnx *onnx, cn__bytes name, int32_t producer) {
    int32_t value = onnx->value_count++;
    onnx->values[value] = (cn__onnx_value){.name = name, .producer = producer, .view = {.layer = CN__ONNX_NO_LAYER}};
    onnx->by_name[value] = (cn__onnx_named){name, value};
    return value;
}

static int compare(cn__bytes a, cn__bytes b) {
    size_t both = a.count < b.count ? a.count : b.count;
    int order = both ? memcmp(a.at, b.at, both) : 0;
    return order != 0 ? order : (a.count > b.count) - (a.count < b.count);
}

static int in_order(const void *a, const void *b) {
    const cn__onnx_named *first = a, *second = b;
    int order = compare(first->name, second->name);
    return order != 0 ? order : (first->value > second->value) - (first->value < second->value);
}

/* No hashes, whose collisions a hostile file could choose. Only an initialiser may be an input as well, as older files
 * have it: it is found, as the first of the two. */
static cn_status sort_names(cn__onnx *onnx) {
    qsort(onnx->by_name, (size_t)onnx->value_count, sizeof *onnx->by_name, in_order);
    for (int32_t i = 1; i < onnx->value_count; i++) {
        const cn__onnx_named *a = &onnx->by_name[i - 1], *b = &onnx->by_name[i];
        bool listed =
            onnx->values[a->value].tensor && !onnx->values[b->value].tensor && onnx->values[b->value].producer < 0;
        if (!listed && cn__bytes_equal(a->name, b->name))
            return cn__error(CN_ERR_FORMAT, "'%.*s' is made twice", CN__SHOWN(a->name));
    }
    return CN_OK;
}

int32_t cn__onnx_find(const cn__onnx *onnx, cn__bytes name) {
    int32_t low = 0, high = onnx->value_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (compare(onnx->by_name[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < onnx->value_count && cn__bytes_equal(onnx->by_name[low].name, name);
    return found ? onnx->by_name[low].value : -1;
}

/* ---- reading ---- */

static cn_status read_opset(cn__onnx *onnx, cn__bytes model) {
    cn__bytes message;
    int32_t count;
    CN__TRY(count_fields(model, CN__MODEL_OPSET, MAX_ENDS, "sets of operators", &count));
    if (count == 0)
        return cn__error(CN_ERR_FORMAT, "it does not say of which opset its operators are");
    onnx->opset = 1;
    for (int32_t i = 0; i < count; i++) {
        cn__bytes domain = {0};
        cn__field field;
        int64_t version = 1;
        message = next_piece(&model, CN__MODEL_OPSET);
        while (cn__wire_next(&message, &field))
            if (field.number == CN__OPSET_DOMAIN && field.type == CN__WIRE_BYTES)
                domain = field.bytes;
            else if (field.number == CN__OPSET_VERSION && field.type == CN__WIRE_VARINT)
                version = (int64_t)field.value;
        if (domain.count == 0 || cn__bytes_are(domain, "ai.onnx"))
            onnx->opset = version;
    }
    if (onnx->opset < CN__ONNX_FIRST_OPSET || onnx->opset > CN__ONNX_LAST_OPSET)
        return cn__error(CN_ERR_UNSUPPORTED, "its operators are of opset %lld, this library reads %d to %d",
                         (long long)onnx->opset, CN__ONNX_FIRST_OPSET, CN__ONNX_LAST_OPSET);
    return CN_OK;
}

static cn_status read_tensors(cn__onnx *onnx, cn__bytes graph, int32_t count) {
    cn__onnx_tensor *tensors = cn__onnx_alloc(onnx, (size_t)count, sizeof *tensors);
    if (!tensors)
        return cn__no_memory("an ONNX file's tensors");
    for (int32_t i = 0; i < count; i++) {
        CN__TRY(cn__onnx_tensor_read(next_piece(&graph, CN__GRAPH_TENSOR), &tensors[i]));
        onnx->values[new_value(onnx, tensors[i].name, -1)].tensor = &tensors[i];
        onnx->given += tensors[i].present ? tensors[i].count : 0;
    }
    return CN_OK;
}

static cn_status read_inputs(cn__onnx *onnx, cn__bytes graph, int32_t count) {
    onnx->inputs = cn__onnx_alloc(onnx, (size_t)count, sizeof *onnx->inputs);
    onnx->input_values = cn__onnx_alloc(onnx, (size_t)count, sizeof *onnx->input_values);
    if (!onnx->inputs || !onnx->input_values)
        return cn__no_memory("an ONNX file's inputs");
    for (int32_t i = 0; i < count; i++) {
        CN__TRY(cn__onnx_info_read(next_piece(&graph, CN__GRAPH_INPUT), &onnx->inputs[i]));
        onnx->input_values[i] = new_value(onnx, onnx->inputs[i].name, -1);
    }
    onnx->input_count = count;
    return CN_OK;
}

/* Fields from the first attribute on, and those of attributes. */
static cn_status check_attributes(const cn__onnx_node *node) {
    cn__bytes message = node->attributes;
    cn__field field, part;
    int32_t count = 0;
    while (count <= MAX_FIELDS && cn__wire_next(&message, &field)) {
        count++;
        if (field.number == CN__NODE_ATTRIBUTE && field.type == CN__WIRE_BYTES)
            while (count <= MAX_FIELDS && cn__wire_next(&field.bytes, &part))
                count++;
    }
    return count <= MAX_FIELDS ? CN_OK
                               : cn__error(CN_ERR_UNSUPPORTED, "node '%.*s' has more than %d fields of attributes",
                                           CN__SHOWN(node->name), MAX_FIELDS);
}

static cn_status read_node_fields(cn__bytes message, cn__onnx_node *node) {
    cn__bytes rest = message;
    cn__field field;
    *node = (cn__onnx_node){0};
    for (; cn__wire_next(&message, &field); rest = message) {
        if (field.type != CN__WIRE_BYTES)
            continue;
        if (field.number == CN__NODE_ATTRIBUTE && !node->attributes.at)
            node->attributes = rest;
        if (field.number == CN__NODE_NAME)
            node->name = field.bytes;
        else if (field.number == CN__NODE_OP)
            node->op = field.bytes;
        else if (field.number == CN__NODE_DOMAIN)
            node->foreign = field.bytes.count > 0 && !cn__bytes_are(field.bytes, "ai.onnx");
    }
    if (!message.at)
        return cn__error(CN_ERR_FORMAT, "node '%.*s' is damaged", CN__SHOWN(node->name));
    return check_attributes(node);
}

static cn_status read_node(cn__onnx *onnx, cn__bytes message, int32_t index) {
    cn__onnx_node *node = &onnx->nodes[index];
    CN__TRY(read_node_fields(message, node));
    CN__TRY(count_fields(message, CN__NODE_INPUT, MAX_EDGES, "inputs of a node", &node->input_count));
    CN__TRY(count_fields(message, CN__NODE_OUTPUT, MAX_EDGES, "outputs of a node", &node->output_count));
    node->inputs = cn__onnx_alloc(onnx, (size_t)node->input_count + (size_t)node->output_count, sizeof *node->inputs);
    if (!node->inputs)
        return cn__no_memory("an ONNX file's nodes");
    node->outputs = node->inputs + node->input_count;
    for (int32_t i = 0; i < node->output_count; i++) {
        cn__bytes name = next_piece(&message, CN__NODE_OUTPUT);
        node->outputs[i] = name.count ? new_value(onnx, name, index) : -1;
    }
    return CN_OK;
}

/* A node reads what stands before it, as the format demands: so no walk along the edges can come round. */
static cn_status read_edges(cn__onnx *onnx, cn__bytes message, int32_t index) {
    cn__onnx_node *node = &onnx->nodes[index];
    for (int32_t i = 0; i < node->input_count; i++) {
        cn__bytes name = next_piece(&message, CN__NODE_INPUT);
        node->inputs[i] = name.count ? cn__onnx_find(onnx, name) : -1;
        if (name.count && (node->inputs[i] < 0 || onnx->values[node->inputs[i]].producer >= index))
            return cn__error(CN_ERR_FORMAT,
                             "%.*s '%.*s' reads '%.*s', which nothing before it makes: it is missing, or the nodes go "
                             "round in a circle",
                             CN__SHOWN(node->op), CN__SHOWN(node->name), CN__SHOWN(name));
    }
    return CN_OK;
}

static cn_status read_nodes(cn__onnx *onnx, cn__bytes graph) {
    cn__bytes again = graph;
    for (int32_t i = 0; i < onnx->node_count; i++)
        CN__TRY(read_node(onnx, next_piece(&graph, CN__GRAPH_NODE), i));
    CN__TRY(sort_names(onnx));
    for (int32_t i = 0; i < onnx->node_count; i++)
        CN__TRY(read_edges(onnx, next_piece(&again, CN__GRAPH_NODE), i));
    return CN_OK;
}

static cn_status read_outputs(cn__onnx *onnx, cn__bytes graph, int32_t count) {
    onnx->outputs = cn__onnx_alloc(onnx, (size_t)count, sizeof *onnx->outputs);
    if (!onnx->outputs)
        return cn__no_memory("an ONNX file's outputs");
    for (int32_t i = 0; i < count; i++) {
        cn__onnx_info info;
        CN__TRY(cn__onnx_info_read(next_piece(&graph, CN__GRAPH_OUTPUT), &info));
        onnx->outputs[i] = cn__onnx_find(onnx, info.name);
        if (onnx->outputs[i] < 0)
            return cn__error(CN_ERR_FORMAT, "nothing makes its output '%.*s'", CN__SHOWN(info.name));
        onnx->output_count++;
    }
    return CN_OK;
}

static int32_t count_values(cn__bytes graph) {
    cn__field field, part;
    int32_t count = 0;
    while (cn__wire_next(&graph, &field)) {
        if (field.type != CN__WIRE_BYTES)
            continue;
        count += field.number == CN__GRAPH_TENSOR || field.number == CN__GRAPH_INPUT;
        if (field.number == CN__GRAPH_NODE)
            while (cn__wire_next(&field.bytes, &part))
                count += part.number == CN__NODE_OUTPUT && part.type == CN__WIRE_BYTES;
    }
    return count;
}

static cn_status make_tables(cn__onnx *onnx, cn__bytes graph) {
    int32_t count = count_values(graph); /* of at least two bytes each, in a file of less than 2 GiB */
    if (count > MAX_NODES * 16)
        return cn__error(CN_ERR_UNSUPPORTED, "it has more than %d values", MAX_NODES * 16);
    onnx->nodes = cn__onnx_alloc(onnx, (size_t)onnx->node_count, sizeof *onnx->nodes);
    onnx->values = cn__onnx_alloc(onnx, (size_t)count, sizeof *onnx->values);
    onnx->by_name = cn__onnx_alloc(onnx, (size_t)count, sizeof *onnx->by_name);
    return onnx->nodes && onnx->values && onnx->by_name ? CN_OK : cn__no_memory("an ONNX file's graph");
}

static cn_status read_graph(cn__onnx *onnx, cn__bytes graph) {
    int32_t tensors, inputs, outputs;
    CN__TRY(count_fields(graph, CN__GRAPH_NODE, MAX_NODES, "nodes", &onnx->node_count));
    CN__TRY(count_fields(graph, CN__GRAPH_TENSOR, MAX_TENSORS, "tensors", &tensors));
    CN__TRY(count_fields(graph, CN__GRAPH_INPUT, MAX_TENSORS + MAX_ENDS, "inputs", &inputs));
    CN__TRY(count_fields(graph, CN__GRAPH_OUTPUT, MAX_ENDS, "outputs", &outputs));
    if (outputs == 0)
        return cn__error(CN_ERR_FORMAT, "it has no output");
    CN__TRY(make_tables(onnx, graph));
    CN__TRY(read_tensors(onnx, graph, tensors));
    CN__TRY(read_inputs(onnx, graph, inputs));
    CN__TRY(read_nodes(onnx, graph));
    return read_outputs(onnx, graph, outputs);
}

cn_status cn__onnx_read(cn__onnx *onnx, cn__bytes file) {
    int32_t graphs;
    CN__TRY(count_fields(file, CN__MODEL_GRAPH, 1, "graphs", &graphs));
    if (graphs == 0)
        return cn__error(CN_ERR_FORMAT, "it has no graph");
    CN__TRY(read_opset(onnx, file));
    return read_graph(onnx, next_piece(&file, CN__MODEL_GRAPH));
}

static void need(cn__onnx *onnx, int32_t value) {
    if (value < 0)
        return;
    onnx->values[value].needed = true;
    if (onnx->values[value].producer >= 0)
        onnx->nodes[onnx->values[value].producer].needed = true;
}

void cn__onnx_mark_needed(cn__onnx *onnx) {
    for (int32_t i = 0; i < onnx->node_count; i++)
        onnx->nodes[i].needed = false;
    for (int32_t i = 0; i < onnx->value_count; i++)
        onnx->values[i].needed = false;
    for (int32_t i = 0; i < onnx->output_count; i++)
        need(onnx, onnx->outputs[i]);
    for (int32_t i = onnx->node_count - 1; i >= 0; i--)
        for (int32_t k = 0; onnx->nodes[i].needed && k < onnx->nodes[i].input_count; k++)
            need(onnx, onnx->nodes[i].inputs[k]);
}

/* ---- attributes ---- */

bool cn__onnx_op_is(const cn__onnx_node *node, const char *op) {
    return cn__bytes_are(node->op, op);
}

int64_t cn__onnx_int(const cn__onnx_node *node, const char *name, int64_t fallback) {
    cn__onnx_attr attr;
    return cn__onnx_attr_find(node->attributes, name, &attr) ? attr.i : fallback;
}

float cn__onnx_float(const cn__onnx_node *node, const char *name, float fallback) {
    cn__onnx_attr attr;
    return cn__onnx_attr_find(node->attributes, name, &attr) ? attr.f : fallback;
}

cn__bytes cn__onnx_string(const cn__onnx_node *node, const char *name, const char *fallback) {
    cn__onnx_attr attr;
    if (cn__onnx_attr_find(node->attributes, name, &attr) && attr.s.at)
        return attr.s;
    return (cn__bytes){(const unsigned char *)fallback, strlen(fallback)};
}

bool cn__onnx_string_is(const cn__onnx_node *node, const char *name, const char *fallback, const char *text) {
    return cn__bytes_are(cn__onnx_string(node, name, fallback), text);
}

cn_status cn__onnx_ints(const cn__onnx_node *node, const char *name, int64_t to[CN_MAX_DIMS], int *count) {
    cn__onnx_attr attr;
    *count = 0;
    if (!cn__onnx_attr_find(node->attributes, name, &attr))
        return CN_OK;
    *count = cn__onnx_attr_ints(&attr, to, CN_MAX_DIMS);
    if (*count < 0)
        return cn__error(CN_ERR_FORMAT, "its %s are more than %d numbers, or damaged", name, CN_MAX_DIMS);
    return CN_OK;
}

cn_status cn__onnx_list(cn__onnx *onnx, const cn__onnx_node *node, const char *name, int input, int64_t to[CN_MAX_DIMS],
                        int *count) {
    int32_t value = cn__onnx_input(node, input);
    if (value < 0)
        return cn__onnx_ints(node, name, to, count);
    const cn__onnx_constant *list = cn__onnx_constant_of(onnx, value);
    if (!list)
        return cn__error(CN_ERR_UNSUPPORTED, "its %s are not known beforehand", name);
    if (list->count > CN_MAX_DIMS)
        return cn__error(CN_ERR_FORMAT, "its %s are more than %d numbers", name, CN_MAX_DIMS);
    for (int64_t i = 0; i < list->count; i++) {
        if (!(fabs(list->numbers[i]) <= 0x1p63))
            return cn__error(CN_ERR_UNSUPPORTED, "its %s depend on the number of images", name);
        to[i] = list->numbers[i] >= 0x1p63 ? INT64_MAX : (int64_t)list->numbers[i];
    }
    *count = (int)list->count;
    return CN_OK;
}

cn_status cn__onnx_axis_of(int64_t axis, int dims, int *out) {
    if (axis < -dims || axis >= dims)
        return cn__error(CN_ERR_FORMAT, "its axis %lld is none of %d", (long long)axis, dims);
    *out = (int)(axis < 0 ? axis + dims : axis);
    return CN_OK;
}
