/* SPDX-License-Identifier: MIT */
/* wire.c: protobuf's wire format (protobuf.dev/programming-guides/encoding). */
#include "onnx/proto.h"

#define VARINT_BITS 64

/* Seven bits a byte, the lowest first; a set highest bit says that more follow. */
static bool take_varint(cn__bytes *bytes, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < VARINT_BITS; shift += 7) {
        if (bytes->count == 0)
            return false;
        unsigned char byte = *bytes->at;
        bytes->at++;
        bytes->count--;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

static bool take_fixed(cn__bytes *bytes, unsigned width, uint64_t *value) {
    *value = 0;
    if (bytes->count < width)
        return false;
    for (unsigned i = 0; i < width; i++)
        *value |= (uint64_t)bytes->at[i] << (8 * i);
    bytes->at += width;
    bytes->count -= width;
    return true;
}

static bool take_bytes(cn__bytes *bytes, cn__bytes *taken) {
    uint64_t count;
    if (!take_varint(bytes, &count) || count > bytes->count)
        return false;
    *taken = (cn__bytes){bytes->at, (size_t)count};
    bytes->at += count;
    bytes->count -= (size_t)count;
    return true;
}

static bool take_number(cn__bytes *bytes, cn__wire_type type, uint64_t *value) {
    switch (type) {
    case CN__WIRE_VARINT:
        return take_varint(bytes, value);
    case CN__WIRE_FIXED32:
        return take_fixed(bytes, 4, value);
    case CN__WIRE_FIXED64:
        return take_fixed(bytes, 8, value);
    case CN__WIRE_BYTES:
        break;
    }
    return false; /* also types 3 and 4, the groups of long ago */
}

static bool take_field(cn__bytes *message, cn__field *field) {
    uint64_t key;
    *field = (cn__field){0};
    if (!take_varint(message, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX)
        return false;
    field->number = (uint32_t)(key >> 3);
    field->type = (cn__wire_type)(key & 7);
    return field->type == CN__WIRE_BYTES ? take_bytes(message, &field->bytes)
                                         : take_number(message, field->type, &field->value);
}

bool cn__wire_next(cn__bytes *message, cn__field *field) {
    if (!message->at || message->count == 0)
        return false;
    if (take_field(message, field))
        return true;
    *message = (cn__bytes){NULL, 0};
    return false;
}

bool cn__wire_number(cn__repeated *numbers, uint64_t *bits) {
    cn__field field;
    while (numbers->packed.count == 0) {
        if (!cn__wire_next(&numbers->message, &field))
            return false;
        if (field.number != numbers->number)
            continue;
        if (field.type == numbers->type) {
            *bits = field.value;
            return true;
        }
        numbers->packed = field.bytes;
    }
    if (take_number(&numbers->packed, numbers->type, bits))
        return true;
    numbers->packed.count = 0;
    numbers->message = (cn__bytes){NULL, 0};
    return false;
}
