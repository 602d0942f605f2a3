/* SPDX-License-Identifier: MIT */
/* info.c: convnet-info, which says what the library is and what it found on this machine.
 *
 * Introduces the context and its description of the device.
 */
#include "common/common.h"

static int64_t threads;

static argument arguments[] = {
    INTEGER("threads", &threads, 0, 1024, "threads of the context; 0: one for each core"),
    OUTPUT_ARGUMENTS,
    END_OF_ARGUMENTS,
};

static const json_member members[] = {
    {".program, .version", "what wrote it"},
    {".header", "version that it was built against"},
    {".processor", "its name"},
    {".isa, .best_isa", "the instruction set in use, and the best that the machine offers"},
    {".cores, .threads", "how many"},
    {".memory", "bytes"},
    {NULL, NULL},
};

static const program_spec info_program = {
    .name = "convnet-info",
    .about = "Says which version of libconvnet runs, and on what: processor, instruction set, cores and memory. "
             "The environment variable CONVNET_MAX_ISA (portable, avx2 or avx512) limits the instruction set.",
    .arguments = arguments,
    .json = members,
    .notes = "Examples:\n"
             "  convnet-info\n"
             "  CONVNET_MAX_ISA=avx2 convnet-info\n"
             "\n"
             "Exit codes: 0 shown; 1 something failed; 2 a mistake on the command line.\n",
};

enum { VERSION_TEXT = 64 };

static const char *header_version(char text[VERSION_TEXT]) {
    snprintf(text, VERSION_TEXT, "%d.%d.%d%s", CN_VERSION_MAJOR, CN_VERSION_MINOR, CN_VERSION_PATCH, CN_VERSION_SUFFIX);
    return text;
}

static void print_device(const cn_device *device) {
    char text[VERSION_TEXT];
    printf("library:         %s (built against the header of %s)\n", cn_version_string(), header_version(text));
    printf("processor:       %s\n", device->processor);
    printf("instruction set: %s (this machine offers %s)\n", cn_isa_name(device->isa), cn_isa_name(device->best_isa));
    printf("cores:           %d\n", device->cores);
    printf("threads:         %d\n", device->threads);
    printf("memory:          %.1f GiB\n", (double)device->memory / (1024.0 * 1024.0 * 1024.0));
}

static void write_device(const cn_device *device) {
    char text[VERSION_TEXT];
    json_begin();
    json_text("header", header_version(text));
    json_text("processor", device->processor);
    json_text("isa", cn_isa_name(device->isa));
    json_text("best_isa", cn_isa_name(device->best_isa));
    json_integer("cores", device->cores);
    json_integer("threads", device->threads);
    json_integer("memory", (int64_t)device->memory);
    json_end();
}

int main(int argc, char **argv) {
    cn_context *context = NULL;
    cn_device device = CN_DEVICE_INIT;
    int code = EXIT_FAILURE;
    arguments_read(&info_program, argc, argv);
    if (program_context(threads, CN_CONV_AUTO, NULL, &context) != CN_OK)
        return program_end(code);
    if (cn_context_device(context, &device) != CN_OK) {
        complain_library("cannot describe the device");
    } else {
        (output_json ? write_device : print_device)(&device);
        code = EXIT_SUCCESS;
    }
    cn_context_free(context);
    return program_end(code);
}
