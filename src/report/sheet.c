/* sheet.c: pictures with titles, side by side. */
#include "report/report.h"
#include <math.h>
#include <string.h>

enum { MARGIN = 16, GAP = 12, LINE = 16, MAX_TITLE = 28, LETTER = 7 /* pixels, of small text */ };
enum { MOST = 4096 /* pictures */ };

typedef struct layout {
    int64_t count;
    int columns, picture_width, picture_height, cell_width, cell_height;
    bool crisp; /* magnified by whole factors */
} layout;

/* ---- titles of one line or two ---- */

static const char *second_line(const char *title) {
    const char *end = strchr(title, '\n');
    return end ? end + 1 : NULL;
}

static int line_length(const char *line) {
    const char *end = strchr(line, '\n');
    int rest = end ? cn__name_length(end, CN__WHOLE) : 0, all = cn__name_length(line, CN__WHOLE) - rest;
    return all < MAX_TITLE ? all : MAX_TITLE;
}

static void append_line(cn__text *out, const char *line, int x, int y, const char *look) {
    const char *end = strchr(line, '\n');
    cn__text single = {.ctx = out->ctx};
    char *text;
    cn__text_append(&single, "%.*s", end ? (int)(end - line) : (int)strlen(line), line);
    if (cn__text_take(&single, &text) != CN_OK) {
        out->failed = true;
        return;
    }
    cn__text_append(out, "<text class=\"%s cn-i\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">", look, x, y);
    cn__append_name(out, text, MAX_TITLE);
    cn__text_append(out, "</text>\n");
    cn_text_free(text);
}

/* ---- the sheet ---- */

static int columns_for(int64_t count, bool small) {
    int most = small ? 8 : count % 5 == 0 ? 5 : 6;
    return count < most ? (int)count : most;
}

static layout lay_out(const cn_tensor *pictures, const char *const *titles, int64_t count, int columns, int size) {
    int64_t height = cn_tensor_shape(pictures, 2), width = cn_tensor_shape(pictures, 3);
    int64_t side = height > width ? height : width, longest = 0, lines = 0;
    layout l = {.count = count, .crisp = side <= size};
    double factor = l.crisp ? (double)(size / side) : (double)size / (double)side;
    l.columns = columns ? columns : columns_for(l.count, size == CN__CHANNEL);
    l.picture_width = (int)fmax(1.0, factor * (double)width);
    l.picture_height = (int)fmax(1.0, factor * (double)height);
    for (int64_t i = 0; titles && i < l.count; i++) {
        const char *second = titles[i] ? second_line(titles[i]) : NULL;
        int first_length = titles[i] ? line_length(titles[i]) : 0, second_length = second ? line_length(second) : 0;
        longest = first_length > longest ? first_length : longest;
        longest = second_length > longest ? second_length : longest;
        lines = second ? 2 : titles[i] && lines == 0 ? 1 : lines;
    }
    l.cell_width = l.picture_width > LETTER * longest ? l.picture_width : LETTER * (int)longest;
    l.cell_height = l.picture_height + LINE * (int)lines + (lines ? 4 : 0);
    return l;
}

static cn_status append_cell(cn__text *out, const layout *l, const cn_tensor *pictures, const char *title, int64_t i) {
    int x = MARGIN + (int)(i % l->columns) * (l->cell_width + GAP);
    int y = MARGIN + (int)(i / l->columns) * (l->cell_height + GAP), middle = x + l->cell_width / 2;
    cn__text_append(out, "<image%s x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" href=\"",
                    l->crisp ? " class=\"cn-p\" image-rendering=\"optimizeSpeed\"" : "", middle - l->picture_width / 2,
                    y, l->picture_width, l->picture_height);
    CN__TRY(cn__append_picture(out, pictures, i));
    cn__text_append(out, "\"/>\n");
    if (title) {
        const char *second = second_line(title);
        append_line(out, title, middle, y + l->picture_height + LINE, "cn-t");
        if (second)
            append_line(out, second, middle, y + l->picture_height + 2 * LINE, "cn-m");
    }
    return CN_OK;
}

static cn_status draw_nothing(cn_context *ctx, const char *name, char **svg) {
    cn__text out = {.ctx = ctx};
    cn__svg_begin(&out, 300, 60, name);
    cn__text_append(&out, "<text class=\"cn-m\" x=\"%d\" y=\"35\">none</text>\n", MARGIN);
    cn__svg_end(&out);
    return cn__text_take(&out, svg);
}

static cn_status draw(const cn_tensor *pictures, const char *const *titles, int64_t count, int columns, int size,
                      const char *name, char **svg) {
    layout l = lay_out(pictures, titles, count, columns, size);
    int rows = (int)((count + l.columns - 1) / l.columns);
    cn__text out = {.ctx = pictures->ctx};
    cn_status status = CN_OK;
    cn__svg_begin(&out, 2 * MARGIN + l.columns * (l.cell_width + GAP) - GAP,
                  2 * MARGIN + rows * (l.cell_height + GAP) - GAP, name);
    for (int64_t i = 0; i < count && status == CN_OK; i++)
        status = append_cell(&out, &l, pictures, titles ? titles[i] : NULL, i);
    cn__svg_end(&out);
    if (status == CN_OK)
        return cn__text_take(&out, svg);
    cn_text_free(out.data);
    return status;
}

cn_status cn__gallery_draw(cn_status status, cn__gallery *gallery, int size, const char *name, char **svg) {
    const char *const *titles = (const char *const *)gallery->titles;
    if (status == CN_OK && gallery->count == 0)
        status = draw_nothing(gallery->ctx, name, svg);
    else if (status == CN_OK)
        status = draw(gallery->images, titles, gallery->count, 0, size, name, svg);
    cn__gallery_drop(gallery);
    return status;
}

static cn_status check_count(const char *function, int64_t count) {
    if (count >= 1 && count <= MOST)
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "%s: %lld pictures, want 1 to %d", function, (long long)count, MOST);
}

/* ---- any pictures ---- */

cn_status cn_sheet_pictures(const cn_tensor *pictures, const char *const *titles, int columns, char **svg) {
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(pictures);
    CN__TRY(cn__check_pictures(pictures, "cn_sheet_pictures"));
    CN__TRY(check_count("cn_sheet_pictures", pictures->shape[0]));
    if (columns < 0 || columns > MOST)
        return cn__error(CN_ERR_ARGUMENT, "cn_sheet_pictures: %d columns, want 0 to %d", columns, MOST);
    return draw(pictures, titles, pictures->shape[0], columns, CN__EXAMPLE, "Pictures", svg);
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
        cn__append_title_class(&title, dataset, label);
        CN__TRY(cn__gallery_title(gallery, i, &title));
    }
    return CN_OK;
}

cn_status cn_sheet_examples(const cn_dataset *dataset, int64_t count, const int64_t *indices, char **svg) {
    cn__gallery gallery;
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(dataset);
    CN__TRY(check_count("cn_sheet_examples", count));
    cn_status status = begin(&gallery, dataset, count);
    if (status == CN_OK)
        status = fill_examples(&gallery, dataset, indices);
    return cn__gallery_draw(status, &gallery, CN__EXAMPLE, "Examples", svg);
}

static cn_status fill_augmented(cn__gallery *gallery, const cn_dataset *dataset, int64_t index, uint64_t seed) {
    for (int64_t i = 0; i < gallery->count; i++) {
        cn__text title = {.ctx = gallery->ctx};
        int64_t label;
        CN__TRY(cn__gallery_image(gallery, i, dataset, index, &(cn__fetch){.augment = i > 0, .seed = seed, .epoch = i},
                                  &label));
        if (i > 0)
            cn__text_append(&title, "epoch %lld", (long long)i);
        else
            cn__append_title_class(&title, dataset, label);
        CN__TRY(cn__gallery_title(gallery, i, &title));
    }
    return CN_OK;
}

cn_status cn_sheet_augmented(const cn_dataset *dataset, int64_t index, int64_t count, uint64_t seed, char **svg) {
    cn__gallery gallery;
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(dataset);
    CN__TRY(check_count("cn_sheet_augmented", count));
    cn_status status = begin(&gallery, dataset, count);
    if (status == CN_OK)
        status = fill_augmented(&gallery, dataset, index, seed);
    return cn__gallery_draw(status, &gallery, CN__EXAMPLE, "An image, augmented", svg);
}

cn_status cn_sheet_misclassified(const cn_evaluation *evaluation, const cn_dataset *dataset, int64_t count, int surest,
                                 char **svg) {
    cn__gallery gallery;
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(evaluation);
    CN__REQUIRE(dataset);
    CN__TRY(check_count("cn_sheet_misclassified", count));
    cn_status status = cn__gallery_misclassified(evaluation, dataset, count, surest != 0, &gallery);
    return cn__gallery_draw(status, &gallery, CN__EXAMPLE, "Misclassified images: predicted/truth", svg);
}
