/* fuzz_context.h: the context in which all inputs of a fuzzer are tried. */
#ifndef FUZZ_CONTEXT_H
#define FUZZ_CONTEXT_H

#include <convnet.h>
#include <stdlib.h>

static cn_context *fuzz_context(void) {
    static cn_context *context;
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = 1;
    if (!context && cn_context_new(&options, &context) != CN_OK)
        abort();
    return context;
}

#endif
