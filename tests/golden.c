/* golden.c: golden files of layers; comparisons. */
#include "golden.h"
#include "testing.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBERS 16 /* that a digest has at most */

/* Results that are zero but for rounding have no scale of their own. */
#define SMALLEST_SCALE 1e-3

/* ---- the arrays of a pass, by name ---- */

typedef struct array {
    char name[48];
    const double *values;
    size_t count;
} array;

#define MOST_ARRAYS (2 + 2 * NET_MAX_TENSORS)

static int list_arrays(const network *net, const net_pass *pass, bool gradients, array *arrays) {
    int count = 0;
    arrays[count++] = (array){"output", pass->output, pass->outputs};
    if (gradients)
        arrays[count++] = (array){"grad input", pass->grad_input, pass->inputs};
    for (int t = 0; t < net->tensors; t++) {
        const net_tensor *tensor = &net->tensor[t];
        array *a = &arrays[count];
        if (net_is_parameter(tensor) && !gradients)
            continue;
        *a = (array){"", net_is_parameter(tensor) ? pass->gradient[t] : pass->tensor[t], tensor->count};
        snprintf(a->name, sizeof a->name, "%s%s", net_is_parameter(tensor) ? "grad " : "", tensor->name);
        count++;
    }
    return count;
}

static double scale_of(double largest) {
    return largest < SMALLEST_SCALE ? 1.0 : largest;
}

/* Keeps the worst complaint. */
typedef struct verdict {
    char *complaint;
    double worst;
    int bad;
} verdict;

static void judge(verdict *v, const array *a, size_t place, const char *what, double got, double wanted, double scale,
                  double tolerance) {
    double error = fabs(got - wanted) / scale;
    if (error <= tolerance)
        return;
    v->bad++;
    if (!(error > v->worst) && !isnan(error))
        return;
    v->worst = isnan(error) ? INFINITY : error;
    snprintf(v->complaint, COMPLAINT, "%s%s[%zu]: got %.9g, wanted %.9g (off by %.2g of %.3g, allowed %.2g)", what,
             a->name, place, got, wanted, error, scale, tolerance);
}

int net_compare(const network *net, const net_pass *got, const net_pass *wanted, bool gradients, double tolerance,
                char complaint[COMPLAINT]) {
    array a[MOST_ARRAYS], b[MOST_ARRAYS];
    verdict v = {complaint, 0.0, 0};
    int count = list_arrays(net, got, gradients, a);
    list_arrays(net, wanted, gradients, b);
    complaint[0] = '\0';
    for (int k = 0; k < count; k++) {
        double largest = 0.0;
        for (size_t i = 0; i < b[k].count; i++)
            largest = fmax(largest, fabs(b[k].values[i]));
        for (size_t i = 0; i < b[k].count; i++)
            judge(&v, &a[k], i, "", a[k].values[i], b[k].values[i], scale_of(largest), tolerance);
    }
    return v.bad;
}

/* ---- the file ---- */

typedef struct entry {
    const char *text, *results; /* the case; the lines below it */
} entry;

struct golden {
    char *content;
    entry *entries;
    int count;
};

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    long size = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    char *content = size >= 0 ? calloc((size_t)size + 1, 1) : NULL;
    if (!content || fseek(file, 0, SEEK_SET) != 0 || fread(content, 1, (size_t)size, file) != (size_t)size) {
        fprintf(stderr, "cannot read %s; tests run from the folder above tests/\n", path);
        exit(EXIT_FAILURE);
    }
    fclose(file);
    return content;
}

golden *golden_read(const char *path) {
    golden *file = calloc(1, sizeof *file);
    file->content = read_file(path);
    for (char *at = file->content; (at = strstr(at, "\ncase ")); at += 6)
        file->count++;
    file->entries = calloc((size_t)file->count, sizeof *file->entries);
    char *at = file->content;
    for (int i = 0; i < file->count; i++) {
        at = strstr(at, "\ncase ");
        *at = '\0'; /* ends the entry before */
        file->entries[i].text = at += 6;
        at = strchr(at, '\n');
        *at++ = '\0';
        file->entries[i].results = at;
    }
    return file;
}

void golden_free(golden *file) {
    free(file->content);
    free(file->entries);
    free(file);
}

int golden_count(const golden *file) {
    return file->count;
}

const char *golden_text(const golden *file, int index) {
    return file->entries[index].text;
}

/* ---- digests: number j is the sum of (1 + value / 2) · element i over all i with i mod 16 = j ---- */

static void compare_digest(verdict *v, const array *a, const char *line, double tolerance) {
    double sum[NUMBERS] = {0};
    char *rest;
    size_t count = strtoul(line, &rest, 10), numbers = count < NUMBERS ? count : NUMBERS;
    double scale = scale_of(strtod(rest, &rest)) * sqrt((double)((count + NUMBERS - 1) / NUMBERS));
    if (count != a->count) {
        judge(v, a, count, "count of ", (double)a->count, (double)count, 1.0, 0.0);
        return;
    }
    for (size_t i = 0; i < count; i++)
        sum[i % NUMBERS] += (1.0 + net_value(2, i) / 2.0) * a->values[i];
    for (size_t j = 0; j < numbers; j++)
        judge(v, a, j, "digest of ", sum[j], strtod(rest, &rest), scale, tolerance);
}

static const array *find_array(const array *arrays, int count, const char *name, size_t length) {
    for (int k = 0; k < count; k++)
        if (strlen(arrays[k].name) == length && strncmp(arrays[k].name, name, length) == 0)
            return &arrays[k];
    ck_abort_msg("no array %.*s", (int)length, name);
    return NULL;
}

int golden_compare(const golden *file, int index, const network *net, const net_pass *pass, double tolerance,
                   char complaint[COMPLAINT]) {
    array arrays[MOST_ARRAYS];
    verdict v = {complaint, 0.0, 0};
    int count = list_arrays(net, pass, net->training, arrays), lines = 0;
    complaint[0] = '\0';
    for (const char *line = file->entries[index].results; *line; line = strchr(line, '\n') + 1, lines++) {
        size_t length = strcspn(line, ":");
        compare_digest(&v, find_array(arrays, count, line, length), line + length + 1, tolerance);
    }
    ck_assert_int_eq(lines, net->training ? count : 1);
    return v.bad;
}
