/* SPDX-License-Identifier: MIT */
/* convert.c: convnet-convert, which brings networks and named tensors from one kind of file into another: model files,
 * ONNX, PyTorch's state dicts as safetensors, numpy's .npz.
 *
 * Introduces state dicts and collections of tensors, ONNX files, and files in memory, which are checked before they are
 * written.
 */
#include "common/outputs.h"
#include "common/difference.h"
#include <math.h>
#include <string.h>
#include <strings.h> /* strcasecmp */
#include <unistd.h>

typedef enum kind { SAFETENSORS, NPZ, ONNX, KINDS } kind;

static const struct {
    const char *ending, *about;
} kinds[KINDS] = {{".safetensors", "safetensors"}, {".npz", "numpy's .npz"}, {".onnx", "ONNX"}};

/* By weights: what outputs may differ by, relative to the largest, and a number relative to the largest of its tensor. */
static const char *const weight_names[] = {"float32", "float16", "bfloat16", NULL}; /* in cn_weights' order */
static const struct { double outputs, numbers; } bounds[] = {{1e-5, 0.0}, {1e-2, 0x1p-11}, {1e-1, 0x1p-8}};

static network_spec network = NETWORK_SPEC_INIT;
static const char *network_name, *names_path, *mean_text, *std_text;
static int weights, compress, pixels;
static double tolerance = -1.0;

static argument arguments[] = {
    TEXT("network", "MODEL", &network_name, "what the tensors of IN belong to, where IN has no network: " NETWORK_HELP),
    CHOICE("weights", weight_names, &weights, "how .safetensors and .npz hold weights, to the nearest"),
    FLAG("compress", &compress, 1, "deflate what goes into .npz"),
    FLAG("pixels", &pixels, 1, "the ONNX file takes pixels, 0 to 255, and normalises them itself"),
    REAL("tolerance", &tolerance, 0, false, 1e30, false,
         "how far outputs may differ from IN's, as a share of the largest [1e-5; for float16 0.01, for bfloat16 0.1]"),
    TEXT("names", "FILE", &names_path, "names of the network's classes, a line each, which OUT is to have"),
    TEXT("mean", "M,...", &mean_text,
         "what pixels, 0 to 1, are normalised by, a number for each channel, which OUT is to have: (pixel - mean) / "
         "std"),
    TEXT("std", "S,...", &std_text, "and the deviation"),
    INTEGER("classes", &network.classes, 1, 65536, "outputs of --network session8 or one of the literature"),
    SIZE_ARGUMENT(network),
    OUTPUT_ARGUMENTS,
    NETWORK_ARGUMENTS(network),
    END_OF_ARGUMENTS,
};

static const json_member members[] = {
    {".program, .version", "what wrote it"},
    {".in, .out", "the files, as they were named"},
    {".kind", "of OUT: safetensors, npz or onnx"},
    {".parameters, .tensors", "how many of a network; or of tensors alone"},
    {".bytes", "of OUT"},
    {".difference.absolute, .relative", "the largest, of outputs on random images, or of numbers of tensors; and as a "
                                        "share of the largest"},
    {NULL, NULL},
};

static const program_spec convert_program = {
    .name = "convnet-convert",
    .about =
        "Brings a network into another kind of file. IN is a model file, a checkpoint, an ONNX file, \"pretrained\", "
        "or named tensors: a state dict of PyTorch's saved as safetensors, or numpy's .npz. It is known by its "
        "content. OUT is what its name ends with: .safetensors (a model file, whose tensors PyTorch and others "
        "read too), .onnx, or .npz (the tensors alone). Tensors without a network stay tensors, unless --network "
        "says whose they are. Before anything is written, what OUT will hold is read back, and both are run on "
        "random images: if their outputs differ by more than the tolerance, OUT stays as it was. A file that "
        "exists is replaced, whole or not at all.",
    .operand = "IN OUT",
    .networks = cn_zoo_name,
    .arguments = arguments,
    .json = members,
    .notes = "Examples:\n"
             "  convnet-convert mobilenet.onnx mobilenet.safetensors\n"
             "  convnet-convert pets.safetensors pets.onnx --pixels\n"
             "  convnet-convert resnet18.pt.safetensors resnet18.safetensors --network resnet18 \\\n"
             "      --names classes.txt --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225\n"
             "  convnet-convert pets.safetensors small.safetensors --weights float16\n"
             "  convnet-convert pets.safetensors weights.npz --compress\n"
             "\n"
             "Exit codes: 0 converted, and the outputs agree; 1 something failed, and OUT is as it was; 2 a mistake on "
             "the command line.\n",
};

typedef struct conversion {
    cn_context *context;
    const char *in, *out;
    kind kind;
    cn_model *model;     /* what IN holds, or */
    cn_tensors *tensors; /* tensors alone */
} conversion;

/* ---- the command line ---- */

static bool ends_with(const char *path, const char *ending) {
    size_t length = strlen(path), more = strlen(ending);
    return length > more && strcasecmp(path + length - more, ending) == 0;
}

static kind kind_of(const char *path) {
    kind k = 0;
    while (k < KINDS && !ends_with(path, kinds[k].ending))
        k++;
    if (k == KINDS)
        complain_usage("OUT '%s': want a name that ends with .safetensors, .onnx or .npz", path);
    return k;
}

/* As many as there are; the library says whether they do for the network. */
enum { CHANNELS = 64 };
static float means[CHANNELS], deviations[CHANNELS];
static int channels;

static int read_numbers(const char *option, const char *text, bool positive, float numbers[CHANNELS]) {
    int count = 0;
    char *end;
    for (const char *at = text;; at = end + 1) {
        double number = strtod(at, &end);
        bool good = end > at && (*end == ',' || !*end) && fabs(number) <= 1e30 && (!positive || number >= 1e-30);
        if (!good || count == CHANNELS)
            complain_usage("--%s '%s': want a %snumber for each channel, with commas between, such as 0.5,0.5,0.5",
                           option, text, positive ? "positive " : "");
        numbers[count++] = (float)number;
        if (!*end)
            return count;
    }
}

static void read_normalisation(void) {
    if (!mean_text)
        return;
    channels = read_numbers("mean", mean_text, false, means);
    if (read_numbers("std", std_text, true, deviations) != channels)
        complain_usage("--mean '%s' and --std '%s': want as many numbers", mean_text, std_text);
}

static conversion read_command(int argc, char **argv) {
    int operands = arguments_read_several(&convert_program, argc, argv);
    if (operands != 2)
        complain_usage(operands < 2 ? "OUT is missing" : "unexpected argument '%s'", argv[2]);
    conversion c = {.in = argv[0], .out = argv[1], .kind = kind_of(argv[1])};
    const named_file files[] = {{"IN", c.in}, {"OUT", c.out}};
    files_must_differ(files, COUNT(files));
    arguments_need(&convert_program, "weights", c.kind != ONNX || weights == CN_WEIGHTS_FLOAT32,
                   "OUT.safetensors and OUT.npz");
    arguments_need(&convert_program, "compress", c.kind == NPZ, "OUT.npz");
    arguments_need(&convert_program, "pixels", c.kind == ONNX, "OUT.onnx");
    arguments_need(&convert_program, "names", c.kind != NPZ, "OUT.safetensors and OUT.onnx");
    arguments_need(&convert_program, "mean", c.kind != NPZ && std_text, "--std, and OUT.safetensors and OUT.onnx");
    arguments_need(&convert_program, "std", c.kind != NPZ && mean_text, "--mean, and OUT.safetensors and OUT.onnx");
    read_normalisation();
    files_must_spare((named_file[]){{"--names", names_path}}, 1, (named_file[]){{"OUT", c.out}}, 1);
    if (c.kind == NPZ && weights == CN_WEIGHTS_BFLOAT16)
        complain_usage("--weights bfloat16: numpy has no such type; want float32 or float16 for .npz");
    static const char *const options[] = {"classes", "size", "norm", "groups", "dropout", "no-skip"};
    for (size_t i = 0; i < COUNT(options); i++)
        arguments_need(&convert_program, options[i], network_name, "--network");
    if (network_name) {
        if (model_is_pretrained(c.in) && access(c.in, F_OK) != 0)
            complain_usage(
                "--network says what tensors of IN belong to, and 'pretrained' is a network, with its tensors");
        network.name = network_name;
        network_check(&network, &convert_program);
        files_must_spare((named_file[]){{"--network", network_is_named(network_name) ? NULL : network_name}}, 1,
                         (named_file[]){{"OUT", c.out}}, 1);
    }
    return c;
}

/* ---- reading ---- */

/* The tensors of IN, in the network that was named. */
static cn_status open_named(conversion *c) {
    cn_status status = network_open(c->context, &network, &c->model);
    if (status != CN_OK)
        return status;
    status = cn_model_load_tensors(c->model, c->in);
    if (status != CN_OK)
        complain_file("read", c->in, library_error());
    return status;
}

/* Whether the file begins as those of tensors do: .npz, .npy, or safetensors, whose header is JSON below 4 GiB. What cannot
 * be read of them says more than that they hold no network. */
static bool begins_as_tensors(const char *path) {
    char start[9] = "";
    FILE *file = fopen(path, "rb");
    size_t bytes = file ? fread(start, 1, sizeof start, file) : 0;
    if (file)
        fclose(file);
    return bytes == sizeof start && (memcmp(start, "PK\3\4", 4) == 0 || memcmp(start, "\x93NUMPY", 6) == 0 ||
                                     memcmp(start + 4, "\0\0\0\0{", 5) == 0);
}

/* A network or, as the file is none, tensors. */
static cn_status open_any(conversion *c) {
    char error[1024];
    cn_status status = model_load(c->context, c->in, &c->model);
    if (status == CN_OK)
        return CN_OK;
    snprintf(error, sizeof error, "%s", library_error());
    bool read = status == CN_ERR_FORMAT && cn_tensors_load(c->context, c->in, &c->tensors) == CN_OK;
    bool none = read && !cn_tensors_metadata(c->tensors, "convnet.model");
    if (status == CN_ERR_FORMAT && !read && begins_as_tensors(c->in))
        snprintf(error, sizeof error, "%s", library_error());
    if (!none && access(c->in, F_OK) != 0)
        complain_model(c->in);
    else if (!none)
        complain_file("read", c->in, error);
    else if (c->kind == ONNX)
        complain("'%s' holds %lld tensor%s but no network; say with --network which one they belong to", c->in,
                 (long long)cn_tensors_count(c->tensors), cn_tensors_count(c->tensors) == 1 ? "" : "s");
    return none && c->kind != ONNX ? CN_OK : status;
}

/* What the command says of the network beside its numbers. */
static cn_status describe(conversion *c) {
    name_list list = {0};
    int64_t output[3];
    cn_status status = CN_OK;
    if (!names_path && !channels)
        return CN_OK;
    if (!c->model) {
        complain(
            "'%s' holds tensors but no network, which --names, --mean and --std are of; say with --network which one "
            "they belong to",
            c->in);
        return CN_ERR_ARGUMENT;
    }
    cn_model_output_shape(c->model, output);
    if (names_path && (!name_list_read(names_path, &list) || !name_list_fits(&list, names_path, c->in, output[0])))
        status = CN_ERR_DATA;
    else if ((names_path && (status = cn_model_set_class_names(c->model, output[0], list.names)) != CN_OK) ||
             (channels && (status = cn_model_set_normalization(c->model, channels, means, deviations)) != CN_OK))
        complain_library("cannot describe the network so");
    name_list_free(&list);
    return status;
}

static cn_status open_in(conversion *c) {
    cn_status status = network_name ? open_named(c) : open_any(c);
    return status == CN_OK ? describe(c) : status;
}

/* ---- writing ---- */

/* Into memory if `file` is not NULL, else to OUT. */
static cn_status save_tensors(const conversion *c, const cn_tensors *tensors, cn_tensor **file) {
    cn_save_options options = CN_SAVE_OPTIONS_INIT;
    options.weights = (cn_weights)weights;
    options.deflate = compress;
    return file ? cn_tensors_save_memory(tensors, kinds[c->kind].ending, &options, file)
                : cn_tensors_save(tensors, c->out, &options);
}

static cn_status save_state_dict(const conversion *c, cn_tensor **file) {
    cn_tensors *tensors;
    cn_status status = cn_model_state_dict(c->model, &tensors);
    if (status == CN_OK)
        status = save_tensors(c, tensors, file);
    cn_tensors_free(tensors);
    return status;
}

static cn_status save_model(const conversion *c, cn_tensor **file) {
    cn_save_options options = CN_SAVE_OPTIONS_INIT;
    options.weights = (cn_weights)weights;
    return file ? cn_model_save_memory_with(c->model, &options, file) : cn_model_save_with(c->model, c->out, &options);
}

static cn_status save_onnx(const conversion *c, cn_tensor **file) {
    cn_onnx_options options = CN_ONNX_OPTIONS_INIT;
    options.include_preprocessing = pixels;
    return file ? cn_model_save_onnx_memory(c->model, &options, file) : cn_model_save_onnx(c->model, c->out, &options);
}

static cn_status save(const conversion *c, cn_tensor **file) {
    cn_status status = c->tensors        ? save_tensors(c, c->tensors, file)
                       : c->kind == NPZ  ? save_state_dict(c, file)
                       : c->kind == ONNX ? save_onnx(c, file)
                                         : save_model(c, file);
    if (status != CN_OK)
        complain_file("write", c->out, library_error());
    return status;
}

/* What the file will not have is said once, not for each way that it is saved. */
static void drop_metadata(const conversion *c) {
    int64_t count = cn_tensors_metadata_count(c->tensors);
    if (c->kind != NPZ || count == 0)
        return;
    if (!output_quiet)
        complain("note: .npz has no texts beside tensors, so %lld of '%s' stay behind", (long long)count, c->in);
    while (cn_tensors_metadata_count(c->tensors) > 0)
        (void)cn_tensors_set_metadata(c->tensors, cn_tensors_metadata_key(c->tensors, 0), NULL);
}

/* ---- checking ---- */

static const void *bytes_of(const cn_tensor *file) {
    return cn_tensor_data_const(file);
}

/* The network that the file holds; if it has tensors alone, those in a copy of IN's. */
static cn_status open_again(const conversion *c, const cn_tensor *file, cn_model **again) {
    cn_tensor *whole;
    size_t count = (size_t)cn_tensor_count(file);
    if (c->kind != NPZ)
        return cn_model_load_memory(c->context, bytes_of(file), count, again);
    cn_status status = cn_model_save_memory(c->model, &whole);
    if (status == CN_OK)
        status = cn_model_load_memory(c->context, bytes_of(whole), (size_t)cn_tensor_count(whole), again);
    if (status == CN_OK)
        status = cn_model_load_tensors_memory(*again, bytes_of(file), count, NULL);
    cn_tensor_free(whole);
    return status;
}

static cn_status compare_networks(const conversion *c, const cn_tensor *file, difference *d) {
    cn_model *again = NULL;
    cn_status status = open_again(c, file, &again);
    if (status == CN_OK)
        status = difference_of_models(c->context, c->model, again, pixels, d);
    cn_model_free(again);
    return status;
}

static cn_status compare_tensors(const conversion *c, const cn_tensor *file, difference *d) {
    cn_tensors *again;
    cn_status status = cn_tensors_load_memory(c->context, bytes_of(file), (size_t)cn_tensor_count(file), &again);
    if (status == CN_OK)
        status = difference_of_tensors(c->tensors, again, d);
    cn_tensors_free(again);
    return status;
}

static bool agrees(const conversion *c, const difference *d) {
    double allowed = tolerance >= 0.0 ? tolerance : c->tensors ? bounds[weights].numbers : bounds[weights].outputs;
    const char *what = c->tensors ? "numbers" : "outputs on random images";
    if (d->numbers && d->relative <= allowed) {
        if (!d->finite)
            warn("'%s': some %s are infinite or not a number; the others were compared", c->in, what);
        return true;
    }
    if (!d->numbers)
        complain("'%s' is not written: %s are not all numbers, or not as many as before", c->out, what);
    else
        complain("'%s' is not written: %s would differ by up to %.2g, %.2g of the largest, where %.2g is allowed",
                 c->out, what, d->absolute, d->relative, allowed);
    return false;
}

static bool check(const conversion *c, const cn_tensor *file, difference *d) {
    cn_status status = c->tensors ? compare_tensors(c, file, d) : compare_networks(c, file, d);
    if (status != CN_OK)
        complain("'%s' is not written, since it could not be read again: %s", c->out, library_error());
    return status == CN_OK && agrees(c, d);
}

/* ---- the program ---- */

static void report(const conversion *c, const cn_tensor *file, const difference *d) {
    char count[GROUPED_TEXT];
    printf("%s: %s, ", printable(c->out), kinds[c->kind].about);
    if (c->tensors)
        printf("%s tensor%s", grouped(cn_tensors_count(c->tensors), count),
               cn_tensors_count(c->tensors) == 1 ? "" : "s");
    else
        printf("%s parameters", grouped(cn_model_parameter_count(c->model), count));
    printf(", %s bytes\n", grouped(cn_tensor_count(file), count));
    printf("Largest difference %s: %.2g, %.2g of the largest %s\n", c->tensors ? "of numbers" : "on random images",
           d->absolute, d->relative, c->tensors ? "in its tensor" : "output");
}

static void write_result(const conversion *c, const cn_tensor *file, const difference *d) {
    json_begin();
    json_text("in", c->in);
    json_text("out", c->out);
    json_text("kind", kinds[c->kind].ending + 1);
    if (c->tensors)
        json_integer("tensors", cn_tensors_count(c->tensors));
    else
        json_integer("parameters", cn_model_parameter_count(c->model));
    json_integer("bytes", cn_tensor_count(file));
    json_object("difference");
    json_number("absolute", d->absolute);
    json_number("relative", d->relative);
    json_end();
    json_end();
}

static int convert(conversion *c) {
    cn_tensor *file = NULL;
    difference d;
    int code = EXIT_FAILURE;
    if (!output_possible(c->out, NULL) || open_in(c) != CN_OK)
        return code;
    if (c->tensors)
        drop_metadata(c);
    if (save(c, &file) == CN_OK && check(c, file, &d) && save(c, NULL) == CN_OK) {
        (output_json ? write_result : report)(c, file, &d);
        code = EXIT_SUCCESS;
    }
    cn_tensor_free(file);
    return code;
}

int main(int argc, char **argv) {
    conversion c = read_command(argc, argv);
    int code = EXIT_FAILURE;
    if (program_context(0, CN_CONV_AUTO, NULL, &c.context) == CN_OK)
        code = convert(&c);
    cn_model_free(c.model);
    cn_tensors_free(c.tensors);
    cn_context_free(c.context);
    return program_end(code);
}
