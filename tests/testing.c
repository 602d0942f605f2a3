/* SPDX-License-Identifier: MIT */
/* testing.c: running a suite, in which ways; an allocator that counts and fails. */
#include "testing.h"
#include <stdio.h>
#include <stdlib.h>

/* Check's own limit of four seconds is for fast, idle machines. No test is about time; this ends one that hangs. */
__attribute__((constructor)) static void be_patient(void) {
    setenv("CK_DEFAULT_TIMEOUT", "600", 0);
}

/* run.sh asks so in which ways a suite has to run: TEST_ISAS=1 in the environment. The answer is the instruction sets
 * of this machine, as CONVNET_MAX_ISA has them, or "any" where they play no part; and "channels", where TEST_CHANNELS
 * in the environment has it train with channels in the lanes. */
__attribute__((weak)) bool test_runs_once = false;
__attribute__((weak)) bool test_both_layouts = false;

__attribute__((constructor)) static void tell_isas(void) {
    if (!getenv("TEST_ISAS"))
        return;
    for (cn_isa isa = CN_ISA_PORTABLE; !test_runs_once && isa <= CN_ISA_NEON; isa++)
        if (test_offers(isa))
            printf("%s\n", cn_isa_name(isa));
    if (test_runs_once)
        printf("any\n");
    if (test_both_layouts)
        printf("channels\n");
    exit(EXIT_SUCCESS);
}

bool test_offers(cn_isa isa) {
    cn_context *context;
    cn_device device = CN_DEVICE_INIT;
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = 1;
    options.isa = isa;
    bool known = cn_context_new(&options, &context) == CN_OK && cn_context_device(context, &device) == CN_OK;
    cn_context_free(known ? context : NULL);
    return known && device.isa == isa;
}

int test_isas(cn_isa isas[TEST_MAX_ISAS]) {
    int count = 0;
    for (cn_isa isa = CN_ISA_NEON; isa >= CN_ISA_PORTABLE; isa--)
        if (test_offers(isa))
            isas[count++] = isa;
    return test_quick() ? 1 : count;
}

int test_run(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

void test_add(Suite *suite, const char *name, const TTest *const *tests, size_t count, int loops) {
    TCase *group = tcase_create(name);
    for (size_t i = 0; i < count; i++)
        tcase_add_loop_test(group, tests[i], 0, loops);
    suite_add_tcase(suite, group);
}

bool test_quick(void) {
    return getenv("QUICK") != NULL || test_again();
}

bool test_again(void) {
    return getenv("AGAIN") != NULL;
}

bool test_whole(void) {
    return getenv("WHOLE") != NULL;
}

cn_context *test_context(int threads) {
    cn_context *context;
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = threads;
    if (getenv("TEST_CHANNELS"))
        options.layout = CN_LAYOUT_CHANNELS;
    ck_ok(cn_context_new(&options, &context));
    return context;
}

static void *counting_allocate(void *user, size_t bytes, size_t alignment) {
    counting_allocator *counter = user;
    void *memory = NULL;
    counter->calls++;
    if (counter->fail_at &&
        (counter->calls == counter->fail_at || (counter->persistent && counter->calls > counter->fail_at)))
        return NULL;
    if (posix_memalign(&memory, alignment, bytes) != 0)
        return NULL;
    counter->live++;
    return memset(memory, 0xA5, bytes); /* so that who forgets to set something is found out */
}

static void counting_release(void *user, void *memory) {
    counting_allocator *counter = user;
    counter->live--;
    free(memory);
}

void counting_options(counting_allocator *counter, cn_context_options *options) {
    options->allocate = counting_allocate;
    options->release = counting_release;
    options->user = counter;
}

cn_context *counting_context(counting_allocator *counter, int threads) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *context;
    counting_options(counter, &options);
    options.threads = threads;
    ck_ok(cn_context_new(&options, &context));
    return context;
}

cn_status evaluate_with(const cn_model *model, const cn_dataset *dataset, cn_loss_kind loss,
                        cn_evaluation **evaluation) {
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    options.loss = loss;
    return cn_evaluation_new(model, dataset, &options, evaluation);
}
