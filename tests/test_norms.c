/* SPDX-License-Identifier: MIT */
/* test_norms.c: norms are as exact as PyTorch's in float32, whatever the mean is to the deviation: output and gradients of maps
 * that a formula gives, against double precision, each off by at most twice what golden/norms.txt says that PyTorch is. Maps
 * that a norm reads itself, and those behind convolutions, which gather their moments, in both layouts.
 *
 *     SIDES=112 tests/bin/test_norms
 *
 * takes maps of 56 and 112 pixels a side, too (28 otherwise). */
#include "network.h"
#include "numbers.h"
#include "testing.h"
#include "ways.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { IMAGES = 2, CHANNELS = 32, RESULTS = 4, MOST_ROWS = 100 };

/* Below this nobody can tell errors apart: a last bit here or there. */
#define LEAST 3e-7

static const char *const result_name[RESULTS] = {"output", "gradient of the input", "of the weight", "of the bias"};

/* A line of the golden file. */
typedef struct row {
    char norm[40];
    int side, kind; /* mean / deviation; 0: all alike but for a few */
    double error[RESULTS];
} row;

static row rows[MOST_ROWS];
static int row_count;

static void read_rows(int largest) {
    FILE *file = numbers_open("norms.txt");
    row r;
    while (fscanf(file, "%39s %d %d %lf %lf %lf %lf", r.norm, &r.side, &r.kind, &r.error[0], &r.error[1], &r.error[2],
                  &r.error[3]) == 7) {
        for (char *c = r.norm; *c; c++)
            *c = *c == ':' ? ' ' : *c;
        bool spared = test_quick() ? r.kind != 0 : !test_whole() && (r.kind == 1 || r.kind == 100);
        if (r.side <= largest && !spared)
            rows[row_count++] = r;
    }
    fclose(file);
}

/* ---- what goes in; see golden/norms.py ---- */

/* Of mean 0 and deviation 1. */
static double number_at(uint32_t sequence, size_t i) {
    double four = 0.0;
    for (uint32_t k = 0; k < 4; k++)
        four += (double)numbers_hashed(4 * sequence + k, (uint32_t)i);
    return (four - 2.0) * sqrt(3.0);
}

static float pixel(const row *r, size_t i) {
    size_t side = (size_t)r->side, y = i / side % side, channel = i / side / side % CHANNELS;
    if (r->kind)
        return (float)(number_at(1, i) + r->kind);
    bool few = strcmp(r->norm, "layer_norm2d") == 0 ? channel - 16 < 2 : y - side / 2 < 2;
    return few ? 0.2517f : 0.3791f;
}

/* Of a convolution that leaves all as it is: one tap or the middle one of nine, each channel from itself. */
static double identity_weight(const net_tensor *tensor, size_t i) {
    size_t taps = tensor->count % 9 ? 1 : 9, inputs = tensor->count / taps / CHANNELS;
    size_t out = i / taps / inputs, in = i / taps % inputs;
    return (inputs == 1 || in == out) && i % taps == taps / 2;
}

static double parameter(const network *net, const net_tensor *tensor, size_t i) {
    if (tensor->layer < net->layers)
        return identity_weight(tensor, i);
    return (double)(tensor->what == NET_WEIGHT ? 1.0f + 0.25f * (float)number_at(2, i)
                                               : 0.25f * (float)number_at(3, i));
}

static net_pass *new_pass(const network *net, const row *r) {
    net_pass *pass = net_pass_new(net);
    for (size_t i = 0; i < pass->inputs; i++)
        pass->input[i] = (double)pixel(r, i);
    for (size_t i = 0; i < pass->outputs; i++)
        pass->grad_output[i] = (double)(float)number_at(4, i);
    for (int t = 0; t < net->tensors; t++)
        for (size_t i = 0; i < net->tensor[t].count && net_is_parameter(&net->tensor[t]); i++)
            pass->tensor[t][i] = parameter(net, &net->tensor[t], i);
    return pass;
}

/* ---- in double precision ---- */

/* The values that share a mean and a variance: `count` of them, runs of `run` values that begin `step` apart. */
typedef struct part {
    size_t first, count, run, step;
} part;

static size_t place(part p, size_t i) {
    return p.first + i / p.run * p.step + i % p.run;
}

/* What is wanted of a norm: its output, and gradients as in `result_name`. */
typedef struct wanted {
    size_t size[RESULTS];
    double *result[RESULTS];
} wanted;

static void normalise_part(wanted *w, const net_pass *pass, const double *weight, const double *bias, part p,
                           size_t pixels) {
    double mean = 0.0, variance = 0.0, sum = 0.0, product = 0.0, count = (double)p.count;
    for (size_t i = 0; i < p.count; i++)
        mean += pass->input[place(p, i)] / count;
    for (size_t i = 0; i < p.count; i++)
        variance += pow(pass->input[place(p, i)] - mean, 2.0) / count;
    double inv = 1.0 / sqrt(variance + (double)1e-5f);
    for (size_t i = 0; i < p.count; i++) {
        size_t at = place(p, i), c = at / pixels % CHANNELS;
        double normal = (pass->input[at] - mean) * inv, dy = pass->grad_output[at];
        w->result[0][at] = normal * weight[c] + bias[c];
        w->result[2][c] += dy * normal;
        w->result[3][c] += dy;
        sum += dy * weight[c] / count;
        product += dy * weight[c] * normal / count;
    }
    for (size_t i = 0; i < p.count; i++) {
        size_t at = place(p, i), c = at / pixels % CHANNELS;
        double normal = (pass->input[at] - mean) * inv;
        w->result[1][at] = inv * (pass->grad_output[at] * weight[c] - sum - normal * product);
    }
}

/* The same for all parts that a norm has. */
static wanted normalise(const row *r, const net_pass *pass, const double *weight, const double *bias) {
    size_t pixels = (size_t)r->side * (size_t)r->side, image = CHANNELS * pixels, groups = 1;
    wanted w = {{pass->outputs, pass->outputs, CHANNELS, CHANNELS}, {NULL}};
    for (int i = 0; i < RESULTS; i++)
        w.result[i] = calloc(w.size[i], sizeof(double));
    if (strcmp(r->norm, "batch_norm") == 0) {
        for (size_t c = 0; c < CHANNELS; c++)
            normalise_part(&w, pass, weight, bias, (part){c * pixels, IMAGES * pixels, pixels, image}, pixels);
        return w;
    }
    if (strcmp(r->norm, "layer_norm2d") == 0) {
        for (size_t i = 0; i < IMAGES * pixels; i++)
            normalise_part(&w, pass, weight, bias, (part){i / pixels * image + i % pixels, CHANNELS, 1, pixels},
                           pixels);
        return w;
    }
    groups = strcmp(r->norm, "instance_norm") == 0 ? CHANNELS : strcmp(r->norm, "layer_norm") == 0 ? 1 : 8;
    for (size_t g = 0; g < IMAGES * groups; g++)
        normalise_part(&w, pass, weight, bias, (part){g * image / groups, image / groups, image / groups, 0}, pixels);
    return w;
}

static void wanted_free(wanted *w) {
    for (int i = 0; i < RESULTS; i++)
        free(w->result[i]);
}

/* ---- the comparison ---- */

/* The largest difference, as a share of the largest value. */
static double difference(const double *got, const double *exact, size_t count) {
    double worst = 0.0, largest = 0.0;
    for (size_t i = 0; i < count; i++) {
        worst = fmax(worst, fabs(got[i] - exact[i]));
        largest = fmax(largest, fabs(exact[i]));
    }
    return worst / largest;
}

/* What stands before a norm: nothing, or a convolution that gathers its moments. */
static const struct way_there {
    const char *text;
    cn_conv_algorithm algorithm;
    bool exact; /* hands values and gradients on to the bit */
} ways_there[] = {
    {"", CN_CONV_AUTO, true},
    {"conv2d out=32 kernel=1 bias=0 | ", CN_CONV_DIRECT, true},
    {"conv2d out=32 kernel=3 padding=1 bias=0 groups=32 | ", CN_CONV_AUTO, true},
    {"conv2d out=32 kernel=3 padding=1 bias=0 | ", CN_CONV_AUTO, false}, /* Winograd's */
};
enum { WAYS_THERE = sizeof ways_there / sizeof *ways_there };

static network network_for(const row *r, const struct way_there *there, const char *norm) {
    char text[200];
    snprintf(text, sizeof text, "train %dx%dx%dx%d | %s%s", IMAGES, CHANNELS, r->side, r->side, there->text, norm);
    return network_of(text);
}

/* What a norm there reads, which must not depend on its being there: replaces the input. */
static void read_there(const row *r, const struct way_there *there, net_way way, net_pass *pass) {
    network net = network_for(r, there, "identity");
    cn_context *context = net_context_of(way);
    net_pass *alone = new_pass(&net, r);
    run_in_layout(context, &net, alone);
    memcpy(pass->input, alone->output, pass->inputs * sizeof *pass->input);
    net_pass_free(alone);
    cn_context_free(context);
}

static void check(const row *r, const struct way_there *there, net_way way) {
    network net = network_for(r, there, r->norm);
    cn_context *context = net_context_of(way);
    net_pass *pass = new_pass(&net, r);
    int weight = net.layer[net.layers].first_tensor;
    run_in_layout(context, &net, pass);
    const double *got[RESULTS] = {pass->output, pass->grad_input, pass->gradient[weight], pass->gradient[weight + 1]};
    if (!there->exact)
        read_there(r, there, way, pass);
    wanted w = normalise(r, pass, pass->tensor[weight], pass->tensor[weight + 1]);
    for (int i = 0; i < RESULTS; i++) {
        double error = difference(got[i], w.result[i], w.size[i]);
        if (i == 1 && !there->exact)
            continue;
        ck_assert_msg(error <= 2.0 * r->error[i] + LEAST, "%s: %s off by %.2e, PyTorch's by %.2e: %s, kind %d",
                      net.text, result_name[i], error, r->error[i], layout_name(context), r->kind);
    }
    wanted_free(&w);
    net_pass_free(pass);
    cn_context_free(context);
}

START_TEST(norms_are_as_exact_as_pytorchs) {
    for (int there = 0; there < WAYS_THERE; there++)
        for (int layout = 0; layout < 2; layout++)
            check(&rows[_i], &ways_there[there],
                  (net_way){2, ways_there[there].algorithm, CN_ISA_AUTO, layouts[layout]});
}
END_TEST

int main(void) {
    Suite *suite = suite_create("norms");
    TCase *group = tcase_create("norms");
    read_rows(getenv("SIDES") ? atoi(getenv("SIDES")) : 28);
    tcase_add_loop_test(group, norms_are_as_exact_as_pytorchs, 0, row_count);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
