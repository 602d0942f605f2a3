/* SPDX-License-Identifier: MIT */
/* cpu.c: what processor and operating system offer. Compiled without instruction-set flags. */
#ifdef __linux__
#define _GNU_SOURCE /* sched_getaffinity; NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): glibc's own */
#endif
#include "base/base.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

#if defined(__x86_64__)
#include <cpuid.h>

/* Which register files the operating system saves (XCR0). */
static uint32_t saved_registers(void) {
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    (void)high;
    return low;
}

cn_isa cn__cpu_best_isa(void) {
    const uint32_t osxsave = 1u << 27, avx = 1u << 28, fma = 1u << 12;
    const uint32_t avx2 = 1u << 5, avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (osxsave | avx | fma)) != (osxsave | avx | fma))
        return CN_ISA_PORTABLE;
    uint32_t saved = saved_registers();
    if ((saved & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & avx2))
        return CN_ISA_PORTABLE;
    return (b & avx512) == avx512 && (saved & 0xe6) == 0xe6 ? CN_ISA_AVX512 : CN_ISA_AVX2;
}

void cn__cpu_name(char *name, size_t size) {
    uint32_t words[12] = {0};
    char text[sizeof words + 1] = "";
    for (uint32_t leaf = 0; leaf < 3; leaf++)
        if (!__get_cpuid(0x80000002u + leaf, &words[4 * leaf], &words[4 * leaf + 1], &words[4 * leaf + 2],
                         &words[4 * leaf + 3]))
            words[0] = 0;
    memcpy(text, words, sizeof words);
    const char *begin = text + strspn(text, " ");
    snprintf(name, size, "%s", *begin ? begin : "x86-64");
    for (size_t n = strlen(name); n > 0 && name[n - 1] == ' '; n--)
        name[n - 1] = '\0';
}

#elif defined(__aarch64__)

cn_isa cn__cpu_best_isa(void) {
    return CN_ISA_NEON;
}

void cn__cpu_name(char *name, size_t size) {
    snprintf(name, size, "arm64");
}

#else

cn_isa cn__cpu_best_isa(void) {
    return CN_ISA_PORTABLE;
}

void cn__cpu_name(char *name, size_t size) {
    snprintf(name, size, "unknown processor");
}

#endif

/* Those that this process may run on. */
static int allowed_cores(void) {
#ifdef __linux__
    union {
        cpu_set_t set;
        char room[1024]; /* for 8192, while the set has 1024, which a larger machine's do not fit in */
    } allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed.set) == 0 && CPU_COUNT_S(sizeof allowed, &allowed.set) > 0)
        return CPU_COUNT_S(sizeof allowed, &allowed.set);
#endif
#ifdef _SC_NPROCESSORS_ONLN
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores > 0 && cores < 65536)
        return (int)cores;
#endif
    return 1;
}

int cn__cpu_cores(void) {
    int allowed = allowed_cores(), quota = cn__cgroup_cores("");
    return allowed < quota ? allowed : quota;
}

uint64_t cn__cpu_memory(void) {
#ifdef _SC_PHYS_PAGES
    long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
    if (pages > 0 && bytes > 0)
        return (uint64_t)pages * (uint64_t)bytes;
#endif
    return 0;
}

const char *cn_isa_name(cn_isa isa) {
    static const char *const names[] = {"auto", "portable", "avx2", "avx512", "neon"};
    return (size_t)isa < CN__COUNT(names) ? names[isa] : "unknown";
}

cn_status cn__cpu_isa_limit(cn_isa *limit) {
    const char *word = getenv("CONVNET_MAX_ISA");
    *limit = CN_ISA_AUTO;
    if (!word || !*word)
        return CN_OK;
    for (cn_isa isa = CN_ISA_PORTABLE; isa <= CN_ISA_NEON; isa++)
        if (strcmp(word, cn_isa_name(isa)) == 0) {
            *limit = isa;
            return CN_OK;
        }
    return cn__error(CN_ERR_ARGUMENT, "CONVNET_MAX_ISA is '%s', wanted portable, avx2, avx512 or neon", word);
}
