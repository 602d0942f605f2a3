/* SPDX-License-Identifier: MIT */
/* messages.c: the messages of onnx.proto that an importer reads, field by field; fields that it does not know are passed
 * over. */
#include "onnx/onnx.h"
#include "onnx/proto.h"

/* ---- TensorProto ---- */

static const struct {
    int64_t type;
    unsigned bytes;
    bool real;
} types[] = {
    {CN__ONNX_FLOAT, 4, true},   {CN__ONNX_UINT8, 1, false}, {CN__ONNX_INT8, 1, false},
    {CN__ONNX_INT32, 4, false},  {CN__ONNX_INT64, 8, false}, {CN__ONNX_BOOL, 1, false},
    {CN__ONNX_FLOAT16, 2, true}, {CN__ONNX_DOUBLE, 8, true}, {CN__ONNX_BFLOAT16, 2, true},
};

unsigned cn__onnx_type_bytes(int64_t type) {
    for (size_t i = 0; i < CN__COUNT(types); i++)
        if (types[i].type == type)
            return types[i].bytes;
    return 0;
}

bool cn__onnx_type_is_float(int64_t type) {
    for (size_t i = 0; i < CN__COUNT(types); i++)
        if (types[i].type == type)
            return types[i].real;
    return false;
}

static cn_status damaged(const char *what, cn__bytes name) {
    return cn__error(CN_ERR_FORMAT, "%s '%.*s' is damaged", what, CN__SHOWN(name));
}

/* Digits alone; false: other characters, or too large a number. */
static bool read_decimal(cn__bytes text, uint64_t *number) {
    *number = 0;
    for (size_t i = 0; i < text.count; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || *number > UINT64_MAX / 10 - 9)
            return false;
        *number = *number * 10 + (text.at[i] - '0');
    }
    return text.count > 0;
}

static bool read_entry(cn__bytes message, cn__bytes *key, cn__bytes *value) {
    cn__field field;
    *key = *value = (cn__bytes){0};
    while (cn__wire_next(&message, &field))
        if (field.type == CN__WIRE_BYTES)
            *(field.number == CN__ENTRY_KEY ? key : value) = field.bytes;
    return message.at != NULL;
}

/* Where numbers lie that are not in this file. */
static bool read_place(cn__bytes message, cn__onnx_tensor *tensor) {
    cn__bytes key, value;
    if (!read_entry(message, &key, &value))
        return false;
    if (cn__bytes_are(key, "location"))
        tensor->location = value;
    if (cn__bytes_are(key, "offset"))
        return read_decimal(value, &tensor->offset);
    if (cn__bytes_are(key, "length"))
        return read_decimal(value, &tensor->length);
    return true;
}

static bool read_tensor_field(const cn__field *field, cn__onnx_tensor *tensor, bool *external) {
    if (field->number == CN__TENSOR_TYPE && field->type == CN__WIRE_VARINT)
        tensor->type = (int64_t)field->value;
    else if (field->number == CN__TENSOR_LOCATION && field->type == CN__WIRE_VARINT)
        *external = field->value == 1;
    else if (field->number == CN__TENSOR_NAME && field->type == CN__WIRE_BYTES)
        tensor->name = field->bytes;
    else if (field->number == CN__TENSOR_RAW && field->type == CN__WIRE_BYTES)
        tensor->raw = field->bytes;
    else if (field->number == CN__TENSOR_EXTERNAL && field->type == CN__WIRE_BYTES)
        return read_place(field->bytes, tensor);
    return true;
}

static cn_status read_shape(cn__onnx_tensor *tensor) {
    cn__repeated dims = {tensor->message, {0}, CN__TENSOR_DIMS, CN__WIRE_VARINT};
    uint64_t side;
    tensor->count = 1;
    while (cn__wire_number(&dims, &side)) {
        if (tensor->dims == CN_MAX_DIMS)
            return cn__error(CN_ERR_UNSUPPORTED, "tensor '%.*s' has more than %d dimensions", CN__SHOWN(tensor->name),
                             CN_MAX_DIMS);
        if (side > INT32_MAX || tensor->count * (int64_t)side > INT32_MAX)
            return cn__error(CN_ERR_FORMAT, "tensor '%.*s' has more than %d elements", CN__SHOWN(tensor->name),
                             INT32_MAX);
        tensor->shape[tensor->dims++] = (int64_t)side;
        tensor->count *= (int64_t)side;
    }
    return CN_OK; /* the message has been read once, and is whole */
}

cn__repeated cn__onnx_tensor_typed(const cn__onnx_tensor *tensor) {
    cn__repeated numbers = {tensor->message, {0}, CN__TENSOR_INT32S, CN__WIRE_VARINT};
    if (tensor->type == CN__ONNX_FLOAT) {
        numbers.number = CN__TENSOR_FLOATS;
        numbers.type = CN__WIRE_FIXED32;
    } else if (tensor->type == CN__ONNX_DOUBLE) {
        numbers.number = CN__TENSOR_DOUBLES;
        numbers.type = CN__WIRE_FIXED64;
    } else if (tensor->type == CN__ONNX_INT64) {
        numbers.number = CN__TENSOR_INT64S;
    }
    return numbers;
}

static cn_status check_count(cn__onnx_tensor *tensor) {
    unsigned width = cn__onnx_type_bytes(tensor->type);
    uint64_t bits;
    int64_t count = 0;
    if (width == 0 || tensor->location.at)
        return CN_OK; /* refused when it is used; held against the other file when that is opened */
    if (tensor->raw.at) {
        count = tensor->raw.count % width ? -1 : (int64_t)(tensor->raw.count / width);
    } else {
        cn__repeated numbers = cn__onnx_tensor_typed(tensor);
        while (cn__wire_number(&numbers, &bits))
            count++;
        if (!numbers.message.at)
            return damaged("tensor", tensor->name);
    }
    tensor->present = count == tensor->count;
    if (!tensor->present)
        return cn__error(CN_ERR_FORMAT, "tensor '%.*s' has not the %lld elements that its shape says",
                         CN__SHOWN(tensor->name), (long long)tensor->count);
    return CN_OK;
}

cn_status cn__onnx_tensor_read(cn__bytes message, cn__onnx_tensor *tensor) {
    cn__field field;
    bool external = false;
    *tensor = (cn__onnx_tensor){.message = message};
    while (cn__wire_next(&message, &field))
        if (!read_tensor_field(&field, tensor, &external))
            return damaged("tensor", tensor->name);
    if (!message.at)
        return damaged("tensor", tensor->name);
    if (external && !tensor->location.at)
        return cn__error(CN_ERR_FORMAT, "tensor '%.*s' is in another file, but which is not said",
                         CN__SHOWN(tensor->name));
    if (!external)
        tensor->location.at = NULL;
    CN__TRY(read_shape(tensor));
    return check_count(tensor);
}

/* ---- ValueInfoProto ---- */

/* The sub-message or text `number`; at NULL: none, or the message is damaged. */
static cn__bytes piece(cn__bytes message, uint32_t number) {
    cn__bytes found = {0};
    cn__field field;
    while (cn__wire_next(&message, &field))
        if (field.number == number && field.type == CN__WIRE_BYTES)
            found = field.bytes;
    return message.at ? found : (cn__bytes){0};
}

static int64_t number_in(cn__bytes message, uint32_t number) {
    int64_t found = 0;
    cn__field field;
    while (cn__wire_next(&message, &field))
        if (field.number == number && field.type == CN__WIRE_VARINT)
            found = (int64_t)field.value;
    return message.at ? found : 0;
}

cn_status cn__onnx_info_read(cn__bytes message, cn__onnx_info *info) {
    cn__field field;
    *info = (cn__onnx_info){.name = piece(message, CN__INFO_NAME), .dims = -1};
    cn__bytes tensor = piece(piece(message, CN__INFO_TYPE), CN__TYPE_TENSOR);
    cn__bytes shape = piece(tensor, CN__TYPE_SHAPE);
    info->type = number_in(tensor, CN__TYPE_ELEMENT);
    if (!info->name.at)
        return damaged("an input or output", info->name);
    if (!shape.at)
        return CN_OK;
    info->dims = 0;
    while (cn__wire_next(&shape, &field)) {
        if (field.number != CN__SHAPE_DIM || field.type != CN__WIRE_BYTES)
            continue;
        if (info->dims == CN_MAX_DIMS)
            return cn__error(CN_ERR_UNSUPPORTED, "'%.*s' has more than %d dimensions", CN__SHOWN(info->name),
                             CN_MAX_DIMS);
        int64_t side = number_in(field.bytes, CN__DIM_VALUE);
        info->shape[info->dims++] = side > 0 ? side : 0;
    }
    return shape.at ? CN_OK : damaged("the shape of", info->name);
}

/* ---- AttributeProto ---- */

static float float_of(uint64_t bits) {
    uint32_t word = (uint32_t)bits;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static void read_attr_field(const cn__field *field, cn__onnx_attr *attr) {
    if (field->number == CN__ATTRIBUTE_I && field->type == CN__WIRE_VARINT)
        attr->i = (int64_t)field->value;
    else if (field->number == CN__ATTRIBUTE_F && field->type == CN__WIRE_FIXED32)
        attr->f = float_of(field->value);
    else if (field->number == CN__ATTRIBUTE_S && field->type == CN__WIRE_BYTES)
        attr->s = field->bytes;
    else if (field->number == CN__ATTRIBUTE_T && field->type == CN__WIRE_BYTES)
        attr->t = field->bytes;
}

bool cn__onnx_attr_find(cn__bytes attributes, const char *name, cn__onnx_attr *attr) {
    cn__field field;
    while (cn__wire_next(&attributes, &field)) {
        if (field.number != CN__NODE_ATTRIBUTE || field.type != CN__WIRE_BYTES)
            continue;
        cn__bytes found = piece(field.bytes, CN__ATTRIBUTE_NAME), message = field.bytes;
        if (!found.at || !cn__bytes_are(found, name))
            continue;
        *attr = (cn__onnx_attr){.message = message};
        while (cn__wire_next(&message, &field))
            read_attr_field(&field, attr);
        return true;
    }
    return false;
}

int cn__onnx_attr_ints(const cn__onnx_attr *attr, int64_t *to, int most) {
    cn__repeated numbers = {attr->message, {0}, CN__ATTRIBUTE_INTS, CN__WIRE_VARINT};
    uint64_t bits;
    int count = 0;
    while (cn__wire_number(&numbers, &bits)) {
        if (count == most)
            return -1;
        to[count++] = (int64_t)bits;
    }
    return numbers.message.at ? count : -1;
}

int cn__onnx_attr_floats(const cn__onnx_attr *attr, float *to, int most) {
    cn__repeated numbers = {attr->message, {0}, CN__ATTRIBUTE_FLOATS, CN__WIRE_FIXED32};
    uint64_t bits;
    int count = 0;
    while (cn__wire_number(&numbers, &bits)) {
        if (count == most)
            return -1;
        to[count++] = float_of(bits);
    }
    return numbers.message.at ? count : -1;
}

/* ---- ModelProto.metadata_props ---- */

const char *cn__onnx_metadata_find(const void *data, size_t bytes, const char *key, size_t *length) {
    cn__bytes file = {data, bytes}, found, value;
    cn__field field;
    while (cn__wire_next(&file, &field))
        if (field.number == CN__MODEL_METADATA && field.type == CN__WIRE_BYTES &&
            read_entry(field.bytes, &found, &value) && cn__bytes_are(found, key)) {
            *length = value.count;
            return value.at ? (const char *)value.at : "";
        }
    return NULL;
}
