/* SPDX-License-Identifier: MIT */
/* test_struct_defaults.c: defaults as functions, for languages without macros: cn_…_init of each struct with a size. */
#include "pieces.h"
#include <stdint.h>
#include <string.h>

TEST_RUNS_ONCE;

#define STACK 0xa5 /* what happens to lie where a struct is filled in, and behind it */

#define STRUCT(type, init)                                                                                             \
    static void init_##type(void *bytes, size_t size) {                                                                \
        type##_init(bytes, size);                                                                                      \
    }                                                                                                                  \
    static const type defaults_##type = init;
#include "base/structs.def"

static const struct {
    const void *wanted;
    size_t size;
    void (*init)(void *bytes, size_t size);
} all_defaults[] = {
#define STRUCT(type, init) {&defaults_##type, sizeof defaults_##type, init_##type},
#include "base/structs.def"
};

/* Every byte of a struct is set: none is padding, whose content a compiler may leave as it was. */
START_TEST(defaults_fill_every_byte) {
    unsigned char poisoned[2][1024];
    size_t size = all_defaults[_i].size;
    ck_assert_uint_le(size + 16, sizeof poisoned[0]);
    memset(poisoned[0], STACK, sizeof poisoned[0]);
    memset(poisoned[1], ~STACK & 0xff, sizeof poisoned[1]);
    for (int i = 0; i < 2; i++) {
        all_defaults[_i].init(poisoned[i], size);
        ck_assert_mem_eq(poisoned[i], all_defaults[_i].wanted, size);
    }
    ck_assert_int_eq(poisoned[0][size], STACK);
}
END_TEST

START_TEST(defaults_keep_to_the_callers_size) {
    uint64_t bytes[128], said;
    size_t size = all_defaults[_i].size;
    memset(bytes, STACK, sizeof bytes);
    all_defaults[_i].init(bytes, size - 4); /* of an older program */
    memcpy(&said, bytes, sizeof said);
    ck_assert_uint_eq(said, size - 4);
    ck_assert_int_eq(((unsigned char *)bytes)[size - 4], STACK);
    all_defaults[_i].init(bytes, size + 16); /* of a newer one */
    for (size_t i = size; i < size + 16; i++)
        ck_assert_int_eq(((unsigned char *)bytes)[i], 0);
    ck_assert_int_eq(((unsigned char *)bytes)[size + 16], STACK);
    all_defaults[_i].init(NULL, size);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("defaults of structs");
    TCase *group = tcase_create("defaults");
    tcase_add_loop_test(group, defaults_fill_every_byte, 0, (int)COUNT(all_defaults));
    tcase_add_loop_test(group, defaults_keep_to_the_callers_size, 0, (int)COUNT(all_defaults));
    suite_add_tcase(suite, group);
    return test_run(suite);
}
