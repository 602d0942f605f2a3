/* SPDX-License-Identifier: MIT */
/* test_random.c: Philox and the streams drawn from it. */
#include "testing.h"
#include "base/base.h"
#include <math.h>

TEST_RUNS_ONCE;

/* The known answers that the authors publish with Random123 (philox4x32 10). */
START_TEST(philox_gives_the_published_answers) {
    static const struct {
        uint32_t counter[4];
        uint64_t key;
        uint32_t answer[4];
    } known_answers[] = {
        {{0, 0, 0, 0}, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         0xffffffffffffffff,
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         0x299f31d0a4093822,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < CN__COUNT(known_answers); i++) {
        cn__philox got = cn__philox4x32(known_answers[i].counter, known_answers[i].key);
        for (int w = 0; w < 4; w++)
            ck_assert_uint_eq(got.word[w], known_answers[i].answer[w]);
    }
}
END_TEST

START_TEST(streams_differ_and_repeat) {
    cn__rng a = cn__rng_new(1, 2, 3), same = cn__rng_new(1, 2, 3);
    cn__rng others[] = {cn__rng_new(0, 2, 3), cn__rng_new(1, 3, 3), cn__rng_new(1, 2, 4),
                        cn__rng_new(1, 2, 3ull << 32)};
    int equal[CN__COUNT(others)] = {0};
    for (int i = 0; i < 1000; i++) {
        uint32_t word = cn__rng_u32(&a);
        ck_assert_uint_eq(word, cn__rng_u32(&same));
        for (size_t o = 0; o < CN__COUNT(others); o++)
            equal[o] += word == cn__rng_u32(&others[o]);
    }
    for (size_t o = 0; o < CN__COUNT(others); o++)
        ck_assert_int_lt(equal[o], 3);
}
END_TEST

START_TEST(numbers_stay_in_their_bounds) {
    cn__rng rng = cn__rng_new(42, CN__STREAM_INIT, 0);
    double sum = 0.0, normal_sum = 0.0, squares = 0.0;
    int seen[7] = {0};
    const int count = 70000;
    for (int i = 0; i < count; i++) {
        float u = cn__rng_uniform(&rng), n = cn__rng_normal(&rng);
        ck_assert(u >= 0.0f && u < 1.0f);
        ck_assert(isfinite(n));
        sum += u;
        normal_sum += n;
        squares += (double)n * n;
        uint32_t below = cn__rng_below(&rng, 7);
        ck_assert_uint_lt(below, 7);
        seen[below]++;
    }
    /* five standard deviations of each estimate */
    ck_assert_double_eq_tol(sum / count, 0.5, 5 * 0.2887 / sqrt(count));
    ck_assert_double_eq_tol(normal_sum / count, 0.0, 5 / sqrt(count));
    ck_assert_double_eq_tol(squares / count, 1.0, 5 * sqrt(2.0 / count));
    for (int i = 0; i < 7; i++)
        ck_assert_double_eq_tol(seen[i], count / 7.0, 5 * sqrt(count / 7.0));
    ck_assert_uint_eq(cn__rng_below(&rng, 1), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_lt(cn__rng_below(&rng, 0xffffffff), 0xffffffff);
}
END_TEST

START_TEST(a_shuffle_is_a_permutation) {
    int64_t items[1000];
    bool seen[1000] = {false};
    int moved = 0;
    cn__rng rng = cn__rng_new(5, CN__STREAM_SHUFFLE, 1);
    for (int i = 0; i < 1000; i++)
        items[i] = i;
    cn__rng_shuffle(&rng, items, 1000);
    for (int i = 0; i < 1000; i++) {
        ck_assert(items[i] >= 0 && items[i] < 1000 && !seen[items[i]]);
        seen[items[i]] = true;
        moved += items[i] != i;
    }
    ck_assert_int_gt(moved, 900);
    cn__rng_shuffle(&rng, items, 0);
    cn__rng_shuffle(&rng, items, 1);
}
END_TEST

int main(void) {
    const TTest *const random[] = {philox_gives_the_published_answers, streams_differ_and_repeat,
                                   numbers_stay_in_their_bounds, a_shuffle_is_a_permutation};
    Suite *suite = suite_create("random");
    test_add(suite, "random numbers", random, CN__COUNT(random), 1);
    return test_run(suite);
}
