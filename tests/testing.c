/* testing.c: running a suite; an allocator that counts and fails. */
#include "testing.h"
#include <stdlib.h>

int test_run(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int test_quick(void) {
    return getenv("QUICK") != NULL;
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
    return memory;
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
