/* SPDX-License-Identifier: MIT */
/* io_cases.h: everything that the library does with files, once each, in a folder of its own: for tests in which files
 * fail. */
#ifndef IO_CASES_H
#define IO_CASES_H

#include "checkpoints.h"
#include "scratch.h"

typedef struct io_case {
    const char *name;
    void (*prepare)(void); /* the files that are read; NULL: none */
    /* The call: loads, and hands over what that gave, as bytes; or saves. */
    cn_status (*act)(cn_tensor **loaded);
    const char *saved[2]; /* the files that are written */
    bool skips;           /* what may not be read is passed over, with a warning */
} io_case;

extern const io_case io_cases[];
extern const int io_case_count;

/* What they work with, between io_begin and io_end. */
extern struct io_things {
    run run; /* a trainer, its model and its context */
    scratch folder;
} io;

void io_begin(const io_case *c);
void io_end(void);
const char *io_path(const char *name); /* one of the last few */

#endif
