/* SPDX-License-Identifier: MIT */
/* documents.h: what tests of charts, sheets and pages share: whether a text is well-formed and says what it should. */
#ifndef DOCUMENTS_H
#define DOCUMENTS_H

#include "testing.h"

/* Fails unless every tag is closed by its own, quotes pair up, ampersands are escaped, nothing is a control character
 * or a script, and it has `has` (or NULL); frees the text. */
void expect_document(char *text, const char *has);

/* A name that nobody should have: markup, quotes, control characters, bytes that are no UTF-8, a surrogate; and one for a
 * class, which is UTF-8. */
extern const char hostile_name[], hostile_class[];

int occurrences(const char *text, const char *what);

/* Whether this build writes PNG, of which sheets consist. */
int have_images(cn_context *ctx);

#endif
