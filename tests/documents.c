/* SPDX-License-Identifier: MIT */
/* documents.c: what tests of SVG and HTML share. */
#include "documents.h"
#include "well_formed.h"
#include <stdlib.h>

const char hostile_name[] = "<script>&\"'\x01\x7f\xff\xed\xa0\x80\xc0\xaf]]>";
const char hostile_class[] = "<script>&\"'\x01\x7f\xed\x9f\xbf]]>";

void expect_document(char *text, const char *has) {
    ck_assert_ptr_nonnull(text);
    const char *where, *fault = document_fault(text, &where);
    ck_assert_msg(!fault, "%s: %.40s", fault, where);
    ck_assert_msg(!has || strstr(text, has), "lacks '%s': %.3000s", has, text);
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
