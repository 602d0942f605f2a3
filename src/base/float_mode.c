/* SPDX-License-Identifier: MIT */
/* float_mode.c: how a thread computes with floats: rounding, traps, subnormal numbers. The host may have it otherwise than
 * the library wants it, so each call that computes sets its own mode and puts the host's back, and so does, the other way
 * round, each call of a host's function. x86 has the mode in MXCSR and, for what goes by the x87, its control word; arm64
 * in FPCR; elsewhere only the rounding is seen to. */
#include "base/base.h"

#if defined(__x86_64__) || defined(__i386__)

#define MXCSR_OWN UINT64_C(0x9FC0) /* nothing traps, to nearest, flush-to-zero, denormals-are-zero */
#define X87_OWN   UINT64_C(0x37F)  /* nothing traps, to nearest, 64 bits */
#define OWN       (MXCSR_OWN | X87_OWN << 32)

#if defined(__SSE__)
#include <xmmintrin.h>

static uint32_t get_mxcsr(void) {
    return _mm_getcsr();
}

static void set_mxcsr(uint32_t mxcsr) {
    _mm_setcsr(mxcsr);
}
#else
static uint32_t get_mxcsr(void) {
    return 0;
}

static void set_mxcsr(uint32_t mxcsr) {
    (void)mxcsr;
}
#endif

static uint16_t get_x87(void) {
    uint16_t control;
    __asm__ volatile("fnstcw %0" : "=m"(control));
    return control;
}

/* An exception that was noted under one mode would trap under another that wants it to. */
static void set_x87(uint16_t control) {
    uint16_t noted;
    if (get_x87() == control)
        return;
    __asm__ volatile("fnstsw %0" : "=m"(noted));
    if (noted & ~control & 0x3F)
        __asm__ volatile("fnclex");
    __asm__ volatile("fldcw %0" : : "m"(control));
}

static uint64_t get(void) {
    return get_mxcsr() | (uint64_t)get_x87() << 32;
}

static void set(uint64_t mode) {
    set_mxcsr((uint32_t)mode);
    set_x87((uint16_t)(mode >> 32));
}

#elif defined(__aarch64__)

#define OWN (UINT64_C(1) << 24) /* FZ */

static uint64_t get(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}

static void set(uint64_t mode) {
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
}

#else
#include <fenv.h>

#define OWN ((uint64_t)FE_TONEAREST)

static uint64_t get(void) {
    return (uint64_t)fegetround();
}

static void set(uint64_t mode) {
    (void)fesetround((int)mode);
}

#endif

/* Of this thread: whether the library's mode is in force, and the host's, which is put back. */
static _Thread_local bool own_mode;
static _Thread_local uint64_t hosts_mode;

bool cn__own_mode_enter(void) {
    if (own_mode)
        return false;
    hosts_mode = get();
    own_mode = true;
    set(OWN);
    return true;
}

void cn__own_mode_leave(const bool *entered) {
    if (!*entered)
        return;
    own_mode = false;
    set(hosts_mode);
}

bool cn__hosts_mode_enter(void) {
    if (!own_mode)
        return false;
    own_mode = false;
    set(hosts_mode);
    return true;
}

void cn__hosts_mode_leave(const bool *entered) {
    if (*entered)
        (void)cn__own_mode_enter();
}

uint64_t cn__hosts_mode(void) {
    return hosts_mode;
}

void cn__own_mode_for(uint64_t host) {
    hosts_mode = host;
    if (!own_mode)
        set(OWN);
    own_mode = true;
}
