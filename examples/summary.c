/* summary.c: convnet-summary, which shows a network's layers, sizes, work and receptive field.
 *
 * Introduces the tables of a model; needs no data.
 */
#include "common/common.h"

static network_spec network = NETWORK_SPEC_INIT;

static argument arguments[] = {
    NETWORK_ARGUMENTS(network),
    INTEGER("classes", &network.classes, 1, 65536, "outputs of session8 or a network of the literature"),
    SIZE_ARGUMENT(network),
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
             "  convnet-summary session8.safetensors\n"
             "  convnet-summary pretrained\n"
             "\n"
             "Exit codes: 0 shown; 1 something failed; 2 a mistake on the command line.\n",
};

static void print_classes(const cn_model *model) {
    for (int64_t k = 0; cn_model_class_name(model, k); k++)
        printf("%s%s", k ? ", " : "\nClasses: ", cn_model_class_name(model, k));
    if (cn_model_class_name(model, 0))
        putchar('\n');
}

static int show(const cn_model *model) {
    char *summary = NULL, *field = NULL;
    int code = EXIT_FAILURE;
    if (cn_model_summary(model, &summary) != CN_OK || cn_model_receptive_field(model, &field) != CN_OK) {
        complain_library("cannot describe the network");
    } else {
        printf("%s\n%s", summary, field);
        print_classes(model);
        code = EXIT_SUCCESS;
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
    if (program_context(1, CN_CONV_AUTO, NULL, &context) == CN_OK && network_open(context, &network, &model) == CN_OK)
        code = show(model);
    cn_model_free(model);
    cn_context_free(context);
    return program_end(code);
}
