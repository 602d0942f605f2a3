/* SPDX-License-Identifier: MIT */
/* operators.c: which function converts an operator. */
#include "onnx/operators.h"

static const struct {
    const char *name;
    cn__onnx_convert *convert;
} operators[] = {
#define OPERATOR(name, function) {#name, cn__onnx_##function},
#include "onnx/operators.def"
};

cn__onnx_convert *cn__onnx_operator(cn__bytes op) {
    for (size_t i = 0; i < CN__COUNT(operators); i++)
        if (cn__bytes_are(op, operators[i].name))
            return operators[i].convert;
    return NULL;
}
