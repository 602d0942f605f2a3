/* SPDX-License-Identifier: MIT */
/* save.c: a model as an ONNX file: nodes layer by layer, then all in the bytes that the file has. */
#include "onnx/onnx.h"
#include "onnx/exporter.h"
#include "base/values.h"
#include <stdio.h>

#define FIRST_OPSET  13
#define BATCH        "N" /* what the number of images is called */
#define PIXEL_LEVELS 255.0f

/* ---- layers ---- */

static const struct {
    const char *type;
    cn__export_writer *write;
} writers[] = {
#define WRITER(Type, writer) {#Type, cn__export_##writer},
#include "onnx/writers.def"
};

static cn__export_writer *writer_of(const cn_layer *layer) {
    for (size_t i = 0; i < CN__COUNT(writers); i++)
        if (strcmp(layer->type->name, writers[i].type) == 0)
            return writers[i].write;
    return NULL;
}

static cn_status write_layer(cn__export *x, int32_t index) {
    const cn__node *node = &x->model->nodes[index];
    cn__export_writer *write = writer_of(node->layer);
    x->at = index;
    x->pieces = 0;
    if (cn__node_is_input(node))
        x->layers[index + 1].own = cn__export_named(x, node->name, 4);
    else if (write)
        x->layers[index + 1].own = write(x);
    else
        return cn__error(CN_ERR_UNSUPPORTED, "layer '%s' is of type %s, for which ONNX has no operator", node->name,
                         node->layer->type->name);
    return x->status;
}

/* (pixel - 255 mean) / (255 std). */
static cn_status write_preprocessing(cn__export *x) {
    const cn_model *model = x->model;
    const int64_t shape[3] = {model->input.channels, 1, 1};
    cn__exported_layer *input = &x->layers[0];
    float *numbers = cn__alloc(x->ctx, (size_t)shape[0], sizeof *numbers);
    if (!numbers)
        return cn__no_memory("a normalisation");
    for (int32_t c = 0; c < model->input.channels; c++)
        numbers[c] = PIXEL_LEVELS * model->mean[c];
    cn__exported mean = cn__export_numbers(x, 3, shape, numbers);
    for (int32_t c = 0; c < model->input.channels; c++)
        numbers[c] = PIXEL_LEVELS * model->std[c];
    cn__exported std = cn__export_numbers(x, 3, shape, numbers);
    cn__free(x->ctx, numbers);
    input->own = cn__export_binary(x, "Sub", input->own, mean, CN__EXPORT_PIECE);
    input->own = cn__export_binary(x, "Div", input->own, std, CN__EXPORT_PIECE);
    return x->status;
}

static cn_status write_layers(cn__export *x, bool preprocessing) {
    x->at = -1;
    x->layers[0].own = cn__export_named(x, cn__model_name(x->model, -1), 4);
    if (preprocessing)
        CN__TRY(write_preprocessing(x));
    for (int32_t i = 0; i < (int32_t)x->model->node_count; i++)
        CN__TRY(write_layer(x, i));
    return CN_OK;
}

/* ---- inputs and outputs ---- */

static void put_dim(cn__message *shape, int64_t size) {
    cn__message dim = {.ctx = shape->ctx};
    if (size > 0)
        cn__message_int(&dim, CN__DIM_VALUE, size);
    else
        cn__message_text(&dim, CN__DIM_NAME, BATCH);
    cn__message_put(shape, CN__SHAPE_DIM, &dim);
    cn__message_drop(&dim);
}

static void put_info(cn__message *graph, uint32_t field, const char *name, int dims, cn__shape sides) {
    const int64_t sizes[4] = {0, sides.channels, sides.height, sides.width};
    cn__message shape = {.ctx = graph->ctx}, tensor = {.ctx = graph->ctx}, type = {.ctx = graph->ctx};
    cn__message info = {.ctx = graph->ctx};
    for (int i = 0; i < dims; i++)
        put_dim(&shape, sizes[i]);
    cn__message_int(&tensor, CN__TYPE_ELEMENT, CN__ONNX_FLOAT);
    cn__message_put(&tensor, CN__TYPE_SHAPE, &shape);
    cn__message_put(&type, CN__TYPE_TENSOR, &tensor);
    cn__message_text(&info, CN__INFO_NAME, name);
    cn__message_put(&info, CN__INFO_TYPE, &type);
    cn__message_put(graph, field, &info);
    cn__message_drop(&shape);
    cn__message_drop(&tensor);
    cn__message_drop(&type);
    cn__message_drop(&info);
}

static void put_ends(cn__export *x, cn__message *graph) {
    const cn_model *model = x->model;
    for (int32_t i = 0; i < cn__model_input_count(model); i++) {
        int32_t node = cn__model_input_node(model, i);
        put_info(graph, CN__GRAPH_INPUT, cn__model_name(model, node), 4, cn__model_shape(model, node));
    }
    for (int32_t i = 0; i < cn__model_output_count(model); i++) {
        int32_t node = cn__model_output_node(model, i);
        cn__exported value = x->layers[node + 1].own;
        put_info(graph, CN__GRAPH_OUTPUT, cn__export_name(x, value), value.dims, cn__model_shape(model, node));
    }
}

/* ---- the file ---- */

/* What stands before the graph, and behind it. */
static void put_head(cn__message *head, int opset) {
    cn__message_int(head, CN__MODEL_IR_VERSION, opset < 15 ? 7 : 8); /* those that came with the opsets */
    cn__message_text(head, CN__MODEL_PRODUCER_NAME, "libconvnet");
    cn__message_text(head, CN__MODEL_PRODUCER_VERSION, cn_version_string());
}

static void put_tail(cn__message *tail, int opset, const cn__onnx_metadata *metadata, size_t count) {
    cn__message part = {.ctx = tail->ctx};
    cn__message_text(&part, CN__OPSET_DOMAIN, "");
    cn__message_int(&part, CN__OPSET_VERSION, opset);
    cn__message_put(tail, CN__MODEL_OPSET, &part);
    for (size_t i = 0; i < count; i++) {
        cn__message_text(&part, CN__ENTRY_KEY, metadata[i].key);
        cn__message_text(&part, CN__ENTRY_VALUE, metadata[i].value);
        cn__message_put(tail, CN__MODEL_METADATA, &part);
    }
    cn__message_drop(&part);
}

/* Bytes of all tensors in the graph. */
static size_t tensor_bytes(const cn__export *x) {
    size_t bytes = 0;
    for (size_t i = 0; i < x->tensor_count; i++)
        bytes += x->tensors[i].head_bytes + (size_t)x->tensors[i].numbers->count * sizeof(float);
    return bytes;
}

static unsigned char *store(unsigned char *to, const void *from, size_t count) {
    if (count)
        memcpy(to, from, count);
    return to + count;
}

/* The graph's nodes, its tensors, and what `ends` has. */
static cn_status assemble(cn__export *x, cn__message *head, const cn__message *ends, const cn__message *tail,
                          cn_tensor **file) {
    size_t tensors = tensor_bytes(x), graph = x->nodes.count + tensors + ends->count;
    cn__message_head(head, CN__MODEL_GRAPH, graph);
    if (head->failed || x->nodes.failed || x->names.failed || x->heads.failed || ends->failed || tail->failed)
        return cn__no_memory("an ONNX file");
    if (graph > CN__ONNX_MAX_FILE - head->count - tail->count)
        return cn__error(CN_ERR_UNSUPPORTED, "the model is larger than the 2 GiB of an ONNX file");
    const int64_t bytes = (int64_t)(head->count + graph + tail->count);
    CN__TRY(cn_tensor_new(x->ctx, CN_DTYPE_UINT8, 1, &bytes, file));
    unsigned char *to = store((*file)->data, head->data, head->count);
    to = store(to, x->nodes.data, x->nodes.count);
    for (size_t i = 0; i < x->tensor_count; i++) {
        const cn__exported_tensor *tensor = &x->tensors[i];
        to = store(to, x->heads.data + tensor->head, tensor->head_bytes);
        cn__numbers_store(tensor->numbers->data, sizeof(float), (size_t)tensor->numbers->count, to);
        to += (size_t)tensor->numbers->count * sizeof(float);
    }
    to = store(to, ends->data, ends->count);
    store(to, tail->data, tail->count);
    return CN_OK;
}

static cn_status write_file(cn__export *x, const cn__onnx_metadata *metadata, size_t count, cn_tensor **file) {
    cn__message head = {.ctx = x->ctx}, ends = {.ctx = x->ctx}, tail = {.ctx = x->ctx};
    put_head(&head, x->opset);
    cn__message_text(&ends, CN__GRAPH_NAME, "convnet");
    put_ends(x, &ends);
    put_tail(&tail, x->opset, metadata, count);
    cn_status status = assemble(x, &head, &ends, &tail, file);
    cn__message_drop(&head);
    cn__message_drop(&ends);
    cn__message_drop(&tail);
    return status;
}

static void drop(cn__export *x) {
    cn__message *const messages[] = {&x->nodes, &x->names, &x->heads, &x->inputs, &x->attributes, &x->part};
    for (size_t i = 0; i < CN__COUNT(messages); i++)
        cn__message_drop(messages[i]);
    cn__free(x->ctx, x->layers);
    cn__free(x->ctx, x->tensors);
}

cn_status cn__onnx_save(const cn_model *model, bool preprocessing, const cn__onnx_metadata *metadata, size_t count,
                        cn_tensor **file) {
    cn__export x = {.ctx = model->ctx, .model = model, .opset = FIRST_OPSET};
    cn__message *const messages[] = {&x.nodes, &x.names, &x.heads, &x.inputs, &x.attributes, &x.part};
    for (size_t i = 0; i < CN__COUNT(messages); i++)
        messages[i]->ctx = model->ctx;
    *file = NULL;
    x.layers = cn__alloc(model->ctx, model->node_count + 1, sizeof *x.layers);
    cn_status status = x.layers ? write_layers(&x, preprocessing) : cn__no_memory("an ONNX file");
    if (status == CN_OK)
        status = write_file(&x, metadata, count, file);
    drop(&x);
    return status;
}
