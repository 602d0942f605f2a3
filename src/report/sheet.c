/* SPDX-License-Identifier: MIT */
/* sheet.c: pictures with titles, side by side, under a heading. */
#include "report/report.h"
#include <math.h>
#include <string.h>

enum { MARGIN = 16, GAP = 12, LINE = 16, MAX_TITLE = 30, LETTER = 7 /* pixels, of small text */ };
enum { MOST = 4096 /* pictures */, HEADING_LINE = 19, MIN_WIDTH = 300 };

typedef struct layout {
    int64_t count;
    int columns, picture_width, picture_height, cell_width, cell_height;
    int magnified; /* by this whole factor; 0: made smaller */
    int width, top;
} layout;

/* ---- titles of several lines ---- */

/* The next line, which moves to the one after it: NULL after the last. Returns its bytes. */
static int next_line(const char **line) {
    int length = cn__line_length(*line);
    *line = (*line)[length] ? *line + length + 1 : NULL;
    return length;
}

static int line_count(const char *title) {
    int lines = 0;
    for (const char *next = title; next; lines++)
        next_line(&next);
    return lines;
}

/* The first line stands out; paths are cut at their beginning. */
static void append_title(cn__text *out, const char *title, int x, int y) {
    bool first = true;
    for (const char *next = title; next; first = false, y += LINE) {
        const char *line = next;
        cn__text single = {.ctx = out->ctx};
        cn__text_append(&single, "%.*s", next_line(&next), line);
        cn__text_append(out, "<text class=\"%s cn-i\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
                        first ? "cn-t" : "cn-m", x, y);
        out->failed = out->failed || single.failed;
        if (single.data && !single.failed)
            (first ? cn__append_name : cn__append_name_end)(out, single.data, MAX_TITLE);
        cn__text_append(out, "</text>\n");
        cn_text_free(single.data);
    }
}

/* ---- the sheet ---- */

static int columns_for(int64_t count, bool small) {
    int most = small ? 8 : count % 5 == 0 ? 5 : 6;
    return count < most ? (int)count : most;
}

static layout lay_out(const cn__gallery *gallery, int columns, int size) {
    int64_t height = cn_tensor_shape(gallery->images, 2), width = cn_tensor_shape(gallery->images, 3);
    int64_t side = height > width ? height : width;
    int longest = 0, lines = 0;
    layout l = {.count = gallery->count, .magnified = side <= size ? (int)(size / side) : 0};
    double factor = l.magnified ? (double)l.magnified : (double)size / (double)side;
    l.columns = columns ? columns : columns_for(l.count, size == CN__CHANNEL);
    l.picture_width = (int)fmax(1.0, factor * (double)width);
    l.picture_height = (int)fmax(1.0, factor * (double)height);
    for (int64_t i = 0; gallery->titles && i < l.count; i++) {
        int own = line_count(gallery->titles[i]);
        lines = own > lines ? own : lines;
        for (const char *next = gallery->titles[i]; next;) {
            const char *line = next;
            int wanted = cn__line_width(line, next_line(&next), MAX_TITLE);
            longest = wanted > longest ? wanted : longest;
        }
    }
    l.cell_width = l.picture_width > LETTER * longest ? l.picture_width : LETTER * longest;
    l.cell_height = l.picture_height + LINE * lines + (lines ? 4 : 0);
    l.width = 2 * MARGIN + l.columns * (l.cell_width + GAP) - GAP;
    l.width = l.width > MIN_WIDTH ? l.width : MIN_WIDTH;
    return l;
}

/* Words of the heading, as many to a line as it holds. Returns the y below it; `out` NULL: only that. */
static int append_heading(cn__text *out, const char *heading, int width) {
    int most = (width - 2 * MARGIN) / CN__CHARACTER, y = MARGIN + 12;
    for (const char *line = heading; *line; y += HEADING_LINE) {
        const char *end = line, *word = line;
        while (*word) {
            word += strspn(word, " ");
            word += strcspn(word, " ");
            if (word - line > most && end > line)
                break;
            end = word;
        }
        if (out) {
            cn__text_append(out, "<text class=\"cn-t%s\" x=\"%d\" y=\"%d\">", line == heading ? " cn-h" : "", MARGIN,
                            y);
            cn__append_name_bytes(out, line, (int)(end - line));
            cn__text_append(out, "</text>\n");
        }
        line = end + strspn(end, " ");
    }
    return y;
}

static cn_status append_cell(cn__text *out, const layout *l, const cn__gallery *gallery, int64_t i) {
    int x = MARGIN + (int)(i % l->columns) * (l->cell_width + GAP);
    int y = l->top + (int)(i / l->columns) * (l->cell_height + GAP), middle = x + l->cell_width / 2;
    cn__text_append(out, "<image%s x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" href=\"",
                    l->magnified ? " class=\"cn-p\" image-rendering=\"optimizeSpeed\"" : "",
                    middle - l->picture_width / 2, y, l->picture_width, l->picture_height);
    CN__TRY(cn__append_picture(out, gallery->images, i, l->magnified ? l->magnified : 1));
    cn__text_append(out, "\"/>\n");
    if (gallery->titles && gallery->titles[i])
        append_title(out, gallery->titles[i], middle, y + l->picture_height + LINE);
    return CN_OK;
}

static cn_status draw(const cn__gallery *gallery, int columns, int size, const char *heading, char **svg) {
    layout l = lay_out(gallery, columns, size);
    int rows = (int)((gallery->count + l.columns - 1) / l.columns);
    cn__text out = {.ctx = gallery->ctx};
    cn_status status = CN_OK;
    l.top = append_heading(NULL, heading, l.width);
    cn__svg_begin(&out, l.width, l.top + (rows ? rows * (l.cell_height + GAP) - GAP : LINE) + MARGIN, heading);
    append_heading(&out, heading, l.width);
    for (int64_t i = 0; i < gallery->count && status == CN_OK; i++)
        status = append_cell(&out, &l, gallery, i);
    if (!rows)
        cn__text_append(&out, "<text class=\"cn-m\" x=\"%d\" y=\"%d\">none</text>\n", MARGIN, l.top + 12);
    cn__svg_end(&out);
    if (status == CN_OK)
        return cn__text_take(&out, svg);
    cn_text_free(out.data);
    return status;
}

cn_status cn__gallery_draw(cn_status status, cn__gallery *gallery, int size, const char *heading, char **svg) {
    if (status == CN_OK)
        status = draw(gallery, 0, size, heading, svg);
    cn__gallery_drop(gallery);
    return status;
}

static cn_status check_count(const char *function, int64_t count) {
    if (count >= 1 && count <= MOST)
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "%s: %lld pictures, want 1 to %d", function, (long long)count, MOST);
}

/* ---- any pictures ---- */

cn_status cn_sheet_pictures(const cn_tensor *pictures, const char *const *titles, int columns, const char *heading,
                            char **svg) {
    CN__COMPUTES;
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(pictures);
    CN__TRY(cn__check_pictures(pictures, "cn_sheet_pictures"));
    CN__TRY(check_count("cn_sheet_pictures", pictures->shape[0]));
    if (columns < 0 || columns > MOST)
        return cn__error(CN_ERR_ARGUMENT, "cn_sheet_pictures: %d columns, want 0 to %d", columns, MOST);
    cn__gallery borrowed = {pictures->ctx, (cn_tensor *)pictures, (char **)titles, pictures->shape[0]};
    return draw(&borrowed, columns, CN__EXAMPLE, heading ? heading : "Pictures", svg);
}

/* ---- images of a data set ---- */

static cn_status begin(cn__gallery *gallery, const cn_dataset *dataset, int64_t count) {
    int64_t shape[3];
    cn_dataset_shape(dataset, shape);
    return cn__gallery_new(cn__dataset_context(dataset), count, shape[0], shape[1], shape[2], gallery);
}

static cn_status fill_examples(cn__gallery *gallery, const cn_dataset *dataset, const int64_t *indices) {
    for (int64_t i = 0; i < gallery->count; i++) {
        int64_t index = indices ? indices[i] : i, label;
        cn__text title = {.ctx = gallery->ctx};
        CN__TRY(cn__gallery_image(gallery, i, dataset, index, &(cn__fetch){.augment = false}, &label));
        if (label >= 0) {
            cn__append_title_class(&title, dataset, label);
            cn__text_append(&title, "\n");
        }
        cn__append_title_image(&title, dataset, index);
        CN__TRY(cn__gallery_title(gallery, i, &title));
    }
    return CN_OK;
}

cn_status cn_sheet_examples(const cn_dataset *dataset, int64_t count, const int64_t *indices, const char *heading,
                            char **svg) {
    CN__COMPUTES;
    cn__gallery gallery;
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(dataset);
    CN__TRY(check_count("cn_sheet_examples", count));
    cn_status status = begin(&gallery, dataset, count);
    if (status == CN_OK)
        status = fill_examples(&gallery, dataset, indices);
    return cn__gallery_draw(status, &gallery, CN__EXAMPLE, heading ? heading : "Examples", svg);
}

static cn_status fill_augmented(cn__gallery *gallery, const cn_dataset *dataset, int64_t index, uint64_t seed) {
    for (int64_t i = 0; i < gallery->count; i++) {
        cn__text title = {.ctx = gallery->ctx};
        int64_t label;
        CN__TRY(cn__gallery_image(gallery, i, dataset, index, &(cn__fetch){.augment = i > 0, .seed = seed, .epoch = i},
                                  &label));
        if (i > 0)
            cn__text_append(&title, "epoch %lld", (long long)i);
        else if (label >= 0)
            cn__append_title_class(&title, dataset, label);
        else
            cn__text_append(&title, "as it is");
        CN__TRY(cn__gallery_title(gallery, i, &title));
    }
    return CN_OK;
}

cn_status cn_sheet_augmented(const cn_dataset *dataset, int64_t index, int64_t count, uint64_t seed,
                             const char *heading, char **svg) {
    CN__COMPUTES;
    cn__gallery gallery;
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(dataset);
    CN__TRY(check_count("cn_sheet_augmented", count));
    cn_status status = begin(&gallery, dataset, count);
    if (status == CN_OK)
        status = fill_augmented(&gallery, dataset, index, seed);
    return cn__gallery_draw(status, &gallery, CN__EXAMPLE, heading ? heading : "An image, augmented", svg);
}

cn_status cn_sheet_misclassified(const cn_evaluation *evaluation, const cn_dataset *dataset, int64_t count, int surest,
                                 const char *heading, char **svg) {
    CN__COMPUTES;
    cn__gallery gallery;
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(evaluation);
    CN__REQUIRE(dataset);
    CN__TRY(check_count("cn_sheet_misclassified", count));
    cn_status status = cn__gallery_misclassified(evaluation, dataset, count, surest != 0, &gallery);
    return cn__gallery_draw(status, &gallery, CN__EXAMPLE, heading ? heading : "Misclassified images: predicted/truth",
                            svg);
}
