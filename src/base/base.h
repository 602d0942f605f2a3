/* SPDX-License-Identifier: MIT */
/* base.h: what every other folder stands on: errors, memory, options, random numbers, threads, context, tensors, files.
 */
#ifndef CN_BASE_H
#define CN_BASE_H

#include "base/types.h"
#include "convnet.h" /* the public types */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h> /* struct iovec */

#define CN__MAX_SIDE (1 << 24) /* largest accepted channels, height, width, kernel and so on: convnet.h, Integers */

/* Of an image or a feature map. */
typedef struct cn__shape {
    int32_t channels, height, width;
} cn__shape;

/* Whether an image of such sides, each at most CN__MAX_SIDE, has more than INT32_MAX values. */
static inline bool cn__too_large(int64_t channels, int64_t height, int64_t width) {
    return channels * height > INT32_MAX || channels * height * width > INT32_MAX;
}

/* INT64_MAX where the sum is beyond it. */
static inline int64_t cn__add_capped(int64_t a, int64_t b) {
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* ---- errors (status.c) ---- */

/* What the limit of a context has just refused this thread, for the message of the CN_ERR_MEMORY that follows. */
void cn__note_limit(size_t limit, size_t in_use, size_t asked);

/* Sets this thread's cn_last_error(), which goes with that status, from a printf format. Never allocates. */
void cn__set_error(cn_status status, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
/* The same, as an expression whose value is `status`: compilers and analysers see that it is not CN_OK. */
#define cn__error(status, ...) (cn__set_error(status, __VA_ARGS__), (status))

/* Begins the message of what went wrong with a file's name, unless opening and reading have said it already. */
static inline cn_status cn__in_file(cn_status status, const char *source) {
    return status == CN_OK || status == CN_ERR_IO ? status : cn__error(status, "'%s': %s", source, cn_last_error());
}

/* What a program's function has returned, as a status: CN_ERR_STATE for a number that is none. */
cn_status cn__callback_status(cn_status returned);

/* CN_ERR_ARGUMENT naming function and parameter if `pointer` is NULL. */
#define CN__REQUIRE(pointer)                                                                                           \
    do {                                                                                                               \
        if (!(pointer))                                                                                                \
            return cn__error(CN_ERR_ARGUMENT, "%s: %s is NULL", __func__, #pointer);                                   \
    } while (0)

/* Passes an error up. */
#define CN__TRY(call)                                                                                                  \
    do {                                                                                                               \
        cn_status status_ = (call);                                                                                    \
        if (status_ != CN_OK)                                                                                          \
            return status_;                                                                                            \
    } while (0)

/* ---- options structs (options.c) ---- */

/* Reads a caller's versioned struct into `known` (known_size bytes, already holding the _INIT values). NULL keeps
 * those. A shorter struct (at least `smallest` bytes, the size in version 1.0) leaves the missing members as they are;
 * a longer one must be zero beyond known_size, else CN_ERR_VERSION. `what` is the struct's name, for messages. */
cn_status cn__options_read(void *known, size_t known_size, size_t smallest, const void *options, const char *what);
/* The same for a struct that has not grown since 1.0. */
#define CN__READ_OPTIONS(known, type, options) cn__options_read(known, sizeof(type), sizeof(type), options, #type)
/* CN_ERR_VERSION unless a struct's reserved members are zero. */
cn_status cn__check_reserved(const char *what, bool zero);

/* Writes a struct that the library fills, `filled`, as far as the caller's `size` member goes; keeps that member. */
cn_status cn__struct_write(void *out, const void *filled, size_t known_size, size_t smallest, const char *what);

/* ---- memory (memory.c) ---- */

/* All through the context's allocator, under its lock, and counted. NULL or a status when there is none, or its limit is
 * reached; overflow of count × bytes counts as that. cn__alloc's memory is aligned to CN__ALIGN and zeroed. cn__free(ctx,
 * NULL) does nothing. */
void *cn__alloc(cn_context *ctx, size_t count, size_t bytes);
/* The same in pieces of `count` each, of which cn__parallel gives each to the same thread over and over: where processors
 * have memories of their own, a page lies in that of the one which has written to it first, so that thread zeroes it. */
void *cn__alloc_pieces(cn_context *ctx, size_t pieces, size_t count, size_t bytes);
void cn__free(cn_context *ctx, void *memory);
char *cn__strdup(cn_context *ctx, const char *text);
/* Grows `*array` of elements of `bytes` bytes so that index `count` exists; new elements are zero. */
cn_status cn__grow(cn_context *ctx, void **array, size_t *capacity, size_t count, size_t bytes);
/* Counts memory that comes from elsewhere, such as a library's own; false: that would go beyond the context's limit. */
bool cn__reserve(cn_context *ctx, size_t bytes);
void cn__unreserve(cn_context *ctx, size_t bytes);

/* The allocator itself, without lock and uncounted, for the context's own memory: zeroed, aligned, NULL if there is none. */
void *cn__allocate(const cn_context_options *options, size_t bytes);
void cn__release(const cn_context_options *options, void *memory);
/* CN_ERR_MEMORY, saying what did not fit. */
static inline cn_status cn__no_memory(const char *what) {
    return cn__error(CN_ERR_MEMORY, "no memory for %s", what);
}

/* Whether all of `text` fits: in a pattern, * is any characters or none, ? is one (glob.c). */
bool cn__glob(const char *pattern, const char *text);

/* A text that is built piece by piece and handed to the user (cn_text_free). Errors stick: append freely, ask at the
 * end. */
typedef struct cn__text {
    cn_context *ctx;
    char *data; /* what cn__text_take will return */
    size_t length, capacity;
    bool failed;
} cn__text;
void cn__text_append(cn__text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Hands the text out (never NULL on CN_OK); frees it and gives CN_ERR_MEMORY if an append failed. */
cn_status cn__text_take(cn__text *text, char **out);

/* ---- checksums (crc.c) ---- */

/* CRC-32 of what `crc` is of, 0: nothing, and these bytes. */
uint32_t cn__crc_add(uint32_t crc, const void *bytes, size_t count);

/* ---- bytes as text (base64.c) ---- */

void cn__base64_append(cn__text *text, const unsigned char *bytes, size_t count);
/* Whether that is what `text` holds; then it is in `bytes`. */
bool cn__base64_decode(const char *text, unsigned char *bytes, size_t count);

/* ---- UTF-8 (utf8.c) ---- */

/* Bytes of the character that the text begins with, and which it is; 0: it begins with none. */
size_t cn__utf8_decode(const char *text, size_t bytes, uint32_t *code);
/* Whether a text consists of such characters alone. */
bool cn__utf8_valid(const char *text, size_t bytes);
/* CN_ERR_ARGUMENT: a class has no name, or one that is not UTF-8, which files cannot hold. */
cn_status cn__check_class_names(const char *function, int64_t classes, const char *const *names);
/* Writes a character; returns its bytes, 1 to 4. */
size_t cn__utf8_encode(uint32_t code, char text[4]);
#define CN__UTF8_REPLACEMENT 0xFFFD
/* The character at *text, which moves behind it; CN__UTF8_REPLACEMENT for a byte that begins none. */
uint32_t cn__utf8_next(const char **text);
/* Columns that it takes where letters have one each: 2 for Chinese, Japanese, Korean and pictures, 0 for an accent. */
int cn__utf8_width(uint32_t code);

/* ---- tables of text (text_table.c) ---- */

/* Lines of at most 10 cells that end with tabs, the last with a newline, as a table in which each column is as wide as
 * its widest cell. `alignment` has '<' or '>' for each column; a line "-" becomes a rule. Consumes `cells`. */
cn_status cn__text_table(cn__text *cells, const char *alignment, char **table);

/* 47818 as "47,818", somewhere in the buffer; value >= 0. */
#define CN__GROUPED_TEXT 32
const char *cn__grouped(char text[CN__GROUPED_TEXT], int64_t value);

/* ---- random numbers (philox.c) ---- */

/* Philox 4×32-10 (Salmon et al. 2011): four random words from a counter and a key; no state. */
typedef struct cn__philox {
    uint32_t word[4];
} cn__philox;
cn__philox cn__philox4x32(const uint32_t counter[4], uint64_t key);

/* A sequential reader of one Philox stream, for shuffles, initial weights and augmentation. `stream` and `index` keep
 * different uses of one seed apart. */
typedef struct cn__rng {
    uint64_t seed, index;
    uint32_t stream, block;
    cn__philox words;
    unsigned used;
} cn__rng;
enum { /* streams; values are part of what a seed means and never change */
       CN__STREAM_INIT = 1,
       CN__STREAM_SHUFFLE = 2,
       CN__STREAM_AUGMENT = 3,
       CN__STREAM_DROPOUT = 4,
       CN__STREAM_SYNTHETIC = 5,
       CN__STREAM_SPLIT = 6,
       CN__STREAM_FLIP = 7,
       CN__STREAM_SAMPLE = 8,
       CN__STREAM_MIX = 9
};
cn__rng cn__rng_new(uint64_t seed, uint32_t stream, uint64_t index);
uint32_t cn__rng_u32(cn__rng *rng);
float cn__rng_uniform(cn__rng *rng);                               /* [0, 1), 24 bits */
float cn__rng_normal(cn__rng *rng);                                /* Box-Muller */
uint32_t cn__rng_below(cn__rng *rng, uint32_t bound);              /* 0 … bound - 1, unbiased; bound > 0 */
void cn__rng_shuffle(cn__rng *rng, int64_t *items, int64_t count); /* Fisher-Yates; count < 2^32 */

/* ---- PyTorch's random numbers (torch_generator.c) ---- */

/* torch.Generator on a CPU, bit for bit: the Mersenne Twister, and normal numbers that come in pairs. */
typedef struct cn__torch_generator {
    uint32_t state[624];
    int used; /* of the state */
    bool has_spare;
    double spare; /* the other of a pair */
} cn__torch_generator;
void cn__torch_manual_seed(cn__torch_generator *generator, uint64_t seed); /* its low 32 bits count */
uint32_t cn__torch_random(cn__torch_generator *generator);
void cn__torch_uniform(cn__torch_generator *generator, float *values, int64_t count, float from, float to);
void cn__torch_normal(cn__torch_generator *generator, float *values, int64_t count, double mean, double std);

/* ---- threads (threads.c) ---- */

typedef struct cn__pool cn__pool;
typedef void (*cn__task)(void *argument, size_t item, int thread);

cn_status cn__pool_new(cn_context *ctx, int threads, cn__pool **pool);
int cn__pool_threads(const cn__pool *pool);
void cn__pool_free(cn_context *ctx, cn__pool *pool);

/* Calls task(argument, i, t) for i = 0 … items - 1, each once, and returns when all are done. Thread t of T takes the
 * contiguous range t·items/T … (t+1)·items/T, so the same items stay with the same core from call to call. If the pool
 * is busy with another caller's work, or this is called from a task, all items run on the calling thread, as t = 0. */
void cn__parallel(const cn_context *ctx, size_t items, cn__task task, void *argument);

/* The same, but a thread that has finished its range takes what is left of the others', for items that cost differently or
 * take long: cores are not equally fast, or busy with something else. */
void cn__parallel_helping(const cn_context *ctx, size_t items, cn__task task, void *argument);

/* Of so many items, the one that stands as far from the end of its thread's range as `item` does from the beginning. */
size_t cn__parallel_mirrored(const cn_context *ctx, size_t items, size_t item);

/* ---- the floating-point mode (float_mode.c) ---- */

/* The library computes to nearest, without traps and with subnormal numbers as zero, since these, below 1.2e-38, cost up to
 * a hundred times as much as others and mean nothing here. CN__COMPUTES; has it so until the block ends, whatever the
 * host has set: it begins every public function that compares, computes, reads or writes floats. Within, CN__IN_HOSTS_MODE;
 * does the opposite until its block ends: there the host's functions are called. Both may be nested. */
bool cn__own_mode_enter(void);
void cn__own_mode_leave(const bool *entered);
bool cn__hosts_mode_enter(void);
void cn__hosts_mode_leave(const bool *entered);
#define CN__COMPUTES      bool computes_ __attribute__((unused, cleanup(cn__own_mode_leave))) = cn__own_mode_enter()
#define CN__IN_HOSTS_MODE bool host_ __attribute__((unused, cleanup(cn__hosts_mode_leave))) = cn__hosts_mode_enter()
/* For a worker: the host's mode on the thread that it works for, and computing from now on in place of that. */
uint64_t cn__hosts_mode(void);
void cn__own_mode_for(uint64_t host);

/* ---- processor (cpu.c) ---- */

cn_isa cn__cpu_best_isa(void); /* by CPUID and XCR0 */
void cn__cpu_name(char *name, size_t size);
/* Where the calling thread may run, at most `most` of these: a core of each physical one, then their siblings; their number,
 * 0 where the system does not tell (pin.c). */
size_t cn__cpu_pinnable(int *cores, size_t most);
/* That thread runs on that core alone from now on; 0, or an errno. */
int cn__cpu_pin(pthread_t thread, int core);
int cn__cpu_cores(void); /* available to this process: those it may run on, and no more than a quota is worth */
/* The quota (cgroup.c); INT_MAX: none. `root`, "" but for tests, goes before all paths. */
int cn__cgroup_cores(const char *root);
uint64_t cn__cpu_memory(void);
/* CONVNET_MAX_ISA as a limit; CN_ISA_AUTO when not set; CN_ERR_ARGUMENT for another word. */
cn_status cn__cpu_isa_limit(cn_isa *limit);

/* ---- context (kernels/context.c, which knows the kernels) ---- */

struct cn__kernels;

/* What the context keeps until its end, such as types of layers that a program has defined; the last is first. */
typedef struct cn__attachment {
    struct cn__attachment *next;
    void (*detach)(cn_context *ctx, struct cn__attachment *attachment);
} cn__attachment;

struct cn_context {
    cn_context_options options;
    cn_isa best_isa, isa;
    const struct cn__kernels *kernels; /* those of `isa` */
    cn__pool *pool;
    int threads, cores;
    uint64_t memory;
    char processor[64];
    void *allocator_lock; /* pthread_mutex_t */
    atomic_size_t in_use, peak;
    cn__attachment *_Atomic attachments;
    cn_context *counts_for; /* NULL, but for those of cn__context_counting */
};

/* A context like `ctx` that finds out what something would take (memory.c): what is made in it counts in full, but only
 * small pieces take memory, of `ctx`; large ones are zeros that take none until they are written to. It has no limit, says
 * nothing, and computes on the threads of `ctx`, which it must not outlive. There is nothing to be freed. */
void cn__context_counting(cn_context *ctx, cn_context *counting);

/* Calls the log callback, if there is one (log.c). */
void cn__log(const cn_context *ctx, cn_log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- time (trace.c) ---- */

int64_t cn__nanoseconds(void); /* since some moment; never goes back */
/* Around a piece of work: tells the context's trace of it, if there is one. `event` has pass, layer, type, thread. */
int64_t cn__trace_begin(const cn_context *ctx);
void cn__trace_end(const cn_context *ctx, int64_t begun, cn_trace_event event);

/* ---- tensors (tensor.c) ---- */

struct cn_tensor {
    cn_context *ctx;
    cn_dtype dtype;
    int dims;
    int64_t shape[CN_MAX_DIMS];
    int64_t count;
    void *data;
    bool owned;
    bool read_only;
};

size_t cn__dtype_bytes(cn_dtype dtype);
const char *cn__dtype_name(cn_dtype dtype); /* "float32" … */

/* CN_ERR_ARGUMENT naming `what` if the tensor is only to be read. */
cn_status cn__tensor_writable(const cn_tensor *tensor, const char *what);

/* CN_ERR_SHAPE unless the tensor has this type and shape; `what` names it in the message. */
cn_status cn__tensor_expect(const cn_tensor *tensor, const char *what, cn_dtype dtype, int dims, const int64_t *shape);

/* "[3, 32, 32]" into a buffer of CN__SHAPE_TEXT bytes, for messages; returns it. */
#define CN__SHAPE_TEXT 192
const char *cn__shape_text(char *buffer, int dims, const int64_t *shape);

/* A number of 16 bits, all of which a float holds (half.c). */
float cn__half_value(uint32_t bits);
/* The nearest such number, of two equally near the even one; infinity from 65520 on. */
uint32_t cn__half_bits(float value);

/* ---- what something remembers, as named arrays, for checkpoints (state.c) ---- */

/* Numbers in place: their name in a checkpoint, their type there, "F32", "F64", "I32" or "I64". */
enum { CN__STATE_NAME = 32, CN__STATE_VALUES = 160 };
typedef struct cn__value {
    char name[CN__STATE_NAME];
    const char *dtype;
    void *data;
    size_t count;
} cn__value;

typedef struct cn__state {
    cn__value values[CN__STATE_VALUES];
    size_t count;
} cn__state;

/* The name is printf-formatted. */
void cn__state_add(cn__state *state, const char *dtype, void *data, size_t count, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* ---- files (file.c) ---- */

/* Signals interrupt calls for files on some file systems, such as NFS. */
#define CN__RETRY(result, call)                                                                                        \
    do {                                                                                                               \
        result = (call);                                                                                               \
    } while (result < 0 && errno == EINTR)

#define CN__MAX_PATH     4096
#define CN__MAX_INFLATED 1032 /* bytes that deflate can make of one */

/* "directory/name" with `suffix`; CN_ERR_ARGUMENT if it is too long. */
cn_status cn__path(char path[CN__MAX_PATH], const char *directory, const char *name, const char *suffix);

/* A regular file, or memory as if it were one, that is read from its beginning to its end. */
typedef struct cn__file {
    cn_context *ctx;
    const char *path; /* the caller's */
    const char *disk; /* the file's that is read: the archive's of a member */
    int descriptor;   /* -1: not open, or */
    int error;        /* errno of what failed with CN_ERR_IO; 0: it is not a regular file */
    const unsigned char *memory;
    size_t memory_bytes, at;   /* and where it is read */
    uint64_t size;             /* bytes that can be read: exactly, or of a compressed file at most */
    uint64_t begin, stored;    /* where they lie on the disk, and how many there are */
    uint64_t position;         /* bytes that have been read */
    struct z_stream_s *stream; /* a compressed file's */
    unsigned char *input;
    bool ended;        /* the compressed data have */
    uint64_t unread;   /* bytes that may still be read from the disk */
    bool member;       /* of a ZIP archive, which the descriptor belongs to: */
    uint32_t checksum; /* CRC-32 of what has been read, */
    uint32_t wanted;   /* and what it is to be in the end */
} cn__file;

/* CN_ERR_IO; `file` may be closed even then, and its `error` is ENOENT if there is no such file. */
cn_status cn__file_open(cn_context *ctx, const char *path, cn__file *file);
/* The first bytes of a file, fewer where it has fewer, by which it is known. */
#define CN__FILE_BEGIN 16
cn_status cn__file_begin(cn_context *ctx, const char *path, unsigned char begin[CN__FILE_BEGIN], size_t *bytes);
/* The caller's bytes, not copied. */
void cn__file_borrow(cn_context *ctx, const void *memory, size_t bytes, cn__file *file);
/* Before the first read: decompresses the file if it begins as gzip does. */
cn_status cn__file_unzip(cn__file *file);
/* Before memory is taken for `bytes` more bytes, `times` as much as they are: whether a file that is compressed has them, if
 * that is more than its size is worth. What is so packed is gone through for it. CN_ERR_FORMAT: it has not; CN_ERR_IO. */
#define CN__WORTH 64 /* bytes of memory for one of a file, whoever has written it */
cn_status cn__file_has(cn__file *file, uint64_t bytes, uint64_t times);
/* Where in a ZIP archive a member lies: `stored` bytes from `offset` on, deflated or not, which are `size` bytes in
 * truth. */
typedef struct cn__member {
    uint64_t offset, stored, size;
    bool deflated;
    uint32_t checksum;
} cn__member;
/* That member as a file, which goes by `name` in messages and must be closed before the archive. Of one archive read one
 * member at a time. */
cn_status cn__file_member(const cn__file *archive, const cn__member *member, const char *name, cn__file *file);
/* Exactly so many bytes from there. */
cn_status cn__file_read_at(cn__file *file, uint64_t offset, void *to, size_t bytes);
/* Exactly so many bytes. CN_ERR_FORMAT: the file ends before, or is damaged; CN_ERR_IO. */
cn_status cn__file_read(cn__file *file, void *to, size_t bytes);
/* CN_ERR_FORMAT unless everything has been read. */
cn_status cn__file_end(cn__file *file);
void cn__file_close(cn__file *file);

/* A stream of zlib's, zeroed, that takes its memory from the context; NULL: there is none. */
struct z_stream_s *cn__zlib_stream(cn_context *ctx);

/* Writes the pieces, one after the other, as the new content of `path`, or of the file that it is a link to, which need
 * not be there (atomic_file.c): first into a temporary file beside it, which is synced and renamed. On failure,
 * CN_ERR_IO, the temporary file is gone and the old one as it was. Where no other file can be made beside it, or take
 * its place, it is written in place, after room for it has been made, and if that fails the old content is put back; if
 * that fails, too, the message says so, and names the temporary file with the new content, if there is one. Temporary
 * files of dead processes are removed first. */
cn_status cn__replace_file(cn_context *ctx, const char *path, const struct iovec *pieces, int count);

#endif
