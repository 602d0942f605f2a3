/* SPDX-License-Identifier: MIT */
/* explore.c: convnet-explore, which shows a data set's images, what random changes make of one, and what is in a model.
 *
 * Introduces sheets of pictures and parts of models.
 */
#include "common/common.h"
#include "common/outputs.h"
#include <string.h>

static const char *data_text, *model_name, *layer, *out_directory = "explore";
static int64_t count = 12, index_shown, seed, threads;
static int recipe_kind = RECIPE_STUDY, test_split;

static argument arguments[] = {
    DATA_ARGUMENTS(data_text),
    TEXT("out", "DIR", &out_directory, "the folder for the sheets"),
    INTEGER("count", &count, 1, 1000, "images a sheet"),
    FLAG("test", &test_split, 1, "test images instead of training images"),
    INTEGER("index", &index_shown, 0, INT64_MAX, "the image that is changed, and shown to the model"),
    CHOICE("recipe", recipe_names, &recipe_kind, "whose random changes are shown"),
    INTEGER("seed", &seed, 0, INT64_MAX, "of those changes"),
    TEXT("model", "MODEL", &model_name, "also show filters of: pretrained, or a model file"),
    TEXT("layer", "NAME", &layer, "and what this layer of it gives for the image; convnet-summary lists them"),
    INTEGER("threads", &threads, 0, 1024, "threads; 0: one for each core"),
    OUTPUT_ARGUMENTS,
    END_OF_ARGUMENTS,
};

static const json_member members[] = {
    {".program, .version", "what wrote it"},
    {".data, .split", "as it was named, and train or test"},
    {".images", "how many there are"},
    {".classes[]", "names"},
    {".folder", "where the sheets are"},
    {".sheets[]", "names of those that were asked for"},
    {NULL, NULL},
};

static const program_spec explore_program = {
    .name = "convnet-explore",
    .about =
        "Shows images: examples.svg with labels, augmented.svg with one image as training changes it, and of a model "
        "filters.svg and activations.svg.",
    .arguments = arguments,
    .json = members,
    .notes = "Examples:\n"
             "  convnet-explore --data synthetic --out sheets\n"
             "  convnet-explore --data cifar10:cifar-10-batches-bin --test --index 7 --model pretrained \\\n"
             "      --layer tblock1.1 --out sheets\n"
             "\n"
             "Exit codes: 0 done; 1 something failed; 2 a mistake on the command line.\n",
};

/* ---- what stands over a sheet ---- */

enum { HEADING = 320 /* bytes */ };

static const char *split_name(void) {
    return test_split ? "test" : "training";
}

/* The image that is changed and shown to the model: its number, and its file's name where it has one. */
static void image_text(const cn_dataset *dataset, char *text, size_t size) {
    const char *file = cn_dataset_file_name(dataset, index_shown);
    snprintf(text, size, "%s image %lld of %s%s%s", split_name(), (long long)index_shown, data_text, file ? ": " : "",
             file ? file : "");
}

/* ---- the data ---- */

static bool show_data(cn_context *context, const data_spec *data, cn_dataset *dataset) {
    recipe chosen = recipe_make((recipe_name)recipe_kind);
    cn_augmentation changes = data_augmentation(data, dataset, chosen.changes);
    int64_t images = cn_dataset_count(dataset);
    char *svg, heading[HEADING], image[HEADING / 2];
    image_text(dataset, image, sizeof image);
    snprintf(heading, sizeof heading, "The first %s images of %s", split_name(), data_text);
    cn_status status = cn_sheet_examples(dataset, count < images ? count : images, NULL, heading, &svg);
    bool good = report_save(context, out_directory, "examples.svg", status, svg);
    svg = NULL;
    snprintf(heading, sizeof heading, "As the recipe '%s' changes it: %s", recipe_names[recipe_kind], image);
    status = cn_dataset_set_augmentation(dataset, &changes);
    if (status == CN_OK)
        status = cn_sheet_augmented(dataset, index_shown, count, (uint64_t)seed, heading, &svg);
    return report_save(context, out_directory, "augmented.svg", status, svg) && good;
}

/* ---- the model ---- */

/* The weights of the first convolution. */
static cn_status filters(cn_model *model, char **svg) {
    cn_tensor *weight;
    char heading[HEADING];
    const char *name = cn_model_tensor_name(model, 0);
    *svg = NULL;
    cn_status status = cn_model_tensor(model, name, &weight);
    snprintf(heading, sizeof heading, "Filters of %s: %s. Grey is zero", model_name, name ? name : "");
    return status == CN_OK ? cn_sheet_filters(weight, heading, svg) : status;
}

static cn_status activations(cn_context *context, const cn_model *model, const cn_dataset *dataset, char **svg) {
    cn_model *part = NULL;
    cn_predictor *predictor = NULL;
    cn_tensor *image = NULL, *output = NULL;
    int64_t in[3], out[3];
    char heading[HEADING + 128], text[HEADING / 2];
    *svg = NULL;
    cn_status status = cn_model_until(model, layer, &part);
    if (status == CN_OK) {
        cn_dataset_shape(dataset, in);
        cn_model_output_shape(part, out);
        status = cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, in[0], in[1], in[2]}, &image);
    }
    if (status == CN_OK)
        status = cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, out[0], out[1], out[2]}, &output);
    if (status == CN_OK)
        status = cn_predictor_new(part, NULL, &predictor);
    if (status == CN_OK)
        status = cn_dataset_batch(dataset, 1, &index_shown, 0, 0, 0, image, NULL);
    if (status == CN_OK)
        status = cn_predictor_run(predictor, image, output);
    if (status == CN_OK) {
        image_text(dataset, text, sizeof text);
        snprintf(heading, sizeof heading,
                 "What %s of %s gives for %s. Each channel from its lowest value, dark, to its "
                 "highest, pale",
                 layer, model_name, text);
        status = cn_sheet_activations(output, heading, svg);
    }
    cn_predictor_free(predictor);
    cn_tensor_free(output);
    cn_tensor_free(image);
    cn_model_free(part);
    return status;
}

static bool show_model(cn_context *context, cn_model *model, const cn_dataset *dataset) {
    char *svg;
    cn_status status = filters(model, &svg);
    bool good = report_save(context, out_directory, "filters.svg", status, svg);
    if (layer) {
        status = activations(context, model, dataset, &svg);
        good = report_save(context, out_directory, "activations.svg", status, svg) && good;
    }
    return good;
}

/* ---- before anything is written ---- */

/* The model, of whose shape the pictures of folders are then. */
static bool open_model(cn_context *context, data_spec *data, cn_model **model) {
    char text[SUGGESTION_TEXT];
    suggestion s = suggestion_begin(layer ? layer : "");
    if (!model_name)
        return true;
    if (model_load(context, model_name, model) != CN_OK) {
        complain_model(model_name);
        return false;
    }
    cn_model_input_shape(*model, data->shape);
    for (int64_t i = 0; layer && i < cn_model_layer_count(*model); i++) {
        cn_layer_info info = CN_LAYER_INFO_INIT;
        if (cn_model_layer_info(*model, i, &info) != CN_OK)
            break;
        if (strcmp(info.name, layer) == 0)
            return true;
        suggestion_offer(&s, info.name);
    }
    if (layer)
        complain("'%s' has no layer '%s'%s; convnet-summary lists what it has", model_name, layer,
                 suggestion_text(&s, "", text));
    return !layer;
}

static bool fits(const cn_model *model, const cn_dataset *dataset) {
    int64_t image[3], input[3];
    cn_dataset_shape(dataset, image);
    if (index_shown >= cn_dataset_count(dataset)) {
        complain("--index %lld: '%s' has %lld %s images", (long long)index_shown, data_text,
                 (long long)cn_dataset_count(dataset), split_name());
        return false;
    }
    if (!model || !layer)
        return true;
    cn_model_input_shape(model, input);
    if (memcmp(image, input, sizeof image) == 0)
        return true;
    complain("the images of '%s' are %d×%d×%d, but '%s' reads %d×%d×%d", data_text, (int)image[0], (int)image[1],
             (int)image[2], model_name, (int)input[0], (int)input[1], (int)input[2]);
    return false;
}

static void write_result(const cn_dataset *dataset) {
    json_begin();
    json_text("data", data_text);
    json_text("split", test_split ? "test" : "train");
    json_integer("images", cn_dataset_count(dataset));
    json_class_names(dataset);
    json_text("folder", out_directory);
    json_array("sheets");
    json_text(NULL, "examples.svg");
    json_text(NULL, "augmented.svg");
    if (model_name)
        json_text(NULL, "filters.svg");
    if (layer)
        json_text(NULL, "activations.svg");
    json_end();
    json_end();
}

static void spare_inputs(const data_spec *data) {
    static const char *const sheets[] = {"examples.svg", "augmented.svg", "filters.svg", "activations.svg"};
    data_inputs in = data_inputs_of(data);
    named_file model = {"--model", model_name && !model_is_pretrained(model_name) ? model_name : NULL};
    for (size_t i = 0; i < COUNT(sheets); i++) {
        char *path = path_join(out_directory, sheets[i]);
        files_must_spare(in.files, DATA_INPUTS, (named_file[]){{"--out's", path}}, 1);
        files_must_spare(&model, 1, (named_file[]){{"--out's", path}}, 1);
        free(path);
    }
    free(in.images);
}

int main(int argc, char **argv) {
    cn_context *context = NULL;
    cn_dataset *dataset = NULL;
    cn_model *model = NULL;
    bool good = false;
    arguments_read(&explore_program, argc, argv);
    const char *const sheets[] = {"examples.svg", "augmented.svg", model_name ? "filters.svg" : NULL,
                                  layer ? "activations.svg" : NULL, NULL};
    arguments_need(&explore_program, "layer", model_name != NULL, "--model");
    data_spec data = data_spec_read(data_text);
    spare_inputs(&data);
    if (program_context(threads, CN_CONV_AUTO, NULL, &context) == CN_OK && open_model(context, &data, &model) &&
        data_open(context, &data, test_split ? CN_SPLIT_TEST : CN_SPLIT_TRAIN, &dataset) == CN_OK &&
        fits(model, dataset) && report_folder(out_directory, sheets))
        good = show_data(context, &data, dataset) && (!model || show_model(context, model, dataset));
    if (good)
        printf("Sheets in %s\n", printable(out_directory));
    if (good && output_json)
        write_result(dataset);
    cn_model_free(model);
    cn_dataset_free(dataset);
    cn_context_free(context);
    return program_end(good ? EXIT_SUCCESS : EXIT_FAILURE);
}
