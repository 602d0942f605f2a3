/* options.c: structs that carry their own size across library versions. */
#include "base/base.h"
#include <string.h>

#define LARGEST 4096 /* no struct will ever be larger: what is, was not initialised */

static cn_status check_size(size_t size, size_t smallest, const char *what) {
    if (size >= smallest && size <= LARGEST)
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "%s: its size member is %zu, wanted %zu to %d; set it with the INIT macro", what,
                     size, smallest, LARGEST);
}

cn_status cn__options_read(void *known, size_t known_size, size_t smallest, const void *options, const char *what) {
    size_t size;
    if (!options)
        return CN_OK;
    memcpy(&size, options, sizeof size);
    CN__TRY(check_size(size, smallest, what));
    for (size_t i = known_size; i < size; i++)
        if (((const unsigned char *)options)[i] != 0)
            return cn__error(CN_ERR_VERSION, "%s: byte %zu is set, but this library (%s) knows only %zu bytes", what, i,
                             cn_version_string(), known_size);
    memset(known, 0, known_size);
    memcpy(known, options, size < known_size ? size : known_size);
    return CN_OK;
}

cn_status cn__struct_write(void *out, const void *filled, size_t known_size, size_t smallest, const char *what) {
    size_t size, skip = sizeof size;
    memcpy(&size, out, sizeof size);
    CN__TRY(check_size(size, smallest, what));
    size_t known = size < known_size ? size : known_size;
    memcpy((char *)out + skip, (const char *)filled + skip, known - skip);
    memset((char *)out + known, 0, size - known);
    return CN_OK;
}
