/* SPDX-License-Identifier: MIT */
/* wire_write.c: protobuf's wire format, written. */
#include "onnx/proto.h"
#include "base/values.h"

static unsigned char *make_room(cn__message *message, size_t more) {
    if (!message->failed && more > message->capacity - message->count) {
        size_t capacity = 2 * message->capacity + more + 64;
        unsigned char *data = cn__alloc(message->ctx, capacity, 1);
        message->failed = !data;
        if (data) {
            if (message->count)
                memcpy(data, message->data, message->count);
            cn__free(message->ctx, message->data);
            message->data = data;
            message->capacity = capacity;
        }
    }
    if (message->failed)
        return NULL;
    message->count += more;
    return message->data + (message->count - more);
}

static void append(cn__message *message, const void *bytes, size_t count) {
    unsigned char *to = make_room(message, count);
    if (to && count)
        memcpy(to, bytes, count);
}

static void append_varint(cn__message *message, uint64_t value) {
    unsigned char bytes[10];
    size_t count = 0;
    for (; value > 127; value >>= 7)
        bytes[count++] = (unsigned char)(value | 128);
    bytes[count++] = (unsigned char)value;
    append(message, bytes, count);
}

static void append_key(cn__message *message, uint32_t number, cn__wire_type type) {
    append_varint(message, (uint64_t)number << 3 | type);
}

void cn__message_int(cn__message *message, uint32_t number, int64_t value) {
    append_key(message, number, CN__WIRE_VARINT);
    append_varint(message, (uint64_t)value);
}

void cn__message_float(cn__message *message, uint32_t number, float value) {
    unsigned char bytes[4];
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(bits >> (8 * i));
    append_key(message, number, CN__WIRE_FIXED32);
    append(message, bytes, sizeof bytes);
}

void cn__message_head(cn__message *message, uint32_t number, size_t count) {
    append_key(message, number, CN__WIRE_BYTES);
    append_varint(message, count);
}

void cn__message_bytes(cn__message *message, uint32_t number, const void *bytes, size_t count) {
    cn__message_head(message, number, count);
    append(message, bytes, count);
}

void cn__message_text(cn__message *message, uint32_t number, const char *text) {
    cn__message_bytes(message, number, text, strlen(text));
}

void cn__message_numbers(cn__message *message, uint32_t number, unsigned width, size_t count, const void *numbers) {
    cn__message_head(message, number, count * width);
    unsigned char *to = make_room(message, count * width);
    if (to)
        cn__numbers_store(numbers, width, count, to);
}

void cn__message_append(cn__message *message, cn__message *more) {
    message->failed = message->failed || more->failed;
    append(message, more->data, more->count);
    more->count = 0;
}

void cn__message_put(cn__message *message, uint32_t number, cn__message *part) {
    cn__message_head(message, number, part->count);
    cn__message_append(message, part);
}

void cn__message_drop(cn__message *message) {
    cn__free(message->ctx, message->data);
    *message = (cn__message){.ctx = message->ctx};
}
