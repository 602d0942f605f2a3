/* SPDX-License-Identifier: MIT */
/* summary.c: convnet-summary, which shows a network's layers, sizes, work and receptive field.
 *
 * Introduces the tables of a model; needs no data.
 */
#include "common/training_memory.h"

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
    END_OF_ARGUMENTS,
};

static const program_spec summary_program = {
    .name = "convnet-summary",
    .about = "Shows what a network consists of: each layer with its shapes, parameters, multiply-adds and activation "
             "memory, and how its receptive field grows. MODEL is " NETWORK_HELP ".",
    .operand = "MODEL",
    .networks = cn_zoo_name,
    .arguments = arguments,
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
        printf("%s%s", k ? ", " : "\nClasses: ", cn_model_class_name(model, k));
    if (cn_model_class_name(model, 0))
        putchar('\n');
}

static int show(cn_context *context, const cn_model *model) {
    char *summary = NULL, *field = NULL;
    int code = EXIT_FAILURE;
    if (cn_model_summary(model, &summary) != CN_OK || cn_model_receptive_field(model, &field) != CN_OK) {
        complain_library("cannot describe the network");
    } else {
        printf("%s\n%s", summary, field);
        print_classes(model);
        bool good = train_batch == 0 || memory_print(context, model, (int)train_batch);
        code = good && say_self_test(model) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    cn_text_free(field);
    cn_text_free(summary);
    return code;
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
        code = show(context, model);
    cn_model_free(model);
    cn_context_free(context);
    return program_end(code);
}
