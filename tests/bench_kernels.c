/* SPDX-License-Identifier: MIT */
/* bench_kernels.c: GFLOP/s of convolutions by shape, pass and way to compute them, on one thread, in multiply-adds of
 * plain sums; beside the machine's fused multiply-add peak, its memory's bandwidth and the kernel of linear layers for
 * products of the same size ("gemm").
 *
 *   bench_kernels [--isa NAME] [ROUNDS [FILTER...]]      also writes build/bench_kernels.csv
 *
 * Medians of ROUNDS (7) in turn, of the shapes whose name has one of the FILTERs in it ("1x1", "s2", "depthwise",
 * "64->128"). Ways: with images in the lanes, plain sums ("direct") and what CN_CONV_AUTO takes ("auto"); with channels
 * in the lanes ("channels"), as far as there are stages for it. The best of them is what a model can have. */
#include "bandwidth.h"
#include "fma_peak.h"
#include "layers/layers.h"
#include "layers/tree.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_ROUNDS 99
#define FLOPS      2e8 /* about a call's worth of time, 1 to 4 ms */

typedef struct shape {
    int in, out, size, kernel, stride, padding, groups; /* size of the input */
    int images;
    cn_padding_mode mode;
} shape;

static const shape shapes[] = {
    /* session 8's */
    {3, 16, 32, 3, 1, 0, 1, 32, CN_PADDING_ZEROS},
    {16, 16, 30, 3, 1, 0, 1, 32, CN_PADDING_ZEROS},
    {16, 24, 28, 1, 1, 0, 1, 32, CN_PADDING_ZEROS},
    {24, 24, 14, 3, 1, 1, 1, 32, CN_PADDING_REPLICATE},
    {24, 32, 14, 1, 1, 0, 1, 32, CN_PADDING_ZEROS},
    {32, 32, 7, 3, 1, 1, 1, 32, CN_PADDING_REPLICATE},
    /* ResNets' */
    {3, 64, 224, 7, 2, 3, 1, 16, CN_PADDING_ZEROS},
    {64, 64, 56, 3, 1, 1, 1, 16, CN_PADDING_ZEROS},
    {64, 64, 32, 3, 1, 1, 1, 32, CN_PADDING_ZEROS},
    {128, 128, 16, 3, 1, 1, 1, 32, CN_PADDING_ZEROS},
    {256, 256, 8, 3, 1, 1, 1, 32, CN_PADDING_ZEROS},
    {512, 512, 7, 3, 1, 1, 1, 16, CN_PADDING_ZEROS},
    {512, 512, 4, 3, 1, 1, 1, 32, CN_PADDING_ZEROS},
    {64, 128, 32, 3, 2, 1, 1, 32, CN_PADDING_ZEROS},
    {256, 512, 8, 3, 2, 1, 1, 32, CN_PADDING_ZEROS},
    {64, 128, 56, 1, 2, 0, 1, 16, CN_PADDING_ZEROS},
    {64, 256, 56, 1, 1, 0, 1, 16, CN_PADDING_ZEROS},
    {256, 64, 56, 1, 1, 0, 1, 16, CN_PADDING_ZEROS},
    /* MobileNets' */
    {3, 32, 96, 3, 2, 1, 1, 16, CN_PADDING_ZEROS},
    {512, 512, 14, 1, 1, 0, 1, 16, CN_PADDING_ZEROS},
    {32, 32, 112, 3, 1, 1, 32, 16, CN_PADDING_ZEROS},
    {64, 64, 112, 3, 2, 1, 64, 16, CN_PADDING_ZEROS},
    {512, 512, 14, 3, 1, 1, 512, 16, CN_PADDING_ZEROS},
    {96, 96, 24, 3, 1, 1, 96, 16, CN_PADDING_ZEROS},
};

enum { FORWARD, INPUT, WEIGHT, PASSES };
static const char *const pass_names[] = {"forward", "input", "weight"};
enum { DIRECT, AUTO, CHANNELS, GEMM, WAYS };
static const char *const way_names[] = {"direct", "auto", "channels", "gemm"};

/* This process's own time: others' at work here do not count. */
static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void *need(void *memory) {
    if (!memory) {
        fprintf(stderr, "bench_kernels: %s\n", *cn_last_error() ? cn_last_error() : "out of memory");
        exit(1);
    }
    return memory;
}

static int out_size(const shape *s) {
    return (s->size + 2 * s->padding - s->kernel) / s->stride + 1;
}

static bool depthwise(const shape *s) {
    return s->groups > 1 && s->groups == s->in;
}

static size_t weight_count(const shape *s) {
    return (size_t)(s->in / s->groups) * (size_t)(s->out * s->kernel * s->kernel);
}

static double flops_of(const shape *s) {
    return 2.0 * (double)weight_count(s) * out_size(s) * out_size(s) * s->images;
}

/* Bytes that a pass must read and write once, weights aside. */
static double bytes_of(const shape *s) {
    double in = (double)s->in * s->size * s->size, out = (double)s->out * out_size(s) * out_size(s);
    return (in + out) * s->images * (double)sizeof(float);
}

static void name_of(const shape *s, char name[64]) {
    char stride[16] = "", groups[16] = "";
    if (s->stride > 1)
        snprintf(stride, sizeof stride, " s%d", s->stride);
    if (s->groups > 1 && !depthwise(s))
        snprintf(groups, sizeof groups, " g%d", s->groups);
    snprintf(name, 64, "%s%d->%d %dx%d%s%s at %d (%d)", depthwise(s) ? "depthwise " : "", s->in, s->out, s->kernel,
             s->kernel, stride, groups, s->size, s->images);
}

/* ---- a convolution bound to maps, as a plan would do it ---- */

typedef struct bound {
    cn_layer *layer;
    const cn__layer_impl *impl; /* NULL: there is none for it */
    cn__fmap in, out, d_in, d_out;
    const cn__fmap *in_list[1];
    cn__fmap *d_in_list[1];
    bool accumulate[1];
    cn__op op;
    cn__pass pass;
    float *memory[10];
    size_t pieces;
} bound;

static float *zeros(bound *b, size_t floats) {
    return b->memory[b->pieces++] = need(cn__alloc(b->op.ctx, floats + CN__LANES, sizeof(float)));
}

static float *fill(bound *b, size_t floats) {
    float *values = zeros(b, floats);
    for (size_t i = 0; i < floats; i++)
        values[i] = (float)(i % 7) * 0.25f - 0.75f;
    return values;
}

static void place_map(bound *b, cn__fmap *map, bool channels, cn__shape s, const cn__requirements *border) {
    (channels ? cn__nchw16c_layout : cn__fmap_layout)(map, s, border->pad[0], border->pad[1], border->mode);
    map->data = fill(b, cn__fmap_floats(map, b->pass.blocks)) + cn__fmap_origin(map);
}

static void run_stage(const cn__op *op, const cn__pass *pass, const cn__stage *stage) {
    cn__grid grid = stage->grid(op, pass);
    int32_t blocks = stage->scope == CN__SCOPE_LOCAL ? pass->blocks : 1;
    for (int32_t block = 0; block < blocks; block++)
        for (size_t i = 0; i < cn__grid_items(grid); i++)
            stage->run(op, pass, cn__grid_item(grid, (size_t)block, i));
}

static void run_stages(const cn__op *op, const cn__pass *pass, const cn__stage *stages) {
    for (int i = 0; i < CN__MAX_STAGES && stages[i].run; i++)
        run_stage(op, pass, &stages[i]);
}

static cn_layer *make_layer(cn_context *ctx, const shape *s) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    cn_layer *layer = NULL;
    options.padding[0] = options.padding[1] = s->padding;
    options.stride[0] = options.stride[1] = s->stride;
    options.groups = s->groups;
    options.padding_mode = s->mode;
    options.bias = 0;
    cn_conv2d_new(ctx, s->in, s->out, s->kernel, s->kernel, &options, &layer);
    return need(layer);
}

static void place_op(bound *b, bool channels, const shape *s) {
    cn__shape in = {s->in, s->size, s->size}, out = {s->out, out_size(s), out_size(s)};
    cn__requirements wants = {0}, no_border = {0};
    cn__sizes sizes = {.inputs = 1,
                       .in = &in,
                       .out = out,
                       .max_blocks = b->op.max_blocks,
                       .batch = b->op.batch,
                       .depth = cn__tree_depth((b->op.batch - 1) / CN__LANES + 1, false),
                       .training = b->op.training};
    b->impl->requirements(b->layer, &sizes, &wants);
    place_map(b, &b->in, channels, in, &wants);
    place_map(b, &b->out, channels, out, &no_border);
    place_map(b, &b->d_in, channels, in, &no_border);
    place_map(b, &b->d_out, channels, out, &no_border);
    b->op.tensor[0] = fill(b, weight_count(s));
    b->op.gradient[0] = fill(b, weight_count(s));
    b->op.packed = zeros(b, wants.packed_floats);
    b->op.shared = zeros(b, wants.shared_floats);
    b->op.block = cn__whole_lines(wants.saved_floats);
    b->op.saved = zeros(b, b->op.block * (size_t)b->pass.blocks);
    b->pass.scratch = zeros(b, wants.scratch_floats);
}

static void bind(cn_context *ctx, cn_isa isa, int way, const shape *s, bound *b) {
    bool channels = way == CHANNELS;
    *b = (bound){.layer = make_layer(ctx, s)};
    bool trains = !channels || cn__layer_nchw16c(b->layer, true);
    b->impl = channels ? cn__layer_nchw16c(b->layer, trains) : b->layer->type->batch;
    if (!b->impl)
        return;
    b->in_list[0] = &b->in;
    b->d_in_list[0] = &b->d_in;
    b->pass = (cn__pass){.images = s->images,
                         .blocks = channels ? s->images : (s->images + CN__LANES - 1) / CN__LANES,
                         .training = trains};
    b->pass.spans = cn__tree_spans(&b->pass);
    b->op = (cn__op){.layer = b->layer,
                     .ctx = ctx,
                     .kernels = cn__kernels_for(isa),
                     .max_blocks = b->pass.blocks,
                     .batch = b->pass.images,
                     .training = b->pass.training,
                     .input_count = 1,
                     .in = b->in_list,
                     .out = &b->out,
                     .d_out = &b->d_out,
                     .d_in = b->d_in_list,
                     .accumulate = b->accumulate};
    place_op(b, channels, s);
    if (b->impl->bind && b->impl->bind(&b->op) != CN_OK)
        need(NULL);
    if (b->impl->prepare.run)
        run_stage(&b->op, &b->pass, &b->impl->prepare);
}

static void unbind(bound *b) {
    if (b->impl && b->impl->unbind && b->op.geometry)
        b->impl->unbind(&b->op);
    for (size_t i = 0; i < b->pieces; i++)
        cn__free(b->op.ctx, b->memory[i]);
    cn_layer_free(b->layer);
}

/* ---- measuring ---- */

/* Gradients are asked for one at a time. */
static void run_pass(const bound *b, int pass) {
    static cn__fmap *const unwanted[1] = {NULL};
    cn__op op = b->op;
    if (pass == INPUT)
        op.unread[0] = true;
    if (pass == WEIGHT)
        op.d_in = unwanted;
    run_stages(&op, &b->pass, pass == FORWARD ? b->impl->forward : b->impl->backward);
}

/* One product for each tap, on planes without borders. */
static void run_gemm(const bound *b, const shape *s) {
    static float work[CN__GEMM_WORK] __attribute__((aligned(CN__ALIGN)));
    cn__gemm_args args = {.rows = s->out,
                          .columns = out_size(s) * out_size(s) * CN__LANES,
                          .terms = s->in,
                          .a = {b->op.tensor[0], (size_t)s->in, 1, CN__LANES},
                          .work = work,
                          .b = b->in.data,
                          .b_term = b->in.channel,
                          .b_line = CN__LANES,
                          .c = b->out.data,
                          .c_row = b->out.channel,
                          .c_line = CN__LANES};
    for (int32_t block = 0; block < b->pass.blocks; block++)
        for (int tap = 0; tap < s->kernel * s->kernel; tap++) {
            args.accumulate = tap > 0;
            b->op.kernels->gemm(&args);
        }
}

static bool can(const bound b[WAYS], const shape *s, int way, int pass) {
    if (way == GEMM)
        return pass == FORWARD && s->groups == 1;
    return b[way].impl && (pass == FORWARD || b[way].op.training);
}

static double measure(const bound b[WAYS], const shape *s, int way, int pass) {
    int calls = (int)(FLOPS / flops_of(s)) + 1;
    double start = now();
    for (int i = 0; i < calls; i++)
        if (way == GEMM)
            run_gemm(&b[DIRECT], s);
        else
            run_pass(&b[way], pass);
    return calls * flops_of(s) / (now() - start) * 1e-9;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, ascending);
    return values[count / 2];
}

/* GFLOP/s of each way and pass; 0: it cannot. */
static void measure_all(const bound b[WAYS], const shape *s, int rounds, double speed[WAYS][PASSES]) {
    double rates[WAYS][PASSES][MAX_ROUNDS];
    for (int r = 0; r < rounds; r++)
        for (int way = 0; way < WAYS; way++)
            for (int pass = 0; pass < PASSES; pass++)
                rates[way][pass][r] = can(b, s, way, pass) ? measure(b, s, way, pass) : 0.0;
    for (int way = 0; way < WAYS; way++)
        for (int pass = 0; pass < PASSES; pass++)
            speed[way][pass] = median(rates[way][pass], rounds);
}

/* ---- printing ---- */

typedef struct machine {
    cn_isa isa;
    double gflops, gbytes; /* peak, bandwidth */
} machine;

static void print_row(const char *name, const char *way, const double speed[PASSES], double top) {
    printf("%-36s %-9s", name, way);
    for (int pass = 0; pass < PASSES; pass++)
        if (speed[pass] > 0.0)
            printf(" %7.1f (%3.0f%%)", speed[pass], 100.0 * speed[pass] / top);
        else
            printf(" %14s", "-");
    printf("\n");
}

static void print_shape(const shape *s, const machine *m, double speed[WAYS][PASSES], FILE *csv) {
    double best[PASSES] = {0}, gbytes[PASSES];
    char name[64];
    name_of(s, name);
    for (int way = 0; way < WAYS; way++) {
        if (speed[way][FORWARD] > 0.0)
            print_row(way ? "" : name, way_names[way], speed[way], m->gflops);
        for (int pass = 0; pass < PASSES; pass++) {
            double rate = speed[way][pass];
            best[pass] = way == GEMM ? best[pass] : fmax(best[pass], rate);
            gbytes[pass] = best[pass] * bytes_of(s) / flops_of(s);
            if (rate > 0.0)
                fprintf(csv, "%s,%s,%s,%s,%.1f,%.3f,%.1f,%.3f\n", cn_isa_name(m->isa), name, way_names[way],
                        pass_names[pass], rate, rate / m->gflops, rate * bytes_of(s) / flops_of(s),
                        rate * bytes_of(s) / flops_of(s) / m->gbytes);
        }
    }
    print_row("", "best", best, m->gflops);
    if (depthwise(s))
        print_row("", "  GB/s", gbytes, m->gbytes);
    fflush(stdout);
}

static bool wanted(const shape *s, int filters, char *const *filter) {
    char name[64];
    name_of(s, name);
    for (int i = 0; i < filters; i++)
        if (strstr(name, filter[i]))
            return true;
    return filters == 0;
}

static void bench(cn_context *const ctx[2], machine *m, const shape *s, int rounds, FILE *csv) {
    bound b[WAYS] = {0};
    double speed[WAYS][PASSES];
    for (int way = 0; way < GEMM; way++)
        bind(ctx[way == DIRECT ? 0 : 1], m->isa, way, s, &b[way]);
    m->gflops = fmax(m->gflops, fma_peak(m->isa, 1));
    measure_all(b, s, rounds, speed);
    print_shape(s, m, speed, csv);
    for (int way = 0; way < GEMM; way++)
        unbind(&b[way]);
}

static cn_context *make_context(cn_conv_algorithm algorithm) {
    cn_context *ctx = NULL;
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = 1;
    options.conv_algorithm = algorithm;
    cn_context_new(&options, &ctx);
    return need(ctx);
}

static void refuse(cn_isa last) {
    fprintf(stderr, "usage: bench_kernels [--isa NAME] [ROUNDS [FILTER...]]; NAME is of this machine:");
    for (cn_isa isa = CN_ISA_PORTABLE; isa <= last; isa++)
        if (cn__kernels_for(isa))
            fprintf(stderr, " %s", cn_isa_name(isa));
    fprintf(stderr, "\n");
    exit(2);
}

int main(int argc, char **argv) {
    cn_context *const ctx[2] = {make_context(CN_CONV_DIRECT), make_context(CN_CONV_AUTO)};
    cn_device device = CN_DEVICE_INIT;
    if (cn_context_device(ctx[0], &device) != CN_OK)
        need(NULL);
    machine m = {device.isa, 0.0, memory_bandwidth()};
    if (argc > 2 && strcmp(argv[1], "--isa") == 0) {
        for (m.isa = CN_ISA_PORTABLE; m.isa <= device.isa && strcmp(cn_isa_name(m.isa), argv[2]) != 0;)
            m.isa++;
        argc -= 2;
        argv += 2;
    }
    int rounds = argc > 1 ? atoi(argv[1]) : 7;
    if (m.isa > device.isa || !cn__kernels_for(m.isa) || rounds < 1 || rounds > MAX_ROUNDS)
        refuse(device.isa);
    FILE *csv = need(fopen("build/bench_kernels.csv", "w"));
    fprintf(csv, "isa,convolution,way,pass,gflops,share_of_fma_peak,gbytes,share_of_bandwidth\n");
    m.gflops = fma_peak(m.isa, 1);
    printf("%s, %s, compiled by %s\n", device.processor, cn_isa_name(m.isa), __VERSION__);
    printf(
        "One thread: %.0f GFLOP/s of fused multiply-adds, %.1f GB/s of memory. Medians of %d rounds, GFLOP/s of plain "
        "sums and the\nshare of that peak. gemm: products of the same size by the kernel of linear layers, one for "
        "each tap.\n\n",
        m.gflops, m.gbytes, rounds);
    printf("%-36s %-9s %14s %14s %14s\n", "convolution at side of input (images)", "way", "forward", "input", "weight");
    for (size_t i = 0; i < CN__COUNT(shapes); i++)
        if (wanted(&shapes[i], argc - 2, argv + 2))
            bench(ctx, &m, &shapes[i], rounds, csv);
    fclose(csv);
    printf("\nalso in build/bench_kernels.csv\n");
    cn_context_free(ctx[0]);
    cn_context_free(ctx[1]);
    return 0;
}
