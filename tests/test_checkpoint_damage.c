/* SPDX-License-Identifier: MIT */
/* test_checkpoint_damage.c: checkpoints that were altered, cut short or forged, or are met by a lack of memory: refused,
 * and the trainer is as it was. */
#include "checkpoints.h"
#include "io/checkpoint.h"
#include "numbers.h"
#include <stdlib.h>

TEST_RUNS_ONCE;

/* ---- damage ---- */

/* One byte after the other: of each one bit, in turns, with WHOLE four; where a slow tool watches, few of the bytes. */
START_TEST(every_byte_counts) {
    file f = usual_file();
    run r;
    run_begin(&r);
    file before = saved_checkpoint(r.trainer);
    for (size_t at = 0; at < f.count; at += test_quick() ? 37 : 1)
        for (int bit = (int)(at % 8), most = test_whole() ? 4 : 1; most > 0; bit = (bit + 2) % 8, most--) {
            f.data[at] ^= (unsigned char)(1 << bit);
            cn_status status = load_checkpoint(r.trainer, f);
            ck_assert_msg(status == CN_ERR_FORMAT, "byte %zu, bit %d: %s: %s", at, bit, cn_status_string(status),
                          cn_last_error());
            f.data[at] ^= (unsigned char)(1 << bit);
        }
    expect_unchanged(r.trainer, before);
    ck_ok(load_checkpoint(r.trainer, f));
    free(before.data);
    free(f.data);
    run_end(&r);
}
END_TEST

START_TEST(a_file_that_is_cut_short_is_refused) {
    file f = usual_file();
    run r;
    run_begin(&r);
    file before = saved_checkpoint(r.trainer);
    for (size_t count = 0; count < f.count; count += test_quick() ? 37 : test_whole() ? 1 : 3) {
        unsigned char *part = malloc(count + 1); /* so that tools see what is read behind it */
        memcpy(part, f.data, count);
        ck_fails(load_checkpoint(r.trainer, (file){part, count}), CN_ERR_FORMAT, "(memory)");
        free(part);
    }
    expect_unchanged(r.trainer, before);
    free(before.data);
    free(f.data);
    run_end(&r);
}
END_TEST

/* Altered by somebody who knows how to seal it. */
static void forge(file *f, const char *text, const char *other) {
    size_t length = strlen(text);
    for (size_t at = 0; at + length < f->count; at++)
        if (memcmp(f->data + at, text, length) == 0)
            memcpy(f->data + at, other, length);
}

static void put_count(file *f, cn_context *ctx, const char *name, int64_t count) {
    cn__safetensors opened;
    ck_ok(cn__safetensors_read(ctx, f->data, f->count, &opened));
    const cn__entry *entry = cn__safetensors_find(&opened, name);
    ck_assert_ptr_nonnull(entry);
    cn__numbers_store(&count, sizeof count, 1, f->data + (opened.data - f->data) + entry->begin);
    cn__safetensors_drop(&opened);
}

static void seal_again(file *f, cn_context *ctx) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_UINT8, 1, (int64_t[]){(int64_t)f->count}, f->data, &tensor));
    cn__checkpoint_seal(tensor);
    cn_tensor_free(tensor);
}

START_TEST(counts_that_cannot_be_are_refused) {
    static const struct {
        const char *name;
        int64_t count;
        const char *message;
    } cases[] = {{"epoch/batch", 4, "its 'epoch/batch' is 4, wanted 0 to 3"},
                 {"epoch/batch", -1, "is -1"},
                 {"optimizer/steps", INT64_MAX, "optimizer/steps"},
                 {"average/steps", INT64_MIN, "average/steps"}};
    run r;
    run_begin(&r);
    file before = saved_checkpoint(r.trainer);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file f = usual_file();
        put_count(&f, r.f.ctx, cases[i].name, cases[i].count);
        seal_again(&f, r.f.ctx);
        ck_fails(load_checkpoint(r.trainer, f), CN_ERR_FORMAT, cases[i].message);
        expect_unchanged(r.trainer, before);
        free(f.data);
    }
    free(before.data);
    run_end(&r);
}
END_TEST

/* Whatever a sealed file says, training on does no harm, but to what is trained. */
START_TEST(sealed_nonsense_is_refused_or_borne) {
    file f = usual_file();
    int taken = 0, refused = 0;
    run r;
    run_begin(&r);
    for (uint32_t i = 0; i < (test_quick() ? 60 : 600); i++) {
        file other = {malloc(f.count), f.count};
        memcpy(other.data, f.data, f.count);
        for (uint32_t k = 0; k < 1 + i % 3; k++) {
            size_t at = 8 + (size_t)(numbers_hashed(i, 2 * k) * (float)(f.count - 8));
            other.data[at < f.count ? at : 8] = (unsigned char)(numbers_hashed(i, 2 * k + 1) * 256.0f);
        }
        seal_again(&other, r.f.ctx);
        cn_status status = load_checkpoint(r.trainer, other);
        taken += status == CN_OK;
        refused += status != CN_OK;
        if (status == CN_OK)
            (void)cn_trainer_fit(r.trainer, 1, NULL, NULL);
        free(other.data);
    }
    ck_assert_int_gt(taken, 5);
    ck_assert_int_gt(refused, 5);
    ck_ok(load_checkpoint(r.trainer, f));
    expect_unchanged(r.trainer, f);
    free(f.data);
    run_end(&r);
}
END_TEST

START_TEST(another_version_of_the_format_is_refused) {
    file f = usual_file();
    run r;
    run_begin(&r);
    forge(&f, "\"convnet.checkpoint\":\"1\"", "\"convnet.checkpoint\":\"2\"");
    seal_again(&f, r.f.ctx);
    ck_fails(load_checkpoint(r.trainer, f), CN_ERR_FORMAT, "version '2', this library (");
    forge(&f, "\"convnet.checkpoint\":\"2\"", "\"convnet.checkpoint\":\"1\"");
    forge(&f, "epoch/images", "epoch/imagez");
    seal_again(&f, r.f.ctx);
    ck_fails(load_checkpoint(r.trainer, f), CN_ERR_FORMAT, "it has no tensor 'epoch/images'");
    free(f.data);
    run_end(&r);
}
END_TEST

static void count_warnings(void *user, cn_log_level level, const char *message) {
    if (level == CN_LOG_WARNING && strstr(message, "results may differ in rounding"))
        ++*(int *)user;
}

START_TEST(another_machine_is_told) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    int warnings = 0;
    file f = usual_file();
    run r;
    options.log = count_warnings;
    options.user = &warnings;
    ck_ok(cn_context_new(&options, &ctx));
    run_prepare(&r, ctx);
    ck_ok(run_make(&r));
    ck_ok(load_checkpoint(r.trainer, f));
    ck_assert_int_eq(warnings, 0);
    forge(&f, "convnet.checkpoint.by\":\"1", "convnet.checkpoint.by\":\"0"); /* whatever version this is */
    seal_again(&f, ctx);
    ck_ok(load_checkpoint(r.trainer, f));
    ck_assert_int_eq(warnings, 1);
    run_end(&r);
    free(f.data);
}
END_TEST

/* ---- no memory ---- */

START_TEST(without_memory_nothing_changes) {
    file f = usual_file();
    counting_allocator counter = {0};
    run r;
    run_prepare(&r, counting_context(&counter, 1));
    ck_ok(run_make(&r));
    file before = saved_checkpoint(r.trainer);
    cn_status status = CN_ERR_MEMORY;
    int failures = 0;
    while (status != CN_OK) {
        cn_tensor *out;
        cn_checkpoint c = CN_CHECKPOINT_INIT;
        c.trainer = r.trainer;
        counter.fail_at = counter.calls + failures + 1;
        counter.persistent = _i;
        cn_status saving = cn_checkpoint_save_memory(&c, &out);
        ck_assert(saving == CN_OK || saving == CN_ERR_MEMORY);
        counter.fail_at = 0;
        cn_tensor_free(out);
        counter.fail_at = counter.calls + failures + 1;
        status = load_checkpoint(r.trainer, f);
        ck_assert_msg(status == CN_OK || status == CN_ERR_MEMORY, "%s", cn_last_error());
        counter.fail_at = 0;
        if (status != CN_OK)
            expect_unchanged(r.trainer, before);
        failures += status != CN_OK;
    }
    ck_assert_int_gt(failures, 10);
    expect_unchanged(r.trainer, f);
    free(before.data);
    free(f.data);
    run_end(&r);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("checkpoint_damage");
    TCase *group = tcase_create("damage");
    tcase_set_timeout(group, 120);
    tcase_add_test(group, every_byte_counts);
    tcase_add_test(group, a_file_that_is_cut_short_is_refused);
    tcase_add_test(group, counts_that_cannot_be_are_refused);
    tcase_add_test(group, sealed_nonsense_is_refused_or_borne);
    tcase_add_test(group, another_version_of_the_format_is_refused);
    tcase_add_test(group, another_machine_is_told);
    tcase_add_loop_test(group, without_memory_nothing_changes, 0, 2);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
