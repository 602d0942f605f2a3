/* SPDX-License-Identifier: MIT */
/* c_text.c: numbers, names, strings and comments as C has them. */
#include "export/export.h"
#include "base/json.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- numbers ---- */

const char *cn__c_number(char text[CN__C_NUMBER], float value) {
    static const char digits[] = "0123456789abcdef";
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t fraction = (bits & 0x7fffff) << 1; /* six digits */
    int exponent = (int)(bits >> 23 & 0xff) - 127;
    char part[7];
    size_t length = 6;
    if (exponent == -127 || fabsf(value) == 0.0f) /* subnormal numbers count as zero */
        return memcpy(text, "0.0f", sizeof "0.0f");
    for (size_t i = 0; i < 6; i++)
        part[i] = digits[fraction >> (20 - 4 * i) & 15];
    while (length > 0 && part[length - 1] == '0')
        length--;
    part[length] = '\0';
    snprintf(text, CN__C_NUMBER, "%s0x1%s%sp%df", bits >> 31 ? "-" : "", length ? "." : "", part, exponent);
    return text;
}

void cn__c_decimal(cn__text *text, float value) {
    size_t begin = text->length;
    cn__json_append_float(text, value);
    bool whole = !text->failed && !strpbrk(text->data + begin, ".e");
    cn__text_append(text, whole ? ".0f" : "f");
}

enum { PER_LINE = 8 };

static void append_line(cn__text *text, const float *values, size_t count) {
    char line[PER_LINE * (CN__C_NUMBER + 2)], number[CN__C_NUMBER];
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(line + length, sizeof line - length, " %s,", cn__c_number(number, values[i]));
    cn__text_append(text, "   %s\n", line);
}

void cn__c_table(cn__text *text, const char *name, const float *values, size_t count) {
    cn__text_append(text, "static const float %s[%zu] = {\n", name, count);
    for (size_t i = 0; i < count; i += PER_LINE)
        append_line(text, values + i, count - i < PER_LINE ? count - i : PER_LINE);
    cn__text_append(text, "};\n\n");
}

/* ---- words ---- */

void cn__c_comment(cn__text *text, const char *words) {
    for (const char *c = words; *c; c++) {
        bool ends = c > words && ((c[-1] == '*' && c[0] == '/') || (c[-1] == '/' && c[0] == '*'));
        cn__text_append(text, ends ? " %c" : "%c", (unsigned char)*c < 32 ? ' ' : *c);
    }
}

/* Three octal digits end by themselves; ?? would begin a trigraph. */
void cn__c_string(cn__text *text, const char *string) {
    cn__text_append(text, "\"");
    for (const char *c = string; *c; c++)
        if ((unsigned char)*c < 32 || (unsigned char)*c > 126)
            cn__text_append(text, "\\%03o", (unsigned)(unsigned char)*c);
        else
            cn__text_append(text, *c == '"' || *c == '\\' || *c == '?' ? "\\%c" : "%c", *c);
    cn__text_append(text, "\"");
}

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void cn__c_identifier(char identifier[CN__C_NAME], const char *prefix, const char *name, bool capitals) {
    snprintf(identifier, CN__C_NAME, "%s%s", prefix, name);
    for (char *c = identifier; *c; c++) {
        if (!is_word(*c))
            *c = '_';
        if (capitals && *c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    }
}

/* ---- inputs, outputs, values ---- */

typedef const char *name_of(const cn_model *model, int64_t index);

/* The only one, and the first input, are called `word`; others after it and their name, or their number where another
 * would be called alike. */
static void end_name(const cn_model *model, int32_t index, int32_t count, name_of *name, const char *word,
                     bool capitals, char result[CN__C_NAME]) {
    char prefix[16], other[CN__C_NAME];
    snprintf(prefix, sizeof prefix, "%s_", word);
    cn__c_identifier(result, prefix, name(model, index), capitals);
    for (int32_t i = 0; i < count; i++) {
        cn__c_identifier(other, prefix, name(model, i), capitals);
        if (i != index && strcmp(result, other) == 0) {
            char number[16];
            snprintf(number, sizeof number, "%d", (int)index);
            cn__c_identifier(result, prefix, number, capitals);
            return;
        }
    }
}

void cn__c_input_name(const cn_model *model, int32_t index, bool capitals, char name[CN__C_NAME]) {
    if (index == 0)
        cn__c_identifier(name, "", "input", capitals);
    else
        end_name(model, index, cn__model_input_count(model), cn_model_input_name, "input", capitals, name);
}

void cn__c_output_name(const cn_model *model, int32_t index, bool capitals, char name[CN__C_NAME]) {
    if (cn__model_output_count(model) == 1)
        cn__c_identifier(name, "", "output", capitals);
    else
        end_name(model, index, cn__model_output_count(model), cn_model_output_name, "output", capitals, name);
}

const char *cn__c_place(const cn__c_program *p, int32_t value, char text[CN__C_PLACE]) {
    const cn__c_buffer *buffer = &p->buffers[p->buffer[p->root[value]]];
    size_t offset = buffer->offset + p->part[value];
    char name[CN__C_NAME] = "scratch";
    if (buffer->memory == CN__C_INPUT)
        cn__c_input_name(p->model, buffer->index, false, name);
    else if (buffer->memory == CN__C_OUTPUT)
        cn__c_output_name(p->model, buffer->index, false, name);
    if (offset)
        snprintf(text, CN__C_PLACE, "%s + %zu", name, offset);
    else
        snprintf(text, CN__C_PLACE, "%s", name);
    return text;
}
