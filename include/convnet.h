/* SPDX-License-Identifier: MIT */
/* convnet.h: train and run convolutional networks on a CPU, inside your program.
 *
 * Link with `pkg-config --cflags --libs convnet`. The whole public interface is this file.
 *
 * Conventions, true of every function unless its comment says otherwise:
 *
 *  Results     Whatever can fail returns a cn_status (CN_OK is 0) and hands its result out through its last parameter,
 *              which is set to NULL on failure. cn_last_error() then says what was wrong, with which value and where.
 *              CN_ERR_ARGUMENT, CN_ERR_MEMORY and CN_ERR_VERSION can come from any function that returns a status; a
 *              comment names the others. After a failure every handle that was passed in is still usable.
 *  NULL        A pointer must not be NULL unless the comment says what NULL means: it is CN_ERR_ARGUMENT. Functions
 *              that return a value instead of a status return 0, NULL or NaN for a NULL handle; those that return
 *              nothing then do nothing.
 *  Ownership   `…_new`, `…_load` and whatever else hands out a handle through its last parameter makes one that the
 *              caller frees with `…_free`; `…_free(NULL)` does nothing. A context must outlive everything made from it.
 *              Texts that are returned as const char * belong to the handle and live as long as it.
 *  Threads     One handle, one thread at a time; functions that take only const handles may run together. A context
 *              may be used by several threads at once to make, use and free things that belong to it: predictors of
 *              several threads run side by side. While its workers are busy for one thread, what another starts runs
 *              on that other thread alone. Different contexts never touch each other. No thread may be cancelled
 *              (pthread_cancel) inside the library. Workers block all signals but those of faults of their own, and
 *              have stacks of the system's default size, at least 1 MiB. Threads of the host's own libraries, such as
 *              those of OpenMP and BLAS, may do all that threads may.
 *  fork        The child of fork() may use and free what it inherited, but alone: the workers stay with the parent.
 *              fork() while another thread is inside the library leaves the child only exec() and _exit(), and so
 *              does fork() from a callback that workers call, too (fetch, trace, layers of a program's own); a child
 *              of others, such as on_batch, may go on training.
 *  Callbacks   may call the library, with this context or others, and make and free contexts. They are called by the
 *              thread that called the library, but for fetch, trace and the functions of own layers, which workers
 *              call as well, several at once; what these start runs on their thread alone. What is in use by the call
 *              that led to them may be read: a model, say, may be predicted with, evaluated and saved (but not by
 *              trace and own layers, which run while it changes). To run or change it is CN_ERR_STATE: a trainer or
 *              predictor that runs is not run again, and a model that a pass, a training, an evaluation or a loading
 *              has at hand is not passed through, stepped, loaded into, initialised, frozen, added to or trained by
 *              another. on_batch and on_epoch are called between batches, and have the model to themselves.
 *              cn_model_free, cn_trainer_free and cn_predictor_free of what is in use do nothing, but for a warning to
 *              the log; other handles in use must not be changed or freed. `allocate` and `release` must not call the
 *              library: no memory is to be had there. No callback may be left by longjmp() or an exception.
 *  Options     travel in structs that begin with their own size. Fill them with the `…_INIT` macro, or the `…_init`
 *              function where a language has no macros, then set what you need; a NULL options pointer means the
 *              values of `…_INIT`. Defaults come from there alone: a member that you set to zero is zero.
 *  Structs     have no padding, and only ever grow at their end: a shorter one, of a program that was compiled
 *              earlier, is taken with the values of `…_INIT` for what it lacks; a longer one must be zero beyond what
 *              this library knows, or it is CN_ERR_VERSION. Members called `reserved` must be zero. Of a struct that
 *              the library hands to a callback, members beyond its `size` do not exist.
 *  Enums       have fixed values and are only ever added to.
 *  Integers    Extents of layers and images, other hyper-parameters and flags (0 or 1) are int; counts, indices,
 *              labels and the shapes of tensors are int64_t; bytes of memory are size_t. Numbers of channels, features
 *              and classes, heights, widths and sides of windows are at most 2^24; an image, what a layer makes of one,
 *              and a parameter have at most 2^31 - 1 values, and 16 images at a convolution, borders included, as many.
 *  Tensors     are dense and row-major; images are [N, C, H, W] as in PyTorch.
 *  Names       Definitions, names and defaults of layers and options are PyTorch's.
 *  Manners     Nothing is printed, no signal handler is set, nothing aborts, no setting of the process is changed.
 *  Numbers     Subnormal floats (below 1.2e-38) count as zero in all that layers, losses' gradients and optimizers
 *              compute, since they are up to a hundred times slower. Rounding, traps and treatment of subnormals that
 *              the host has set play no part in what is computed; they are in force in its callbacks, on whatever
 *              thread (functions of own layers compute as layers do), and when a call returns.
 *
 * All of this is stable from 1.0 on, but for the parts that say that they may still change.
 */
#ifndef CONVNET_H
#define CONVNET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CN_API __attribute__((visibility("default")))
#else
#define CN_API
#endif

/* ------------------------------------------------------------------------------------------ */
/* Version, statuses                                                                          */

#define CN_VERSION_MAJOR  1
#define CN_VERSION_MINOR  0
#define CN_VERSION_PATCH  0
#define CN_VERSION_NUMBER (CN_VERSION_MAJOR * 10000 + CN_VERSION_MINOR * 100 + CN_VERSION_PATCH)
/** What follows the number in the version's text: "" for a release. */
#define CN_VERSION_SUFFIX "-rc1"
/** For #if: whether this header is of that version or a later one. */
#define CN_VERSION_AT_LEAST(major, minor, patch) (CN_VERSION_NUMBER >= (major)*10000 + (minor)*100 + (patch))

/** The version of the library that is running: CN_VERSION_NUMBER of its header. */
CN_API int cn_version_number(void);

/** The same as text, such as "1.0.0" or, of a candidate, "1.0.0-rc1". Static storage. */
CN_API const char *cn_version_string(void);

typedef enum cn_status {
    CN_OK = 0,
    CN_ERR_ARGUMENT = 1,      /**< a NULL, or a value outside its range */
    CN_ERR_SHAPE = 2,         /**< shapes or types that do not fit together, or overflow */
    CN_ERR_MEMORY = 3,        /**< the allocator returned NULL */
    CN_ERR_IO = 4,            /**< the operating system could not open, read, write or rename */
    CN_ERR_FORMAT = 5,        /**< a file's content is not what its format says */
    CN_ERR_DATA = 6,          /**< a label outside the classes, NaN or infinity in an image */
    CN_ERR_UNSUPPORTED = 7,   /**< left out of this build, not offered by this machine, or a file's operator that no
                                 layer computes */
    CN_ERR_STATE = 8,         /**< the call does not fit what was called before */
    CN_ERR_NOT_FOUND = 9,     /**< no such name, class or index */
    CN_ERR_NUMERIC = 10,      /**< the loss became NaN or infinite */
    CN_ERR_VERSION = 11,      /**< an options struct with members that this library does not know */
    CN_ERR_COMMUNICATION = 12 /**< another process did not answer, or the functions that reach it failed */
} cn_status;

/** A short fixed text for a status, such as "out of memory". Never NULL; static storage. */
CN_API const char *cn_status_string(cn_status status);

/** What the last failed call on this thread found wrong; "" if none failed yet. The text stays
 * valid until the next failing call on the same thread. Successful calls leave it alone. */
CN_API const char *cn_last_error(void);

/* ------------------------------------------------------------------------------------------ */
/* Context: where work runs                                                                   */

/** Where work runs: threads, instruction set, memory. */
typedef struct cn_context cn_context;

/** Instruction sets that the kernels are compiled for. */
typedef enum cn_isa {
    CN_ISA_AUTO = 0,     /**< the best that processor and operating system offer */
    CN_ISA_PORTABLE = 1, /**< the compiler's baseline, without fused multiply-add */
    CN_ISA_AVX2 = 2,     /**< x86-64: AVX2 with FMA */
    CN_ISA_AVX512 = 3,   /**< x86-64: AVX-512 F, BW, DQ and VL */
    CN_ISA_NEON = 4      /**< arm64 */
} cn_isa;

/** How convolutions and linear layers compute. All three give the same bits for any number of threads, on AVX2,
 * AVX-512 and arm64.
 *
 * Winograd's F(4×4, 3×3) (Lavin & Gray 2016) multiplies up to four times less and adds in between: float32 results are
 * off by 1e-6 to 1e-5 of the largest, about five times as much as plain sums. */
typedef enum cn_conv_algorithm {
    CN_CONV_AUTO = 0,   /**< Winograd's F(4×4, 3×3) for 3×3 convolutions of stride 1 where that is faster; GEMM for
                             linear layers of many weights; else DIRECT */
    CN_CONV_DIRECT = 1, /**< plain sums of products by our own kernels everywhere */
    CN_CONV_GEMM = 2    /**< products of matrices for every linear layer and 1×1 convolution of one pixel (tests) */
} cn_conv_algorithm;

/** What lies side by side in memory, and is computed at once, while a model runs; tensors do not show it. Results
 * agree to rounding. */
typedef enum cn_layout {
    CN_LAYOUT_AUTO = 0,    /**< by the model's shapes and the number of images */
    CN_LAYOUT_IMAGES = 1,  /**< 16 images: networks of few channels, or other numbers of them than multiples of 16 */
    CN_LAYOUT_CHANNELS = 2 /**< 16 channels of one image: wide networks, few images. A model with a layer that cannot
                                is run as by CN_LAYOUT_IMAGES */
} cn_layout;

typedef enum cn_log_level { CN_LOG_WARNING = 1, CN_LOG_INFO = 2 } cn_log_level;

/** What a piece of work was for. */
typedef enum cn_pass {
    CN_PASS_FETCH = 1,   /**< images of a data set read, changed and put in place */
    CN_PASS_PREPARE = 2, /**< weights brought into the order that kernels read */
    CN_PASS_FORWARD = 3,
    CN_PASS_LOSS = 4,
    CN_PASS_BACKWARD = 5,
    CN_PASS_UPDATE = 6,  /**< the optimizer's step and the moving average */
    CN_PASS_EXCHANGE = 7 /**< waiting for other processes (cn_communicator) */
} cn_pass;

/** A piece of work that has just ended, such as a layer's forward pass over 16 images. */
typedef struct cn_trace_event {
    uint64_t size;
    cn_pass pass;
    int thread;         /**< 0 to threads - 1 */
    const char *layer;  /**< its name, valid as long as its model; what is computed along with a layer, such as the
                             ReLU behind a norm, counts as that layer's. NULL: no layer's work */
    const char *type;   /**< PyTorch's name, such as "Conv2d"; NULL without a layer */
    int64_t start, end; /**< in nanoseconds, of a clock that never goes back */
} cn_trace_event;

typedef struct cn_context_options {
    uint64_t size;
    int threads; /**< workers, the calling thread included; 0: one per core that the process may use (its affinity,
                      and the quota of its control group, rounded up); at most 1024 */
    cn_isa isa;  /**< upper limit on the instruction set, unless it is of another processor family; the environment
                      variable CONVNET_MAX_ISA (portable, avx2, avx512 or neon) lowers it further */
    cn_conv_algorithm conv_algorithm; /**< for every layer run in this context */
    cn_layout layout;                 /**< of every model run in it */
    /** Memory: both or neither. `allocate` returns `bytes` bytes aligned to `alignment` (a power of two, at most
     * 64) or NULL; `release` gets what it returned, never NULL. Called from one thread at a time. NULL: the C
     * library's. All that this library, zlib and libpng take comes from there. What does not: libjpeg's memory while
     * it decodes, which is malloc's; what the C library takes for itself during a call, to open a folder, to resolve a
     * path, or to sort (no more than what is sorted); the workers' stacks; and about 1 KiB a thread for
     * cn_last_error. */
    void *(*allocate)(void *user, size_t bytes, size_t alignment);
    void (*release)(void *user, void *memory);
    /** Where remarks go, such as an unknown tensor in a file, on the thread that called the library. NULL: nowhere. */
    void (*log)(void *user, cn_log_level level, const char *message);
    void *user; /**< handed to these functions */
    /** Told of each piece of work, by the thread that did it: several at once; also of what it does itself in this
     * context. NULL: nobody, and no clock is read. */
    void (*trace)(void *user, const cn_trace_event *event);
    /** Bytes that may be in use at a time by all that is made from the context and while it is made; what would go
     * beyond is CN_ERR_MEMORY, so that a hostile file cannot take more than it is worth. Of what `allocate` does not
     * give it counts libjpeg's memory, by a bound that follows from the picture. 0: no limit. */
    size_t memory_limit;
    /** 1: each worker stays on a core of its own, of those where the calling thread may run: first one of each physical
     * core, then their siblings; with more threads than cores from the first on again. The first is left to the calling
     * thread, which the library does not bind. For machines of several sockets, where memory is near to who has used it first; of
     * processes side by side each must have been given cores of its own (mpirun --bind-to, taskset). 0: the system
     * chooses, and may change its mind. CN_ERR_UNSUPPORTED: 1, but not on Linux. */
    int pin;
    int reserved;
} cn_context_options;
#define CN_CONTEXT_OPTIONS_INIT                                                                                        \
    { sizeof(cn_context_options), 0, CN_ISA_AUTO, CN_CONV_AUTO, CN_LAYOUT_AUTO, NULL, NULL, NULL, NULL, NULL, 0, 0, 0 }
/** CN_CONTEXT_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_context_options_init(cn_context_options *options, size_t size);

/** Makes a context and starts its threads - 1 workers. Where the system allows fewer threads, the context goes on with
 * those it got: a warning to the log, and cn_device.threads.
 *
 * After fork() the child has what was made before, as a copy, but no workers: what it calls runs on the calling thread
 * alone, with the same results, and can be freed. For threads of its own it makes a context of its own. No other thread
 * may be inside the library while a process forks. */
CN_API cn_status cn_context_new(const cn_context_options *options, cn_context **context);

/** Stops the workers. Everything made from the context must have been freed. */
CN_API void cn_context_free(cn_context *context);

/** Bytes in use by the context itself, so that it is never 0, and by what was made from it, with what the allocations
 * themselves take. From any thread, at any time. */
CN_API size_t cn_context_memory(const cn_context *context);
/** The most that ever were in use. From any thread, at any time. */
CN_API size_t cn_context_memory_peak(const cn_context *context);

/** What the context found and uses. Texts are valid as long as the context. */
typedef struct cn_device {
    uint64_t size;
    const char *processor; /**< the processor's own name */
    void *reserved_pointer;
    cn_isa isa;      /**< in use */
    cn_isa best_isa; /**< offered by processor and operating system */
    int cores;       /**< available to this process */
    int threads;     /**< used by this context */
    uint64_t memory; /**< bytes of main memory */
} cn_device;
#define CN_DEVICE_INIT                                                                                                 \
    { sizeof(cn_device), NULL, NULL, CN_ISA_AUTO, CN_ISA_AUTO, 0, 0, 0 }
/** CN_DEVICE_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_device_init(cn_device *device, size_t size);

/** Fills `device`, whose size member the caller has set. */
CN_API cn_status cn_context_device(const cn_context *context, cn_device *device);

/** "portable", "avx2", "avx512" or "neon"; "auto" for CN_ISA_AUTO. Static storage. */
CN_API const char *cn_isa_name(cn_isa isa);

/** Frees a text that a function of this library handed out. */
CN_API void cn_text_free(char *text);

/* ------------------------------------------------------------------------------------------ */
/* Tensors                                                                                    */

/** An array of numbers with a shape. */
typedef struct cn_tensor cn_tensor;

typedef enum cn_dtype { CN_DTYPE_FLOAT32 = 1, CN_DTYPE_UINT8 = 2, CN_DTYPE_INT64 = 3 } cn_dtype;

#define CN_MAX_DIMS 8

/** Makes a tensor of zeros. `dims` is 0 (a scalar) to CN_MAX_DIMS; shape[i] >= 0 counts elements along dimension i.
 * CN_ERR_SHAPE: a negative extent, or more elements than memory can hold. */
CN_API cn_status cn_tensor_new(cn_context *context, cn_dtype dtype, int dims, const int64_t *shape, cn_tensor **tensor);

/** The same over the caller's memory, which is not copied and must outlive the tensor. */
CN_API cn_status cn_tensor_borrow(cn_context *context, cn_dtype dtype, int dims, const int64_t *shape, void *data,
                                  cn_tensor **tensor);

/** The same over memory that is only to be read: what would write to such a tensor is CN_ERR_ARGUMENT. */
CN_API cn_status cn_tensor_borrow_const(cn_context *context, cn_dtype dtype, int dims, const int64_t *shape,
                                        const void *data, cn_tensor **tensor);

/** Frees a tensor made by cn_tensor_new or borrowed (never one that a model lent out). */
CN_API void cn_tensor_free(cn_tensor *tensor);

/** Its first element; NULL for a tensor that is only to be read. */
CN_API void *cn_tensor_data(cn_tensor *tensor);
/** Its first element, to be read. */
CN_API const void *cn_tensor_data_const(const cn_tensor *tensor);

/** The type of its elements. */
CN_API cn_dtype cn_tensor_dtype(const cn_tensor *tensor);
/** How many dimensions it has. */
CN_API int cn_tensor_dims(const cn_tensor *tensor);
/** Its extent along a dimension; 0 for one that it does not have. */
CN_API int64_t cn_tensor_shape(const cn_tensor *tensor, int dimension);
/** How many elements it has in all. */
CN_API int64_t cn_tensor_count(const cn_tensor *tensor);

/** Index of the largest element of row `row` of a [N, K] float32 tensor, the first if several are equal;
 * -1 if the tensor is not such a one, the row does not exist, or all of it is NaN. */
CN_API int64_t cn_tensor_argmax(const cn_tensor *tensor, int64_t row);

/** Reads an array of numpy, a .npy file (versions 1 to 3), as a tensor: bool and uint8 become uint8, other integers
 * int64, floats float32, in either byte order and order of dimensions. CN_ERR_IO; CN_ERR_FORMAT: no .npy file,
 * damaged, cut short, or another size than its header says, before memory is asked for; CN_ERR_UNSUPPORTED: other
 * types, or more than CN_MAX_DIMS dimensions; CN_ERR_DATA: a number beyond int64 or float32. */
CN_API cn_status cn_tensor_load_npy(cn_context *context, const char *path, cn_tensor **tensor);
/** The same of the array called `name` in an .npz file, compressed or not. CN_ERR_UNSUPPORTED also: an encrypted
 * archive; CN_ERR_NOT_FOUND: no array of that name, and which there are. */
CN_API cn_status cn_tensor_load_npz(cn_context *context, const char *path, const char *name, cn_tensor **tensor);
/** Writes a .npy file, whole or not at all (as cn_model_save does). CN_ERR_IO. */
CN_API cn_status cn_tensor_save_npy(const cn_tensor *tensor, const char *path);

/* ------------------------------------------------------------------------------------------ */
/* Pictures: uint8 tensors [1, C, H, W] of 1 (grey) or 3 (RGB) channels, at most 2^27 pixels  */

/** Reads a PNG, JPEG, PPM, PGM or PBM file (P1 to P6), from disk or memory, known by its first bytes. The result is
 * grey or RGB as the file is: palettes are resolved, samples of other depths become 8 bits, transparent places are
 * laid over white (rounded once), CMYK becomes RGB, stored as Adobe does, whether or not its segment says so.
 * Photographs are turned upright as their Exif data say, in a JPEG's APP1 segment or a PNG's eXIf chunk; XMP and
 * Exif packed in text are not looked at, nor are gamma and colour profiles.
 *
 * A picture is read if all its pixels are there, and those checksums right that cover them: what follows the pixels,
 * an end marker that is missing, and damage to a PNG's ancillary chunks other than tRNS do not matter. (Progressive
 * and arithmetic JPEGs need their end marker; without it, nobody knows what is missing.)
 *
 * Hostile files: size is seen to before memory is asked for. More than 2^27 pixels, 2^20 a side, or more than the
 * bytes of the file can hold (an arithmetic code is granted 2^20, and 512 a byte) are CN_ERR_FORMAT, as are JPEGs of
 * more than 500 scans or 2^32 pixels in all scans. Beside the file (at most 1 GiB), loading takes the picture's 1 or
 * 3 bytes a pixel, and a few rows; libjpeg takes up to 640 MiB for progressive JPEGs and refuses those that want
 * more, so that no picture takes above 1 GiB. All of this comes from the context's allocator except libjpeg's own
 * memory, which comes from malloc.
 *
 * CN_ERR_IO; CN_ERR_FORMAT: none of these formats, damaged, cut short, or too large; CN_ERR_UNSUPPORTED: PNG or JPEG
 * in a build without images. */
CN_API cn_status cn_image_load(cn_context *context, const char *path, cn_tensor **image);
/** The same of a file that is in memory. */
CN_API cn_status cn_image_load_memory(cn_context *context, const void *data, size_t bytes, cn_tensor **image);

/** Reads a PNG whose pixels are numbers and not colours, such as the classes of a mask: grey, or with a palette, of
 * which the indices are taken; uint8 [1, 1, H, W] of the values as they are stored, also of 1, 2 or 4 bits. Errors
 * as above; CN_ERR_FORMAT also for colour, 16 bits or an alpha channel. */
CN_API cn_status cn_image_load_mask(cn_context *context, const char *path, cn_tensor **mask);

/** Writes a picture as `path` ends, with .png, .ppm (RGB) or .pgm (grey), whole or not at all (as cn_model_save does).
 * CN_ERR_SHAPE: not a picture; CN_ERR_IO; CN_ERR_UNSUPPORTED: PNG in a build without images. */
CN_API cn_status cn_image_save(const cn_tensor *image, const char *path);
/** The picture as a PNG file in memory: a tensor of its bytes, uint8 [N], to be freed with cn_tensor_free.
 * CN_ERR_SHAPE, CN_ERR_UNSUPPORTED as cn_image_save. */
CN_API cn_status cn_image_encode_png(const cn_tensor *image, cn_tensor **png);

/** The picture in another size: bilinear with antialiasing, byte for byte Pillow's (torchvision's antialias=True). */
CN_API cn_status cn_image_resize(const cn_tensor *image, int height, int width, cn_tensor **resized);

/** What a model wants to see of any picture: resized so that it just covers height × width, small ones enlarged, and
 * its middle cut out (torchvision's Resize and CenterCrop); in grey (BT.601 luma) or RGB as `channels`, 1 or 3,
 * asks. */
CN_API cn_status cn_image_fit(const cn_tensor *image, int channels, int height, int width, cn_tensor **fitted);

/** Values as colours over a picture: `map`, float32 [1, 1, h, w], is stretched over the image (bilinear), its least
 * value dark blue, its largest yellow, and covers the picture by `opacity`, 0 to 1. The result is RGB, as large as the
 * image. CN_ERR_SHAPE; CN_ERR_DATA: NaN or infinity in the map. */
CN_API cn_status cn_image_overlay(const cn_tensor *image, const cn_tensor *map, float opacity, cn_tensor **overlaid);

/* ------------------------------------------------------------------------------------------ */
/* Layers: one operation with its hyper-parameters, before it joins a model                   */

/** A layer that no model has taken yet. */
typedef struct cn_layer cn_layer;

/** Frees a layer that no model took. */
CN_API void cn_layer_free(cn_layer *layer);

typedef enum cn_padding_mode {
    CN_PADDING_ZEROS = 0,
    CN_PADDING_REPLICATE = 1,
    CN_PADDING_REFLECT = 2, /**< padding must be smaller than the input */
    CN_PADDING_CIRCULAR = 3 /**< padding must not be larger than the input */
} cn_padding_mode;

typedef struct cn_conv2d_options {
    uint64_t size;
    int stride[2];   /**< height, width */
    int padding[2];  /**< height, width, on both sides */
    int dilation[2]; /**< height, width */
    int groups;      /**< must divide both numbers of channels */
    int bias;        /**< 0: none */
    cn_padding_mode padding_mode;
    int reserved;
} cn_conv2d_options;
#define CN_CONV2D_OPTIONS_INIT                                                                                         \
    { sizeof(cn_conv2d_options), {1, 1}, {0, 0}, {1, 1}, 1, 1, CN_PADDING_ZEROS, 0 }
/** CN_CONV2D_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_conv2d_options_init(cn_conv2d_options *options, size_t size);

/** 2-d convolution (cross-correlation, as in torch.nn.Conv2d): [N, in_channels, H, W] to [N, out_channels, H', W'],
 * H' = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.
 * Parameters: weight [out_channels, in_channels / groups, kernel_height, kernel_width], bias [out_channels]; both
 * start uniform in ±1 / sqrt(in_channels / groups · kernel_height · kernel_width). */
CN_API cn_status cn_conv2d_new(cn_context *context, int in_channels, int out_channels, int kernel_height,
                               int kernel_width, const cn_conv2d_options *options, cn_layer **layer);

typedef struct cn_conv_transpose2d_options {
    uint64_t size;
    int stride[2];         /**< height, width */
    int padding[2];        /**< height, width: rows and columns that the output loses on each side */
    int output_padding[2]; /**< height, width that it gains below and on the right; less than stride or dilation */
    int dilation[2];       /**< height, width */
    int groups;            /**< must divide both numbers of channels */
    int bias;              /**< 0: none */
} cn_conv_transpose2d_options;
#define CN_CONV_TRANSPOSE2D_OPTIONS_INIT                                                                               \
    { sizeof(cn_conv_transpose2d_options), {1, 1}, {0, 0}, {0, 0}, {1, 1}, 1, 1 }
/** CN_CONV_TRANSPOSE2D_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_conv_transpose2d_options_init(cn_conv_transpose2d_options *options, size_t size);

/** Transposed convolution (torch.nn.ConvTranspose2d), forward what a convolution of the same options is backward: each
 * input pixel adds kernel · pixel to the output, `stride` apart. [N, in_channels, H, W] to [N, out_channels, H', W'],
 * H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1; CN_ERR_SHAPE if that is below 1.
 * Parameters: weight [in_channels, out_channels / groups, kernel_height, kernel_width], bias [out_channels]; both start
 * uniform in ±1 / sqrt(out_channels / groups · kernel_height · kernel_width). */
CN_API cn_status cn_conv_transpose2d_new(cn_context *context, int in_channels, int out_channels, int kernel_height,
                                         int kernel_width, const cn_conv_transpose2d_options *options,
                                         cn_layer **layer);

/** y = W x + b over flat features (torch.nn.Linear): [N, in_features] to [N, out_features]; an image of 1×1 pixels
 * counts as flat. Parameters: weight [out_features, in_features] and, if `bias` is 1, bias [out_features]; both start
 * uniform in ±1 / sqrt(in_features). */
CN_API cn_status cn_linear_new(cn_context *context, int in_features, int out_features, int bias, cn_layer **layer);

typedef enum cn_norm_kind {
    CN_NORM_NONE = 0,
    CN_NORM_BATCH = 1,   /**< torch.nn.BatchNorm2d (Ioffe & Szegedy 2015): one mean and variance a channel */
    CN_NORM_LAYER = 2,   /**< GroupNorm with one group: one for each image, over channels, height and width. Over the
                              channels of each pixel, as in ConvNeXt: cn_layer_norm2d_new */
    CN_NORM_GROUP = 3,   /**< torch.nn.GroupNorm (Wu & He 2018): one for each image and group of channels */
    CN_NORM_INSTANCE = 4 /**< GroupNorm with a group a channel */
} cn_norm_kind;

typedef struct cn_norm_options {
    uint64_t size;
    int groups;              /**< CN_NORM_GROUP: must divide the channels; the others do not look at it */
    float eps;               /**< added to the variance; 0 or more */
    float momentum;          /**< CN_NORM_BATCH: share of the new value in the running statistics, 0 to 1 */
    int affine;              /**< 1: with weight and bias */
    int track_running_stats; /**< CN_NORM_BATCH: 0: statistics of the batch in evaluation too */
    int reserved;
} cn_norm_options;
#define CN_NORM_OPTIONS_INIT                                                                                           \
    { sizeof(cn_norm_options), 4, 1e-5f, 0.1f, 1, 1, 0 }
/** CN_NORM_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_norm_options_init(cn_norm_options *options, size_t size);

/** Normalisation of `channels` channels, y = (x - mean) / sqrt(variance + eps) · weight + bias. Parameters weight (1)
 * and bias (0), [channels]; batch norm also keeps running_mean, running_var (unbiased) and num_batches_tracked.
 * CN_NORM_NONE is CN_ERR_ARGUMENT. */
CN_API cn_status cn_norm_new(cn_context *context, cn_norm_kind norm, int channels, const cn_norm_options *options,
                             cn_layer **layer);

/** Layer norm over the `channels` channels of each pixel by itself (torchvision's LayerNorm2d, as in ConvNeXt, Liu et
 * al. 2022; torch.nn.LayerNorm with channels last, Ba et al. 2016): y = (x - mean) / sqrt(variance + eps) ·
 * weight[c] + bias[c], mean and variance those of the pixel's channels. Parameters weight (1) and bias (0),
 * [channels], if `affine` is 1; of the options only that and `eps` count. CN_NORM_LAYER is another: one mean and
 * variance for a whole image. */
CN_API cn_status cn_layer_norm2d_new(cn_context *context, int channels, const cn_norm_options *options,
                                     cn_layer **layer);

/** Local response normalisation (torch.nn.LocalResponseNorm, Krizhevsky et al. 2012), as in AlexNet and GoogLeNet:
 * y_c = x_c / (k + alpha / size · Σ x_j²)^beta over `size` channels around each, j = c - size / 2 to c + (size - 1)
 * / 2. PyTorch's defaults are alpha 1e-4, beta 0.75, k 1. CN_ERR_ARGUMENT: size below 1, alpha below 0, k not above
 * 0. */
CN_API cn_status cn_local_response_norm_new(cn_context *context, int size, float alpha, float beta, float k,
                                            cn_layer **layer);

/* Activation functions, element by element, as PyTorch's layers of these names. CN_ERR_ARGUMENT unless parameters are
 * finite, min_val is below max_val, and beta above 0. */
/** ReLU: max(x, 0). */
CN_API cn_status cn_relu_new(cn_context *context, cn_layer **layer);
/** LeakyReLU: x, below 0 negative_slope · x. */
CN_API cn_status cn_leaky_relu_new(cn_context *context, float negative_slope, cn_layer **layer);
/** ELU (Clevert et al. 2016): x, below 0 alpha · (e^x - 1). */
CN_API cn_status cn_elu_new(cn_context *context, float alpha, cn_layer **layer);
/** Sigmoid: 1 / (1 + e^-x). */
CN_API cn_status cn_sigmoid_new(cn_context *context, cn_layer **layer);
/** Tanh: tanh x. */
CN_API cn_status cn_tanh_new(cn_context *context, cn_layer **layer);
/** SiLU: x / (1 + e^-x). */
CN_API cn_status cn_silu_new(cn_context *context, cn_layer **layer);
/** Mish (Misra 2020): x · tanh(log(1 + e^x)). */
CN_API cn_status cn_mish_new(cn_context *context, cn_layer **layer);
/** Softplus: log(1 + e^(beta · x)) / beta, and x where beta · x is above threshold. */
CN_API cn_status cn_softplus_new(cn_context *context, float beta, float threshold, cn_layer **layer);
/** Hardtanh: x, at least min_val and at most max_val. */
CN_API cn_status cn_hardtanh_new(cn_context *context, float min_val, float max_val, cn_layer **layer);
/** ReLU6: x, at least 0 and at most 6. */
CN_API cn_status cn_relu6_new(cn_context *context, cn_layer **layer);
/** Hardsigmoid: min(max(x + 3, 0), 6) / 6. */
CN_API cn_status cn_hardsigmoid_new(cn_context *context, cn_layer **layer);
/** Hardswish (Howard et al. 2019): x · min(max(x + 3, 0), 6) / 6. */
CN_API cn_status cn_hardswish_new(cn_context *context, cn_layer **layer);
/** Softsign: x / (1 + |x|). */
CN_API cn_status cn_softsign_new(cn_context *context, cn_layer **layer);

/** Affine: scale · x + shift, of two numbers that do not train. CN_ERR_ARGUMENT: not finite. */
CN_API cn_status cn_affine_new(cn_context *context, float scale, float shift, cn_layer **layer);

/** PReLU: x, below 0 weight · x (torch.nn.PReLU; He et al. 2015). Parameter: weight [num_parameters], one for all
 * channels or one for each; it starts at 0.25. */
CN_API cn_status cn_prelu_new(cn_context *context, int num_parameters, cn_layer **layer);

typedef enum cn_gelu_kind {
    CN_GELU_EXACT = 0, /**< by the error function */
    CN_GELU_TANH = 1   /**< torch's approximation by tanh */
} cn_gelu_kind;

/** GELU (Hendrycks & Gimpel 2016): x Φ(x). */
CN_API cn_status cn_gelu_new(cn_context *context, cn_gelu_kind approximate, cn_layer **layer);

/** Dropout: in training sets each element to 0 with probability p, 0 <= p < 1, and scales the others by 1 / (1 - p); in
 * evaluation the identity. p is rounded to a multiple of 1/65536. Draws depend on seed, step, image and layer only. */
CN_API cn_status cn_dropout_new(cn_context *context, float p, cn_layer **layer);

typedef struct cn_pool2d_options {
    uint64_t size;
    int stride[2];         /**< {0, 0}: the kernel's size, as without a stride in PyTorch */
    int padding[2];        /**< at most half the kernel; padded places are never the maximum */
    int dilation[2];       /**< max pool only */
    int ceil_mode;         /**< 1: round the output's size up */
    int count_include_pad; /**< average pool: 0: divide by the places inside the image only */
    int divisor_override;  /**< average pool: divide by this instead; 0: do not */
    int reserved;
} cn_pool2d_options;
#define CN_POOL2D_OPTIONS_INIT                                                                                         \
    { sizeof(cn_pool2d_options), {0, 0}, {0, 0}, {1, 1}, 0, 1, 0, 0 }
/** CN_POOL2D_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_pool2d_options_init(cn_pool2d_options *options, size_t size);

/** The maximum of each window (torch.nn.MaxPool2d); the gradient goes to the first. */
CN_API cn_status cn_max_pool2d_new(cn_context *context, int kernel_height, int kernel_width,
                                   const cn_pool2d_options *options, cn_layer **layer);
/** The mean of each window (torch.nn.AvgPool2d). */
CN_API cn_status cn_avg_pool2d_new(cn_context *context, int kernel_height, int kernel_width,
                                   const cn_pool2d_options *options, cn_layer **layer);

/** The mean of each of output_height × output_width windows that cover the image (torch.nn.AdaptiveAvgPool2d); 1 × 1 is
 * global pooling. */
CN_API cn_status cn_adaptive_avg_pool2d_new(cn_context *context, int output_height, int output_width, cn_layer **layer);
/** Their maximum (torch.nn.AdaptiveMaxPool2d); the gradient goes to the first. */
CN_API cn_status cn_adaptive_max_pool2d_new(cn_context *context, int output_height, int output_width, cn_layer **layer);

typedef enum cn_upsample_mode {
    CN_UPSAMPLE_NEAREST = 0, /**< the pixel above and to the left: floor(i / scale_factor) */
    CN_UPSAMPLE_BILINEAR = 1 /**< between the four around it, by distance */
} cn_upsample_mode;

typedef struct cn_upsample_options {
    uint64_t size;
    int output_size[2];     /**< height, width; {0, 0}: by scale_factor */
    double scale_factor[2]; /**< height, width; {0, 0}: by output_size. A side becomes floor(scale_factor · side) */
    cn_upsample_mode mode;
    int align_corners; /**< bilinear: 1: the centres of the corner pixels stay in the corners, 0: their outer edges
                            do */
} cn_upsample_options;
#define CN_UPSAMPLE_OPTIONS_INIT                                                                                       \
    { sizeof(cn_upsample_options), {0, 0}, {0.0, 0.0}, CN_UPSAMPLE_NEAREST, 0 }
/** CN_UPSAMPLE_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_upsample_options_init(cn_upsample_options *options, size_t size);

/** torch.nn.Upsample: [N, C, H, W] to another height and width, larger or smaller, without antialiasing. Just one of
 * output_size and scale_factor must be given; otherwise, and for align_corners with nearest, CN_ERR_ARGUMENT. */
CN_API cn_status cn_upsample_new(cn_context *context, const cn_upsample_options *options, cn_layer **layer);

/** The sum of two or more inputs (a skip), element by element (torch.add). Inputs have one shape, or where they have
 * not, 1: channels, height or width of 1 are broadcast, as PyTorch does it. */
CN_API cn_status cn_add_new(cn_context *context, cn_layer **layer);
/** The product of two inputs, element by element (torch.mul), broadcast likewise: a factor [N, C, 1, 1] counts for all
 * pixels of its channel (squeeze-and-excitation; Hu et al. 2018). */
CN_API cn_status cn_mul_new(cn_context *context, cn_layer **layer);

/** Two or more inputs of one height and width, their channels one after the other (torch.cat over dimension 1). The
 * layer joins a model by cn_model_add; CN_ERR_SHAPE, as it does: heights or widths differ. */
CN_API cn_status cn_concat_new(cn_context *context, cn_layer **layer);

/** Its input as it is (torch.nn.Identity), in most places at no cost. */
CN_API cn_status cn_identity_new(cn_context *context, cn_layer **layer);

/** The same values in the same order, [N, C, H, W] to [N, C·H·W] (torch.nn.Flatten). */
CN_API cn_status cn_flatten_new(cn_context *context, cn_layer **layer);
/** The same values in the same order, to [N, channels, height, width] (of flat features torch.nn.Unflatten over
 * dimension 1, else torch.reshape), where one of the three may be -1: what the others leave. CN_ERR_SHAPE, as the
 * layer joins a model: not as many values. */
CN_API cn_status cn_reshape_new(cn_context *context, int channels, int height, int width, cn_layer **layer);

/** PixelShuffle (Shi et al. 2016), [N, C·r², H, W] to [N, C, H·r, W·r]: channel c·r² + i·r + j gives the pixels of rows
 * i, i + r, … and columns j, j + r, …. CN_ERR_SHAPE, as the layer joins a model: r² does not divide the channels. */
CN_API cn_status cn_pixel_shuffle_new(cn_context *context, int upscale_factor, cn_layer **layer);
/** PixelUnshuffle, the way back. CN_ERR_SHAPE, as the layer joins a model: r does not divide a side. */
CN_API cn_status cn_pixel_unshuffle_new(cn_context *context, int downscale_factor, cn_layer **layer);

/** ChannelShuffle (Zhang et al. 2018): of `groups` groups of channels the first of each, then the second of
 * each, and so on. CN_ERR_SHAPE, as the layer joins a model: `groups` does not divide the channels. */
CN_API cn_status cn_channel_shuffle_new(cn_context *context, int groups, cn_layer **layer);

/** `length` channels from channel `start` on (torch.narrow over dimension 1). CN_ERR_SHAPE, as the layer joins a
 * model: it has not so many. */
CN_API cn_status cn_narrow_new(cn_context *context, int start, int length, cn_layer **layer);

/** Columns left and right, rows above and below: `padding` is left, right, top, bottom, as in torch.nn.functional.pad.
 * With CN_PADDING_ZEROS they hold `value` (torch.nn.ZeroPad2d, ConstantPad2d), and negative ones cut off instead; the
 * other modes repeat pixels (ReplicationPad2d, ReflectionPad2d, CircularPad2d), and `value` is 0. CN_ERR_SHAPE, as the
 * layer joins a model: nothing is left, or a border repeats more than there is (see cn_padding_mode). */
CN_API cn_status cn_pad2d_new(cn_context *context, const int padding[4], cn_padding_mode mode, float value,
                              cn_layer **layer);

/** Over the channels (dimension 1): e^x / Σ e^x. */
CN_API cn_status cn_softmax_new(cn_context *context, cn_layer **layer);
/** Its logarithm. */
CN_API cn_status cn_log_softmax_new(cn_context *context, cn_layer **layer);

/* ------------------------------------------------------------------------------------------ */
/* Layers of your own: a type of layer that your program computes (examples/own_layer.c)      */

/** A hyper-parameter: a member of a struct of the program's, which has one for each layer of the type. Files keep it,
 * summaries show it. `usual` is its value where no options are given and where a file does not say; a value outside
 * least … most is CN_ERR_ARGUMENT, in a file CN_ERR_FORMAT. */
typedef enum cn_option_kind {
    CN_OPTION_INT = 0,  /**< an int */
    CN_OPTION_FLOAT = 1 /**< a float */
} cn_option_kind;
typedef struct cn_layer_option {
    const char *name; /**< 1 to 63 letters, digits and underscores */
    void *reserved_pointer;
    cn_option_kind kind;
    int offset; /**< of the member */
    double usual, least, most;
} cn_layer_option;
#define CN_INT_OPTION(type, member, usual, least, most)                                                                \
    { #member, NULL, CN_OPTION_INT, (int)offsetof(type, member), usual, least, most }
#define CN_FLOAT_OPTION(type, member, usual, least, most)                                                              \
    { #member, NULL, CN_OPTION_FLOAT, (int)offsetof(type, member), usual, least, most }

/** A parameter, float32. Each of its elements begins with `value` plus a number drawn uniformly from ±bound. */
typedef struct cn_layer_parameter {
    const char *name; /**< such as "weight": 1 to 31 letters, digits and underscores */
    void *reserved_pointer;
    int64_t shape[4];
    int dims; /**< 1 to 4 */
    int reserved;
    float value, bound;
} cn_layer_parameter;

/** What is to be computed. Arrays are dense float32: inputs and output [images, C, H, W], parameters as they were
 * declared. Backward's gradients are those of the loss by each; grad_inputs and grad_parameters come as zeros and take
 * what is written or added. No pointer is NULL but those that only backward has. */
typedef struct cn_layer_pass {
    uint64_t size;
    void *user;          /**< the definition's */
    const void *options; /**< the layer's */
    int64_t images;      /**< of this call */
    int training;        /**< 0: forward in evaluation, and both of a frozen layer */
    int input_count;
    const int64_t (*input_shapes)[3]; /**< of each input: channels, height, width */
    const int64_t *output_shape;
    const float *const *inputs;
    const float *const *parameters;
    float *output; /**< forward writes it, backward may read it */
    const float *grad_output;
    float *const *grad_inputs;
    float *const *grad_parameters;
} cn_layer_pass;

#define CN_MAX_LAYER_PARAMETERS 8
#define CN_MAX_LAYER_INPUTS     16

/** A type of layer. Its functions return CN_OK, or the status that the call which wanted them then fails with, with a
 * message that names type, layer and function (another number counts as CN_ERR_STATE). They are called on several
 * threads at once, also by different models of the context, so what `user` points to must not change under them.
 * They may call the library, with handles that nobody else uses meanwhile: not with the model that they are in, but
 * with predictors of it.
 *
 * forward and backward treat each image by itself: a call has 1 to 16 images of the batch, and which ones stand
 * together does not depend on the number of threads. Sums over the images of different calls are the library's, in
 * their order, so a function that gives the same for the same gives the same bits on any number of threads. */
typedef struct cn_layer_definition {
    uint64_t size;
    const char *type;               /**< 1 to 63 letters, digits, underscores, hyphens and dots. A name with a dot,
                                         such as "mine.Swish", will never be one of this library's */
    const cn_layer_option *options; /**< option_count of them, copied; NULL: none */
    uint64_t options_size;          /**< of the struct that they are members of, at most 4096 */
    int option_count;
    int min_inputs, max_inputs; /**< at most CN_MAX_LAYER_INPUTS */
    int reserved;
    /** Fills in the parameters, which come as zeros, and returns how many there are; their shapes follow from options
     * alone, as in PyTorch. NULL: none. Texts must live as long as the context. */
    int (*parameters)(void *user, const void *options, cn_layer_parameter parameters[CN_MAX_LAYER_PARAMETERS]);
    /** The output's shape from those of the inputs: channels, height, width. NULL: that of the first input, which all
     * others must have. */
    cn_status (*shape)(void *user, const void *options, int input_count, const int64_t (*inputs)[3], int64_t output[3]);
    /** Of one image's forward pass, for summaries. NULL: 0. */
    int64_t (*multiply_adds)(void *user, const void *options, const int64_t input[3], const int64_t output[3]);
    cn_status (*forward)(const cn_layer_pass *pass);
    cn_status (*backward)(const cn_layer_pass *pass);
    void (*release)(void *user); /**< called with the context's end; must not call the library. NULL: nobody */
    void *user;
    void *reserved_pointer;
} cn_layer_definition;
#define CN_LAYER_DEFINITION_INIT                                                                                       \
    { sizeof(cn_layer_definition), NULL, NULL, 0, 0, 1, 1, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }
/** CN_LAYER_DEFINITION_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_layer_definition_init(cn_layer_definition *definition, size_t size);

/** Makes the type known to the context, for as long as it lives: cn_custom_layer_new makes layers of it, and files with
 * such layers can be loaded, which otherwise fail with CN_ERR_FORMAT and the type's name. CN_ERR_ARGUMENT: the name is
 * taken, or a member makes no sense; `release` is then not called. */
CN_API cn_status cn_context_register_layer(cn_context *context, const cn_layer_definition *definition);

/** A layer of a registered type. `options` is the program's struct, or NULL: usual values. It counts as looking at
 * single pixels in receptive fields. CN_ERR_NOT_FOUND: no such type; CN_ERR_ARGUMENT: an option outside its range, or
 * parameters that cannot be. */
CN_API cn_status cn_custom_layer_new(cn_context *context, const char *type, const void *options, cn_layer **layer);

/* ------------------------------------------------------------------------------------------ */
/* Models: a graph of named layers with their parameters                                      */

/** A graph of named layers with their parameters. */
typedef struct cn_model cn_model;

/** Makes an empty model for images of channels × height × width. Its input goes by the name "input". */
CN_API cn_status cn_model_new(cn_context *context, int channels, int height, int width, cn_model **model);
/** Frees a model, after the trainers, optimizers and predictors of it: while there are some, or a call uses it, it only
 * warns the log. */
CN_API void cn_model_free(cn_model *model);

/** Adds a layer that reads the layer added last (or the input). The model takes `layer` over, also on failure, so a
 * chain of cn_…_new and cn_model_append needs no clean-up. `name` is unique in the model and copied; parameters are
 * called `name.weight` and so on. CN_ERR_SHAPE: the layer cannot read what it is given. CN_ERR_ARGUMENT: the name is
 * taken, empty, longer than 200 bytes, not UTF-8 or has control characters.
 *
 * A model that has been initialised, such as one from a file or by cn_model_until, can be added to and changed
 * (cn_model_replace). It then waits for cn_model_init, which draws what is new and keeps the rest, and tensors that
 * it has lent out are gone. Class names go with an output layer that is replaced or no longer the last one with
 * parameters. CN_ERR_STATE: a trainer, optimizer or predictor of the model exists. */
CN_API cn_status cn_model_append(cn_model *model, const char *name, cn_layer *layer);

/** The same, reading the named layers instead. CN_ERR_NOT_FOUND: no layer of that name. */
CN_API cn_status cn_model_add(cn_model *model, const char *name, cn_layer *layer, int input_count,
                              const char *const *inputs);

/** Adds a further input, which layers read by its name as they read "input" (Keras's Input layer). What it is given
 * has as many images as "input". Such a model runs by cn_model_forward_all and cn_predictor_run_all, which take the
 * inputs in the order of adding, "input" first. Errors as of cn_model_append. */
CN_API cn_status cn_model_add_input(cn_model *model, const char *name, int channels, int height, int width);

/** Makes the named layers, none of them an input, the model's outputs, in this order; a layer that is one may be read
 * by others too. Without this call the last layer is the only output. Before cn_model_init; a further call replaces
 * what was set. CN_ERR_NOT_FOUND: no such layer; CN_ERR_ARGUMENT: an input, or one twice; CN_ERR_STATE: after
 * cn_model_init. */
CN_API cn_status cn_model_set_outputs(cn_model *model, int64_t count, const char *const *names);

/** Puts `layer` in the place of the one called `name`: it reads the same inputs, and the same layers read it, whose
 * shapes follow. It is not frozen. The model takes it over, also on failure, and then is as it was.
 * CN_ERR_NOT_FOUND: no layer of that name; CN_ERR_SHAPE: it, or a layer behind it, cannot read what it would be
 * given; CN_ERR_STATE as of cn_model_append. */
CN_API cn_status cn_model_replace(cn_model *model, const char *name, cn_layer *layer);

/** The same for the output layer, the last convolution or linear layer before the first output: one that is like it but
 * for its `outputs`, the number of output channels or features. CN_ERR_NOT_FOUND: there is none. */
CN_API cn_status cn_model_replace_output(cn_model *model, int outputs);
/** The name of the output layer; NULL: there is none. */
CN_API const char *cn_model_output_layer(const cn_model *model);

/** Ends the building: allocates parameters and draws them (PyTorch's default distributions) from `seed`. Every layer
 * and input must be read by a layer or be an output. Called again it starts afresh; after layers were added or
 * replaced it draws theirs alone, and all others keep their values. CN_ERR_STATE: an empty model, or one with a
 * layer or input that nothing reads. */
CN_API cn_status cn_model_init(cn_model *model, uint64_t seed);

/** The same with PyTorch's own numbers, to the bit: what it draws on a CPU (x86 with AVX2; elsewhere its normal numbers
 * differ in last bits) if torch.manual_seed(seed) comes before the same layers, made in the order in which they were
 * added here. Prebuilt networks then begin as those of PyTorch and torchvision do. Of `seed` the low 32 bits count. */
CN_API cn_status cn_model_init_pytorch(cn_model *model, uint64_t seed);

typedef struct cn_session8_options {
    uint64_t size;
    cn_norm_kind norm; /**< CN_NORM_NONE: no normalisation */
    int groups;        /**< of CN_NORM_GROUP: must divide 16, 24 and 32 */
    float dropout;     /**< 0: none */
    int skip;          /**< 1: the padded blocks add their input */
    int64_t classes;
    uint64_t seed; /**< of the parameters */
} cn_session8_options;
#define CN_SESSION8_OPTIONS_INIT                                                                                       \
    { sizeof(cn_session8_options), CN_NORM_BATCH, 4, 0.01f, 1, 10, 0 }
/** CN_SESSION8_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_session8_options_init(cn_session8_options *options, size_t size);
/** The session-8 network for 3×32×32 images: 47,818 parameters with a norm. NULL options: the study's (batch norm,
 * skips, dropout 0.01, 10 classes, seed 0). Comes initialised. */
CN_API cn_status cn_model_session8(cn_context *context, const cn_session8_options *options, cn_model **model);

/** The study's MNIST networks, 2 to 5, for 1×28×28 images. Comes initialised from `seed`. */
CN_API cn_status cn_model_mnist(cn_context *context, int which, uint64_t seed, cn_model **model);

/** What the network has by itself. */
#define CN_ZOO_DEFAULT (-1)
typedef struct cn_zoo_options {
    uint64_t size;
    int channels, height, width; /**< of the images, or CN_ZOO_DEFAULT */
    int reserved;
    int64_t classes;  /**< or CN_ZOO_DEFAULT */
    uint64_t seed;    /**< of the parameters */
    float width_mult; /**< channels of all layers are those of the paper times this, to multiples of 8; above 0 to 16 */
    float dropout;    /**< where the network has some: 0 to below 1, 0: none; or CN_ZOO_DEFAULT */
} cn_zoo_options;
#define CN_ZOO_OPTIONS_INIT                                                                                            \
    {                                                                                                                  \
        sizeof(cn_zoo_options), CN_ZOO_DEFAULT, CN_ZOO_DEFAULT, CN_ZOO_DEFAULT, 0, CN_ZOO_DEFAULT, 0, 1.0f,            \
            CN_ZOO_DEFAULT                                                                                             \
    }
/** CN_ZOO_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_zoo_options_init(cn_zoo_options *options, size_t size);

/** Makes a network of the literature. All have torchvision's tensor names, so that its state dicts, saved as
 * safetensors, load as they are (cn_model_load_tensors). They end in logits, and come initialised from `seed` by
 * torchvision's distributions, which are also those of a later cn_model_init, unless it draws new layers alone or
 * the model came from a file.
 *
 *     name                          images     classes
 *     resnet18, resnet34, resnet50  3×224×224  1000     He et al. 2016
 *     resnet20, resnet32, resnet56  3×32×32    10       the same for CIFAR-10
 *     mobilenet_v2                  3×224×224  1000     Sandler et al. 2018
 *     mobilenet_v3_small            3×224×224  1000     Howard et al. 2019
 *     squeezenet1_1                 3×224×224  1000     Iandola et al. 2016
 *     unet                          3×64×64    2        Ronneberger et al. 2015
 *
 * Shortcuts of the ResNets for CIFAR-10 that change the shape are 1×1 convolutions (option B). unet has classes of
 * pixels, 16 channels for the paper's 64, padded convolutions, batch norms, and the names of
 * github.com/milesial/Pytorch-UNet; it takes sides that 16 divides.
 *
 * CN_ERR_NOT_FOUND: no such name; CN_ERR_SHAPE: images that are too small. */
CN_API cn_status cn_model_zoo(cn_context *context, const char *name, const cn_zoo_options *options, cn_model **model);

/** The name of a network; NULL: no such index, so that all can be listed from 0. Static storage. */
CN_API const char *cn_zoo_name(int index);

/* Parameters and buffers, in the order of a PyTorch state dict. The tensors belong to the model and live as long as
 * it. CN_ERR_NOT_FOUND: no such name; CN_ERR_STATE: before cn_model_init. */
/** How many there are; 0 before cn_model_init. */
CN_API int64_t cn_model_tensor_count(const cn_model *model);
/** The name of one; NULL: no such index. */
CN_API const char *cn_model_tensor_name(const cn_model *model, int64_t index);
/** The tensor of that name, which may be written to between calls. */
CN_API cn_status cn_model_tensor(cn_model *model, const char *name, cn_tensor **tensor);
/** The tensor of that name, only to be read. */
CN_API cn_status cn_model_tensor_const(const cn_model *model, const char *name, const cn_tensor **tensor);
/** What the last backward pass left of a parameter. Buffers and frozen parameters have none (CN_ERR_NOT_FOUND). */
CN_API cn_status cn_model_gradient(cn_model *model, const char *name, cn_tensor **gradient);
/** How many numbers the parameters have together. */
CN_API int64_t cn_model_parameter_count(const cn_model *model);

/** Freezes (1) what `pattern` matches, or thaws it (0): training leaves it as it is. A pattern is a name in which *
 * stands for any characters or none, dots included, and ? for one. It matches tensors by their names ("fc.bias",
 * "layer1.*", "*.weight") and layers by theirs, which means all of a layer ("layer1.0.conv1", "layer1*", "*").
 *
 * A frozen parameter has no gradient, no weight decay and no step. A batch norm whose layer or whose buffers (one
 * means all) are matched computes as in evaluation, with its running statistics, and does not touch them; a dropout
 * layer that is matched no longer drops. That is PyTorch's requires_grad_(False), and eval() where layers or buffers
 * are named. Layers before the first parameter that trains cost no backward pass, and no memory for one.
 *
 * It may be called at any time, between calls that use the model and also by a trainer's on_batch and on_epoch:
 * trainers and optimizers go by it from their next step on. What is thawed begins with optimizer state of zeros, or
 * where it stood when it was frozen. Files do not hold it (but which numbers of a network from an ONNX file are no
 * parameters, and so begin frozen); cn_model_until's copies do, and cn_model_init leaves it. CN_ERR_NOT_FOUND:
 * nothing of that name, and nothing has changed; CN_ERR_STATE: before cn_model_init, or a call uses the model. */
CN_API cn_status cn_model_freeze(cn_model *model, const char *pattern, int frozen);

/** 1: the tensor of that name is frozen, or the layer of that name computes as in evaluation. 0: not, or no such
 * name. */
CN_API int cn_model_frozen(const cn_model *model, const char *name);

/** A model of its own that ends with `layer`: copies of that layer and all it depends on, parameters, normalisation and
 * names included (of classes, if it is the first output). For features, activations, transfer. Of several inputs it has
 * those that the layer depends on; the first of them is called "input".
 * CN_ERR_NOT_FOUND: no such layer; CN_ERR_STATE: not initialised. */
CN_API cn_status cn_model_until(const cn_model *model, const char *layer, cn_model **part);

/** The shape of one image, of the first input where there are several: channels, height, width. */
CN_API void cn_model_input_shape(const cn_model *model, int64_t shape[3]);
/** The shape of what the model makes of one image, the first output where there are several. */
CN_API void cn_model_output_shape(const cn_model *model, int64_t shape[3]);

/** How many inputs the model has. */
CN_API int64_t cn_model_input_count(const cn_model *model);
/** How many outputs it has. */
CN_API int64_t cn_model_output_count(const cn_model *model);
/** The name of an input, valid as long as the model: "input", then those of cn_model_add_input. NULL: no such index. */
CN_API const char *cn_model_input_name(const cn_model *model, int64_t index);
/** The name of an output, valid as long as the model: the layers of cn_model_set_outputs, or the last. NULL: no such
 * index. */
CN_API const char *cn_model_output_name(const cn_model *model, int64_t index);
/** The shape of an input; zeros: no such index. */
CN_API void cn_model_input_shape_at(const cn_model *model, int64_t index, int64_t shape[3]);
/** The shape of an output; zeros: no such index. */
CN_API void cn_model_output_shape_at(const cn_model *model, int64_t index, int64_t shape[3]);

/** The shape of what comes out of images of any size. Predictors, evaluations, cn_model_forward and
 * cn_model_class_activation_map take images of other heights and widths than the model was made for where its layers
 * allow it: convolutions, pools, norms and activations do, and a global or adaptive pool brings any map to one size;
 * a linear layer behind a flattened map does not, and is named in CN_ERR_SHAPE. This is the shape of output `index`
 * for such images: `inputs` has channels, height and width of each of the model's inputs, one after another. What is
 * needed to run a size is made when it first comes, and kept for the model's own size and the four others that were
 * used last. CN_ERR_SHAPE; CN_ERR_NOT_FOUND: no such output. */
CN_API cn_status cn_model_output_shape_for(const cn_model *model, const int64_t *inputs, int64_t index,
                                           int64_t shape[3]);

/** Sets how the model's images are normalised, (pixel / 255 - mean) / std a channel, which goes into its file, as the
 * classes do. Predictors, evaluations and trainers normalise 8-bit images as the model says, whatever their data set
 * says; a trainer sets both from its training data if they are not set. Arrays and texts are copied. CN_ERR_SHAPE:
 * other channels than the model reads; CN_ERR_ARGUMENT: not finite, or a std that is not above 0. */
CN_API cn_status cn_model_set_normalization(cn_model *model, int channels, const float *mean, const float *std);
/** The number of channels, and a mean and std for each (or NULL), valid until they are set again; 0 and NULL if none
 * are known. */
CN_API int cn_model_normalization(const cn_model *model, const float **mean, const float **std);
/** A name for each channel of the output, of several outputs the first: where one of them tells classes apart, let it
 * be that. More or fewer, and what is not UTF-8, are CN_ERR_ARGUMENT; more or fewer that were set before, CN_ERR_STATE by
 * cn_model_init. */
CN_API cn_status cn_model_set_class_names(cn_model *model, int64_t classes, const char *const *names);
/** How many names there are; 0: none known. */
CN_API int64_t cn_model_class_count(const cn_model *model);
/** One of them; NULL: none known. */
CN_API const char *cn_model_class_name(const cn_model *model, int64_t index);

/** One row a layer, in the order of adding, "as data". Shapes are channels, height, width. */
typedef struct cn_layer_info {
    uint64_t size;
    const char *name; /**< valid as long as the model */
    const char *type; /**< PyTorch's name, such as "Conv2d" */
    int64_t input[3], output[3];
    int64_t parameters;
    int64_t multiply_adds;    /**< of one image's forward pass: convolutions and linear layers */
    int64_t activation_bytes; /**< of one image's output */
    int has_receptive_field;  /**< 1: a convolution or pool, and the following describe it, by height and width */
    int reserved;
    int64_t in[2], rf_in[2], jump_in[2], padding[2], kernel[2], stride[2], out[2], rf_out[2], jump_out[2];
} cn_layer_info;
#define CN_LAYER_INFO_INIT                                                                                             \
    {                                                                                                                  \
        sizeof(cn_layer_info), NULL, NULL, {0, 0, 0}, {0, 0, 0}, 0, 0, 0, 0, 0, {0, 0}, {0, 0}, {0, 0}, {0, 0},        \
            {0, 0}, {0, 0}, {0, 0}, {0, 0}, {                                                                          \
            0, 0                                                                                                       \
        }                                                                                                              \
    }
/** CN_LAYER_INFO_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_layer_info_init(cn_layer_info *info, size_t size);
/** How many layers the model has. */
CN_API int64_t cn_model_layer_count(const cn_model *model);
/** Fills in row `index`. `info` begins with its size, as CN_LAYER_INFO_INIT sets it. CN_ERR_NOT_FOUND. */
CN_API cn_status cn_model_layer_info(const cn_model *model, int64_t index, cn_layer_info *info);

/** The same as a table of text, to be freed with cn_text_free, of 80 columns or less where names are no longer than
 * session 8's: every layer with its options that are not the usual ones, inputs other than the layer above, its place
 * among the model's outputs where there are several, output ("32" for 32 features, "16×30×30" for channels, height,
 * width), parameters and multiply-adds, and the sums with the memory they take. */
CN_API cn_status cn_model_summary(const cn_model *model, char **text);
/** Another such table: the receptive field, "rf", and the distance of neighbours in pixels of the image, "jump", layer
 * by layer (Araujo et al. 2019); "1×3" where height and width differ. */
CN_API cn_status cn_model_receptive_field(const cn_model *model, char **text);

/** Writes a model file: safetensors, with PyTorch's tensor names; architecture, normalisation, class names and a
 * checksum (CRC-32) are in its metadata, so the file alone rebuilds the model. CN_ERR_IO; CN_ERR_STATE: not
 * initialised; CN_ERR_ARGUMENT also: `path` ends in ".onnx" (cn_model_save_onnx) or ".npz" (cn_model_state_dict and
 * cn_tensors_save).
 *
 * Saving loses nothing: it writes a temporary file beside `path`, NAME.tmp-PID-N, syncs it and renames it, so that a
 * failure leaves the old file as it was, and a link points where it did. Those that dead processes have left behind
 * are removed. Where a file cannot be replaced by another (a mount point, a folder in which nothing may be made), it
 * is written in place; if that fails half-way, the message says where the whole new content is, if anywhere. */
CN_API cn_status cn_model_save(const cn_model *model, const char *path);
/** The same file as its bytes, uint8 [N], to be freed with cn_tensor_free. */
CN_API cn_status cn_model_save_memory(const cn_model *model, cn_tensor **file);

/** Reads a model file. CN_ERR_IO; CN_ERR_FORMAT: another kind of file, damaged or cut short.
 *
 * It takes float32, and converts F16, BF16 and F64 (CN_ERR_FORMAT names a number that float32 cannot hold). A file in
 * this library's own writing must fit its checksum. So must one that another program has written again, in whatever
 * order; if that has changed the tensors or dropped the checksum, nobody can tell change from damage, and the
 * context's log has a line about it. Hostile files: at most 16 MiB of header, 16,384 layers of up to 4,096 inputs, and
 * no memory for tensors before the header is found to be right.
 *
 * It also takes ONNX files, opsets 1 to 21, which it knows by their content: each becomes a model of the layers above
 * that runs, trains and can be saved. Its first input is "input", further ones and layers have the file's names, and
 * so have parameters ("fc.weight") where they are called after a layer; else the name is the node's, or that of the
 * module which PyTorch's exporter has put there. The number of images is free whatever the file says; sides that it
 * leaves open are 224 to begin with; images that it has as [N, H, W, C] and turns are read as [N, C, H, W]. Numbers
 * outside the file are read from its folder alone, links followed. What exporters write out (hard swish, GELU, layer
 * norm, channel shuffle) becomes one layer again. A constant for each channel that is added or multiplied becomes a
 * 1×1 convolution of groups; what the exported program had as numbers, not parameters, is frozen (cn_model_freeze),
 * also when the model has been saved and is loaded again. Of a parameter that several layers read each gets a copy,
 * which the context's log has a line about. Class names and normalisation are taken from the metadata of files that
 * cn_model_save_onnx wrote, names also as Ultralytics writes them. CN_ERR_UNSUPPORTED names every node that no layer
 * computes, and why; CN_ERR_FORMAT: damaged, or shapes that do not fit. Hostile files: memory for parameters only in
 * proportion to the file's own numbers, and layers as above. */
CN_API cn_status cn_model_load(cn_context *context, const char *path, cn_model **model);
/** The same of a file that is in memory. */
CN_API cn_status cn_model_load_memory(cn_context *context, const void *data, size_t bytes, cn_model **model);

/** How a file holds floats, each rounded to the nearest, of two equally near to the even one. Loading makes float32 of
 * all. */
typedef enum cn_weights {
    CN_WEIGHTS_FLOAT32 = 0,
    CN_WEIGHTS_FLOAT16 = 1, /**< half the size: 11 bits of precision, up to 65504, from 6e-8 */
    CN_WEIGHTS_BFLOAT16 = 2 /**< half the size: 8 bits of precision, and float32's range */
} cn_weights;

typedef struct cn_save_options {
    uint64_t size;
    cn_weights weights;
    int deflate; /**< of .npz files (cn_tensors_save): 1: compressed, 0: not */
} cn_save_options;
#define CN_SAVE_OPTIONS_INIT                                                                                           \
    { sizeof(cn_save_options), CN_WEIGHTS_FLOAT32, 0 }
/** CN_SAVE_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_save_options_init(cn_save_options *options, size_t size);

/** cn_model_save with other weights: parameters are written as `weights` says; running statistics stay float32, and
 * num_batches_tracked int64. CN_ERR_DATA: a parameter that such weights cannot hold, which the message names. */
CN_API cn_status cn_model_save_with(const cn_model *model, const char *path, const cn_save_options *options);
/** The same as bytes, as of cn_model_save_memory. */
CN_API cn_status cn_model_save_memory_with(const cn_model *model, const cn_save_options *options, cn_tensor **file);

typedef struct cn_onnx_options {
    uint64_t size;
    int include_preprocessing; /**< 1: the first nodes normalise, so that the first input takes pixels, 0 to 255 */
    int reserved;
} cn_onnx_options;
#define CN_ONNX_OPTIONS_INIT                                                                                           \
    { sizeof(cn_onnx_options), 0, 0 }
/** CN_ONNX_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_onnx_options_init(cn_onnx_options *options, size_t size);

/** Writes the model as an ONNX file, as it computes in evaluation: float32, any number of images "N", the heights and
 * widths that it was made for. Inputs, outputs, nodes and initialisers are called as inputs, layers and tensors are;
 * a layer that takes several nodes has their names behind its own ("norm/Reshape_1"). An output of flat features is
 * [N, features], others [N, channels, height, width]. The opset is the lowest that has the operators: 13, with
 * Hardswish 14, with LayerNorm2d 17. Class names and normalisation go into the file's metadata,
 * "convnet.class_names", "convnet.mean" and "convnet.std" as JSON, where cn_model_load finds them. NULL options: the
 * values of CN_ONNX_OPTIONS_INIT.
 *
 * What an ONNX file does not say is lost: num_batches_tracked, and that some layers were one. It is written as
 * cn_model_save writes. CN_ERR_IO; CN_ERR_STATE: not initialised, or include_preprocessing without a normalisation;
 * CN_ERR_UNSUPPORTED: a layer of a program's own type, which the message names, or more than the 2 GiB of a file. */
CN_API cn_status cn_model_save_onnx(const cn_model *model, const char *path, const cn_onnx_options *options);
/** The same file as its bytes, uint8 [N], to be freed with cn_tensor_free. */
CN_API cn_status cn_model_save_onnx_memory(const cn_model *model, const cn_onnx_options *options, cn_tensor **file);

/* A self-test: one input and what the model gives for it, which go into the model's file (in its metadata, so that
 * other programs find the tensors that they expect). Who loads the file can see whether outputs are still the same, on
 * this machine and with this version, and, who prepares images in a way of their own, whether that is the way that the
 * model was trained with: no red and blue exchanged, nothing left unscaled. */
/** Takes copies of as many inputs as the model has, of one image each and the model's own size: float32, or the first
 * one uint8 pixels, which the model normalises (CN_ERR_STATE: it does not know how); and computes the outputs. 0 and
 * NULL: no self-test any more. Inputs and outputs may take 4 MiB together. CN_ERR_SHAPE; CN_ERR_DATA: a number that is
 * not finite.
 *
 * What is expected belongs to the parameters as they are. If these have been changed since then, by training or
 * otherwise, a file gets what they give when it is saved. Files of weights of 16 bits have what the model gave in
 * float32, within 1e-2. */
CN_API cn_status cn_model_set_self_test(cn_model *model, int64_t input_count, const cn_tensor *const *inputs);
/** Runs it and compares: `difference`, or NULL, gets the largest, as a share of the largest value of that output. 1e-4
 * is a good tolerance. CN_ERR_NUMERIC: it is above `tolerance`; CN_ERR_NOT_FOUND: the model has no self-test;
 * CN_ERR_STATE: the model has been changed since. */
CN_API cn_status cn_model_self_test(const cn_model *model, double tolerance, double *difference);
/** What went in, uint8 or float32 [1, C, H, W]: valid until the self-test is set again. NULL: no self-test, or no such
 * index. */
CN_API const cn_tensor *cn_model_self_test_input(const cn_model *model, int64_t index);
/** What came out, float32 [1, K] or [1, C', H', W'], likewise. */
CN_API const cn_tensor *cn_model_self_test_output(const cn_model *model, int64_t index);

typedef struct cn_export_c_options {
    uint64_t size;
    const char *name; /**< at most 40 letters, digits and _; NULL: the file's, made such a name */
    void *reserved_pointer;
} cn_export_c_options;
#define CN_EXPORT_C_OPTIONS_INIT                                                                                       \
    { sizeof(cn_export_c_options), NULL, NULL }
/** CN_EXPORT_C_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_export_c_options_init(cn_export_c_options *options, size_t size);

/** A model as C that needs nothing else: writes `path`, which ends in ".c", and beside it a header, for C99 with
 * <math.h>. Weights and a self-test are inside; memory is static and shared by what is never alive together; batch
 * norms are taken into the convolutions before them. Like a predictor it gives, for one image of the model's own
 * size, float32, within rounding what the model gives; batch norm without running statistics takes those of the
 * image. What it declares begins with `name`: NAME_run, NAME_self_test, NAME_INPUT_FLOATS and so on, see there.
 *
 * CN_ERR_UNSUPPORTED: a layer that a program has defined; CN_ERR_DATA, CN_ERR_NUMERIC: parameters or outputs that are
 * not finite; CN_ERR_IO: each file is replaced whole, the header first; CN_ERR_STATE: not initialised. */
CN_API cn_status cn_model_export_c(const cn_model *model, const char *path, const cn_export_c_options *options);

/** Session 8 with batch norm, trained on CIFAR-10: a model file that is part of the library, for images of 3×32×32 in
 * the ten classes that cn_model_class_name gives. The same file, session8-cifar10.safetensors, is installed in
 * PREFIX/share/convnet/, beside a card that says how it was trained and what it gets right. */
CN_API cn_status cn_model_session8_pretrained(cn_context *context, cn_model **model);

/** Reads parameters and buffers by name into a model that exists: a PyTorch state dict saved as safetensors, or an
 * .npz file of numpy's, which is known by its content. All of the model's tensors must be there with its shapes
 * (num_batches_tracked may be missing), or nothing changes: CN_ERR_NOT_FOUND, CN_ERR_SHAPE; CN_ERR_FORMAT,
 * CN_ERR_IO; CN_ERR_DATA: a number that float32 cannot hold (F16, BF16 and F64 are converted, as by cn_model_load).
 * Tensors unknown to the model are logged and passed over. If the file's names begin with what PyTorch's wrappers put
 * there ("module.", "model.", "_orig_mod."), that is left out, and logged. */
CN_API cn_status cn_model_load_tensors(cn_model *model, const char *path);

/** What became of a tensor, with a message for people ("" for CN_LOAD_MATCHED). `name` is the model's; of an unexpected
 * one the file's. */
typedef enum cn_load_result {
    CN_LOAD_MATCHED = 0,     /**< it will be taken, unless the call fails */
    CN_LOAD_MISSING = 1,     /**< not in the file */
    CN_LOAD_OTHER_SHAPE = 2, /**< or type */
    CN_LOAD_UNEXPECTED = 3   /**< in the file, but not in the model */
} cn_load_result;
/** Told what became of a tensor. */
typedef void (*cn_load_function)(void *user, cn_load_result result, const char *name, const char *message);

typedef struct cn_load_options {
    uint64_t size;
    const char *prefix; /**< what the file has before the model's names, such as "backbone."; NULL: none, or wrappers */
    const char *const *renames; /**< how names begin in the file, each followed by how they do in the model, such as
                                     "encoder.", "features.", and NULL at the end; of several that fit a name the
                                     first counts. NULL: none */
    cn_load_function report;    /**< told of all tensors, the model's in its order and then unexpected ones, before
                                     any is taken, and also if the call is about to fail for them; it may read the
                                     model; or NULL */
    void *user;                 /**< handed to `report` */
    int strict;                 /**< 1: all or nothing */
    int reserved;
} cn_load_options;
#define CN_LOAD_OPTIONS_INIT                                                                                           \
    { sizeof(cn_load_options), NULL, NULL, NULL, NULL, 1, 0 }
/** CN_LOAD_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_load_options_init(cn_load_options *options, size_t size);

/** cn_model_load_tensors for parts of a network. With `strict` 0 what fits is taken, as load_state_dict(strict=False)
 * does, and what is missing, or of another shape such as the head for other classes, keeps the model's values; each
 * has a line in the context's log. CN_ERR_NOT_FOUND: nothing fits, or a rename stands for no tensor of the model. */
CN_API cn_status cn_model_load_tensors_with(cn_model *model, const char *path, const cn_load_options *options);
/** The same from a file in memory. */
CN_API cn_status cn_model_load_tensors_memory(cn_model *model, const void *data, size_t bytes,
                                              const cn_load_options *options);

/** Named tensors with texts beside them, out of files and into them: weights under other names, features, whatever
 * moves between programs. */
typedef struct cn_tensors cn_tensors;
/** Makes a collection of none. */
CN_API cn_status cn_tensors_new(cn_context *context, cn_tensors **tensors);
/** Reads safetensors, and .npz files of numpy's, compressed or not, and knows them by their content. Tensors come in
 * the file's order: floats (F16, BF16, F32, F64) as float32, U8 and BOOL as uint8, other integers as int64. Metadata
 * are those of a safetensors file's "__metadata__"; an .npz file has none. CN_ERR_IO; CN_ERR_FORMAT: another kind of
 * file, damaged, cut short, or two tensors of one name; CN_ERR_UNSUPPORTED: other types (complex, 8-bit floats), more
 * than CN_MAX_DIMS dimensions, encrypted; CN_ERR_DATA: a number beyond int64 or float32. Whether a model's file fits
 * its checksum is not asked: cn_model_load does that. */
CN_API cn_status cn_tensors_load(cn_context *context, const char *path, cn_tensors **tensors);
/** The same from a file in memory. */
CN_API cn_status cn_tensors_load_memory(cn_context *context, const void *data, size_t bytes, cn_tensors **tensors);
/** Frees a collection and its tensors. */
CN_API void cn_tensors_free(cn_tensors *tensors);

/** How many tensors there are. */
CN_API int64_t cn_tensors_count(const cn_tensors *tensors);
/** The name of one, in the order of the file or of adding; NULL: no such index. */
CN_API const char *cn_tensors_name(const cn_tensors *tensors, int64_t index);

/** The tensor of that name, which belongs to the collection, lives until it is removed, and may be written to.
 * CN_ERR_NOT_FOUND. */
CN_API cn_status cn_tensors_get(cn_tensors *tensors, const char *name, cn_tensor **tensor);
/** The same, only to be read. */
CN_API cn_status cn_tensors_get_const(const cn_tensors *tensors, const char *name, const cn_tensor **tensor);

/** Adds a copy of a tensor under a name of its own, UTF-8 of 1 to 65,000 bytes. CN_ERR_ARGUMENT: the name is taken or
 * is none. */
CN_API cn_status cn_tensors_add(cn_tensors *tensors, const char *name, const cn_tensor *tensor);
/** Removes the tensor of that name. CN_ERR_NOT_FOUND. */
CN_API cn_status cn_tensors_remove(cn_tensors *tensors, const char *name);

/** The text under a key; NULL: none. */
CN_API const char *cn_tensors_metadata(const cn_tensors *tensors, const char *key);
/** Sets the text under a key, in UTF-8, or removes it if `value` is NULL. */
CN_API cn_status cn_tensors_set_metadata(cn_tensors *tensors, const char *key, const char *value);
/** How many keys there are. */
CN_API int64_t cn_tensors_metadata_count(const cn_tensors *tensors);
/** One of them; NULL: no such index. */
CN_API const char *cn_tensors_metadata_key(const cn_tensors *tensors, int64_t index);

/** Writes a file as its name ends, with .safetensors or .npz, whole or not at all (as cn_model_save does). NULL
 * options: the usual ones. float32 tensors are written as `weights` says, but for those called running_mean and
 * running_var (after their last dot); numpy has no bfloat16. Metadata stay behind where the file is .npz, and the
 * context's log has a line about it. CN_ERR_ARGUMENT: another ending, or safetensors that are to be deflated;
 * CN_ERR_UNSUPPORTED: bfloat16 in .npz; CN_ERR_DATA as of cn_model_save_with; CN_ERR_IO. */
CN_API cn_status cn_tensors_save(const cn_tensors *tensors, const char *path, const cn_save_options *options);
/** The same into memory, as `kind` says, which is one of these endings: uint8 [N], to be freed with cn_tensor_free. */
CN_API cn_status cn_tensors_save_memory(const cn_tensors *tensors, const char *kind, const cn_save_options *options,
                                        cn_tensor **file);

/** A model's parameters and buffers as such a collection, copied, in the order of the state dict. CN_ERR_STATE: the
 * model is not initialised. */
CN_API cn_status cn_model_state_dict(const cn_model *model, cn_tensors **tensors);
/** And back into a model, by name, as cn_model_load_tensors_with takes them out of a file. NULL options: the usual
 * ones. */
CN_API cn_status cn_model_load_state_dict(cn_model *model, const cn_tensors *tensors, const cn_load_options *options);

/* A loop of your own: forward, a loss, backward, an optimizer's step. */

/** Runs float32 [N, C, H, W] through the model into `output`, float32 [N, K] or [N, C', H', W']. With `training`
 * batch norm uses and tracks the batch's statistics, dropout drops, and what backward needs is kept. Dropout draws
 * from cn_model_init's seed and the number of training passes so far. CN_ERR_SHAPE also: batch norm in training with
 * one value a channel; CN_ERR_STATE also: another call uses the model. Memory is allocated when N grows or a size
 * comes that is not kept, otherwise none. */
CN_API cn_status cn_model_forward(cn_model *model, int training, const cn_tensor *input, cn_tensor *output);

/** From dLoss/dOutput, shaped as the output of the last forward pass, to the gradients of all parameters that are not
 * frozen, replacing the old ones; with `grad_input` (or NULL), shaped as the input, that too. The first time it costs
 * memory and another forward pass, and from then on a frozen beginning is computed with other roundings. CN_ERR_STATE:
 * the last forward pass was not a training one, a backward pass has followed it already (each serves one), or
 * cn_model_freeze has. */
CN_API cn_status cn_model_backward(cn_model *model, const cn_tensor *grad_output, cn_tensor *grad_input);

/** cn_model_forward for a model with several inputs and outputs: as many tensors as it has, in the order of
 * cn_model_input_name and cn_model_output_name. An entry of `outputs` may be NULL: it is not wanted. CN_ERR_SHAPE:
 * another number of them. */
CN_API cn_status cn_model_forward_all(cn_model *model, int training, int64_t input_count,
                                      const cn_tensor *const *inputs, int64_t output_count, cn_tensor *const *outputs);
/** cn_model_backward for such a model. An entry of `grad_outputs` may be NULL: the loss does not depend on that output;
 * of `grad_inputs`: not wanted, nor any with 0 and NULL. CN_ERR_SHAPE: another number of them. */
CN_API cn_status cn_model_backward_all(cn_model *model, int64_t output_count, const cn_tensor *const *grad_outputs,
                                       int64_t input_count, cn_tensor *const *grad_inputs);

/** 1: backward passes add to the gradients from now on, as PyTorch's do; 0: they replace them, as at first and after
 * cn_model_init. For a step over n batches call it before each backward pass, with 0 for the first and 1 for the
 * others, and divide each batch's gradient of the outputs by n. */
CN_API cn_status cn_model_accumulate_gradients(cn_model *model, int accumulate);

/** Between backward and step: shortens the gradients of all parameters, taken as one vector, so that its L2 norm is at
 * most `max_norm`, 0 or more (torch.nn.utils.clip_grad_norm_: times max_norm / (norm + 1e-6) if that is below 1);
 * INFINITY only measures. `norm`, or NULL, gets what it was. CN_ERR_NUMERIC: it is NaN or infinite; the gradients are
 * left as they are. */
CN_API cn_status cn_model_clip_gradients_norm(cn_model *model, double max_norm, double *norm);

/** Brings each gradient into ±max_value, 0 or more (clip_grad_value_); NaN stays. */
CN_API cn_status cn_model_clip_gradients_value(cn_model *model, double max_value);

/** Training passes since cn_model_init, of which dropout's draws depend: 0 to 2^32 - 1. cn_trainer_fit counts
 * otherwise, by epochs. */
CN_API int64_t cn_model_training_passes(const cn_model *model);
/** Sets their number, before the first pass. Checkpoints hold it; this is for a program with files of its own. */
CN_API cn_status cn_model_set_training_passes(cn_model *model, int64_t passes);

/* ------------------------------------------------------------------------------------------ */
/* Data sets: images and what a model is to make of them, normalised and augmented            */

/** Images and what a model is to make of them. */
typedef struct cn_dataset cn_dataset;

/** What a model is to make of an image: target i of a data set is for output i of a model. Targets travel as tensors:
 * the types and shapes of `count` of them are given here, N = count. */
typedef enum cn_target_kind {
    CN_TARGET_CLASS = 0,  /**< one of several classes: int64 [N] */
    CN_TARGET_VECTOR = 1, /**< K numbers, for regression, key points, several labels: float32 [N, K] */
    CN_TARGET_MASK = 2,   /**< a class a pixel: int64 [N, H, W], stored also as uint8 */
    CN_TARGET_IMAGE = 3   /**< an image: float32 [N, C, H, W], stored also as uint8, of which 255 is 1 */
} cn_target_kind;

/** What a vector's numbers are, and so what becomes of them where augmentation moves the image (crop, flip, rotation,
 * perspective). */
typedef enum cn_vector_kind {
    CN_VECTOR_UNKNOWN = 0,   /**< not said: such augmentation is refused */
    CN_VECTOR_INVARIANT = 1, /**< true wherever things lie, such as labels and counts: they stay */
    CN_VECTOR_POINTS = 2     /**< x, y of K / 2 points in pixels, (0, 0) the centre of the first: they move along,
                                  maybe out of the image */
} cn_vector_kind;

/** Describes a target, one image's share of it. */
typedef struct cn_target_options {
    uint64_t size;
    cn_target_kind kind;
    cn_vector_kind vector; /**< of a vector */
    int64_t classes;       /**< of a class or a mask, 1 or more */
    int64_t ignore_index;  /**< of a mask: pixels of this value count for nothing; none of 0 … classes - 1 */
    int64_t shape[3];      /**< channels, height, width: {1, 1, 1} of a class, {K, 1, 1}, {1, H, W} or {C, H, W}; of
                                a class, or where a tensor tells them, they may be zeros */
    const int *mirrored;   /**< of points: where the image is mirrored, point i is what was point mirrored[i], such
                                as the left eye for the right one; itself where points have no such partner. NULL:
                                not said, flips are refused */
    void *reserved_pointer;
} cn_target_options;
#define CN_TARGET_OPTIONS_INIT                                                                                         \
    { sizeof(cn_target_options), CN_TARGET_CLASS, CN_VECTOR_UNKNOWN, 0, -100, {0, 0, 0}, NULL, NULL }
/** CN_TARGET_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_target_options_init(cn_target_options *options, size_t size);

typedef enum cn_split {
    CN_SPLIT_TRAIN = 0,
    CN_SPLIT_TEST = 1,
    CN_SPLIT_ALL = 2,       /**< all there are; of folders and .npz only */
    CN_SPLIT_VALIDATION = 3 /**< to steer a training by, beside one for testing; of folders and .npz only */
} cn_split;

/** The binary files of CIFAR-10 (data_batch_1.bin … data_batch_5.bin, test_batch.bin; names from batches.meta.txt
 * where it is) in `directory`, or in the folder cifar-10-batches-bin in it, all in memory, normalised with session 8's
 * mean and std. CN_ERR_IO: a file is missing; the message says if what is there is the archive or the version for
 * Python; CN_ERR_FORMAT: not a whole number of records; CN_ERR_DATA: a label above 9. */
CN_API cn_status cn_dataset_cifar10(cn_context *context, const char *directory, cn_split split, cn_dataset **dataset);

/** CIFAR-100 (train.bin, test.bin, fine_label_names.txt, coarse_label_names.txt), with its 100 fine or, with `coarse`,
 * 20 coarse labels, in `directory` or in the folder cifar-100-binary in it. */
CN_API cn_status cn_dataset_cifar100(cn_context *context, const char *directory, cn_split split, int coarse,
                                     cn_dataset **dataset);

/** MNIST and its relatives (Fashion-MNIST, KMNIST, EMNIST …): train-images-idx3-ubyte, train-labels-idx1-ubyte and the
 * same with t10k or test in `directory` or up to two folders below, plain or .gz, also with dots or underscores for
 * hyphens, with a prefix, or each in a folder of its name. Where there are several sets, `directory` is the folder and
 * the prefix of one, such as DIR/emnist-letters. Normalised with MNIST's mean and std.
 * There are ten classes, or as many as the training labels (also for the test images) need; where these go beyond 9 and
 * none is 0, label 1 is class 0, called "1". Names are the lines of classes.txt, labels.txt or names.txt beside the
 * labels. Images stay as stored: EMNIST's are transposed, lines for columns.
 * CN_ERR_IO: no such files; CN_ERR_FORMAT; CN_ERR_DATA: several sets, or a label outside. */
CN_API cn_status cn_dataset_idx(cn_context *context, const char *directory, cn_split split, cn_dataset **dataset);

/** Any pair of IDX files of unsigned bytes: images [N, H, W] or [N, C, H, W] and labels [N]. The number of classes is
 * the largest label + 1. Not normalised (mean 0, std 1). */
CN_API cn_status cn_dataset_idx_files(cn_context *context, const char *images, const char *labels,
                                      cn_dataset **dataset);

/** Arrays: images [N, C, H, W], uint8 (0 to 255) or float32 (taken as they are, before normalisation, which then does
 * not divide by 255), and as their one target labels int64 [N], 0 to classes - 1; or NULL and 0 classes: no target yet,
 * see cn_dataset_add_target. Their memory is borrowed and must outlive the data set. CN_ERR_SHAPE; CN_ERR_DATA: a label
 * outside, or an image with NaN or infinity. */
CN_API cn_status cn_dataset_memory(cn_context *context, const cn_tensor *images, const cn_tensor *labels,
                                   int64_t classes, cn_dataset **dataset);

/** Adds a further target to a data set of any kind, behind those that it has: row i of the tensor is image i's. Views
 * that are made later have it too. The tensor's memory is borrowed and must outlive them all. NULL with
 * CN_TARGET_IMAGE: the image itself, as the epoch has augmented it, but without cutout's hole, so that an autoencoder
 * gives back what it was shown and one trained with cutout fills the hole in; for a denoiser, hand over noisy images
 * with the clean ones as targets.
 *
 * Targets are never normalised: an image target is what is stored, or 0 to 1 where that is uint8. Augmentation moves
 * masks (nearest pixel; what comes from outside of the image becomes ignore_index) and image targets (as images; their
 * colours stay) along with the images. Those of another height or width than the images can be mirrored only.
 *
 * CN_ERR_SHAPE: another type or shape; CN_ERR_DATA: a class outside, NaN or infinity; CN_ERR_ARGUMENT: also a target
 * that does not allow the augmentation that is set. */
CN_API cn_status cn_dataset_add_target(cn_dataset *dataset, const cn_tensor *targets, const cn_target_options *options);
/** Removes all targets, such as the classes of a data set that is to have others. */
CN_API cn_status cn_dataset_clear_targets(cn_dataset *dataset);
/** How many targets it has. */
CN_API int cn_dataset_target_count(const cn_dataset *dataset);
/** Fills in target `target`. `options` begins with its size, as CN_TARGET_OPTIONS_INIT sets it; its `mirrored` lives
 * until the targets are cleared or the data set is freed. CN_ERR_NOT_FOUND. */
CN_API cn_status cn_dataset_target(const cn_dataset *dataset, int target, cn_target_options *options);

/** Arrays of numpy: a .npy file of images [N, H, W], [N, C, H, W] or, where the last extent is 1 or 3 and the second
 * is not, [N, H, W, C], uint8 or floats as in cn_dataset_memory; and one of targets, or NULL: none. `options` say
 * what these are, of which `classes` may be 0: as many as the largest needs, up to 1000 and one a target; NULL: integers
 * [N] or [N, 1] are classes, other [N, K] and floats [N] vectors, integers [N, H, W] masks, and what is left images. An
 * axis of length 1 that the kind does not have is dropped, and integers become floats where the kind has these. Not
 * normalised (mean 0, std 1). CN_ERR_IO, CN_ERR_FORMAT, CN_ERR_UNSUPPORTED as cn_tensor_load_npy; CN_ERR_SHAPE,
 * CN_ERR_DATA as cn_dataset_add_target. */
CN_API cn_status cn_dataset_npy(cn_context *context, const char *images, const char *targets,
                                const cn_target_options *options, cn_dataset **dataset);

/** The same of an .npz file, whose arrays are called, for CN_SPLIT_TRAIN and _TEST, train_images, train_labels,
 * test_images, test_labels (MedMNIST's names) or x_train, y_train, x_test, y_test (those of Keras), for
 * CN_SPLIT_VALIDATION val_images, val_labels or x_val, y_val, and for
 * CN_SPLIT_ALL images or x, and labels, targets, masks or y, which may be missing. In a file that has the latter,
 * CN_SPLIT_TEST is a random fifth and CN_SPLIT_TRAIN the rest. Classes that are counted are those of all splits.
 * CN_ERR_NOT_FOUND: other names, which the message has. */
CN_API cn_status cn_dataset_npz(cn_context *context, const char *path, cn_split split, const cn_target_options *options,
                                cn_dataset **dataset);

typedef struct cn_folder_options {
    uint64_t size;
    int channels; /**< 1 (grey) or 3 (RGB) */
    int height, width;
    cn_split split;
    uint64_t
        memory; /**< bytes for decoded pictures. 0: all are decoded at once and kept. Else they are decoded when they
                     are asked for, by the context's threads, and as many are kept as have room: the data set may be
                     larger than memory. A file that is no picture is then found only when it is asked for, and fails
                     the call that asked, by name */
} cn_folder_options;
#define CN_FOLDER_OPTIONS_INIT                                                                                         \
    { sizeof(cn_folder_options), 3, 32, 32, CN_SPLIT_ALL, 0 }
/** CN_FOLDER_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_folder_options_init(cn_folder_options *options, size_t size);

/** Pictures in folders, as torchvision's ImageFolder has them: each subfolder of `directory` is a class by that name,
 * in the order of the names (strcmp), and holds PNG, JPEG, PPM and PGM files, in folders of its own if it likes.
 * Each is brought to the wanted size by cn_image_fit. All are decoded once, by the context's threads, into memory of
 * channels·height·width bytes a picture, so epochs decode nothing.
 *
 * Layouts. A folder that holds only one other folder, which holds folders, stands for that one. Where subfolders are
 * parts by their usual names (train, training; test, testing, eval; val, valid, validation, dev; in capitals or not;
 * also with _set, _images and the like), CN_SPLIT_TRAIN is the first, CN_SPLIT_TEST the second or, if there is none,
 * the third, CN_SPLIT_VALIDATION the third where there is the second, too (else CN_ERR_NOT_FOUND), and CN_SPLIT_ALL
 * all of them; the classes are those of the training part. Without parts, CN_SPLIT_TEST is about a fifth of each
 * class: which pictures depends on each one's own name below the folder of classes, so that adding one moves no other
 * (but of three files or more of a class at least one is for testing, and always at least one is for training).
 *
 * Three channels are normalised with CIFAR-10's mean and std, which are within 0.04 of those of other photographs,
 * and one with mean 0 and std 1; cn_dataset_set_normalization changes that.
 *
 * Names that begin with a dot and what systems leave (__MACOSX, lost+found, Thumbs.db …) are passed over.
 * Files that may not be read, are no pictures or are too large, links that lead nowhere, back to a folder around
 * them or to one that was read before, and folders more than 16 deep are skipped, each with a warning to the
 * context's log, and counted; so are, uncounted, pictures beside the classes, folders beside parts, and classes
 * without pictures.
 *
 * CN_ERR_IO: a folder that cannot be read, or a file for a reason that is not its own (a disk's error, too many open
 * files); CN_ERR_NOT_FOUND: no subfolder; CN_ERR_DATA: no readable picture in any, a class that the training part
 * does not have, or parts and classes side by side; CN_ERR_SHAPE; CN_ERR_UNSUPPORTED: PNG or JPEG in a build without
 * images. */
CN_API cn_status cn_dataset_folder(cn_context *context, const char *directory, const cn_folder_options *options,
                                   cn_dataset **dataset);

/** Pictures and a mask beside each, as a target with classes: in `directory`, or in each of its parts (such as train
 * and test, see cn_dataset_folder), a folder `images` (or image, imgs, pictures, JPEGImages) and a folder `masks`
 * (or mask, labels, annotations, SegmentationClass); parts may also lie within these two. A mask is a PNG that
 * cn_image_load_mask reads, of the picture's own size, and is called as the picture is but for the ending. It is cut
 * and resized as cn_image_fit does the picture, with the nearest pixel's class. `mask` has classes, or 0: as many as
 * the largest value of all masks needs, and ignore_index, 255 by default; NULL: both by default. With
 * options.memory, pictures and masks are decoded when they are asked for (where classes is 0, masks are read once
 * before). Without parts, CN_SPLIT_TEST is about a fifth, by name. Normalised, and CN_ERR_… as cn_dataset_folder;
 * CN_ERR_DATA also: a picture without a mask, or with one of another size or of other classes. Masks without a
 * picture are a warning to the log, by name. */
CN_API cn_status cn_dataset_folder_masks(cn_context *context, const char *directory, const cn_folder_options *options,
                                         const cn_target_options *mask, cn_dataset **dataset);

/** Whether cn_dataset_folder would find parts in `directory`: 1, or 0 where splits are by names. Errors as there. */
CN_API cn_status cn_dataset_folder_has_parts(cn_context *context, const char *directory, int *parts);

/** Files, links and folders that cn_dataset_folder skipped; 0 for other data sets. */
CN_API int64_t cn_dataset_skipped_count(const cn_dataset *dataset);

/** Images that your program hands over when asked, by one of two functions. `fetch` is for 8-bit images of one
 * class: it writes channels·height·width bytes (0 to 255, channel by channel, row by row) and the label, 0 to below
 * `classes`, of image `index`. `fetch_sample` is for all others: it writes the image as `dtype` says, in the same order,
 * and each of its targets to targets[i], as `targets` describes them: an int64_t for a class, or one for each pixel
 * of a mask; floats for vectors and images. Both return 0, or anything else to fail the call that asked (CN_ERR_IO).
 * They must give the same for the same index always, and are called from several threads at once unless the context
 * has one. They may call the library, to load a picture, to ask another data set, or to predict by a predictor of
 * their thread's own; what they call then runs on their thread alone. A class outside, NaN or infinity is
 * CN_ERR_DATA of the call that asked. `release`, or NULL, is called once, with `user`, when the data set and all
 * views of it have been freed, by the thread that frees the last; not if this fails. It must not call the library
 * with handles of this context. */
typedef struct cn_dataset_source {
    uint64_t size;
    int64_t count;
    int64_t classes; /**< of `fetch` */
    int channels, height, width;
    cn_dtype dtype;                   /**< of `fetch_sample`: uint8, 0 to 255, or float32, before normalisation */
    const cn_target_options *targets; /**< of `fetch_sample`, with their shapes; copied */
    int target_count;
    int reserved;
    int (*fetch)(void *user, int64_t index, uint8_t *pixels, int64_t *label);
    int (*fetch_sample)(void *user, int64_t index, void *image, void *const *targets);
    void (*release)(void *user);
    void *user;
    void *reserved_pointer;
} cn_dataset_source;
#define CN_DATASET_SOURCE_INIT                                                                                         \
    { sizeof(cn_dataset_source), 0, 0, 0, 0, 0, CN_DTYPE_UINT8, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL }
/** CN_DATASET_SOURCE_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_dataset_source_init(cn_dataset_source *source, size_t size);
/** A data set of such images. CN_ERR_ARGUMENT: both functions or neither, or a member that makes no sense;
 * CN_ERR_SHAPE: channels, height or width out of range. */
CN_API cn_status cn_dataset_callback(cn_context *context, const cn_dataset_source *source, cn_dataset **dataset);

/** `count` images of 3×32×32 in ten classes that the library draws itself, the same for the same seed and split
 * everywhere: shapes and textures in random colours, sizes, places and noise. Needs no files. */
CN_API cn_status cn_dataset_synthetic(cn_context *context, cn_split split, int64_t count, uint64_t seed,
                                      cn_dataset **dataset);

/* Views share the images of their parent, which may be freed before them. They begin with its class names,
 * normalisation and augmentation, and keep its number of classes even if some have no image left. */
/** A view of chosen indices in that order; repeats are allowed. CN_ERR_NOT_FOUND: an index outside. */
CN_API cn_status cn_dataset_subset(const cn_dataset *dataset, int64_t count, const int64_t *indices,
                                   cn_dataset **subset);
/** Two views: a seeded random part of round(fraction·count) images, and the rest. `fraction` is above 0 and below 1, and
 * neither view may be empty: CN_ERR_ARGUMENT. */
CN_API cn_status cn_dataset_split(const cn_dataset *dataset, double fraction, uint64_t seed, cn_dataset **part,
                                  cn_dataset **rest);
/** A view of all in a seeded random order. */
CN_API cn_status cn_dataset_shuffled(const cn_dataset *dataset, uint64_t seed, cn_dataset **shuffled);

/** The same as cn_dataset_split with each class divided alike, to within one image; `rest` keeps at least one of each.
 * A callback is asked for all of its images, whose classes are needed. CN_ERR_STATE: images without labels. */
CN_API cn_status cn_dataset_split_stratified(const cn_dataset *dataset, double fraction, uint64_t seed,
                                             cn_dataset **part, cn_dataset **rest);

/** Weights for cn_trainer_options.sample_weights: one over the number of images of its class for each of the `count`
 * images, so that all classes that occur are drawn equally often. CN_ERR_ARGUMENT: not as many as there are images;
 * CN_ERR_STATE: images without labels. */
CN_API cn_status cn_dataset_balanced_weights(const cn_dataset *dataset, int64_t count, double *weights);

/** A view whose labels are those of `model`, matched by the classes' names, so that the order and number of classes may
 * differ: each class of the data set must be one of the model's, but not the other way round. Where one of them has no
 * names (no cn_…_set_class_names, no file of names), label k is output k, there must be as many classes as outputs, and
 * the log is told if the other has some. The view has the model's class names. CN_ERR_DATA: a class that the model does
 * not know, or another number. */
CN_API cn_status cn_dataset_match_classes(const cn_dataset *dataset, const cn_model *model, cn_dataset **matched);

/** Frees a data set; views of it live on. */
CN_API void cn_dataset_free(cn_dataset *dataset);

/** How many images it has. */
CN_API int64_t cn_dataset_count(const cn_dataset *dataset);
/** How many classes the first target has that has any, a class or a mask; 0: none has. Class names and
 * cn_dataset_match_classes are about this target. */
CN_API int64_t cn_dataset_classes(const cn_dataset *dataset);
/** The shape of an image: channels, height, width. */
CN_API void cn_dataset_shape(const cn_dataset *dataset, int64_t shape[3]);

/** The name of a class; NULL for an index outside. Without a name of its own a class is called by its number. */
CN_API const char *cn_dataset_class_name(const cn_dataset *dataset, int64_t label);
/** Sets a name for each class, in UTF-8. CN_ERR_ARGUMENT: it is not, or there are more or fewer than classes. */
CN_API cn_status cn_dataset_set_class_names(cn_dataset *dataset, int64_t classes, const char *const *names);

/** Sets the normalisation, (pixel / 255 - mean) / std a channel; std must be above 0. It is what cn_dataset_batch
 * gives, and what a model that knows none takes over when it is first trained. A model that knows one wants no
 * other: a data set with one that was set by this function and differs from the model's is refused by cn_trainer_new
 * and cn_evaluation_new, and one that was never told is normalised as the model says. float32 images are taken as
 * they are, as by cn_predictor_run, until this function says that it be (pixel - mean) / std, and then likewise fit
 * a model with the same normalisation only. CN_ERR_SHAPE: other channels than the images have. */
CN_API cn_status cn_dataset_set_normalization(cn_dataset *dataset, int channels, const float *mean, const float *std);
/** The number of channels, and a mean and std for each (or NULL), valid until they are set again or the
 * data set is freed. */
CN_API int cn_dataset_normalization(const cn_dataset *dataset, const float **mean, const float **std);

/** Random changes to training images, torchvision's definitions, in this order, and cutout last. A probability or
 * amount of 0 leaves a step out. Places outside of an image are 0, before normalisation. */
typedef struct cn_augmentation {
    uint64_t size;
    int crop_padding;          /**< RandomCrop to the image's own size, after padding by this; at most its size - 1 */
    cn_padding_mode crop_mode; /**< zeros, replicate ("edge") or reflect */
    float horizontal_flip;     /**< probability */
    float grayscale;           /**< probability; three channels of 8 bits only */
    float rotation;            /**< degrees, uniform in ±rotation, 0 to 180; nearest */
    float perspective_distortion; /**< 0 to 1; bilinear */
    float perspective;            /**< probability */
    int alternating_flip; /**< 1: instead of horizontal_flip, half of the images are mirrored in the first epoch, the
                               others in the next, and so on in turns (Jordan 2024) */
    int cutout;           /**< side of a square around a random pixel that becomes 0 after normalisation; what lies
                               outside the image is lost (DeVries & Taylor 2017) */
    int reserved;
} cn_augmentation;
#define CN_AUGMENTATION_INIT                                                                                           \
    { sizeof(cn_augmentation), 0, CN_PADDING_ZEROS, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0, 0, 0 }
#define CN_AUGMENTATION_CIFAR10                                                                                        \
    { sizeof(cn_augmentation), 0, CN_PADDING_ZEROS, 0.5f, 0.1f, 7.0f, 0.3f, 0.5f, 0, 0, 0 } /* the study's */
#define CN_AUGMENTATION_MNIST                                                                                          \
    { sizeof(cn_augmentation), 0, CN_PADDING_ZEROS, 0.0f, 0.0f, 7.0f, 0.3f, 0.5f, 0, 0, 0 }
/** CN_AUGMENTATION_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_augmentation_init(cn_augmentation *augmentation, size_t size);

/** Sets how training batches are changed; NULL: not at all. CN_ERR_ARGUMENT: also a target that does not allow it. */
CN_API cn_status cn_dataset_set_augmentation(cn_dataset *dataset, const cn_augmentation *augmentation);
/** Fills in those in use. `augmentation` begins with its size, as CN_AUGMENTATION_INIT sets it. */
CN_API cn_status cn_dataset_augmentation(const cn_dataset *dataset, cn_augmentation *augmentation);

/** One image as it is stored, into a tensor of its type and [1, C, H, W], and its label (or NULL): its first target, if
 * that is a class, else CN_ERR_STATE. */
CN_API cn_status cn_dataset_image(const cn_dataset *dataset, int64_t index, cn_tensor *image, int64_t *label);

/** Its label alone, which costs nothing but for a callback's image, which is asked for. CN_ERR_NOT_FOUND: `index`;
 * CN_ERR_STATE: the first target is no class. */
CN_API cn_status cn_dataset_label(const cn_dataset *dataset, int64_t index, int64_t *label);

/** The file that an image of cn_dataset_folder was read from, relative to that folder, also through views; NULL for
 * other kinds of data set and an index outside. It lives as long as the data set and its views. */
CN_API const char *cn_dataset_file_name(const cn_dataset *dataset, int64_t index);

/** `count` images ready for a model: augmented if `augment`, normalised, into float32 [count, C, H, W]; and their first
 * target (or NULL), such as labels into int64 [count]. Augmentation depends on seed, epoch and index only. */
CN_API cn_status cn_dataset_batch(const cn_dataset *dataset, int64_t count, const int64_t *indices, int augment,
                                  uint64_t seed, int64_t epoch, cn_tensor *images, cn_tensor *targets);

/** The same with `target_count` targets, into tensors of the types and shapes that cn_target_kind gives; NULL: not
 * wanted. */
CN_API cn_status cn_dataset_batch_targets(const cn_dataset *dataset, int64_t count, const int64_t *indices, int augment,
                                          uint64_t seed, int64_t epoch, cn_tensor *images, int target_count,
                                          cn_tensor *const *targets);

/* ------------------------------------------------------------------------------------------ */
/* Losses and metrics                                                                         */

/** What a model's outputs cost, by PyTorch's definitions. Targets are classes (a class, or a mask: one a pixel) or
 * values (a vector or an image). */
typedef enum cn_loss_kind {
    CN_LOSS_NLL = 0,             /**< NLLLoss: log-probabilities (a model that ends in log-softmax) against classes */
    CN_LOSS_CROSS_ENTROPY = 1,   /**< CrossEntropyLoss: logits against classes, or against a probability of each */
    CN_LOSS_BCE_WITH_LOGITS = 2, /**< BCEWithLogitsLoss: logits against 0 or 1, or what lies between: several labels */
    CN_LOSS_MSE = 3,             /**< MSELoss: (x - t)² */
    CN_LOSS_L1 = 4,              /**< L1Loss: |x - t| */
    CN_LOSS_SMOOTH_L1 = 5, /**< SmoothL1Loss (Girshick 2015): (x - t)² / (2 beta) below beta, then |x - t| - beta / 2 */
    CN_LOSS_HUBER = 6,     /**< HuberLoss: (x - t)² / 2 below delta, then delta · (|x - t| - delta / 2) */
    CN_LOSS_CUSTOM = 7     /**< the program's own, a function of all outputs and targets of a batch */
} cn_loss_kind;

/** "nll", "cross-entropy", "bce-with-logits" and so on, as programs call them; NULL: no such kind, so that all can be
 * listed from 0. Static storage. */
CN_API const char *cn_loss_name(cn_loss_kind loss);

/** A loss of the program's own: output float32 [N, K] or [N, C, H, W]; target as the data set's, int64 [N] or [N, H,
 * W], float32 [N, K] or [N, C, H, W]. It sets *loss, which is to be the mean over the batch where others are, and
 * fills `gradient`, dLoss/dOutput and shaped like the output, unless that is NULL. Returns 0, or anything else to
 * fail what asked (CN_ERR_DATA). Called on the thread that called the library, within a batch: the model may be
 * read. */
typedef int (*cn_loss_function)(void *user, const cn_tensor *output, const cn_tensor *target, double *loss,
                                cn_tensor *gradient);

/** How the losses of a batch become one number. */
typedef enum cn_reduction {
    CN_REDUCTION_MEAN = 0, /**< over all values; of classes, weighted by class_weights, without those ignored */
    CN_REDUCTION_SUM = 1
} cn_reduction;

/** A loss and what it depends on. Arrays are read during the call that takes the options, and copied. */
typedef struct cn_loss_options {
    uint64_t size;
    cn_loss_kind kind;
    cn_reduction reduction;
    float weight;          /**< of this loss in the sum over a model's outputs; multiplies it; above 0 */
    float label_smoothing; /**< NLL and cross-entropy: s, 0 to below 1: the target is 1 - s on the label plus s / K
                                on each of K classes (Szegedy et al. 2016) */
    float beta;            /**< smooth L1; above 0 */
    float delta;           /**< Huber; above 0 */
    int64_t ignore_index;  /**< classes: a target of this value costs nothing */
    int64_t outputs;       /**< values in each of these arrays, if there are any: the outputs' classes or channels */
    const float *class_weights; /**< NLL, cross-entropy and BCE: a factor for each class or label, 0 or more; or NULL */
    const float *pos_weight;    /**< BCE: a factor for each label where it is there, 0 or more; or NULL */
    cn_loss_function function;  /**< CN_LOSS_CUSTOM */
    void *user;                 /**< handed to it */
} cn_loss_options;
#define CN_LOSS_OPTIONS_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(cn_loss_options), CN_LOSS_CROSS_ENTROPY, CN_REDUCTION_MEAN, 1.0f, 0.0f, 1.0f, 1.0f, -100, 0, NULL,      \
            NULL, NULL, NULL                                                                                           \
    }
/** CN_LOSS_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_loss_options_init(cn_loss_options *options, size_t size);

/** The loss of classes that reads what the model's first output gives: CN_LOSS_NLL if it ends in a log-softmax, pools
 * and flattening behind it aside, else CN_LOSS_CROSS_ENTROPY. Trainers and evaluations refuse the other
 * (CN_ERR_ARGUMENT). Where a model ends in a softmax, as many ONNX files do, they take CN_LOSS_CROSS_ENTROPY of the
 * logits that go into it, and CN_LOSS_BCE_WITH_LOGITS of those that go into a sigmoid at the end; everybody else
 * gets the probabilities. Any other loss of classes or labels on probabilities is refused. */
CN_API cn_loss_kind cn_model_loss(const cn_model *model);

/** The loss of a batch of float32 outputs, [N, K] or [N, C, H, W]. `target`: for losses of classes int64 [N] or
 * [N, H, W], each 0 to K - 1 (C - 1) or ignore_index; for cross-entropy also float32 like the output, probabilities;
 * for losses of values float32 like the output. `gradient`, like the output, or NULL, gets dLoss/dOutput. Where
 * every target is ignored, both are 0. Summed in double.
 * CN_ERR_ARGUMENT, CN_ERR_SHAPE; CN_ERR_DATA: a class outside, or from a loss of the program's own. */
CN_API cn_status cn_loss_compute(const cn_loss_options *options, const cn_tensor *output, const cn_tensor *target,
                                 double *loss, cn_tensor *gradient);

/** What is measured of a model on a data set, or over the epochs of a training. Which there are depends on the target
 * and the loss; the others are NaN. */
typedef enum cn_metric {
    CN_METRIC_LOSS = 0,
    CN_METRIC_ACCURACY =
        1, /**< classes: share of images (masks: of pixels; several labels: of labels) that are right */
    CN_METRIC_LEARNING_RATE = 2, /**< histories only */
    CN_METRIC_TOP5_ACCURACY = 3, /**< one class an image: the truth is among the five likeliest */
    CN_METRIC_PRECISION = 4,     /**< classes and labels: share of what was taken for it that is it; */
    CN_METRIC_RECALL = 5,        /**< share of what is it that was taken for it; */
    CN_METRIC_F1 = 6,            /**< their harmonic mean; of all classes together, the mean of the classes' */
    CN_METRIC_MEAN_IOU =
        7,              /**< classes: intersection over union; of all together, the mean of the classes that occur */
    CN_METRIC_MAE = 8,  /**< values: mean absolute error */
    CN_METRIC_RMSE = 9, /**< root of the mean squared error */
    CN_METRIC_R2 = 10   /**< coefficient of determination; of several values, the mean of theirs */
} cn_metric;

/** "loss", "accuracy", "mean IoU" and so on; NULL: no such metric, so that all can be listed from 0. Static storage. */
CN_API const char *cn_metric_name(cn_metric metric);

/** 1: larger is better; 0: smaller is. */
CN_API int cn_metric_increases(cn_metric metric);

/* ------------------------------------------------------------------------------------------ */
/* Optimizers and schedules                                                                   */

/** Changes a model's parameters along their gradients. */
typedef struct cn_optimizer cn_optimizer;

typedef enum cn_optimizer_kind {
    CN_OPTIMIZER_SGD = 0,
    CN_OPTIMIZER_ADAM = 1,  /**< Kingma & Ba 2015; weight decay added to the gradient */
    CN_OPTIMIZER_ADAMW = 2, /**< Loshchilov & Hutter 2019; decoupled weight decay */
    CN_OPTIMIZER_MUON = 3   /**< Jordan et al. 2024 (torch.optim.Muon, adjust_lr_fn "match_rms_adamw"): weights, but
                                 the output layer's, move along their momentum made orthogonal; all else as with
                                 AdamW, at the same rate */
} cn_optimizer_kind;

/** "sgd", "adam" and so on, as programs call them; NULL: no such kind, so that all can be listed from 0. Static
 * storage. */
CN_API const char *cn_optimizer_name(cn_optimizer_kind kind);

/** A learning rate that stands for the default of what it is asked of, as its comment says. */
#define CN_LEARNING_RATE_DEFAULT (-1.0f)

/** Parameters with a rate and a weight decay of their own. */
typedef struct cn_parameter_group {
    uint64_t size;
    const char *pattern; /**< which they are, as cn_model_freeze reads it */
    void *reserved_pointer;
    float learning_rate_scale; /**< their rate is the optimizer's, whatever a schedule makes of it, times this; 0 or
                                    more */
    float weight_decay;        /**< 0 or more; CN_WEIGHT_DECAY_DEFAULT: the optimizer's */
} cn_parameter_group;
#define CN_WEIGHT_DECAY_DEFAULT (-1.0f)
#define CN_PARAMETER_GROUP_INIT                                                                                        \
    { sizeof(cn_parameter_group), NULL, NULL, 1.0f, CN_WEIGHT_DECAY_DEFAULT }
/** CN_PARAMETER_GROUP_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_parameter_group_init(cn_parameter_group *group, size_t size);

typedef struct cn_optimizer_options {
    uint64_t size;
    cn_optimizer_kind kind;
    float learning_rate;    /**< 0 or more; CN_LEARNING_RATE_DEFAULT: 0.01 for SGD, 0.001 for the others */
    float momentum;         /**< SGD and Muon; 0: plain */
    float dampening;        /**< SGD */
    int nesterov;           /**< SGD and Muon; 1 needs momentum and no dampening */
    float weight_decay;     /**< on all parameters, unless decay_weights_only */
    float beta1, beta2;     /**< all but SGD; 0 or more and below 1 */
    float eps;              /**< all but SGD; 0 or more */
    int decay_weights_only; /**< 1: no decay for biases and the parameters of norms, which have one dimension */
    int64_t group_count;
    const cn_parameter_group *const *groups; /**< `group_count` pointers; what none of them matches is as told above */
    void *reserved_pointer;
} cn_optimizer_options;
#define CN_OPTIMIZER_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(cn_optimizer_options), CN_OPTIMIZER_SGD, CN_LEARNING_RATE_DEFAULT, 0.9f, 0.0f, 0, 0.0f, 0.9f, 0.999f,   \
            1e-8f, 0, 0, NULL, NULL                                                                                    \
    }
/** CN_OPTIMIZER_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_optimizer_options_init(cn_optimizer_options *options, size_t size);

/** An optimizer over all parameters of an initialised model, which must outlive it; frozen ones are passed over.
 * Options and groups are read during this call only. CN_ERR_NOT_FOUND: a group's pattern matches no parameter;
 * CN_ERR_ARGUMENT also: two groups match one parameter. */
CN_API cn_status cn_optimizer_new(cn_model *model, const cn_optimizer_options *options, cn_optimizer **optimizer);
/** Frees an optimizer. */
CN_API void cn_optimizer_free(cn_optimizer *optimizer);

/** One step along the gradients of the last backward pass, torch.optim's formulas. */
CN_API cn_status cn_optimizer_step(cn_optimizer *optimizer);
/** From the next step on: 0 or more, and finite as a float. CN_ERR_ARGUMENT. */
CN_API cn_status cn_optimizer_set_learning_rate(cn_optimizer *optimizer, double learning_rate);
/** Its rate, as it is for the next step. */
CN_API double cn_optimizer_learning_rate(const cn_optimizer *optimizer);

typedef enum cn_schedule_kind {
    CN_SCHEDULE_CONSTANT = 0,
    CN_SCHEDULE_PLATEAU =
        1,                  /**< ReduceLROnPlateau on the test loss (train loss without a test set), after each epoch */
    CN_SCHEDULE_STEP = 2,   /**< StepLR, by epoch */
    CN_SCHEDULE_COSINE = 3, /**< CosineAnnealingLR, by epoch */
    CN_SCHEDULE_ONE_CYCLE = 4,   /**< OneCycleLR (Smith & Topin 2018), by step; momentum is left alone */
    CN_SCHEDULE_POLYNOMIAL = 5,  /**< PolynomialLR, by epoch: down to 0 at the end */
    CN_SCHEDULE_EXPONENTIAL = 6, /**< ExponentialLR, by epoch */
    CN_SCHEDULE_CUSTOM = 7       /**< the program's own, by step: what `rate` returns */
} cn_schedule_kind;

/** "constant", "plateau", "step", "cosine", "one-cycle", "polynomial", "exponential", "custom"; NULL: no such kind.
 * Static storage. */
CN_API const char *cn_schedule_name(cn_schedule_kind kind);

/** The step that a rate is asked for. Steps of a warm-up do not count. */
typedef struct cn_rate_info {
    uint64_t size;
    int64_t step, steps;  /**< taken before it; of the whole run, as `epochs` of the options has it */
    int64_t epoch;        /**< of the run, from 1 */
    double learning_rate; /**< the optimizer's own */
    double loss;          /**< of the epoch before, test or else training; NaN in the first */
} cn_rate_info;

/** The rate of that step, 0 or more; anything else ends the training with CN_ERR_ARGUMENT. Called once before each
 * step, on the thread that called cn_trainer_fit, within the step's first batch: the model may be read. */
typedef double (*cn_rate_function)(void *user, const cn_rate_info *at);

/** How the learning rate changes. Steps are the optimizer's: batches or, with cn_trainer_options.accumulate, groups
 * of them. */
typedef struct cn_schedule_options {
    uint64_t size;
    cn_schedule_kind kind;
    float factor;            /**< plateau, step and exponential: multiplies the rate */
    int patience;            /**< plateau: epochs without improvement that are borne */
    float threshold;         /**< plateau: relative improvement that counts */
    int step_size;           /**< step: epochs between cuts */
    float min_learning_rate; /**< plateau, cosine: the lowest rate */
    int epochs; /**< cosine, one-cycle, polynomial, custom: length of the whole run, the warm-up included; 0: the
                     epochs of the first fit */
    float max_learning_rate; /**< one-cycle: peak; CN_LEARNING_RATE_DEFAULT: 10 times the optimizer's rate */
    float pct_start;         /**< one-cycle: share of the rise, 0 to 1 */
    float div_factor;        /**< one-cycle: peak / start */
    float final_div_factor;  /**< one-cycle: start / end */
    int linear;              /**< one-cycle: 1: straight lines instead of cosines */
    float power;             /**< polynomial: of what is left of the run */
    /** Warm-up, for all kinds (LinearLR by step, then the schedule, as SequentialLR joins them): the first step has
     * warmup_start times the rate that the schedule begins with, each later one more in a straight line, and the step
     * after the warm-up is the schedule's first. By epochs it counts from the one in which the warm-up ends. `rate`
     * is asked for the rate of step 0 meanwhile. */
    float warmup_start;    /**< 0 to 1 */
    int warmup_epochs;     /**< the length; 0: none */
    int warmup_steps;      /**< or this, in steps; not both */
    cn_rate_function rate; /**< custom; else NULL */
    void *user;            /**< handed to it */
} cn_schedule_options;
#define CN_SCHEDULE_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(cn_schedule_options), CN_SCHEDULE_PLATEAU, 0.3f, 0, 1e-4f, 10, 0.0f, 0, CN_LEARNING_RATE_DEFAULT, 0.3f, \
            25.0f, 1e4f, 0, 1.0f, 1.0f / 3.0f, 0, 0, NULL, NULL                                                        \
    }
/** CN_SCHEDULE_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_schedule_options_init(cn_schedule_options *options, size_t size);

/* ------------------------------------------------------------------------------------------ */
/* Communicators: processes that train one model together                                     */

/** How a process, a *rank*, reaches the others that train the same model. Its functions move bytes and add nothing up: sums
 * are the library's, in an order fixed by blocks of 16 images, so that any number of ranks trains to the bits of one
 * process. libconvnet-mpi fills it in for MPI; a program may fill it in for a transport of its own.
 *
 * All ranks begin the same operations in the same order with the same `bytes`: a multiple of 8, at least 8, and times
 * `ranks` at most 2^31 - 8. An operation begins and goes on by itself; `wait` ends it. Several may be under way, at most
 * CN_MAX_REQUESTS, and they are waited for in any order. Until then nobody changes what is sent, or reads what is
 * received. Functions are called by the thread that called the library (cn_trainer_new, _fit,
 * cn_evaluation_new …), one at a time, and must not call the library. What they return other than CN_OK breaks the group.
 */
typedef struct cn_communicator {
    uint64_t size;
    int rank, ranks; /**< 0 to ranks - 1; 1 to 65536 */
    double timeout;  /**< seconds after which a rank that does not answer counts as lost, and training ends with
                        CN_ERR_COMMUNICATION: more than a callback such as on_epoch ever takes; 0: never */
    void *user;      /**< handed to the functions */
    /** receive[r] = send of rank r, for all r; each of `bytes` bytes, one after the other. */
    cn_status (*all_gather)(void *user, const void *send, void *receive, size_t bytes, void **request);
    /** receive[r] = send[this rank] of rank r, for all r; each of `bytes` bytes. */
    cn_status (*all_to_all)(void *user, const void *send, void *receive, size_t bytes, void **request);
    /** data = that of rank 0, which only reads it. */
    cn_status (*broadcast)(void *user, void *data, size_t bytes, void **request);
    /** Waits for the operation that gave `request`, but not much longer than `seconds`, and sets `*done` to 1 if it has
     * ended (it then is not asked for again), else to 0. With seconds of 0 it only looks, and lets operations go on. */
    cn_status (*wait)(void *user, void *request, double seconds, int *done);
    /** This rank cannot go on with the others: `message` says why. Ends the operations under way, whose memory is not
     * touched any more, and makes those of other ranks fail. No function is called after it. It need not return. NULL:
     * nothing is done, which is safe only if operations have ended when a function has failed. */
    void (*abort)(void *user, cn_status status, const char *message);
} cn_communicator;
#define CN_COMMUNICATOR_INIT                                                                                           \
    { sizeof(cn_communicator), 0, 1, 300.0, NULL, NULL, NULL, NULL, NULL, NULL }
/** CN_COMMUNICATOR_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_communicator_init(cn_communicator *communicator, size_t size);

/** Operations of a communicator that are under way at a time, at most. */
#define CN_MAX_REQUESTS 64

/* ------------------------------------------------------------------------------------------ */
/* Trainer                                                                                    */

/** Trains a model. */
typedef struct cn_trainer cn_trainer;

/** One epoch of a history. Losses are of all outputs together; accuracy and metric of the first. Accuracies are
 * shares, 0 to 1, and NaN of values; test values are NaN without a test set. */
typedef struct cn_epoch_info {
    uint64_t size;
    int64_t epoch;                     /**< from 1 */
    double train_loss, train_accuracy; /**< mean over the epoch's batches, while training */
    double test_loss, test_accuracy;
    double learning_rate;     /**< that the epoch was trained with: the mean over its batches */
    double seconds;           /**< training and testing */
    double images_per_second; /**< training alone */
    double train_metric, test_metric;
    cn_metric metric; /**< what these are: cn_evaluation_main_metric's */
    int reserved;
} cn_epoch_info;
#define CN_EPOCH_INFO_INIT                                                                                             \
    { sizeof(cn_epoch_info), 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, CN_METRIC_ACCURACY, 0 }
/** CN_EPOCH_INFO_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_epoch_info_init(cn_epoch_info *info, size_t size);

/** One batch, just trained on; averages are over the epoch so far. */
typedef struct cn_batch_info {
    uint64_t size;
    int64_t epoch, batch, batches; /**< from 1; batches an epoch */
    int64_t images;                /**< seen in this epoch */
    double loss;                   /**< of this batch, penalties included */
    double average_loss, average_accuracy;
    double learning_rate;
    double seconds; /**< since the epoch began */
    double average_metric;
    cn_metric metric; /**< what that is */
    int reserved;
    double average_learning_rate;
} cn_batch_info;

/** Called after each epoch, on the thread that called cn_trainer_fit; a return value other than 0 ends the training
 * in good order. Between batches the model is the function's: it may save it, write to it, freeze, pass images through
 * it, even train it by another trainer. Of the trainer that calls it may set the rate, and save it (cn_trainer_save). */
typedef int (*cn_epoch_function)(void *user, const cn_epoch_info *epoch);
/** The same after each batch. */
typedef int (*cn_batch_function)(void *user, const cn_batch_info *batch);

/** Called before each step, when the gradients are there, penalties included, but not yet clipped: cn_model_gradient's
 * may be read and written to, and cn_model_clip_gradients_norm and …_value be called; parameters may only be read,
 * and what runs or changes the model is CN_ERR_STATE.
 * `batch` is the one, or with `accumulate` the last one, that they came from. After a return value other than 0 the
 * step is still taken, and ends the training in good order. */
typedef int (*cn_gradient_function)(void *user, cn_model *model, const cn_batch_info *batch);

typedef struct cn_trainer_options {
    uint64_t size;
    int batch_size; /**< the last, partial batch of an epoch is kept; multiples of 16 make the best use of time */
    int test_batch_size;
    cn_loss_kind loss;     /**< of a model with one output */
    float label_smoothing; /**< for it */
    float l1;              /**< adds l1 · Σ|parameter| to the loss */
    float ema_decay; /**< 0: none. Above 0 and below 1: keeps an exponential moving average of parameters and running
                          statistics: after each step average = ema_decay · average + (1 - ema_decay) · value, at
                          first the value (torch.optim.swa_utils.AveragedModel with get_ema_avg_fn and use_buffers).
                          The test pass measures it; the model holds it in on_epoch and whenever no cn_trainer_fit is
                          running, and the trainer keeps what is being trained: training goes on from that */
    int ema_warmup;  /**< 1: step n + 1 averages with min(ema_decay, (1 + n) / (10 + n)) instead, so that a short
                          run's average does not stay near its first steps (num_updates of TensorFlow's
                          ExponentialMovingAverage); 0: with ema_decay from the first step on */
    int accumulate;  /**< so many batches, 1 or more, make one step, along the mean gradient of all their images:
                          without batch norm that of one batch as large. An epoch's last step takes the batches that
                          are left. More than 1 goes with losses that are means only */
    uint64_t seed;   /**< of shuffling, augmentation and dropout */
    const cn_optimizer_options *optimizer; /**< NULL: SGD, 0.01, momentum 0.9; read during cn_trainer_new only */
    const cn_schedule_options *schedule;   /**< NULL: plateau, factor 0.3, patience 0; likewise */
    cn_batch_function on_batch;            /**< or NULL */
    void *user;                            /**< handed to on_batch and on_gradient */
    cn_gradient_function on_gradient;      /**< or NULL */
    /** NULL: an epoch has all images, in random order. Else a weight for each, 0 or more and not all 0, copied by
     * cn_trainer_new: an epoch has as many images, drawn in proportion to them, with replacement
     * (WeightedRandomSampler). Images drawn more than once are augmented anew each time. */
    const double *sample_weights;
    int64_t loss_count; /**< of the following; 0: one of kind `loss` */
    const cn_loss_options *const
        *losses; /**< one for each output of the model, which is held against the data's target at the same place;
                      what is minimised is the sum of all, each times its weight; or NULL; read during cn_trainer_new
                      only */
    /** NULL: this process alone. Else it trains together with others, and `batch_size` is that of all: each rank fetches
     * and runs batch_size / ranks images, whole blocks of 16, which the number of ranks must divide (CN_ERR_ARGUMENT says
     * which do); a smaller last batch is shared out as it comes. All ranks call the same functions, with models, data,
     * options and callbacks that do the same; cn_trainer_new and cn_trainer_fit compare them, and fail on all ranks, by
     * name, with CN_ERR_STATE where they differ. Data sets describe all images, but only those of the rank are asked for.
     * Test data are shared out likewise. All ranks then have the same bits that one process would have, in parameters,
     * history and evaluation; one saves them. What ends training on one rank, an error or a callback, ends it on all after
     * the same batch, and the message says which rank it was. Copied by cn_trainer_new; `user` must outlive the trainer. */
    const cn_communicator *communicator;
    /** Above 0: the images of a batch are mixed with one another by a share λ ~ Beta(alpha, alpha), one a batch, and so
     * is what they cost: λ · loss(own target) + (1 - λ) · loss(the other's). mixup_alpha (Zhang et al. 2018): pixels
     * are λ · own + (1 - λ) · other; cutmix_alpha (Yun et al. 2019): a box of 1 - λ of the other image is put over it;
     * both: half of the batches each. Vectors are mixed by λ themselves; masks and images as targets are
     * CN_ERR_UNSUPPORTED. Training accuracy counts each image's own class. */
    float mixup_alpha, cutmix_alpha;
    /** Above 0: each gradient is brought into ±clip_value, then all of them, as one vector, to an L2 norm of at most
     * clip_norm (cn_model_clip_gradients_value and …_norm); penalties belong to them, weight decay does not. */
    float clip_value, clip_norm;
    int local_batch_norm; /**< with a communicator: 1: each rank's batch norm goes by its own images, which saves two
                             exchanges a layer and gives other bits than one process; 0: by those of the whole batch */
    int reserved;
} cn_trainer_options;
#define CN_TRAINER_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(cn_trainer_options), 32, 128, CN_LOSS_NLL, 0.0f, 0.0f, 0.0f, 0, 1, 0, NULL, NULL, NULL, NULL, NULL,     \
            NULL, 0, NULL, NULL, 0.0f, 0.0f, 0.0f, 0.0f, 0, 0                                                          \
    }
/** CN_TRAINER_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_trainer_options_init(cn_trainer_options *options, size_t size);

/** Brings together an initialised model, its training data and, or NULL, test data; all three are borrowed and must
 * outlive the trainer. NULL options: the study's recipe. Allocates all that training will need.
 * CN_ERR_SHAPE: images or targets that the model does not fit, or a batch norm of 1×1 maps when an epoch's last batch
 * is one image; CN_ERR_STATE: model not initialised, or a data set whose normalisation was set to another than the
 * model's; CN_ERR_ARGUMENT: a loss that does not read what the model gives (cn_model_loss) or does not take such
 * targets. */
CN_API cn_status cn_trainer_new(cn_model *model, const cn_dataset *train, const cn_dataset *test,
                                const cn_trainer_options *options, cn_trainer **trainer);
/** Bytes of the model's context that a trainer made of these would take beyond what is in use by then, at its most, while
 * cn_trainer_new makes it and cn_trainer_fit runs it; with a communicator: on this rank. None of them is taken: it is laid out
 * in addresses without memory behind them, but for lists of layers and parameters. The model stays as it is, and no other
 * rank is asked. Fails as cn_trainer_new would, in its words; CN_ERR_MEMORY: it would take more than the process can
 * address. */
CN_API cn_status cn_trainer_memory(const cn_model *model, const cn_dataset *train, const cn_dataset *test,
                                   const cn_trainer_options *options, size_t *bytes);
/** Frees a trainer; model and data sets stay. While cn_trainer_fit runs it only warns the log. */
CN_API void cn_trainer_free(cn_trainer *trainer);

/** Trains for `epochs` more epochs. Each reshuffles the training data and ends with a pass over the test data and the
 * schedule's step; then `on_epoch`, or NULL, is called. Same seed, data and version: the same bits, for any number of
 * threads. A callback that ends the training is not an error; the next call goes on with the next batch, and finishes
 * the epoch that was cut short as the first of its own. CN_ERR_NUMERIC: the loss became NaN or infinite; the
 * message names epoch, batch and the first layer that did, and the parameters are those before that batch's step;
 * or with clip_norm the norm of the gradients did. CN_ERR_STATE: a callback of it has called it, or another call uses
 * the model. CN_ERR_IO, CN_ERR_DATA: from the data set. */
CN_API cn_status cn_trainer_fit(cn_trainer *trainer, int64_t epochs, cn_epoch_function on_epoch, void *user);

/** The rate from the next step on, 0 or more; on_batch and on_epoch may call it. Schedules that cut the rate there is
 * (constant, plateau, step, exponential) go on from it, and a warm-up under way rises to it; the others compute all
 * rates from the first, and are CN_ERR_STATE: there CN_SCHEDULE_CUSTOM is the way. */
CN_API cn_status cn_trainer_set_learning_rate(cn_trainer *trainer, double learning_rate);

/** A search for a learning rate: the range test of Smith (2015), as fastai's and Lightning's finders do it. */
typedef struct cn_rate_search {
    uint64_t size;
    double first, last; /**< rates of its first and last step, above 0, the last above the first; each step has the same
                             multiple of the one before */
    int64_t steps;      /**< of the optimizer, 10 to 100000 */
} cn_rate_search;
#define CN_RATE_SEARCH_INIT                                                                                            \
    { sizeof(cn_rate_search), 1e-6, 10.0, 100 }
/** CN_RATE_SEARCH_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_rate_search_init(cn_rate_search *search, size_t size);

/** One step of a search. */
typedef struct cn_rate_point {
    uint64_t size;
    double rate;     /**< that the step was taken at */
    double loss;     /**< of its images, before the step */
    double smoothed; /**< mean of the losses around, of a tenth of all steps */
} cn_rate_point;
#define CN_RATE_POINT_INIT                                                                                             \
    { sizeof(cn_rate_point), 0.0, 0.0, 0.0 }
/** CN_RATE_POINT_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_rate_point_init(cn_rate_point *point, size_t size);

/** What a search has seen, for charts: cn_chart_rates. */
typedef struct cn_rate_curve cn_rate_curve;

/** Trains, for some steps, at rates from very low to very high, until the smoothed loss is more than four times its lowest,
 * or no number, and then puts everything back as it was: the model's parameters and statistics, the optimizer's state, the
 * place in the run. on_batch and on_gradient are called as in training, and may end the search; NULL: as CN_RATE_SEARCH_INIT.
 * `rate` gets the one at which the smoothed loss fell fastest, which is a good one to train at with this optimizer and
 * batch size (of one-cycle, as its highest); NaN: it did not fall. `curve`, or NULL: what was seen, freed with
 * cn_rate_curve_free. CN_ERR_NUMERIC: the loss is no number in the first step; CN_ERR_STATE: called by a callback of the
 * trainer. */
CN_API cn_status cn_trainer_find_rate(cn_trainer *trainer, const cn_rate_search *search, double *rate,
                                      cn_rate_curve **curve);
/** Frees what a search has seen; NULL is ignored. */
CN_API void cn_rate_curve_free(cn_rate_curve *curve);
/** How many steps it has. */
CN_API int64_t cn_rate_curve_count(const cn_rate_curve *curve);
/** One of them, in the order of their rates. CN_ERR_NOT_FOUND. */
CN_API cn_status cn_rate_curve_point(const cn_rate_curve *curve, int64_t index, cn_rate_point *point);

/** How many epochs it has trained. */
CN_API int64_t cn_trainer_epoch_count(const cn_trainer *trainer);
/** One of them, `index` from 0. `epoch` begins with its size, as CN_EPOCH_INFO_INIT sets it. CN_ERR_NOT_FOUND: not that
 * many. */
CN_API cn_status cn_trainer_epoch_info(const cn_trainer *trainer, int64_t index, cn_epoch_info *epoch);

/** One output in an epoch: its own loss, without its weight, and metric. NaN as in cn_epoch_info. */
typedef struct cn_output_info {
    uint64_t size;
    double train_loss, train_metric;
    double test_loss, test_metric;
    cn_metric metric; /**< what these are: cn_evaluation_main_metric's */
    int reserved;
} cn_output_info;
#define CN_OUTPUT_INFO_INIT                                                                                            \
    { sizeof(cn_output_info), 0.0, 0.0, 0.0, 0.0, CN_METRIC_ACCURACY, 0 }
/** CN_OUTPUT_INFO_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_output_info_init(cn_output_info *info, size_t size);

/** One output of a model in the epoch `index`, from 0. CN_ERR_NOT_FOUND: no such epoch or output. */
CN_API cn_status cn_trainer_output_info(const cn_trainer *trainer, int64_t index, int64_t output, cn_output_info *info);

/** The epochs of one run, apart from its trainer, in the order in which they were added. Runs of one name are
 * repetitions of the same experiment, such as with other seeds. */
typedef struct cn_history cn_history;
/** Makes a history without epochs, under a name, which is copied. */
CN_API cn_status cn_history_new(cn_context *context, const char *name, cn_history **history);
/** Adds an epoch, which is copied. */
CN_API cn_status cn_history_add(cn_history *history, const cn_epoch_info *epoch);
/** Adds to the learning rates by step, which charts show instead of the epochs' means: a corner of their line. `place` says
 * where in the run, in epochs, such as 2.5 in the middle of the third; it is not less than that of the last one, and where
 * two have the same place the rate jumps. A corner that would not show is left out. CN_ERR_ARGUMENT. */
CN_API cn_status cn_history_add_rate(cn_history *history, double place, double rate);
/** How many corners it has. */
CN_API int64_t cn_history_rate_count(const cn_history *history);
/** One of them, `index` from 0. CN_ERR_NOT_FOUND: not that many. */
CN_API cn_status cn_history_rate(const cn_history *history, int64_t index, double *place, double *rate);
/** Frees a history. */
CN_API void cn_history_free(cn_history *history);
/** What charts and tables call the data that was tested on; "test" until it is set. A trainer that was given a part of
 * the training data to test on, and was steered by it, has "validation". */
CN_API cn_status cn_history_set_test_name(cn_history *history, const char *name);

/** A copy of a trainer's history so far, under a name ("" if there is only one run), with the rates of its steps: all of an
 * epoch of up to 64 steps, else 64 of it, evenly spread. */
CN_API cn_status cn_trainer_history(const cn_trainer *trainer, const char *name, cn_history **history);

/* ------------------------------------------------------------------------------------------ */
/* Checkpoints: runs that go on after they were stopped, killed or moved                      */

/** Writes all that a run is: parameters and running statistics, the state of optimizer, schedule and averages, what is
 * frozen, the place in the epoch and what has been counted in it, history.
 *
 * Saving from callbacks is the normal way: every so many batches from on_batch, or from on_epoch; from others it is
 * CN_ERR_STATE, and so is resuming from any. What callbacks do is the program's: they must be the same again, and what
 * they remember can go along (cn_checkpoint).
 *
 * The file is written whole or not at all, as by cn_model_save, and is a model file with more in it: cn_model_load
 * takes the model as cn_model_save would have written it at that moment. */
CN_API cn_status cn_trainer_save(const cn_trainer *trainer, const char *path);

/** Brings a saved run into a trainer that was made of the same model, data and options; what is trained from there on
 * has the very bits of a run that was never stopped, for any number of threads. cn_trainer_fit then wants the epochs
 * that are left: those of the whole run less cn_trainer_epoch_count.
 *
 * Resuming changes everything or nothing:
 *
 *     CN_ERR_NOT_FOUND  there is no such file, and only then: a program that always tries to resume begins a new run
 *     CN_ERR_STATE      a checkpoint of another run; the message says what differs, there and here: the model's
 *                       architecture, normalisation or class names; what was frozen when the trainer was made; the
 *                       data's number, shape, targets, a few images, augmentation; any option of trainer, losses,
 *                       optimizer or schedule, the seed among them; the context's conv_algorithm. Who wants another
 *                       rate from here on sets it when the run is resumed (cn_trainer_set_learning_rate); with other
 *                       options, the checkpoint's model begins a new run
 *     CN_ERR_FORMAT     no checkpoint, or one of another version of the format, cut short or altered in any byte
 *     CN_ERR_IO         it cannot be read; and what a data set's callback gives, which is asked for a few images
 *
 * Hostile files cost no more than model files do. Another version of the library, or a processor with fused
 * multiply-add where there was none or the other way round, may round otherwise: a warning to the log. */
CN_API cn_status cn_trainer_resume(cn_trainer *trainer, const char *path);

/** What goes into a checkpoint: a trainer's run with tensors of the program's own, or a loop of one's own. Filled once,
 * it serves to save and to load. Of a loop, the file has the model, its count of training passes, and the optimizer's
 * state and rate; the model's architecture and the seed of its cn_model_init, and the optimizer's options, must be the
 * same. Where the loop is in its data is for the program to know: tensors of its own, such as int64 [2] over two
 * variables, hold what it counts. Those in the file that are not asked for are passed over. Gradients are not in it:
 * save between steps. */
typedef struct cn_checkpoint {
    uint64_t size;
    int64_t tensor_count;      /**< of the program's own tensors, below */
    cn_trainer *trainer;       /**< a trainer's run; or NULL, and */
    cn_model *model;           /**< a loop's model */
    cn_optimizer *optimizer;   /**< and its optimizer, or NULL */
    const char *const *names;  /**< each tensor has a name that no other has, of 1 to 200 bytes, */
    cn_tensor *const *tensors; /**< and, when it is loaded, with the type and shape that it had (else CN_ERR_STATE) */
    void *reserved_pointer;
} cn_checkpoint;
#define CN_CHECKPOINT_INIT                                                                                             \
    { sizeof(cn_checkpoint), 0, NULL, NULL, NULL, NULL, NULL, NULL }
/** CN_CHECKPOINT_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_checkpoint_init(cn_checkpoint *checkpoint, size_t size);
/** Writes a checkpoint, as cn_trainer_save does. */
CN_API cn_status cn_checkpoint_save(const cn_checkpoint *checkpoint, const char *path);
/** Reads one, as cn_trainer_resume does, into what `checkpoint` names. */
CN_API cn_status cn_checkpoint_load(const cn_checkpoint *checkpoint, const char *path);

/** The same file as its bytes, uint8 [N], to be freed with cn_tensor_free. */
CN_API cn_status cn_checkpoint_save_memory(const cn_checkpoint *checkpoint, cn_tensor **file);
/** Reads one out of such bytes. */
CN_API cn_status cn_checkpoint_load_memory(const cn_checkpoint *checkpoint, const void *data, size_t bytes);

/* ------------------------------------------------------------------------------------------ */
/* Evaluation                                                                                 */

/** What a model got right on a data set. */
typedef struct cn_evaluation cn_evaluation;

typedef struct cn_misclassified {
    uint64_t size;
    int64_t index;            /**< in the data set */
    int64_t predicted, truth; /**< classes */
    double probability;       /**< that the model gives its prediction */
    double truth_probability; /**< that it gives the truth */
} cn_misclassified;
#define CN_MISCLASSIFIED_INIT                                                                                          \
    { sizeof(cn_misclassified), 0, 0, 0, 0.0, 0.0 }
/** CN_MISCLASSIFIED_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_misclassified_init(cn_misclassified *entry, size_t size);

typedef struct cn_evaluation_options {
    uint64_t size;
    cn_loss_kind loss; /**< how outputs are read, of a model with one */
    /** Test-time augmentation: an image's probabilities are the mean over several variants of it. */
    int flip;  /**< 1: itself and its mirror image */
    int shift; /**< n: itself moved by up to n pixels each way, edges mirrored: (2 n + 1)² variants; 0 to 8, and less
                    than its sides */
    int reserved;
    int64_t loss_count;                   /**< of the following; 0: one of kind `loss` */
    const cn_loss_options *const *losses; /**< one for each output; or NULL */
    /** NULL: this process alone. Else all ranks evaluate: each fetches and runs a part of the images, and all have the
     * whole result, to the bits. */
    const cn_communicator *communicator;
} cn_evaluation_options;
#define CN_EVALUATION_OPTIONS_INIT                                                                                     \
    { sizeof(cn_evaluation_options), CN_LOSS_NLL, 0, 0, 0, 0, NULL, NULL }
/** CN_EVALUATION_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_evaluation_options_init(cn_evaluation_options *options, size_t size);

/** Runs the model over a data set, without augmentation. Output i is held against target i by loss i; an output that
 * tells classes apart may have more of them than the data. Batch norm without running statistics takes those of 128
 * images at a time, in the data set's order (in a trainer's test pass of test_batch_size). Classes go by position;
 * names that differ from the model's are a warning to the log. CN_ERR_SHAPE: images or targets that the model does
 * not fit; CN_ERR_STATE: not initialised, or a data set whose normalisation was set to another than the model's;
 * CN_ERR_ARGUMENT: shift, or a loss that does not read what the model gives or does not take such targets. The
 * result is independent of model and data afterwards. */
CN_API cn_status cn_evaluation_new(const cn_model *model, const cn_dataset *dataset,
                                   const cn_evaluation_options *options, cn_evaluation **evaluation);
/** Frees an evaluation. */
CN_API void cn_evaluation_free(cn_evaluation *evaluation);

/** How many images it saw. */
CN_API int64_t cn_evaluation_count(const cn_evaluation *evaluation);
/** Their mean loss, of all outputs by their weights. */
CN_API double cn_evaluation_loss(const cn_evaluation *evaluation);
/** How many outputs the model has. */
CN_API int64_t cn_evaluation_outputs(const cn_evaluation *evaluation);

/** A metric of an output, over all of the data; CN_METRIC_LOSS: its own mean loss, without its weight. NaN: not
 * measured of such a target, no such output, or nothing to measure it on. */
CN_API double cn_evaluation_metric(const cn_evaluation *evaluation, int64_t output, cn_metric metric);
/** A metric of one class, label or channel, `index`, of an output; accuracy is the share that was recognised (of a
 * label: that is right). NaN also: no such index. */
CN_API double cn_evaluation_class_metric(const cn_evaluation *evaluation, int64_t output, cn_metric metric,
                                         int64_t index);
/** The metric that says most of such a target: accuracy of a class, mean IoU of a mask, F1 of labels (BCE), the mean
 * absolute error of other values. CN_METRIC_LOSS: no such output. */
CN_API cn_metric cn_evaluation_main_metric(const cn_evaluation *evaluation, int64_t output);

/** The share of images (pixels) that were recognised, 0 to 1, by the first output. */
CN_API double cn_evaluation_accuracy(const cn_evaluation *evaluation);
/** How many classes the first output tells apart, or how many values it has. */
CN_API int64_t cn_evaluation_classes(const cn_evaluation *evaluation);
/** The share of a class's images (pixels) that were recognised by the first output; NaN if it has none or does not
 * exist. */
CN_API double cn_evaluation_class_accuracy(const cn_evaluation *evaluation, int64_t truth);
/** Images (pixels) of class `truth` that the first output took for `predicted`; 0 outside the classes. */
CN_API int64_t cn_evaluation_confusion(const cn_evaluation *evaluation, int64_t truth, int64_t predicted);
/** How many images were misclassified, where each has one class. */
CN_API int64_t cn_evaluation_misclassified_count(const cn_evaluation *evaluation);
/** One of them, in the data set's order. `entry` begins with its size, as CN_MISCLASSIFIED_INIT sets it.
 * CN_ERR_NOT_FOUND. */
CN_API cn_status cn_evaluation_misclassified(const cn_evaluation *evaluation, int64_t index, cn_misclassified *entry);

/* ------------------------------------------------------------------------------------------ */
/* Predictor: a model compiled for inference                                                  */

/** A model compiled for inference. */
typedef struct cn_predictor cn_predictor;

typedef struct cn_predictor_options {
    uint64_t size;
    int max_batch_size; /**< images handled at a time, 1 or more; larger inputs are cut up. With batch norm without
                             running statistics they are the batch that these are taken of */
    /** Test-time augmentation: several variants of each image go in, and the output has the mean of the probabilities
     * that they get, from a model with one value a class: as they are if its last layer is a softmax, else their
     * logarithms.
     */
    int flip;  /**< 1: itself and its mirror image */
    int shift; /**< n: itself moved by up to n pixels each way, edges mirrored: (2 n + 1)² variants; 0 to 8, and less
                    than its sides */
    int reserved;
} cn_predictor_options;
#define CN_PREDICTOR_OPTIONS_INIT                                                                                      \
    { sizeof(cn_predictor_options), 16, 0, 0, 0 }
/** CN_PREDICTOR_OPTIONS_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_predictor_options_init(cn_predictor_options *options, size_t size);

/** Makes a predictor. It takes a copy of the parameters as they are now; the model must outlive the predictor. Many
 * predictors may be made of one model, each used by one thread (cn_predictor_clone). A predictor keeps its
 * parameters in the order that serves 16 images at a time and, unless a layer prevents it (grouped convolutions,
 * batch norm without running statistics), also in the one that serves few; with a small max_batch_size only in the
 * latter, and then it takes the least memory. CN_ERR_STATE: model not initialised; CN_ERR_SHAPE: variants with an
 * output of more than one value a class; CN_ERR_ARGUMENT: shift. */
CN_API cn_status cn_predictor_new(const cn_model *model, const cn_predictor_options *options, cn_predictor **predictor);
/** One more of the same for another thread, also while that one runs: it uses the parameters that `predictor` has, as
 * they were when that was made, and takes memory of its own for what layers compute only. Either may be freed first. */
CN_API cn_status cn_predictor_clone(const cn_predictor *predictor, cn_predictor **clone);
/** Frees a predictor. While it runs it only warns the log. */
CN_API void cn_predictor_free(cn_predictor *predictor);

/** Runs [N, C, H, W] through the model: float32, already normalised, or uint8 pixels, which are normalised as the
 * model was trained (CN_ERR_STATE: it does not know how). `output`: float32 [N, K] or [N, C', H', W'], what the
 * model's last layer gives (session 8: log-probabilities). Few images, up to 14 at most, go one by one, with another
 * order of additions than more: what an image gives may depend on how many go with it, by rounding. Allocates nothing
 * but when a size comes that is not kept. CN_ERR_SHAPE; CN_ERR_STATE also: it runs already, on another thread or
 * around a layer of the program's own that has called it. */
CN_API cn_status cn_predictor_run(cn_predictor *predictor, const cn_tensor *input, cn_tensor *output);

/** The same for a model with several inputs and outputs, as cn_model_forward_all has them. Only the first input may be
 * uint8. CN_ERR_SHAPE also: another number of tensors. */
CN_API cn_status cn_predictor_run_all(cn_predictor *predictor, int64_t input_count, const cn_tensor *const *inputs,
                                      int64_t output_count, cn_tensor *const *outputs);

/** Where in an image the model sees class `label`: the class-activation map (Zhou et al. 2016), float32 [1, 1, h, w] as
 * large as the maps that the model averages at its end. The mean of the map plus the class's bias is its score. `image`
 * is one that cn_predictor_run takes; of several outputs, the first counts. CN_ERR_UNSUPPORTED: the model does not end
 * with a global average pool and a 1×1 convolution or linear layer, softmax, flatten and dropout aside, or has several
 * inputs; CN_ERR_NOT_FOUND: no such class; CN_ERR_SHAPE. */
CN_API cn_status cn_model_class_activation_map(const cn_model *model, const cn_tensor *image, int64_t label,
                                               cn_tensor **map);

/* ------------------------------------------------------------------------------------------ */
/* Reports: charts and pictures as SVG, and pages of them as HTML                             */

/* Not yet stable: until a release says otherwise, functions and structs from here to the end of this file may change in
 * a minor version, and so may what their texts look like. All above here will not. */

/* SVG texts are complete documents with selectable text, for light and dark surroundings and for readers who do not see
 * all colours; they can be saved as they are or put into a page. All texts handed out are freed with cn_text_free.
 * Names are escaped, and what is not UTF-8 or a control character in them becomes U+FFFD. */

/** Puts a text that ends in '\0' into a file, whole or not at all (as cn_model_save does). CN_ERR_IO. */
CN_API cn_status cn_text_save(cn_context *context, const char *text, const char *path);

/** One metric of `count` runs over their epochs, training and test: loss, accuracy, learning rate, or another that is
 * the epochs' own (cn_epoch_info.metric); of what a history does not hold there is no curve. The axis is how many epochs
 * are over, the same for all metrics; learning rates are those of steps (cn_history_add_rate) or, without, epochs' means.
 * Runs of one name are drawn as their mean, with a band from the lowest to the highest. NaN leaves a gap. */
CN_API cn_status cn_chart_metric(int count, const cn_history *const *histories, cn_metric metric, char **svg);

/** Loss and, side by side with it, the metric that the first history's last epoch has, such as accuracy. */
CN_API cn_status cn_chart_curves(int count, const cn_history *const *histories, char **svg);

/** Losses over rates, as cn_trainer_find_rate has found them, and the rate that it suggests. */
CN_API cn_status cn_chart_rates(const cn_rate_curve *curve, char **svg);

/** What was taken for what: a row for each true class, a column for each predicted one, with numbers for up to 20
 * classes and up to 100 a remark at each cell. As wide as other charts unless names or numbers want more. `dataset`,
 * or NULL, has the classes' names. Of images or, with masks, pixels, of the first output. CN_ERR_ARGUMENT: it does
 * not tell classes apart. */
CN_API cn_status cn_chart_confusion(const cn_evaluation *evaluation, const cn_dataset *dataset, char **svg);

/** Accuracy of each class, IoU where these are of pixels, or F1 of each label, of the first output: best first; of more
 * than 30 the 15 best and worst. CN_ERR_ARGUMENT: an output of other values. */
CN_API cn_status cn_chart_class_accuracy(const cn_evaluation *evaluation, const cn_dataset *dataset, char **svg);

/* Sheets of pictures with their titles as text, under a heading (NULL: one that says what they are): each picture a PNG
 * within the SVG, small ones magnified without blur, large ones made smaller. CN_ERR_UNSUPPORTED: a build without
 * images. */

/** Pictures uint8 [N, 1 or 3, H, W] in `columns` columns (0: as suits N); titles[i], of a few lines, goes with
 * picture i (NULL: none). */
CN_API cn_status cn_sheet_pictures(const cn_tensor *pictures, const char *const *titles, int columns,
                                   const char *heading, char **svg);

/** `count` images of a data set, those named in `indices` or the first, each titled with its class, "index:name" as the
 * study has it, or the index where classes have no names, unless its first target is no class, and with its file's name
 * or its index. */
CN_API cn_status cn_sheet_examples(const cn_dataset *dataset, int64_t count, const int64_t *indices,
                                   const char *heading, char **svg);

/** One image as it is, and as `count` - 1 epochs of training with that seed will see it. */
CN_API cn_status cn_sheet_augmented(const cn_dataset *dataset, int64_t index, int64_t count, uint64_t seed,
                                    const char *heading, char **svg);

/** At most `count` misclassified images, titled "predicted:class/truth:class" as the study has it, and with their
 * files' names or indices: the first in the data set's order, or, with `surest`, those to which the model gave the
 * highest probabilities, which then stand between. */
CN_API cn_status cn_sheet_misclassified(const cn_evaluation *evaluation, const cn_dataset *dataset, int64_t count,
                                        int surest, const char *heading, char **svg);

/** The filters of a first convolution, float32 [N, 1 or 3, H, W], as grey or colour pictures: zero is middle grey, and
 * the weight farthest from it, with which each is titled, black or white. */
CN_API cn_status cn_sheet_filters(const cn_tensor *weight, const char *heading, char **svg);

/** What a layer gives for an image, float32 [1, C, H, W]: a picture a channel, from its lowest value (dark blue) to its
 * highest (pale yellow), with which each is titled. CN_ERR_DATA: NaN or infinity. */
CN_API cn_status cn_sheet_activations(const cn_tensor *activations, const char *heading, char **svg);

/** A page that is put together from the top to the bottom: one HTML5 file that needs no network and no script, for wide
 * and narrow screens, light and dark, and paper. Texts are escaped, but for `svg`, which goes in as it is. After a
 * failure the page is as it was before the call. */
typedef struct cn_page cn_page;
/** Makes a page with a title. */
CN_API cn_status cn_page_new(cn_context *context, const char *title, cn_page **page);
/** Frees a page. */
CN_API void cn_page_free(cn_page *page);
/** Adds a heading. */
CN_API cn_status cn_page_heading(cn_page *page, const char *text);
/** Adds a paragraph. */
CN_API cn_status cn_page_paragraph(cn_page *page, const char *text);
/** A paragraph that stands out: what a reader has to know first. */
CN_API cn_status cn_page_notice(cn_page *page, const char *text);
/** `count` figures that matter most, each a value with its name: values[i] in large letters over names[i]. */
CN_API cn_status cn_page_facts(cn_page *page, int count, const char *const *names, const char *const *values);
/** `rows` rows of `columns` cells, 1 to 32, row by row, after a row of headings; the first cell of each row says what
 * the row is about. Columns of numbers are set to the right. `caption`, or NULL, says what the table shows. */
CN_API cn_status cn_page_table(cn_page *page, const char *caption, int rows, int columns, const char *const *headings,
                               const char *const *cells);
/** A chart or sheet, with a caption or NULL. Narrow ones stand side by side where there is room. */
CN_API cn_status cn_page_figure(cn_page *page, const char *svg, const char *caption);
/** Pictures with titles, as cn_sheet_pictures takes them. CN_ERR_UNSUPPORTED: a build without images. */
CN_API cn_status cn_page_pictures(cn_page *page, const cn_tensor *pictures, const char *const *titles);
/** The whole page so far; it can be added to afterwards. */
CN_API cn_status cn_page_html(const cn_page *page, char **html);

typedef struct cn_report {
    uint64_t size;
    const char *title;    /**< NULL: "Training report" */
    const char *subtitle; /**< which run it is: data, recipe, date; NULL: none */
    const char *notice;   /**< what a reader has to know first, such as that the run was interrupted; NULL: nothing */
    const cn_model *model;
    const cn_history *history;
    const cn_evaluation *evaluation;
    const cn_dataset *dataset;
    const cn_dataset *train;          /**< that the model was trained on */
    const char *const *setting_names; /**< of the run, as the program knows them */
    const char *const *setting_values;
    int64_t setting_count;
    int64_t planned_epochs; /**< of which the history may have fewer; 0: as many as it has */
} cn_report;
#define CN_REPORT_INIT                                                                                                 \
    { sizeof(cn_report), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0 }
/** CN_REPORT_INIT for languages without macros; `size` is that of the caller's struct. */
CN_API void cn_report_init(cn_report *report, size_t size);
/** All that there is to say about a model, as one page: results, curves, learning rate, epochs, confusion matrix,
 * measures of each class, label or channel, of each class the misclassified image that the model was surest of, settings,
 * device, and the model's tables. What is NULL is left out, and what targets do not have, such as a confusion matrix of
 * vectors. `dataset` is the one that `evaluation` was made on. */
CN_API cn_status cn_report_page(cn_context *context, const cn_report *report, char **html);

/* ------------------------------------------------------------------------------------------ */
/* Names of before the first candidate, for programs that were written then; gone with 1.0.0  */

#define CN_FLOAT32             CN_DTYPE_FLOAT32
#define CN_UINT8               CN_DTYPE_UINT8
#define CN_INT64               CN_DTYPE_INT64
#define CN_TRAIN               CN_SPLIT_TRAIN
#define CN_TEST                CN_SPLIT_TEST
#define cn_session8_new        cn_model_session8
#define cn_session8_pretrained cn_model_session8_pretrained
#define cn_mnist_model_new     cn_model_mnist

/** cn_evaluation_new with that loss and otherwise default options. */
static inline cn_status cn_evaluate(const cn_model *model, const cn_dataset *dataset, cn_loss_kind loss,
                                    cn_evaluation **evaluation) {
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    options.loss = loss;
    return cn_evaluation_new(model, dataset, &options, evaluation);
}

#ifdef __cplusplus
}
#endif

#endif
