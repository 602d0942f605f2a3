/* SPDX-License-Identifier: MIT */
/* loader.c: a host that loads a plugin, has it work on two threads, and unloads it, a hundred times: each time it is gone,
 * and nothing of it stays. loader PLUGIN [LIBRARY]: what must be unloaded with it. */
#define _GNU_SOURCE
#include "../process.h"
#include <dlfcn.h>
#include <features.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* glibc's own books grow by some 30 KiB; a leak of 1 KiB a round is above that. */
enum { ROUNDS = 100, WARM_UP = 10, ALLOWED_BYTES = 64 << 10, MOST_KEYS = 4096 };

typedef struct state {
    long bytes, threads, descriptors, keys;
} state;

/* Of all that malloc has given out, where it has one arena. */
static long used_bytes(void) {
#if __GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 33)
    struct mallinfo2 info = mallinfo2();
    return (long)(info.uordblks + info.hblkhd);
#else
    return 0;
#endif
}

/* Keys of thread-specific data that are left. */
static long free_keys(void) {
    static pthread_key_t keys[MOST_KEYS];
    long count = 0;
    while (count < MOST_KEYS && pthread_key_create(&keys[count], NULL) == 0)
        count++;
    for (long i = 0; i < count; i++)
        pthread_key_delete(keys[i]);
    return count;
}

/* A thread that has been joined is still counted for a moment. */
static state state_now(void) {
    for (int i = 0; i < 1000 && process_number("Threads:") > 1; i++)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    return (state){used_bytes(), process_number("Threads:"), process_open_files(), free_keys()};
}

static void *work(void *function) {
    int (*plugin_work)(void);
    memcpy(&plugin_work, function, sizeof plugin_work);
    return plugin_work() ? NULL : "it did not work";
}

static const char *one_round(const char *plugin) {
    void *handle = dlopen(plugin, RTLD_NOW | RTLD_LOCAL), *function, *complaint, *other;
    pthread_t thread;
    if (!handle)
        return dlerror();
    if (!(function = dlsym(handle, "plugin_work")))
        return dlerror();
    if (pthread_create(&thread, NULL, work, &function) != 0)
        return "no thread";
    complaint = work(&function);
    pthread_join(thread, &other);
    dlclose(handle);
    return complaint ? complaint : other;
}

int main(int argc, char **argv) {
    state before = {0}, after;
    for (int round = 0; round < ROUNDS; round++) {
        const char *complaint = one_round(argv[1]);
        for (int i = 1; i < argc && !complaint; i++)
            if (dlopen(argv[i], RTLD_NOW | RTLD_NOLOAD))
                complaint = "it is still loaded";
        if (complaint) {
            printf("round %d: %s\n", round, complaint);
            return 1;
        }
        if (round == WARM_UP)
            before = state_now();
    }
    after = state_now();
    printf("%ld bytes, %ld threads, %ld descriptors, %ld free keys; after %d rounds %ld, %ld, %ld, %ld\n", after.bytes,
           after.threads, after.descriptors, after.keys, WARM_UP, before.bytes, before.threads, before.descriptors,
           before.keys);
    return after.bytes - before.bytes > ALLOWED_BYTES || after.threads != before.threads ||
           after.descriptors != before.descriptors || after.keys != before.keys;
}
