/* SPDX-License-Identifier: MIT */
/* expectation.c: what passes should give, and comparing them array by array. */
#include "expectation.h"
#include "reference.h"
#include "testing.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TOLERANCE 1e-5 /* of an array's largest value: float32 in any order of summation */
#define NOISY     4    /* passes that measure it */
#define TINY      1e-8 /* beside gradients that come from numbers around 1 */
#define MARGIN    2e-5 /* nearer to a jump, float32 may be on its other side */

/* ---- the arrays of a pass, by name ---- */

typedef struct array {
    char name[48];
    const double *values;
    size_t count;
    bool gradient;
} array;

static int list_arrays(const network *net, const net_pass *pass, array *arrays) {
    int count = 0;
    arrays[count++] = (array){"output", pass->output, pass->outputs, false};
    arrays[count++] = (array){"grad input", pass->grad_input, pass->inputs, true};
    for (int t = 0; t < net->tensors; t++) {
        const net_tensor *tensor = &net->tensor[t];
        bool gradient = net_is_parameter(tensor);
        array *a = &arrays[count++];
        *a = (array){"", gradient ? pass->gradient[t] : pass->tensor[t], tensor->count, gradient};
        snprintf(a->name, sizeof a->name, "%s%s", gradient ? "grad " : "", tensor->name);
    }
    return count;
}

static double largest(const array *a) {
    double most = 0.0;
    for (size_t i = 0; i < a->count; i++)
        most = fmax(most, fabs(a->values[i]));
    return most;
}

/* ---- verdicts ---- */

/* Counts what differs and keeps the worst. */
typedef struct verdict {
    char *complaint;
    double worst;
    int bad;
} verdict;

static verdict new_verdict(char *complaint) {
    complaint[0] = '\0';
    return (verdict){complaint, 0.0, 0};
}

static void judge(verdict *v, const char *what, const array *a, size_t place, double got, double wanted,
                  double allowed) {
    double error = fabs(got - wanted);
    if (error <= allowed)
        return;
    double excess = isnan(error) ? INFINITY : error / allowed;
    if (v->bad++ > 0 && excess <= v->worst)
        return;
    v->worst = excess;
    snprintf(v->complaint, COMPLAINT, "%.20s%.47s[%zu]: got %.9g, wanted %.9g (off by %.2g, allowed %.2g)", what,
             a->name, place, got, wanted, error, allowed);
}

/* ---- against the reference ---- */

static void measure_once(expectation *e, unsigned seed) {
    array exact[NET_ARRAYS], off[NET_ARRAYS];
    net_pass *noisy = net_pass_copy(e->net, e->given);
    net_run_noisy_reference(e->net, noisy, seed);
    int count = list_arrays(e->net, e->pass, exact);
    list_arrays(e->net, noisy, off);
    for (int k = 0; k < count; k++)
        for (size_t i = 0; i < exact[k].count; i++)
            e->rounding[k] = fmax(e->rounding[k], fabs(exact[k].values[i] - off[k].values[i]));
    net_pass_free(noisy);
}

static void measure_rounding(expectation *e) {
    for (unsigned seed = 0; seed < NOISY && !e->measured; seed++)
        measure_once(e, seed);
    e->measured = true;
}

expectation *net_expect(const network *net, const net_pass *given) {
    expectation *e = calloc(1, sizeof *e);
    ck_assert_ptr_nonnull(e);
    e->net = net;
    e->given = net_pass_copy(net, given);
    e->pass = net_pass_copy(net, given);
    net_jumps jumps = net_run_reference(net, e->pass);
    e->smooth = jumps.nearest > MARGIN;
    e->has_slopes = net->training && e->smooth && !jumps.met;
    return e;
}

void net_expectation_free(expectation *wanted) {
    if (!wanted)
        return;
    net_pass_free(wanted->given);
    net_pass_free(wanted->pass);
    free(wanted);
}

static int compare(const network *net, const net_pass *got, const expectation *wanted, double safety,
                   char complaint[COMPLAINT]) {
    array a[NET_ARRAYS], b[NET_ARRAYS];
    verdict v = new_verdict(complaint);
    int count = list_arrays(net, got, a);
    list_arrays(net, wanted->pass, b);
    for (int k = 0; k < count; k++) {
        double allowed = TOLERANCE * largest(&b[k]) + safety * wanted->rounding[k] + TINY;
        if (a[k].gradient && !(net->training && wanted->smooth))
            continue;
        for (size_t i = 0; i < a[k].count; i++)
            judge(&v, "", &a[k], i, a[k].values[i], b[k].values[i], allowed);
    }
    return v.bad;
}

int net_compare(const network *net, const net_pass *got, expectation *wanted, double safety,
                char complaint[COMPLAINT]) {
    if (compare(net, got, wanted, safety, complaint) == 0)
        return 0;
    measure_rounding(wanted);
    return compare(net, got, wanted, safety, complaint);
}

int net_compare_bits(const network *net, const net_pass *got, const net_pass *wanted, char complaint[COMPLAINT]) {
    array a[NET_ARRAYS], b[NET_ARRAYS];
    verdict v = new_verdict(complaint);
    int count = list_arrays(net, got, a);
    list_arrays(net, wanted, b);
    for (int k = 0; k < count; k++)
        for (size_t i = 0; i < a[k].count; i++)
            judge(&v, "bits of ", &a[k], i, a[k].values[i], b[k].values[i], 0.0);
    return v.bad;
}

/* Both sides are sums over the array. */
static int compare_differences(const network *net, const array *a, int count, const expectation *wanted,
                               char complaint[COMPLAINT]) {
    verdict v = new_verdict(complaint);
    for (int k = 0; k < count; k++) {
        double along = 0.0;
        if (!a[k].gradient)
            continue;
        for (size_t i = 0; i < a[k].count; i++)
            along += a[k].values[i] * net_value(NET_DIRECTION, i);
        double allowed = (TOLERANCE * fmax(largest(&a[k]), 1e-3) + NET_LAYER_SAFETY * wanted->rounding[k]);
        judge(&v, "differences of ", &a[k], 0, along, net_difference(net, wanted->pass, k - 2),
              allowed * sqrt((double)a[k].count));
    }
    return v.bad;
}

int net_compare_differences(const network *net, const net_pass *got, expectation *wanted, char complaint[COMPLAINT]) {
    array arrays[NET_ARRAYS];
    int count = list_arrays(net, got, arrays);
    if (compare_differences(net, arrays, count, wanted, complaint) == 0)
        return 0;
    measure_rounding(wanted);
    return compare_differences(net, arrays, count, wanted, complaint);
}

/* ---- the golden file ---- */

#define NUMBERS 16 /* that a digest has at most */

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

/* Number j of a digest is the sum of (1 + value / 2) · element i over all i with i mod 16 = j. */
static void compare_digest(verdict *v, const array *a, const char *line, double tolerance, double rounding) {
    double sum[NUMBERS] = {0};
    char *rest;
    size_t count = strtoul(line, &rest, 10), numbers = count < NUMBERS ? count : NUMBERS;
    double allowed = tolerance * strtod(rest, &rest) + rounding;
    ck_assert_msg(count == a->count, "%s has %zu elements, wanted %zu", a->name, a->count, count);
    for (size_t i = 0; i < count; i++)
        sum[i % NUMBERS] += (1.0 + net_value(2, i) / 2.0) * a->values[i];
    for (size_t j = 0; j < numbers; j++)
        judge(v, "digest of ", a, j, sum[j], strtod(rest, &rest),
              allowed * sqrt((double)((count + NUMBERS - 1) / NUMBERS)));
}

static int find_array(const array *arrays, int count, const char *name, size_t length) {
    for (int k = 0; k < count; k++)
        if (strlen(arrays[k].name) == length && strncmp(arrays[k].name, name, length) == 0)
            return k;
    ck_abort_msg("no array %.*s", (int)length, name);
    return 0;
}

static int compare_golden(const char *results, const array *arrays, int count, double tolerance, double least,
                          const double *rounding, char complaint[COMPLAINT]) {
    verdict v = new_verdict(complaint);
    for (const char *line = results; *line; line = strchr(line, '\n') + 1) {
        size_t length = strcspn(line, ":");
        int k = find_array(arrays, count, line, length);
        compare_digest(&v, &arrays[k], line + length + 1, tolerance, least + NET_LAYER_SAFETY * rounding[k]);
    }
    return v.bad;
}

static int count_lines(const char *text) {
    int lines = 0;
    for (; *text; text = strchr(text, '\n') + 1)
        lines++;
    return lines;
}

int golden_compare(const golden *file, int index, const network *net, const net_pass *pass, expectation *reference,
                   char complaint[COMPLAINT]) {
    static const double none[NET_ARRAYS];
    const char *results = file->entries[index].results;
    array arrays[NET_ARRAYS];
    int count = list_arrays(net, pass, arrays);
    ck_assert_int_eq(count_lines(results), net->training ? count : 1);
    if (!reference)
        return compare_golden(results, arrays, count, 1e-7, 1e-12, none, complaint);
    if (compare_golden(results, arrays, count, TOLERANCE, 0.0, reference->rounding, complaint) == 0)
        return 0;
    measure_rounding(reference);
    return compare_golden(results, arrays, count, TOLERANCE, 0.0, reference->rounding, complaint);
}
