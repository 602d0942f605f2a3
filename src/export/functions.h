/* SPDX-License-Identifier: MIT */
/* functions.h: the files of functions/ as texts, an array that the Makefile makes. */
#ifndef CN_EXPORT_FUNCTIONS_H
#define CN_EXPORT_FUNCTIONS_H

#include <stddef.h>

typedef struct cn__c_function_text {
    const char *name; /* the file's, without .c */
    const char *text; /* ends with a newline */
} cn__c_function_text;

extern const cn__c_function_text cn__c_function_texts[];
extern const size_t cn__c_function_texts_count;

#endif
