/* SPDX-License-Identifier: MIT */
/* info.c: convnet-info, which says what the library is and what it found on this machine.
 *
 * Introduces the context and its description of the device.
 */
#include "common/common.h"

static int64_t threads;

static argument arguments[] = {
    INTEGER("threads", &threads, 0, 1024, "threads of the context; 0: one for each core"),
    END_OF_ARGUMENTS,
};

static const program_spec info_program = {
    .name = "convnet-info",
    .about = "Says which version of libconvnet runs, and on what: processor, instruction set, cores and memory. "
             "The environment variable CONVNET_MAX_ISA (portable, avx2 or avx512) limits the instruction set.",
    .arguments = arguments,
    .notes = "Examples:\n"
             "  convnet-info\n"
             "  CONVNET_MAX_ISA=avx2 convnet-info\n"
             "\n"
             "Exit codes: 0 shown; 1 something failed; 2 a mistake on the command line.\n",
};

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
        printf("library:         %s (built against the header of %d.%d.%d%s)\n", cn_version_string(), CN_VERSION_MAJOR,
               CN_VERSION_MINOR, CN_VERSION_PATCH, CN_VERSION_SUFFIX);
        printf("processor:       %s\n", device.processor);
        printf("instruction set: %s (this machine offers %s)\n", cn_isa_name(device.isa), cn_isa_name(device.best_isa));
        printf("cores:           %d\n", device.cores);
        printf("threads:         %d\n", device.threads);
        printf("memory:          %.1f GiB\n", (double)device.memory / (1024.0 * 1024.0 * 1024.0));
        code = EXIT_SUCCESS;
    }
    cn_context_free(context);
    return program_end(code);
}
