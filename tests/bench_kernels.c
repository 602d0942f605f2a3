/* bench_kernels.c: GFLOP/s of the convolution kernels by shape, pass and instruction set, on one thread: plain sums
 * and, where CN_CONV_AUTO takes it, Winograd, in multiply-adds of plain sums; beside the machine's fused
 * multiply-add peak and CBLAS's sgemm for a product of the same size, all measured in turn.
 *
 *   bench_kernels [ROUNDS]      also writes build/bench_kernels.csv */
#include "layers/layers.h"
#include "fma_peak.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MANY_BLOCKS (1 << 22) /* too many for weight gradients of their own: one phase for each pass */
#define BLOCKS      2         /* a batch of 32 */
#define MAX_ROUNDS  99
#define FLOPS       2e8 /* about a call's worth of time, 1 to 4 ms */

typedef struct shape {
    int channels_in, channels_out, size, kernel, padding; /* size of the input */
} shape;

/* Session 8's, then wider ones. */
static const shape shapes[] = {
    {3, 16, 32, 3, 0}, {16, 16, 30, 3, 0}, {16, 24, 28, 1, 0},  {24, 24, 14, 3, 1},  {24, 32, 14, 1, 0},
    {32, 32, 7, 3, 1}, {64, 64, 16, 3, 1}, {128, 128, 8, 3, 1}, {256, 256, 7, 3, 1},
};

enum { FORWARD, INPUT, WEIGHT, GEMM, PASSES };
enum { DIRECT, AUTO, WAYS };
static const char *const pass_names[WAYS][PASSES] = {{"forward", "input", "weight", "sgemm"},
                                                     {"auto forward", "input", "weight", NULL}};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void *need(void *memory) {
    if (!memory) {
        fprintf(stderr, "bench_kernels: %s\n", *cn_last_error() ? cn_last_error() : "out of memory");
        exit(1);
    }
    return memory;
}

/* A convolution bound to maps, as a plan would do it. */
typedef struct bound {
    cn_layer *layer;
    cn__fmap in, out, d_in, d_out;
    const cn__fmap *in_list[1];
    cn__fmap *d_in_list[1];
    bool accumulate[1];
    cn__op op;
    cn__pass pass;
    float *memory[8];
    double flops;
} bound;

static float *fill(cn_context *ctx, size_t floats) {
    float *values = need(cn__alloc(ctx, floats, sizeof *values));
    for (size_t i = 0; i < floats; i++)
        values[i] = (float)(i % 7) * 0.25f - 0.75f;
    return values;
}

static float *place_map(cn_context *ctx, cn__fmap *map, cn__shape s, int pad) {
    cn__fmap_layout(map, s, pad, pad, CN_PADDING_REPLICATE);
    float *memory = fill(ctx, cn__fmap_floats(map, BLOCKS));
    map->data = memory + cn__fmap_origin(map);
    return memory;
}

static void bind(cn_context *ctx, const shape *s, bound *b) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    cn__requirements requirements = {0};
    options.padding[0] = options.padding[1] = s->padding;
    options.padding_mode = CN_PADDING_REPLICATE;
    options.bias = 0;
    cn_conv2d_new(ctx, s->channels_in, s->channels_out, s->kernel, s->kernel, &options, &b->layer);
    need(b->layer);
    int out = s->size + 2 * s->padding - s->kernel + 1;
    cn__shape in_shape = {s->channels_in, s->size, s->size}, out_shape = {s->channels_out, out, out};
    b->layer->type->batch->requirements(b->layer, in_shape, out_shape, MANY_BLOCKS, true, &requirements);
    b->memory[0] = place_map(ctx, &b->in, in_shape, s->padding);
    b->memory[1] = place_map(ctx, &b->out, out_shape, 0);
    b->memory[2] = place_map(ctx, &b->d_in, in_shape, 0);
    b->memory[3] = place_map(ctx, &b->d_out, out_shape, 0);
    size_t weights = (size_t)(s->channels_in * s->channels_out * s->kernel * s->kernel);
    b->memory[4] = fill(ctx, requirements.packed_floats);
    b->memory[5] = fill(ctx, weights);
    b->memory[6] = fill(ctx, weights);
    b->in_list[0] = &b->in;
    b->d_in_list[0] = &b->d_in;
    b->op = (cn__op){.layer = b->layer,
                     .ctx = ctx,
                     .max_blocks = MANY_BLOCKS,
                     .training = true,
                     .input_count = 1,
                     .in = b->in_list,
                     .out = &b->out,
                     .d_out = &b->d_out,
                     .d_in = b->d_in_list,
                     .accumulate = b->accumulate,
                     .packed = b->memory[4]};
    b->op.tensor[0] = b->memory[5];
    b->op.gradient[0] = b->memory[6];
    b->memory[7] = fill(ctx, requirements.scratch_floats);
    b->pass = (cn__pass){.images = BLOCKS * CN__LANES, .blocks = BLOCKS, .scratch = b->memory[7]};
    b->flops = 2.0 * (double)weights * out * out * BLOCKS * CN__LANES;
    if (b->layer->type->batch->bind(&b->op) != CN_OK)
        need(NULL);
}

static void unbind(cn_context *ctx, bound *b) {
    b->layer->type->batch->unbind(&b->op);
    cn_layer_free(b->layer);
    for (size_t i = 0; i < CN__COUNT(b->memory); i++)
        cn__free(ctx, b->memory[i]);
}

static void run_stage(const bound *b, const cn__stage *stage) {
    cn__grid grid = stage->grid(&b->op, &b->pass);
    int32_t blocks = stage->scope == CN__SCOPE_LOCAL ? b->pass.blocks : 1;
    for (int32_t block = 0; block < blocks; block++)
        for (size_t i = 0; i < cn__grid_items(grid); i++)
            stage->run(&b->op, &b->pass, cn__grid_item(grid, (size_t)block, i));
}

static void run_pass(const bound *b, const shape *s, int pass) {
    const cn__layer_impl *impl = b->layer->type->batch;
    int out = b->out.shape.height;
    switch (pass) {
    case FORWARD:
        run_stage(b, &impl->forward[0]);
        break;
    case WEIGHT:
        run_stage(b, &impl->backward[2]);
        break;
    case INPUT:
        run_stage(b, &impl->backward[0]);
        run_stage(b, &impl->backward[1]);
        break;
    default: /* one product for each tap, on planes without borders */
        for (int block = 0; block < BLOCKS; block++)
            for (int tap = 0; tap < s->kernel * s->kernel; tap++)
                cn__gemm(false, false, s->channels_out, out * out * CN__LANES, s->channels_in, b->memory[5],
                         (size_t)s->channels_in, b->memory[0], b->in.channel, b->memory[1], b->out.channel, tap > 0);
    }
}

static double measure(const bound *b, const shape *s, int pass) {
    int calls = (int)(FLOPS / b->flops) + 1;
    double start = now();
    for (int i = 0; i < calls; i++)
        run_pass(b, s, pass);
    return calls * b->flops / (now() - start) * 1e-9;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, ascending);
    return values[count / 2];
}

static double rate[WAYS][CN__COUNT(shapes)][PASSES][MAX_ROUNDS], peak[MAX_ROUNDS];

/* CBLAS knows no ways, and has the first's column. */
static bool measured(int way, int pass) {
    return pass_names[way][pass] != NULL;
}

static void measure_all(bound b[WAYS][CN__COUNT(shapes)], cn_isa isa, int rounds) {
    for (int r = 0; r < rounds; r++) {
        peak[r] = fma_peak(isa, 1);
        for (size_t i = 0; i < CN__COUNT(shapes); i++)
            for (int way = 0; way < WAYS; way++)
                for (int pass = 0; pass < PASSES; pass++)
                    if (measured(way, pass))
                        rate[way][i][pass][r] = measure(&b[way][i], &shapes[i], pass);
    }
}

static void print_way(int way, cn_isa isa, int rounds, double top, FILE *csv) {
    printf("%-20s", "convolution");
    for (int pass = 0; pass < PASSES && measured(way, pass); pass++)
        printf(" %14s", pass_names[way][pass]);
    printf("\n");
    for (size_t i = 0; i < CN__COUNT(shapes); i++) {
        const shape *s = &shapes[i];
        int out = s->size + 2 * s->padding - s->kernel + 1;
        char name[64];
        snprintf(name, sizeof name, "%d->%d %dx%d, %dx%d", s->channels_in, s->channels_out, s->kernel, s->kernel, out,
                 out);
        printf("%-20s", name);
        for (int pass = 0; pass < PASSES && measured(way, pass); pass++) {
            double speed = median(rate[way][i][pass], rounds);
            printf(" %7.0f (%3.0f%%)", speed, 100.0 * speed / top);
            fprintf(csv, "%s,%s,%s,%s,%.1f,%.3f\n", cn_isa_name(isa), name, way == AUTO ? "auto" : "direct",
                    pass_names[DIRECT][pass], speed, speed / top);
        }
        printf("\n");
    }
}

static void bench(cn_context *const ctx[WAYS], cn_isa isa, int rounds, FILE *csv) {
    bound b[WAYS][CN__COUNT(shapes)] = {0};
    for (int way = 0; way < WAYS; way++)
        for (size_t i = 0; i < CN__COUNT(shapes); i++) {
            bind(ctx[way], &shapes[i], &b[way][i]);
            b[way][i].op.kernels = cn__kernels_for(isa);
            run_stage(&b[way][i], &b[way][i].layer->type->batch->prepare);
        }
    measure_all(b, isa, rounds);
    double top = median(peak, rounds);
    printf("\n%s: peak %.0f GFLOP/s on one thread; each pass in GFLOP/s and as a share of it\n", cn_isa_name(isa), top);
    for (int way = 0; way < WAYS; way++)
        print_way(way, isa, rounds, top, csv);
    for (int way = 0; way < WAYS; way++)
        for (size_t i = 0; i < CN__COUNT(shapes); i++)
            unbind(ctx[way], &b[way][i]);
}

static cn_context *make_context(cn_conv_algorithm algorithm) {
    cn_context *ctx = NULL;
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = 1;
    options.conv_algorithm = algorithm;
    cn_context_new(&options, &ctx);
    return need(ctx);
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 7;
    cn_context *const ctx[WAYS] = {make_context(CN_CONV_DIRECT), make_context(CN_CONV_AUTO)};
    cn_device device = CN_DEVICE_INIT;
    if (rounds < 1 || rounds > MAX_ROUNDS || cn_context_device(ctx[0], &device) != CN_OK)
        need(NULL);
    FILE *csv = need(fopen("build/bench_kernels.csv", "w"));
    fprintf(csv, "isa,convolution,algorithm,pass,gflops,share_of_fma_peak\n");
    printf("%s, compiled by %s, %s\n", device.processor, __VERSION__, device.blas);
    printf(
        "Batch of %d, median of %d rounds. sgemm: CBLAS on products of the same size, one for each tap, whatever the "
        "instruction set.\n",
        BLOCKS * CN__LANES, rounds);
    for (cn_isa isa = device.isa; isa >= CN_ISA_PORTABLE; isa--)
        bench(ctx, isa, rounds, csv);
    fclose(csv);
    printf("\nalso in build/bench_kernels.csv\n");
    for (int way = 0; way < WAYS; way++)
        cn_context_free(ctx[way]);
    return 0;
}
