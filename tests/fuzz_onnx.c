/* SPDX-License-Identifier: MIT */
/* fuzz_onnx.c: ONNX files, whose numbers are all in them. */
#include "fuzz_model.h"

FUZZ(onnx) {
    fuzz_model(data, size);
    return 0;
}
