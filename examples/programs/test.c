/* SPDX-License-Identifier: MIT */
/* test.c: convnet-test, which measures a saved model on labelled images.
 *
 * Introduces loading a model, evaluations, and predictors. Started by mpirun, each process runs a share of the images.
 */
#include "common/ranks.h"
#include <math.h>
#include <string.h>

static const char *data_text;
static int64_t threads, misclassified, predictions;
static int split = CN_SPLIT_TEST, flip, loss_choice, alone;
static int64_t shift;
static bool whole; /* a folder without parts */
static const char *const splits[] = {"train", "test", "all", "validation", NULL};
static const char *const split_texts[] = {"train images", "test images", "images", "validation images"};

static argument arguments[] = {
    DATA_ARGUMENTS(data_text),
    CHOICE("split", splits, &split,
           "which of the images; a folder without parts is measured whole, all of them, unless this is given"),
    LOSS_ARGUMENT(&loss_choice),
    FLAG("flip", &flip, 1, "average what the model says of each image and of its mirror image"),
    INTEGER("shift", &shift, 0, 8, "average over each image moved by up to so many pixels each way, edges mirrored"),
    INTEGER("misclassified", &misclassified, 0, 1000000000, "list the first N misclassified images"),
    INTEGER("predictions", &predictions, 0, 1000000000, "list the first N images with what the model says of them"),
    INTEGER("threads", &threads, 0, 1024, "threads; 0: one for each core"),
    FLAG("alone", &alone, 1,
         "each process that mpirun or srun has started measures by itself, instead of a share of it"),
    OUTPUT_ARGUMENTS,
    END_OF_ARGUMENTS,
};

static const json_member members[] = {
    {".program, .version", "what wrote it"},
    {".model, .data", "as they were named"},
    {".split", "train, test, validation or all"},
    {".images", "how many"},
    {".loss_kind, .loss", "what was measured, and the mean"},
    {".metrics.accuracy", "and others that there are of such data; shares are 0 to 1"},
    {".classes[]",
     "with .index, .name, .images (of masks .pixels), .accuracy, .recall, .precision, .f1, .iou, as far as "
     "there are such; of other targets .outputs[] with theirs"},
    {".confusion[][]", "how often: a row for each true class"},
    {".misclassified_count", "how many images"},
    {".misclassified[]", "with --misclassified: so many, each with .index, .file (of folders), .predicted and .truth "
                         "with .index and .name, .probability, .truth_probability"},
    {".predictions[]", "with --predictions: so many, each with .index, .file, .predicted, .truth, .right"},
    {NULL, NULL},
};

static const program_spec test_program = {
    .name = "convnet-test",
    .about = "Measures a model on labelled images: loss, accuracy, recall, precision and F1 of each class, and which "
             "classes it takes for which others; on masks IoU; on other targets errors, or with --loss bce-with-logits "
             "F1 of each label. MODEL is a model file, or 'pretrained': the one that comes with the library.",
    .operand = "MODEL",
    .arguments = arguments,
    .json = members,
    .notes = "Examples:\n"
             "  convnet-test session8.safetensors --data cifar10:cifar-10-batches-bin\n"
             "  convnet-test pretrained --data cifar10:cifar-10-batches-bin --misclassified 10 --predictions 5\n"
             "  convnet-test streets.safetensors --data masks:streets\n"
             "\n"
             "Exit codes: 0 measured; 1 something failed; 2 a mistake on the command line.\n",
};

/* ---- single predictions ---- */

static void print_prediction(const cn_dataset *dataset, int64_t index, int64_t predicted, int64_t truth) {
    char name[NAME_TEXT], other[NAME_TEXT];
    const char *file = cn_dataset_file_name(dataset, index);
    printf("%7lld  %-5s  %s  %s", (long long)index, predicted == truth ? "right" : "wrong",
           class_column(dataset, predicted, name),
           file ? class_column(dataset, truth, other) : class_name(dataset, truth, other));
    printf(file ? "  %s\n" : "\n", file ? printable(file) : NULL);
}

static void write_prediction(const cn_dataset *dataset, int64_t index, int64_t predicted, int64_t truth) {
    json_object(NULL);
    json_integer("index", index);
    json_text("file", cn_dataset_file_name(dataset, index));
    json_class("predicted", dataset, predicted);
    json_class("truth", dataset, truth);
    json_bool("right", predicted == truth);
    json_end();
}

/* `image` is float32 for a model that knows no normalisation, which then gets the data's, as the evaluation has it. */
static cn_status predict(cn_predictor *predictor, const cn_dataset *dataset, int64_t index, cn_tensor *image,
                         cn_tensor *scores) {
    int64_t truth, predicted;
    cn_status status = cn_tensor_dtype(image) == CN_DTYPE_UINT8
                           ? cn_dataset_image(dataset, index, image, &truth)
                           : cn_dataset_batch(dataset, 1, &index, 0, 0, 0, image, NULL);
    if (status == CN_OK)
        status = cn_dataset_label(dataset, index, &truth);
    if (status == CN_OK)
        status = cn_predictor_run(predictor, image, scores);
    if (status != CN_OK)
        return status;
    predicted = cn_tensor_argmax(scores, 0);
    if (output_json)
        write_prediction(dataset, index, predicted, truth);
    else
        print_prediction(dataset, index, predicted, truth);
    return CN_OK;
}
/* One image at a time through a predictor, as a program that uses a model would. */
static cn_status show_predictions(cn_context *context, const cn_model *model, const cn_dataset *dataset) {
    cn_predictor *predictor = NULL;
    cn_tensor *image = NULL, *scores = NULL;
    int64_t shape[4] = {1, 0, 0, 0}, output[3], count = cn_dataset_count(dataset);
    cn_dataset_shape(dataset, shape + 1);
    cn_model_output_shape(model, output);
    int64_t scores_shape[2] = {1, output[0]};
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    options.flip = flip;
    options.shift = (int)shift;
    cn_status status = cn_predictor_new(model, &options, &predictor);
    if (status == CN_OK)
        status = cn_tensor_new(context, cn_model_normalization(model, NULL, NULL) ? CN_DTYPE_UINT8 : CN_DTYPE_FLOAT32,
                               4, shape, &image);
    if (status == CN_OK)
        status = cn_tensor_new(context, CN_DTYPE_FLOAT32, 2, scores_shape, &scores);
    if (output_json)
        json_array("predictions");
    else if (status == CN_OK && predictions)
        printf("\nPredictions\n%7s  %-5s  %-24s  %s\n", "index", "", "prediction", "truth");
    for (int64_t i = 0; status == CN_OK && i < predictions && i < count; i++)
        status = predict(predictor, dataset, i, image, scores);
    if (status != CN_OK)
        complain_library("cannot predict");
    if (output_json)
        json_end();
    cn_tensor_free(scores);
    cn_tensor_free(image);
    cn_predictor_free(predictor);
    return status;
}

/* ---- the whole set ---- */

/* "loss 0.0512, accuracy 98.21 % (982 of 1,000)", or what else there is. */
static void print_result(const cn_evaluation *evaluation, const task *asked) {
    static const cn_metric more[] = {CN_METRIC_ACCURACY, CN_METRIC_TOP5_ACCURACY, CN_METRIC_RMSE, CN_METRIC_R2};
    char right[GROUPED_TEXT], all[GROUPED_TEXT], text[METRIC_TEXT];
    int64_t count = cn_evaluation_count(evaluation), wrong = cn_evaluation_misclassified_count(evaluation);
    printf("%s%sloss %.4f, %s %s", task_has_classes(asked) ? "" : cn_loss_name(asked->loss),
           task_has_classes(asked) ? "" : " ", cn_evaluation_loss(evaluation), cn_metric_name(asked->metric),
           metric_text(asked->metric, cn_evaluation_metric(evaluation, 0, asked->metric), text));
    if (asked->kind == CN_TARGET_CLASS)
        printf(" (%s of %s)", grouped(count - wrong, right), grouped(count, all));
    for (size_t i = 0; i < COUNT(more); i++) {
        double value = cn_evaluation_metric(evaluation, 0, more[i]);
        if (more[i] == asked->metric || isnan(value) || (more[i] == CN_METRIC_TOP5_ACCURACY && asked->outputs <= 5))
            continue;
        printf(", %s%s %s",
               more[i] != CN_METRIC_ACCURACY   ? ""
               : asked->kind == CN_TARGET_MASK ? "pixel "
                                               : "label ",
               cn_metric_name(more[i]), metric_text(more[i], value, text));
    }
    if (asked->kind != CN_TARGET_CLASS)
        printf(" (%s images)", grouped(count, all));
    printf("\n\n");
}

static void print_evaluation(const cn_evaluation *evaluation, const task *asked, const cn_dataset *dataset,
                             const char *model_path) {
    printf("%s on the %s of %s\n", printable(model_path), split_texts[split], printable(data_text));
    print_result(evaluation, asked);
    if (whole)
        printf("All images count, as the folder has no parts for training and testing. Of a model that was trained on\n"
               "this very folder, --split test measures the fifth that it was not trained on.\n\n");
    if (asked->kind == CN_TARGET_CLASS)
        print_class_table(evaluation, dataset);
    else
        print_measure_table(evaluation, asked, dataset);
    if (task_has_classes(asked)) {
        putchar('\n');
        print_confusion(evaluation, dataset);
    }
    if (misclassified) {
        putchar('\n');
        print_misclassified(evaluation, dataset, misclassified);
    }
}

static void begin_document(const cn_evaluation *evaluation, const task *asked, const cn_dataset *dataset,
                           const char *model_path) {
    json_begin();
    json_text("model", model_path);
    json_text("data", data_text);
    json_text("split", splits[split]);
    json_evaluation(evaluation, asked, dataset);
    if (asked->kind == CN_TARGET_CLASS)
        json_misclassified(evaluation, dataset, misclassified);
}

static bool gives_values(const cn_model *model, const char *model_path, const task *asked) {
    int64_t output[3];
    cn_model_output_shape(model, output);
    if (output[0] != asked->outputs)
        complain("'%s' wants %lld output%s, but '%s' gives %lld", data_text, (long long)asked->outputs,
                 asked->outputs == 1 ? "" : "s", model_path, (long long)output[0]);
    return output[0] == asked->outputs;
}

static bool listings_fit(const task *asked) {
    bool fit = asked->kind == CN_TARGET_CLASS || (!misclassified && !predictions);
    if (!fit)
        complain("'%s' has no classes of images, which --misclassified and --predictions list", data_text);
    return fit;
}

/* The images, with their classes as the model counts them. */
static bool open_data(cn_context *context, const cn_model *model, const char *model_path, const data_spec *data,
                      task *asked, cn_dataset **dataset) {
    cn_dataset *all = NULL;
    int parts = 1;
    if (data->format->fitted && !arguments_given(&test_program, "split") &&
        cn_dataset_folder_has_parts(context, data->directory, &parts) == CN_OK && !parts)
        split = CN_SPLIT_ALL;
    whole = !parts;
    if (data_open(context, data, (cn_split)split, &all) != CN_OK)
        return false;
    *asked = task_of(all);
    *dataset = all;
    if (!network_reads(model, model_path, all, data_text))
        return false;
    if (!task_has_classes(asked))
        return gives_values(model, model_path, asked);
    *dataset = NULL;
    bool matched = cn_dataset_match_classes(all, model, dataset) == CN_OK;
    if (!matched)
        complain("cannot measure the model on '%s': %s", data_text, library_error());
    cn_dataset_free(all);
    return matched && network_fits(model, model_path, *dataset, data_text);
}

static int measure(cn_context *context, const ranks *r, const char *model_path, data_spec *data) {
    cn_model *model = NULL;
    cn_dataset *dataset = NULL;
    task asked;
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    cn_evaluation *evaluation = NULL;
    int code = EXIT_FAILURE;
    if (model_load(context, model_path, &model) != CN_OK)
        complain_model(model_path);
    else
        cn_model_input_shape(model, data->shape);
    if (model && open_data(context, model, model_path, data, &asked, &dataset) && listings_fit(&asked) &&
        task_read(&asked, model, model_path, loss_choice) &&
        task_fits(context, &asked, data, (cn_split)split, dataset)) {
        options.loss = asked.loss;
        options.flip = flip;
        options.shift = (int)shift;
        options.communicator = ranks_communicator(r);
        if (cn_evaluation_new(model, dataset, &options, &evaluation) == CN_OK) {
            if (output_json)
                begin_document(evaluation, &asked, dataset, model_path);
            else
                print_evaluation(evaluation, &asked, dataset, model_path);
            if (!predictions || !ranks_speaks(r) || show_predictions(context, model, dataset) == CN_OK)
                code = EXIT_SUCCESS;
            if (output_json)
                json_end();
        } else if (ranks_speaks(r)) { /* all have failed */
            complain("cannot run '%s' on '%s': %s", model_path, data_text, library_error());
        }
    }
    cn_evaluation_free(evaluation);
    cn_dataset_free(dataset);
    cn_model_free(model);
    return code;
}

int main(int argc, char **argv) {
    cn_context *context = NULL;
    ranks r;
    int code = EXIT_FAILURE;
    if (!ranks_find(&r, argc, argv))
        return program_end(EXIT_FAILURE);
    const char *model_path = arguments_read(&test_program, argc, argv);
    data_spec data = data_spec_read(data_text);
    if (split == CN_SPLIT_VALIDATION && (!data.format->undivided || strcmp(data.format->name, "npy") == 0))
        complain_usage("--split validation goes with folder:, masks: and npz: only");
    if (split == CN_SPLIT_ALL && !data.format->undivided)
        complain_usage("--split all goes with folder:, masks:, npz: and npy: only");
    if (!ranks_join(&r))
        return program_end(EXIT_FAILURE);
    if (program_context(threads ? threads : r.threads, CN_CONV_AUTO, NULL, &context) == CN_OK)
        code = measure(context, &r, model_path, &data);
    if (code != EXIT_SUCCESS)
        ranks_give_up(&r);
    cn_context_free(context);
    ranks_leave(&r, code);
    return program_end(code);
}
