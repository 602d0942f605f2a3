/* SPDX-License-Identifier: MIT */
/* fuzz_json.c: JSON. What is read differs nowhere from itself, and its strings and numbers are written as they were. */
#include "fuzzing.h"
#include "base/json.h"

/* A text in quotes, and that read again. */
static void check_string(const char *string) {
    cn__text text = {.ctx = fuzz_context()};
    char *written;
    cn__json *again;
    FUZZ_EXPECT(cn__json_append_string(&text, string));
    FUZZ_EXPECT(cn__text_take(&text, &written) == CN_OK);
    FUZZ_EXPECT(cn__json_read(fuzz_context(), written, strlen(written), "it", &again) == CN_OK);
    FUZZ_EXPECT(strcmp(cn__json_string(again), string) == 0);
    cn__free(fuzz_context(), again);
    cn_text_free(written);
}

static void check_number(const cn__json *number) {
    cn__text text = {.ctx = fuzz_context()};
    char *written;
    cn__json *again;
    double was, is;
    int64_t whole;
    (void)cn__json_int64(number, &whole);
    if (!cn__json_double(number, &was))
        return;
    cn__json_append_double(&text, was);
    FUZZ_EXPECT(cn__text_take(&text, &written) == CN_OK);
    FUZZ_EXPECT(cn__json_read(fuzz_context(), written, strlen(written), "it", &again) == CN_OK);
    FUZZ_EXPECT(cn__json_double(again, &is) && is == was);
    cn__free(fuzz_context(), again);
    cn_text_free(written);
}

static void check_value(const cn__json *value) {
    uint32_t count = 0;
    if (cn__json_is(value, CN__JSON_STRING))
        check_string(cn__json_string(value));
    else if (cn__json_is(value, CN__JSON_NUMBER))
        check_number(value);
    for (const cn__json *v = cn__json_first(value); v; v = cn__json_next(value, v), count++) {
        if (v->key)
            FUZZ_EXPECT(cn__json_get(value, v->key) == v);
        check_value(v);
    }
    FUZZ_EXPECT(count == value->count);
}

FUZZ(json) {
    cn__json *json;
    cn__json_place place;
    fuzz_begin();
    cn_status status = cn__json_read(fuzz_context(), (const char *)data, size, "it", &json);
    FUZZ_OUTCOME(status, json);
    fuzz_at_most(size, 0);
    if (json && json->size < 1000) {
        check_value(json);
        FUZZ_EXPECT(!cn__json_difference(json, json, &place));
    }
    cn__free(fuzz_context(), json);
    fuzz_end();
    return 0;
}
