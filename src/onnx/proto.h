/* SPDX-License-Identifier: MIT */
/* proto.h: what is in an ONNX file, as it lies there. Of what is read nothing is copied: names, numbers and messages are
 * pieces of the file's bytes, which outlive them.
 *
 * The wire format is read and written by hand, since that is the smaller part of the work: a message is a list of
 * (number, type, value), four types in all. Generated readers (protobuf-c, nanopb, protobuf's own) copy every tensor once
 * more through an allocator of their own, take depth and counts from the file, and are a dependency. tests/fuzz_onnx.c
 * feeds this one with anything. */
#ifndef CN_ONNX_PROTO_H
#define CN_ONNX_PROTO_H

#include "base/base.h"
#include <string.h>

/* ---- protobuf's wire format (wire.c) ---- */

/* A piece of the file. `at` is NULL only where there is none, or where it was found to be damaged. */
typedef struct cn__bytes {
    const unsigned char *at;
    size_t count;
} cn__bytes;

typedef enum cn__wire_type {
    CN__WIRE_VARINT = 0,
    CN__WIRE_FIXED64 = 1,
    CN__WIRE_BYTES = 2, /* texts, messages, packed numbers */
    CN__WIRE_FIXED32 = 5
} cn__wire_type;

typedef struct cn__field {
    uint32_t number;
    cn__wire_type type;
    uint64_t value;  /* of numbers, its bits */
    cn__bytes bytes; /* of CN__WIRE_BYTES */
} cn__field;

/* Takes the next field off a message. False: there is none; message->at is NULL if what is there is no field. */
bool cn__wire_next(cn__bytes *message, cn__field *field);

/* The numbers of a repeated field, which writers pack or do not. */
typedef struct cn__repeated {
    cn__bytes message, packed;
    uint32_t number;
    cn__wire_type type; /* of one */
} cn__repeated;
/* The next one's bits. False: there is none; numbers->message.at is NULL if the message is damaged. */
bool cn__wire_number(cn__repeated *numbers, uint64_t *bits);

static inline bool cn__bytes_are(cn__bytes bytes, const char *text) {
    return bytes.at && bytes.count == strlen(text) && memcmp(bytes.at, text, bytes.count) == 0;
}
static inline bool cn__bytes_equal(cn__bytes a, cn__bytes b) {
    return a.count == b.count && (a.count == 0 || memcmp(a.at, b.at, a.count) == 0);
}
/* For printf's "%.*s": at most 100 bytes. */
#define CN__SHOWN(bytes)                                                                                               \
    ((bytes).count < 100 ? (int)(bytes).count : 100), ((bytes).count ? (const char *)(bytes).at : "")

/* A message that is written (wire_write.c); begins as {.ctx}. Want of memory sticks: append freely, ask at the end. */
typedef struct cn__message {
    cn_context *ctx;
    unsigned char *data;
    size_t count, capacity;
    bool failed; /* there was no memory */
} cn__message;
void cn__message_int(cn__message *message, uint32_t number, int64_t value);
void cn__message_float(cn__message *message, uint32_t number, float value);
void cn__message_bytes(cn__message *message, uint32_t number, const void *bytes, size_t count);
void cn__message_text(cn__message *message, uint32_t number, const char *text);
/* Numbers of `width` bytes, little-endian, as TensorProto.raw_data has them. */
void cn__message_numbers(cn__message *message, uint32_t number, unsigned width, size_t count, const void *numbers);
/* The head of a field of so many bytes, which follow. */
void cn__message_head(cn__message *message, uint32_t number, size_t count);
/* Appends a message's fields; a message as a field. That one is then empty. */
void cn__message_append(cn__message *message, cn__message *more);
void cn__message_put(cn__message *message, uint32_t number, cn__message *part);
/* Frees what it has, after which it is empty. */
void cn__message_drop(cn__message *message);

/* ---- ONNX's messages ---- */

enum { /* numbers of fields, onnx.proto's */
       CN__MODEL_IR_VERSION = 1,
       CN__MODEL_PRODUCER_NAME = 2,
       CN__MODEL_PRODUCER_VERSION = 3,
       CN__MODEL_GRAPH = 7,
       CN__MODEL_OPSET = 8,
       CN__MODEL_METADATA = 14,
       CN__OPSET_DOMAIN = 1,
       CN__OPSET_VERSION = 2,
       CN__ENTRY_KEY = 1, /* StringStringEntryProto */
       CN__ENTRY_VALUE = 2,
       CN__GRAPH_NODE = 1,
       CN__GRAPH_NAME = 2,
       CN__GRAPH_TENSOR = 5,
       CN__GRAPH_INPUT = 11,
       CN__GRAPH_OUTPUT = 12,
       CN__INFO_NAME = 1, /* ValueInfoProto: name, and TypeProto { Tensor { elem_type, TensorShapeProto { dim } } } */
       CN__INFO_TYPE = 2,
       CN__TYPE_TENSOR = 1,
       CN__TYPE_ELEMENT = 1,
       CN__TYPE_SHAPE = 2,
       CN__SHAPE_DIM = 1,
       CN__DIM_VALUE = 1,
       CN__DIM_NAME = 2,
       CN__NODE_INPUT = 1,
       CN__NODE_OUTPUT = 2,
       CN__NODE_NAME = 3,
       CN__NODE_OP = 4,
       CN__NODE_ATTRIBUTE = 5,
       CN__NODE_DOMAIN = 7,
       CN__ATTRIBUTE_NAME = 1,
       CN__ATTRIBUTE_F = 2,
       CN__ATTRIBUTE_I = 3,
       CN__ATTRIBUTE_S = 4,
       CN__ATTRIBUTE_T = 5,
       CN__ATTRIBUTE_FLOATS = 7,
       CN__ATTRIBUTE_INTS = 8,
       CN__ATTRIBUTE_TYPE = 20,
       CN__TENSOR_DIMS = 1,
       CN__TENSOR_TYPE = 2,
       CN__TENSOR_FLOATS = 4,
       CN__TENSOR_INT32S = 5,
       CN__TENSOR_INT64S = 7,
       CN__TENSOR_NAME = 8,
       CN__TENSOR_RAW = 9,
       CN__TENSOR_DOUBLES = 10,
       CN__TENSOR_EXTERNAL = 13,
       CN__TENSOR_LOCATION = 14
};

enum { /* TensorProto.DataType */
       CN__ONNX_FLOAT = 1,
       CN__ONNX_UINT8 = 2,
       CN__ONNX_INT8 = 3,
       CN__ONNX_INT32 = 6,
       CN__ONNX_INT64 = 7,
       CN__ONNX_BOOL = 9,
       CN__ONNX_FLOAT16 = 10,
       CN__ONNX_DOUBLE = 11,
       CN__ONNX_BFLOAT16 = 16
};

/* ---- reading them (messages.c) ---- */

typedef struct cn__onnx_tensor {
    cn__bytes message, name;
    int64_t type;
    int dims;
    int64_t shape[CN_MAX_DIMS], count;
    cn__bytes raw;           /* its numbers, little-endian; at NULL: in the field of their type, or in another file: */
    cn__bytes location;      /* at NULL: in this one */
    uint64_t offset, length; /* there; length 0: up to where its numbers end */
    bool present;            /* its numbers were counted, here or in the other file */
} cn__onnx_tensor;
/* CN_ERR_FORMAT: damaged, or it has not as many numbers as its shape says. Of another file only the place is read. */
cn_status cn__onnx_tensor_read(cn__bytes message, cn__onnx_tensor *tensor);
/* Where its numbers are if they are neither raw nor in another file. */
cn__repeated cn__onnx_tensor_typed(const cn__onnx_tensor *tensor);
bool cn__onnx_type_is_float(int64_t type);
/* Bytes of a number; 0: a type that is not read. */
unsigned cn__onnx_type_bytes(int64_t type);

/* An input or output of the graph. */
typedef struct cn__onnx_info {
    cn__bytes name;
    int64_t type;               /* 0: no tensor */
    int dims;                   /* -1: not said */
    int64_t shape[CN_MAX_DIMS]; /* 0: not said, or only by a name */
} cn__onnx_info;
cn_status cn__onnx_info_read(cn__bytes message, cn__onnx_info *info);

/* A node's attribute, of which `value` has what its type says. */
typedef struct cn__onnx_attr {
    cn__bytes message;
    int64_t i;
    float f;
    cn__bytes s, t; /* text; tensor's message */
} cn__onnx_attr;
/* Looks through what a node's message has from its first attribute on; false: none of that name. */
bool cn__onnx_attr_find(cn__bytes attributes, const char *name, cn__onnx_attr *attr);
/* Its list of integers, at most `most` of them; how many, -1: more, or damaged. */
int cn__onnx_attr_ints(const cn__onnx_attr *attr, int64_t *to, int most);
int cn__onnx_attr_floats(const cn__onnx_attr *attr, float *to, int most);

/* ---- a tensor's numbers (tensor_data.c) ---- */

/* Where a model's other files may be. Links are followed: such a file must be below the folder, or that of the model's
 * own file, which are two where this is a link itself, as in the caches of those who download models. */
typedef struct cn__onnx_folder {
    char path[CN__MAX_PATH], real[2][CN__MAX_PATH];
} cn__onnx_folder;
void cn__onnx_folder_of(const char *path, cn__onnx_folder *folder);

/* Brings them into memory where they are in another file, which must lie in `folder` (NULL: none may); *owned is then to
 * be freed, else NULL. Of those in the field of their type `bytes` is the message. */
cn_status cn__onnx_tensor_fetch(cn_context *ctx, const cn__onnx_folder *folder, const cn__onnx_tensor *tensor,
                                cn__bytes *bytes, void **owned);
/* Whether that will find as many bytes as the tensor's shape says, which then is `present`. */
cn_status cn__onnx_tensor_check(cn_context *ctx, const cn__onnx_folder *folder, cn__onnx_tensor *tensor);
/* tensor->count numbers of fetched bytes. */
void cn__onnx_tensor_doubles(const cn__onnx_tensor *tensor, cn__bytes bytes, double *to);
/* CN_ERR_FORMAT: one is finite, but too large for a float. */
cn_status cn__onnx_tensor_floats(const cn__onnx_tensor *tensor, cn__bytes bytes, float *to);

#endif
