/* SPDX-License-Identifier: MIT */
/* test_augmentation.c: the operations against torchvision's results, their parameters' distributions, what they depend
 * on. */
#include "testing.h"
#include "data/augmentation.h"
#include "data/data.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

/* ---- golden images: golden/augmentation.py has the format ---- */

typedef struct golden_case {
    char operation[16];
    cn__shape extent;
    char *parameters, *result; /* into the line */
    size_t bytes;              /* of an image */
    uint8_t *input, *wanted, *got;
    void *row;
} golden_case;

static uint8_t hexadecimal_byte(const char *text) {
    char digits[3] = {text[0], text[1], '\0'};
    return (uint8_t)strtoul(digits, NULL, 16);
}

static void read_case(char *line, golden_case *c) {
    int used = 0;
    memset(c, 0, sizeof *c);
    ck_assert_int_eq(
        sscanf(line, "%15s %d %d %d%n", c->operation, &c->extent.channels, &c->extent.height, &c->extent.width, &used),
        4);
    c->parameters = line + used;
    c->result = strchr(line, ':') + 2;
    size_t width = (size_t)c->extent.width;
    c->bytes = (size_t)c->extent.channels * (size_t)c->extent.height * width;
    c->input = malloc(c->bytes);
    c->wanted = malloc(c->bytes);
    c->got = malloc(c->bytes);
    c->row = malloc(width * CN__ROW_BYTES);
    for (size_t i = 0; i < c->bytes; i++) {
        c->input[i] = (uint8_t)((uint32_t)(i + 1) * 2654435761u >> 24);
        c->wanted[i] = hexadecimal_byte(c->result + 2 * i);
    }
}

static void free_case(golden_case *c) {
    free(c->input);
    free(c->wanted);
    free(c->got);
    free(c->row);
}

/* Calls `check` with every golden case of an operation. */
static void for_golden(const char *operation, void (*check)(golden_case *c)) {
    FILE *file = fopen("tests/golden/augmentation.txt", "r");
    char *line = NULL;
    size_t capacity = 0;
    int cases = 0;
    ck_assert_msg(file != NULL, "tests/golden/augmentation.txt: run from the repository's root");
    while (getline(&line, &capacity, file) > 0) {
        golden_case c;
        read_case(line, &c);
        if (strcmp(c.operation, operation) == 0) {
            check(&c);
            cases++;
        }
        free_case(&c);
    }
    ck_assert_int_gt(cases, 0);
    free(line);
    fclose(file);
}

static void compare(const golden_case *c) {
    for (size_t i = 0; i < c->bytes; i++)
        ck_assert_msg(c->got[i] == c->wanted[i], "%s %.120s: byte %zu is %d, torchvision has %d", c->operation,
                      c->parameters, i, c->got[i], c->wanted[i]);
}

static cn__planes bytes_of(cn__shape shape) {
    return (cn__planes){shape, CN__PIXEL_BYTES};
}

static void check_flip(golden_case *c) {
    cn__flip(bytes_of(c->extent), c->input, c->got);
    compare(c);
}

START_TEST(flips_are_torchvisions) {
    for_golden("flip", check_flip);
}
END_TEST

static void check_grayscale(golden_case *c) {
    cn__grayscale(c->extent, c->input, c->got);
    compare(c);
}

START_TEST(grays_are_torchvisions) {
    for_golden("grayscale", check_grayscale);
}
END_TEST

static void check_crop(golden_case *c) {
    int padding, top, left;
    char mode[16];
    ck_assert_int_eq(sscanf(c->parameters, "%d %15s %d %d", &padding, mode, &top, &left), 4);
    cn__crop(bytes_of(c->extent), c->input, c->got, padding,
             mode[0] == 'c'   ? CN_PADDING_ZEROS
             : mode[0] == 'e' ? CN_PADDING_REPLICATE
                              : CN_PADDING_REFLECT,
             top, left, c->row);
    compare(c);
}

START_TEST(crops_are_torchvisions) {
    for_golden("crop", check_crop);
}
END_TEST

static void check_rotation(golden_case *c) {
    cn__rotate(bytes_of(c->extent), c->input, c->got, strtod(c->parameters, NULL), c->row);
    compare(c);
}

START_TEST(rotations_are_torchvisions) {
    for_golden("rotate", check_rotation);
}
END_TEST

static void read_perspective(const golden_case *c, int corners[8], double coefficients[8]) {
    char *at = c->parameters;
    for (int i = 0; i < 8; i++)
        corners[i] = (int)strtol(at, &at, 10);
    for (int i = 0; i < 8; i++)
        coefficients[i] = strtod(at, &at);
}

static void check_perspective(golden_case *c) {
    int corners[8];
    double coefficients[8];
    read_perspective(c, corners, coefficients);
    cn__perspective(bytes_of(c->extent), c->input, c->got, coefficients, c->row);
    compare(c);
}

START_TEST(perspectives_are_torchvisions) {
    for_golden("perspective", check_perspective);
}
END_TEST

/* torchvision solves by QR in single precision, whose rounding is LAPACK's own; we solve in double precision and round.
 * The coefficients then differ by about 1e-5, and of an image of noise a few pixels do. */
static void check_solution(golden_case *c) {
    int corners[8];
    double wanted[8], solved[8];
    size_t differ = 0;
    read_perspective(c, corners, wanted);
    ck_assert(cn__perspective_solve(c->extent.height, c->extent.width, corners, solved));
    for (int i = 0; i < 8; i++) {
        double size = i == 2 || i == 5 ? 1.0 : i < 6 ? 0.1 : 0.01; /* below which an error is not relative */
        ck_assert_double_eq_tol(solved[i], wanted[i], 5e-5 * (fabs(wanted[i]) + size));
    }
    cn__perspective(bytes_of(c->extent), c->input, c->got, solved, c->row);
    for (size_t i = 0; i < c->bytes; i++)
        differ += c->got[i] != c->wanted[i];
    ck_assert_msg(differ <= 8 + c->bytes / 200, "%.40s: %zu of %zu bytes differ", c->parameters, differ, c->bytes);
}

START_TEST(coefficients_are_torchvisions_up_to_single_precision) {
    for_golden("perspective", check_solution);
}
END_TEST

START_TEST(impossible_perspectives_have_no_coefficients) {
    double coefficients[8];
    const int same[8] = {0, 0, 0, 0, 0, 0, 0, 0}, line[8] = {0, 0, 31, 0, 15, 0, 0, 31};
    ck_assert(!cn__perspective_solve(32, 32, same, coefficients));
    ck_assert(!cn__perspective_solve(32, 32, line, coefficients));
    ck_assert(!cn__perspective_solve(1, 1, same, coefficients));
}
END_TEST

START_TEST(a_perspective_through_infinity_is_black_there) {
    const double through[8] = {1, 0, 0, 0, 1, 0, -0.25, 0}, nowhere[8] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    uint8_t from[64], to[64];
    double row[8 * CN__ROW_BYTES / sizeof(double)];
    memset(from, 200, sizeof from);
    cn__perspective(bytes_of((cn__shape){1, 8, 8}), from, to, through, row); /* x = 3.5 goes to 28, x = 4.5 to -36 */
    for (int i = 0; i < 64; i++)
        ck_assert_int_eq(to[i], i % 8 < 3 && (i / 8 + 0.5) / (1 - (i % 8 + 0.5) / 4) < 8 ? 200 : 0);
    cn__perspective(bytes_of((cn__shape){1, 8, 8}), from, to, nowhere, row);
    for (int i = 0; i < 64; i++)
        ck_assert_int_eq(to[i], 0);
}
END_TEST

static void check_normalization(golden_case *c) {
    const float mean[3] = {0.49139968f, 0.48215827f, 0.44653124f}, std[3] = {0.24703233f, 0.24348505f, 0.26158768f};
    const int64_t shape[4] = {1, 3, 1, 256}, zero = 0;
    cn_context *ctx = test_context(1);
    cn_tensor *image, *label, *out;
    cn_dataset *set;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, shape, &image));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_INT64, 1, shape, &label));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, shape, &out));
    for (int i = 0; i < 768; i++)
        ((uint8_t *)cn_tensor_data(image))[i] = (uint8_t)i;
    ck_ok(cn_dataset_memory(ctx, image, label, 1, &set));
    ck_ok(cn_dataset_set_normalization(set, 3, mean, std));
    ck_ok(cn_dataset_batch(set, 1, &zero, 0, 0, 0, out, NULL));
    for (size_t i = 0; i < 768; i++) {
        uint32_t bits;
        memcpy(&bits, (float *)cn_tensor_data(out) + i, sizeof bits);
        for (size_t b = 0; b < 4; b++)
            ck_assert_int_eq(bits >> (24 - 8 * b) & 255, hexadecimal_byte(c->result + 8 * i + 2 * b));
    }
    cn_dataset_free(set);
    cn_tensor_free(image);
    cn_tensor_free(label);
    cn_tensor_free(out);
    cn_context_free(ctx);
}

START_TEST(normalised_values_are_torchvisions) {
    for_golden("normalize", check_normalization);
}
END_TEST

/* ---- distributions: what becomes of telling images over many indices ---- */

enum { DRAWS = 4000 };

/* The image after augmentation number `index`. */
static const uint8_t *augmented(const cn_augmentation *augmentation, cn__shape extent, const uint8_t *pixels,
                                uint64_t index, void *scratch) {
    cn__rng rng = cn__rng_new(7, CN__STREAM_AUGMENT, index);
    cn__changes changes = cn__changes_draw(augmentation, extent, &rng, false);
    return cn__changes_apply(&changes, bytes_of(extent), pixels, scratch);
}

/* Within five standard deviations of a binomial. */
static void assert_share(int count, int of, double share) {
    double deviation = sqrt(of * share * (1.0 - share));
    ck_assert_msg(fabs(count - of * share) <= 5.0 * deviation + 1e-9, "%d of %d, wanted a share of %g", count, of,
                  share);
}

START_TEST(flips_happen_with_their_probability) {
    const uint8_t image[4] = {1, 2, 3, 4};
    const float shares[] = {0.0f, 0.3f, 0.5f, 1.0f};
    cn__shape extent = {1, 1, 4};
    void *scratch = malloc(cn__changes_scratch(bytes_of(extent)));
    for (size_t s = 0; s < CN__COUNT(shares); s++) {
        cn_augmentation flip = CN_AUGMENTATION_INIT;
        int flipped = 0;
        flip.horizontal_flip = shares[s];
        for (int i = 0; i < DRAWS; i++)
            flipped += augmented(&flip, extent, image, (uint64_t)i, scratch)[0] == 4;
        assert_share(flipped, DRAWS, shares[s]);
    }
    free(scratch);
}
END_TEST

START_TEST(grays_happen_with_their_probability) {
    const uint8_t image[3] = {10, 20, 200};
    cn__shape extent = {3, 1, 1};
    void *scratch = malloc(cn__changes_scratch(bytes_of(extent)));
    cn_augmentation gray = CN_AUGMENTATION_INIT;
    int grays = 0;
    gray.grayscale = 0.1f;
    for (int i = 0; i < DRAWS; i++) {
        const uint8_t *got = augmented(&gray, extent, image, (uint64_t)i, scratch);
        grays += got[0] == got[1];
        ck_assert(memcmp(got, image, 3) == 0 || (got[0] == 38 && got[1] == 38 && got[2] == 38));
    }
    assert_share(grays, DRAWS, 0.1);
    free(scratch);
}
END_TEST

START_TEST(crops_are_evenly_spread) {
    uint8_t image[49] = {0};
    int seen[5][5] = {{0}};
    cn__shape extent = {1, 7, 7};
    void *scratch = malloc(cn__changes_scratch(bytes_of(extent)));
    cn_augmentation crop = CN_AUGMENTATION_INIT;
    crop.crop_padding = 2;
    image[3 * 7 + 3] = 255;
    for (int i = 0; i < DRAWS; i++) {
        const uint8_t *got = augmented(&crop, extent, image, (uint64_t)i, scratch);
        const uint8_t *dot = memchr(got, 255, 49);
        ck_assert_ptr_nonnull(dot);
        int place = (int)(dot - got), row = place / 7 - 1, column = place % 7 - 1;
        ck_assert(row >= 0 && row < 5 && column >= 0 && column < 5);
        seen[row][column]++;
    }
    for (int i = 0; i < 25; i++)
        assert_share(seen[i / 5][i % 5], DRAWS, 1.0 / 25.0);
    free(scratch);
}
END_TEST

/* A line from the centre to the right shows the angle. */
START_TEST(angles_are_evenly_spread) {
    enum { SIDE = 201, CENTRE = 100, FAR = 80, BINS = 8 };
    static uint8_t image[SIDE * SIDE];
    int bins[BINS] = {0}, draws = test_quick() ? DRAWS / 10 : DRAWS;
    cn__shape extent = {1, SIDE, SIDE};
    void *scratch = malloc(cn__changes_scratch(bytes_of(extent)));
    cn_augmentation turn = CN_AUGMENTATION_INIT;
    turn.rotation = 30.0f;
    memset(image + CENTRE * SIDE + CENTRE, 255, SIDE - CENTRE);
    for (int i = 0; i < draws; i++) {
        const uint8_t *got = augmented(&turn, extent, image, (uint64_t)i, scratch);
        int row = 0;
        while (row < SIDE - 1 && got[row * SIDE + CENTRE + FAR] == 0)
            row++;
        double degrees = atan2(CENTRE - row, FAR) * 180.0 / 3.14159265358979;
        ck_assert_double_ge(degrees, -31.0);
        ck_assert_double_le(degrees, 31.0);
        int bin = (int)((degrees + 30.0) / 60.0 * BINS);
        bins[bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin]++;
    }
    for (int b = 1; b < BINS - 1; b++) /* the resolution of the drawing blurs the bins by a few percent */
        ck_assert_double_eq_tol(bins[b], (double)draws / BINS, 5.0 * sqrt((double)draws / BINS) + draws * 0.01);
    free(scratch);
}
END_TEST

/* On white, a corner of the image is black where a perspective has drawn it in. */
START_TEST(perspectives_happen_and_reach_as_far_as_they_may) {
    enum { SIDE = 32, MOST = 8 }; /* half of the side, half of that */
    static uint8_t white[SIDE * SIDE];
    int changed = 0, black[4] = {0}, deepest = 0;
    cn__shape extent = {1, SIDE, SIDE};
    void *scratch = malloc(cn__changes_scratch(bytes_of(extent)));
    cn_augmentation bend = CN_AUGMENTATION_INIT;
    bend.perspective = 0.4f;
    bend.perspective_distortion = 0.5f;
    memset(white, 255, sizeof white);
    for (int i = 0; i < DRAWS; i++) {
        const uint8_t *got = augmented(&bend, extent, white, (uint64_t)i, scratch);
        const int corners[4] = {0, SIDE - 1, SIDE * SIDE - 1, SIDE * (SIDE - 1)};
        int depth = 0;
        changed += got != white;
        for (int c = 0; c < 4; c++)
            black[c] += got[corners[c]] == 0;
        while (depth < SIDE / 2 && got[depth * SIDE + depth] == 0)
            depth++;
        deepest = depth > deepest ? depth : deepest;
        for (int y = MOST + 1; y < SIDE - MOST - 1; y++)
            for (int x = MOST + 1; x < SIDE - MOST - 1; x++)
                ck_assert_int_eq(got[y * SIDE + x], 255);
    }
    assert_share(changed, DRAWS, 0.4);
    for (int c = 0; c < 4; c++) /* black unless it stays, or moves along one side only to be covered by the other */
        ck_assert_double_eq_tol(black[c], black[0], 5.0 * sqrt(2.0 * black[0]));
    ck_assert_int_gt(black[0], changed / 2);
    ck_assert_int_ge(deepest, MOST - 1);
    free(scratch);
}
END_TEST

START_TEST(the_smallest_images_can_be_augmented) {
    cn_augmentation all = CN_AUGMENTATION_INIT;
    all.horizontal_flip = all.perspective = all.perspective_distortion = 1.0f;
    all.rotation = 180.0f;
    for (int height = 1; height <= 4; height++)
        for (int width = 1; width <= 4; width++) {
            uint8_t image[16];
            cn__shape extent = {1, height, width};
            void *scratch = malloc(cn__changes_scratch(bytes_of(extent)));
            memset(image, 99, sizeof image);
            for (uint64_t i = 0; i < 200; i++) {
                const uint8_t *got = augmented(&all, extent, image, i, scratch);
                for (int p = 0; p < height * width; p++)
                    ck_assert(got[p] == 99 || got[p] == 0 || height * width > 1);
            }
            free(scratch);
        }
}
END_TEST

/* ---- the suite ---- */

static void add(Suite *suite, const char *name, const TTest *const *tests, size_t count) {
    TCase *group = tcase_create(name);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(group, tests[i]);
    suite_add_tcase(suite, group);
}

int main(void) {
    const TTest *const golden[] = {flips_are_torchvisions,
                                   grays_are_torchvisions,
                                   crops_are_torchvisions,
                                   rotations_are_torchvisions,
                                   perspectives_are_torchvisions,
                                   coefficients_are_torchvisions_up_to_single_precision,
                                   normalised_values_are_torchvisions};
    const TTest *const edges[] = {impossible_perspectives_have_no_coefficients,
                                  a_perspective_through_infinity_is_black_there, the_smallest_images_can_be_augmented};
    const TTest *const draws[] = {flips_happen_with_their_probability, grays_happen_with_their_probability,
                                  crops_are_evenly_spread, angles_are_evenly_spread,
                                  perspectives_happen_and_reach_as_far_as_they_may};
    Suite *suite = suite_create("augmentation");
    add(suite, "golden", golden, CN__COUNT(golden));
    add(suite, "edges", edges, CN__COUNT(edges));
    add(suite, "distributions", draws, CN__COUNT(draws));
    return test_run(suite);
}
