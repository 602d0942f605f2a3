/* SPDX-License-Identifier: MIT */
/* summary.c: convnet-summary, which shows a network's layers, sizes, work and receptive field.
 *
 * Introduces the tables of a model; needs no data.
 */
#include "common/training_memory.h"
#include <math.h>
#include <string.h>

static network_spec network = NETWORK_SPEC_INIT;
static int64_t train_batch;
static int self_test;

static argument arguments[] = {
    NETWORK_ARGUMENTS(network),
    INTEGER("classes", &network.classes, 1, 65536, "outputs of session8 or a network of the literature"),
    SIZE_ARGUMENT(network),
    INTEGER("train-batch", &train_batch, 1, 65536,
            "show, too, what memory training by batches of so many images takes, also where each is accumulated from "
            "smaller ones"),
    HEADING("Files"),
    FLAG("self-test", &self_test, 1, "run the self-test in a model file, and fail if outputs differ by more than 1e-4"),
    OUTPUT_ARGUMENTS,
    END_OF_ARGUMENTS,
};

static const json_member members[] = {
    {".program, .version", "what wrote it"},
    {".model", "as it was named"},
    {".parameters", "how many"},
    {".multiply_adds", "of one image"},
    {".input, .output", "channels, height, width"},
    {".classes[]", "names, if it has some"},
    {".layers[].name, .type", "PyTorch's"},
    {".layers[].input, .output", "channels, height, width"},
    {".layers[].parameters, .multiply_adds, .activation_bytes", "numbers"},
    {".layers[].receptive_field",
     "of convolutions and pools: .kernel, .stride, .padding, .field (pixels of the image that "
     "an output depends on) and .jump (pixels between outputs), each by height and width"},
    {".self_test", "of files that have one: .input (uint8 or float32), and with --self-test .difference, as a share of "
                   "the largest output"},
    {".training[]", "with --train-batch: each with .batch, .accumulate and .bytes"},
    {NULL, NULL},
};

static const program_spec summary_program = {
    .name = "convnet-summary",
    .about = "Shows what a network consists of: each layer with its shapes, parameters, multiply-adds and activation "
             "memory, and how its receptive field grows. MODEL is " NETWORK_HELP ".",
    .operand = "MODEL",
    .networks = cn_zoo_name,
    .arguments = arguments,
    .json = members,
    .notes = "Examples:\n"
             "  convnet-summary session8 --norm group --groups 4\n"
             "  convnet-summary mnist3\n"
             "  convnet-summary resnet18 --size 64x64 --classes 20\n"
             "  convnet-summary resnet50 --train-batch 256\n"
             "  convnet-summary session8.safetensors\n"
             "  convnet-summary pretrained\n"
             "\n"
             "Exit codes: 0 shown; 1 something failed; 2 a mistake on the command line.\n",
};

/* Whether it passes, too, if that was asked for. */
static bool say_self_test(const cn_model *model) {
    const cn_tensor *input = cn_model_self_test_input(model, 0);
    double off;
    if (input)
        printf("\nSelf-test: in the file, of %s\n", cn_tensor_dtype(input) == CN_DTYPE_UINT8 ? "pixels" : "floats");
    if (!self_test)
        return true;
    if (cn_model_self_test(model, 1e-4, &off) != CN_OK) {
        complain_library("self-test failed");
        return false;
    }
    printf("Passed: off by %.2g of the largest output\n", off);
    return true;
}

static void print_classes(const cn_model *model) {
    for (int64_t k = 0; cn_model_class_name(model, k); k++)
        printf("%s%s", k ? ", " : "\nClasses: ", shown(cn_model_class_name(model, k)));
    if (cn_model_class_name(model, 0))
        putchar('\n');
}

/* Names of layers are whoever's the file is. A text may be longer than shown_lines takes. */
static void print_lines(const char *text) {
    char line[1024];
    for (; *text; text += strlen(line)) {
        size_t length = strcspn(text, "\n");
        length += text[length] == '\n';
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        fputs(shown_lines(line), stdout);
    }
}

static int show(cn_context *context, const cn_model *model) {
    char *summary = NULL, *field = NULL;
    int code = EXIT_FAILURE;
    if (cn_model_summary(model, &summary) != CN_OK || cn_model_receptive_field(model, &field) != CN_OK) {
        complain_library("cannot describe the network");
    } else {
        print_lines(summary), putchar('\n'), print_lines(field);
        print_classes(model);
        bool good = train_batch == 0 || memory_print(context, model, (int)train_batch);
        code = good && say_self_test(model) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    cn_text_free(field);
    cn_text_free(summary);
    return code;
}

/* ---- as JSON ---- */

static void write_pair(const char *name, const int64_t pair[2]) {
    json_row(name);
    json_integer(NULL, pair[0]);
    json_integer(NULL, pair[1]);
    json_end();
}

static void write_shape(const char *name, const int64_t shape[3]) {
    json_row(name);
    for (int i = 0; i < 3; i++)
        json_integer(NULL, shape[i]);
    json_end();
}

static void write_receptive_field(const cn_layer_info *info) {
    if (!info->has_receptive_field) {
        json_text("receptive_field", NULL);
        return;
    }
    json_object("receptive_field");
    write_pair("kernel", info->kernel);
    write_pair("stride", info->stride);
    write_pair("padding", info->padding);
    write_pair("field", info->rf_out);
    write_pair("jump", info->jump_out);
    json_end();
}

static void write_layers(const cn_model *model) {
    json_array("layers");
    for (int64_t i = 0; i < cn_model_layer_count(model); i++) {
        cn_layer_info info = CN_LAYER_INFO_INIT;
        if (cn_model_layer_info(model, i, &info) != CN_OK)
            break;
        json_object(NULL);
        json_text("name", info.name);
        json_text("type", info.type);
        write_shape("input", info.input);
        write_shape("output", info.output);
        json_integer("parameters", info.parameters);
        json_integer("multiply_adds", info.multiply_adds);
        json_integer("activation_bytes", info.activation_bytes);
        write_receptive_field(&info);
        json_end();
    }
    json_end();
}

static int64_t multiply_adds(const cn_model *model) {
    int64_t sum = 0;
    for (int64_t i = 0; i < cn_model_layer_count(model); i++) {
        cn_layer_info info = CN_LAYER_INFO_INIT;
        if (cn_model_layer_info(model, i, &info) == CN_OK)
            sum += info.multiply_adds;
    }
    return sum;
}

/* `difference`: of the self-test that was run; NaN: it was not. */
static void write_self_test(const cn_model *model, double difference) {
    const cn_tensor *input = cn_model_self_test_input(model, 0);
    if (!input) {
        json_text("self_test", NULL);
        return;
    }
    json_object("self_test");
    json_text("input", cn_tensor_dtype(input) == CN_DTYPE_UINT8 ? "uint8" : "float32");
    json_number("difference", difference);
    json_end();
}

static int write_network(cn_context *context, const cn_model *model) {
    int64_t input[3], output[3];
    bool good = true;
    double difference = NAN;
    if (self_test && cn_model_self_test(model, 1e-4, &difference) != CN_OK) {
        complain_library("self-test failed");
        return EXIT_FAILURE;
    }
    cn_model_input_shape(model, input);
    cn_model_output_shape(model, output);
    json_begin();
    json_text("model", network.name);
    json_integer("parameters", cn_model_parameter_count(model));
    json_integer("multiply_adds", multiply_adds(model));
    write_shape("input", input);
    write_shape("output", output);
    json_array("classes");
    for (int64_t k = 0; cn_model_class_name(model, k); k++)
        json_text(NULL, cn_model_class_name(model, k));
    json_end();
    write_layers(model);
    write_self_test(model, difference);
    if (train_batch > 0)
        good = memory_print(context, model, (int)train_batch);
    json_end();
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    cn_context *context = NULL;
    cn_model *model = NULL;
    int code = EXIT_FAILURE;
    network.name = arguments_read(&summary_program, argc, argv);
    network_check(&network, &summary_program);
    int threads = train_batch > 0 ? 0 : 1; /* each has memory of its own */
    if (program_context(threads, CN_CONV_AUTO, NULL, &context) == CN_OK &&
        network_open(context, &network, &model) == CN_OK)
        code = output_json ? write_network(context, model) : show(context, model);
    cn_model_free(model);
    cn_context_free(context);
    return program_end(code);
}
