/* text_file.c: a text into a file. */
#include "io/io.h"
#include <string.h>

cn_status cn_text_save(cn_context *context, const char *text, const char *path) {
    CN__REQUIRE(context);
    CN__REQUIRE(text);
    CN__REQUIRE(path);
    struct iovec piece = {(void *)text, strlen(text)};
    return cn__replace_file(context, path, &piece, 1);
}
