/* SPDX-License-Identifier: MIT */
/* fuzzing.h: what fuzzers share. fuzz_NAME.c tries bytes in FUZZ(NAME): with CONFIG=fuzz that is the function which libFuzzer
 * calls (`make fuzz`), else fuzz_NAME, which test_corpora.c calls with each file of corpus/NAME. What must not be ends in
 * abort(). */
#ifndef FUZZING_H
#define FUZZING_H

#include <convnet.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All of them. */
#define FUZZER(name) int fuzz_##name(const uint8_t *data, size_t size);
#include "fuzzers.def"
#undef FUZZER

#ifdef FUZZING
#define FUZZ(name)                                                                                                     \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);                                                      \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
#else
#define FUZZ(name) int fuzz_##name(const uint8_t *data, size_t size)
#endif

/* Most changed files get their checksums made right by repair(data, size), or nothing behind a checksum would ever be
 * reached. */
#ifdef FUZZING
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
#define FUZZ_REPAIRS(repair)                                                                                           \
    size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {                       \
        size = LLVMFuzzerMutate(data, size, max_size);                                                                 \
        if (seed % 8 != 0)                                                                                             \
            repair(data, size);                                                                                        \
        return size;                                                                                                   \
    }                                                                                                                  \
    typedef int fuzz_repairs
#else
#define FUZZ_REPAIRS(repair) static void (*const fuzz_repair)(uint8_t *, size_t) __attribute__((unused)) = repair
#endif

#define FUZZ_EXPECT(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #condition, cn_last_error());              \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The context in which all inputs of a fuzzer are tried: one thread, and its log is read. */
cn_context *fuzz_context(void);

/* Counts the context's memory from here on: at most 64 times the bytes that were read, a little, and what is `rightly` there
 * beside; and in the end all of it has been given back. */
void fuzz_begin(void);
void fuzz_at_most(size_t bytes, size_t rightly);
void fuzz_end(void);

/* The call was refused with a message, or made something. */
#define FUZZ_OUTCOME(status, made)                                                                                     \
    do {                                                                                                               \
        FUZZ_EXPECT(((status) == CN_OK) == ((made) != NULL));                                                          \
        FUZZ_EXPECT((status) == CN_OK || strlen(cn_last_error()) > 0);                                                 \
        FUZZ_EXPECT((status) != CN_ERR_MEMORY);                                                                        \
    } while (0)

/* Bytes that are taken off the front of others. */
typedef struct fuzz_bytes {
    const uint8_t *at;
    size_t count;
} fuzz_bytes;
uint8_t fuzz_byte(fuzz_bytes *from); /* 0 at the end; and so is all that cannot be taken: */
int64_t fuzz_number(fuzz_bytes *from, int bytes);
/* As many bytes as the next two say, the rest at most. */
fuzz_bytes fuzz_part(fuzz_bytes *from);
/* The same as a text without '\0', to be freed. */
char *fuzz_text(fuzz_bytes *from);

/* A folder of this process alone, and the path of a file in it, valid until the eighth next call; writes one. */
const char *fuzz_directory(void);
const char *fuzz_path(const char *name);
const char *fuzz_file(const char *name, const void *bytes, size_t count);
/* With all that is in it; links, not what they lead to. */
void fuzz_remove(const char *path);

#endif
