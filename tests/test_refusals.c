/* SPDX-License-Identifier: MIT */
/* test_refusals.c: every pointer of every public function, NULL: refused by name, or with the meaning that the header gives
 * it; and with all of them, each allocation that such a call makes fails in turn. */
#include "pieces.h"
#include "scratch.h"
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

/* ---- what the functions are called with ---- */

static counting_allocator counter;
static cn_model *model, *classifier, *growing; /* nobody needs the last */
static cn_dataset *data, *other;
static cn_tensor *picture, *map, *batch, *image, *logits, *labels, *saved;
static const cn_tensor *const_image, *const_logits;
static cn_tensors *tensors;
static cn_trainer *trainer;
static cn_optimizer *optimizer;
static cn_evaluation *evaluation;
static cn_predictor *predictor;
static cn_history *history;
static const cn_history *const_history;
static cn_rate_curve *curve;
static cn_page *page;
static scratch folder;
#define nowhere "tests/no such folder/file"

static const char *const names[10] = {"input", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
static const int64_t numbers[4] = {3, 8, 8, 8};
static const int sides[4] = {1, 1, 1, 1};
static const float means[3] = {0.5f, 0.5f, 0.5f}, deviations[3] = {1.0f, 1.0f, 1.0f};
static unsigned char bytes[8];
static const char *const own_type = "test.Same";
static int64_t shape[3], label;
static int flag;
static double number, weights[20];
static size_t size;

static const cn_upsample_options twice = {.size = sizeof twice, .scale_factor = {2.0, 2.0}};
static cn_device device = CN_DEVICE_INIT;
static cn_layer_info layer_info = CN_LAYER_INFO_INIT;
static cn_target_options target = CN_TARGET_OPTIONS_INIT;
static const cn_target_options itself = {.size = sizeof itself, .kind = CN_TARGET_IMAGE, .ignore_index = -100};
static cn_augmentation augmentation = CN_AUGMENTATION_INIT;
static const cn_loss_options loss = CN_LOSS_OPTIONS_INIT;
static cn_epoch_info epoch = CN_EPOCH_INFO_INIT;
static cn_output_info output_info = CN_OUTPUT_INFO_INIT;
static cn_rate_point rate_point = CN_RATE_POINT_INIT;
static const cn_rate_search search = {.size = sizeof search, .first = 1e-4, .last = 1e-3, .steps = 10};
static cn_misclassified entry = CN_MISCLASSIFIED_INIT;
static const cn_report report = CN_REPORT_INIT;
static cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;

static cn_status same(const cn_layer_pass *pass) {
    (void)pass;
    return CN_OK;
}
static const cn_layer_definition definition = {
    .size = sizeof definition, .type = own_type, .min_inputs = 1, .max_inputs = 1, .forward = same, .backward = same};

static int fetch(void *user, int64_t index, uint8_t *pixels, int64_t *class) {
    (void)user;
    *pixels = (uint8_t)index;
    *class = 0;
    return 0;
}
static const cn_dataset_source source = {
    .size = sizeof source, .count = 1, .classes = 1, .channels = 1, .height = 1, .width = 1, .fetch = fetch};

static int go_on(void *user, const cn_epoch_info *done) {
    (void)user;
    return done->epoch < 0;
}

/* What a call's arguments allocate does not count for the one that fails. */
static long spare(long *fail_at) {
    *fail_at = counter.fail_at;
    counter.fail_at = 0;
    return counter.calls;
}

static void spare_no_more(long calls, long fail_at) {
    counter.fail_at = fail_at ? fail_at + counter.calls - calls : 0;
}

static cn_layer *new_relu(void) {
    long fail_at, calls = spare(&fail_at);
    cn_layer *layer = relu();
    spare_no_more(calls, fail_at);
    return layer;
}

/* The model, after a training pass. */
static cn_model *trained(void) {
    long fail_at, calls = spare(&fail_at);
    ck_ok(cn_model_forward(model, 1, image, logits));
    spare_no_more(calls, fail_at);
    return model;
}

/* Files that are there. */

static const char *saved_model(void) {
    long fail_at, calls = spare(&fail_at);
    const char *path = scratch_path(&folder, "model.safetensors");
    ck_ok(cn_model_save(model, path));
    spare_no_more(calls, fail_at);
    return path;
}

static const char *saved_array(void) {
    long fail_at, calls = spare(&fail_at);
    const char *path = scratch_path(&folder, "array.npy");
    ck_ok(cn_tensor_save_npy(image, path));
    spare_no_more(calls, fail_at);
    return path;
}

static const char *saved_arrays(void) {
    long fail_at, calls = spare(&fail_at);
    const char *path = scratch_path(&folder, "arrays.npz");
    cn_tensors *arrays;
    ck_ok(cn_tensors_new(ctx, &arrays));
    ck_ok(cn_tensors_add(arrays, "images", image));
    ck_ok(cn_tensors_save(arrays, path, NULL));
    cn_tensors_free(arrays);
    spare_no_more(calls, fail_at);
    return path;
}

/* 3×side×side → pool → "head" → 10 values. */
static cn_model *pooled_model(int side) {
    cn_layer *pool, *flatten;
    cn_model *pooled = model_for(3, side, side);
    ck_ok(cn_adaptive_avg_pool2d_new(ctx, 1, 1, &pool));
    ck_ok(cn_model_append(pooled, "pool", pool));
    ck_ok(cn_model_append(pooled, "head", conv(3, 10, 1)));
    ck_ok(cn_flatten_new(ctx, &flatten));
    ck_ok(cn_model_append(pooled, "flat", flatten));
    ck_ok(cn_model_init(pooled, 1));
    return pooled;
}

static void with_everything(void) {
    cn_layer *last;
    ctx = counting_context(&counter, 1);
    folder = scratch_new();
    model = pooled_model(8);
    growing = pooled_model(8);
    classifier = pooled_model(32);
    ck_ok(cn_log_softmax_new(ctx, &last));
    ck_ok(cn_model_append(classifier, "last", last));
    ck_ok(cn_model_init(classifier, 1));
    ck_ok(cn_context_register_layer(ctx, &definition));
    ck_ok(cn_dataset_synthetic(ctx, CN_SPLIT_TRAIN, 20, 1, &data));
    ck_ok(cn_dataset_synthetic(ctx, CN_SPLIT_TRAIN, 20, 1, &other));
    picture = tensor_of(CN_DTYPE_UINT8, 4, (const int64_t[]){1, 3, 32, 32});
    map = images(1, 1, 4, 4);
    batch = images(1, 3, 32, 32);
    const_image = image = images(1, 3, 8, 8);
    const_logits = logits = tensor_of(CN_DTYPE_FLOAT32, 2, (const int64_t[]){1, 10});
    labels = tensor_of(CN_DTYPE_INT64, 1, (const int64_t[]){1});
    ck_ok(cn_model_set_self_test(model, 1, &const_image));
    ck_ok(cn_model_save_memory(model, &saved));
    ck_ok(cn_model_state_dict(model, &tensors));
    ck_ok(cn_optimizer_new(model, NULL, &optimizer));
    ck_ok(cn_trainer_new(classifier, data, NULL, NULL, &trainer));
    ck_ok(cn_trainer_find_rate(trainer, &search, &number, &curve));
    ck_ok(evaluate_with(classifier, data, CN_LOSS_NLL, &evaluation));
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_ok(cn_history_new(ctx, "a", &history));
    ck_ok(cn_history_add(history, &epoch));
    const_history = history;
    ck_ok(cn_page_new(ctx, "a", &page));
    checkpoint.trainer = trainer;
}

static void without_everything(void) {
    cn_page_free(page);
    cn_rate_curve_free(curve);
    cn_history_free(history);
    cn_predictor_free(predictor);
    cn_evaluation_free(evaluation);
    cn_trainer_free(trainer);
    cn_optimizer_free(optimizer);
    cn_tensors_free(tensors);
    cn_tensor_free(saved);
    cn_tensor_free(labels);
    cn_tensor_free(logits);
    cn_tensor_free(image);
    cn_tensor_free(batch);
    cn_tensor_free(map);
    cn_tensor_free(picture);
    cn_dataset_free(other);
    cn_dataset_free(data);
    cn_model_free(classifier);
    cn_model_free(growing);
    cn_model_free(model);
    scratch_free(&folder);
    tear_down();
}

/* ---- what they hand out ---- */

static struct {
    cn_context *context;
    cn_tensor *tensor;
    cn_layer *layer;
    cn_model *model;
    cn_tensors *tensors;
    cn_dataset *dataset, *rest;
    cn_optimizer *optimizer;
    cn_trainer *trainer;
    cn_history *history;
    cn_evaluation *evaluation;
    cn_predictor *predictor;
    cn_page *page;
    char *text;
} made;
static cn_tensor *lent;
static const cn_tensor *lent_const;

static void free_what_was_made(void) {
    cn_text_free(made.text);
    cn_page_free(made.page);
    cn_predictor_free(made.predictor);
    cn_evaluation_free(made.evaluation);
    cn_history_free(made.history);
    cn_trainer_free(made.trainer);
    cn_optimizer_free(made.optimizer);
    cn_dataset_free(made.rest);
    cn_dataset_free(made.dataset);
    cn_tensors_free(made.tensors);
    cn_model_free(made.model);
    cn_layer_free(made.layer);
    cn_tensor_free(made.tensor);
    cn_context_free(made.context);
    memset(&made, 0, sizeof made);
}

/* ---- the functions ---- */

static const char *null; /* the parameter that is NULL */

static bool is_null(const char *parameter) {
    return strcmp(parameter, null) == 0;
}

/* The place that was handed over for the result, with something in it. */
static void *result;
static void *out(void *place) {
    memset(place, 0x5a, sizeof(void *));
    return result = place;
}

/* How many gradients of inputs are handed over, if any. */
static int64_t input_count(void) {
    return is_null("grad_inputs") ? 0 : 1;
}

#define WANTS(name, value)       (is_null(#name) ? NULL : (value))
#define MAY(name, value)         WANTS(name, value)
#define USUAL(name, value, part) WANTS(name, value)
#define OUT(name, place)         (is_null(#name) ? NULL : out(&(place)))
#define FUNCTION(name, arguments)                                                                                      \
    static cn_status call_##name(void) {                                                                               \
        return name arguments;                                                                                         \
    }
#include "refusals.def"
#undef FUNCTION

static const struct {
    const char *name, *arguments;
    cn_status (*call)(void);
} functions[] = {
#define FUNCTION(name, arguments) {#name, #arguments, call_##name},
#include "refusals.def"
};

static cn_status call_with_null(int function, const char *parameter) {
    null = parameter;
    result = NULL;
    return functions[function].call();
}

static void refuses_null(int function, const char *parameter) {
    char message[128];
    snprintf(message, sizeof message, "%s: %s is NULL", functions[function].name, parameter);
    cn_status status = call_with_null(function, parameter);
    ck_assert_msg(status == CN_ERR_ARGUMENT, "%s with %s NULL gives '%s'", functions[function].name, parameter,
                  cn_status_string(status));
    ck_assert_str_eq(cn_last_error(), message);
    if (result)
        ck_assert_msg(memcmp(result, &(void *){NULL}, sizeof(void *)) == 0, "%s with %s NULL leaves a handle",
                      functions[function].name, parameter);
    memset(&made, 0, sizeof made);
}

static void takes_null(int function, const char *parameter) {
    cn_status status = call_with_null(function, parameter);
    ck_assert_msg(status == CN_OK, "%s with %s NULL: %s", functions[function].name, parameter, cn_last_error());
    free_what_was_made();
}

/* `text` begins with the parameter's name, has its value, and then the part in quotes. */
static void refuses_usual_options(int function, const char *parameter, const char *text) {
    char part[64];
    cn_status status = call_with_null(function, parameter);
    ck_assert_int_ne(status, CN_OK);
    ck_assert_int_eq(sscanf(text, "%*[^\"]\"%63[^\"]", part), 1);
    ck_assert_msg(strstr(cn_last_error(), part), "%s with %s NULL: %s", functions[function].name, parameter,
                  cn_last_error());
    memset(&made, 0, sizeof made);
}

/* The next parameter in a table's arguments that is a pointer: WANTS, OUT, MAY or USUAL; false: no more. */
static bool next_pointer(const char **arguments, char kind[8], char name[32]) {
    for (; **arguments; (*arguments)++)
        if (sscanf(*arguments, "%7[A-Z](%31[a-z_0-9]", kind, name) == 2 &&
            (strcmp(kind, "WANTS") == 0 || strcmp(kind, "OUT") == 0 || strcmp(kind, "MAY") == 0 ||
             strcmp(kind, "USUAL") == 0)) {
            *arguments += strlen(kind);
            return true;
        }
    return false;
}

START_TEST(null_is_refused_or_means_something) {
    char kind[8], name[32];
    for (const char *arguments = functions[_i].arguments; next_pointer(&arguments, kind, name);)
        if (strcmp(kind, "MAY") == 0)
            takes_null(_i, name);
        else if (strcmp(kind, "USUAL") == 0)
            refuses_usual_options(_i, name, arguments);
        else
            refuses_null(_i, name);
}
END_TEST

/* ---- memory runs out ---- */

/* What a call has got before it fails may stay with a handle, for the next. */
static bool keeps(const char *function) {
    static const char *const names_of[] = {"cn_model_add_input", "cn_model_forward", "cn_model_forward_all",
                                           "cn_page_pictures", "cn_tensors_set_metadata"};
    for (size_t i = 0; i < COUNT(names_of); i++)
        if (strcmp(function, names_of[i]) == 0)
            return true;
    return false;
}

/* False: the call makes fewer allocations. */
static bool fails_at_allocation(int function, long at) {
    const char *name = functions[function].name;
    long live = counter.live;
    counter.fail_at = counter.calls + at;
    cn_status status = call_with_null(function, "");
    bool reached = counter.calls >= counter.fail_at;
    counter.fail_at = 0;
    if (!reached)
        return false;
    ck_assert_msg(status == CN_ERR_MEMORY, "%s, allocation %ld: %s", name, at, cn_status_string(status));
    if (result)
        ck_assert_msg(memcmp(result, &(void *){NULL}, sizeof(void *)) == 0, "%s, allocation %ld: a handle", name, at);
    ck_assert_msg(counter.live == live || keeps(name), "%s, allocation %ld: %ld pieces leaked", name, at,
                  counter.live - live);
    return true;
}

START_TEST(each_allocation_that_fails_is_a_status) {
    long at = 1;
    if (strstr(functions[_i].arguments, "trained()"))
        (void)trained(); /* which keeps memory the first time */
    while (fails_at_allocation(_i, at))
        at++;
    if (getenv("FAULTS"))
        printf("%-34s  %ld allocations\n", functions[_i].name, at - 1);
}
END_TEST

/* ---- the header's functions are those of the table ---- */

static bool is_space(char c) {
    return c == ' ' || c == '\n';
}

/* The header without comments, to be freed. */
static char *declarations(void) {
    FILE *file = fopen("include/convnet.h", "r");
    ck_assert_ptr_nonnull(file);
    char *text = calloc(1 << 20, 1), *to = text;
    ck_assert_uint_lt(fread(text, 1, 1 << 20, file), 1 << 20);
    fclose(file);
    for (const char *from = text; *from;)
        if (strncmp(from, "/*", 2) == 0)
            from = strstr(from, "*/") + 2;
        else
            *to++ = *from++;
    *to = '\0';
    return text;
}

/* Whether a declared parameter is a pointer, and its name. */
static bool declared_pointer(const char *begin, const char *end, char name[32]) {
    bool pointer = memchr(begin, '*', (size_t)(end - begin)) || memchr(begin, '[', (size_t)(end - begin)) ||
                   strncmp(begin, "cn_epoch_function", 17) == 0;
    const char *bracket = memchr(begin, '[', (size_t)(end - begin)), *last = bracket ? bracket : end, *first = last;
    while (first > begin && !is_space(first[-1]) && first[-1] != '*')
        first--;
    snprintf(name, 32, "%.*s", (int)(last - first), first);
    return pointer;
}

static int find(const char *name) {
    for (size_t i = 0; i < COUNT(functions); i++)
        if (strcmp(functions[i].name, name) == 0)
            return (int)i;
    ck_abort_msg("refusals.def lacks %s", name);
}

START_TEST(all_functions_and_pointers_are_tried) {
    char *header = declarations(), function[64], wanted[32], kind[8], name[32];
    size_t found = 0;
    for (const char *at = header; (at = strstr(at, "\nCN_API cn_status ")); found++) {
        at += strlen("\nCN_API cn_status ");
        ck_assert_int_eq(sscanf(at, "%63[a-z_0-9]", function), 1);
        const char *arguments = functions[find(function)].arguments;
        const char *begin = at + strlen(function) + 1, *close = strchr(begin, ')');
        while (begin < close) {
            const char *comma = memchr(begin, ',', (size_t)(close - begin)), *end = comma ? comma : close;
            if (declared_pointer(begin, end, wanted))
                ck_assert_msg(next_pointer(&arguments, kind, name) && strcmp(name, wanted) == 0,
                              "refusals.def has not %s's %s at its place", function, wanted);
            for (begin = end + 1; is_space(*begin);)
                begin++;
        }
        ck_assert_msg(!next_pointer(&arguments, kind, name), "%s has no %s", function, name);
    }
    ck_assert_uint_eq(found, COUNT(functions));
    free(header);
}
END_TEST

int main(void) {
    const TTest *const complete[] = {all_functions_and_pointers_are_tried};
    Suite *suite = suite_create("refusals");
    TCase *group = tcase_create("every function");
    tcase_add_unchecked_fixture(group, with_everything, without_everything); /* once: each test has a copy by fork() */
    tcase_add_loop_test(group, null_is_refused_or_means_something, 0, (int)COUNT(functions));
    tcase_add_loop_test(group, each_allocation_that_fails_is_a_status, 0, (int)COUNT(functions));
    suite_add_tcase(suite, group);
    test_add(suite, "complete", complete, COUNT(complete), 1);
    return test_run(suite);
}
