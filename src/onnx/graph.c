/* graph.c: the messages of a file as values and nodes that refer to each other by number. */
#include "onnx/importer.h"

/* ---- limits, which bound the memory that a file can ask for ---- */

enum { MAX_NODES = 1 << 16, MAX_TENSORS = 1 << 16, MAX_ENDS = 1024, MAX_EDGES = 4096 };

enum { /* fields of ModelProto, GraphProto, NodeProto, OperatorSetIdProto */
       MODEL_GRAPH = 7,
       MODEL_OPSET = 8,
       GRAPH_NODE = 1,
       GRAPH_TENSOR = 5,
       GRAPH_INPUT = 11,
       GRAPH_OUTPUT = 12,
       NODE_INPUT = 1,
       NODE_OUTPUT = 2,
       NODE_NAME = 3,
       NODE_OP = 4,
       NODE_DOMAIN = 7,
       OPSET_DOMAIN = 1,
       OPSET_VERSION = 2
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
    if (!made)
        return NULL;
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

static size_t hash(cn__bytes name) { /* FNV-1a */
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < name.count; i++)
        h = (h ^ name.at[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

/* Where a name is in the buckets, or would be. */
static int32_t *bucket(const cn__onnx *onnx, cn__bytes name) {
    for (size_t i = hash(name);; i++) {
        int32_t *place = &onnx->buckets[i & (onnx->bucket_count - 1)];
        if (*place == 0 || cn__bytes_equal(onnx->values[*place - 1].name, name))
            return place;
    }
}

int32_t cn__onnx_find(const cn__onnx *onnx, cn__bytes name) {
    return *bucket(onnx, name) - 1;
}

/* CN_ERR_FORMAT: there is one of that name. */
static cn_status new_value(cn__onnx *onnx, cn__bytes name, int32_t producer, int32_t *value) {
    int32_t *place = bucket(onnx, name);
    if (*place != 0)
        return cn__error(CN_ERR_FORMAT, "'%.*s' is made twice", CN__SHOWN(name));
    *value = onnx->value_count++;
    *place = onnx->value_count;
    onnx->values[*value] = (cn__onnx_value){.name = name, .producer = producer, .view = {.layer = CN__ONNX_NO_LAYER}};
    return CN_OK;
}

/* ---- reading ---- */

static cn_status read_opset(cn__onnx *onnx, cn__bytes model) {
    cn__bytes message;
    int32_t count;
    CN__TRY(count_fields(model, MODEL_OPSET, MAX_ENDS, "sets of operators", &count));
    if (count == 0)
        return cn__error(CN_ERR_FORMAT, "it does not say of which opset its operators are");
    onnx->opset = 1;
    for (int32_t i = 0; i < count; i++) {
        cn__bytes domain = {0};
        cn__field field;
        int64_t version = 1;
        message = next_piece(&model, MODEL_OPSET);
        while (cn__wire_next(&message, &field))
            if (field.number == OPSET_DOMAIN && field.type == CN__WIRE_BYTES)
                domain = field.bytes;
            else if (field.number == OPSET_VERSION && field.type == CN__WIRE_VARINT)
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
    int32_t value = -1;
    if (!tensors)
        return cn__no_memory("an ONNX file's tensors");
    for (int32_t i = 0; i < count; i++) {
        CN__TRY(cn__onnx_tensor_read(next_piece(&graph, GRAPH_TENSOR), &tensors[i]));
        CN__TRY(new_value(onnx, tensors[i].name, -1, &value));
        onnx->values[value].tensor = &tensors[i];
        onnx->given += tensors[i].count;
    }
    return CN_OK;
}

/* Those that are no initialisers, which older files list among the inputs too. */
static cn_status read_inputs(cn__onnx *onnx, cn__bytes graph, int32_t count) {
    onnx->inputs = cn__onnx_alloc(onnx, (size_t)count, sizeof *onnx->inputs);
    onnx->input_values = cn__onnx_alloc(onnx, (size_t)count, sizeof *onnx->input_values);
    if (!onnx->inputs || !onnx->input_values)
        return cn__no_memory("an ONNX file's inputs");
    for (int32_t i = 0; i < count; i++) {
        cn__onnx_info info;
        CN__TRY(cn__onnx_info_read(next_piece(&graph, GRAPH_INPUT), &info));
        int32_t known = cn__onnx_find(onnx, info.name);
        if (known >= 0 && onnx->values[known].tensor)
            continue;
        CN__TRY(new_value(onnx, info.name, -1, &onnx->input_values[onnx->input_count]));
        onnx->inputs[onnx->input_count++] = info;
    }
    return CN_OK;
}

static cn_status read_node_fields(cn__bytes message, cn__onnx_node *node) {
    cn__field field;
    *node = (cn__onnx_node){.message = message};
    while (cn__wire_next(&message, &field)) {
        if (field.type != CN__WIRE_BYTES)
            continue;
        if (field.number == NODE_NAME)
            node->name = field.bytes;
        else if (field.number == NODE_OP)
            node->op = field.bytes;
        else if (field.number == NODE_DOMAIN)
            node->foreign = field.bytes.count > 0 && !cn__bytes_are(field.bytes, "ai.onnx");
    }
    return message.at ? CN_OK : cn__error(CN_ERR_FORMAT, "node '%.*s' is damaged", CN__SHOWN(node->name));
}

/* A node reads what stands before it, as the format demands: so no walk along the edges can come round. */
static cn_status read_edges(cn__onnx *onnx, int32_t index) {
    cn__onnx_node *node = &onnx->nodes[index];
    cn__bytes ins = node->message, outs = node->message;
    CN__TRY(count_fields(ins, NODE_INPUT, MAX_EDGES, "inputs of a node", &node->input_count));
    CN__TRY(count_fields(outs, NODE_OUTPUT, MAX_EDGES, "outputs of a node", &node->output_count));
    node->inputs = cn__onnx_alloc(onnx, (size_t)node->input_count, sizeof *node->inputs);
    node->outputs = cn__onnx_alloc(onnx, (size_t)node->output_count, sizeof *node->outputs);
    if (!node->inputs || !node->outputs)
        return cn__no_memory("an ONNX file's nodes");
    for (int32_t i = 0; i < node->input_count; i++) {
        cn__bytes name = next_piece(&ins, NODE_INPUT);
        node->inputs[i] = name.count ? cn__onnx_find(onnx, name) : -1;
        if (name.count && node->inputs[i] < 0)
            return cn__error(CN_ERR_FORMAT,
                             "%.*s '%.*s' reads '%.*s', which nothing before it makes: it is missing, or the nodes go "
                             "round in a circle",
                             CN__SHOWN(node->op), CN__SHOWN(node->name), CN__SHOWN(name));
    }
    for (int32_t i = 0; i < node->output_count; i++) {
        cn__bytes name = next_piece(&outs, NODE_OUTPUT);
        node->outputs[i] = -1;
        if (name.count)
            CN__TRY(new_value(onnx, name, index, &node->outputs[i]));
    }
    return CN_OK;
}

static cn_status read_nodes(cn__onnx *onnx, cn__bytes graph) {
    for (int32_t i = 0; i < onnx->node_count; i++) {
        CN__TRY(read_node_fields(next_piece(&graph, GRAPH_NODE), &onnx->nodes[i]));
        CN__TRY(read_edges(onnx, i));
    }
    return CN_OK;
}

static cn_status read_outputs(cn__onnx *onnx, cn__bytes graph, int32_t count) {
    onnx->outputs = cn__onnx_alloc(onnx, (size_t)count, sizeof *onnx->outputs);
    if (!onnx->outputs)
        return cn__no_memory("an ONNX file's outputs");
    for (int32_t i = 0; i < count; i++) {
        cn__onnx_info info;
        CN__TRY(cn__onnx_info_read(next_piece(&graph, GRAPH_OUTPUT), &info));
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
        count += field.number == GRAPH_TENSOR || field.number == GRAPH_INPUT;
        if (field.number == GRAPH_NODE)
            while (cn__wire_next(&field.bytes, &part))
                count += part.number == NODE_OUTPUT && part.type == CN__WIRE_BYTES;
    }
    return count;
}

static cn_status make_tables(cn__onnx *onnx, cn__bytes graph) {
    int32_t count = count_values(graph); /* of at least two bytes each, in a file of less than 2 GiB */
    if (count > MAX_NODES * 16)
        return cn__error(CN_ERR_UNSUPPORTED, "it has more than %d values", MAX_NODES * 16);
    onnx->bucket_count = 16;
    while (onnx->bucket_count < 2 * (size_t)count)
        onnx->bucket_count *= 2;
    onnx->nodes = cn__onnx_alloc(onnx, (size_t)onnx->node_count, sizeof *onnx->nodes);
    onnx->values = cn__onnx_alloc(onnx, (size_t)count, sizeof *onnx->values);
    onnx->buckets = cn__onnx_alloc(onnx, onnx->bucket_count, sizeof *onnx->buckets);
    return onnx->nodes && onnx->values && onnx->buckets ? CN_OK : cn__no_memory("an ONNX file's graph");
}

static cn_status read_graph(cn__onnx *onnx, cn__bytes graph) {
    int32_t tensors, inputs, outputs;
    CN__TRY(count_fields(graph, GRAPH_NODE, MAX_NODES, "nodes", &onnx->node_count));
    CN__TRY(count_fields(graph, GRAPH_TENSOR, MAX_TENSORS, "tensors", &tensors));
    CN__TRY(count_fields(graph, GRAPH_INPUT, MAX_TENSORS + MAX_ENDS, "inputs", &inputs));
    CN__TRY(count_fields(graph, GRAPH_OUTPUT, MAX_ENDS, "outputs", &outputs));
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
    CN__TRY(count_fields(file, MODEL_GRAPH, 1, "graphs", &graphs));
    if (graphs == 0)
        return cn__error(CN_ERR_FORMAT, "it has no graph");
    CN__TRY(read_opset(onnx, file));
    return read_graph(onnx, next_piece(&file, MODEL_GRAPH));
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
    return cn__onnx_attr_find(node->message, name, &attr) ? attr.i : fallback;
}

float cn__onnx_float(const cn__onnx_node *node, const char *name, float fallback) {
    cn__onnx_attr attr;
    return cn__onnx_attr_find(node->message, name, &attr) ? attr.f : fallback;
}

cn__bytes cn__onnx_string(const cn__onnx_node *node, const char *name, const char *fallback) {
    cn__onnx_attr attr;
    if (cn__onnx_attr_find(node->message, name, &attr) && attr.s.at)
        return attr.s;
    return (cn__bytes){(const unsigned char *)fallback, strlen(fallback)};
}

bool cn__onnx_string_is(const cn__onnx_node *node, const char *name, const char *fallback, const char *text) {
    return cn__bytes_are(cn__onnx_string(node, name, fallback), text);
}

cn_status cn__onnx_ints(const cn__onnx_node *node, const char *name, int64_t to[CN_MAX_DIMS], int *count) {
    cn__onnx_attr attr;
    *count = 0;
    if (!cn__onnx_attr_find(node->message, name, &attr))
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
