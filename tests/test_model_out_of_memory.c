/* SPDX-License-Identifier: MIT */
/* test_model_out_of_memory.c: memory runs out while models are saved and loaded. */
#include "model_files.h"
#include "io/io.h"
#include <stdlib.h>

TEST_RUNS_ONCE;

/* Saves, loads and takes over tensors with an allocator that fails at the n-th call, or from there on. */
START_TEST(running_out_of_memory_is_a_status_and_harms_no_file) {
    counting_allocator counter = {.persistent = _i};
    cn_context *own = counting_context(&counter, 1);
    cn_model *model = tiny_model(own), *reference = tiny_model(files.ctx), *loaded;
    ck_ok(cn_model_save(reference, files.path));
    ck_ok(cn_model_save(reference, files.other));
    long live = counter.live;
    for (int operation = 0; operation < 3; operation++) {
        cn_status status = CN_ERR_MEMORY;
        for (long n = 1; status != CN_OK; n++) {
            loaded = NULL;
            counter.fail_at = counter.calls + n;
            status = operation == 0   ? cn_model_save(model, files.path)
                     : operation == 1 ? cn_model_load(own, files.path, &loaded)
                                      : cn_model_load_tensors(model, files.path);
            counter.fail_at = 0;
            ck_assert(status == CN_OK || status == CN_ERR_MEMORY);
            expect_same_files(files.path, files.other);
            expect_same_tensors(model, reference);
            cn_model_free(loaded);
            ck_assert_int_eq(counter.live, live);
        }
    }
    cn_model_free(model);
    cn_model_free(reference);
    cn_context_free(own);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

static void add_tests(TCase *group) {
    tcase_add_loop_test(group, running_out_of_memory_is_a_status_and_harms_no_file, 0, 2);
}

int main(void) {
    Suite *suite = suite_create("model out of memory");
    add_tests(model_files_group(suite));
    return test_run(suite);
}
