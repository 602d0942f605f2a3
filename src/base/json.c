/* SPDX-License-Identifier: MIT */
/* json.c: JSON into values. The text is gone through twice by the same functions: first to check and count, then, with
 * memory for exactly what was counted, to fill it. So only what is JSON takes memory, and all of it in one block. */
#include "base/json.h"
#include <stdlib.h>
#include <string.h>

typedef struct parser {
    const char *text;
    size_t bytes, at, depth;
    const char *fault; /* what is wrong at `at`; NULL: nothing */
    cn__json *values;  /* NULL while counting */
    char *characters;  /* of keys, strings and numbers */
    size_t value_count, character_count;
} parser;

static bool wrong(parser *p, const char *fault) {
    p->fault = fault;
    return false;
}

/* The next character; NUL at the end. */
static char peek(const parser *p) {
    return (char)(p->at < p->bytes ? p->text[p->at] : '\0');
}

static char peek_past_space(parser *p) {
    while (p->at < p->bytes &&
           memchr(" \t\n\r", p->text[p->at], 4) /* NOLINT(bugprone-not-null-terminated-result): NUL is no space */)
        p->at++;
    return peek(p);
}

/* ---- strings ---- */

static void store(parser *p, const char *bytes, size_t count) {
    if (p->characters)
        memcpy(p->characters + p->character_count, bytes, count);
    p->character_count += count;
}

/* Where the next key, string or number goes. */
static const char *begin_string(const parser *p) {
    return p->characters ? p->characters + p->character_count : NULL;
}

/* The number of a \uXXXX, whose digits begin at p->at. */
static bool read_hex(parser *p, uint32_t *code) {
    *code = 0;
    for (int i = 0; i < 4; i++) {
        char c = peek(p);
        if (c >= '0' && c <= '9')
            *code = *code * 16 + (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            *code = *code * 16 + (uint32_t)((c | 32) - 'a' + 10);
        else
            return wrong(p, "\\u wants four hexadecimal digits");
        p->at++;
    }
    return true;
}

/* Characters beyond U+FFFF are two of them: a high and a low surrogate. */
static bool read_unicode(parser *p) {
    uint32_t code, low;
    char utf8[4];
    if (!read_hex(p, &code))
        return false;
    if (code == 0)
        return wrong(p, "a text holds the character NUL");
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (p->bytes - p->at < 2 || p->text[p->at] != '\\' || p->text[p->at + 1] != 'u')
            return wrong(p, "half of a surrogate pair");
        p->at += 2;
        if (!read_hex(p, &low))
            return false;
        if (low < 0xDC00 || low > 0xDFFF)
            return wrong(p, "half of a surrogate pair");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code <= 0xDFFF) {
        return wrong(p, "half of a surrogate pair");
    }
    store(p, utf8, cn__utf8_encode(code, utf8));
    return true;
}

static bool read_escape(parser *p) {
    static const char names[] = "\"\\/bfnrt", characters[] = "\"\\/\b\f\n\r\t";
    p->at++;
    char c = peek(p);
    const char *name = c ? strchr(names, c) : NULL;
    if (!name && c != 'u')
        return wrong(p, "an unknown escape");
    p->at++;
    if (c == 'u')
        return read_unicode(p);
    store(p, &characters[name - names], 1);
    return true;
}

static bool read_character(parser *p) {
    if (p->at == p->bytes)
        return wrong(p, "a text without end");
    if (p->text[p->at] == '\\')
        return read_escape(p);
    if ((unsigned char)p->text[p->at] < 0x20)
        return wrong(p, "a control character in a text");
    uint32_t code;
    size_t length = cn__utf8_decode(p->text + p->at, p->bytes - p->at, &code);
    if (length == 0)
        return wrong(p, "not UTF-8");
    store(p, p->text + p->at, length);
    p->at += length;
    return true;
}

static bool read_string(parser *p, const char **string) {
    *string = begin_string(p);
    p->at++;
    while (peek(p) != '"')
        if (!read_character(p))
            return false;
    p->at++;
    store(p, "", 1);
    return true;
}

/* ---- numbers and words ---- */

static bool read_digits(parser *p) {
    size_t begin = p->at;
    while (peek(p) >= '0' && peek(p) <= '9')
        p->at++;
    return p->at > begin || wrong(p, "wanted a digit");
}

static bool skip_number(parser *p) {
    p->at += peek(p) == '-';
    if (peek(p) == '0')
        p->at++; /* 012 is two numbers, and so an error */
    else if (!read_digits(p))
        return false;
    if (peek(p) == '.') {
        p->at++;
        if (!read_digits(p))
            return false;
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        p->at++;
        p->at += peek(p) == '+' || peek(p) == '-';
        return read_digits(p);
    }
    return true;
}

static bool read_number(parser *p, cn__json *value) {
    size_t begin = p->at;
    if (!skip_number(p))
        return false;
    value->kind = CN__JSON_NUMBER;
    value->text = begin_string(p);
    store(p, p->text + begin, p->at - begin);
    store(p, "", 1);
    return true;
}

static bool read_word(parser *p) {
    static const char *const words[] = {"null", "true", "false"};
    for (size_t i = 0; i < CN__COUNT(words); i++) {
        size_t length = strlen(words[i]);
        if (p->bytes - p->at >= length && memcmp(p->text + p->at, words[i], length) == 0) {
            p->at += length;
            return true;
        }
    }
    return wrong(p, p->at < p->bytes ? "wanted a value" : "it ends too early");
}

/* ---- arrays and objects ---- */

static bool read_value(parser *p, const char *key);

static bool read_key(parser *p, const char **key) {
    if (peek_past_space(p) != '"')
        return wrong(p, "wanted a key in quotes");
    if (!read_string(p, key))
        return false;
    if (peek_past_space(p) != ':')
        return wrong(p, "wanted ':'");
    p->at++;
    return true;
}

/* Elements or members, from the opening bracket to the closing one. */
static bool read_inside(parser *p, cn__json *value, char closing) {
    p->at++;
    if (++p->depth > CN__JSON_DEPTH)
        return wrong(p, "nested more than 8 deep");
    if (peek_past_space(p) != closing) {
        do {
            const char *key = NULL;
            if (value->count > 0)
                p->at++; /* the comma */
            if (value->kind == CN__JSON_OBJECT && !read_key(p, &key))
                return false;
            if (!read_value(p, key))
                return false;
            value->count++;
        } while (peek_past_space(p) == ',');
    }
    if (peek(p) != closing)
        return wrong(p, closing == '}' ? "wanted ',' or '}'" : "wanted ',' or ']'");
    p->at++;
    p->depth--;
    return true;
}

static bool read_kind(parser *p, cn__json *value, char first) {
    switch (first) {
    case '{':
        value->kind = CN__JSON_OBJECT;
        return read_inside(p, value, '}');
    case '[':
        value->kind = CN__JSON_ARRAY;
        return read_inside(p, value, ']');
    case '"':
        value->kind = CN__JSON_STRING;
        return read_string(p, &value->text);
    default:
        return first == '-' || (first >= '0' && first <= '9') ? read_number(p, value) : read_word(p);
    }
}

static bool read_value(parser *p, const char *key) {
    char first = peek_past_space(p);
    size_t index = p->value_count++;
    cn__json value = {.key = key};
    if (!read_kind(p, &value, first))
        return false;
    value.size = (uint32_t)(p->value_count - index);
    if (p->values)
        p->values[index] = value;
    return true;
}

static bool read_text(parser *p) {
    p->at = p->depth = p->value_count = p->character_count = 0;
    if (!read_value(p, NULL))
        return false;
    peek_past_space(p);
    return p->at == p->bytes || wrong(p, "something after its end");
}

/* ---- keys that come twice ---- */

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Two members' equal key, or NULL. `keys` has room for one of each member. */
static const char *find_double(const cn__json *object, const char **keys) {
    size_t count = 0;
    for (const cn__json *v = cn__json_first(object); v; v = cn__json_next(object, v))
        keys[count++] = v->key;
    qsort(keys, count, sizeof *keys, by_text);
    for (size_t i = 1; i < count; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            return keys[i];
    return NULL;
}

static cn_status check_keys(cn_context *ctx, const cn__json *values, size_t count, const char *what) {
    const char *found = NULL;
    size_t most = 1;
    for (size_t i = 0; i < count; i++)
        if (values[i].kind == CN__JSON_OBJECT && values[i].count > most)
            most = values[i].count;
    const char **keys = cn__alloc(ctx, most, sizeof *keys);
    if (!keys)
        return cn__no_memory(what);
    for (size_t i = 0; i < count && !found; i++)
        if (values[i].kind == CN__JSON_OBJECT)
            found = find_double(&values[i], keys);
    cn__free(ctx, (void *)keys);
    return found ? cn__error(CN_ERR_FORMAT, "%s is not JSON: it has '%.200s' twice", what, found) : CN_OK;
}

/* ---- the whole ---- */

cn_status cn__json_read(cn_context *ctx, const char *text, size_t bytes, const char *what, cn__json **json) {
    parser p = {.text = text, .bytes = bytes};
    *json = NULL;
    if (bytes > UINT32_MAX)
        return cn__error(CN_ERR_FORMAT, "%s has %zu bytes, wanted at most %u", what, bytes, UINT32_MAX);
    if (!read_text(&p))
        return cn__error(CN_ERR_FORMAT, "%s is not JSON: %s at byte %zu", what, p.fault, p.at);
    p.values = cn__alloc(ctx, 1, p.value_count * sizeof *p.values + p.character_count);
    if (!p.values)
        return cn__no_memory(what);
    p.characters = (char *)(p.values + p.value_count);
    read_text(&p);
    cn_status status = check_keys(ctx, p.values, p.value_count, what);
    if (status == CN_OK)
        *json = p.values;
    else
        cn__free(ctx, p.values);
    return status;
}
