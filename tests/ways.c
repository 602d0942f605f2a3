/* SPDX-License-Identifier: MIT */
/* ways.c: see ways.h. */
#include "ways.h"
#include "testing.h"
#include "plan/plan.h"
#include <stdio.h>

const cn_layout layouts[2] = {CN_LAYOUT_IMAGES, CN_LAYOUT_CHANNELS};

const char *layout_name(const cn_context *context) {
    return context->options.layout == CN_LAYOUT_CHANNELS ? "channels in the lanes" : "images in the lanes";
}

void expect_layout(const cn_model *model, int images) {
    bool wanted = model->ctx->options.layout == CN_LAYOUT_CHANNELS;
    ck_assert_msg(cn__plan_trains_nchw16c(model, images) == wanted, "not with %s", layout_name(model->ctx));
}

void run_in_layout(cn_context *context, const network *net, net_pass *pass) {
    cn_model *model = net_make_model(context, net, pass->seed);
    expect_layout(model, net->batch);
    net_run_model(context, model, net, pass);
    cn_model_free(model);
}

net_pass *run_in_way(const network *net, net_way way) {
    cn_context *context = net_context_of(way);
    net_pass *pass = net_pass_new(net);
    pass->seed = net->seed;
    run_in_layout(context, net, pass);
    cn_context_free(context);
    return pass;
}

/* Says of which way a complaint is. */
static int blame(net_way way, int bad, const char *what, char complaint[COMPLAINT]) {
    if (bad)
        snprintf(complaint, COMPLAINT, "%s, %d threads: %.240s", cn_isa_name(way.isa), way.threads, what);
    return bad;
}

int compare_isas(const network *net, net_way way, char complaint[COMPLAINT]) {
    char what[COMPLAINT];
    cn_isa isas[TEST_MAX_ISAS];
    int bad = 0, count = test_isas(isas);
    net_pass *given = net_pass_new(net);
    expectation *wanted = net_expect(net, given);
    for (int i = 0; i < count && !bad; i++) {
        way.isa = isas[i];
        net_pass *got = run_in_way(net, way);
        bad = blame(way, net_compare(net, got, wanted, NET_LAYER_SAFETY, what), what, complaint);
        net_pass_free(got);
    }
    net_expectation_free(wanted);
    net_pass_free(given);
    return bad;
}

static int compare_bits(const network *net, net_way way, const net_pass *wanted, char complaint[COMPLAINT]) {
    char what[COMPLAINT];
    net_pass *got = run_in_way(net, way);
    int bad = net_compare_bits(net, got, wanted, what);
    net_pass_free(got);
    return blame(way, bad, what, complaint);
}

int compare_threads(const network *net, net_way way, char complaint[COMPLAINT]) {
    static const int threads[] = {3, 8, 2}; /* which no share divides evenly, more than cores, and the usual */
    size_t count = test_quick() ? 1 : test_whole() ? 3 : 2;
    int bad = 0;
    way.threads = 1;
    net_pass *one = run_in_way(net, way);
    for (size_t i = 0; i < count && !bad; i++) {
        way.threads = threads[i];
        bad = compare_bits(net, way, one, complaint);
    }
    net_pass_free(one);
    return bad;
}

int compare_avx2(const network *net, net_way way, char complaint[COMPLAINT]) {
    if (way.isa != CN_ISA_AVX512)
        return 0;
    net_pass *wanted = run_in_way(net, way);
    way.isa = CN_ISA_AVX2;
    int bad = compare_bits(net, way, wanted, complaint);
    net_pass_free(wanted);
    return bad;
}
