/* SPDX-License-Identifier: MIT */
/* text_table.c: sets cells as a table whose columns line up, for texts that people read. */
#include "base/base.h"
#include <string.h>

#define MAX_COLUMNS 10
#define GAP         2 /* spaces between columns */

static int cell_width(const char *cell, size_t bytes) {
    int width = 0;
    for (const char *end = cell + bytes; cell < end;)
        width += cn__utf8_width(cn__utf8_next(&cell));
    return width;
}

/* Widths of all columns; returns that of the table. */
static int measure(const char *cells, int width[MAX_COLUMNS]) {
    int column = 0, total = -GAP;
    while (*cells) {
        size_t bytes = strcspn(cells, "\t\n");
        int wanted = cell_width(cells, bytes);
        width[column] = wanted > width[column] ? wanted : width[column];
        column = cells[bytes] == '\t' ? column + 1 : 0;
        cells += bytes + 1;
    }
    for (column = 0; column < MAX_COLUMNS && width[column]; column++)
        total += width[column] + GAP;
    return total;
}

static void append_rule(cn__text *out, int width) {
    for (int i = 0; i < width; i++)
        cn__text_append(out, "-");
    cn__text_append(out, "\n");
}

static void append_cell(cn__text *out, const char *cell, size_t bytes, int blanks, bool to_the_right, bool last) {
    if (to_the_right)
        cn__text_append(out, "%*s%.*s", blanks, "", (int)bytes, cell);
    else
        cn__text_append(out, "%.*s%*s", (int)bytes, cell, last ? 0 : blanks, "");
    cn__text_append(out, "%*s", last ? 0 : GAP, "");
    if (last)
        cn__text_append(out, "\n");
}

static void align(cn__text *out, const char *cells, const char *alignment) {
    int width[MAX_COLUMNS] = {0}, column = 0;
    int total = measure(cells, width);
    while (*cells) {
        size_t bytes = strcspn(cells, "\t\n");
        bool last = cells[bytes] == '\n';
        if (column == 0 && last && bytes == 1 && *cells == '-')
            append_rule(out, total);
        else
            append_cell(out, cells, bytes, width[column] - cell_width(cells, bytes), alignment[column] == '>', last);
        column = last ? 0 : column + 1;
        cells += bytes + 1;
    }
}

cn_status cn__text_table(cn__text *cells, const char *alignment, char **table) {
    cn__text out = {.ctx = cells->ctx};
    char *text;
    CN__TRY(cn__text_take(cells, &text));
    align(&out, text, alignment);
    cn_text_free(text);
    return cn__text_take(&out, table);
}

const char *cn__grouped(char text[CN__GROUPED_TEXT], int64_t value) {
    char *digit = text + CN__GROUPED_TEXT;
    int count = 0;
    *--digit = '\0';
    do {
        if (count && count % 3 == 0)
            *--digit = ',';
        *--digit = (char)('0' + value % 10);
        count++;
    } while ((value /= 10) > 0);
    return digit;
}
