/* SPDX-License-Identifier: MIT */
/* onnx_run.c: runs conformance cases of ONNX (`make check-onnx`) and single files.
 *
 *   onnx_run cases FOLDER…                a line for each case: operator, passed, out of scope or failed, why
 *   onnx_run file MODEL INPUT OUTPUT      a model on raw float32 numbers
 *   onnx_run train MODEL INPUT OUTPUT RATE    the same in three steps of SGD on cross-entropy, where image i is of class i;
 *                                         what comes out in each, before its step
 *
 * A case is a folder with model.onnx and test_data_set_0/input_I.pb and output_I.pb, tensors in ONNX's own message, which
 * the importer's reader reads. Where they do not go in as images, inputs after the first are bound as constants, as weights
 * and options of files are. */
#include "onnx/importer.h"
#include <convnet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_ENDS 16

typedef struct array {
    int dims;
    int64_t shape[CN_MAX_DIMS], count;
    int64_t type;
    float *values;
} array;

static unsigned char *read_file(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    unsigned char *data = malloc(*bytes + 1);
    if (data && fread(data, 1, *bytes, file) != *bytes) {
        free(data);
        data = NULL;
    }
    fclose(file);
    return data;
}

/* False: there is no such file, or it holds something else than numbers. */
static bool read_array(const char *folder, const char *kind, int index, array *a) {
    char path[4096];
    size_t bytes;
    cn__onnx_tensor tensor;
    snprintf(path, sizeof path, "%s/test_data_set_0/%s_%d.pb", folder, kind, index);
    unsigned char *data = read_file(path, &bytes);
    if (!data)
        return false;
    *a = (array){0};
    if (cn__onnx_tensor_read((cn__bytes){data, bytes}, &tensor) == CN_OK && cn__onnx_type_bytes(tensor.type)) {
        a->dims = tensor.dims;
        a->count = tensor.count;
        a->type = tensor.type;
        memcpy(a->shape, tensor.shape, sizeof a->shape);
        a->values = malloc(((size_t)a->count + 1) * sizeof *a->values);
        if (a->values &&
            cn__onnx_tensor_floats(&tensor, tensor.raw.at ? tensor.raw : tensor.message, a->values) != CN_OK)
            a->type = 0;
    }
    free(data);
    return true;
}

static int read_arrays(const char *folder, const char *kind, array arrays[MAX_ENDS]) {
    int count = 0;
    while (count < MAX_ENDS && read_array(folder, kind, count, &arrays[count]))
        count++;
    return count;
}

static void free_arrays(array *arrays, int count) {
    for (int i = 0; i < count; i++)
        free(arrays[i].values);
}

/* ---- running ---- */

static cn_status tensor_of(cn_context *ctx, const array *a, const int64_t sides[3], cn_tensor **tensor) {
    const int64_t shape[4] = {a->dims ? a->shape[0] : 1, sides[0], sides[1], sides[2]};
    if (shape[0] * shape[1] * shape[2] * shape[3] != a->count)
        return CN_ERR_SHAPE;
    return cn_tensor_borrow(ctx, CN_DTYPE_FLOAT32, 4, shape, a->values, tensor);
}

static cn_status run(cn_context *ctx, cn_model *model, const array *in, int ins, const array *out, int outs) {
    cn_tensor *inputs[MAX_ENDS] = {NULL}, *outputs[MAX_ENDS] = {NULL};
    int64_t sides[3];
    cn_status status = CN_OK;
    for (int i = 0; i < ins && status == CN_OK; i++) {
        cn_model_input_shape_at(model, i, sides);
        status = tensor_of(ctx, &in[i], sides, &inputs[i]);
    }
    for (int i = 0; i < outs && status == CN_OK; i++) {
        cn_model_output_shape_at(model, i, sides);
        status = tensor_of(ctx, &out[i], sides, &outputs[i]);
    }
    if (status == CN_OK)
        status = cn_model_forward_all(model, 0, ins, (const cn_tensor *const *)inputs, outs, outputs);
    for (int i = 0; i < MAX_ENDS; i++) {
        cn_tensor_free(inputs[i]);
        cn_tensor_free(outputs[i]);
    }
    return status;
}

/* As ONNX's own runner compares. */
static bool is_near(const array *given, const array *wanted) {
    for (int64_t i = 0; i < wanted->count; i++)
        if (!(fabsf(given->values[i] - wanted->values[i]) <= 1e-5f + 1e-3f * fabsf(wanted->values[i])) &&
            !(isnan(given->values[i]) && isnan(wanted->values[i])))
            return false;
    return true;
}

/* Inputs and outputs of a model that are not floats, or more or fewer than it has, cannot be images. */
static const char *judge(cn_context *ctx, cn_model *model, const char *folder) {
    array in[MAX_ENDS], wanted[MAX_ENDS], given[MAX_ENDS];
    int ins = read_arrays(folder, "input", in), outs = read_arrays(folder, "output", wanted);
    const char *verdict = "passed";
    if (ins < cn_model_input_count(model) || outs != cn_model_output_count(model))
        verdict = "out of scope\tinputs or outputs are no images";
    for (int i = 0; i < ins + outs; i++)
        if ((i < ins ? in[i] : wanted[i - ins]).type == 0)
            verdict = "out of scope\tnumbers that float32 cannot hold";
    memcpy(given, wanted, sizeof given);
    for (int i = 0; i < outs; i++)
        given[i].values = calloc((size_t)wanted[i].count + 1, sizeof(float));
    cn_status status = verdict[0] == 'p' ? run(ctx, model, in, (int)cn_model_input_count(model), given, outs) : CN_OK;
    if (status != CN_OK)
        verdict = status == CN_ERR_SHAPE ? "failed\tother shapes" : "failed\tit does not run";
    for (int i = 0; i < outs && verdict[0] == 'p'; i++)
        if (!is_near(&given[i], &wanted[i]))
            verdict = "failed\tother numbers";
    free_arrays(in, ins);
    free_arrays(wanted, outs);
    free_arrays(given, outs);
    return verdict;
}

/* ---- cases that give weights and options as inputs ---- */

typedef struct message {
    unsigned char *data;
    size_t count;
} message;

static void append(message *m, const void *data, size_t count) {
    m->data = realloc(m->data, m->count + count + 16);
    if (!m->data)
        abort();
    memcpy(m->data + m->count, data, count);
    m->count += count;
}

/* A field of bytes: key, length, content. */
static void append_field(message *m, uint32_t number, const void *data, size_t count) {
    unsigned char head[12];
    size_t used = 0;
    head[used++] = (unsigned char)(number << 3 | CN__WIRE_BYTES);
    for (size_t rest = count; used < sizeof head; rest >>= 7) {
        head[used++] = (unsigned char)(rest > 127 ? rest % 128 + 128 : rest);
        if (rest <= 127)
            break;
    }
    append(m, head, used);
    append(m, data, count);
}

static bool has_tensor(cn__bytes graph, cn__bytes name) {
    cn__field field;
    cn__onnx_tensor tensor;
    while (cn__wire_next(&graph, &field))
        if (field.number == CN__GRAPH_TENSOR && cn__onnx_tensor_read(field.bytes, &tensor) == CN_OK &&
            cn__bytes_equal(tensor.name, name))
            return true;
    return false;
}

/* The graph with its inputs from the second on as initialisers, of the numbers that the case gives them. */
static message bind_inputs(cn__bytes graph, const char *folder) {
    message bound = {0};
    cn__bytes rest = graph;
    cn__field field;
    int index = 0;
    append(&bound, graph.at, graph.count);
    while (cn__wire_next(&rest, &field)) {
        char path[4096];
        cn__onnx_info info;
        size_t bytes;
        if (field.number != CN__GRAPH_INPUT || cn__onnx_info_read(field.bytes, &info) != CN_OK || index++ == 0 ||
            has_tensor(graph, info.name))
            continue;
        snprintf(path, sizeof path, "%s/test_data_set_0/input_%d.pb", folder, index - 1);
        message tensor = {0};
        tensor.data = read_file(path, &bytes);
        tensor.count = tensor.data ? bytes : 0;
        append_field(&tensor, CN__TENSOR_NAME, info.name.at, info.name.count);
        append_field(&bound, CN__GRAPH_TENSOR, tensor.data, tensor.count);
        free(tensor.data);
    }
    return bound;
}

static cn_status load_bound(cn_context *ctx, const char *path, const char *folder, cn_model **model) {
    message whole = {0};
    size_t bytes;
    unsigned char *data = read_file(path, &bytes);
    cn__bytes file = {data, data ? bytes : 0};
    cn__field field;
    const unsigned char *begin = file.at;
    while (cn__wire_next(&file, &field)) {
        if (field.number == CN__MODEL_GRAPH && field.type == CN__WIRE_BYTES) {
            message graph = bind_inputs(field.bytes, folder);
            append_field(&whole, CN__MODEL_GRAPH, graph.data, graph.count);
            free(graph.data);
        } else {
            append(&whole, begin, (size_t)(file.at - begin));
        }
        begin = file.at;
    }
    cn_status status = cn_model_load_memory(ctx, whole.data, whole.count, model);
    free(whole.data);
    free(data);
    return status;
}

static void run_case(cn_context *ctx, const char *folder) {
    char path[4096];
    cn_model *model;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    cn_status status = cn_model_load(ctx, path, &model);
    if (status == CN_ERR_UNSUPPORTED)
        status = load_bound(ctx, path, folder, &model);
    if (status == CN_OK)
        printf("%s\t%s\n", folder, judge(ctx, model, folder));
    else
        printf("%s\t%s\t%s\n", folder, status == CN_ERR_UNSUPPORTED ? "out of scope" : "failed", cn_last_error());
    cn_model_free(model);
}

/* ---- a single file ---- */

/* What has come out becomes the gradient of the mean cross-entropy by it. */
static void to_gradient(array *logits) {
    int64_t images = logits->shape[0], classes = logits->count / images;
    for (int64_t i = 0; i < images; i++) {
        float *row = logits->values + i * classes, largest = row[0];
        double sum = 0.0;
        for (int64_t c = 0; c < classes; c++)
            largest = fmaxf(largest, row[c]);
        for (int64_t c = 0; c < classes; c++)
            sum += exp((double)(row[c] - largest));
        for (int64_t c = 0; c < classes; c++)
            row[c] = (float)((exp((double)(row[c] - largest)) / sum - (c == i)) / (double)images);
    }
}

static cn_status descend(cn_model *model, float rate) {
    for (int64_t t = 0; t < cn_model_tensor_count(model); t++) {
        const char *name = cn_model_tensor_name(model, t);
        cn_tensor *value, *gradient;
        if (cn_model_gradient(model, name, &gradient) != CN_OK)
            continue;
        CN__TRY(cn_model_tensor(model, name, &value));
        for (int64_t i = 0; i < cn_tensor_count(value); i++)
            ((float *)cn_tensor_data(value))[i] -= rate * ((float *)cn_tensor_data(gradient))[i];
    }
    return CN_OK;
}

enum { STEPS = 3 };

/* One after the other into `b`, which has room for the outputs of all steps. */
static cn_status train(cn_context *ctx, cn_model *model, float rate, const array *a, array *b) {
    const int64_t images = a->shape[0], count = b->count / STEPS;
    int64_t in[4] = {images, 0, 0, 0}, out[4] = {images, 0, 0, 0};
    cn_tensor *input, *output, *gradient;
    cn_model_input_shape(model, in + 1);
    cn_model_output_shape(model, out + 1);
    CN__TRY(cn_tensor_borrow(ctx, CN_DTYPE_FLOAT32, 4, in, a->values, &input));
    CN__TRY(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, out, &gradient));
    for (int step = 0; step < STEPS; step++) {
        array logits = *b;
        CN__TRY(cn_tensor_borrow(ctx, CN_DTYPE_FLOAT32, 4, out, b->values + step * count, &output));
        CN__TRY(cn_model_forward(model, 1, input, output));
        logits.values = cn_tensor_data(gradient);
        logits.count = count;
        memcpy(logits.values, cn_tensor_data(output), (size_t)count * sizeof(float));
        to_gradient(&logits);
        CN__TRY(cn_model_backward(model, gradient, NULL));
        CN__TRY(descend(model, rate));
        cn_tensor_free(output);
    }
    cn_tensor_free(input);
    cn_tensor_free(gradient);
    return CN_OK;
}

/* `rate` NULL: it does not train. */
static int run_file(cn_context *ctx, const char *path, const char *input, const char *output, const char *rate) {
    int64_t in[3], out[3];
    size_t bytes;
    cn_model *model;
    if (cn_model_load(ctx, path, &model) != CN_OK) {
        printf("%s\n", cn_last_error());
        return 1;
    }
    cn_model_input_shape(model, in);
    cn_model_output_shape(model, out);
    array a = {.values = (float *)(void *)read_file(input, &bytes)}, b = {0};
    int64_t images = (int64_t)(bytes / sizeof(float)) / (in[0] * in[1] * in[2]);
    a.dims = b.dims = 1;
    a.shape[0] = b.shape[0] = images;
    a.count = images * in[0] * in[1] * in[2];
    b.count = (rate ? STEPS : 1) * images * out[0] * out[1] * out[2];
    b.values = calloc((size_t)b.count, sizeof(float));
    cn_status status = rate ? train(ctx, model, strtof(rate, NULL), &a, &b) : run(ctx, model, &a, 1, &b, 1);
    FILE *file = fopen(output, "wb");
    if (status != CN_OK || !file || fwrite(b.values, sizeof(float), (size_t)b.count, file) != (size_t)b.count)
        status = CN_ERR_IO;
    if (file)
        fclose(file);
    printf("%s\n", status == CN_OK ? "done" : cn_last_error());
    cn_model_free(model);
    free(a.values);
    free(b.values);
    return status != CN_OK;
}

int main(int argc, char **argv) {
    cn_context *ctx;
    int failed = 0;
    if (argc < 3 || cn_context_new(NULL, &ctx) != CN_OK)
        return 2;
    if ((strcmp(argv[1], "file") == 0 && argc == 5) || (strcmp(argv[1], "train") == 0 && argc == 6))
        failed = run_file(ctx, argv[2], argv[3], argv[4], argc == 6 ? argv[5] : NULL);
    else
        for (int i = 2; i < argc; i++)
            run_case(ctx, argv[i]);
    cn_context_free(ctx);
    return failed;
}
