/* test_base.c: errors, options structs, memory, texts, Philox, the pool, contexts and tensors. */
#include "testing.h"
#include "base/base.h"
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- errors ---- */

START_TEST(statuses_have_texts) {
    for (int status = CN_OK; status <= CN_ERR_VERSION; status++) {
        ck_assert_ptr_nonnull(cn_status_string((cn_status)status));
        ck_assert_str_ne(cn_status_string((cn_status)status), "unknown status");
        for (int other = CN_OK; other < status; other++)
            ck_assert_str_ne(cn_status_string((cn_status)status), cn_status_string((cn_status)other));
    }
    ck_assert_str_eq(cn_status_string(CN_ERR_MEMORY), "out of memory");
    ck_assert_str_eq(cn_status_string((cn_status)999), "unknown status");
}
END_TEST

START_TEST(messages_are_formatted_and_cut) {
    ck_assert_int_eq(cn__error(CN_ERR_IO, "%s at byte %d", "file", 7), CN_ERR_IO);
    ck_assert_str_eq(cn_last_error(), "file at byte 7");
    cn__error(CN_ERR_IO, "again: %s", cn_last_error());
    ck_assert_str_eq(cn_last_error(), "again: file at byte 7");
    char long_text[5000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    cn__error(CN_ERR_IO, "%s", long_text);
    ck_assert_uint_ge(strlen(cn_last_error()), 511);
    ck_assert_uint_lt(strlen(cn_last_error()), sizeof long_text - 1);
}
END_TEST

static void *other_thread(void *result) {
    *(int *)result = strcmp(cn_last_error(), "") == 0;
    cn__error(CN_ERR_DATA, "theirs");
    return NULL;
}

START_TEST(messages_belong_to_their_thread) {
    pthread_t thread;
    int was_empty = 0;
    cn__error(CN_ERR_IO, "mine");
    ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, &was_empty), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(was_empty, 1);
    ck_assert_str_eq(cn_last_error(), "mine");
}
END_TEST

START_TEST(version_is_the_headers) {
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", CN_VERSION_MAJOR, CN_VERSION_MINOR, CN_VERSION_PATCH);
    ck_assert_str_eq(cn_version_string(), text);
    ck_assert_int_eq(cn_version_number(), CN_VERSION_NUMBER);
}
END_TEST

/* ---- options structs: `known` is what this library has, the others what callers may bring ---- */

typedef struct older {
    size_t size;
    int a;
} older;
typedef struct known {
    size_t size;
    int a, b;
    double c;
} known;
typedef struct newer {
    known as_known;
    int d, e;
} newer;

static cn_status read_known(known *k, const void *options) {
    *k = (known){sizeof *k, 1, 2, 3.0};
    return cn__options_read(k, sizeof *k, offsetof(older, a) + sizeof(int), options, "known_options");
}

START_TEST(no_options_keep_the_defaults) {
    known k;
    ck_ok(read_known(&k, NULL));
    ck_assert_int_eq(k.a, 1);
    ck_assert_int_eq(k.b, 2);
}
END_TEST

START_TEST(a_shorter_struct_leaves_zeros) {
    known k;
    older o = {offsetof(older, a) + sizeof(int), 7};
    ck_ok(read_known(&k, &o));
    ck_assert_int_eq(k.a, 7);
    ck_assert_int_eq(k.b, 0);
    ck_assert_double_eq(k.c, 0.0);
}
END_TEST

START_TEST(a_longer_struct_must_end_in_zeros) {
    known k;
    newer n = {{sizeof n, 7, 8, 9.0}, 0, 0};
    ck_ok(read_known(&k, &n));
    ck_assert_int_eq(k.b, 8);
    n.e = 1;
    ck_fails(read_known(&k, &n), CN_ERR_VERSION, "known_options");
    n.e = 0;
    n.d = 0x01000000; /* one byte somewhere inside */
    ck_fails(read_known(&k, &n), CN_ERR_VERSION, "known_options");
}
END_TEST

START_TEST(impossible_sizes_are_refused) {
    known k, o = {0, 1, 2, 3.0};
    ck_fails(read_known(&k, &o), CN_ERR_ARGUMENT, "known_options: its size member is 0");
    o.size = offsetof(older, a) + sizeof(int) - 1;
    ck_fails(read_known(&k, &o), CN_ERR_ARGUMENT, "known_options");
    o.size = SIZE_MAX;
    ck_fails(read_known(&k, &o), CN_ERR_ARGUMENT, "known_options");
}
END_TEST

START_TEST(structs_are_filled_as_far_as_they_go) {
    known filled = {0, 7, 8, 9.0};
    older o = {offsetof(older, a) + sizeof(int), 1};
    size_t smallest = o.size;
    ck_ok(cn__struct_write(&o, &filled, sizeof filled, smallest, "known"));
    ck_assert_int_eq(o.a, 7);
    ck_assert_uint_eq(o.size, smallest);
    newer n = {{sizeof n, 1, 1, 1.0}, 5, 5};
    ck_ok(cn__struct_write(&n, &filled, sizeof filled, smallest, "known"));
    ck_assert_double_eq(n.as_known.c, 9.0);
    ck_assert_uint_eq(n.as_known.size, sizeof n);
    ck_assert_int_eq(n.d, 0);
    n.as_known.size = 3;
    ck_fails(cn__struct_write(&n, &filled, sizeof filled, smallest, "known"), CN_ERR_ARGUMENT, "known");
}
END_TEST

/* ---- memory and texts ---- */

START_TEST(memory_is_zeroed_and_aligned) {
    counting_allocator counter = {0};
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    counting_options(&counter, &options);
    options.threads = 1;
    for (int own = 0; own < 2; own++) {
        ck_ok(cn_context_new(own ? &options : NULL, &ctx));
        for (size_t bytes = 0; bytes < 300; bytes += 37) {
            unsigned char *memory = cn__alloc(ctx, bytes, 1);
            ck_assert_ptr_nonnull(memory);
            ck_assert_uint_eq((uintptr_t)memory % CN__ALIGN, 0);
            for (size_t i = 0; i < bytes; i++)
                ck_assert_int_eq(memory[i], 0);
            memset(memory, 1, bytes);
            cn__free(ctx, memory);
        }
        cn__free(ctx, NULL);
        cn_context_free(ctx);
    }
    ck_assert_int_gt(counter.calls, 8);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

START_TEST(overflowing_sizes_are_no_memory) {
    cn_context *ctx = test_context(1);
    ck_assert_ptr_null(cn__alloc(ctx, SIZE_MAX / 2, 4));
    ck_assert_ptr_null(cn__alloc(ctx, SIZE_MAX, 1));
    ck_assert_ptr_null(cn__alloc(ctx, SIZE_MAX / 2, 1));
    cn_context_free(ctx);
}
END_TEST

START_TEST(lists_grow_and_keep_their_elements) {
    cn_context *ctx = test_context(1);
    int *list = NULL;
    size_t capacity = 0;
    for (int i = 0; i < 1000; i++) {
        ck_ok(cn__grow(ctx, (void **)&list, &capacity, (size_t)i, sizeof *list));
        ck_assert_uint_gt(capacity, (size_t)i);
        ck_assert_int_eq(list[i], 0);
        list[i] = i;
    }
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(list[i], i);
    cn__free(ctx, list);
    cn_context_free(ctx);
}
END_TEST

START_TEST(texts_are_built_piece_by_piece) {
    cn_context *ctx = test_context(1);
    cn__text text = {.ctx = ctx};
    char *out;
    for (int i = 0; i < 500; i++)
        cn__text_append(&text, "%d,", i % 10);
    cn__text_append(&text, "%s", "");
    ck_ok(cn__text_take(&text, &out));
    ck_assert_uint_eq(strlen(out), 1000);
    ck_assert_str_eq(out + 990, "5,6,7,8,9,");
    cn_text_free(out);
    text = (cn__text){.ctx = ctx};
    ck_ok(cn__text_take(&text, &out));
    ck_assert_str_eq(out, "");
    cn_text_free(out);
    cn_text_free(NULL);
    cn_context_free(ctx);
}
END_TEST

START_TEST(a_text_without_memory_is_a_status) {
    counting_allocator counter = {0};
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    char *out = (char *)&counter;
    counting_options(&counter, &options);
    options.threads = 1;
    ck_ok(cn_context_new(&options, &ctx));
    for (int from = 1; from <= 3; from++) {
        long live = counter.live;
        cn__text text = {.ctx = ctx};
        counter.fail_at = counter.calls + from;
        for (int i = 0; i < 3000; i++)
            cn__text_append(&text, "0123456789");
        ck_fails(cn__text_take(&text, &out), CN_ERR_MEMORY, "");
        ck_assert_ptr_null(out);
        ck_assert_int_eq(counter.live, live);
    }
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

/* ---- random numbers ---- */

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

/* ---- the pool ---- */

static const int thread_counts[] = {1, 2, 3, 8};

enum { MOST_ITEMS = 100 };

typedef struct tally {
    atomic_int count[MOST_ITEMS];
    pthread_t who[MOST_ITEMS];
    int number[MOST_ITEMS];
} tally;

static void note(void *argument, size_t item, int thread) {
    tally *t = argument;
    atomic_fetch_add(&t->count[item], 1);
    t->number[item] = thread;
    t->who[item] = pthread_self();
}

START_TEST(every_item_runs_once) {
    int threads = thread_counts[_i];
    cn_context *ctx = test_context(threads);
    for (int round = 0; round < (test_quick() ? 5 : 50); round++)
        for (size_t items = 0; items <= MOST_ITEMS; items += items < 10 ? 1 : 9) {
            tally t = {0};
            cn__parallel(ctx, items, note, &t);
            for (size_t i = 0; i < MOST_ITEMS; i++)
                ck_assert_int_eq(atomic_load(&t.count[i]), i < items);
        }
    cn_context_free(ctx);
}
END_TEST

/* Item i belongs to the thread whose range holds it, call after call; the caller has the first range. */
START_TEST(items_stay_with_their_thread) {
    size_t threads = (size_t)thread_counts[_i];
    cn_context *ctx = test_context((int)threads);
    tally first = {0}, second = {0};
    cn__parallel(ctx, MOST_ITEMS, note, &first);
    cn__parallel(ctx, MOST_ITEMS, note, &second);
    for (size_t t = 0; t < threads; t++)
        for (size_t i = t * MOST_ITEMS / threads; i < (t + 1) * MOST_ITEMS / threads; i++) {
            ck_assert(pthread_equal(first.who[i], first.who[t * MOST_ITEMS / threads]));
            ck_assert(pthread_equal(first.who[i], second.who[i]));
            ck_assert_int_eq(first.number[i], (int)t);
        }
    ck_assert(pthread_equal(first.who[0], pthread_self()));
    cn_context_free(ctx);
}
END_TEST

static void *call_often(void *ctx) {
    for (int round = 0; round < (test_quick() ? 20 : 300); round++) {
        tally t = {0};
        cn__parallel(ctx, 20, note, &t);
        for (int i = 0; i < 20; i++)
            if (atomic_load(&t.count[i]) != 1)
                return "an item did not run once";
    }
    return NULL;
}

START_TEST(several_callers_may_share_a_pool) {
    cn_context *ctx = test_context(thread_counts[_i]);
    pthread_t callers[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&callers[i], NULL, call_often, ctx), 0);
    for (int i = 0; i < 4; i++) {
        void *complaint;
        pthread_join(callers[i], &complaint);
        ck_assert_ptr_null(complaint);
    }
    cn_context_free(ctx);
}
END_TEST

/* Long enough pauses that workers and, once, the caller have gone to sleep. */
static void wait_in_one_item(void *argument, size_t item, int thread) {
    if (item == (size_t)MOST_ITEMS - 1)
        nanosleep(&(struct timespec){0, 2000000}, NULL);
    note(argument, item, thread);
}

START_TEST(sleepers_wake_up) {
    cn_context *ctx = test_context(thread_counts[_i]);
    for (int round = 0; round < 10; round++) {
        tally t = {0};
        nanosleep(&(struct timespec){0, 1000000}, NULL);
        cn__parallel(ctx, MOST_ITEMS, wait_in_one_item, &t);
        for (int i = 0; i < MOST_ITEMS; i++)
            ck_assert_int_eq(atomic_load(&t.count[i]), 1);
    }
    cn_context_free(ctx);
}
END_TEST

static void see_signals(void *argument, size_t item, int thread) {
    sigset_t *masks = argument;
    (void)thread;
    pthread_sigmask(SIG_SETMASK, NULL, &masks[item]);
}

START_TEST(workers_leave_signals_to_the_host) {
    cn_context *ctx = test_context(3);
    sigset_t masks[3];
    cn__parallel(ctx, 3, see_signals, masks);
    ck_assert_int_eq(sigismember(&masks[0], SIGINT), 0);
    ck_assert_int_eq(sigismember(&masks[1], SIGINT), 1);
    ck_assert_int_eq(sigismember(&masks[2], SIGTERM), 1);
    cn_context_free(ctx);
}
END_TEST

/* ---- context ---- */

START_TEST(a_context_describes_its_device) {
    cn_context *ctx;
    cn_device device = CN_DEVICE_INIT;
    unsetenv("CONVNET_MAX_ISA");
    ck_ok(cn_context_new(NULL, &ctx));
    ck_ok(cn_context_device(ctx, &device));
    ck_assert_uint_gt(strlen(device.processor), 0);
    ck_assert_uint_gt(strlen(device.blas), 0);
    ck_assert_int_ge(device.cores, 1);
    ck_assert_int_eq(device.threads, device.cores);
    ck_assert_int_ge(device.best_isa, CN_ISA_PORTABLE);
    ck_assert_int_eq(device.isa, device.best_isa);
    ck_assert_uint_gt(device.memory, 1 << 20);
    ck_fails(cn_context_device(ctx, NULL), CN_ERR_ARGUMENT, "device is NULL");
    ck_fails(cn_context_device(NULL, &device), CN_ERR_ARGUMENT, "context is NULL");
    device.size = 0;
    ck_fails(cn_context_device(ctx, &device), CN_ERR_ARGUMENT, "cn_device");
    cn_context_free(ctx);
    cn_context_free(NULL);
}
END_TEST

static cn_isa isa_of(cn_isa option, const char *variable) {
    cn_context *ctx;
    cn_device device = CN_DEVICE_INIT;
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = 1;
    options.isa = option;
    setenv("CONVNET_MAX_ISA", variable, 1);
    ck_ok(cn_context_new(&options, &ctx));
    ck_ok(cn_context_device(ctx, &device));
    cn_context_free(ctx);
    return device.isa;
}

START_TEST(option_and_variable_lower_the_instruction_set) {
    cn_isa best = isa_of(CN_ISA_AUTO, "");
    static const char *const names[] = {"", "portable", "avx2", "avx512"};
    for (cn_isa option = CN_ISA_AUTO; option <= CN_ISA_AVX512; option++)
        for (cn_isa variable = CN_ISA_AUTO; variable <= CN_ISA_AVX512; variable++) {
            cn_isa wanted = best;
            if (option != CN_ISA_AUTO && option < wanted)
                wanted = option;
            if (variable != CN_ISA_AUTO && variable < wanted)
                wanted = variable;
            ck_assert_int_eq(isa_of(option, names[variable]), wanted);
        }
    cn_context *ctx;
    setenv("CONVNET_MAX_ISA", "avx3", 1);
    ck_fails(cn_context_new(NULL, &ctx), CN_ERR_ARGUMENT, "CONVNET_MAX_ISA is 'avx3'");
    ck_assert_ptr_null(ctx);
    ck_assert_str_eq(cn_isa_name(CN_ISA_AVX512), "avx512");
    ck_assert_str_eq(cn_isa_name((cn_isa)17), "unknown");
}
END_TEST

START_TEST(bad_context_options_are_named) {
    cn_context *ctx;
    cn_context_options o = CN_CONTEXT_OPTIONS_INIT;
    ck_fails(cn_context_new(NULL, NULL), CN_ERR_ARGUMENT, "context is NULL");
    o.threads = -1;
    ck_fails(cn_context_new(&o, &ctx), CN_ERR_ARGUMENT, "threads is -1");
    o.threads = 1025;
    ck_fails(cn_context_new(&o, &ctx), CN_ERR_ARGUMENT, "1025");
    o = (cn_context_options)CN_CONTEXT_OPTIONS_INIT;
    o.isa = (cn_isa)9;
    ck_fails(cn_context_new(&o, &ctx), CN_ERR_ARGUMENT, "isa 9");
    o = (cn_context_options)CN_CONTEXT_OPTIONS_INIT;
    o.conv_algorithm = (cn_conv_algorithm)-1;
    ck_fails(cn_context_new(&o, &ctx), CN_ERR_ARGUMENT, "conv_algorithm");
    counting_allocator counter = {0};
    o = (cn_context_options)CN_CONTEXT_OPTIONS_INIT;
    counting_options(&counter, &o);
    o.release = NULL;
    ck_fails(cn_context_new(&o, &ctx), CN_ERR_ARGUMENT, "release is NULL");
    o.size = 4;
    ck_fails(cn_context_new(&o, &ctx), CN_ERR_ARGUMENT, "cn_context_options");
    ck_assert_ptr_null(ctx);
}
END_TEST

static void keep_message(void *user, cn_log_level level, const char *message) {
    snprintf(user, 100, "%d %s", (int)level, message);
}

START_TEST(remarks_reach_the_log) {
    char got[100] = "";
    cn_context *ctx;
    cn_context_options o = CN_CONTEXT_OPTIONS_INIT;
    o.threads = 1;
    o.log = keep_message;
    o.user = got;
    ck_ok(cn_context_new(&o, &ctx));
    cn__log(ctx, CN_LOG_WARNING, "tensor '%s'", "x");
    ck_assert_str_eq(got, "1 tensor 'x'");
    cn_context_free(ctx);
    ctx = test_context(1);
    cn__log(ctx, CN_LOG_INFO, "to nowhere");
    cn_context_free(ctx);
}
END_TEST

/* The first, second, third … allocation fails, once or from then on, until all went well. */
START_TEST(out_of_memory_is_a_status) {
    int failures = 0;
    for (long n = 1;; n++) {
        counting_allocator counter = {.fail_at = n, .persistent = _i};
        cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
        cn_context *ctx = NULL;
        cn_tensor *tensor = NULL;
        int64_t shape[2] = {3, 4};
        counting_options(&counter, &options);
        options.threads = 3;
        cn_status status = cn_context_new(&options, &ctx);
        ck_assert(status == CN_OK || (status == CN_ERR_MEMORY && !ctx));
        if (status == CN_OK) {
            status = cn_tensor_new(ctx, CN_FLOAT32, 2, shape, &tensor);
            ck_assert(status == CN_OK || (status == CN_ERR_MEMORY && !tensor));
        }
        cn_tensor_free(tensor);
        cn_context_free(ctx);
        ck_assert_int_eq(counter.live, 0);
        if (status == CN_OK)
            break;
        failures++;
        ck_assert_int_lt(failures, 100);
    }
    ck_assert_int_ge(failures, 4); /* context, pool, tensor, its data */
}
END_TEST

/* ---- tensors ---- */

START_TEST(tensors_have_their_properties) {
    cn_context *ctx = test_context(1);
    cn_tensor *t;
    int64_t shape[3] = {2, 3, 5};
    ck_ok(cn_tensor_new(ctx, CN_INT64, 3, shape, &t));
    ck_assert_int_eq(cn_tensor_dtype(t), CN_INT64);
    ck_assert_int_eq(cn_tensor_dims(t), 3);
    ck_assert_int_eq(cn_tensor_count(t), 30);
    ck_assert_int_eq(cn_tensor_shape(t, 2), 5);
    ck_assert_int_eq(cn_tensor_shape(t, 3), 0);
    ck_assert_int_eq(cn_tensor_shape(t, -1), 0);
    for (int i = 0; i < 30; i++)
        ck_assert_int_eq(((int64_t *)cn_tensor_data(t))[i], 0);
    cn_tensor_free(t);
    ck_ok(cn_tensor_new(ctx, CN_FLOAT32, 0, NULL, &t));
    ck_assert_int_eq(cn_tensor_count(t), 1);
    cn_tensor_free(t);
    shape[1] = 0;
    ck_ok(cn_tensor_new(ctx, CN_UINT8, 3, shape, &t));
    ck_assert_int_eq(cn_tensor_count(t), 0);
    cn_tensor_free(t);
    cn_tensor_free(NULL);
    float mine[6];
    ck_ok(cn_tensor_borrow(ctx, CN_FLOAT32, 2, (int64_t[]){2, 3}, mine, &t));
    ck_assert_ptr_eq(cn_tensor_data(t), mine);
    cn_tensor_free(t);
    cn_context_free(ctx);
}
END_TEST

START_TEST(impossible_tensors_are_refused) {
    cn_context *ctx = test_context(1);
    cn_tensor *t;
    int64_t shape[CN_MAX_DIMS + 1] = {2, -3};
    float mine[1];
    ck_fails(cn_tensor_new(ctx, CN_FLOAT32, 2, shape, &t), CN_ERR_SHAPE, "[2, -3]");
    ck_assert_ptr_null(t);
    shape[1] = INT64_MAX;
    ck_fails(cn_tensor_new(ctx, CN_FLOAT32, 2, shape, &t), CN_ERR_SHAPE, "9223372036854775807");
    shape[0] = 1;
    ck_fails(cn_tensor_new(ctx, CN_UINT8, 9, shape, &t), CN_ERR_ARGUMENT, "dims is 9");
    ck_fails(cn_tensor_new(ctx, CN_UINT8, -1, shape, &t), CN_ERR_ARGUMENT, "dims is -1");
    ck_fails(cn_tensor_new(ctx, (cn_dtype)0, 1, shape, &t), CN_ERR_ARGUMENT, "dtype 0");
    ck_fails(cn_tensor_new(ctx, CN_UINT8, 1, NULL, &t), CN_ERR_ARGUMENT, "shape is NULL");
    ck_fails(cn_tensor_new(NULL, CN_UINT8, 1, shape, &t), CN_ERR_ARGUMENT, "context is NULL");
    ck_fails(cn_tensor_new(ctx, CN_UINT8, 1, shape, NULL), CN_ERR_ARGUMENT, "tensor is NULL");
    ck_fails(cn_tensor_borrow(ctx, CN_UINT8, 1, shape, NULL, &t), CN_ERR_ARGUMENT, "data is NULL");
    ck_fails(cn_tensor_borrow(ctx, CN_FLOAT32, 2, (int64_t[]){-1, 1}, mine, &t), CN_ERR_SHAPE, "[-1, 1]");
    shape[0] = INT64_MAX / 8; /* a legal number that no machine has */
    ck_fails(cn_tensor_new(ctx, CN_FLOAT32, 1, shape, &t), CN_ERR_MEMORY, "float32 tensor");
    ck_assert_ptr_null(t);
    cn_context_free(ctx);
}
END_TEST

START_TEST(argmax_finds_the_first_largest) {
    cn_context *ctx = test_context(1);
    cn_tensor *t;
    float values[4][3] = {{1, 3, 3}, {NAN, -2, -1}, {NAN, NAN, NAN}, {-INFINITY, -INFINITY, -5}};
    ck_ok(cn_tensor_borrow(ctx, CN_FLOAT32, 2, (int64_t[]){4, 3}, values, &t));
    ck_assert_int_eq(cn_tensor_argmax(t, 0), 1);
    ck_assert_int_eq(cn_tensor_argmax(t, 1), 2);
    ck_assert_int_eq(cn_tensor_argmax(t, 2), -1);
    ck_assert_int_eq(cn_tensor_argmax(t, 3), 2);
    ck_assert_int_eq(cn_tensor_argmax(t, 4), -1);
    ck_assert_int_eq(cn_tensor_argmax(t, -1), -1);
    ck_assert_int_eq(cn_tensor_argmax(NULL, 0), -1);
    cn_tensor_free(t);
    ck_ok(cn_tensor_borrow(ctx, CN_FLOAT32, 1, (int64_t[]){3}, values, &t));
    ck_assert_int_eq(cn_tensor_argmax(t, 0), -1);
    cn_tensor_free(t);
    cn_context_free(ctx);
}
END_TEST

START_TEST(expectations_name_what_they_got) {
    cn_context *ctx = test_context(1);
    cn_tensor *t;
    int64_t shape[2] = {2, 3};
    ck_ok(cn_tensor_new(ctx, CN_FLOAT32, 2, shape, &t));
    ck_ok(cn__tensor_expect(t, "images", CN_FLOAT32, 2, shape));
    ck_fails(cn__tensor_expect(t, "images", CN_FLOAT32, 2, (int64_t[]){2, 4}), CN_ERR_SHAPE,
             "images is float32 [2, 3], wanted float32 [2, 4]");
    ck_fails(cn__tensor_expect(t, "labels", CN_INT64, 1, shape), CN_ERR_SHAPE,
             "labels is float32 [2, 3], wanted int64 [2]");
    cn_tensor_free(t);
    cn_context_free(ctx);
    char text[CN__SHAPE_TEXT];
    int64_t longest[CN_MAX_DIMS];
    for (int i = 0; i < CN_MAX_DIMS; i++)
        longest[i] = INT64_MIN;
    ck_assert_uint_eq(strlen(cn__shape_text(text, CN_MAX_DIMS, longest)), 8 * 20 + 7 * 2 + 2);
}
END_TEST

/* ---- the suite ---- */

static void add(Suite *suite, const char *name, const TTest *const *tests, size_t count, int loops) {
    TCase *group = tcase_create(name);
    for (size_t i = 0; i < count; i++)
        tcase_add_loop_test(group, tests[i], 0, loops);
    suite_add_tcase(suite, group);
}

int main(void) {
    const TTest *const errors[] = {statuses_have_texts, messages_are_formatted_and_cut, messages_belong_to_their_thread,
                                   version_is_the_headers};
    const TTest *const structs[] = {no_options_keep_the_defaults, a_shorter_struct_leaves_zeros,
                                    a_longer_struct_must_end_in_zeros, impossible_sizes_are_refused,
                                    structs_are_filled_as_far_as_they_go};
    const TTest *const memory[] = {memory_is_zeroed_and_aligned, overflowing_sizes_are_no_memory,
                                   lists_grow_and_keep_their_elements, texts_are_built_piece_by_piece,
                                   a_text_without_memory_is_a_status};
    const TTest *const random[] = {philox_gives_the_published_answers, streams_differ_and_repeat,
                                   numbers_stay_in_their_bounds, a_shuffle_is_a_permutation};
    const TTest *const pool[] = {every_item_runs_once, items_stay_with_their_thread, several_callers_may_share_a_pool,
                                 sleepers_wake_up};
    const TTest *const context[] = {workers_leave_signals_to_the_host, a_context_describes_its_device,
                                    option_and_variable_lower_the_instruction_set, bad_context_options_are_named,
                                    remarks_reach_the_log};
    const TTest *const out_of_memory[] = {out_of_memory_is_a_status};
    const TTest *const tensors[] = {tensors_have_their_properties, impossible_tensors_are_refused,
                                    argmax_finds_the_first_largest, expectations_name_what_they_got};
    Suite *suite = suite_create("base");
    add(suite, "errors", errors, CN__COUNT(errors), 1);
    add(suite, "options structs", structs, CN__COUNT(structs), 1);
    add(suite, "memory", memory, CN__COUNT(memory), 1);
    add(suite, "random numbers", random, CN__COUNT(random), 1);
    add(suite, "pool", pool, CN__COUNT(pool), (int)CN__COUNT(thread_counts));
    add(suite, "context", context, CN__COUNT(context), 1);
    add(suite, "out of memory", out_of_memory, CN__COUNT(out_of_memory), 2);
    add(suite, "tensors", tensors, CN__COUNT(tensors), 1);
    return test_run(suite);
}
