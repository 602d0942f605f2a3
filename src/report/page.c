/* SPDX-License-Identifier: MIT */
/* page.c: HTML pages, put together piece by piece. */
#include "report/report.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    NARROW = CN__PANEL + 40 /* pixels: figures up to this stand side by side */,
    LONG = 30 /* rows; more than a figure */
};

struct cn_page {
    cn_context *ctx;
    char *title;
    cn__text body;
};

cn_context *cn__page_context(const cn_page *page) {
    return page->ctx;
}

static const char style[] =
    ":root{color-scheme:light dark;--ground:#f3f5f8;--card:#fff;--text:#24292f;--dim:#59636e;--line:#d9dee3;"
    "--mark:#0067a8;--warn:#d04f00;--shade:#0003}"
    "@media screen and (prefers-color-scheme:dark){:root{--ground:#0d1117;--card:#161b22;--text:#e6edf3;"
    "--dim:#9aa4af;--line:#2f363d;--mark:#56b4e9;--warn:#ff8a3d;--shade:#8b949e55}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--ground);color:var(--text);"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI','Helvetica Neue',Arial,sans-serif}"
    "main{max-width:1080px;margin:0 auto;padding:32px 20px 48px;display:grid;gap:16px;"
    "grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));align-items:start}"
    "h1,h2,p,.facts,.wide,.table,details,.pictures,footer{grid-column:1/-1;margin:0;min-width:0}"
    "h1{font-size:28px;line-height:1.2;overflow-wrap:anywhere}h2{font-size:19px;margin-top:20px}"
    "p{max-width:76ch;overflow-wrap:anywhere}footer{color:var(--dim);font-size:13px;margin-top:16px}"
    "h1+p{color:var(--dim);margin-top:-8px}"
    ".notice{max-width:none;background:var(--card);border:1px solid var(--line);border-left:4px solid var(--warn);"
    "border-radius:8px;padding:10px 16px}"
    ".facts{display:flex;flex-wrap:wrap;gap:12px}"
    ".facts div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 16px;flex:1 1 110px}"
    ".facts strong{display:block;font-size:24px;font-weight:600;color:var(--mark);font-variant-numeric:tabular-nums;"
    "white-space:nowrap}"
    ".facts span{color:var(--dim);font-size:13px}"
    "figure{margin:0;min-width:0;background:var(--card);border:1px solid var(--line);border-radius:8px;overflow:hidden}"
    "figure svg{display:block;width:100%;max-width:580px;height:auto}"
    ".scroll{overflow-x:auto}.scroll .cn-bg{fill:none}.wide svg{width:auto;max-width:100%}"
    "figcaption{color:var(--dim);font-size:13px;padding:0 16px 12px}"
    ".table{overflow:auto;border:1px solid var(--line);border-radius:8px}"
    /* Shadows at the sides that there is more behind: covers go along with what is scrolled, shadows stay. */
    ".table,.scroll{background:"
    "linear-gradient(90deg,var(--card) 40%,transparent) 0 0/36px 100% no-repeat local,"
    "linear-gradient(-90deg,var(--card) 40%,transparent) 100% 0/36px 100% no-repeat local,"
    "linear-gradient(var(--card) 40%,transparent) 0 0/100% 36px no-repeat local,"
    "linear-gradient(0deg,var(--card) 40%,transparent) 0 100%/100% 36px no-repeat local,"
    "linear-gradient(90deg,var(--shade),transparent) 0 0/14px 100% no-repeat,"
    "linear-gradient(-90deg,var(--shade),transparent) 100% 0/14px 100% no-repeat,"
    "linear-gradient(var(--shade),transparent) 0 0/100% 14px no-repeat,"
    "linear-gradient(0deg,var(--shade),transparent) 0 100%/100% 14px no-repeat,var(--card)}"
    ".half{grid-column:auto;max-height:480px}.half tbody "
    "th:not(.n){white-space:normal;min-width:8em;overflow-wrap:anywhere}"
    ".half th,.half td{padding:6px 8px}.half thead th{white-space:normal}"
    "summary{cursor:pointer;color:var(--dim);font-size:14px}details .table{margin-top:8px}"
    "table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}"
    "caption{text-align:left;color:var(--dim);font-size:13px;padding:8px 12px 2px;max-width:calc(100vw - 42px)}"
    "th,td{padding:6px 12px;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}"
    "th{color:var(--dim);font-weight:600}tbody th{color:var(--text);font-weight:400}"
    "td:last-child{white-space:normal;overflow-wrap:anywhere}"
    "tbody tr:last-child>*{border-bottom:0}th.n,td.n{text-align:right;white-space:nowrap}"
    ".pictures{display:grid;gap:12px;grid-template-columns:repeat(auto-fill,minmax(150px,1fr))}"
    ".pictures figure{padding:12px 8px;text-align:center}"
    ".pictures img{width:128px;height:128px;object-fit:contain;image-rendering:pixelated}"
    ".pictures figcaption{padding:4px 0 0;overflow-wrap:anywhere}.pictures b{color:var(--text);font-weight:500}";

/* On phones and on paper. */
static const char more_style[] =
    "@media(max-width:700px){.wide svg{min-width:var(--least)}.half{max-height:none}table{font-size:13px}"
    "th,td,.half th,.half td{padding:6px 4px}thead th{white-space:normal}.half tbody th:not(.n){min-width:7.5em}"
    "td:last-child:not(.n){min-width:9em}}"
    "@media print{body{background:#fff;font-size:12px}main{padding:0;max-width:none;gap:8px;"
    "grid-template-columns:1fr 1fr}h2{break-after:avoid;margin-top:8px}"
    "figure,.facts,tr{break-inside:avoid}.facts{gap:6px}.facts div{flex:1 1 80px;padding:6px 8px}"
    ".facts strong{font-size:16px}.table,.scroll{overflow:visible;background:none}.half{max-height:none}"
    "th,td,.half th,.half td{padding:3px 6px;font-size:11px}.pictures{grid-template-columns:repeat(5,1fr)}"
    ".pictures img{width:96px;height:96px}details:not([open]){display:none}"
    "caption{max-width:none}.wide svg{max-height:150mm}.long{grid-column:1/-1}}";

cn_status cn_page_new(cn_context *context, const char *title, cn_page **page) {
    CN__REQUIRE(page);
    *page = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(title);
    cn_page *made = cn__alloc(context, 1, sizeof *made);
    if (!made)
        return cn__no_memory("a page");
    made->ctx = made->body.ctx = context;
    made->title = cn__strdup(context, title);
    if (!made->title) {
        cn_page_free(made);
        return cn__no_memory("a page");
    }
    *page = made;
    return CN_OK;
}

void cn_page_free(cn_page *page) {
    if (!page)
        return;
    cn_text_free(page->body.data);
    cn__free(page->ctx, page->title);
    cn__free(page->ctx, page);
}

/* Keeps what was appended since the page was `length` long, or takes it back. */
static cn_status settle(cn_page *page, size_t length, cn_status status) {
    cn__text *body = &page->body;
    if (status == CN_OK && !body->failed)
        return CN_OK;
    body->failed = false;
    body->length = length;
    if (body->data)
        body->data[length] = '\0';
    return status != CN_OK ? status : cn__no_memory("a page");
}

static cn_status append_element(cn_page *page, const char *element, const char *attributes, const char *text) {
    size_t length = page->body.length;
    cn__text_append(&page->body, "<%s%s>", element, attributes);
    cn__append_name(&page->body, text, CN__WHOLE);
    cn__text_append(&page->body, "</%s>\n", element);
    return settle(page, length, CN_OK);
}

cn_status cn_page_heading(cn_page *page, const char *text) {
    CN__REQUIRE(page);
    CN__REQUIRE(text);
    return append_element(page, "h2", "", text);
}

cn_status cn_page_paragraph(cn_page *page, const char *text) {
    CN__REQUIRE(page);
    CN__REQUIRE(text);
    return append_element(page, "p", "", text);
}

cn_status cn_page_notice(cn_page *page, const char *text) {
    CN__REQUIRE(page);
    CN__REQUIRE(text);
    return append_element(page, "p", " class=\"notice\"", text);
}

cn_status cn_page_facts(cn_page *page, int count, const char *const *names, const char *const *values) {
    CN__REQUIRE(page);
    CN__REQUIRE(names);
    CN__REQUIRE(values);
    size_t length = page->body.length;
    cn__text_append(&page->body, "<div class=\"facts\">\n");
    for (int i = 0; i < count; i++) {
        cn__text_append(&page->body, "<div><strong>");
        cn__append_name(&page->body, values[i] ? values[i] : "–", CN__WHOLE);
        cn__text_append(&page->body, "</strong><span>");
        cn__append_name(&page->body, names[i] ? names[i] : "", CN__WHOLE);
        cn__text_append(&page->body, "</span></div>\n");
    }
    cn__text_append(&page->body, "</div>\n");
    return settle(page, length, CN_OK);
}

/* What overflows can be scrolled by keys, and has a name. */
static void append_region(cn__text *out, const char *look, const char *name) {
    cn__text_append(out, "<section class=\"%s\" tabindex=\"0\" aria-label=\"", look);
    cn__append_name(out, name, CN__WHOLE);
    cn__text_append(out, "\">");
}

/* ---- tables ---- */

/* It begins as a number does, or is empty. */
static bool is_numeric(const char *cell) {
    static const char minus[] = "−";
    if (cell && strncmp(cell, minus, strlen(minus)) == 0)
        cell += strlen(minus);
    return !cell || !*cell || strspn(cell, "-+.0123456789") > 0 || strcmp(cell, "–") == 0;
}

static void append_row(cn__text *out, bool heading, int columns, const char *const *cells, const bool *numbers) {
    cn__text_append(out, "<tr>");
    for (int i = 0; i < columns; i++) {
        const char *tag = heading || i == 0 ? "th" : "td";
        cn__text_append(out, "<%s%s%s>", tag,
                        heading  ? " scope=\"col\""
                        : i == 0 ? " scope=\"row\""
                                 : "",
                        numbers[i] ? " class=\"n\"" : "");
        cn__append_name(out, cells[i] ? cells[i] : "", CN__WHOLE);
        cn__text_append(out, "</%s>", tag);
    }
    cn__text_append(out, "</tr>\n");
}

static void append_table(cn__text *out, const cn__table *table, const bool *numbers) {
    append_region(out,
                  !table->half         ? "table"
                  : table->rows > LONG ? "table half long"
                                       : "table half",
                  table->caption ? table->caption
                  : table->fold  ? table->fold
                                 : "Table");
    cn__text_append(out, "<table>\n");
    if (table->caption) {
        cn__text_append(out, "<caption>");
        cn__append_name(out, table->caption, CN__WHOLE);
        cn__text_append(out, "</caption>\n");
    }
    cn__text_append(out, "<thead>");
    append_row(out, true, table->columns, table->headings, numbers);
    cn__text_append(out, "</thead>\n<tbody>\n");
    for (int row = 0; row < table->rows; row++)
        append_row(out, false, table->columns, table->cells + (size_t)row * (size_t)table->columns, numbers);
    cn__text_append(out, "</tbody></table></section>\n");
}

cn_status cn__page_table(cn_page *page, const cn__table *table) {
    bool numbers[CN__TABLE_COLUMNS];
    for (int column = 0; column < table->columns; column++) {
        numbers[column] = true;
        for (int row = 0; row < table->rows; row++)
            numbers[column] = numbers[column] && is_numeric(table->cells[row * table->columns + column]);
    }
    cn__text *body = &page->body;
    size_t length = body->length;
    if (table->fold) {
        cn__text_append(body, "<details><summary>");
        cn__append_name(body, table->fold, CN__WHOLE);
        cn__text_append(body, "</summary>");
    }
    append_table(body, table, numbers);
    if (table->fold)
        cn__text_append(body, "</details>\n");
    return settle(page, length, CN_OK);
}

cn_status cn_page_table(cn_page *page, const char *caption, int rows, int columns, const char *const *headings,
                        const char *const *cells) {
    CN__REQUIRE(page);
    CN__REQUIRE(headings);
    if (rows < 0 || columns < 1 || columns > CN__TABLE_COLUMNS)
        return cn__error(CN_ERR_ARGUMENT, "cn_page_table: %d rows of %d columns, want 1 to %d columns", rows, columns,
                         CN__TABLE_COLUMNS);
    if (rows > 0)
        CN__REQUIRE(cells);
    return cn__page_table(
        page, &(cn__table){.caption = caption, .rows = rows, .columns = columns, .headings = headings, .cells = cells});
}

/* ---- figures ---- */

static int svg_width(const char *svg) {
    const char *width = strstr(svg, " width=\"");
    return width ? atoi(width + 8) : 0;
}

bool cn__page_is_wide(const char *svg) {
    return svg_width(svg) > NARROW;
}

/* A wide drawing is made smaller on a phone only as far as its letters bear it, and can then be scrolled. Its name is
 * its title. */
static void append_wide(cn__text *out, const char *svg) {
    const char *begin = strstr(svg, "<title>"), *end = begin ? strstr(begin, "</title>") : NULL;
    cn__text_append(out, "<section class=\"scroll\" tabindex=\"0\" style=\"--least:%dpx\" aria-label=\"%.*s\">",
                    svg_width(svg) * 4 / 5, end ? (int)(end - begin - 7) : 7, end ? begin + 7 : "Drawing");
    cn__text_append(out, "%s</section>\n", svg);
}

cn_status cn_page_figure(cn_page *page, const char *svg, const char *caption) {
    CN__REQUIRE(page);
    CN__REQUIRE(svg);
    if (strncmp(svg, "<svg ", 5) != 0)
        return cn__error(CN_ERR_ARGUMENT, "cn_page_figure: the text does not begin with '<svg '");
    cn__text *body = &page->body;
    size_t length = body->length;
    bool wide = cn__page_is_wide(svg);
    cn__text_append(body, "<figure%s>\n", wide ? " class=\"wide\"" : "");
    if (wide)
        append_wide(body, svg);
    else
        cn__text_append(body, "%s", svg);
    if (caption) {
        cn__text_append(body, "<figcaption>");
        cn__append_name(body, caption, CN__WHOLE);
        cn__text_append(body, "</figcaption>");
    }
    cn__text_append(body, "</figure>\n");
    return settle(page, length, CN_OK);
}

/* The first line stands out. */
static void append_title(cn__text *out, const char *title) {
    int first = cn__line_length(title);
    cn__text_append(out, "<figcaption><b>");
    cn__append_name_bytes(out, title, first);
    cn__text_append(out, "</b>");
    while (title[first]) {
        title += first + 1;
        first = cn__line_length(title);
        cn__text_append(out, "<br>");
        cn__append_name_bytes(out, title, first);
    }
    cn__text_append(out, "</figcaption>");
}

static cn_status append_pictures(cn__text *out, const cn_tensor *pictures, const char *const *titles) {
    cn__text_append(out, "<div class=\"pictures\">\n");
    for (int64_t i = 0; i < pictures->shape[0]; i++) {
        cn__text_append(out, "<figure><img alt=\"picture %lld of %lld\" src=\"", (long long)i + 1,
                        (long long)pictures->shape[0]);
        CN__TRY(cn__append_picture(out, pictures, i, 1));
        cn__text_append(out, "\">");
        if (titles && titles[i])
            append_title(out, titles[i]);
        cn__text_append(out, "</figure>\n");
    }
    cn__text_append(out, "</div>\n");
    return CN_OK;
}

cn_status cn_page_pictures(cn_page *page, const cn_tensor *pictures, const char *const *titles) {
    CN__COMPUTES;
    CN__REQUIRE(page);
    CN__REQUIRE(pictures);
    CN__TRY(cn__check_pictures(pictures, "cn_page_pictures"));
    size_t length = page->body.length;
    return settle(page, length, append_pictures(&page->body, pictures, titles));
}

/* ---- the whole ---- */

cn_status cn_page_html(const cn_page *page, char **html) {
    CN__REQUIRE(html);
    *html = NULL;
    CN__REQUIRE(page);
    cn__text out = {.ctx = page->ctx};
    cn__text_append(&out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    cn__append_name(&out, page->title, CN__WHOLE);
    cn__text_append(&out,
                    "</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>%s%s</style>\n</head>\n<body>\n<main>\n<h1>",
                    style, more_style);
    cn__append_name(&out, page->title, CN__WHOLE);
    cn__text_append(&out, "</h1>\n%s<footer>libconvnet %s</footer>\n</main>\n</body>\n</html>\n",
                    page->body.data ? page->body.data : "", cn_version_string());
    return cn__text_take(&out, html);
}
