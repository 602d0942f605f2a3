/* SPDX-License-Identifier: MIT */
/* words.c: the library's messages as a program's user knows things: options instead of members of structs, programs instead
 * of functions. */
#include "common.h"
#include <ctype.h>
#include <string.h>

/* Whole words, longer ones before those that they begin with. */
static const struct {
    const char *library, *program;
} words[] = {
    {"build the network that they belong to, then cn_model_load_tensors takes them",
     "'convnet-convert IN OUT --network MODEL' makes one of them, as parts of that network"},
    {"this function writes safetensors; cn_model_save_onnx writes ONNX",
     "a model file ends with .safetensors; convnet-convert makes ONNX of it"},
    {"this function writes safetensors; cn_model_state_dict and cn_tensors_save write .npz",
     "a model file ends with .safetensors; convnet-convert makes .npz of it"},
    {"which cn_tensor_load_npy reads", "and not an .npz of named ones"},
    {"which is neither one of this version's nor registered with the context",
     "which is not one of this version's: the program that made it has a layer of its own"},
    {"alternating_flip", "--alternating-flip"},
    {"batch_size", "--batch"},
    {"clip_norm", "--clip-norm"},
    {"clip_value", "--clip-value"},
    {"conv_algorithm", "--algorithm"},
    {"crop_padding", "--crop"},
    {"cutmix_alpha", "--cutmix"},
    {"ema_decay", "--ema"},
    {"horizontal_flip", "--flip"},
    {"label_smoothing", "--label-smoothing"},
    {"learning_rate", "--lr"},
    {"learning_rate_scale", "--head-rate"},
    {"max_batch_size", "--batch"},
    {"max_learning_rate", "--max-lr"},
    {"min_learning_rate", "--min-lr"},
    {"mixup_alpha", "--mixup"},
    {"pct_start", "--rise"},
    {"sample_weights", "weights of --balanced"},
    {"step_size", "--step-size"},
    {"test_batch_size", "--batch"},
    {"warmup_epochs", "--warmup"},
    {"warmup_start", "--warmup-start"},
    {"weight_decay", "--weight-decay"},
};

static bool in_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

/* What the text begins with, and how long that is; NULL: nothing that has another name. */
static const char *other_word(const char *text, size_t *length) {
    for (size_t i = 0; i < COUNT(words); i++) {
        *length = strlen(words[i].library);
        if (strncmp(text, words[i].library, *length) == 0 && !in_word(text[*length]))
            return words[i].program;
    }
    return NULL;
}

/* " (cn_model_init)", a hint at the function to call. */
static size_t hint_length(const char *text) {
    size_t length = strncmp(text, " (cn_", 5) == 0 ? strcspn(text, ")") : 0;
    return length && text[length] == ')' ? length + 1 : 0;
}

/* "cn_trainer_new: ", the function or struct that a message is about. */
static size_t subject_length(const char *text) {
    size_t word = strncmp(text, "cn_", 3) == 0 ? strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") : 0;
    return word && strncmp(text + word, ": ", 2) == 0 ? word + 2 : 0;
}

/* How much of a text stays when its end, "optimizer.", names the struct whose member comes next: an option says it alone. */
static size_t without_owner(const char *text, size_t used) {
    size_t kept = used > 0 && text[used - 1] == '.' ? used - 1 : used;
    while (kept < used && kept > 0 && in_word(text[kept - 1]))
        kept--;
    return kept;
}

/* What stands in quotes, such as names of files and layers, stays as it is. An apostrophe stands behind a letter. */
void in_our_words(const char *text, char *to, size_t size) {
    bool quoted = false;
    char before = ' ';
    size_t used = 0, length;
    text += subject_length(text);
    while (*text && used + 1 < size) {
        const char *word = quoted || in_word(before) ? NULL : other_word(text, &length);
        if (!quoted && hint_length(text) > 0) {
            text += hint_length(text);
            continue;
        }
        if (word) {
            used = without_owner(to, used);
            used += (size_t)snprintf(to + used, size - used, "%s", word);
            text += length;
            before = ' ';
            continue;
        }
        if (*text == '\'')
            quoted = quoted ? in_word(text[1]) : !in_word(before);
        before = to[used++] = *text++;
    }
    to[used < size ? used : size - 1] = '\0';
}
