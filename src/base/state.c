/* SPDX-License-Identifier: MIT */
/* state.c: lists of named arrays. */
#include "base/base.h"
#include <stdarg.h>
#include <stdio.h>

_Static_assert(sizeof(int) == sizeof(int32_t), "counts that are int go into checkpoints as I32");

void cn__state_add(cn__state *state, const char *dtype, void *data, size_t count, const char *format, ...) {
    cn__value *value = &state->values[state->count++];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value->name, sizeof value->name, format, arguments);
    va_end(arguments);
    value->dtype = dtype;
    value->data = data;
    value->count = count;
}
