/* test_model_out_of_memory.c: memory runs out while models are saved and loaded, and in the JSON parser. */
#include "model_files.h"
#include "io/io.h"
#include <stdlib.h>

#if CN_WITH_JSON

#include <jansson.h> /* json_set_alloc_funcs */

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

/* An allocator for the JSON parser that has so many bytes and no more. */
static size_t json_budget, json_used;
enum { JSON_HEAD = 16 };

static void *json_allocate(size_t size) {
    if (json_used + size > json_budget)
        return NULL;
    size_t *memory = malloc(JSON_HEAD + size);
    ck_assert_ptr_nonnull(memory);
    *memory = size;
    json_used += size;
    return (char *)memory + JSON_HEAD;
}

static void json_release(void *memory) {
    if (!memory)
        return;
    size_t *head = (size_t *)(void *)((char *)memory - JSON_HEAD);
    json_used -= *head;
    free(head);
}

START_TEST(the_json_parser_running_out_of_memory_is_a_status) {
    cn_model *model = tiny_model(files.ctx), *loaded;
    file_bytes file = saved_file(model);
    cn_status status = CN_ERR_MEMORY;
    json_set_alloc_funcs(json_allocate, json_release);
    for (json_budget = 0; status != CN_OK; json_budget += 1009) {
        status = cn_model_load_memory(files.ctx, file.data, file.count, &loaded);
        ck_assert_msg(status == CN_OK || status == CN_ERR_MEMORY, "%zu bytes: %s", json_budget, cn_last_error());
        cn_model_free(loaded);
        ck_assert_uint_eq(json_used, 0);
    }
    json_set_alloc_funcs(malloc, free);
    cn__free(files.ctx, file.data);
    cn_model_free(model);
}
END_TEST

/* The densest of headers in the memory that is asked for ahead. */
START_TEST(the_json_parser_needs_no_more_than_was_asked_for) {
    static const char *const densest[] = {"{},", "[],", "0,", "\"\",", "1.5,", "{\"a\":0},", "[0,0,0,0,0,0,0,0,0],"};
    const size_t count = 10000;
    for (size_t d = 0; d < CN__COUNT(densest); d++) {
        size_t length = strlen(densest[d]), total = 1 + count * length;
        char *text = malloc(total + 1);
        struct json_t *json;
        ck_assert_ptr_nonnull(text);
        text[0] = '[';
        for (size_t i = 0; i < count; i++)
            memcpy(text + 1 + i * length, densest[d], length);
        text[total - 1] = ']';
        json_budget = 128 * total + 65536;
        json_set_alloc_funcs(json_allocate, json_release);
        ck_ok(cn__json_read(text, total, "text", &json));
        json_decref(json);
        json_set_alloc_funcs(malloc, free);
        free(text);
    }
}
END_TEST

static void add_tests(TCase *group) {
    tcase_add_loop_test(group, running_out_of_memory_is_a_status_and_harms_no_file, 0, 2);
    tcase_add_test(group, the_json_parser_running_out_of_memory_is_a_status);
    tcase_add_test(group, the_json_parser_needs_no_more_than_was_asked_for);
}

#else

static void add_tests(TCase *group) {
    (void)group; /* there are no files */
}

#endif

int main(void) {
    Suite *suite = suite_create("model out of memory");
    add_tests(model_files_group(suite));
    return test_run(suite);
}
