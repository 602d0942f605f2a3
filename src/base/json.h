/* SPDX-License-Identifier: MIT */
/* json.h: JSON (RFC 8259) from strangers, read strictly, and texts as JSON strings. */
#ifndef CN_JSON_H
#define CN_JSON_H

#include "base/base.h"

#define CN__JSON_DEPTH 8 /* arrays and objects inside each other */

typedef enum cn__json_kind {
    CN__JSON_LITERAL, /* null, true, false */
    CN__JSON_NUMBER,
    CN__JSON_STRING,
    CN__JSON_ARRAY,
    CN__JSON_OBJECT
} cn__json_kind;

/* A value. Those inside an array or object follow it in memory, in the order of the text; all are one block. */
typedef struct cn__json {
    const char *key;  /* of a member of an object; of an element NULL */
    const char *text; /* of a string, unescaped; of a number, as it was written */
    uint32_t count;   /* of elements or members */
    uint32_t size;    /* of values that this one spans: itself and all inside */
    cn__json_kind kind;
} cn__json;

/* Reads one value and nothing after it; to be freed with cn__free. Keys and strings hold no NUL; no
 * object has a key twice. CN_ERR_FORMAT with `what`, the name of the text, and the byte; CN_ERR_MEMORY. */
cn_status cn__json_read(cn_context *ctx, const char *text, size_t bytes, const char *what, cn__json **json);

/* for (const cn__json *v = cn__json_first(parent); v; v = cn__json_next(parent, v)). NULL for what has none inside. */
const cn__json *cn__json_first(const cn__json *parent);
const cn__json *cn__json_next(const cn__json *parent, const cn__json *value);

/* These take NULL, too, which is of no kind. */
bool cn__json_is(const cn__json *json, cn__json_kind kind);
const cn__json *cn__json_get(const cn__json *object, const char *key); /* NULL: no such member, or no object */
const char *cn__json_string(const cn__json *json);                     /* NULL: no string */
bool cn__json_int64(const cn__json *json, int64_t *value);             /* written without fraction and exponent */
bool cn__json_float(const cn__json *json, float *value);               /* finite; rounded to the nearest */
bool cn__json_double(const cn__json *json, double *value);             /* the same */

/* Where two values differ first, member by member: "layers 'conv'.options.groups", and what each has there, "4" and
 * "missing". False: nowhere. Literals count as the same. */
enum { CN__JSON_WORDS = 64 };
typedef struct cn__json_place {
    char path[256], first[CN__JSON_WORDS], second[CN__JSON_WORDS];
} cn__json_place;
bool cn__json_difference(const cn__json *first, const cn__json *second, cn__json_place *place);

/* Appends a text in quotes, escaped. False: it is not UTF-8. */
bool cn__json_append_string(cn__text *json, const char *text);
/* Appends a finite number in as few digits as bring it back exactly. */
void cn__json_append_float(cn__text *json, float value);
void cn__json_append_double(cn__text *json, double value);

#endif
