/* SPDX-License-Identifier: MIT */
/* fuzz_onnx_external.c: ONNX files, and a file beside them, "external.data", that comes first. */
#include "fuzz_model.h"

FUZZ(onnx_external) {
    fuzz_bytes rest = {data, size}, weights = fuzz_part(&rest);
    cn_model *model;
    fuzz_file("external.data", weights.at, weights.count);
    const char *path = fuzz_file("model.onnx", rest.at, rest.count);
    fuzz_begin();
    cn_status status = cn_model_load(fuzz_context(), path, &model);
    fuzz_at_most(size, 0);
    FUZZ_OUTCOME(status, model);
    cn_model_free(model);
    fuzz_end();
    return 0;
}
