/* SPDX-License-Identifier: MIT */
/* io.h: model files. safetensors.c reads and writes the container, architecture.c turns a model's structure into text
 * and back; checksum.c says whether what a file holds is what was saved; state_dict.c finds and takes a model's tensors
 * by name; model_file.c brings all together; pretrained.c hands out the model file that is part of the library.
 *
 * A model file is a safetensors file: 8 bytes little-endian length, that much JSON, and the tensors' bytes, to which
 * the JSON's offsets refer. In the strings of its "__metadata__":
 *
 *   format           "pt", which PyTorch's tools look for
 *   convnet.version  version of what follows, a number; a reader refuses those after its own
 *   convnet.model    architecture, normalisation and class names, as JSON (architecture.c)
 *   convnet.self_test, convnet.self_test.crc32  inputs and outputs as JSON (self_test_file.c), where the model has them,
 *                    and the CRC-32 of that text
 *   convnet.crc32    CRC-32 (zlib's, eight hexadecimal digits) of convnet.model's text and then the tensors' bytes,
 *                    the model's int64 tensors first and then the others, both in the model's order
 *
 * A checkpoint is such a file with more tensors and more metadata (checkpoint.c):
 *
 *   convnet.checkpoint        version of what follows, a number; a reader refuses all others
 *   convnet.checkpoint.by     which library on which processor wrote it
 *   convnet.checkpoint.run    what whoever goes on must have, too, as JSON (train/run_text.c)
 *   convnet.checkpoint.crc32  CRC-32 of the header, with zeros for these eight digits, and of all data
 *
 * Names of its tensors have no dot, which every tensor of a model has, but for the program's own.
 */
#ifndef CN_IO_H
#define CN_IO_H

#include "base/values.h"
#include "base/json.h"
#include "model/model.h"
#include "onnx/onnx.h"

#define CN__STATE_DICT_PREFIX 255

/* ---- the container (safetensors.c) ---- */

#define CN__SAFETENSORS_LENGTH   8 /* bytes of the length that a file begins with */
#define CN__SAFETENSORS_METADATA "__metadata__"

typedef struct cn__entry {
    const char *name;
    const char *dtype; /* "F32" */
    int dims;
    int64_t shape[CN_MAX_DIMS];
    uint64_t begin, end; /* in the data */
    bool used;           /* for its reader's own notes */
} cn__entry;

typedef struct cn__metadata {
    const char *key, *value;
} cn__metadata;

/* A file, in memory that is borrowed or on disk. */
typedef struct cn__safetensors {
    cn_context *ctx;
    const char *text; /* of the header */
    size_t text_bytes;
    cn__json *header;   /* owns all texts */
    cn__entry *entries; /* by name */
    size_t count;
    const unsigned char *data; /* NULL: not fetched yet */
    size_t bytes;              /* of data */
    cn__file source;
    char *owned_text;
    unsigned char *owned_data;
    cn_tensors *owned_tensors; /* whose names these are, see cn__tensors_as_file */
} cn__safetensors;

/* Reads the header, from memory or from a file, and checks everything that the format demands. CN_ERR_FORMAT,
 * CN_ERR_IO. cn__safetensors_drop is due only after CN_OK. */
cn_status cn__safetensors_read(cn_context *ctx, const void *memory, size_t bytes, cn__safetensors *file);
cn_status cn__safetensors_open(cn_context *ctx, const char *path, cn__safetensors *file);
/* Brings the data into memory, where they are not. */
cn_status cn__safetensors_fetch(cn__safetensors *file);
void cn__safetensors_drop(cn__safetensors *file);
cn__entry *cn__safetensors_find(const cn__safetensors *file, const char *name);     /* NULL: none */
const char *cn__safetensors_metadata(const cn__safetensors *file, const char *key); /* NULL: none */
/* Whether every byte of the header is as this library writes it; other programs' differ in order, offsets or spaces. */
cn_status cn__safetensors_is_own(const cn__safetensors *file, bool *own);

/* Gives entries their offsets: wider types first, so that all lie aligned. */
void cn__safetensors_place(cn__entry *entries, size_t count);
/* The bytes of a file as uint8 [N], with all of its header; the last data_bytes, for the data, are zero. The same input
 * gives the same bytes. CN_ERR_ARGUMENT: a text is not UTF-8, or there is more header than readers take. */
cn_status cn__safetensors_pack(cn_context *ctx, const cn__entry *entries, size_t count, const cn__metadata *metadata,
                               size_t metadata_count, size_t data_bytes, cn_tensor **file);

/* ---- a model's tensors in a file (state_dict.c) ---- */

/* Calls `visit` for each tensor of a model, initialised or not, in its order, until one fails. */
typedef cn_status (*cn__visit)(void *user, const char *name, const cn__tensor_spec *spec);
cn_status cn__each_tensor(const cn_model *model, cn__visit visit, void *user);

/* How a model's names are found in a file. */
typedef struct cn__state_dict {
    cn__safetensors *file;
    const char *source;         /* for messages */
    const char *const *renames; /* as in cn_load_options, as are: */
    cn_load_function report;
    void *user;
    char prefix[CN__STATE_DICT_PREFIX + 1]; /* what comes before the model's names */
    bool strict;
    int64_t fitting; /* tensors of the model that will be taken */
} cn__state_dict;

/* Finds the prefix: none, or that of PyTorch's wrappers (module., model., _orig_mod.), with a line in the log. */
void cn__state_dict_find_prefix(cn__state_dict *dict, const cn_model *model);
/* CN_ERR_NOT_FOUND: a rename that stands for no tensor of the model. */
cn_status cn__state_dict_check_renames(const cn__state_dict *dict, const cn_model *model);
/* Sees that the model's tensors are there, without their data, and reports; if not strict, logs those that are not.
 * CN_ERR_NOT_FOUND, CN_ERR_SHAPE. */
cn_status cn__state_dict_match(cn__state_dict *dict, const cn_model *model);
/* The entry of a tensor; NULL: it is not taken. */
cn__entry *cn__state_dict_find(const cn__state_dict *dict, const char *name, const cn__tensor_spec *spec);
/* Takes the values, which the file must have fetched, into an initialised model: all that match, or none. CN_ERR_DATA.
 * Logs what the model does not have. */
cn_status cn__state_dict_load(const cn__state_dict *dict, cn_model *model);

/* ---- model files, and what more may be in them (model_file.c) ---- */

#define CN__KEY_MODEL      "convnet.model"
#define CN__KEY_CHECKPOINT "convnet.checkpoint"

/* A tensor beside the model's: `entry` has its name, type and shape. */
typedef struct cn__array {
    cn__entry entry;
    void *data;
} cn__array;

/* Beside the model's tensors and metadata. */
typedef struct cn__beside {
    const cn__array *arrays;
    size_t array_count;
    const cn__metadata *metadata;
    size_t metadata_count;
} cn__beside;

/* A model's file as bytes, uint8 [N], of a model that `architecture` describes. CN_ERR_DATA: a parameter that such
 * weights cannot hold. */
cn_status cn__model_pack(const cn_model *model, const char *architecture, cn_weights weights, const cn__beside *beside,
                         cn_tensor **file);
/* The highest version of model files, and the key that it is under; and the number that a file's metadata have under a
 * key; 0: none, or no number from 1. */
#define CN__MODEL_VERSION 1
#define CN__KEY_VERSION   "convnet.version"
int64_t cn__file_version(const cn__safetensors *file, const char *key);

/* ---- whether it is what was saved (checksum.c) ---- */

#define CN__KEY_CRC "convnet.crc32"
enum { CN__CRC_TEXT = 9 };

/* A CRC-32 as text. */
void cn__crc_text(char text[CN__CRC_TEXT], uint32_t crc);

/* Of a model whose tensors are written as the entries, one for each, say. */
void cn__checksum(const cn_model *model, const char *architecture, const cn__entry *entries, char text[CN__CRC_TEXT]);
/* Whether a file, data and all, is what cn_model_save wrote for `model`, which its architecture describes.
 * CN_ERR_FORMAT: no. Of a file that another program has written again, whether it was changed or damaged cannot be
 * known: then the context's log says so. */
cn_status cn__checksum_check(const cn__state_dict *dict, const cn_model *model);

/* ---- a model's self-test as text (self_test.c, self_test_file.c) ---- */

#define CN__KEY_SELF_TEST     "convnet.self_test"
#define CN__KEY_SELF_TEST_CRC "convnet.self_test.crc32"

/* What a model gives for inputs of a self-test, as such a test. */
cn_status cn__self_test_make(const cn_model *model, cn_tensor *const *inputs, cn__self_test **test);
/* Whether the model is as it was when its self-test was made. */
bool cn__self_test_is_current(const cn_model *model);
uint32_t cn__self_test_crc(const cn_model *model);
/* To be freed with cn_text_free; NULL: the model has none. */
cn_status cn__self_test_write(const cn_model *model, char **text);
/* Gives a model that is complete the self-test of its file, if that has one. CN_ERR_FORMAT. */
cn_status cn__self_test_read(cn_model *model, const cn__safetensors *file);

/* ---- a model's structure as text (architecture.c) ---- */

/* To be freed with cn_text_free. CN_ERR_ARGUMENT: a name is not UTF-8, or there are more layers than files hold. */
cn_status cn__architecture_write(const cn_model *model, char **text);
/* Builds the model, up to but without cn_model_init. CN_ERR_FORMAT. */
cn_status cn__architecture_read(cn_context *ctx, const char *text, cn_model **model);

/* ---- ONNX files (onnx_file.c), and what goes with a model in their metadata (onnx_metadata.c) ---- */

cn_status cn__onnx_file_load(cn_context *ctx, const char *path, cn_model **model);
cn_status cn__onnx_file_load_memory(cn_context *ctx, const void *data, size_t bytes, cn_model **model);

enum { CN__ONNX_METADATA = 3 };
typedef struct cn__onnx_notes {
    cn__onnx_metadata lines[CN__ONNX_METADATA];
    char *texts[CN__ONNX_METADATA];
    size_t count;
} cn__onnx_notes;
/* What is to be written; to be dropped in any case. `preprocessing`: the graph takes pixels. */
cn_status cn__onnx_notes_write(const cn_model *model, bool preprocessing, cn__onnx_notes *notes);
void cn__onnx_notes_drop(cn__onnx_notes *notes);
/* Tells a model of what its file says: ours, or as Ultralytics writes names of classes. What does not fit the model is
 * left out, with a line in the log. CN_ERR_FORMAT: ours is damaged. */
cn_status cn__onnx_notes_read(cn_model *model, const void *data, size_t bytes, const char *source);

/* ---- model files that are part of the library (made from weights/ by the Makefile) ---- */

extern const unsigned char cn__session8_cifar10[];
extern const size_t cn__session8_cifar10_bytes;

#endif
