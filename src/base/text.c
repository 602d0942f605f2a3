/* SPDX-License-Identifier: MIT */
/* text.c: texts that the library hands out. Each has its context in front of it, so that cn_text_free needs no other
 * argument. */
#include "base/base.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HEAD CN__ALIGN /* bytes before the characters; the first hold the cn_context * */

static bool make_room(cn__text *text, size_t more) {
    if (text->data && text->length + more < text->capacity)
        return true;
    size_t capacity = 2 * (text->length + more) + 256;
    char *memory = cn__alloc(text->ctx, HEAD + capacity, 1);
    if (!memory)
        return false;
    memcpy(memory, &text->ctx, sizeof(text->ctx));
    if (text->data)
        memcpy(memory + HEAD, text->data, text->length + 1);
    cn_text_free(text->data);
    text->data = memory + HEAD;
    text->capacity = capacity;
    return true;
}

void cn__text_append(cn__text *text, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (text->failed || length < 0 || !make_room(text, (size_t)length + 1)) {
        text->failed = true;
    } else {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

cn_status cn__text_take(cn__text *text, char **out) {
    *out = NULL;
    if (!text->failed && !make_room(text, 1))
        text->failed = true;
    if (text->failed) {
        cn_text_free(text->data);
        text->data = NULL;
        return cn__no_memory("a text");
    }
    *out = text->data;
    return CN_OK;
}

void cn_text_free(char *text) {
    cn_context *ctx;
    if (!text)
        return;
    memcpy(&ctx, text - HEAD, sizeof ctx);
    cn__free(ctx, text - HEAD);
}

cn_status cn_text_save(cn_context *context, const char *text, const char *path) {
    CN__REQUIRE(context);
    CN__REQUIRE(text);
    CN__REQUIRE(path);
    struct iovec piece = {(void *)text, strlen(text)};
    return cn__replace_file(context, path, &piece, 1);
}
