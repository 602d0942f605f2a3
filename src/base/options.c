/* SPDX-License-Identifier: MIT */
/* options.c: structs that carry their own size across library versions, and their defaults as functions. */

/* A member that is added where an older struct had padding would be read from what happened to lie there. So no public
 * struct has any, here or (tests/test_header.sh) on other kinds of machines. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
#include "convnet.h"
#pragma GCC diagnostic pop

#include "base/base.h"
#include <string.h>

#define LARGEST 4096 /* no struct will ever be larger: what is, was not initialised */

static cn_status check_size(uint64_t size, size_t smallest, const char *what) {
    if (size >= smallest && size <= LARGEST)
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "%s: its size member is %llu, wanted %zu to %d; set it with the INIT macro", what,
                     (unsigned long long)size, smallest, LARGEST);
}

cn_status cn__options_read(void *known, size_t known_size, size_t smallest, const void *options, const char *what) {
    uint64_t size;
    if (!options)
        return CN_OK;
    memcpy(&size, options, sizeof size);
    CN__TRY(check_size(size, smallest, what));
    for (size_t i = known_size; i < (size_t)size; i++)
        if (((const unsigned char *)options)[i] != 0)
            return cn__error(CN_ERR_VERSION, "%s: byte %zu is set, but this library (%s) knows only %zu bytes", what, i,
                             cn_version_string(), known_size);
    memcpy(known, options, size < known_size ? (size_t)size : known_size);
    size = known_size; /* what may be handed on as it is, and no longer the caller's */
    memcpy(known, &size, sizeof size);
    return CN_OK;
}

cn_status cn__check_reserved(const char *what, bool zero) {
    return zero ? CN_OK
                : cn__error(CN_ERR_VERSION, "%s: a reserved member is set, which this library (%s) gives no meaning",
                            what, cn_version_string());
}

cn_status cn__struct_write(void *out, const void *filled, size_t known_size, size_t smallest, const char *what) {
    uint64_t size;
    memcpy(&size, out, sizeof size);
    CN__TRY(check_size(size, smallest, what));
    size_t known = size < known_size ? (size_t)size : known_size, skip = sizeof size;
    memcpy((char *)out + skip, (const char *)filled + skip, known - skip);
    memset((char *)out + known, 0, (size_t)size - known);
    return CN_OK;
}

/* ---- defaults ---- */

/* As much of the defaults as a struct of `size` bytes holds, and zeros beyond. */
static void write_defaults(void *options, size_t size, const void *defaults, size_t known_size) {
    uint64_t own_size = size;
    if (!options || size < sizeof own_size)
        return;
    memset(options, 0, size);
    memcpy(options, defaults, size < known_size ? size : known_size);
    memcpy(options, &own_size, sizeof own_size);
}

#define STRUCT(type, init)                                                                                             \
    void type##_init(type *options, size_t size) {                                                                     \
        const type defaults = init;                                                                                    \
        write_defaults(options, size, &defaults, sizeof defaults);                                                     \
    }
#include "base/structs.def"
