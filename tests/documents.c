/* documents.c: SVG and HTML, read as strictly as no browser does. */
#include "documents.h"
#include <stdlib.h>

const char hostile_name[] = "<script>&\"'\x01\x7f\xff\xed\xa0\x80\xc0\xaf]]>";

/* Elements that HTML has without an end. */
static int is_void(const char *name, size_t length) {
    static const char *const names[] = {"meta", "link", "br", "img"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
            return 1;
    return 0;
}

static const char *skip_tag(const char *tag) {
    char quote = 0;
    const char *c = tag + 1;
    for (; *c && (quote || *c != '>'); c++) {
        ck_assert_msg(quote == '"' || *c != '<', "'<' within a tag: %.40s", tag);
        if (*c == '"')
            quote = quote ? 0 : '"';
    }
    ck_assert_msg(*c == '>', "a tag without end: %.40s", tag);
    return c;
}

static void check_reference(const char *c) {
    static const char *const known[] = {"&lt;", "&gt;", "&amp;", "&quot;", "&#39;"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strncmp(c, known[i], strlen(known[i])) == 0)
            return;
    ck_abort_msg("a bare '&': %.20s", c);
}

/* Every tag is closed by its own, quotes pair up, ampersands are escaped, no control characters; UTF-8. */
static void expect_well_formed(const char *text) {
    const char *open[64];
    size_t length[64], depth = 0;
    const char *c = strncmp(text, "<!DOCTYPE html>", 15) == 0 ? text + 15 : text;
    for (; *c; c++) {
        ck_assert_msg((unsigned char)*c >= ' ' || *c == '\n', "control character %d", *c);
        ck_assert_msg((unsigned char)*c < 0xF8 && (unsigned char)*c != 0xC0, "byte %d", (unsigned char)*c);
        if (*c == '&')
            check_reference(c);
        if (*c != '<')
            continue;
        const char *name = c[1] == '/' ? c + 2 : c + 1, *end = skip_tag(c);
        size_t letters = strcspn(name, " />\n");
        if (c[1] == '/') {
            ck_assert_msg(depth > 0 && length[depth - 1] == letters && memcmp(open[depth - 1], name, letters) == 0,
                          "not what was opened: %.20s", c);
            depth--;
        } else if (end[-1] != '/' && !is_void(name, letters)) {
            ck_assert_uint_lt(depth, 64);
            open[depth] = name;
            length[depth++] = letters;
        }
        c = end;
    }
    ck_assert_msg(depth == 0, "not closed: %.20s", depth ? open[depth - 1] : "");
}

void expect_document(char *text, const char *has) {
    ck_assert_ptr_nonnull(text);
    expect_well_formed(text);
    ck_assert_msg(!has || strstr(text, has), "lacks '%s': %.3000s", has, text);
    ck_assert_ptr_null(strstr(text, "<script"));
    cn_text_free(text);
}

int occurrences(const char *text, const char *what) {
    int count = 0;
    for (; (text = strstr(text, what)) != NULL; text++)
        count++;
    return count;
}

int have_images(cn_context *ctx) {
    cn_tensor *pixel, *png;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, 1, 1, 1}, &pixel));
    cn_status status = cn_image_encode_png(pixel, &png);
    cn_tensor_free(png);
    cn_tensor_free(pixel);
    return status == CN_OK;
}
