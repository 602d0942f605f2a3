/* golden.h: reads golden/layers.txt and compares passes with it and with each other. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "network.h"

typedef struct golden golden;

/* Reads the file; the test program ends if it cannot. */
golden *golden_read(const char *path);
void golden_free(golden *file);
int golden_count(const golden *file);
const char *golden_text(const golden *file, int index); /* the case, for network_parse */

/* Compares a pass's results with the file's. Writes what differs most beyond `tolerance`, relative to the largest value
 * of its array, into `complaint`, and returns how many arrays differ. */
#define COMPLAINT 300
int golden_compare(const golden *file, int index, const network *net, const net_pass *pass, double tolerance,
                   char complaint[COMPLAINT]);

/* The same for two passes, element by element; `gradients`: these too. */
int net_compare(const network *net, const net_pass *got, const net_pass *wanted, bool gradients, double tolerance,
                char complaint[COMPLAINT]);

#endif
