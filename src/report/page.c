/* page.c: HTML pages, put together piece by piece. */
#include "report/report.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NARROW = 640 /* pixels: figures up to this stand side by side */ };

struct cn_page {
    cn_context *ctx;
    char *title;
    cn__text body;
};

static const char style[] =
    ":root{color-scheme:light dark;--ground:#f3f5f8;--card:#fff;--text:#24292f;--dim:#59636e;--line:#d9dee3;"
    "--mark:#0067a8}"
    "@media screen and (prefers-color-scheme:dark){:root{--ground:#0d1117;--card:#161b22;--text:#e6edf3;"
    "--dim:#9aa4af;--line:#2f363d;--mark:#56b4e9}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--ground);color:var(--text);"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI','Helvetica Neue',Arial,sans-serif}"
    "main{max-width:1080px;margin:0 auto;padding:32px 20px 48px;display:grid;gap:16px;"
    "grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));align-items:start}"
    "h1,h2,p,.facts,.wide,.table,.pictures,footer{grid-column:1/-1;margin:0;min-width:0}"
    "h1{font-size:28px;line-height:1.2;overflow-wrap:anywhere}h2{font-size:19px;margin-top:20px}"
    "p{max-width:76ch;overflow-wrap:anywhere}footer{color:var(--dim);font-size:13px;margin-top:16px}"
    ".facts{display:flex;flex-wrap:wrap;gap:12px}"
    ".facts div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 16px;flex:1 1 130px}"
    ".facts strong{display:block;font-size:24px;font-weight:600;color:var(--mark);font-variant-numeric:tabular-nums}"
    ".facts span{color:var(--dim);font-size:13px}"
    "figure{margin:0;min-width:0;background:var(--card);border:1px solid var(--line);border-radius:8px;overflow:hidden}"
    "figure svg{display:block;max-width:100%;height:auto;margin:0 auto}"
    "figcaption{color:var(--dim);font-size:13px;padding:0 16px 12px}"
    ".table{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:8px}"
    "table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}"
    "th,td{padding:6px 12px;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}"
    "td:last-child{white-space:normal}th{color:var(--dim);font-weight:600}"
    "tr:last-child td{border-bottom:0}th.n,td.n{text-align:right;white-space:nowrap}"
    ".pictures{display:grid;gap:12px;grid-template-columns:repeat(auto-fill,minmax(150px,1fr))}"
    ".pictures figure{padding:12px 8px;text-align:center}"
    ".pictures img{width:128px;height:128px;object-fit:contain;image-rendering:pixelated}"
    ".pictures figcaption{padding:4px 0 0;overflow-wrap:anywhere}.pictures b{color:var(--text);font-weight:500}"
    "@media print{body{background:#fff;font-size:12px}main{padding:0}h2{break-after:avoid}"
    "figure,.facts,tr{break-inside:avoid}.table{overflow:visible}th,td{padding:3px 6px;font-size:11px}}";

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

static cn_status append_element(cn_page *page, const char *element, const char *text) {
    size_t length = page->body.length;
    cn__text_append(&page->body, "<%s>", element);
    cn__append_name(&page->body, text, CN__WHOLE);
    cn__text_append(&page->body, "</%s>\n", element);
    return settle(page, length, CN_OK);
}

cn_status cn_page_heading(cn_page *page, const char *text) {
    CN__REQUIRE(page);
    CN__REQUIRE(text);
    return append_element(page, "h2", text);
}

cn_status cn_page_paragraph(cn_page *page, const char *text) {
    CN__REQUIRE(page);
    CN__REQUIRE(text);
    return append_element(page, "p", text);
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

/* ---- tables ---- */

/* It begins as a number does, or is empty. */
static bool is_numeric(const char *cell) {
    return !cell || strspn(cell, "-+.0123456789") > 0 || strcmp(cell, "–") == 0 || !*cell;
}

static void append_row(cn__text *out, bool heading, int columns, const char *const *cells, const bool *numbers) {
    const char *tag = heading ? "th" : "td";
    cn__text_append(out, "<tr>");
    for (int i = 0; i < columns; i++) {
        cn__text_append(out, "<%s%s%s>", tag, heading ? " scope=\"col\"" : "", numbers[i] ? " class=\"n\"" : "");
        cn__append_name(out, cells[i] ? cells[i] : "", CN__WHOLE);
        cn__text_append(out, "</%s>", tag);
    }
    cn__text_append(out, "</tr>\n");
}

cn_status cn_page_table(cn_page *page, int rows, int columns, const char *const *headings, const char *const *cells) {
    bool numbers[32];
    CN__REQUIRE(page);
    CN__REQUIRE(headings);
    if (rows < 0 || columns < 1 || columns > (int)CN__COUNT(numbers) || (rows > 0 && !cells))
        return cn__error(CN_ERR_ARGUMENT, "cn_page_table: %d rows of %d columns, want 1 to %d columns", rows, columns,
                         (int)CN__COUNT(numbers));
    for (int column = 0; column < columns; column++) {
        numbers[column] = column > 0;
        for (int row = 0; row < rows; row++)
            numbers[column] = numbers[column] && is_numeric(cells[row * columns + column]);
    }
    size_t length = page->body.length;
    cn__text_append(&page->body, "<div class=\"table\"><table>\n<thead>");
    append_row(&page->body, true, columns, headings, numbers);
    cn__text_append(&page->body, "</thead>\n<tbody>\n");
    for (int row = 0; row < rows; row++)
        append_row(&page->body, false, columns, cells + (size_t)row * (size_t)columns, numbers);
    cn__text_append(&page->body, "</tbody></table></div>\n");
    return settle(page, length, CN_OK);
}

/* ---- figures ---- */

cn_status cn_page_figure(cn_page *page, const char *svg, const char *caption) {
    CN__REQUIRE(page);
    CN__REQUIRE(svg);
    if (strncmp(svg, "<svg ", 5) != 0)
        return cn__error(CN_ERR_ARGUMENT, "cn_page_figure: the text does not begin with '<svg '");
    const char *width = strstr(svg, " width=\"");
    bool wide = width && atoi(width + 8) > NARROW;
    size_t length = page->body.length;
    cn__text_append(&page->body, "<figure%s>\n%s", wide ? " class=\"wide\"" : "", svg);
    if (caption) {
        cn__text_append(&page->body, "<figcaption>");
        cn__append_name(&page->body, caption, CN__WHOLE);
        cn__text_append(&page->body, "</figcaption>");
    }
    cn__text_append(&page->body, "</figure>\n");
    return settle(page, length, CN_OK);
}

/* The first line stands out. */
static void append_title(cn__text *out, const char *title) {
    int first = cn__line_length(title);
    cn__text_append(out, "<figcaption><b>");
    cn__append_name_bytes(out, title, first);
    cn__text_append(out, "</b>");
    if (title[first]) {
        cn__text_append(out, "<br>");
        cn__append_name(out, title + first + 1, CN__WHOLE);
    }
    cn__text_append(out, "</figcaption>");
}

static cn_status append_pictures(cn__text *out, const cn_tensor *pictures, const char *const *titles) {
    cn__text_append(out, "<div class=\"pictures\">\n");
    for (int64_t i = 0; i < pictures->shape[0]; i++) {
        cn__text_append(out, "<figure><img alt=\"\" src=\"");
        CN__TRY(cn__append_picture(out, pictures, i));
        cn__text_append(out, "\">");
        if (titles && titles[i])
            append_title(out, titles[i]);
        cn__text_append(out, "</figure>\n");
    }
    cn__text_append(out, "</div>\n");
    return CN_OK;
}

cn_status cn_page_pictures(cn_page *page, const cn_tensor *pictures, const char *const *titles) {
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
    cn__text_append(
        &out, "</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>%s</style>\n</head>\n<body>\n<main>\n<h1>", style);
    cn__append_name(&out, page->title, CN__WHOLE);
    cn__text_append(&out, "</h1>\n%s<footer>libconvnet %s</footer>\n</main>\n</body>\n</html>\n",
                    page->body.data ? page->body.data : "", cn_version_string());
    return cn__text_take(&out, html);
}
