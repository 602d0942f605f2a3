/* SPDX-License-Identifier: MIT */
/* fail_io.h: calls for files that fail when asked to (fail_io.c): linked into a suite, which has these functions, or
 * preloaded into a program, and then told by the environment:
 *
 *   FAIL_IO_BELOW   a folder; only calls for what lies in it count
 *   FAIL_IO_HOW     EIO, ENOSPC, EACCES, EINTR, SHORT (half of what was to be read or written), or KILL (before a
 *                   call that changes something)
 *   FAIL_IO_AT      which of the calls that can fail so does, from 1
 *   FAIL_IO_ON      set: all from there on
 *   FAIL_IO_LOG     a file, to which "CALL PATH" is added when one does
 *
 * For Linux with glibc on 64-bit machines; elsewhere nothing fails. */
#ifndef FAIL_IO_H
#define FAIL_IO_H

#include <stdbool.h>
#include <stdlib.h> /* __GLIBC__ */

#if defined(__linux__) && defined(__GLIBC__) && defined(__LP64__)
#define FAIL_IO_WORKS 1
#else
#define FAIL_IO_WORKS 0
#endif

typedef enum fail_io_how {
    FAIL_IO_EIO,
    FAIL_IO_ENOSPC,
    FAIL_IO_EACCES,
    FAIL_IO_EINTR,
    FAIL_IO_SHORT,
    FAIL_IO_KILL,
    FAIL_IO_WAYS
} fail_io_how;

/* From now on, the calls are counted anew; `at` 0: none fails. `below` is not copied. */
void fail_io_arm(const char *below, fail_io_how how, int at, bool on);
/* "write", "rename" …: the first call that has failed since; NULL: none has. */
const char *fail_io_failed(void);

#endif
