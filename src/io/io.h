/* io.h: model files. safetensors.c reads and writes the container, architecture.c turns a model's structure into text
 * and back, model_file.c brings both together; pretrained.c hands out the model file that is part of the library.
 *
 * A model file is a safetensors file: 8 bytes little-endian length, that much JSON, and the tensors' bytes, to which
 * the JSON's offsets refer. In the strings of its "__metadata__":
 *
 *   format           "pt", which PyTorch's tools look for
 *   convnet.version  version of what follows, a number; a reader refuses those after its own
 *   convnet.model    architecture, normalisation and class names, as JSON (architecture.c)
 *   convnet.crc32    CRC-32 (zlib's, eight hexadecimal digits) of convnet.model's text and then the tensors' bytes
 */
#ifndef CN_IO_H
#define CN_IO_H

#include "io/json.h"
#include "model/model.h"

/* ---- the container (safetensors.c) ---- */

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

/* A file in memory, which is borrowed. */
typedef struct cn__safetensors {
    cn_context *ctx;
    cn__json *header;   /* owns all texts */
    cn__entry *entries; /* by name */
    size_t count;
    const unsigned char *data;
    size_t bytes; /* of data */
} cn__safetensors;

/* Checks everything that the format demands. CN_ERR_FORMAT. cn__safetensors_drop is due only after CN_OK. */
cn_status cn__safetensors_read(cn_context *ctx, const void *memory, size_t bytes, cn__safetensors *file);
void cn__safetensors_drop(cn__safetensors *file);
cn__entry *cn__safetensors_find(const cn__safetensors *file, const char *name);     /* NULL: none */
const char *cn__safetensors_metadata(const cn__safetensors *file, const char *key); /* NULL: none */

/* Writes entries, whose offsets the caller has set, with their data. The same input gives the same bytes.
 * CN_ERR_IO; CN_ERR_ARGUMENT: a text is not UTF-8, or there is more header than readers take. */
cn_status cn__safetensors_write(cn_context *ctx, const char *path, const cn__entry *entries, size_t count,
                                const cn__metadata *metadata, size_t metadata_count, const void *data, size_t bytes);

/* ---- a model's structure as text (architecture.c) ---- */

/* To be freed with cn_text_free. CN_ERR_ARGUMENT: a name is not UTF-8, or there are more layers than files hold. */
cn_status cn__architecture_write(const cn_model *model, char **text);
/* Builds the model, up to but without cn_model_init. CN_ERR_FORMAT. */
cn_status cn__architecture_read(cn_context *ctx, const char *text, cn_model **model);

/* ---- model files that are part of the library (made from weights/ by the Makefile) ---- */

extern const unsigned char cn__session8_cifar10[];
extern const size_t cn__session8_cifar10_bytes;

#endif
