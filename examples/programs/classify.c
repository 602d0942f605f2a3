/* SPDX-License-Identifier: MIT */
/* classify.c: convnet-classify, which says what a trained model sees in pictures.
 *
 * Introduces pictures: loading, fitting to a model, saving; predictors; class-activation maps.
 */
#include "common/outputs.h"
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

enum {
    BAR = 20,                     /* characters of a bar */
    MIN_MAP = 256,                /* pixels of a map's longer side: small pictures are enlarged, */
    MAX_MAP = 768,                /* large ones reduced */
    MAX_INPUT = 256 * 1024 * 1024 /* bytes of a picture from standard input */
};

static const char *model_name = "pretrained", *names_path, *map_path;
static int64_t top = 5, shift, threads;
static int flip, outputs_choice;

/* What a model's outputs are. */
enum { OUTPUTS_AUTO, OUTPUTS_CLASSES, OUTPUTS_LABELS, OUTPUTS_VALUES };
static const char *const outputs_names[] = {"auto", "classes", "labels", "values", NULL};

static argument arguments[] = {
    TEXT("model", "MODEL", &model_name, "a model file, or the one that comes with the library"),
    TEXT("names", "FILE", &names_path, "names of its classes, a line each, instead of those in it"),
    CHOICE(
        "outputs", outputs_names, &outputs_choice,
        "what the model gives: classes, of which a picture has one, labels, of which it may have any, or values; auto: "
        "classes, if they have names or a softmax is last, labels, if a sigmoid is, else values"),
    INTEGER("top", &top, 1, 65536, "name so many classes, the most probable first"),
    TEXT("map", "FILE", &map_path,
         "also write where the model sees the first of the classes, as colours over the middle of the picture (PNG); "
         "of several pictures into FILE, a folder, which is made if it is missing, as NAME-map.png"),
    FLAG("flip", &flip, 1, "take the mean over a picture and its mirror image"),
    INTEGER("shift", &shift, 0, 8, "take the mean over a picture moved by up to so many pixels each way"),
    INTEGER("threads", &threads, 0, 1024, "threads; 0: one for each core"),
    OUTPUT_ARGUMENTS,
    END_OF_ARGUMENTS,
};

static const json_member members[] = {
    {".[].image", "as it was named"},
    {".[].error", "why there is nothing else of it"},
    {".[].predictions[].class", "name, or \"class N\" where the model has no names; the most probable first"},
    {".[].predictions[].index", "the class's number"},
    {".[].predictions[].probability", "0 to 1"},
    {".[].predictions[].value", "instead, of outputs that are neither classes nor labels; the largest first"},
    {".[].map", "with --map: its file"},
    {NULL, NULL},
};

static const program_spec classify_program = {
    .name = "convnet-classify",
    .about = "Says what a model sees in pictures: PNG, JPEG or PPM files of any size, or '-', standard input. Each is "
             "brought to the model's size and its middle looked at.",
    .operand = "IMAGE...",
    .arguments = arguments,
    .json = members,
    .notes = "Examples:\n"
             "  convnet-classify photo.jpg\n"
             "  convnet-classify photo.jpg --top 3 --map map.png\n"
             "  convnet-classify --model flowers.safetensors --json *.jpg\n"
             "\n"
             "Exit codes: 0 all classified; 1 something failed, with a picture or altogether; 2 a mistake on the\n"
             "command line.\n",
};

typedef struct classifier {
    cn_context *context;
    cn_model *model;
    cn_predictor *predictor;
    cn_tensor *scores;
    int64_t input[3], classes;
    name_list names;     /* of --names */
    int outputs;         /* OUTPUTS_CLASSES and so on */
    bool probabilities;  /* the model gives them itself */
    double *probability; /* or value */
    int64_t *order;      /* of the classes, most probable first */
    bool map_folder;
} classifier;

/* ---- the model ---- */

/* Whether such a layer comes last, but for layers that leave values what they are. */
static bool ends_in(const cn_model *model, const char *type) {
    static const char *const passive[] = {"Flatten", "Reshape", "Identity", "Dropout"};
    for (int64_t i = cn_model_layer_count(model) - 1; i >= 0; i--) {
        cn_layer_info info = CN_LAYER_INFO_INIT;
        bool passes = false;
        if (cn_model_layer_info(model, i, &info) != CN_OK)
            return false;
        for (size_t k = 0; k < sizeof passive / sizeof *passive; k++)
            passes = passes || strcmp(info.type, passive[k]) == 0;
        if (!passes)
            return strcmp(info.type, type) == 0;
    }
    return false;
}

/* Training gives a model of classes their names, if only numbers; others have none. */
static void tell_outputs(classifier *c) {
    bool softmax = ends_in(c->model, "Softmax"), sigmoid = ends_in(c->model, "Sigmoid");
    bool named = names_path || cn_model_class_name(c->model, 0);
    c->outputs = outputs_choice                                               ? outputs_choice
                 : sigmoid                                                    ? OUTPUTS_LABELS
                 : named || softmax || cn_model_loss(c->model) == CN_LOSS_NLL ? OUTPUTS_CLASSES
                                                                              : OUTPUTS_VALUES;
    c->probabilities = c->outputs == OUTPUTS_VALUES || (c->outputs == OUTPUTS_CLASSES ? softmax : sigmoid);
    if (outputs_choice == OUTPUTS_AUTO && c->outputs == OUTPUTS_VALUES && !output_quiet)
        complain("note: '%s' names no classes, so its outputs are shown as they are; --outputs classes or labels makes "
                 "probabilities of them",
                 model_name);
}

static cn_status open_model(classifier *c) {
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    int64_t output[3];
    cn_status status = model_load(c->context, model_name, &c->model);
    options.max_batch_size = 1;
    options.flip = flip;
    options.shift = (int)shift;
    if (status == CN_OK)
        status = cn_predictor_new(c->model, &options, &c->predictor);
    if (status != CN_OK) {
        complain_model(model_name);
        return status;
    }
    cn_model_input_shape(c->model, c->input);
    cn_model_output_shape(c->model, output);
    if (output[1] != 1 || output[2] != 1 || (c->input[0] != 1 && c->input[0] != 3)) {
        complain("'%s' is not for pictures: it makes %d×%d×%d of %d×%d×%d", model_name, (int)output[0], (int)output[1],
                 (int)output[2], (int)c->input[0], (int)c->input[1], (int)c->input[2]);
        return CN_ERR_SHAPE;
    }
    if (cn_model_normalization(c->model, NULL, NULL) == 0) {
        complain(
            "'%s' does not say how pixels are normalised, so that it cannot be shown pictures; 'convnet-convert %s "
            "OUT.safetensors --mean M,M,M --std S,S,S' makes a model that does (0.485,0.456,0.406 and "
            "0.229,0.224,0.225 is usual for networks of ImageNet)",
            model_name, model_name);
        return CN_ERR_STATE;
    }
    c->classes = output[0];
    tell_outputs(c);
    if (names_path &&
        (!name_list_read(names_path, &c->names) || !name_list_fits(&c->names, names_path, model_name, c->classes)))
        return CN_ERR_DATA;
    return CN_OK;
}

static cn_status make_room(classifier *c) {
    c->probability = malloc((size_t)c->classes * sizeof *c->probability);
    c->order = malloc((size_t)c->classes * sizeof *c->order);
    cn_status status = cn_tensor_new(c->context, CN_DTYPE_FLOAT32, 2, (int64_t[]){1, c->classes}, &c->scores);
    if (status == CN_OK && c->probability && c->order)
        return CN_OK;
    complain("no memory for %lld classes", (long long)c->classes);
    return CN_ERR_MEMORY;
}

static const char *name_of(const classifier *c, int64_t label, char text[NAME_TEXT]) {
    const char *name = c->names.names ? c->names.names[label] : cn_model_class_name(c->model, label);
    if (name)
        return name;
    snprintf(text, NAME_TEXT, "%s %lld", c->outputs == OUTPUTS_CLASSES ? "class" : "output", (long long)label);
    return text;
}

/* ---- a picture ---- */

static cn_status load_input(cn_context *context, cn_tensor **image) {
    unsigned char *data = malloc(MAX_INPUT);
    size_t bytes = data ? fread(data, 1, MAX_INPUT, stdin) : 0;
    bool read = data && !ferror(stdin);
    if (read && bytes == 0) {
        free(data);
        return CN_ERR_NOT_FOUND; /* which the library does not say of memory */
    }
    cn_status status = read ? cn_image_load_memory(context, data, bytes, image) : CN_ERR_IO;
    free(data);
    return status;
}

static const double *compared;
static int by_probability(const void *a, const void *b) {
    int64_t i = *(const int64_t *)a, k = *(const int64_t *)b;
    if (compared[i] != compared[k])
        return compared[i] < compared[k] ? 1 : -1;
    return i > k ? 1 : -1;
}

/* Softmax of what the model gives of classes, unless it did that itself: a log-softmax it leaves as it is. Sigmoid of
 * labels. False: no numbers. */
static bool rank(classifier *c) {
    const float *scores = cn_tensor_data(c->scores);
    double most = -INFINITY, sum = 0.0;
    for (int64_t k = 0; k < c->classes; k++)
        most = scores[k] > most ? scores[k] : most;
    for (int64_t k = 0; k < c->classes; k++) {
        c->probability[k] = c->probabilities               ? (double)scores[k]
                            : c->outputs == OUTPUTS_LABELS ? 1.0 / (1.0 + exp(-(double)scores[k]))
                                                           : exp((double)scores[k] - most);
        sum += c->probability[k];
        c->order[k] = k;
    }
    for (int64_t k = 0; k < c->classes && c->outputs == OUTPUTS_CLASSES && !c->probabilities; k++)
        c->probability[k] /= sum;
    compared = c->probability;
    qsort(c->order, (size_t)c->classes, sizeof *c->order, by_probability);
    return isfinite(sum) && (c->outputs != OUTPUTS_CLASSES || sum > 0.0);
}

/* ---- its map ---- */

/* The middle of the picture, in the model's proportions and a size to look at. */
static cn_status map_background(const classifier *c, const cn_tensor *image, cn_tensor **background) {
    double height = (double)c->input[1], width = (double)c->input[2], longer = height > width ? height : width;
    double across = (double)cn_tensor_shape(image, 3) / width, down = (double)cn_tensor_shape(image, 2) / height;
    double scale = across < down ? across : down;
    scale = scale * longer < MIN_MAP ? MIN_MAP / longer : scale * longer > MAX_MAP ? MAX_MAP / longer : scale;
    return cn_image_fit(image, 3, (int)fmax(1.0, rint(height * scale)), (int)fmax(1.0, rint(width * scale)),
                        background);
}

static cn_status write_map(const classifier *c, const cn_tensor *image, const cn_tensor *fitted, const char *path) {
    cn_tensor *map = NULL, *background = NULL, *overlaid = NULL;
    cn_status status;
    if ((status = cn_model_class_activation_map(c->model, fitted, c->order[0], &map)) == CN_OK &&
        (status = map_background(c, image, &background)) == CN_OK &&
        (status = cn_image_overlay(background, map, 0.5f, &overlaid)) == CN_OK)
        status = cn_image_save(overlaid, path);
    cn_tensor_free(overlaid);
    cn_tensor_free(background);
    cn_tensor_free(map);
    return status;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    if (strcmp(path, "-") == 0)
        return "stdin";
    return slash ? slash + 1 : path;
}

/* Without the ending. */
static int stem_length(const char *name) {
    const char *dot = strrchr(name, '.');
    return (int)(dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

/* MAP itself, or MAP/NAME-map.png of NAME.jpg; names that occurred before get a number. To be freed. */
static char *make_map_path(const classifier *c, char **images, int index) {
    const char *name = base_name(images[index]);
    size_t size = strlen(map_path) + strlen(name) + 32;
    char *path = malloc(size);
    int before = 0, stem = stem_length(name);
    for (int i = 0; i < index; i++) {
        const char *other = base_name(images[i]);
        before += stem_length(other) == stem && strncmp(other, name, (size_t)stem) == 0;
    }
    if (path && !c->map_folder)
        snprintf(path, size, "%s", map_path);
    else if (path && before)
        snprintf(path, size, "%s/%.*s-map-%d.png", map_path, stem, name, before + 1);
    else if (path)
        snprintf(path, size, "%s/%.*s-map.png", map_path, stem, name);
    return path;
}

/* Ends with a usage message if a map would take the place of something that is read: of a picture before it, too, since
 * that is not its map's. */
static void spare_inputs(const classifier *c, char **images, int count) {
    named_file *in = calloc((size_t)count + 2, sizeof *in), *out = calloc((size_t)count, sizeof *out);
    bool room = in && out;
    for (int i = 0; room && i < count; i++) {
        char *path = make_map_path(c, images, i);
        in[i] = (named_file){"IMAGE", strcmp(images[i], "-") == 0 ? "/dev/stdin" : images[i]};
        out[i] = (named_file){c->map_folder ? "--map's" : "--map", path};
        room = path != NULL;
    }
    if (!room) {
        complain("no memory for %d maps", count);
        exit(EXIT_FAILURE);
    }
    in[count] = (named_file){"--model", model_is_pretrained(model_name) ? NULL : model_name};
    in[count + 1] = (named_file){"--names", names_path};
    files_must_spare(in, (size_t)count + 2, out, c->map_folder ? (size_t)count : 1);
    for (int i = 0; i < count; i++)
        free((char *)out[i].path);
    free(in);
    free(out);
}

/* ---- results ---- */

static void print_text(const classifier *c, const char *image, const char *map, bool first) {
    char number[NAME_TEXT];
    printf("%s%s\n", first ? "" : "\n", printable(image));
    for (int64_t i = 0; i < top && i < c->classes; i++) {
        double share = c->probability[c->order[i]];
        if (c->outputs == OUTPUTS_VALUES) {
            printf("  %12.6g  %s\n", share, printable(name_of(c, c->order[i], number)));
            continue;
        }
        int filled = (int)lrint(share * BAR);
        printf("  %6.2f %%  %.*s%*s  %s\n", 100.0 * share, filled, "####################", BAR - filled, "",
               printable(name_of(c, c->order[i], number)));
    }
    if (map)
        printf("  map of '%s': %s\n", printable(name_of(c, c->order[0], number)), printable(map));
}

static void write_predictions(const classifier *c, const char *image, const char *map) {
    char number[NAME_TEXT];
    json_object(NULL);
    json_text("image", image);
    json_array("predictions");
    for (int64_t i = 0; i < top && i < c->classes; i++) {
        json_object(NULL);
        json_text("class", name_of(c, c->order[i], number));
        json_integer("index", c->order[i]);
        json_number(c->outputs == OUTPUTS_VALUES ? "value" : "probability", c->probability[c->order[i]]);
        json_end();
    }
    json_end();
    if (map)
        json_text("map", map);
    json_end();
}

static void write_error(const char *image, const char *error) {
    json_object(NULL);
    json_text("image", image);
    json_text("error", error);
    json_end();
}

static bool is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* NULL: it was classified; else why not. */
static const char *classify(classifier *c, char **images, int index, cn_tensor **image, cn_tensor **fitted) {
    const char *path = images[index];
    if (strcmp(path, "-") != 0 && is_folder(path))
        return "it is a folder: name the pictures in it";
    cn_status status = strcmp(path, "-") == 0 ? load_input(c->context, image) : cn_image_load(c->context, path, image);
    if (status == CN_ERR_IO && strcmp(path, "-") == 0)
        return "cannot read standard input";
    if (status == CN_ERR_NOT_FOUND && strcmp(path, "-") == 0)
        return "standard input is empty";
    if (status == CN_OK)
        status = cn_image_fit(*image, (int)c->input[0], (int)c->input[1], (int)c->input[2], fitted);
    if (status == CN_OK)
        status = cn_predictor_run(c->predictor, *fitted, c->scores);
    if (status != CN_OK)
        return library_error();
    return rank(c) ? NULL : "the model gives no numbers for it";
}

/* Whether all went well. A picture that fails is named, and the next one has its turn. */
static bool handle(classifier *c, char **images, int index) {
    cn_tensor *image = NULL, *fitted = NULL;
    char *map = map_path ? make_map_path(c, images, index) : NULL;
    const char *error = classify(c, images, index, &image, &fitted);
    bool good = !error, mapped = good && map && write_map(c, image, fitted, map) == CN_OK;
    if (!good) {
        complain_file("classify", images[index], error);
    } else if (map_path && !mapped) {
        complain("cannot write the map of '%s': %s", images[index], map ? library_error() : "no memory");
    }
    if (good && output_json)
        write_predictions(c, images[index], mapped ? map : NULL);
    else if (good)
        print_text(c, images[index], mapped ? map : NULL, index == 0);
    else if (output_json)
        write_error(images[index], error);
    free(map);
    cn_tensor_free(fitted);
    cn_tensor_free(image);
    return good && (!map_path || mapped);
}

static bool is_file(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

static bool make_map_folder(classifier *c) {
    c->map_folder = mkdir(map_path, 0777) == 0;
    if (!c->map_folder)
        complain("cannot make the folder '%s': %s", map_path, strerror(errno));
    return c->map_folder;
}

int main(int argc, char **argv) {
    classifier c = {0};
    int count = arguments_read_several(&classify_program, argc, argv), code = EXIT_FAILURE;
    c.map_folder = map_path && is_folder(map_path);
    if (map_path && count > 1 && !c.map_folder && is_file(map_path))
        complain_usage("--map '%s': want a folder for the maps of %d pictures, this is a file", map_path, count);
    if (map_path && (c.map_folder || count == 1))
        spare_inputs(&c, argv, count); /* into a folder that is yet to be made there is nothing to lose */
    if (program_context(threads, CN_CONV_AUTO, NULL, &c.context) == CN_OK && open_model(&c) == CN_OK &&
        make_room(&c) == CN_OK && (c.map_folder || !map_path || count == 1 || make_map_folder(&c))) {
        code = EXIT_SUCCESS;
        if (output_json)
            json_array(NULL);
        for (int i = 0; i < count; i++)
            code = handle(&c, argv, i) ? code : EXIT_FAILURE;
        if (output_json)
            json_end();
    }
    name_list_free(&c.names);
    free(c.order);
    free(c.probability);
    cn_tensor_free(c.scores);
    cn_predictor_free(c.predictor);
    cn_model_free(c.model);
    cn_context_free(c.context);
    return program_end(code);
}
