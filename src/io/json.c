/* json.c: JSON from strangers, and texts as JSON. */
#include "io/io.h"

#if CN_WITH_JSON
#include <jansson.h> /* json_loadb */
#include <string.h>

/* The parser recurses once a level, on a stack that is our caller's. */
static bool too_deep(const char *text, size_t bytes) {
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '[') && ++depth > CN__JSON_DEPTH)
            return true;
        else if (!quoted && (c == '}' || c == ']'))
            depth--;
    }
    return false;
}

/* An allocation that fails inside jansson ends in a wrong text, or in abort (2.14, lex_scan_string). So ask for more
 * than it can come to need, at most 90 bytes for one of "[{},{},…]", while a failure can still be told. */
static bool has_memory_for(size_t bytes) {
    json_malloc_t allocate;
    json_free_t release;
    json_get_alloc_funcs(&allocate, &release);
    void *memory = allocate(128 * bytes + 65536);
    if (memory)
        release(memory);
    return memory != NULL;
}

cn_status cn__json_read(const char *text, size_t bytes, const char *what, struct json_t **json) {
    json_error_t error;
    *json = NULL;
    if (too_deep(text, bytes))
        return cn__error(CN_ERR_FORMAT, "%s is nested more than %d deep", what, CN__JSON_DEPTH);
    if (!has_memory_for(bytes))
        return cn__no_memory(what);
    *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (*json)
        return CN_OK;
    if (error.text[0] == '\0')
        return cn__no_memory(what);
    return cn__error(CN_ERR_FORMAT, "%s is not JSON: %s (byte %d)", what, error.text, error.position);
}

/* Bytes of the UTF-8 character at `c`, 0 if there is none (Unicode 15, table 3-7). */
static int character_length(const unsigned char *c) {
    unsigned char low = 0x80, high = 0xBF; /* of the second byte */
    if (c[0] < 0x80)
        return 1;
    int length = c[0] < 0xC2 ? 0 : c[0] < 0xE0 ? 2 : c[0] < 0xF0 ? 3 : c[0] < 0xF5 ? 4 : 0;
    if (c[0] == 0xE0)
        low = 0xA0;
    if (c[0] == 0xED)
        high = 0x9F;
    if (c[0] == 0xF0)
        low = 0x90;
    if (c[0] == 0xF4)
        high = 0x8F;
    if (length == 0 || c[1] < low || c[1] > high)
        return 0;
    for (int i = 2; i < length; i++)
        if ((c[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

static bool needs_escape(char c) {
    return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

bool cn__json_append_string(cn__text *json, const char *text) {
    cn__text_append(json, "\"");
    while (*text) {
        const char *plain = text;
        while (*text && !needs_escape(*text)) {
            int length = character_length((const unsigned char *)text);
            if (length == 0)
                return false;
            text += length;
        }
        cn__text_append(json, "%.*s", (int)(text - plain), plain);
        if (*text)
            cn__text_append(json, (unsigned char)*text < 0x20 ? "\\u%04x" : "\\%c", (unsigned char)*text);
        text += *text != '\0';
    }
    cn__text_append(json, "\"");
    return true;
}

#endif
