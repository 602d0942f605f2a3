/* SPDX-License-Identifier: MIT */
/* export.c: convnet-export, which writes a model as C that needs no library.
 *
 * Introduces cn_model_export_c; needs no data.
 */
#include "common/outputs.h"
#include <string.h>

enum { MOST_LETTERS = 40 /* of a name, as the library takes it */ };

static network_spec network = NETWORK_SPEC_INIT;
static const char *source, *name;

static argument arguments[] = {
    REQUIRED("c", "OUT.c", &source, "the source to be written; its header is written beside it, as OUT.h"),
    TEXT("name", "NAME", &name,
         "what the functions' names begin with: up to 40 letters, digits and _, a letter first; without, OUT"),
    NETWORK_ARGUMENTS(network),
    INTEGER("classes", &network.classes, 1, 65536, "outputs of session8 or a network of the literature"),
    SIZE_ARGUMENT(network),
    HEADING("Output"),
    OUTPUT_ARGUMENTS,
    END_OF_ARGUMENTS,
};

static const json_member members[] = {
    {".program, .version", "what wrote it"},
    {".model", "as it was named"},
    {".parameters", "how many"},
    {".source, .header", "the files"},
    {NULL, NULL},
};

static const program_spec export_program = {
    .name = "convnet-export",
    .about = "Writes a model as one C99 source and its header, with weights and a self-test inside, for programs and "
             "devices without this library: static memory, <math.h> alone. The functions in them are the library's, "
             "under its licence (MIT), which the source has in it; the weights are whose the model is. MODEL "
             "is " NETWORK_HELP ".",
    .operand = "MODEL",
    .networks = cn_zoo_name,
    .arguments = arguments,
    .json = members,
    .notes = "Examples:\n"
             "  convnet-export digits.safetensors --c digits.c\n"
             "  convnet-export resnet18.onnx --c net/resnet.c --name recogniser\n"
             "  convnet-export pretrained --c session8.c && cc -O3 -c session8.c\n"
             "\n"
             "Exit codes: 0 written; 1 something failed; 2 a mistake on the command line.\n",
};

/* ---- the name ---- */

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* The nearest that would do, into `good`; false: nothing of the text is left in it. */
static bool near_name(const char *text, char good[MOST_LETTERS + 1]) {
    size_t used = is_letter(*text) ? 0 : (size_t)snprintf(good, MOST_LETTERS + 1, "net_");
    bool any = false, gap = true; /* what does not go is one _, and none at either end */
    for (const char *c = text; *c && used < MOST_LETTERS; c++) {
        bool goes = is_letter(*c) || is_digit(*c);
        if (!goes && gap)
            continue;
        good[used++] = *c;
        if (!goes)
            good[used - 1] = '_';
        gap = !goes;
        any = any || goes;
    }
    while (used > 0 && good[used - 1] == '_')
        used--;
    good[used] = '\0';
    return any;
}

/* Ends with a usage message unless functions can be called so. A keyword can be a name: it is never all of one. */
static void check_name(void) {
    char good[MOST_LETTERS + 1];
    size_t length = 0;
    while (name && (is_letter(name[length]) || (length > 0 && (is_digit(name[length]) || name[length] == '_'))))
        length++;
    if (!name || (length > 0 && length <= MOST_LETTERS && !name[length]))
        return;
    bool near = near_name(name, good);
    complain_usage("--name '%s': functions are called NAME_run and so on, so that it has to be 1 to %d letters, digits "
                   "and _, a letter first%s%s",
                   name, MOST_LETTERS, near ? ", such as " : "", near ? good : "");
}

/* ---- the files ---- */

/* Ends with a usage message if the model would be lost. */
static void spare_model(void) {
    char *header = strdup(source);
    named_file model = {"MODEL", network_is_named(network.name) ? NULL : network.name};
    if (header && *header)
        header[strlen(header) - 1] = 'h';
    files_must_spare(&model, 1, (named_file[]){{"--c", source}, {"--c's", header}}, 2);
    free(header);
}

/* The library wants names that end in ".c". */
static void write_result(const cn_model *model) {
    char *header = strdup(source);
    if (header)
        header[strlen(header) - 1] = 'h';
    json_begin();
    json_text("model", network.name);
    json_integer("parameters", cn_model_parameter_count(model));
    json_text("source", source);
    json_text("header", header);
    json_end();
    free(header);
}

/* The header's name is not one that was given: another's file of that name stays. */
static bool header_is_ours(void) {
    static const char begins[] = "/* The network '";
    char *header = strdup(source), *text = NULL;
    size_t length = strlen(source);
    bool good = header != NULL;
    if (good && length > 2) {
        header[length - 1] = 'h';
        text = file_text(header, sizeof begins - 1);
        good = !text || !*text || strcmp(text, begins) == 0; /* what cannot be read, the library has more to say of */
        if (!good)
            complain("'%s' is there, and not a header that convnet-export has written: choose another name than '%s'",
                     header, source);
    }
    free(text);
    free(header);
    return good;
}

static int write_c(const cn_model *model) {
    cn_export_c_options options = CN_EXPORT_C_OPTIONS_INIT;
    options.name = name;
    if (!header_is_ours())
        return EXIT_FAILURE;
    if (cn_model_export_c(model, source, &options) != CN_OK) {
        complain_library("cannot write the model as C");
        return EXIT_FAILURE;
    }
    printf("C in %s, its header in %.*sh\n", source, (int)strlen(source) - 1, source);
    if (output_json)
        write_result(model);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    cn_context *context = NULL;
    cn_model *model = NULL;
    int code = EXIT_FAILURE;
    network.name = arguments_read(&export_program, argc, argv);
    check_name();
    network_check(&network, &export_program);
    spare_model();
    if (program_context(0, CN_CONV_AUTO, NULL, &context) == CN_OK && network_open(context, &network, &model) == CN_OK)
        code = write_c(model);
    cn_model_free(model);
    cn_context_free(context);
    return program_end(code);
}
