/* SPDX-License-Identifier: MIT */
/* test_kernels_binary.c: sums and products of planes with sides of their own or of 1, and planes of another size,
 * against plain loops on small integers, whose sums are exact; and the same bits from every instruction set. */
#include "planes.h"
#include "testing.h"
#include <math.h>
#include <stdlib.h>

#define ROUNDS 200

/* ---- two planes ---- */

/* A plane of a height and width, or 1 instead. */
typedef struct part {
    cn__plane plane;
    int32_t height, width;
    bool one_lane;
} part;

static part random_part(cn__rng *rng, int32_t height, int32_t width, float limit, int whole) {
    part p = {.height = between(rng, 0, 1) ? 1 : height, .width = between(rng, 0, 1) ? 1 : width};
    p.plane = plane_random(rng, p.height, p.width, limit, whole);
    return p;
}

static cn__operand operand(const part *p) {
    return (cn__operand){p->plane.data, p->height == 1 ? 0 : p->plane.row, p->width == 1 ? 0 : CN__LANES, p->one_lane};
}

static float *part_at(const part *p, int32_t r, int32_t c, int lane) {
    return plane_at(p->plane, p->height == 1 ? 0 : r, p->width == 1 ? 0 : c, p->one_lane ? 0 : lane);
}

START_TEST(one_row_column_or_lane_counts_for_all) {
    cn__rng rng = cn__rng_new(51, 0, 0);
    for (int round = 0; round < ROUNDS; round++) {
        int32_t height = between(&rng, 1, 5), width = between(&rng, 1, 7);
        part a = random_part(&rng, height, width, 3.0f, 1), b = random_part(&rng, height, width, 3.0f, 1);
        cn__plane y = plane_new(height, width);
        bool product = round % 2;
        a.one_lane = between(&rng, 0, 3) == 0;
        b.one_lane = between(&rng, 0, 3) == 0;
        kernels->binary(product, operand(&a), operand(&b), y, height, width);
        for (int32_t r = 0; r < height; r++)
            for (int32_t c = 0; c < width; c++)
                for (int l = 0; l < CN__LANES; l++) {
                    float left = *part_at(&a, r, c, l), right = *part_at(&b, r, c, l);
                    ck_assert_float_eq(*plane_at(y, r, c, l), product ? left * right : left + right);
                }
        check_guard(y, height, width);
        plane_free(a.plane);
        plane_free(b.plane);
        plane_free(y);
    }
}
END_TEST

/* Adds to what begins as zero, or as it is. */
static void add_up(const part *wanted, const part *other, cn__plane dy, int32_t height, int32_t width, int32_t lanes,
                   bool product, bool accumulate) {
    for (int32_t i = 0; i < wanted->height * wanted->width * CN__LANES && !accumulate; i++)
        *part_at(wanted, i / CN__LANES / wanted->width, i / CN__LANES % wanted->width, i % CN__LANES) = 0.0f;
    for (int32_t r = 0; r < height; r++)
        for (int32_t c = 0; c < width; c++)
            for (int l = 0; l < lanes; l++)
                *part_at(wanted, r, c, l) += *plane_at(dy, r, c, l) * (product ? *part_at(other, r, c, l) : 1.0f);
}

/* Gradients by one of the two, in its plane; `whole` numbers have exact sums. Lanes that do not count hold NaN. */
static void check_backward(cn__rng *rng, bool product, bool accumulate, int whole) {
    int32_t height = between(rng, 1, 5), width = between(rng, 1, 7);
    part dx = random_part(rng, height, width, 3.0f, whole), other = random_part(rng, height, width, 3.0f, whole);
    cn__plane dy = plane_random(rng, height, width, 3.0f, whole);
    int32_t lanes = between(rng, 0, 2) ? 0 : between(rng, 1, CN__LANES);
    other.one_lane = between(rng, 0, 3) == 0;
    dx.one_lane = lanes > 0;
    for (int32_t i = 0; i < height * width * CN__LANES && lanes > 0; i++)
        if (i % CN__LANES >= lanes)
            *plane_at(dy, i / CN__LANES / width, i / CN__LANES % width, i % CN__LANES) = NAN;
    part wanted = dx, bits = dx;
    wanted.plane = plane_copy(dx.plane, dx.height, dx.width);
    bits.plane = plane_copy(dx.plane, dx.height, dx.width);
    cn__operand factor = product ? operand(&other) : (cn__operand){0}, at = operand(&dx);
    kernels->binary_backward(dy, factor, (cn__target){dx.plane.data, at.row, at.column, lanes}, height, width,
                             accumulate);
    twin->binary_backward(dy, factor, (cn__target){bits.plane.data, at.row, at.column, lanes}, height, width,
                          accumulate);
    check_same_bits(dx.plane, bits.plane, dx.height, dx.width);
    add_up(&wanted, &other, dy, height, width, lanes ? lanes : CN__LANES, product, accumulate);
    for (int32_t r = 0; r < dx.height && whole; r++)
        for (int32_t c = 0; c < dx.width; c++)
            for (int l = 0; l < CN__LANES; l++)
                ck_assert_float_eq(*plane_at(dx.plane, r, c, l), *plane_at(wanted.plane, r, c, l));
    check_guard(dx.plane, dx.height, dx.width);
    plane_free(dx.plane);
    plane_free(wanted.plane);
    plane_free(bits.plane);
    plane_free(other.plane);
    plane_free(dy);
}

START_TEST(what_counted_for_all_gets_the_sum) {
    cn__rng rng = cn__rng_new(52, 0, 0);
    for (int round = 0; round < ROUNDS; round++)
        check_backward(&rng, round & 1, round & 2, round & 4);
}
END_TEST

/* ---- another size ---- */

typedef struct axis {
    cn__resample_axis lists;
    int32_t first[10], from[40];
    float weight[40];
} axis;

/* 0 to 4 terms each, of whole weights. */
static void random_axis(cn__rng *rng, int32_t in, axis *a) {
    a->lists = (cn__resample_axis){between(rng, 1, 9), a->first, a->from, a->weight};
    a->first[0] = 0;
    for (int32_t i = 0; i < a->lists.size; i++) {
        a->first[i + 1] = a->first[i] + (between(rng, 0, 1) ? 2 : between(rng, 0, 4));
        for (int32_t k = a->first[i]; k < a->first[i + 1]; k++) {
            a->from[k] = between(rng, 0, (uint32_t)in - 1);
            a->weight[k] = (float)between(rng, 1, 3);
        }
    }
}

START_TEST(pixels_of_another_size_are_weighted_sums) {
    cn__rng rng = cn__rng_new(53, 0, 0);
    for (int round = 0; round < ROUNDS; round++) {
        int32_t height = between(&rng, 1, 5), width = between(&rng, 1, 7);
        axis rows, columns;
        random_axis(&rng, height, &rows);
        random_axis(&rng, width, &columns);
        cn__plane x = plane_random(&rng, height, width, 3.0f, 1);
        cn__plane y = plane_random(&rng, rows.lists.size, columns.lists.size, 3.0f, 1);
        cn__plane before = plane_copy(y, rows.lists.size, columns.lists.size);
        kernels->resample(&rows.lists, &columns.lists, x, y, round % 2);
        for (int32_t r = 0; r < rows.lists.size; r++)
            for (int32_t c = 0; c < columns.lists.size; c++)
                for (int l = 0; l < CN__LANES; l++) {
                    float sum = round % 2 ? *plane_at(before, r, c, l) : 0.0f;
                    for (int32_t i = rows.first[r]; i < rows.first[r + 1]; i++)
                        for (int32_t j = columns.first[c]; j < columns.first[c + 1]; j++)
                            sum += rows.weight[i] * columns.weight[j] * *plane_at(x, rows.from[i], columns.from[j], l);
                    ck_assert_float_eq(*plane_at(y, r, c, l), sum);
                }
        check_guard(y, rows.lists.size, columns.lists.size);
        plane_free(x);
        plane_free(y);
        plane_free(before);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kernels: binary");
    TCase *tests = tcase_create("binary");
    tcase_add_checked_fixture(tests, choose_kernels, NULL);
    tcase_add_test(tests, one_row_column_or_lane_counts_for_all);
    tcase_add_test(tests, what_counted_for_all_gets_the_sum);
    tcase_add_test(tests, pixels_of_another_size_are_weighted_sums);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
