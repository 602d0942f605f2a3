/* SPDX-License-Identifier: MIT */
/* export_arm.c: runs the self-test of a network that was written as C on a Cortex-M7 without an operating system; its
 * exit code goes out by semihosting. */
#include "net.h"
#include <stdint.h>

extern void _start(void); /* newlib's */
extern char __stack[];

/* What the processor begins with: its floating-point unit is off. */
void reset(void) {
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* CPACR */
    __asm__ volatile("dsb\n\tisb");
    _start();
}

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[] = {(uintptr_t)__stack, (uintptr_t)reset};

int main(void) {
    return net_self_test();
}
