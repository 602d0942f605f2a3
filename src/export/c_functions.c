/* SPDX-License-Identifier: MIT */
/* c_functions.c: the functions that written programs call. Those of functions/ are texts here, which the Makefile has
 * made of them; where one begins with #include "other.c", that comes before it. */
#include "export/export.h"
#include "export/functions.h"
#include <stdio.h>
#include <string.h>

size_t cn__c_function_count(void) {
    return cn__c_function_texts_count;
}

static size_t find(const char *name, size_t length) {
    for (size_t i = 0; i < cn__c_function_texts_count; i++)
        if (strlen(cn__c_function_texts[i].name) == length && memcmp(cn__c_function_texts[i].name, name, length) == 0)
            return i;
    return SIZE_MAX;
}

static void use(cn__c_writer *w, const char *name, size_t length);

/* Takes in what a function needs; returns where its own text begins. Headers of the system are included anyway. */
static const char *include(cn__c_writer *w, const char *text) {
    static const char word[] = "#include ";
    while (*text == '\n' || strncmp(text, word, sizeof word - 1) == 0) {
        const char *name = text + sizeof word, *end = strchr(text, '\n');
        if (*text != '\n' && name[-1] == '"')
            use(w, name, strcspn(name, "."));
        text = end + 1;
    }
    return text;
}

static void use(cn__c_writer *w, const char *name, size_t length) {
    size_t i = find(name, length);
    if (i == SIZE_MAX || w->used[i])
        return;
    w->used[i] = true;
    const char *own = include(w, cn__c_function_texts[i].text);
    cn__text_append(&w->functions, "%s\n", own);
}

void cn__c_use(cn__c_writer *w, const char *function) {
    use(w, function, strlen(function));
}

void cn__c_use_formula(cn__c_writer *w, const char *function, const char *parameters, const char *formula) {
    char begin[128];
    snprintf(begin, sizeof begin, "static void %s(", function);
    if (w->functions.data && strstr(w->functions.data, begin))
        return;
    cn__text_append(&w->functions,
                    "%sfloat *x, int count%s) {\n    for (int i = 0; i < count; i++) {\n        float v = x[i];\n"
                    "        x[i] = %s;\n    }\n}\n\n",
                    begin, parameters, formula);
}
