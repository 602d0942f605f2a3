/* SPDX-License-Identifier: MIT */
/* fail_memory.h: memory, locks and threads that the system does not give when told not to (fail_memory.c): for a suite
 * that links it. Whoever asks counts: the library, libpng, libjpeg, zlib, the C library.
 *
 * For Linux with glibc, without sanitizers, which have allocators of their own; elsewhere, and under valgrind, nothing
 * fails (fail_memory_works). */
#ifndef FAIL_MEMORY_H
#define FAIL_MEMORY_H

#include <stdbool.h>

typedef enum fail_memory_what { FAIL_MEMORY, FAIL_MUTEX, FAIL_CONDITION, FAIL_THREAD } fail_memory_what;

bool fail_memory_works(void);
/* From now on, the calls of that kind are counted anew, and the one numbered `at`, from 1, fails, with `on` all after it,
 * too. 0: none, and what has failed can still be asked for. */
void fail_memory_arm(fail_memory_what what, int at, bool on);
/* How many have failed since. */
int fail_memory_failures(void);
/* The file that asked for what was first not given: "libjpeg.so.62", or the suite's. */
const char *fail_memory_asker(void);
/* Pieces of memory of the process that are in use. */
long fail_memory_live(void);

#endif
