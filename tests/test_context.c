/* SPDX-License-Identifier: MIT */
/* test_context.c: contexts: what they describe, their options, their memory. */
#define _GNU_SOURCE /* sched_setaffinity */
#include "testing.h"
#include "base/base.h"
#include "scratch.h"
#include <limits.h>
#if defined(__linux__)
#include <sched.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

TEST_RUNS_ONCE;

START_TEST(a_context_describes_its_device) {
    cn_context *ctx;
    cn_device device = CN_DEVICE_INIT;
    unsetenv("CONVNET_MAX_ISA");
    ck_ok(cn_context_new(NULL, &ctx));
    ck_ok(cn_context_device(ctx, &device));
    ck_assert_uint_gt(strlen(device.processor), 0);
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

#if defined(__linux__)
START_TEST(threads_are_as_many_as_the_affinity_has) {
    cpu_set_t all, one;
    cn_context *ctx;
    cn_device device = CN_DEVICE_INIT;
    int core = 0;
    ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
    while (!CPU_ISSET(core, &all))
        core++;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_ok(cn_context_new(NULL, &ctx));
    ck_ok(cn_context_device(ctx, &device));
    ck_assert_int_eq(device.cores, 1);
    ck_assert_int_eq(device.threads, 1);
    cn_context_free(ctx);
}
END_TEST
#endif

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

/* Another processor's instruction sets are no limit. */
static cn_isa lowered(cn_isa isa, cn_isa limit) {
    if (limit == CN_ISA_PORTABLE)
        return limit;
    return (limit == CN_ISA_AVX2 && isa == CN_ISA_AVX512) ? limit : isa;
}

START_TEST(option_and_variable_lower_the_instruction_set) {
    cn_isa best = isa_of(CN_ISA_AUTO, "");
    static const char *const names[] = {"", "portable", "avx2", "avx512", "neon"};
    for (cn_isa option = CN_ISA_AUTO; option <= CN_ISA_NEON; option++)
        for (cn_isa variable = CN_ISA_AUTO; variable <= CN_ISA_NEON; variable++) {
            cn_isa wanted = lowered(lowered(best, option), variable);
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
    o = (cn_context_options)CN_CONTEXT_OPTIONS_INIT;
    o.layout = (cn_layout)3;
    ck_fails(cn_context_new(&o, &ctx), CN_ERR_ARGUMENT, "unknown layout 3");
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
            status = cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, shape, &tensor);
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

/* ---- processor quotas, as a container's kernel shows them ---- */

/* A file of a pretended root, and the folders that it is in. */
static void put(const scratch *s, const char *name, const char *text) {
    char path[256];
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(path, sizeof path, "%s/%.*s", s->path, (int)(slash - name), name);
        mkdir(path, 0777);
    }
    scratch_write(s, name, text, strlen(text));
}

static const char mount_v2[] = "24 1 8:1 / / rw - ext4 /dev/sda1 rw\n31 23 0:27 / /cg rw,nosuid - cgroup2 cgroup2 rw\n";
static const char mount_v1[] = "40 1 0:36 /docker/f00 /cg/pids rw shared:1 - cgroup cgroup rw,pids\n"
                               "41 1 0:37 /docker/f00 /cg/cpu rw shared:2 - cgroup cgroup rw,cpu,cpuacct\n";

START_TEST(a_quota_of_version_2_is_found) {
    scratch s = scratch_new();
    ck_assert_int_eq(cn__cgroup_cores(s.path), INT_MAX); /* no /proc */
    put(&s, "proc/self/cgroup", "0::/slice/unit\n");
    put(&s, "proc/self/mountinfo", mount_v2);
    ck_assert_int_eq(cn__cgroup_cores(s.path), INT_MAX); /* no file in the group: the root's */
    put(&s, "cg/slice/unit/cpu.max", "max 100000\n");
    ck_assert_int_eq(cn__cgroup_cores(s.path), INT_MAX);
    put(&s, "cg/slice/unit/cpu.max", "250000 100000\n");
    ck_assert_int_eq(cn__cgroup_cores(s.path), 3);
    put(&s, "cg/slice/cpu.max", "50000 100000\n"); /* the group above has less */
    ck_assert_int_eq(cn__cgroup_cores(s.path), 1);
    put(&s, "cg/slice/cpu.max", "rubbish\n");
    ck_assert_int_eq(cn__cgroup_cores(s.path), 3);
    put(&s, "cg/slice/unit/cpu.max", "200000\n"); /* half a line */
    ck_assert_int_eq(cn__cgroup_cores(s.path), INT_MAX);
    scratch_free(&s);
}
END_TEST

/* Seen from within a container: the group's path is the host's, its mount begins there. */
START_TEST(a_quota_of_version_1_is_found) {
    scratch s = scratch_new();
    put(&s, "proc/self/cgroup", "5:pids:/docker/f00\n4:cpu,cpuacct:/docker/f00/job\n2:cpuset:/x\n0::/\n");
    put(&s, "proc/self/mountinfo", mount_v1);
    put(&s, "cg/cpu/cpu.cfs_quota_us", "400000\n");
    ck_assert_int_eq(cn__cgroup_cores(s.path), INT_MAX); /* no period */
    put(&s, "cg/cpu/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(cn__cgroup_cores(s.path), 4);
    put(&s, "cg/cpu/job/cpu.cfs_quota_us", "-1\n");
    put(&s, "cg/cpu/job/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(cn__cgroup_cores(s.path), 4);
    put(&s, "cg/cpu/job/cpu.cfs_quota_us", "150000\n");
    ck_assert_int_eq(cn__cgroup_cores(s.path), 2);
    put(&s, "cg/pids/cpu.cfs_quota_us", "1\n"); /* of no concern */
    ck_assert_int_eq(cn__cgroup_cores(s.path), 2);
    put(&s, "proc/self/cgroup", "4:cpu,cpuacct:/elsewhere\n");
    ck_assert_int_eq(cn__cgroup_cores(s.path), 4); /* what is mounted is its own */
    scratch_free(&s);
}
END_TEST

int main(void) {
    const TTest *const context[] = {
#if defined(__linux__)
        threads_are_as_many_as_the_affinity_has,
#endif
        a_context_describes_its_device,
        option_and_variable_lower_the_instruction_set,
        bad_context_options_are_named,
        remarks_reach_the_log,
        a_quota_of_version_2_is_found,
        a_quota_of_version_1_is_found
    };
    const TTest *const out_of_memory[] = {out_of_memory_is_a_status};
    Suite *suite = suite_create("context");
    test_add(suite, "context", context, CN__COUNT(context), 1);
    test_add(suite, "out of memory", out_of_memory, CN__COUNT(out_of_memory), 2);
    return test_run(suite);
}
