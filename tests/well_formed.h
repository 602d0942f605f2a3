/* SPDX-License-Identifier: MIT */
/* well_formed.h: whether texts that the library writes are what they should be, read as strictly as no browser does. */
#ifndef WELL_FORMED_H
#define WELL_FORMED_H

/* Of SVG or HTML: every tag is closed by its own, quotes pair up, ampersands are escaped, nothing is a control character or
 * a script, all is UTF-8. Of C: strings and comments end, and all else is ASCII. What is wrong, and where; or NULL. */
const char *document_fault(const char *text, const char **where);
const char *c_fault(const char *text, const char **where);

#endif
