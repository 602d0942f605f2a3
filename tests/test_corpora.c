/* SPDX-License-Identifier: MIT */
/* test_corpora.c: every fuzzer with what its corpus has: what it begins with, and what fuzzing has found since. */
#include "fuzzing.h"
#include "testing.h"
#include <dirent.h>

TEST_RUNS_ONCE;

static const struct {
    const char *name;
    int (*run)(const uint8_t *data, size_t size);
} fuzzers[] = {
#define FUZZER(name) {#name, fuzz_##name},
#include "fuzzers.def"
#undef FUZZER
};

/* In memory of just that size, for tools that watch. */
static void replay(int (*run)(const uint8_t *data, size_t size), const char *path) {
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file);
    uint8_t *data = malloc(size + !size);
    rewind(file);
    ck_assert_uint_eq(fread(data, 1, size, file), size);
    fclose(file);
    ck_assert_int_eq(run(data, size), 0);
    free(data);
}

START_TEST(the_corpus_does_no_harm) {
    char folder[64], path[512];
    int count = 0;
    snprintf(folder, sizeof folder, "tests/corpus/%s", fuzzers[_i].name);
    DIR *directory = opendir(folder);
    ck_assert_msg(directory != NULL, "there is no %s", folder);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        replay(fuzzers[_i].run, path);
        count++;
    }
    closedir(directory);
    ck_assert_int_gt(count, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("corpora");
    TCase *group = tcase_create("corpora");
    tcase_set_timeout(group, 0);
    tcase_add_loop_test(group, the_corpus_does_no_harm, 0, (int)(sizeof fuzzers / sizeof *fuzzers));
    suite_add_tcase(suite, group);
    return test_run(suite);
}
