/* float_mode.c: how the processor treats subnormal numbers: denormals-are-zero and flush-to-zero of x86's MXCSR, FZ of
 * arm64's FPCR; elsewhere they are computed with. Only these bits are changed and put back, so that the host's traps,
 * rounding and exception flags stay. */
#include "base/base.h"

#if defined(__SSE__)
#include <xmmintrin.h>

#define FLUSH (1u << 15 | 1u << 6)

static uint64_t get(void) {
    return _mm_getcsr();
}

static void set(uint64_t mode) {
    _mm_setcsr((unsigned)mode);
}

#elif defined(__aarch64__)

#define FLUSH (UINT64_C(1) << 24)

static uint64_t get(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}

static void set(uint64_t mode) {
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
}

#else

#define FLUSH 0u

static uint64_t get(void) {
    return 0;
}

static void set(uint64_t mode) {
    (void)mode;
}

#endif

uint64_t cn__float_mode_enter(void) {
    uint64_t mode = get();
    if ((mode & FLUSH) != FLUSH)
        set(mode | FLUSH);
    return mode & FLUSH;
}

void cn__float_mode_leave(uint64_t before) {
    if (before != FLUSH)
        set((get() & ~(uint64_t)FLUSH) | before);
}
