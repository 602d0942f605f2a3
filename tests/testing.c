/* testing.c: what all suites use. */
#include "testing.h"
#include <stdlib.h>
#include <string.h>

/* Check's limit is seconds of a fast, idle machine. No test is about time; this only ends one that hangs. */
__attribute__((constructor)) static void be_patient(void) {
    setenv("CK_DEFAULT_TIMEOUT", "600", 0);
}

int test_run(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

cn_context *test_context(int threads) {
    cn_context *context;
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = threads;
    ck_ok(cn_context_new(&options, &context));
    return context;
}

int test_contains(const char *text, const char *part) {
    return strstr(text, part) != NULL;
}

void *test_allocate(void *memory, size_t bytes, size_t alignment) {
    test_memory *m = memory;
    void *block;
    m->calls++;
    if (m->fail_at && (m->for_good ? m->calls >= m->fail_at : m->calls == m->fail_at))
        return NULL;
    if (posix_memalign(&block, alignment, bytes) != 0)
        return NULL;
    m->live++;
    return memset(block, 0xA5, bytes);
}

void test_release(void *memory, void *block) {
    test_memory *m = memory;
    m->live--;
    free(block);
}

cn_context_options test_memory_options(test_memory *memory, int threads) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = threads;
    options.allocate = test_allocate;
    options.release = test_release;
    options.user = memory;
    return options;
}
