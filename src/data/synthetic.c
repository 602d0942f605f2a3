/* SPDX-License-Identifier: MIT */
/* synthetic.c: ten classes of images that the library draws itself: a figure or a texture in random colours, size,
 * place and slant on a shaded ground, under noise. All in integers, so that every machine draws the same. */
#include "data/dataset.h"
#include <stdlib.h>

#define CLASSES 10
#define SIDE    32
#define PLANE   (SIDE * SIDE)
#define UNIT    8  /* lengths are in eighths of a pixel */
#define SAMPLES 4  /* places of a pixel where the drawing is looked at: 2 × 2 */
#define ONE     64 /* a slant by 2 atan(tilt / ONE) */

/* Measured over 10,000 training images with seed 1. */
static const float mean[3] = {0.5030f, 0.4975f, 0.4960f};
static const float std[3] = {0.2948f, 0.2953f, 0.2953f};

/* A figure, or one period of a texture, in coordinates around its centre that are slanted with it. */
typedef struct figure {
    int64_t u, v; /* where we look: u to the right, v down */
    int64_t size; /* from the centre to the outside; of textures the period */
} figure;

static int64_t square_of(int64_t a) {
    return a * a;
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* How far from the middle of its period, -size / 2 to size / 2. */
static int64_t wrap(int64_t at, int64_t size) {
    int64_t rest = at % size;
    return (rest < 0 ? rest + size : rest) - size / 2;
}

static bool disc(figure f) {
    return square_of(f.u) + square_of(f.v) < square_of(f.size);
}

static bool ring(figure f) {
    return disc(f) && 9 * (square_of(f.u) + square_of(f.v)) > 4 * square_of(f.size);
}

static bool square(figure f) {
    return 8 * larger(llabs(f.u), llabs(f.v)) < 7 * f.size;
}

static bool frame(figure f) {
    return square(f) && 2 * larger(llabs(f.u), llabs(f.v)) > f.size;
}

static bool triangle(figure f) {
    return 7 * llabs(f.u) < 4 * (f.v + f.size) && 2 * f.v < f.size;
}

static bool cross(figure f) {
    return larger(llabs(f.u), llabs(f.v)) < f.size && 3 * (llabs(f.u) < llabs(f.v) ? llabs(f.u) : llabs(f.v)) < f.size;
}

static bool horizontal_stripes(figure f) {
    return wrap(f.v, f.size) < 0;
}

static bool vertical_stripes(figure f) {
    return wrap(f.u, f.size) < 0;
}

static bool checkerboard(figure f) {
    return horizontal_stripes(f) != vertical_stripes(f);
}

static bool dots(figure f) {
    return 9 * (square_of(wrap(f.u, f.size)) + square_of(wrap(f.v, f.size))) < square_of(f.size);
}

static const struct {
    const char *name;
    bool (*inside)(figure f);
    int smallest, largest; /* sizes, in pixels */
} classes[CLASSES] = {
    {"disc", disc, 7, 12},
    {"ring", ring, 8, 13},
    {"square", square, 7, 12},
    {"frame", frame, 8, 13},
    {"triangle", triangle, 7, 13},
    {"cross", cross, 7, 13},
    {"horizontal stripes", horizontal_stripes, 5, 10},
    {"vertical stripes", vertical_stripes, 5, 10},
    {"checkerboard", checkerboard, 7, 14},
    {"dots", dots, 6, 11},
};

static int between(cn__rng *rng, int first, int last) {
    return first + (int)cn__rng_below(rng, (uint32_t)(last - first + 1));
}

/* ---- one image ---- */

typedef struct drawing {
    bool (*inside)(figure f);
    int centre_x, centre_y, size, tilt;
    int ground[3], ink[3];      /* colours */
    int slope_x[3], slope_y[3]; /* of the ground's shading, in 64ths a pixel */
    int noise;                  /* the most that it adds or takes away */
} drawing;

/* Ink has to stand out: its channels differ from the ground's by this much together. */
enum { MIN_CONTRAST = 200 };

static void draw_colours(drawing *d, cn__rng *rng) {
    int contrast;
    do {
        contrast = 0;
        for (int c = 0; c < 3; c++) {
            d->ground[c] = between(rng, 0, 255);
            d->ink[c] = between(rng, 0, 255);
            contrast += abs(d->ground[c] - d->ink[c]);
        }
    } while (contrast < MIN_CONTRAST);
}

static drawing draw(int label, cn__rng *rng) {
    drawing d = {.inside = classes[label].inside};
    d.size = between(rng, classes[label].smallest * UNIT, classes[label].largest * UNIT);
    d.centre_x = between(rng, 10 * UNIT, (SIDE - 10) * UNIT);
    d.centre_y = between(rng, 10 * UNIT, (SIDE - 10) * UNIT);
    d.tilt = between(rng, -6, 6);
    draw_colours(&d, rng);
    for (int c = 0; c < 3; c++) {
        d.slope_x[c] = between(rng, -160, 160);
        d.slope_y[c] = between(rng, -160, 160);
    }
    d.noise = between(rng, 8, 44);
    return d;
}

/* How many of a pixel's samples the ink covers. */
static int coverage(const drawing *d, int x, int y) {
    int64_t along = ONE * ONE - d->tilt * d->tilt, across = 2 * ONE * d->tilt;
    int64_t scale = ONE * ONE + d->tilt * d->tilt;
    int covered = 0;
    for (int i = 0; i < SAMPLES; i++) {
        int64_t dx = x * UNIT + 4 * (i % 2) + 2 - d->centre_x, dy = y * UNIT + 4 * (i / 2) + 2 - d->centre_y;
        covered += d->inside((figure){dx * along - dy * across, dx * across + dy * along, d->size * scale});
    }
    return covered;
}

static uint8_t clamp(int value) {
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Triangular noise out of two random bytes. */
static int noise(const drawing *d, uint32_t bits) {
    return ((int)(bits & 255) + (int)(bits >> 8 & 255) - 255) * d->noise / 256;
}

static void paint(const drawing *d, cn__rng *rng, uint8_t *pixels) {
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++, pixels++) {
            int covered = coverage(d, x, y);
            for (int c = 0; c < 3; c++) {
                int shade = (d->slope_x[c] * (x - SIDE / 2) + d->slope_y[c] * (y - SIDE / 2)) / 64;
                int ground = clamp(d->ground[c] + shade);
                int colour = (d->ink[c] * covered + ground * (SAMPLES - covered)) / SAMPLES;
                pixels[c * PLANE] = clamp(colour + noise(d, cn__rng_u32(rng)));
            }
        }
}

/* ---- the set ---- */

typedef struct set {
    cn_split split;
    uint64_t seed;
    uint8_t *pixels;
    int64_t *labels;
} set;

static void draw_one(void *argument, size_t item, int thread) {
    const set *s = argument;
    cn__rng rng = cn__rng_new(s->seed, CN__STREAM_SYNTHETIC, 2 * (uint64_t)item + (uint64_t)s->split);
    int label = (int)(item % CLASSES);
    drawing d = draw(label, &rng);
    (void)thread;
    s->labels[item] = label;
    paint(&d, &rng, s->pixels + item * 3 * PLANE);
}

static cn_status describe(cn_dataset *dataset) {
    const char *names[CLASSES];
    for (int i = 0; i < CLASSES; i++)
        names[i] = classes[i].name;
    cn__dataset_default_normalization(dataset, mean, std);
    return cn_dataset_set_class_names(dataset, CLASSES, names);
}

cn_status cn_dataset_synthetic(cn_context *context, cn_split split, int64_t count, uint64_t seed,
                               cn_dataset **dataset) {
    CN__COMPUTES;
    CN__REQUIRE(dataset);
    *dataset = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__check_split("cn_dataset_synthetic", split));
    CN__TRY(cn__check_images("cn_dataset_synthetic", count, 3, SIDE, SIDE));
    set s = {split, seed, cn__alloc(context, (size_t)count, 3 * PLANE), NULL};
    s.labels = s.pixels ? cn__alloc(context, (size_t)count, sizeof *s.labels) : NULL;
    if (!s.labels) {
        cn__free(context, s.pixels);
        return cn__error(CN_ERR_MEMORY, "no memory for %lld synthetic images", (long long)count);
    }
    cn__parallel(context, (size_t)count, draw_one, &s);
    cn__images images = {.count = count,
                         .channels = 3,
                         .height = SIDE,
                         .width = SIDE,
                         .classes = CLASSES,
                         .pixels = s.pixels,
                         .stride = 3 * PLANE,
                         .labels = s.labels,
                         .owned_pixels = s.pixels,
                         .owned_targets = s.labels};
    cn_dataset *made = NULL;
    CN__TRY(cn__dataset_new(context, images, &made));
    cn_status status = describe(made);
    if (status != CN_OK) {
        cn_dataset_free(made);
        return status;
    }
    *dataset = made;
    return CN_OK;
}
