/* SPDX-License-Identifier: MIT */
/* export.c: convnet-export, which writes a model as C that needs no library.
 *
 * Introduces cn_model_export_c; needs no data.
 */
#include "common/common.h"

static network_spec network = NETWORK_SPEC_INIT;
static const char *source, *name;

static argument arguments[] = {
    REQUIRED("c", "OUT.c", &source, "the source to be written; its header is written beside it, as OUT.h"),
    TEXT("name", "NAME", &name, "what the functions' names begin with; without, OUT"),
    NETWORK_ARGUMENTS(network),
    INTEGER("classes", &network.classes, 1, 65536, "outputs of session8 or a network of the literature"),
    SIZE_ARGUMENT(network),
    END_OF_ARGUMENTS,
};

static const program_spec export_program = {
    .name = "convnet-export",
    .about = "Writes a model as one C99 source and its header, with weights and a self-test inside, for programs and "
             "devices without this library: static memory, <math.h> alone. MODEL is " NETWORK_HELP ".",
    .operand = "MODEL",
    .networks = cn_zoo_name,
    .arguments = arguments,
    .notes = "Examples:\n"
             "  convnet-export digits.safetensors --c digits.c\n"
             "  convnet-export resnet18.onnx --c net/resnet.c --name recogniser\n"
             "  convnet-export pretrained --c session8.c && cc -O3 -c session8.c\n"
             "\n"
             "Exit codes: 0 written; 1 something failed; 2 a mistake on the command line.\n",
};

int main(int argc, char **argv) {
    cn_export_c_options options = CN_EXPORT_C_OPTIONS_INIT;
    cn_context *context = NULL;
    cn_model *model = NULL;
    int code = EXIT_FAILURE;
    network.name = arguments_read(&export_program, argc, argv);
    network_check(&network, &export_program);
    options.name = name;
    if (program_context(0, CN_CONV_AUTO, NULL, &context) == CN_OK && network_open(context, &network, &model) == CN_OK) {
        if (cn_model_export_c(model, source, &options) == CN_OK)
            code = EXIT_SUCCESS;
        else
            complain_library("cannot write the model as C");
    }
    cn_model_free(model);
    cn_context_free(context);
    return program_end(code);
}
