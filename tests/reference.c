/* SPDX-License-Identifier: MIT */
/* reference.c: passes in double precision: forward layer by layer, backward along the tape; finite differences. */
#include "reference_layers.h"
#include "testing.h"
#include <math.h>
#include <stdlib.h>

static number *new_numbers(size_t count) {
    number *numbers = malloc((count + 1) * sizeof *numbers);
    ck_assert_ptr_nonnull(numbers);
    return numbers;
}

/* Numbers that depend on nothing. */
static number *given(tape *t, const double *values, size_t count) {
    number *numbers = new_numbers(count);
    for (size_t i = 0; i < count; i++)
        numbers[i] = tape_number(t, values[i]);
    return numbers;
}

static void run_forward(net_run *r) {
    const network *net = r->net;
    r->value[0] = given(&r->tape, r->pass->input, r->pass->inputs);
    for (int t = 0; t < net->tensors; t++)
        r->tensor[t] = given(&r->tape, r->pass->tensor[t], net->tensor[t].count);
    for (int i = 1; i <= net->layers; i++) {
        const net_layer *layer = &net->layer[i];
        r->value[i] = new_numbers((size_t)net->batch * net_size(layer->shape));
        net_step s = {r,          layer, i, net->layer[layer->input[0]].shape, layer->shape, r->value[layer->input[0]],
                      r->value[i]};
        net_compute(&s);
    }
}

static void run_backward(const net_run *r) {
    double *gradient = calloc(r->tape.numbers, sizeof *gradient);
    ck_assert_ptr_nonnull(gradient);
    for (size_t i = 0; i < r->pass->outputs; i++)
        gradient[r->value[r->net->layers][i]] = r->pass->grad_output[i];
    tape_backward(&r->tape, gradient);
    for (size_t i = 0; i < r->pass->inputs && !r->net->no_input_gradient; i++)
        r->pass->grad_input[i] = gradient[r->value[0][i]];
    for (int t = 0; t < r->net->tensors; t++)
        for (size_t i = 0; i < r->net->tensor[t].count && !r->net->layer[r->net->tensor[t].layer].frozen; i++)
            r->pass->gradient[t][i] = gradient[r->tensor[t][i]];
    free(gradient);
}

/* The tape's memory is kept from pass to pass: asking the system for it again and again is what would take time. */
static tape spare;

static net_run run_new(const network *net, net_pass *pass) {
    net_run r = {.tape = spare, .net = net, .pass = pass, .jumps = {.nearest = INFINITY}};
    spare = (tape){0};
    return r;
}

static void run_free(net_run *r) {
    for (int i = 0; i <= r->net->layers; i++)
        free(r->value[i]);
    for (int t = 0; t < r->net->tensors; t++)
        free(r->tensor[t]);
    tape_clear(&r->tape);
    spare = r->tape;
}

static net_jumps run_pass(const network *net, net_pass *pass, double noise, unsigned seed) {
    net_run r = run_new(net, pass);
    r.tracks = net->training;
    r.tape.noise = noise;
    r.tape.seed = seed;
    run_forward(&r);
    for (size_t i = 0; i < pass->outputs; i++)
        pass->output[i] = r.tape.value[r.value[net->layers][i]];
    if (net->training)
        run_backward(&r);
    run_free(&r);
    return r.jumps;
}

net_jumps net_run_reference(const network *net, net_pass *pass) {
    return run_pass(net, pass, 0.0, 0);
}

void net_run_noisy_reference(const network *net, net_pass *pass, unsigned seed) {
    run_pass(net, pass, 0x1p-24, seed);
}

/* ---- finite differences ---- */

/* Σ grad_output · output. */
static double loss(const network *net, net_pass *pass) {
    net_run r = run_new(net, pass);
    double sum = 0.0;
    run_forward(&r);
    for (size_t i = 0; i < pass->outputs; i++)
        sum += pass->grad_output[i] * r.tape.value[r.value[net->layers][i]];
    run_free(&r);
    return sum;
}

double net_difference(const network *net, net_pass *pass, int t) {
    const double h = 1e-6;
    double *values = t < 0 ? pass->input : pass->tensor[t], at[2];
    size_t count = t < 0 ? pass->inputs : net->tensor[t].count;
    double *kept = malloc((count + 1) * sizeof *kept);
    ck_assert_ptr_nonnull(kept);
    memcpy(kept, values, count * sizeof *kept);
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < count; i++)
            values[i] = kept[i] + (side ? h : -h) * net_value(NET_DIRECTION, i);
        at[side] = loss(net, pass);
    }
    memcpy(values, kept, count * sizeof *kept);
    free(kept);
    return (at[1] - at[0]) / (2.0 * h);
}
