# SPDX-License-Identifier: MIT
"""convnet: libconvnet for Python, on ctypes and NumPy, in this one file.

    import convnet

    train = convnet.Dataset.synthetic("train", 4000, seed=1)
    test = convnet.Dataset.synthetic("test", 1000, seed=1)
    model = convnet.Model.session8()
    trainer = convnet.Trainer(model, train, test, optimizer={"kind": "adamw"})
    trainer.fit(3, on_epoch=lambda epoch: print(epoch.epoch, epoch.test_accuracy))
    model.save("session8.safetensors")
    scores = convnet.Predictor(model)(images)          # uint8 or float32 [N, 3, 32, 32] to float32 [N, 10]

Names are those of convnet.h without their beginning: cn_model_freeze is Model.freeze, cn_image_load is image_load, and
`man cn_model_freeze` is the reference. What only asks is an attribute (model.parameter_count). A name ending in _new is
the class (Model, Trainer) or, for a layer, a function (conv2d).

Arrays  go in as anything that NumPy takes, without a copy where they are uint8, float32 or int64 and contiguous; they
        come out as NumPy arrays, without a copy where the library lends its memory (Model.tensor).
Options are keyword arguments; what is left out has the library's defaults. Where one options struct is within another, a
        dictionary will do, or the name of its kind. Enums may be given by name: "cross-entropy", "adamw", "train".
Errors  are convnet.Error, with the library's message and `status`. What a callback raises comes out of the call that
        led to it, as it is. Ctrl-C ends Trainer.fit after the batch.
Context objects belong to a convnet.Context: one of all cores that is made when it is first needed, or the one of the
        surrounding `with convnet.Context(threads=2):`, or the one given as `context`.
Freeing is automatic. Each object also has close() and works in a `with` statement; what it is made of lives as long as it
        is needed.
Threads may each use objects of their own. Two that use one, such as a predictor, take turns.

The library is the one named in the environment variable CONVNET_LIBRARY, else libconvnet beside this file, else
the system's."""

import contextvars
import ctypes
import ctypes.util
import enum
import logging
import os
import re
import sys
import threading
import types
import weakref

import numpy as np

# ---- what convnet.h declares ------------------------------------------------------------------

# Taken from the header by declarations.py, which also tells whether it is still the same.
_DECLARATIONS = """\
#define CN_MAX_DIMS 8
#define CN_MAX_LAYER_PARAMETERS 8
#define CN_MAX_LAYER_INPUTS 16
#define CN_ZOO_DEFAULT (-1)
#define CN_AUGMENTATION_CIFAR10 { sizeof(cn_augmentation), 0, CN_PADDING_ZEROS, 0.5f, 0.1f, 7.0f, 0.3f, 0.5f, 0, 0, 0
 }
#define CN_AUGMENTATION_MNIST { sizeof(cn_augmentation), 0, CN_PADDING_ZEROS, 0.0f, 0.0f, 7.0f, 0.3f, 0.5f, 0, 0, 0 }
#define CN_LEARNING_RATE_DEFAULT (-1.0f)
#define CN_WEIGHT_DECAY_DEFAULT (-1.0f)
#define CN_MAX_REQUESTS 64
int cn_version_number(void);
const char *cn_version_string(void);
enum cn_status { CN_OK = 0, CN_ERR_ARGUMENT = 1, CN_ERR_SHAPE = 2, CN_ERR_MEMORY = 3, CN_ERR_IO = 4, CN_ERR_FORMAT =
 5, CN_ERR_DATA = 6, CN_ERR_UNSUPPORTED = 7, CN_ERR_STATE = 8, CN_ERR_NOT_FOUND = 9, CN_ERR_NUMERIC = 10,
 CN_ERR_VERSION = 11, CN_ERR_COMMUNICATION = 12 };
const char *cn_status_string(cn_status status);
const char *cn_last_error(void);
enum cn_isa { CN_ISA_AUTO = 0, CN_ISA_PORTABLE = 1, CN_ISA_AVX2 = 2, CN_ISA_AVX512 = 3, CN_ISA_NEON = 4 };
enum cn_conv_algorithm { CN_CONV_AUTO = 0, CN_CONV_DIRECT = 1, CN_CONV_GEMM = 2 };
enum cn_layout { CN_LAYOUT_AUTO = 0, CN_LAYOUT_IMAGES = 1, CN_LAYOUT_CHANNELS = 2 };
enum cn_log_level { CN_LOG_WARNING = 1, CN_LOG_INFO = 2 };
enum cn_pass { CN_PASS_FETCH = 1, CN_PASS_PREPARE = 2, CN_PASS_FORWARD = 3, CN_PASS_LOSS = 4, CN_PASS_BACKWARD = 5,
 CN_PASS_UPDATE = 6, CN_PASS_EXCHANGE = 7 };
struct cn_trace_event { uint64_t size; cn_pass pass; int thread; const char *layer; const char *type; int64_t start,
 end; };
struct cn_context_options { uint64_t size; int threads; cn_isa isa; cn_conv_algorithm conv_algorithm; cn_layout
 layout; void *(*allocate)(void *user, size_t bytes, size_t alignment); void (*release)(void *user, void *memory);
 void (*log)(void *user, cn_log_level level, const char *message); void *user; void (*trace)(void *user, const
 cn_trace_event *event); size_t memory_limit; int pin; int reserved; };
void cn_context_options_init(cn_context_options *options, size_t size);
cn_status cn_context_new(const cn_context_options *options, cn_context **context);
void cn_context_free(cn_context *context);
size_t cn_context_memory(const cn_context *context);
size_t cn_context_memory_peak(const cn_context *context);
struct cn_device { uint64_t size; const char *processor; void *reserved_pointer; cn_isa isa; cn_isa best_isa; int
 cores; int threads; uint64_t memory; };
void cn_device_init(cn_device *device, size_t size);
cn_status cn_context_device(const cn_context *context, cn_device *device);
const char *cn_isa_name(cn_isa isa);
void cn_text_free(char *text);
enum cn_dtype { CN_DTYPE_FLOAT32 = 1, CN_DTYPE_UINT8 = 2, CN_DTYPE_INT64 = 3 };
cn_status cn_tensor_new(cn_context *context, cn_dtype dtype, int dims, const int64_t *shape, cn_tensor **tensor);
cn_status cn_tensor_borrow(cn_context *context, cn_dtype dtype, int dims, const int64_t *shape, void *data, cn_tensor
 **tensor);
cn_status cn_tensor_borrow_const(cn_context *context, cn_dtype dtype, int dims, const int64_t *shape, const void
 *data, cn_tensor **tensor);
void cn_tensor_free(cn_tensor *tensor);
void *cn_tensor_data(cn_tensor *tensor);
const void *cn_tensor_data_const(const cn_tensor *tensor);
cn_dtype cn_tensor_dtype(const cn_tensor *tensor);
int cn_tensor_dims(const cn_tensor *tensor);
int64_t cn_tensor_shape(const cn_tensor *tensor, int dimension);
int64_t cn_tensor_count(const cn_tensor *tensor);
int64_t cn_tensor_argmax(const cn_tensor *tensor, int64_t row);
cn_status cn_tensor_load_npy(cn_context *context, const char *path, cn_tensor **tensor);
cn_status cn_tensor_load_npz(cn_context *context, const char *path, const char *name, cn_tensor **tensor);
cn_status cn_tensor_save_npy(const cn_tensor *tensor, const char *path);
cn_status cn_image_load(cn_context *context, const char *path, cn_tensor **image);
cn_status cn_image_load_memory(cn_context *context, const void *data, size_t bytes, cn_tensor **image);
cn_status cn_image_load_mask(cn_context *context, const char *path, cn_tensor **mask);
cn_status cn_image_save(const cn_tensor *image, const char *path);
cn_status cn_image_encode_png(const cn_tensor *image, cn_tensor **png);
cn_status cn_image_resize(const cn_tensor *image, int height, int width, cn_tensor **resized);
cn_status cn_image_fit(const cn_tensor *image, int channels, int height, int width, cn_tensor **fitted);
cn_status cn_image_overlay(const cn_tensor *image, const cn_tensor *map, float opacity, cn_tensor **overlaid);
void cn_layer_free(cn_layer *layer);
enum cn_padding_mode { CN_PADDING_ZEROS = 0, CN_PADDING_REPLICATE = 1, CN_PADDING_REFLECT = 2, CN_PADDING_CIRCULAR = 3
 };
struct cn_conv2d_options { uint64_t size; int stride[2]; int padding[2]; int dilation[2]; int groups; int bias;
 cn_padding_mode padding_mode; int reserved; };
void cn_conv2d_options_init(cn_conv2d_options *options, size_t size);
cn_status cn_conv2d_new(cn_context *context, int in_channels, int out_channels, int kernel_height, int kernel_width,
 const cn_conv2d_options *options, cn_layer **layer);
struct cn_conv_transpose2d_options { uint64_t size; int stride[2]; int padding[2]; int output_padding[2]; int
 dilation[2]; int groups; int bias; };
void cn_conv_transpose2d_options_init(cn_conv_transpose2d_options *options, size_t size);
cn_status cn_conv_transpose2d_new(cn_context *context, int in_channels, int out_channels, int kernel_height, int
 kernel_width, const cn_conv_transpose2d_options *options, cn_layer **layer);
cn_status cn_linear_new(cn_context *context, int in_features, int out_features, int bias, cn_layer **layer);
enum cn_norm_kind { CN_NORM_NONE = 0, CN_NORM_BATCH = 1, CN_NORM_LAYER = 2, CN_NORM_GROUP = 3, CN_NORM_INSTANCE = 4 };
struct cn_norm_options { uint64_t size; int groups; float eps; float momentum; int affine; int track_running_stats;
 int reserved; };
void cn_norm_options_init(cn_norm_options *options, size_t size);
cn_status cn_norm_new(cn_context *context, cn_norm_kind norm, int channels, const cn_norm_options *options, cn_layer
 **layer);
cn_status cn_layer_norm2d_new(cn_context *context, int channels, const cn_norm_options *options, cn_layer **layer);
cn_status cn_local_response_norm_new(cn_context *context, int size, float alpha, float beta, float k, cn_layer
 **layer);
cn_status cn_relu_new(cn_context *context, cn_layer **layer);
cn_status cn_leaky_relu_new(cn_context *context, float negative_slope, cn_layer **layer);
cn_status cn_elu_new(cn_context *context, float alpha, cn_layer **layer);
cn_status cn_sigmoid_new(cn_context *context, cn_layer **layer);
cn_status cn_tanh_new(cn_context *context, cn_layer **layer);
cn_status cn_silu_new(cn_context *context, cn_layer **layer);
cn_status cn_mish_new(cn_context *context, cn_layer **layer);
cn_status cn_softplus_new(cn_context *context, float beta, float threshold, cn_layer **layer);
cn_status cn_hardtanh_new(cn_context *context, float min_val, float max_val, cn_layer **layer);
cn_status cn_relu6_new(cn_context *context, cn_layer **layer);
cn_status cn_hardsigmoid_new(cn_context *context, cn_layer **layer);
cn_status cn_hardswish_new(cn_context *context, cn_layer **layer);
cn_status cn_softsign_new(cn_context *context, cn_layer **layer);
cn_status cn_affine_new(cn_context *context, float scale, float shift, cn_layer **layer);
cn_status cn_prelu_new(cn_context *context, int num_parameters, cn_layer **layer);
enum cn_gelu_kind { CN_GELU_EXACT = 0, CN_GELU_TANH = 1 };
cn_status cn_gelu_new(cn_context *context, cn_gelu_kind approximate, cn_layer **layer);
cn_status cn_dropout_new(cn_context *context, float p, cn_layer **layer);
struct cn_pool2d_options { uint64_t size; int stride[2]; int padding[2]; int dilation[2]; int ceil_mode; int
 count_include_pad; int divisor_override; int reserved; };
void cn_pool2d_options_init(cn_pool2d_options *options, size_t size);
cn_status cn_max_pool2d_new(cn_context *context, int kernel_height, int kernel_width, const cn_pool2d_options
 *options, cn_layer **layer);
cn_status cn_avg_pool2d_new(cn_context *context, int kernel_height, int kernel_width, const cn_pool2d_options
 *options, cn_layer **layer);
cn_status cn_adaptive_avg_pool2d_new(cn_context *context, int output_height, int output_width, cn_layer **layer);
cn_status cn_adaptive_max_pool2d_new(cn_context *context, int output_height, int output_width, cn_layer **layer);
enum cn_upsample_mode { CN_UPSAMPLE_NEAREST = 0, CN_UPSAMPLE_BILINEAR = 1 };
struct cn_upsample_options { uint64_t size; int output_size[2]; double scale_factor[2]; cn_upsample_mode mode; int
 align_corners; };
void cn_upsample_options_init(cn_upsample_options *options, size_t size);
cn_status cn_upsample_new(cn_context *context, const cn_upsample_options *options, cn_layer **layer);
cn_status cn_add_new(cn_context *context, cn_layer **layer);
cn_status cn_mul_new(cn_context *context, cn_layer **layer);
cn_status cn_concat_new(cn_context *context, cn_layer **layer);
cn_status cn_identity_new(cn_context *context, cn_layer **layer);
cn_status cn_flatten_new(cn_context *context, cn_layer **layer);
cn_status cn_reshape_new(cn_context *context, int channels, int height, int width, cn_layer **layer);
cn_status cn_pixel_shuffle_new(cn_context *context, int upscale_factor, cn_layer **layer);
cn_status cn_pixel_unshuffle_new(cn_context *context, int downscale_factor, cn_layer **layer);
cn_status cn_channel_shuffle_new(cn_context *context, int groups, cn_layer **layer);
cn_status cn_narrow_new(cn_context *context, int start, int length, cn_layer **layer);
cn_status cn_pad2d_new(cn_context *context, const int padding[4], cn_padding_mode mode, float value, cn_layer
 **layer);
cn_status cn_softmax_new(cn_context *context, cn_layer **layer);
cn_status cn_log_softmax_new(cn_context *context, cn_layer **layer);
enum cn_option_kind { CN_OPTION_INT = 0, CN_OPTION_FLOAT = 1 };
struct cn_layer_option { const char *name; void *reserved_pointer; cn_option_kind kind; int offset; double usual,
 least, most; };
struct cn_layer_parameter { const char *name; void *reserved_pointer; int64_t shape[4]; int dims; int reserved; float
 value, bound; };
struct cn_layer_pass { uint64_t size; void *user; const void *options; int64_t images; int training; int input_count;
 const int64_t (*input_shapes)[3]; const int64_t *output_shape; const float *const *inputs; const float *const
 *parameters; float *output; const float *grad_output; float *const *grad_inputs; float *const *grad_parameters; };
struct cn_layer_definition { uint64_t size; const char *type; const cn_layer_option *options; uint64_t options_size;
 int option_count; int min_inputs, max_inputs; int reserved; int (*parameters)(void *user, const void *options,
 cn_layer_parameter parameters[CN_MAX_LAYER_PARAMETERS]); cn_status (*shape)(void *user, const void *options, int
 input_count, const int64_t (*inputs)[3], int64_t output[3]); int64_t (*multiply_adds)(void *user, const void
 *options, const int64_t input[3], const int64_t output[3]); cn_status (*forward)(const cn_layer_pass *pass);
 cn_status (*backward)(const cn_layer_pass *pass); void (*release)(void *user); void *user; void *reserved_pointer; };
void cn_layer_definition_init(cn_layer_definition *definition, size_t size);
cn_status cn_context_register_layer(cn_context *context, const cn_layer_definition *definition);
cn_status cn_custom_layer_new(cn_context *context, const char *type, const void *options, cn_layer **layer);
cn_status cn_model_new(cn_context *context, int channels, int height, int width, cn_model **model);
void cn_model_free(cn_model *model);
cn_status cn_model_append(cn_model *model, const char *name, cn_layer *layer);
cn_status cn_model_add(cn_model *model, const char *name, cn_layer *layer, int input_count, const char *const
 *inputs);
cn_status cn_model_add_input(cn_model *model, const char *name, int channels, int height, int width);
cn_status cn_model_set_outputs(cn_model *model, int64_t count, const char *const *names);
cn_status cn_model_replace(cn_model *model, const char *name, cn_layer *layer);
cn_status cn_model_replace_output(cn_model *model, int outputs);
const char *cn_model_output_layer(const cn_model *model);
cn_status cn_model_init(cn_model *model, uint64_t seed);
cn_status cn_model_init_pytorch(cn_model *model, uint64_t seed);
struct cn_session8_options { uint64_t size; cn_norm_kind norm; int groups; float dropout; int skip; int64_t classes;
 uint64_t seed; };
void cn_session8_options_init(cn_session8_options *options, size_t size);
cn_status cn_model_session8(cn_context *context, const cn_session8_options *options, cn_model **model);
cn_status cn_model_mnist(cn_context *context, int which, uint64_t seed, cn_model **model);
struct cn_zoo_options { uint64_t size; int channels, height, width; int reserved; int64_t classes; uint64_t seed;
 float width_mult; float dropout; };
void cn_zoo_options_init(cn_zoo_options *options, size_t size);
cn_status cn_model_zoo(cn_context *context, const char *name, const cn_zoo_options *options, cn_model **model);
const char *cn_zoo_name(int index);
int64_t cn_model_tensor_count(const cn_model *model);
const char *cn_model_tensor_name(const cn_model *model, int64_t index);
cn_status cn_model_tensor(cn_model *model, const char *name, cn_tensor **tensor);
cn_status cn_model_tensor_const(const cn_model *model, const char *name, const cn_tensor **tensor);
cn_status cn_model_gradient(cn_model *model, const char *name, cn_tensor **gradient);
int64_t cn_model_parameter_count(const cn_model *model);
cn_status cn_model_freeze(cn_model *model, const char *pattern, int frozen);
int cn_model_frozen(const cn_model *model, const char *name);
cn_status cn_model_until(const cn_model *model, const char *layer, cn_model **part);
void cn_model_input_shape(const cn_model *model, int64_t shape[3]);
void cn_model_output_shape(const cn_model *model, int64_t shape[3]);
int64_t cn_model_input_count(const cn_model *model);
int64_t cn_model_output_count(const cn_model *model);
const char *cn_model_input_name(const cn_model *model, int64_t index);
const char *cn_model_output_name(const cn_model *model, int64_t index);
void cn_model_input_shape_at(const cn_model *model, int64_t index, int64_t shape[3]);
void cn_model_output_shape_at(const cn_model *model, int64_t index, int64_t shape[3]);
cn_status cn_model_output_shape_for(const cn_model *model, const int64_t *inputs, int64_t index, int64_t shape[3]);
cn_status cn_model_set_normalization(cn_model *model, int channels, const float *mean, const float *std);
int cn_model_normalization(const cn_model *model, const float **mean, const float **std);
cn_status cn_model_set_class_names(cn_model *model, int64_t classes, const char *const *names);
int64_t cn_model_class_count(const cn_model *model);
const char *cn_model_class_name(const cn_model *model, int64_t index);
struct cn_layer_info { uint64_t size; const char *name; const char *type; int64_t input[3], output[3]; int64_t
 parameters; int64_t multiply_adds; int64_t activation_bytes; int has_receptive_field; int reserved; int64_t in[2],
 rf_in[2], jump_in[2], padding[2], kernel[2], stride[2], out[2], rf_out[2], jump_out[2]; };
void cn_layer_info_init(cn_layer_info *info, size_t size);
int64_t cn_model_layer_count(const cn_model *model);
cn_status cn_model_layer_info(const cn_model *model, int64_t index, cn_layer_info *info);
cn_status cn_model_summary(const cn_model *model, char **text);
cn_status cn_model_receptive_field(const cn_model *model, char **text);
cn_status cn_model_save(const cn_model *model, const char *path);
cn_status cn_model_save_memory(const cn_model *model, cn_tensor **file);
cn_status cn_model_load(cn_context *context, const char *path, cn_model **model);
cn_status cn_model_load_memory(cn_context *context, const void *data, size_t bytes, cn_model **model);
enum cn_weights { CN_WEIGHTS_FLOAT32 = 0, CN_WEIGHTS_FLOAT16 = 1, CN_WEIGHTS_BFLOAT16 = 2 };
struct cn_save_options { uint64_t size; cn_weights weights; int deflate; };
void cn_save_options_init(cn_save_options *options, size_t size);
cn_status cn_model_save_with(const cn_model *model, const char *path, const cn_save_options *options);
cn_status cn_model_save_memory_with(const cn_model *model, const cn_save_options *options, cn_tensor **file);
struct cn_onnx_options { uint64_t size; int include_preprocessing; int reserved; };
void cn_onnx_options_init(cn_onnx_options *options, size_t size);
cn_status cn_model_save_onnx(const cn_model *model, const char *path, const cn_onnx_options *options);
cn_status cn_model_save_onnx_memory(const cn_model *model, const cn_onnx_options *options, cn_tensor **file);
cn_status cn_model_set_self_test(cn_model *model, int64_t input_count, const cn_tensor *const *inputs);
cn_status cn_model_self_test(const cn_model *model, double tolerance, double *difference);
const cn_tensor *cn_model_self_test_input(const cn_model *model, int64_t index);
const cn_tensor *cn_model_self_test_output(const cn_model *model, int64_t index);
struct cn_export_c_options { uint64_t size; const char *name; void *reserved_pointer; };
void cn_export_c_options_init(cn_export_c_options *options, size_t size);
cn_status cn_model_export_c(const cn_model *model, const char *path, const cn_export_c_options *options);
cn_status cn_model_session8_pretrained(cn_context *context, cn_model **model);
cn_status cn_model_load_tensors(cn_model *model, const char *path);
enum cn_load_result { CN_LOAD_MATCHED = 0, CN_LOAD_MISSING = 1, CN_LOAD_OTHER_SHAPE = 2, CN_LOAD_UNEXPECTED = 3 };
void (*cn_load_function)(void *user, cn_load_result result, const char *name, const char *message);
struct cn_load_options { uint64_t size; const char *prefix; const char *const *renames; cn_load_function report; void
 *user; int strict; int reserved; };
void cn_load_options_init(cn_load_options *options, size_t size);
cn_status cn_model_load_tensors_with(cn_model *model, const char *path, const cn_load_options *options);
cn_status cn_model_load_tensors_memory(cn_model *model, const void *data, size_t bytes, const cn_load_options
 *options);
cn_status cn_tensors_new(cn_context *context, cn_tensors **tensors);
cn_status cn_tensors_load(cn_context *context, const char *path, cn_tensors **tensors);
cn_status cn_tensors_load_memory(cn_context *context, const void *data, size_t bytes, cn_tensors **tensors);
void cn_tensors_free(cn_tensors *tensors);
int64_t cn_tensors_count(const cn_tensors *tensors);
const char *cn_tensors_name(const cn_tensors *tensors, int64_t index);
cn_status cn_tensors_get(cn_tensors *tensors, const char *name, cn_tensor **tensor);
cn_status cn_tensors_get_const(const cn_tensors *tensors, const char *name, const cn_tensor **tensor);
cn_status cn_tensors_add(cn_tensors *tensors, const char *name, const cn_tensor *tensor);
cn_status cn_tensors_remove(cn_tensors *tensors, const char *name);
const char *cn_tensors_metadata(const cn_tensors *tensors, const char *key);
cn_status cn_tensors_set_metadata(cn_tensors *tensors, const char *key, const char *value);
int64_t cn_tensors_metadata_count(const cn_tensors *tensors);
const char *cn_tensors_metadata_key(const cn_tensors *tensors, int64_t index);
cn_status cn_tensors_save(const cn_tensors *tensors, const char *path, const cn_save_options *options);
cn_status cn_tensors_save_memory(const cn_tensors *tensors, const char *kind, const cn_save_options *options,
 cn_tensor **file);
cn_status cn_model_state_dict(const cn_model *model, cn_tensors **tensors);
cn_status cn_model_load_state_dict(cn_model *model, const cn_tensors *tensors, const cn_load_options *options);
cn_status cn_model_forward(cn_model *model, int training, const cn_tensor *input, cn_tensor *output);
cn_status cn_model_backward(cn_model *model, const cn_tensor *grad_output, cn_tensor *grad_input);
cn_status cn_model_forward_all(cn_model *model, int training, int64_t input_count, const cn_tensor *const *inputs,
 int64_t output_count, cn_tensor *const *outputs);
cn_status cn_model_backward_all(cn_model *model, int64_t output_count, const cn_tensor *const *grad_outputs, int64_t
 input_count, cn_tensor *const *grad_inputs);
cn_status cn_model_accumulate_gradients(cn_model *model, int accumulate);
cn_status cn_model_clip_gradients_norm(cn_model *model, double max_norm, double *norm);
cn_status cn_model_clip_gradients_value(cn_model *model, double max_value);
int64_t cn_model_training_passes(const cn_model *model);
cn_status cn_model_set_training_passes(cn_model *model, int64_t passes);
enum cn_target_kind { CN_TARGET_CLASS = 0, CN_TARGET_VECTOR = 1, CN_TARGET_MASK = 2, CN_TARGET_IMAGE = 3 };
enum cn_vector_kind { CN_VECTOR_UNKNOWN = 0, CN_VECTOR_INVARIANT = 1, CN_VECTOR_POINTS = 2 };
struct cn_target_options { uint64_t size; cn_target_kind kind; cn_vector_kind vector; int64_t classes; int64_t
 ignore_index; int64_t shape[3]; const int *mirrored; void *reserved_pointer; };
void cn_target_options_init(cn_target_options *options, size_t size);
enum cn_split { CN_SPLIT_TRAIN = 0, CN_SPLIT_TEST = 1, CN_SPLIT_ALL = 2, CN_SPLIT_VALIDATION = 3 };
cn_status cn_dataset_cifar10(cn_context *context, const char *directory, cn_split split, cn_dataset **dataset);
cn_status cn_dataset_cifar100(cn_context *context, const char *directory, cn_split split, int coarse, cn_dataset
 **dataset);
cn_status cn_dataset_idx(cn_context *context, const char *directory, cn_split split, cn_dataset **dataset);
cn_status cn_dataset_idx_files(cn_context *context, const char *images, const char *labels, cn_dataset **dataset);
cn_status cn_dataset_memory(cn_context *context, const cn_tensor *images, const cn_tensor *labels, int64_t classes,
 cn_dataset **dataset);
cn_status cn_dataset_add_target(cn_dataset *dataset, const cn_tensor *targets, const cn_target_options *options);
cn_status cn_dataset_clear_targets(cn_dataset *dataset);
int cn_dataset_target_count(const cn_dataset *dataset);
cn_status cn_dataset_target(const cn_dataset *dataset, int target, cn_target_options *options);
cn_status cn_dataset_npy(cn_context *context, const char *images, const char *targets, const cn_target_options
 *options, cn_dataset **dataset);
cn_status cn_dataset_npz(cn_context *context, const char *path, cn_split split, const cn_target_options *options,
 cn_dataset **dataset);
struct cn_folder_options { uint64_t size; int channels; int height, width; cn_split split; uint64_t memory; };
void cn_folder_options_init(cn_folder_options *options, size_t size);
cn_status cn_dataset_folder(cn_context *context, const char *directory, const cn_folder_options *options, cn_dataset
 **dataset);
cn_status cn_dataset_folder_masks(cn_context *context, const char *directory, const cn_folder_options *options, const
 cn_target_options *mask, cn_dataset **dataset);
cn_status cn_dataset_folder_has_parts(cn_context *context, const char *directory, int *parts);
int64_t cn_dataset_skipped_count(const cn_dataset *dataset);
struct cn_dataset_source { uint64_t size; int64_t count; int64_t classes; int channels, height, width; cn_dtype dtype;
 const cn_target_options *targets; int target_count; int reserved; int (*fetch)(void *user, int64_t index, uint8_t
 *pixels, int64_t *label); int (*fetch_sample)(void *user, int64_t index, void *image, void *const *targets); void
 (*release)(void *user); void *user; void *reserved_pointer; };
void cn_dataset_source_init(cn_dataset_source *source, size_t size);
cn_status cn_dataset_callback(cn_context *context, const cn_dataset_source *source, cn_dataset **dataset);
cn_status cn_dataset_synthetic(cn_context *context, cn_split split, int64_t count, uint64_t seed, cn_dataset
 **dataset);
cn_status cn_dataset_subset(const cn_dataset *dataset, int64_t count, const int64_t *indices, cn_dataset **subset);
cn_status cn_dataset_split(const cn_dataset *dataset, double fraction, uint64_t seed, cn_dataset **part, cn_dataset
 **rest);
cn_status cn_dataset_shuffled(const cn_dataset *dataset, uint64_t seed, cn_dataset **shuffled);
cn_status cn_dataset_split_stratified(const cn_dataset *dataset, double fraction, uint64_t seed, cn_dataset **part,
 cn_dataset **rest);
cn_status cn_dataset_balanced_weights(const cn_dataset *dataset, int64_t count, double *weights);
cn_status cn_dataset_match_classes(const cn_dataset *dataset, const cn_model *model, cn_dataset **matched);
void cn_dataset_free(cn_dataset *dataset);
int64_t cn_dataset_count(const cn_dataset *dataset);
int64_t cn_dataset_classes(const cn_dataset *dataset);
void cn_dataset_shape(const cn_dataset *dataset, int64_t shape[3]);
const char *cn_dataset_class_name(const cn_dataset *dataset, int64_t label);
cn_status cn_dataset_set_class_names(cn_dataset *dataset, int64_t classes, const char *const *names);
cn_status cn_dataset_set_normalization(cn_dataset *dataset, int channels, const float *mean, const float *std);
int cn_dataset_normalization(const cn_dataset *dataset, const float **mean, const float **std);
struct cn_augmentation { uint64_t size; int crop_padding; cn_padding_mode crop_mode; float horizontal_flip; float
 grayscale; float rotation; float perspective_distortion; float perspective; int alternating_flip; int cutout; int
 reserved; };
void cn_augmentation_init(cn_augmentation *augmentation, size_t size);
cn_status cn_dataset_set_augmentation(cn_dataset *dataset, const cn_augmentation *augmentation);
cn_status cn_dataset_augmentation(const cn_dataset *dataset, cn_augmentation *augmentation);
cn_status cn_dataset_image(const cn_dataset *dataset, int64_t index, cn_tensor *image, int64_t *label);
cn_status cn_dataset_label(const cn_dataset *dataset, int64_t index, int64_t *label);
const char *cn_dataset_file_name(const cn_dataset *dataset, int64_t index);
cn_status cn_dataset_batch(const cn_dataset *dataset, int64_t count, const int64_t *indices, int augment, uint64_t
 seed, int64_t epoch, cn_tensor *images, cn_tensor *targets);
cn_status cn_dataset_batch_targets(const cn_dataset *dataset, int64_t count, const int64_t *indices, int augment,
 uint64_t seed, int64_t epoch, cn_tensor *images, int target_count, cn_tensor *const *targets);
enum cn_loss_kind { CN_LOSS_NLL = 0, CN_LOSS_CROSS_ENTROPY = 1, CN_LOSS_BCE_WITH_LOGITS = 2, CN_LOSS_MSE = 3,
 CN_LOSS_L1 = 4, CN_LOSS_SMOOTH_L1 = 5, CN_LOSS_HUBER = 6, CN_LOSS_CUSTOM = 7 };
const char *cn_loss_name(cn_loss_kind loss);
int (*cn_loss_function)(void *user, const cn_tensor *output, const cn_tensor *target, double *loss, cn_tensor
 *gradient);
enum cn_reduction { CN_REDUCTION_MEAN = 0, CN_REDUCTION_SUM = 1 };
struct cn_loss_options { uint64_t size; cn_loss_kind kind; cn_reduction reduction; float weight; float
 label_smoothing; float beta; float delta; int64_t ignore_index; int64_t outputs; const float *class_weights; const
 float *pos_weight; cn_loss_function function; void *user; };
void cn_loss_options_init(cn_loss_options *options, size_t size);
cn_loss_kind cn_model_loss(const cn_model *model);
cn_status cn_loss_compute(const cn_loss_options *options, const cn_tensor *output, const cn_tensor *target, double
 *loss, cn_tensor *gradient);
enum cn_metric { CN_METRIC_LOSS = 0, CN_METRIC_ACCURACY = 1, CN_METRIC_LEARNING_RATE = 2, CN_METRIC_TOP5_ACCURACY = 3,
 CN_METRIC_PRECISION = 4, CN_METRIC_RECALL = 5, CN_METRIC_F1 = 6, CN_METRIC_MEAN_IOU = 7, CN_METRIC_MAE = 8,
 CN_METRIC_RMSE = 9, CN_METRIC_R2 = 10 };
const char *cn_metric_name(cn_metric metric);
int cn_metric_increases(cn_metric metric);
enum cn_optimizer_kind { CN_OPTIMIZER_SGD = 0, CN_OPTIMIZER_ADAM = 1, CN_OPTIMIZER_ADAMW = 2, CN_OPTIMIZER_MUON = 3 };
const char *cn_optimizer_name(cn_optimizer_kind kind);
struct cn_parameter_group { uint64_t size; const char *pattern; void *reserved_pointer; float learning_rate_scale;
 float weight_decay; };
void cn_parameter_group_init(cn_parameter_group *group, size_t size);
struct cn_optimizer_options { uint64_t size; cn_optimizer_kind kind; float learning_rate; float momentum; float
 dampening; int nesterov; float weight_decay; float beta1, beta2; float eps; int decay_weights_only; int64_t
 group_count; const cn_parameter_group *const *groups; void *reserved_pointer; };
void cn_optimizer_options_init(cn_optimizer_options *options, size_t size);
cn_status cn_optimizer_new(cn_model *model, const cn_optimizer_options *options, cn_optimizer **optimizer);
void cn_optimizer_free(cn_optimizer *optimizer);
cn_status cn_optimizer_step(cn_optimizer *optimizer);
cn_status cn_optimizer_set_learning_rate(cn_optimizer *optimizer, double learning_rate);
double cn_optimizer_learning_rate(const cn_optimizer *optimizer);
enum cn_schedule_kind { CN_SCHEDULE_CONSTANT = 0, CN_SCHEDULE_PLATEAU = 1, CN_SCHEDULE_STEP = 2, CN_SCHEDULE_COSINE =
 3, CN_SCHEDULE_ONE_CYCLE = 4, CN_SCHEDULE_POLYNOMIAL = 5, CN_SCHEDULE_EXPONENTIAL = 6, CN_SCHEDULE_CUSTOM = 7 };
const char *cn_schedule_name(cn_schedule_kind kind);
struct cn_rate_info { uint64_t size; int64_t step, steps; int64_t epoch; double learning_rate; double loss; };
double (*cn_rate_function)(void *user, const cn_rate_info *at);
struct cn_schedule_options { uint64_t size; cn_schedule_kind kind; float factor; int patience; float threshold; int
 step_size; float min_learning_rate; int epochs; float max_learning_rate; float pct_start; float div_factor; float
 final_div_factor; int linear; float power; float warmup_start; int warmup_epochs; int warmup_steps; cn_rate_function
 rate; void *user; };
void cn_schedule_options_init(cn_schedule_options *options, size_t size);
struct cn_communicator { uint64_t size; int rank, ranks; double timeout; void *user; cn_status (*all_gather)(void
 *user, const void *send, void *receive, size_t bytes, void **request); cn_status (*all_to_all)(void *user, const void
 *send, void *receive, size_t bytes, void **request); cn_status (*broadcast)(void *user, void *data, size_t bytes,
 void **request); cn_status (*wait)(void *user, void *request, double seconds, int *done); void (*abort)(void *user,
 cn_status status, const char *message); };
void cn_communicator_init(cn_communicator *communicator, size_t size);
struct cn_epoch_info { uint64_t size; int64_t epoch; double train_loss, train_accuracy; double test_loss,
 test_accuracy; double learning_rate; double seconds; double images_per_second; double train_metric, test_metric;
 cn_metric metric; int reserved; };
void cn_epoch_info_init(cn_epoch_info *info, size_t size);
struct cn_batch_info { uint64_t size; int64_t epoch, batch, batches; int64_t images; double loss; double average_loss,
 average_accuracy; double learning_rate; double seconds; double average_metric; cn_metric metric; int reserved; double
 average_learning_rate; };
int (*cn_epoch_function)(void *user, const cn_epoch_info *epoch);
int (*cn_batch_function)(void *user, const cn_batch_info *batch);
int (*cn_gradient_function)(void *user, cn_model *model, const cn_batch_info *batch);
struct cn_trainer_options { uint64_t size; int batch_size; int test_batch_size; cn_loss_kind loss; float
 label_smoothing; float l1; float ema_decay; int ema_warmup; int accumulate; uint64_t seed; const cn_optimizer_options
 *optimizer; const cn_schedule_options *schedule; cn_batch_function on_batch; void *user; cn_gradient_function
 on_gradient; const double *sample_weights; int64_t loss_count; const cn_loss_options *const *losses; const
 cn_communicator *communicator; float mixup_alpha, cutmix_alpha; float clip_value, clip_norm; int local_batch_norm;
 int reserved; };
void cn_trainer_options_init(cn_trainer_options *options, size_t size);
cn_status cn_trainer_new(cn_model *model, const cn_dataset *train, const cn_dataset *test, const cn_trainer_options
 *options, cn_trainer **trainer);
cn_status cn_trainer_memory(const cn_model *model, const cn_dataset *train, const cn_dataset *test, const
 cn_trainer_options *options, size_t *bytes);
void cn_trainer_free(cn_trainer *trainer);
cn_status cn_trainer_fit(cn_trainer *trainer, int64_t epochs, cn_epoch_function on_epoch, void *user);
cn_status cn_trainer_set_learning_rate(cn_trainer *trainer, double learning_rate);
struct cn_rate_search { uint64_t size; double first, last; int64_t steps; };
void cn_rate_search_init(cn_rate_search *search, size_t size);
struct cn_rate_point { uint64_t size; double rate; double loss; double smoothed; };
void cn_rate_point_init(cn_rate_point *point, size_t size);
cn_status cn_trainer_find_rate(cn_trainer *trainer, const cn_rate_search *search, double *rate, cn_rate_curve
 **curve);
void cn_rate_curve_free(cn_rate_curve *curve);
int64_t cn_rate_curve_count(const cn_rate_curve *curve);
cn_status cn_rate_curve_point(const cn_rate_curve *curve, int64_t index, cn_rate_point *point);
int64_t cn_trainer_epoch_count(const cn_trainer *trainer);
cn_status cn_trainer_epoch_info(const cn_trainer *trainer, int64_t index, cn_epoch_info *epoch);
struct cn_output_info { uint64_t size; double train_loss, train_metric; double test_loss, test_metric; cn_metric
 metric; int reserved; };
void cn_output_info_init(cn_output_info *info, size_t size);
cn_status cn_trainer_output_info(const cn_trainer *trainer, int64_t index, int64_t output, cn_output_info *info);
cn_status cn_history_new(cn_context *context, const char *name, cn_history **history);
cn_status cn_history_add(cn_history *history, const cn_epoch_info *epoch);
cn_status cn_history_add_rate(cn_history *history, double place, double rate);
int64_t cn_history_rate_count(const cn_history *history);
cn_status cn_history_rate(const cn_history *history, int64_t index, double *place, double *rate);
void cn_history_free(cn_history *history);
cn_status cn_history_set_test_name(cn_history *history, const char *name);
cn_status cn_trainer_history(const cn_trainer *trainer, const char *name, cn_history **history);
cn_status cn_trainer_save(const cn_trainer *trainer, const char *path);
cn_status cn_trainer_resume(cn_trainer *trainer, const char *path);
struct cn_checkpoint { uint64_t size; int64_t tensor_count; cn_trainer *trainer; cn_model *model; cn_optimizer
 *optimizer; const char *const *names; cn_tensor *const *tensors; void *reserved_pointer; };
void cn_checkpoint_init(cn_checkpoint *checkpoint, size_t size);
cn_status cn_checkpoint_save(const cn_checkpoint *checkpoint, const char *path);
cn_status cn_checkpoint_load(const cn_checkpoint *checkpoint, const char *path);
cn_status cn_checkpoint_save_memory(const cn_checkpoint *checkpoint, cn_tensor **file);
cn_status cn_checkpoint_load_memory(const cn_checkpoint *checkpoint, const void *data, size_t bytes);
struct cn_misclassified { uint64_t size; int64_t index; int64_t predicted, truth; double probability; double
 truth_probability; };
void cn_misclassified_init(cn_misclassified *entry, size_t size);
struct cn_evaluation_options { uint64_t size; cn_loss_kind loss; int flip; int shift; int reserved; int64_t
 loss_count; const cn_loss_options *const *losses; const cn_communicator *communicator; };
void cn_evaluation_options_init(cn_evaluation_options *options, size_t size);
cn_status cn_evaluation_new(const cn_model *model, const cn_dataset *dataset, const cn_evaluation_options *options,
 cn_evaluation **evaluation);
void cn_evaluation_free(cn_evaluation *evaluation);
int64_t cn_evaluation_count(const cn_evaluation *evaluation);
double cn_evaluation_loss(const cn_evaluation *evaluation);
int64_t cn_evaluation_outputs(const cn_evaluation *evaluation);
double cn_evaluation_metric(const cn_evaluation *evaluation, int64_t output, cn_metric metric);
double cn_evaluation_class_metric(const cn_evaluation *evaluation, int64_t output, cn_metric metric, int64_t index);
cn_metric cn_evaluation_main_metric(const cn_evaluation *evaluation, int64_t output);
double cn_evaluation_accuracy(const cn_evaluation *evaluation);
int64_t cn_evaluation_classes(const cn_evaluation *evaluation);
double cn_evaluation_class_accuracy(const cn_evaluation *evaluation, int64_t truth);
int64_t cn_evaluation_confusion(const cn_evaluation *evaluation, int64_t truth, int64_t predicted);
int64_t cn_evaluation_misclassified_count(const cn_evaluation *evaluation);
cn_status cn_evaluation_misclassified(const cn_evaluation *evaluation, int64_t index, cn_misclassified *entry);
struct cn_predictor_options { uint64_t size; int max_batch_size; int flip; int shift; int reserved; };
void cn_predictor_options_init(cn_predictor_options *options, size_t size);
cn_status cn_predictor_new(const cn_model *model, const cn_predictor_options *options, cn_predictor **predictor);
cn_status cn_predictor_clone(const cn_predictor *predictor, cn_predictor **clone);
void cn_predictor_free(cn_predictor *predictor);
cn_status cn_predictor_run(cn_predictor *predictor, const cn_tensor *input, cn_tensor *output);
cn_status cn_predictor_run_all(cn_predictor *predictor, int64_t input_count, const cn_tensor *const *inputs, int64_t
 output_count, cn_tensor *const *outputs);
cn_status cn_model_class_activation_map(const cn_model *model, const cn_tensor *image, int64_t label, cn_tensor
 **map);
cn_status cn_text_save(cn_context *context, const char *text, const char *path);
cn_status cn_chart_metric(int count, const cn_history *const *histories, cn_metric metric, char **svg);
cn_status cn_chart_curves(int count, const cn_history *const *histories, char **svg);
cn_status cn_chart_rates(const cn_rate_curve *curve, char **svg);
cn_status cn_chart_confusion(const cn_evaluation *evaluation, const cn_dataset *dataset, char **svg);
cn_status cn_chart_class_accuracy(const cn_evaluation *evaluation, const cn_dataset *dataset, char **svg);
cn_status cn_sheet_pictures(const cn_tensor *pictures, const char *const *titles, int columns, const char *heading,
 char **svg);
cn_status cn_sheet_examples(const cn_dataset *dataset, int64_t count, const int64_t *indices, const char *heading,
 char **svg);
cn_status cn_sheet_augmented(const cn_dataset *dataset, int64_t index, int64_t count, uint64_t seed, const char
 *heading, char **svg);
cn_status cn_sheet_misclassified(const cn_evaluation *evaluation, const cn_dataset *dataset, int64_t count, int
 surest, const char *heading, char **svg);
cn_status cn_sheet_filters(const cn_tensor *weight, const char *heading, char **svg);
cn_status cn_sheet_activations(const cn_tensor *activations, const char *heading, char **svg);
cn_status cn_page_new(cn_context *context, const char *title, cn_page **page);
void cn_page_free(cn_page *page);
cn_status cn_page_heading(cn_page *page, const char *text);
cn_status cn_page_paragraph(cn_page *page, const char *text);
cn_status cn_page_notice(cn_page *page, const char *text);
cn_status cn_page_facts(cn_page *page, int count, const char *const *names, const char *const *values);
cn_status cn_page_table(cn_page *page, const char *caption, int rows, int columns, const char *const *headings, const
 char *const *cells);
cn_status cn_page_figure(cn_page *page, const char *svg, const char *caption);
cn_status cn_page_pictures(cn_page *page, const cn_tensor *pictures, const char *const *titles);
cn_status cn_page_html(const cn_page *page, char **html);
struct cn_report { uint64_t size; const char *title; const char *subtitle; const char *notice; const cn_model *model;
 const cn_history *history; const cn_evaluation *evaluation; const cn_dataset *dataset; const cn_dataset *train; const
 char *const *setting_names; const char *const *setting_values; int64_t setting_count; int64_t planned_epochs; };
void cn_report_init(cn_report *report, size_t size);
cn_status cn_report_page(cn_context *context, const cn_report *report, char **html);
"""  # of convnet.h


def _load_library():
    """The shared library: where CONVNET_LIBRARY says, beside this file, or where the loader looks."""
    named = os.environ.get("CONVNET_LIBRARY")
    if named:
        return ctypes.CDLL(named)
    names = ["libconvnet.so.1", "libconvnet.so", "libconvnet.1.dylib", "libconvnet.dylib"]
    here = os.path.dirname(os.path.abspath(__file__))
    beside = [os.path.join(here, name) for name in names if os.path.exists(os.path.join(here, name))]
    found = ctypes.util.find_library("convnet")
    for name in beside or names[:1] + names[2:3] + [found] * bool(found):
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            if beside:
                raise ImportError(f"convnet: {error}") from error
    raise ImportError("convnet: no libconvnet.so.1 found; set CONVNET_LIBRARY to its path")


class _Declarations:
    """_DECLARATIONS, read: enums by name as {member: value}; structs and callbacks by name as text; functions by name as
    (result, parameters)."""

    def __init__(self, text):
        self.constants, self.enums, self.structs, self.callbacks, self.functions = {}, {}, {}, {}, {}
        for line in text.replace("\n ", " ").splitlines():
            if line.startswith("#define"):
                _, name, value = line.split(" ", 2)
                self.constants[name] = value.strip("()f") if value[0] != "{" else value
            elif line.startswith(("enum", "struct")):
                kind, name, body = re.match(r"(\w+) (\w+) \{(.*)\};", line).groups()
                getattr(self, kind + "s")[name] = body
            elif match := re.match(r"(.*?)\(\*(\w+)\)\((.*)\);", line):
                self.callbacks[match[2]] = (match[1].strip(), self.parameters(match[3]))
            else:
                result, name, parameters = re.match(r"(.*?)(\w+)\((.*)\);", line).groups()
                self.functions[name] = (result.strip(), self.parameters(parameters))
        for name, body in self.enums.items():
            members = (member.split("=") for member in body.split(","))
            self.enums[name] = {member.strip(): int(value) for member, value in members}

    @staticmethod
    def parameters(text):
        """The types between the parentheses of a function, without its parameters' names."""
        if text == "void":
            return ()
        return tuple(re.sub(r"\w*(\[\w*\])?$", r"\1", re.sub(r"\(\*\w+\)\[3\]", "*", part.strip())).strip()
                     for part in text.split(","))

    def members(self, name):
        """A struct's members: (name, type), where the type of a function is itself (result, parameters)."""
        for statement in re.split(r"; ?", self.structs[name]):
            statement = statement.strip()
            if match := re.match(r"(.*?)\(\*(\w+)\)\((.*)\)$", statement):
                yield match[2], (match[1].strip(), self.parameters(match[3]))
            elif statement.startswith("const int64_t (*"):
                yield re.search(r"\(\*(\w+)\)", statement)[1], "const int64_t *"
            elif statement:
                first, *others = statement.split(", ")
                kind, member, extent = re.match(r"(.*?)(\w+)(\[\d+\])?$", first).groups()
                yield member, kind.strip() + (extent or "")
                for other in others:
                    member, extent = re.match(r"(\w+)(\[\d+\])?$", other).groups()
                    yield member, kind.strip() + (extent or "")


_declared = _Declarations(_DECLARATIONS)

_NUMBERS = {"int": ctypes.c_int, "float": ctypes.c_float, "double": ctypes.c_double, "size_t": ctypes.c_size_t,
            "int64_t": ctypes.c_int64, "uint64_t": ctypes.c_uint64, "uint8_t": ctypes.c_uint8, "void": None,
            "const char *": ctypes.c_char_p}


def _ctype(kind):
    """ctypes' type for one of C's: of a pointer to anything but a text, c_void_p."""
    if isinstance(kind, tuple):
        return ctypes.CFUNCTYPE(_ctype(kind[0]), *map(_ctype, kind[1]))
    if kind in _declared.callbacks:
        return _ctype(_declared.callbacks[kind])
    if kind in _NUMBERS:
        return _NUMBERS[kind]
    if kind in _declared.enums:
        return ctypes.c_int
    if match := re.match(r"(\w+)\[(\d+)\]$", kind):
        return _ctype(match[1]) * int(match[2])
    return ctypes.c_void_p


class _Functions:
    """The library's functions, each looked up when it is first used."""

    def __init__(self):
        self._library = _load_library()

    def __getattr__(self, name):
        result, parameters = _declared.functions[name]
        try:
            function = getattr(self._library, name)
        except AttributeError:
            raise NotImplementedError(f"this libconvnet has no {name}") from None
        function.restype = _ctype(result)
        function.argtypes = [_ctype(kind) for kind in parameters]
        setattr(self, name, function)
        return function


_functions = _Functions()


def _camel(name):
    return "".join(part.capitalize() for part in name[3:].split("_"))


# ---- enums ------------------------------------------------------------------------------------


class _Enum(enum.IntEnum):
    @classmethod
    def of(cls, value):
        """The member of that name, in any writing, or of that value."""
        if not isinstance(value, str):
            return int(value)
        name = re.sub(r"[-\s]", "_", value).upper()
        if name not in cls.__members__:
            raise ValueError(f"{cls.__name__} is one of {', '.join(cls.__members__).lower()}, not '{value}'")
        return int(cls[name])


def _make_enum(name, members):
    prefix = os.path.commonprefix(list(members))
    prefix = prefix[:prefix.rindex("_") + 1]
    kind = _Enum(_camel(name), {member[len(prefix):].removeprefix("ERR_"): value for member, value in members.items()})
    kind.__doc__ = f"{name}: {', '.join(kind.__members__)}"
    return kind


_enums = {name: _make_enum(name, members) for name, members in _declared.enums.items()}
globals().update((kind.__name__, kind) for kind in _enums.values())  # Status, LossKind, Metric, …


def _value(kind, value):
    """A value of an enum, or the number, where a later library has more of them than this file."""
    return kind(value) if value in kind.__members__.values() else value


class Error(Exception):
    """What a call of the library found wrong: its message, and `status`, one of convnet.Status."""

    def __init__(self, status, message):
        super().__init__(message or _text(_functions.cn_status_string(status)))
        self.status = _value(Status, status)

    def __reduce__(self):
        return Error, (self.status, self.args[0])


# ---- structs ----------------------------------------------------------------------------------

# Which member counts the elements of an array.
_COUNTS = {"groups": "group_count", "losses": "loss_count", "targets": "target_count", "options": "option_count",
           "class_weights": "outputs", "pos_weight": "outputs", "setting_names": "setting_count", "names": "tensor_count"}
_ARRAYS = {"const float *": np.float32, "const double *": np.float64, "const int *": np.intc}


class _Struct(ctypes.Structure):
    """A struct of the library, made of its defaults and keyword arguments."""

    def __init__(self, **values):
        super().__init__()
        object.__setattr__(self, "_keep", {})  # what members point to
        object.__setattr__(self, "_raised", [])  # by callbacks
        self._defaults()
        for name, value in values.items():
            setattr(self, name, value)

    def _defaults(self):
        if self._name + "_init" in _declared.functions:
            getattr(_functions, self._name + "_init")(ctypes.byref(self), ctypes.sizeof(self))
        elif "size" in self._kinds:
            self.size = ctypes.sizeof(self)

    def __setattr__(self, name, value):
        if name not in self._kinds:
            raise TypeError(f"{type(self).__name__} has no '{name}', but {', '.join(self._public)}")
        if name in _COUNTS and _COUNTS[name] in self._kinds and value is not None and not callable(value):
            super().__setattr__(_COUNTS[name], len(value))
        super().__setattr__(name, self._in(name, self._kinds[name], value))

    def _in(self, name, kind, value):
        """`value` as what the member holds, which then lives as long as the struct."""
        if kind in _enums:
            return _enums[kind].of(value)
        if value is None:
            return type(getattr(self, name))() if callable(getattr(self, name)) else None
        if callable(value) and issubclass(dict(self._fields_)[name], ctypes._CFuncPtr):
            self._keep[name] = self._callback(name, value)
            return self._keep[name]
        if isinstance(kind, str) and kind.endswith("]"):
            length = len(getattr(self, name))
            return type(getattr(self, name))(*(value if np.iterable(value) else [value] * length))
        if kind == "const char *":
            return _encoded(value)
        if kind in _ARRAYS:
            self._keep[name] = np.ascontiguousarray(value, _ARRAYS[kind])
            return self._keep[name].ctypes.data
        if not isinstance(kind, str) or not kind.endswith("*") or isinstance(value, int):
            return value
        if kind == "const char *const *":
            self._keep[name] = texts = _texts(value)
            return ctypes.addressof(texts)
        element = re.sub(r"^const | \*.*$", "", kind)
        if kind.endswith("*const *"):  # pointers to structs or to tensors
            items = [_borrowed(item) if element == "cn_tensor" else _struct(element, item) for item in value]
            pointers = (ctypes.c_void_p * len(items))(*[_address(item, element + " *", name) for item in items])
            self._keep[name] = [pointers, *items]
            return ctypes.addressof(pointers)
        if element in _structs and name in _COUNTS:  # an array of structs
            items = [_struct(element, item) for item in value]
            array = (_structs[element] * len(items))(*items)
            self._keep[name] = [array, *items]
            return ctypes.addressof(array)
        self._keep[name] = value = _struct(element, value) if element in _structs else value
        return _address(value, kind, name)

    def _callback(self, name, function):
        """`function` as the library calls it: what it raises is kept for the call that led to it."""
        adapted = _ADAPTERS[name](self, function)
        kind = dict(self._fields_)[name]
        failure = {None: None, ctypes.c_double: float("nan"), ctypes.c_void_p: None}.get(kind._restype_, _STOP)

        def call(*arguments):
            try:
                return adapted(*arguments)
            except BaseException as error:  # pylint: disable=broad-except
                self._raised.append(error)
                return failure

        return kind(adapted if name in _UNHEARD else call)


_STOP = int(Status.STATE)  # what a callback returns that has raised
_UNHEARD = ("log", "trace", "release", "abort")  # no call fails for these: Python says what they raise


def _make_struct(name):
    kinds = dict(_declared.members(name))
    public = [member for member in kinds if member not in ("size", "user") and not member.startswith("reserved")]
    fields = [(member, _ctype(kind)) for member, kind in kinds.items()]
    return type(_camel(name), (_Struct,), {"_fields_": fields, "_kinds": kinds, "_name": name, "_public": public,
                                           "__doc__": f"{name}: {', '.join(public)}"})


_structs = {name: _make_struct(name) for name in _declared.structs}
globals().update((kind.__name__, kind) for kind in _structs.values())  # TrainerOptions, Augmentation, …


def _struct(name, value, **named):
    """A struct of that kind: one that there is, or of what a dictionary, a record or the name of its kind says."""
    if isinstance(value, _structs[name]):
        for member, of_it in named.items():
            setattr(value, member, of_it)
        return value
    if isinstance(value, types.SimpleNamespace):
        value = vars(value)
    return _structs[name](**{**({"kind": value} if isinstance(value, str) else value or {}), **named})


def _record(struct):
    """What a struct holds, as Python has it, to be read when the struct is gone."""
    record = types.SimpleNamespace()
    for member in struct._public:
        value, kind = getattr(struct, member), struct._kinds[member]
        if kind in _enums:
            value = _value(_enums[kind], value)
        elif isinstance(value, bytes):
            value = _text(value)
        elif isinstance(value, ctypes.Array):
            value = tuple(value)
        setattr(record, member, value)
    return record


def _record_at(name, address):
    """The same of one that the library hands to a callback: members beyond its own size do not exist."""
    struct = _structs[name]()
    size = min(ctypes.c_uint64.from_address(address).value, ctypes.sizeof(struct))
    ctypes.memmove(ctypes.byref(struct), address, size)
    return _record(struct)


def _preset(name):
    """Augmentation that a macro of the header gives."""
    names = {member: value for members in _declared.enums.values() for member, value in members.items()}
    words = _declared.constants[name].strip("{} ").split(", ")[1:]
    members = [member for member in _structs["cn_augmentation"]._kinds if member != "size"]
    values = [names.get(word.strip(), word.strip().rstrip("f")) for word in words]
    return {member: float(value) if "." in str(value) else int(value) for member, value in zip(members, values)
            if member != "reserved"}


MAX_DIMS = int(_declared.constants["CN_MAX_DIMS"])
ZOO_DEFAULT = int(_declared.constants["CN_ZOO_DEFAULT"])
LEARNING_RATE_DEFAULT = float(_declared.constants["CN_LEARNING_RATE_DEFAULT"])
WEIGHT_DECAY_DEFAULT = float(_declared.constants["CN_WEIGHT_DECAY_DEFAULT"])
AUGMENTATION_CIFAR10 = _preset("CN_AUGMENTATION_CIFAR10")
AUGMENTATION_MNIST = _preset("CN_AUGMENTATION_MNIST")


# ---- what the library calls -------------------------------------------------------------------


def _at(address, shape, dtype):
    """The array at an address: no copy."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(address), dtype).reshape(shape)


def _shapes_at(address, count):
    return [tuple(shape) for shape in _at(address, (count, 3), np.int64).tolist()]


def _fetch(source, function):
    def fetch(_, index, pixels, label):
        image, of_it = function(index)
        shape = (source.channels, source.height, source.width)
        _at(pixels, shape, np.uint8)[:] = np.asarray(image).reshape(shape)
        ctypes.c_int64.from_address(label).value = int(of_it)
        return 0
    return fetch


def _fetch_sample(source, function):
    def write(address, options, value):
        if options.kind == TargetKind.CLASS:
            ctypes.c_int64.from_address(address).value = int(value)
        else:
            shape = tuple(options.shape)
            _at(address, shape, np.int64 if options.kind == TargetKind.MASK else np.float32)[:] = np.reshape(value, shape)

    def fetch(_, index, image, targets):
        picture, *values = function(index)
        shape = (source.channels, source.height, source.width)
        _at(image, shape, _DTYPES[source.dtype])[:] = np.asarray(picture).reshape(shape)
        described = source._keep.get("targets", [None])[1:]
        if len(values) != len(described):
            raise ValueError(f"fetch_sample gave {len(values)} targets, and {len(described)} were described")
        for address, options, value in zip(_at(targets, (source.target_count,), np.uintp).tolist(), described, values):
            write(address, options, value)
        return 0
    return fetch


def _loss(_, function):
    def loss(_, output, target, result, gradient):
        arrays = [np.asarray(Tensor._lent(address, None, write=False)) for address in (output, target)]
        arrays.append(None if gradient is None else np.asarray(Tensor._lent(gradient, None)))
        ctypes.c_double.from_address(result).value = function(*arrays)
        return 0
    return loss


def _layer_options(definition, address):
    kind = definition._keep["struct"]
    return types.SimpleNamespace(**{name: getattr(kind.from_address(address), name) for name, _ in kind._fields_}
                                 if address else {})


def _layer_parameters(definition, function):
    def parameters(_, options, address):
        described = function(_layer_options(definition, options))
        array = (_structs["cn_layer_parameter"] * len(described)).from_address(address)
        names = definition._keep.setdefault("names", {})  # live as long as the context
        for item, (name, shape, *rest) in zip(array, described):
            names[name] = names.get(name) or ctypes.create_string_buffer(name.encode())
            ctypes.c_void_p.from_buffer(item).value = ctypes.addressof(names[name])
            item_shape = tuple(shape) if np.iterable(shape) else (shape,)
            ctypes.Structure.__setattr__(item, "dims", len(item_shape))
            ctypes.Structure.__setattr__(item, "shape", (ctypes.c_int64 * 4)(*item_shape))
            for member, value in zip(("value", "bound"), rest):
                ctypes.Structure.__setattr__(item, member, value)
        return len(described)
    return parameters


def _layer_shape(definition, function):
    def shape(_, options, count, inputs, output):
        _at(output, (3,), np.int64)[:] = function(_layer_options(definition, options), _shapes_at(inputs, count))
        return 0
    return shape


def _layer_multiply_adds(definition, function):
    def multiply_adds(_, options, given, made):
        return int(function(_layer_options(definition, options), _shapes_at(given, 1)[0], _shapes_at(made, 1)[0]))
    return multiply_adds


def _layer_pass(definition, function):
    def run(address):
        at = _record_at("cn_layer_pass", address)
        at.options = _layer_options(definition, at.options)
        shapes = [(at.images, *shape) for shape in _shapes_at(at.input_shapes, at.input_count)]
        made = (at.images, *_shapes_at(at.output_shape, 1)[0])
        of_parameters = definition._keep.get("described")
        parameters = [np.atleast_1d(shape) for _, shape, *_ in of_parameters(at.options)] if of_parameters else []

        def arrays(pointers, their_shapes):
            addresses = _at(pointers, (len(their_shapes),), np.uintp).tolist() if pointers else []
            return [_at(array, shape, np.float32) for array, shape in zip(addresses, their_shapes)]

        at.inputs, at.grad_inputs = arrays(at.inputs, shapes), arrays(at.grad_inputs, shapes)
        at.parameters = arrays(at.parameters, parameters)
        at.grad_parameters = arrays(at.grad_parameters, parameters)
        at.output = _at(at.output, made, np.float32) if at.output else None
        at.grad_output = _at(at.grad_output, made, np.float32) if at.grad_output else None
        function(at)
        return 0
    return run


def _begun(communicator, request, result):
    """Keeps what an operation gave until it is waited for, under a number that the library holds."""
    requests = communicator._keep.setdefault("requests", {})
    number = next(number for number in range(1, len(requests) + 2) if number not in requests)
    requests[number] = result
    ctypes.c_void_p.from_address(request).value = number
    return 0


def _all(parts_sent):
    def adapt(communicator, function):
        def begin(_, send, receive, size, request):
            ranks = communicator.ranks
            arrays = _at(send, (ranks, size) if parts_sent else (size,), np.uint8), _at(receive, (ranks, size), np.uint8)
            return _begun(communicator, request, function(*arrays))
        return begin
    return adapt


def _broadcast(communicator, function):
    return lambda _, data, size, request: _begun(communicator, request, function(_at(data, (size,), np.uint8)))


def _wait(communicator, function):
    def wait(_, request, seconds, done):
        requests = communicator._keep["requests"]
        ended = bool(function(requests[request], seconds))
        ctypes.c_int.from_address(done).value = ended
        if ended:
            del requests[request]
        return 0
    return wait


# For each callback: from (struct, the program's function) to what takes the library's arguments.
_ADAPTERS = {
    "allocate": lambda _, f: lambda _, size, alignment: f(size, alignment),
    "release": lambda _, f: lambda _, *memory: f(*memory),
    "log": lambda _, f: lambda _, level, message: f(_value(LogLevel, level), _text(message)),
    "trace": lambda _, f: lambda _, event: f(_record_at("cn_trace_event", event)),
    "rate": lambda _, f: lambda _, at: f(_record_at("cn_rate_info", at)),
    "on_batch": lambda _, f: lambda _, batch: bool(f(_record_at("cn_batch_info", batch))),
    "on_gradient": lambda _, f: lambda _, model, batch: bool(f(_record_at("cn_batch_info", batch))),
    "report": lambda _, f: lambda _, result, name, message: f(_value(LoadResult, result), _text(name), _text(message)),
    "all_gather": _all(False), "all_to_all": _all(True), "broadcast": _broadcast, "wait": _wait,
    "abort": lambda _, f: lambda _, status, message: f(_value(Status, status), _text(message)),
    "function": _loss, "fetch": _fetch, "fetch_sample": _fetch_sample, "parameters": _layer_parameters,
    "shape": _layer_shape, "multiply_adds": _layer_multiply_adds, "forward": _layer_pass, "backward": _layer_pass}


def _raised_by(*things):
    """What a callback of these has raised, which it then no longer remembers: of structs, of what they point to, and of what
    objects are made of."""
    for thing in things:
        if isinstance(thing, _Struct):
            if thing._raised:
                return thing._raised.pop(0)
            error = _raised_by(*thing._keep.values())
        elif isinstance(thing, _Object):
            error = _raised_by(thing._handle)
        elif isinstance(thing, _Handle):
            error = _raised_by(*thing.keep, *thing.parents)
        elif isinstance(thing, (list, tuple)):
            error = _raised_by(*thing)
        else:
            continue
        if error:
            return error
    return None


# ---- calling the library ----------------------------------------------------------------------


def _text(text):
    return text if text is None else text.decode("utf-8", "replace")


def _texts(texts):
    """An array of texts, or NULL."""
    return None if texts is None else (ctypes.c_char_p * len(texts))(
        *[text if text is None else _encoded(text) for text in texts])


def _encoded(text):
    """A text or path for the library, for which it would end at a NUL."""
    encoded = os.fsencode(text)
    if b"\0" in encoded:
        raise ValueError(f"{text!r} has a NUL character")
    return encoded


def _object_class(kind):
    """The class of the objects that a parameter or member of that kind points to; None: it points to none."""
    found = globals().get(_camel(kind.removeprefix("const ").removesuffix(" *")))
    return found if isinstance(found, type) and issubclass(found, _Object) else None


def _address(thing, kind, whose):
    """What stands for a thing where a function or struct wants one of that kind: the address of an object or a struct, the
    bytes of a text. The library cannot tell an object's address from another."""
    wanted = _object_class(kind)
    if wanted and not isinstance(thing, (wanted, type(None))):
        raise TypeError(f"{whose} wants a {wanted.__name__}, not {thing!r}")
    if isinstance(thing, _Object):
        return thing._pointer
    if isinstance(thing, ctypes.Structure):
        return ctypes.addressof(thing)
    if isinstance(thing, (str, os.PathLike)):
        return _encoded(thing)
    return thing


def _called(function, name, raw, arguments):
    try:
        return function(*raw)
    except ctypes.ArgumentError as error:
        i = int(re.search(r"argument (\d+)", str(error))[1]) - 1
        raise TypeError(f"{name} wants a {_declared.functions[name][1][i]}, not {arguments[i]!r}") from None


def _call(name, *arguments):
    """Calls a function. Objects live until it ends, whatever callbacks close, and those that it may change are one thread's
    meanwhile."""
    result, parameters = _declared.functions[name]
    function = getattr(_functions, name)
    raw = [_address(argument, kind, name) for argument, kind in zip(arguments, parameters)]
    locks = [argument._handle.lock for argument, kind in zip(arguments, parameters)
             if isinstance(argument, _Object) and not kind.startswith("const") and not isinstance(argument, Context)]
    handles = [argument._handle for argument in arguments if isinstance(argument, _Object)]
    for handle in handles:
        handle.users.append(False)
    for lock in locks:
        lock.acquire()
    try:
        value = _called(function, name, raw, arguments)
        message = _text(_functions.cn_last_error()) if result == "cn_status" and value else None
    finally:
        for lock in locks:
            lock.release()
        for handle in handles:
            handle.drop()
    if result != "cn_status":
        return _text(value) if result == "const char *" else value
    if value:
        raise _raised_by(*arguments) or Error(value, message)
    return None


def _made(name, *arguments):
    """Calls a function that hands something out through its last parameter."""
    out = ctypes.c_void_p()
    _call(name, *arguments, ctypes.byref(out))
    return out.value


def _made_text(name, *arguments):
    address = _made(name, *arguments)
    text = _text(ctypes.string_at(address))
    _functions.cn_text_free(address)
    return text


def _bytes(context, name, *arguments):
    """A file that the library hands out as a tensor of bytes."""
    with Tensor._owned(_made(name, *arguments), context) as tensor:
        return np.asarray(tensor).tobytes()


class _Handle:
    """A pointer of the library's with those that it needs, which are freed after it, in whatever order Python lets go of
    them: the last of its users frees it."""

    def __init__(self, pointer, free, parents, keep):
        self.pointer, self.free, self.parents, self.keep = pointer, free, parents, keep
        self.lock = threading.RLock()
        self.users = [True]  # True comes off last; list's methods are atomic
        for parent in parents:
            parent.users.append(False)

    def drop(self):
        if self.users.pop():
            if self.free:
                self.free(self.pointer)
            for parent in self.parents:
                parent.drop()
            self.keep = ()


class _Object:
    """A handle of the library's. close() gives it back, and so does the end of a `with` statement."""

    _handle = None

    def _own(self, pointer, context, *parents, keep=()):
        name = re.sub(r"(?=[A-Z])", "_", f"cn{type(self).__name__}_free").lower()
        free = getattr(_functions, name) if pointer and name in _declared.functions else None
        self.context = context
        handles = [thing._handle for thing in (context, *parents) if thing is not None]
        self._handle = _Handle(pointer, free, handles, keep)
        return self

    @classmethod
    def _owned(cls, pointer, context, *parents, keep=()):
        return cls.__new__(cls)._own(pointer, context, *parents, keep=keep)

    @property
    def _pointer(self):
        if self._handle is None:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._handle.pointer

    def __reduce_ex__(self, protocol):
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled: what can be saved has a method for it")

    def close(self):
        """Gives it back; what was made of it lives on."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.drop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        self.close()


# ---- context ----------------------------------------------------------------------------------

logging.getLogger(__name__).addHandler(logging.NullHandler())
_current = contextvars.ContextVar("convnet", default=None)
_default = []
_default_lock = threading.Lock()


def _context(context):
    """The context that is meant where none is given."""
    context = context or _current.get()
    if context:
        return context
    with _default_lock:
        if not _default:
            _default.append(Context())
        return _default[0]


def _log(level, message):
    logging.getLogger(__name__).log(logging.WARNING if level == LogLevel.WARNING else logging.INFO, "%s", message)


class Context(_Object):
    """Where work runs: threads, instruction set, allocator, log. In a `with` statement, what is made there belongs to it.
    Options are those of cn_context_options; remarks go to Python's logging as "convnet" unless there is a `log`."""

    def __init__(self, **options):
        options = ContextOptions(**{"log": _log, **options})
        self._own(_made("cn_context_new", options), None, keep=[options])
        self._tokens, self._types = [], {}

    def __enter__(self):
        self._tokens.append(_current.set(self))
        return self

    def __exit__(self, *_):
        _current.reset(self._tokens.pop())
        self.close()

    @property
    def device(self):
        """What the context found and uses: processor, isa, cores, threads, memory."""
        device = Device()
        _call("cn_context_device", self, device)
        return _record(device)

    @property
    def memory(self):
        """Bytes in use."""
        return _call("cn_context_memory", self)

    @property
    def memory_peak(self):
        """The most that ever were."""
        return _call("cn_context_memory_peak", self)

    def register_layer(self, type, forward, backward, *, options=None, parameters=None, **more):
        """Makes a type of layer known that this program computes. `options` has each hyper-parameter's usual value, or
        (usual, least, most), an int or a float; parameters(options) gives a list of (name, shape, value, bound);
        forward(at) and backward(at) read and write the arrays of `at`, as cn_layer_pass names them."""
        described = {name: value if np.iterable(value) else (value, -1e9, 1e9) for name, value in (options or {}).items()}
        fields = [(name, ctypes.c_int if isinstance(value[0], int) else ctypes.c_float)
                  for name, value in described.items()]
        struct = types.new_class("Options", (ctypes.Structure,), {}, lambda body: body.update(_fields_=fields))
        members = [LayerOption(name=name, kind="int" if kind is ctypes.c_int else "float",
                               offset=getattr(struct, name).offset, usual=value[0], least=value[1], most=value[2])
                   for (name, kind), value in zip(fields, described.values())]
        definition = LayerDefinition(type=type, options_size=ctypes.sizeof(struct), forward=forward, backward=backward,
                                     **more)
        definition._keep.update(struct=struct, described=parameters)
        if members:
            definition.options = members
        if parameters:
            definition.parameters = parameters
        _call("cn_context_register_layer", self, definition)
        self._handle.keep = [*self._handle.keep, definition]
        self._types[type] = definition


# ---- tensors, pictures ------------------------------------------------------------------------

_DTYPES = {member: dtype for member, dtype in zip(_enums["cn_dtype"], (np.float32, np.uint8, np.int64))}


class Tensor(_Object):
    """An array of the library's, which np.asarray() shows without a copy; or one of NumPy's, lent to the library."""

    _write = True

    def __init__(self, array, context=None, write=False):
        array = np.asarray(array)
        if array.dtype not in (np.float32, np.uint8, np.int64):
            if write:
                raise TypeError(f"an array to write to is float32, uint8 or int64, not {array.dtype}")
            array = array.astype({"b": np.uint8, "f": np.float32}.get(array.dtype.kind, np.int64))
        if write and not (array.flags.c_contiguous and array.flags.writeable):
            raise ValueError("an array to write to is contiguous, and not read-only")
        array = np.ascontiguousarray(array).reshape(array.shape)
        context = _context(context)
        dtype = next(value for value, kind in _DTYPES.items() if kind == array.dtype)
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        pointer = _made("cn_tensor_borrow" if write else "cn_tensor_borrow_const", context, dtype, array.ndim, shape,
                        array.ctypes.data)
        self._own(pointer, context, keep=[array])

    @classmethod
    def zeros(cls, shape, dtype="float32", context=None):
        """One of the library's own, of zeros."""
        context = _context(context)
        extents = (ctypes.c_int64 * len(shape))(*shape)
        return cls._owned(_made("cn_tensor_new", context, Dtype.of(dtype), len(shape), extents), context)

    @classmethod
    def _lent(cls, pointer, context, *parents, write=True):
        """One that belongs to another object, which lives as long."""
        tensor = cls._owned(pointer, context, *parents)
        tensor._handle.free, tensor._write = None, write
        return tensor

    @classmethod
    def load_npy(cls, path, context=None):
        """A .npy file, as the library reads it."""
        context = _context(context)
        return np.asarray(cls._owned(_made("cn_tensor_load_npy", context, path), context))

    @classmethod
    def load_npz(cls, path, name, context=None):
        """An array of an .npz file, as the library reads it."""
        context = _context(context)
        return np.asarray(cls._owned(_made("cn_tensor_load_npz", context, path, name), context))

    def save_npy(self, path):
        """Writes a .npy file, whole or not at all."""
        _call("cn_tensor_save_npy", self, path)

    dims = property(lambda self: _call("cn_tensor_dims", self), doc="How many dimensions it has.")
    count = property(lambda self: _call("cn_tensor_count", self), doc="How many elements it has.")
    dtype = property(lambda self: np.dtype(_DTYPES[_call("cn_tensor_dtype", self)]), doc="The type of its elements.")
    shape = property(lambda self: tuple(_call("cn_tensor_shape", self, i) for i in range(self.dims)), doc="Its extents.")

    def argmax(self, row):
        """Index of the largest element of a row of a [N, K] float32 tensor."""
        return _call("cn_tensor_argmax", self, row)

    @property
    def __array_interface__(self):
        to_write = _call("cn_tensor_data", self) if self._write else None
        address = to_write or _call("cn_tensor_data_const", self)
        return {"version": 3, "shape": self.shape, "typestr": self.dtype.str, "data": (address or 0, to_write is None)}


def _borrowed(array, context=None, write=False):
    return array if isinstance(array, Tensor) or array is None else Tensor(array, context, write)


def _array(pointer, context):
    """A tensor that was handed out, as an array that owns it."""
    return np.asarray(Tensor._owned(pointer, context))


def _pointers(things, kind="cn_tensor *"):
    return (ctypes.c_void_p * len(things))(*[_address(thing, kind, "this list") for thing in things])


def _pair(value):
    return tuple(value) if np.iterable(value) else (value, value)


def image_load(path, context=None):
    """A PNG, JPEG, PPM or PGM file as uint8 [1, 1 or 3, H, W]."""
    context = _context(context)
    return _array(_made("cn_image_load", context, path), context)


def image_load_memory(data, context=None):
    """The same of a file's bytes."""
    context = _context(context)
    return _array(_made("cn_image_load_memory", context, bytes(data), len(data)), context)


def image_load_mask(path, context=None):
    """A PNG whose pixels are numbers, such as classes, as uint8 [1, 1, H, W]."""
    context = _context(context)
    return _array(_made("cn_image_load_mask", context, path), context)


def image_save(image, path, context=None):
    """Writes a .png, .ppm or .pgm file."""
    _call("cn_image_save", _borrowed(image, context), path)


def image_encode_png(image, context=None):
    """The picture as the bytes of a PNG file."""
    context = _context(context)
    return _bytes(context, "cn_image_encode_png", _borrowed(image, context))


def image_resize(image, height, width, context=None):
    """The picture in another size, as Pillow does it."""
    context = _context(context)
    return _array(_made("cn_image_resize", _borrowed(image, context), height, width), context)


def image_fit(image, channels, height, width, context=None):
    """What a model wants to see of any picture: resized so that it covers the size, and its middle cut out."""
    context = _context(context)
    return _array(_made("cn_image_fit", _borrowed(image, context), channels, height, width), context)


def image_overlay(image, map, opacity=0.5, context=None):
    """A map float32 [1, 1, h, w] as colours over a picture."""
    context = _context(context)
    return _array(_made("cn_image_overlay", _borrowed(image, context), _borrowed(map, context), opacity), context)


# ---- layers -----------------------------------------------------------------------------------


class Layer(_Object):
    """A layer that no model has taken yet."""


def _layer(name, context, *arguments):
    context = _context(context)
    return Layer._owned(_made(name, context, *arguments), context)


def conv2d(in_channels, out_channels, kernel_size, context=None, **options):
    """torch.nn.Conv2d: stride, padding, dilation, groups, bias, padding_mode."""
    return _layer("cn_conv2d_new", context, in_channels, out_channels, *_pair(kernel_size), Conv2dOptions(**options))


def conv_transpose2d(in_channels, out_channels, kernel_size, context=None, **options):
    """torch.nn.ConvTranspose2d: stride, padding, output_padding, dilation, groups, bias."""
    return _layer("cn_conv_transpose2d_new", context, in_channels, out_channels, *_pair(kernel_size),
                  ConvTranspose2dOptions(**options))


def linear(in_features, out_features, bias=True, context=None):
    """torch.nn.Linear."""
    return _layer("cn_linear_new", context, in_features, out_features, bias)


def norm(kind, channels, context=None, **options):
    """A norm of kind "batch", "group", "layer" or "instance": groups, eps, momentum, affine, track_running_stats."""
    return _layer("cn_norm_new", context, NormKind.of(kind), channels, NormOptions(**options))


def layer_norm2d(channels, context=None, **options):
    """Layer norm over the channels of each pixel: eps, affine."""
    return _layer("cn_layer_norm2d_new", context, channels, NormOptions(**options))


def local_response_norm(size, alpha=1e-4, beta=0.75, k=1.0, context=None):
    """torch.nn.LocalResponseNorm."""
    return _layer("cn_local_response_norm_new", context, size, alpha, beta, k)


def relu(context=None):
    """max(x, 0)."""
    return _layer("cn_relu_new", context)


def leaky_relu(negative_slope=0.01, context=None):
    """x, below 0 negative_slope · x."""
    return _layer("cn_leaky_relu_new", context, negative_slope)


def elu(alpha=1.0, context=None):
    """x, below 0 alpha · (e^x - 1)."""
    return _layer("cn_elu_new", context, alpha)


def sigmoid(context=None):
    """1 / (1 + e^-x)."""
    return _layer("cn_sigmoid_new", context)


def tanh(context=None):
    """tanh x."""
    return _layer("cn_tanh_new", context)


def silu(context=None):
    """x / (1 + e^-x)."""
    return _layer("cn_silu_new", context)


def mish(context=None):
    """x · tanh(log(1 + e^x))."""
    return _layer("cn_mish_new", context)


def softplus(beta=1.0, threshold=20.0, context=None):
    """log(1 + e^(beta · x)) / beta, and x where beta · x is above threshold."""
    return _layer("cn_softplus_new", context, beta, threshold)


def hardtanh(min_val=-1.0, max_val=1.0, context=None):
    """x, at least min_val and at most max_val."""
    return _layer("cn_hardtanh_new", context, min_val, max_val)


def relu6(context=None):
    """x, at least 0 and at most 6."""
    return _layer("cn_relu6_new", context)


def hardsigmoid(context=None):
    """min(max(x + 3, 0), 6) / 6."""
    return _layer("cn_hardsigmoid_new", context)


def hardswish(context=None):
    """x · min(max(x + 3, 0), 6) / 6."""
    return _layer("cn_hardswish_new", context)


def softsign(context=None):
    """x / (1 + |x|)."""
    return _layer("cn_softsign_new", context)


def affine(scale, shift, context=None):
    """scale · x + shift, of two numbers that do not train."""
    return _layer("cn_affine_new", context, scale, shift)


def prelu(num_parameters=1, context=None):
    """x, below 0 weight · x."""
    return _layer("cn_prelu_new", context, num_parameters)


def gelu(approximate="exact", context=None):
    """x Φ(x), "exact" or by "tanh"."""
    return _layer("cn_gelu_new", context, GeluKind.of(approximate))


def dropout(p=0.5, context=None):
    """torch.nn.Dropout."""
    return _layer("cn_dropout_new", context, p)


def max_pool2d(kernel_size, context=None, **options):
    """torch.nn.MaxPool2d: stride, padding, dilation, ceil_mode."""
    return _layer("cn_max_pool2d_new", context, *_pair(kernel_size), Pool2dOptions(**options))


def avg_pool2d(kernel_size, context=None, **options):
    """torch.nn.AvgPool2d: stride, padding, ceil_mode, count_include_pad, divisor_override."""
    return _layer("cn_avg_pool2d_new", context, *_pair(kernel_size), Pool2dOptions(**options))


def adaptive_avg_pool2d(output_size, context=None):
    """torch.nn.AdaptiveAvgPool2d; 1 is global pooling."""
    return _layer("cn_adaptive_avg_pool2d_new", context, *_pair(output_size))


def adaptive_max_pool2d(output_size, context=None):
    """torch.nn.AdaptiveMaxPool2d."""
    return _layer("cn_adaptive_max_pool2d_new", context, *_pair(output_size))


def upsample(context=None, **options):
    """torch.nn.Upsample: output_size or scale_factor, mode, align_corners."""
    return _layer("cn_upsample_new", context, UpsampleOptions(**options))


def add(context=None):
    """The sum of its inputs (Model.add)."""
    return _layer("cn_add_new", context)


def mul(context=None):
    """The product of two inputs."""
    return _layer("cn_mul_new", context)


def concat(context=None):
    """The channels of its inputs, one after the other."""
    return _layer("cn_concat_new", context)


def identity(context=None):
    """Its input as it is."""
    return _layer("cn_identity_new", context)


def flatten(context=None):
    """[N, C, H, W] to [N, C·H·W]."""
    return _layer("cn_flatten_new", context)


def reshape(channels, height, width, context=None):
    """The same values in another shape; one of the three may be -1."""
    return _layer("cn_reshape_new", context, channels, height, width)


def pixel_shuffle(upscale_factor, context=None):
    """torch.nn.PixelShuffle."""
    return _layer("cn_pixel_shuffle_new", context, upscale_factor)


def pixel_unshuffle(downscale_factor, context=None):
    """torch.nn.PixelUnshuffle."""
    return _layer("cn_pixel_unshuffle_new", context, downscale_factor)


def channel_shuffle(groups, context=None):
    """torch.nn.ChannelShuffle."""
    return _layer("cn_channel_shuffle_new", context, groups)


def narrow(start, length, context=None):
    """`length` channels from channel `start` on."""
    return _layer("cn_narrow_new", context, start, length)


def pad2d(padding, mode="zeros", value=0.0, context=None):
    """Columns left and right, rows above and below: four numbers, as torch.nn.functional.pad has them."""
    return _layer("cn_pad2d_new", context, (ctypes.c_int * 4)(*padding), PaddingMode.of(mode), value)


def softmax(context=None):
    """Over the channels."""
    return _layer("cn_softmax_new", context)


def log_softmax(context=None):
    """Over the channels."""
    return _layer("cn_log_softmax_new", context)


def custom_layer(type, context=None, **options):
    """A layer of a type that Context.register_layer has made known."""
    context = _context(context)
    definition = context._types.get(type)
    struct = definition._keep["struct"]() if definition and options else None
    for name, value in options.items():
        if definition is None or name not in dict(struct._fields_):
            raise TypeError(f"layers of type '{type}' have no option '{name}'")
    if struct is not None:
        usual = {option.name.decode(): option.usual for option in definition._keep.get("options", [None])[1:]}
        for name, kind in struct._fields_:
            setattr(struct, name, kind(options.get(name, usual[name]) if kind is ctypes.c_float else
                                       int(options.get(name, usual[name]))).value)
    return _layer("cn_custom_layer_new", context, type, struct)


# ---- models -----------------------------------------------------------------------------------


def _shape3(name, *arguments):
    shape = (ctypes.c_int64 * 3)()
    _call(name, *arguments, shape)
    return tuple(shape)


def _normalization(name, thing):
    pointers = ctypes.c_void_p(), ctypes.c_void_p()
    channels = _call(name, thing, *map(ctypes.byref, pointers))
    return tuple(_at(pointer.value, (channels,), np.float32).copy() for pointer in pointers) if channels else None


def _floats(values):
    values = np.ascontiguousarray(values, np.float32)
    return values, values.ctypes.data


class Model(_Object):
    """A graph of named layers with their parameters, for images of channels × height × width."""

    def __init__(self, channels, height, width, context=None):
        context = _context(context)
        self._take(_made("cn_model_new", context, channels, height, width), context)

    def _take(self, pointer, context, *parents):
        self._lent = weakref.WeakSet()
        return self._own(pointer, context, *parents)

    @classmethod
    def _of(cls, name, context, *arguments):
        context = _context(context)
        return cls.__new__(cls)._take(_made(name, context, *arguments), context)

    @classmethod
    def session8(cls, context=None, **options):
        """The session-8 network for 3×32×32 images: norm, groups, dropout, skip, classes, seed."""
        return cls._of("cn_model_session8", context, Session8Options(**options))

    @classmethod
    def session8_pretrained(cls, context=None):
        """The same, trained on CIFAR-10, which is part of the library."""
        return cls._of("cn_model_session8_pretrained", context)

    @classmethod
    def mnist(cls, which, seed=0, context=None):
        """The study's MNIST networks, 2 to 5, for 1×28×28 images."""
        return cls._of("cn_model_mnist", context, which, seed)

    @classmethod
    def zoo(cls, name, context=None, **options):
        """A network of the literature, such as "resnet18" (zoo_names()): channels, height, width, classes, seed,
        width_mult, dropout."""
        return cls._of("cn_model_zoo", context, name, ZooOptions(**options))

    @classmethod
    def load(cls, path, context=None):
        """A model file or an ONNX file."""
        return cls._of("cn_model_load", context, path)

    @classmethod
    def load_memory(cls, data, context=None):
        """The same of a file's bytes."""
        return cls._of("cn_model_load_memory", context, bytes(data), len(data))

    def _changes(self):
        if self._lent:
            raise BufferError("arrays of this model's tensors are in use: drop them, or take copies, before it is changed")

    def _takes(self, name, *arguments):
        """A function that takes a layer over, also on failure: the model must then have no arrays lent out."""
        self._changes()
        layer = next((argument for argument in arguments if isinstance(argument, Layer)), None)
        if layer is None:
            raise TypeError(f"{name} wants a Layer, such as convnet.relu(), not {arguments[1]!r}")
        layer._pointer  # closed: say so
        try:
            _call(name, self, *arguments)
        finally:
            layer._handle.free = None
            layer.close()
        return self

    def append(self, name, layer):
        """Adds a layer that reads the one added last."""
        return self._takes("cn_model_append", name, layer)

    def add(self, name, layer, inputs):
        """Adds a layer that reads the named ones."""
        inputs = [inputs] if isinstance(inputs, str) else inputs
        return self._takes("cn_model_add", name, layer, len(inputs), _texts(inputs))

    def add_input(self, name, channels, height, width):
        """Adds a further input."""
        self._changes()
        _call("cn_model_add_input", self, name, channels, height, width)
        return self

    def replace(self, name, layer):
        """Puts a layer in the place of another."""
        return self._takes("cn_model_replace", name, layer)

    def replace_output(self, outputs):
        """The output layer again, for another number of classes; then comes init()."""
        self._changes()
        _call("cn_model_replace_output", self, outputs)
        return self

    def set_outputs(self, *names):
        """Makes the named layers the outputs."""
        _call("cn_model_set_outputs", self, len(names), _texts(names))
        return self

    def init(self, seed=0):
        """Ends the building: draws the parameters, or those of new layers."""
        self._changes()
        _call("cn_model_init", self, seed)
        return self

    def init_pytorch(self, seed=0):
        """The same with the very numbers of torch.manual_seed(seed)."""
        self._changes()
        _call("cn_model_init_pytorch", self, seed)
        return self

    output_layer = property(lambda self: _call("cn_model_output_layer", self), doc="The output layer's name, or None.")
    tensor_count = property(lambda self: _call("cn_model_tensor_count", self), doc="How many tensors it has.")
    parameter_count = property(lambda self: _call("cn_model_parameter_count", self), doc="Numbers in all parameters.")
    input_shape = property(lambda self: _shape3("cn_model_input_shape", self), doc="Of an image: C, H, W.")
    output_shape = property(lambda self: _shape3("cn_model_output_shape", self), doc="Of the first output.")
    input_count = property(lambda self: _call("cn_model_input_count", self), doc="How many inputs it has.")
    output_count = property(lambda self: _call("cn_model_output_count", self), doc="How many outputs it has.")
    layer_count = property(lambda self: _call("cn_model_layer_count", self), doc="How many layers it has.")
    loss = property(lambda self: _value(LossKind, _call("cn_model_loss", self)),
                    doc="The loss of classes that reads what the first output gives.")

    @property
    def tensor_names(self):
        """The names of all parameters and buffers, in the order of a PyTorch state dict."""
        return [_call("cn_model_tensor_name", self, i) for i in range(self.tensor_count)]

    def _lend(self, pointer, write=True):
        tensor = Tensor._lent(pointer, self.context, self, write=write)
        self._lent.add(tensor)
        return np.asarray(tensor)

    def tensor(self, name):
        """A parameter or buffer: an array over the model's own memory, which may be written to between calls."""
        return self._lend(_made("cn_model_tensor", self, name))

    def tensor_const(self, name):
        """The same, only to be read."""
        return self._lend(_made("cn_model_tensor_const", self, name), write=False)

    def gradient(self, name):
        """What the last backward pass left of a parameter."""
        return self._lend(_made("cn_model_gradient", self, name))

    def freeze(self, pattern, frozen=True):
        """Training leaves what the pattern matches ("layer1.*", "*") as it is."""
        _call("cn_model_freeze", self, pattern, frozen)
        return self

    def frozen(self, name):
        """Whether the tensor or layer of that name is."""
        return bool(_call("cn_model_frozen", self, name))

    def until(self, layer):
        """A model of its own that ends with that layer: for features and activations."""
        return Model.__new__(Model)._take(_made("cn_model_until", self, layer), self.context)

    @property
    def input_names(self):
        """The inputs' names."""
        return [_call("cn_model_input_name", self, i) for i in range(self.input_count)]

    @property
    def output_names(self):
        """The outputs' names."""
        return [_call("cn_model_output_name", self, i) for i in range(self.output_count)]

    def input_shape_at(self, index):
        """The shape of an input."""
        return _shape3("cn_model_input_shape_at", self, index)

    def output_shape_at(self, index):
        """The shape of an output."""
        return _shape3("cn_model_output_shape_at", self, index)

    def output_shape_for(self, inputs, index=0):
        """The shape of an output for images of other sizes: C, H, W of each input, one after another."""
        return _shape3("cn_model_output_shape_for", self, (ctypes.c_int64 * len(inputs))(*inputs), index)

    def set_normalization(self, mean, std):
        """How its images are normalised: (pixel / 255 - mean) / std a channel."""
        (mean, at_mean), (std, at_std) = _floats(mean), _floats(std)
        _call("cn_model_set_normalization", self, len(mean), at_mean, at_std)

    normalization = property(lambda self: _normalization("cn_model_normalization", self), doc="(mean, std), or None.")

    def set_class_names(self, names):
        """A name for each class."""
        _call("cn_model_set_class_names", self, len(names), _texts(names))

    @property
    def class_names(self):
        """The classes' names; none if none are known."""
        return [_call("cn_model_class_name", self, i) for i in range(_call("cn_model_class_count", self))]

    def layer_info(self, index):
        """A row of the summary: name, type, input, output, parameters, multiply_adds, receptive field."""
        info = LayerInfo()
        _call("cn_model_layer_info", self, index, info)
        return _record(info)

    @property
    def layers(self):
        """All rows of the summary."""
        return [self.layer_info(i) for i in range(self.layer_count)]

    def summary(self):
        """The layers as a table of text."""
        return _made_text("cn_model_summary", self)

    def __str__(self):
        return self.summary()

    def __repr__(self):
        if self._handle is None:
            return "<convnet.Model, closed>"
        sides = (f"{'×'.join(map(str, self.input_shape))} to {'×'.join(map(str, self.output_shape))}, "
                 if self.layer_count else "")
        return f"<convnet.Model: {sides}{self.layer_count} layers, {self.parameter_count} parameters>"

    def receptive_field(self):
        """Their receptive fields as a table of text."""
        return _made_text("cn_model_receptive_field", self)

    def save(self, path, **options):
        """Writes a model file: weights may be "float16" or "bfloat16"."""
        if options:
            _call("cn_model_save_with", self, path, SaveOptions(**options))
        else:
            _call("cn_model_save", self, path)

    def save_memory(self, **options):
        """The same file as bytes."""
        if options:
            return _bytes(self.context, "cn_model_save_memory_with", self, SaveOptions(**options))
        return _bytes(self.context, "cn_model_save_memory", self)

    def save_onnx(self, path, **options):
        """Writes an ONNX file: include_preprocessing."""
        _call("cn_model_save_onnx", self, path, OnnxOptions(**options))

    def save_onnx_memory(self, **options):
        """The same file as bytes."""
        return _bytes(self.context, "cn_model_save_onnx_memory", self, OnnxOptions(**options))

    def export_c(self, path, **options):
        """Writes the model as a C file that needs no library: name."""
        _call("cn_model_export_c", self, path, ExportCOptions(**options))

    def set_self_test(self, *inputs):
        """An input whose outputs go into the model's file, so that others can see whether theirs are the same."""
        tensors = [_borrowed(array, self.context) for array in inputs]
        _call("cn_model_set_self_test", self, len(tensors), _pointers(tensors) if tensors else None)

    def self_test(self, tolerance=1e-4):
        """Runs it: the largest difference. Error of status NUMERIC if that is above `tolerance`."""
        difference = ctypes.c_double()
        _call("cn_model_self_test", self, tolerance, ctypes.byref(difference))
        return difference.value

    def _lent_or_none(self, name, index):
        pointer = _call(name, self, index)
        return None if not pointer else np.array(Tensor._lent(pointer, self.context, self))

    def self_test_input(self, index=0):
        """A copy of what went in, or None."""
        return self._lent_or_none("cn_model_self_test_input", index)

    def self_test_output(self, index=0):
        """A copy of what came out, or None."""
        return self._lent_or_none("cn_model_self_test_output", index)

    def load_tensors(self, path, **options):
        """Reads a PyTorch state dict, saved as safetensors, or an .npz file: prefix, renames, report, strict."""
        if options:
            self._load("cn_model_load_tensors_with", path, self._options(options))
        else:
            _call("cn_model_load_tensors", self, path)
        return self

    def load_tensors_memory(self, data, **options):
        """The same of a file's bytes."""
        self._load("cn_model_load_tensors_memory", bytes(data), len(data), self._options(options))
        return self

    def load_state_dict(self, tensors, **options):
        """The same of a Tensors, or of a dictionary of arrays, such as torch's state_dict()."""
        if not isinstance(tensors, Tensors):
            tensors = Tensors(tensors, context=self.context)
        self._load("cn_model_load_state_dict", tensors, self._options(options))
        return self

    @staticmethod
    def _options(options):
        """Load options: `renames` as a dictionary is the list that ends with NULL."""
        if isinstance(options.get("renames"), dict):
            options = {**options, "renames": [text for pair in options["renames"].items() for text in pair] + [None]}
        return LoadOptions(**options)

    def _load(self, name, *arguments):
        _call(name, self, *arguments)
        error = _raised_by(arguments[-1])  # `report` cannot stop a load
        if error:
            raise error

    def state_dict(self):
        """Copies of all parameters and buffers, as a Tensors."""
        return Tensors._owned(_made("cn_model_state_dict", self), self.context)

    # ---- a loop of one's own ----

    def _outputs(self, images, index=0):
        for i, image in enumerate(images):
            shape, wanted = np.shape(image), self.input_shape_at(i)
            if len(shape) != 4:
                raise ValueError(f"images are [N, {', '.join(map(str, wanted))}], not {list(shape)}")
            if shape[3] == wanted[0] != shape[1]:
                raise ValueError(f"images are [N, C, H, W], not {list(shape)}: images.transpose(0, 3, 1, 2)")
        shapes = [extent for image in images for extent in np.shape(image)[1:]]
        return (len(images[0]), *_flat(self.output_shape_for(shapes, index)))

    def forward(self, images, training=False, out=None):
        """Runs float32 [N, C, H, W] through the model."""
        images = np.asarray(images, np.float32)
        out = np.empty(self._outputs([images]), np.float32) if out is None else out
        _call("cn_model_forward", self, training, _borrowed(images, self.context), _borrowed(out, self.context, True))
        return out

    def forward_all(self, *inputs, training=False):
        """The same of all inputs and outputs: a list of arrays."""
        inputs = [np.asarray(array, np.float32) for array in inputs]
        outputs = [np.empty(self._outputs(inputs, i), np.float32) for i in range(self.output_count)]
        tensors = [[_borrowed(array, self.context) for array in inputs],
                   [_borrowed(array, self.context, True) for array in outputs]]
        _call("cn_model_forward_all", self, training, len(inputs), _pointers(tensors[0]), len(outputs),
              _pointers(tensors[1]))
        return outputs

    def backward(self, grad_output, grad_input=None):
        """From the gradient of the last output to those of the parameters, and into the array `grad_input`."""
        _call("cn_model_backward", self, _borrowed(np.asarray(grad_output, np.float32), self.context),
              _borrowed(grad_input, self.context, True))

    def backward_all(self, grad_outputs, grad_inputs=()):
        """The same of all outputs and inputs; None: not wanted."""
        tensors = [[_borrowed(array, self.context) for array in grad_outputs],
                   [_borrowed(array, self.context, True) for array in grad_inputs]]
        _call("cn_model_backward_all", self, len(tensors[0]), _pointers(tensors[0]), len(tensors[1]),
              _pointers(tensors[1]) if grad_inputs else None)

    def accumulate_gradients(self, accumulate=True):
        """Whether backward passes add to the gradients."""
        _call("cn_model_accumulate_gradients", self, accumulate)

    def clip_gradients_norm(self, max_norm):
        """Shortens the gradients to that norm, and tells what it was."""
        norm_before = ctypes.c_double()
        _call("cn_model_clip_gradients_norm", self, max_norm, ctypes.byref(norm_before))
        return norm_before.value

    def clip_gradients_value(self, max_value):
        """Brings each gradient into ±max_value."""
        _call("cn_model_clip_gradients_value", self, max_value)

    @property
    def training_passes(self):
        """Training passes so far, of which dropout's draws depend."""
        return _call("cn_model_training_passes", self)

    @training_passes.setter
    def training_passes(self, passes):
        _call("cn_model_set_training_passes", self, passes)

    def class_activation_map(self, image, label):
        """Where in an image the model sees a class: float32 [1, 1, h, w]."""
        return _array(_made("cn_model_class_activation_map", self, _borrowed(image, self.context), label), self.context)


def _flat(shape):
    """An output of one value a channel is [N, K]."""
    return shape if shape[1:] != (1, 1) else shape[:1]


def zoo_name(index):
    """The name of a prebuilt network; None: no such index."""
    return _call("cn_zoo_name", index)


def zoo_names():
    """The names of all prebuilt networks."""
    return list(iter(map(zoo_name, range(1 << 16)).__next__, None))


class Tensors(_Object):
    """Named tensors with texts beside them: of a file, of a dictionary, or of a model (Model.state_dict)."""

    def __init__(self, tensors=None, context=None):
        context = _context(context)
        self._own(_made("cn_tensors_new", context), context)
        for name, array in dict(tensors or {}).items():
            self.add(name, array)

    @classmethod
    def load(cls, path, context=None):
        """Of a safetensors or .npz file."""
        context = _context(context)
        return cls._owned(_made("cn_tensors_load", context, path), context)

    @classmethod
    def load_memory(cls, data, context=None):
        """Of a file's bytes."""
        context = _context(context)
        return cls._owned(_made("cn_tensors_load_memory", context, bytes(data), len(data)), context)

    def __len__(self):
        return _call("cn_tensors_count", self)

    def keys(self):
        """All names, in the file's order."""
        return [_call("cn_tensors_name", self, i) for i in range(len(self))]

    def __iter__(self):
        return iter(self.keys())

    def _find(self, function, name):
        try:
            return Tensor._lent(_made(function, self, name), self.context, self)
        except Error as error:
            raise KeyError(name) if error.status == Status.NOT_FOUND else error

    def __getitem__(self, name):
        return np.array(self._find("cn_tensors_get_const", name))

    def get(self, name):
        """The array itself, which may be written to, and lives until it is removed: drop it before."""
        return np.asarray(self._find("cn_tensors_get", name))

    def add(self, name, array):
        """Adds a copy."""
        _call("cn_tensors_add", self, name, _borrowed(array, self.context))

    def remove(self, name):
        """Removes the tensor of that name."""
        _call("cn_tensors_remove", self, name)

    @property
    def metadata(self):
        """The texts beside the tensors, as a dictionary."""
        keys = [_call("cn_tensors_metadata_key", self, i) for i in range(_call("cn_tensors_metadata_count", self))]
        return {key: _call("cn_tensors_metadata", self, key) for key in keys}

    def set_metadata(self, key, value):
        """Sets a text, or removes it: None."""
        _call("cn_tensors_set_metadata", self, key, value)

    def save(self, path, **options):
        """Writes a .safetensors or .npz file: weights, deflate."""
        _call("cn_tensors_save", self, path, SaveOptions(**options))

    def save_memory(self, kind=".safetensors", **options):
        """The same file as bytes."""
        return _bytes(self.context, "cn_tensors_save_memory", self, kind, SaveOptions(**options))


# ---- data -------------------------------------------------------------------------------------


def _paths(paths):
    return [None if path is None else _encoded(path) for path in paths]


class Dataset(_Object):
    """Images, and what a model is to make of them."""

    def __init__(self, images, labels=None, classes=0, context=None):
        """Arrays: images uint8 or float32 [N, C, H, W], and labels [N]; they are not copied where their types are
        these. Other targets: add_target."""
        context = _context(context)
        if labels is not None:
            labels = np.asarray(labels)
            if labels.dtype.kind not in "biu":
                raise TypeError(f"labels are whole numbers, not {labels.dtype}")
            labels = labels.astype(np.int64, copy=False)
            classes = classes or int(labels.max()) + 1
        tensors = [_borrowed(array, context) for array in (images, labels)]
        self._own(_made("cn_dataset_memory", context, *tensors, classes), context, keep=tensors)

    memory = classmethod(lambda cls, *arguments, **named: cls(*arguments, **named))

    @classmethod
    def _of(cls, name, context, *arguments, keep=()):
        context = _context(context)
        return cls._owned(_made(name, context, *arguments), context, keep=keep)

    @classmethod
    def cifar10(cls, directory, split, context=None):
        """The binary files of CIFAR-10; split is "train" or "test"."""
        return cls._of("cn_dataset_cifar10", context, directory, Split.of(split))

    @classmethod
    def cifar100(cls, directory, split, coarse=False, context=None):
        """Those of CIFAR-100."""
        return cls._of("cn_dataset_cifar100", context, directory, Split.of(split), coarse)

    @classmethod
    def idx(cls, directory, split, context=None):
        """MNIST, Fashion-MNIST and their relatives."""
        return cls._of("cn_dataset_idx", context, directory, Split.of(split))

    @classmethod
    def idx_files(cls, images, labels, context=None):
        """Any pair of IDX files."""
        return cls._of("cn_dataset_idx_files", context, images, labels)

    @classmethod
    def npy(cls, images, targets=None, context=None, **target):
        """.npy files of images and of targets."""
        options = TargetOptions(**target) if target else None
        return cls._of("cn_dataset_npy", context, *_paths([images, targets]), options)

    @classmethod
    def npz(cls, path, split, context=None, **target):
        """An .npz file, with MedMNIST's or Keras's names."""
        options = TargetOptions(**target) if target else None
        return cls._of("cn_dataset_npz", context, path, Split.of(split), options)

    @classmethod
    def folder(cls, directory, context=None, **options):
        """Pictures in a folder for each class: channels, height, width, split, memory."""
        return cls._of("cn_dataset_folder", context, directory, FolderOptions(**options))

    @classmethod
    def folder_masks(cls, directory, context=None, mask=None, **options):
        """Pictures and a mask beside each; mask: classes, ignore_index."""
        mask = None if mask is None else _struct("cn_target_options", {"kind": "mask", **mask})
        return cls._of("cn_dataset_folder_masks", context, directory, FolderOptions(**options), mask)

    @staticmethod
    def folder_has_parts(directory, context=None):
        """Whether a folder has parts such as train and test."""
        parts = ctypes.c_int()
        _call("cn_dataset_folder_has_parts", _context(context), directory, ctypes.byref(parts))
        return bool(parts.value)

    @classmethod
    def callback(cls, context=None, **source):
        """Images that a function hands over: fetch(index) gives (pixels, label); fetch_sample(index) gives the image and
        each of its targets. count, channels, height, width, classes or targets and dtype say what they are."""
        options = DatasetSource(**source)
        return cls._of("cn_dataset_callback", context, options, keep=[options])

    @classmethod
    def synthetic(cls, split, count, seed=0, context=None):
        """Images of 3×32×32 in ten classes that the library draws itself."""
        return cls._of("cn_dataset_synthetic", context, Split.of(split), count, seed)

    def _view(self, name, *arguments):
        return Dataset._owned(_made(name, self, *arguments), self.context, self)

    def _views(self, name, fraction, seed):
        part = ctypes.c_void_p()
        rest = _made(name, self, fraction, seed, ctypes.byref(part))
        return tuple(Dataset._owned(pointer, self.context, self) for pointer in (part.value, rest))

    def subset(self, indices):
        """A view of chosen images."""
        indices = np.ascontiguousarray(indices, np.int64)
        return self._view("cn_dataset_subset", len(indices), indices.ctypes.data)

    def split(self, fraction, seed=0):
        """Two views: a random part, and the rest."""
        return self._views("cn_dataset_split", fraction, seed)

    def split_stratified(self, fraction, seed=0):
        """The same with each class divided alike."""
        return self._views("cn_dataset_split_stratified", fraction, seed)

    def shuffled(self, seed=0):
        """A view in random order."""
        return self._view("cn_dataset_shuffled", seed)

    def match_classes(self, model):
        """A view whose labels are the model's, by the classes' names."""
        return self._view("cn_dataset_match_classes", model)

    def balanced_weights(self):
        """For `sample_weights` of a Trainer: all classes equally often."""
        weights = np.empty(len(self))
        _call("cn_dataset_balanced_weights", self, len(weights), weights.ctypes.data)
        return weights

    def add_target(self, targets=None, **options):
        """Adds a further target, an array of one row an image; kind, vector, classes, shape … say what it is."""
        kind = TargetKind.of(options.get("kind", "class"))
        if targets is not None and kind in (TargetKind.CLASS, TargetKind.MASK) and np.asarray(targets).dtype != np.uint8:
            targets = np.asarray(targets, np.int64)
        elif targets is not None and kind == TargetKind.VECTOR:
            targets = np.asarray(targets, np.float32)
        tensor, options = _borrowed(targets, self.context), TargetOptions(**options)
        _call("cn_dataset_add_target", self, tensor, options)
        self._handle.keep = [*self._handle.keep, tensor, options]
        return self

    def clear_targets(self):
        """Removes all targets."""
        _call("cn_dataset_clear_targets", self)
        return self

    target_count = property(lambda self: _call("cn_dataset_target_count", self), doc="How many targets it has.")
    classes = property(lambda self: _call("cn_dataset_classes", self), doc="How many classes it has; 0: none.")
    shape = property(lambda self: _shape3("cn_dataset_shape", self), doc="Of an image: C, H, W.")
    skipped_count = property(lambda self: _call("cn_dataset_skipped_count", self), doc="Files that were no pictures.")
    normalization = property(lambda self: _normalization("cn_dataset_normalization", self), doc="(mean, std), or None.")

    def __len__(self):
        return _call("cn_dataset_count", self)

    def __repr__(self):
        if self._handle is None:
            return "<convnet.Dataset, closed>"
        return f"<convnet.Dataset: {len(self)} images of {'×'.join(map(str, self.shape))}, {self.classes} classes>"

    def target(self, index):
        """What a target is."""
        options = TargetOptions()
        _call("cn_dataset_target", self, index, options)
        return _record(options)

    @property
    def class_names(self):
        """The classes' names."""
        return [_call("cn_dataset_class_name", self, i) for i in range(self.classes)]

    def set_class_names(self, names):
        """A name for each class."""
        _call("cn_dataset_set_class_names", self, len(names), _texts(names))
        return self

    def set_normalization(self, mean, std):
        """(pixel / 255 - mean) / std a channel."""
        (mean, at_mean), (std, at_std) = _floats(mean), _floats(std)
        _call("cn_dataset_set_normalization", self, len(mean), at_mean, at_std)
        return self

    def set_augmentation(self, augmentation=None, **changes):
        """How training batches are changed: AUGMENTATION_CIFAR10, and keywords such as horizontal_flip=0.5."""
        wanted = None if augmentation is None and not changes else _struct("cn_augmentation", augmentation, **changes)
        _call("cn_dataset_set_augmentation", self, wanted)
        return self

    @property
    def augmentation(self):
        """The changes in use."""
        augmentation = Augmentation()
        _call("cn_dataset_augmentation", self, augmentation)
        return _record(augmentation)

    def image(self, index):
        """An image as it is stored, [1, C, H, W]."""
        for dtype in (np.uint8, np.float32):
            image = np.empty((1, *self.shape), dtype)
            try:
                _call("cn_dataset_image", self, index, _borrowed(image, self.context, True), None)
                return image
            except Error as error:
                if error.status != Status.SHAPE or dtype == np.float32:
                    raise
        return None

    def label(self, index):
        """An image's class."""
        label = ctypes.c_int64()
        _call("cn_dataset_label", self, index, ctypes.byref(label))
        return label.value

    def file_name(self, index):
        """The file that an image was read from, or None."""
        return _call("cn_dataset_file_name", self, index)

    def _targets(self, count):
        for index in range(self.target_count):
            target = self.target(index)
            shape = {TargetKind.CLASS: (), TargetKind.VECTOR: target.shape[:1], TargetKind.MASK: target.shape[1:]}.get(
                target.kind, target.shape)
            classes = target.kind in (TargetKind.CLASS, TargetKind.MASK)
            yield np.empty((count, *shape), np.int64 if classes else np.float32)

    def batch(self, indices, augment=False, seed=0, epoch=0):
        """Images ready for a model, float32 [N, C, H, W], and their first target, or None."""
        indices = np.ascontiguousarray(indices, np.int64)
        images, target = np.empty((len(indices), *self.shape), np.float32), next(self._targets(len(indices)), None)
        _call("cn_dataset_batch", self, len(indices), indices.ctypes.data, augment, seed, epoch,
              _borrowed(images, self.context, True), _borrowed(target, self.context, True))
        return images, target

    def batch_targets(self, indices, augment=False, seed=0, epoch=0):
        """The same with all targets, as a list."""
        indices = np.ascontiguousarray(indices, np.int64)
        images, targets = np.empty((len(indices), *self.shape), np.float32), list(self._targets(len(indices)))
        tensors = [_borrowed(target, self.context, True) for target in targets]
        _call("cn_dataset_batch_targets", self, len(indices), indices.ctypes.data, augment, seed, epoch,
              _borrowed(images, self.context, True), len(tensors), _pointers(tensors))
        return images, targets


# ---- losses, metrics, optimizers --------------------------------------------------------------


def loss_compute(output, target, gradient=None, context=None, **options):
    """The loss of a batch: kind, reduction, label_smoothing, class_weights … Its gradient goes into an array."""
    context = _context(context)
    result, options = ctypes.c_double(), LossOptions(**options)
    _call("cn_loss_compute", options, _borrowed(output, context), _borrowed(target, context), ctypes.byref(result),
          _borrowed(gradient, context, True))
    return result.value


def loss_name(kind):
    """What programs call a loss."""
    return _call("cn_loss_name", LossKind.of(kind))


def metric_name(metric):
    """What programs call a metric."""
    return _call("cn_metric_name", Metric.of(metric))


def metric_increases(metric):
    """Whether larger is better."""
    return bool(_call("cn_metric_increases", Metric.of(metric)))


def optimizer_name(kind):
    """What programs call an optimizer."""
    return _call("cn_optimizer_name", OptimizerKind.of(kind))


def schedule_name(kind):
    """What programs call a schedule."""
    return _call("cn_schedule_name", ScheduleKind.of(kind))


def isa_name(isa):
    """What programs call an instruction set."""
    return _call("cn_isa_name", Isa.of(isa))


class Optimizer(_Object):
    """Changes a model's parameters along their gradients: kind, learning_rate, momentum, weight_decay, groups …"""

    def __init__(self, model, kind="sgd", **options):
        options = OptimizerOptions(kind=kind, **options)
        self._own(_made("cn_optimizer_new", model, options), model.context, model, keep=[options])

    def step(self):
        """One step along the gradients of the last backward pass."""
        _call("cn_optimizer_step", self)

    @property
    def learning_rate(self):
        """The rate of the next step."""
        return _call("cn_optimizer_learning_rate", self)

    @learning_rate.setter
    def learning_rate(self, rate):
        _call("cn_optimizer_set_learning_rate", self, rate)


# ---- trainer ----------------------------------------------------------------------------------


def _with_loss(model, options):
    """Where no loss is said, the one that reads what the model gives."""
    return options if "loss" in options or "losses" in options else {"loss": model.loss, **options}


class Trainer(_Object):
    """Trains a model on data, and tests it on other data, or None. Options are those of cn_trainer_options: batch_size,
    loss or losses, optimizer, schedule, seed, ema_decay … on_batch(batch) and on_gradient(model, batch) end the training
    by returning True. A `communicator` has all_gather(send, receive), all_to_all(send, receive) and broadcast(data), which
    begin with arrays of bytes and return whatever wait(that, seconds) is to be asked about, which says whether it has
    ended."""

    def __init__(self, model, train, test=None, **options):
        options = self._options(model, train, options)
        pointer = _made("cn_trainer_new", model, train, test, options)
        self._own(pointer, model.context, *filter(None, (model, train, test)), keep=[options])

    @staticmethod
    def _options(model, train, options):
        for callback in ("on_batch", "on_gradient"):
            if options.get(callback, 0) is None:
                del options[callback]
        if "on_gradient" in options:
            of_caller = options["on_gradient"]
            options["on_gradient"] = lambda batch: of_caller(model, batch)
        options.setdefault("on_batch", lambda batch: None)  # in which Python looks for Ctrl-C
        weights = options.get("sample_weights")
        if weights is not None and len(weights) != len(train):
            raise ValueError(f"{len(weights)} sample_weights for {len(train)} images")
        return TrainerOptions(**_with_loss(model, options))

    @classmethod
    def memory(cls, model, train, test=None, **options):
        """Bytes that such a trainer would take."""
        found = ctypes.c_size_t()
        _call("cn_trainer_memory", model, train, test, cls._options(model, train, options), ctypes.byref(found))
        return found.value

    def fit(self, epochs, on_epoch=None):
        """Trains for so many more epochs. on_epoch(epoch) ends it by returning True."""
        raised = []

        def call(_, epoch):
            try:
                return bool(on_epoch(_record_at("cn_epoch_info", epoch)))
            except BaseException as error:  # pylint: disable=broad-except
                raised.append(error)
                return 1

        callback = _ctype("cn_epoch_function")(call) if on_epoch else _ctype("cn_epoch_function")()
        _call("cn_trainer_fit", self, epochs, callback, None)
        error = next(iter(raised), None) or _raised_by(self)
        if error:
            raise error

    def set_learning_rate(self, rate):
        """The rate from the next step on."""
        _call("cn_trainer_set_learning_rate", self, rate)

    def find_rate(self, **search):
        """The rate at which the loss falls fastest (NaN: nowhere), of rates from first to last in so many steps, and what was
        seen of them, a RateCurve. The trainer is as it was before."""
        rate = ctypes.c_double()
        curve = _made("cn_trainer_find_rate", self, RateSearch(**search), ctypes.byref(rate))
        curve = RateCurve._owned(curve, self.context)
        error = _raised_by(self)
        if error:
            raise error
        return rate.value, curve

    epoch_count = property(lambda self: _call("cn_trainer_epoch_count", self), doc="How many epochs it has trained.")

    def epoch_info(self, index):
        """One of them, from 0; -1: the last."""
        info = EpochInfo()
        _call("cn_trainer_epoch_info", self, index + self.epoch_count if index < 0 else index, info)
        return _record(info)

    @property
    def epochs(self):
        """All of them."""
        return [self.epoch_info(i) for i in range(self.epoch_count)]

    def output_info(self, index, output):
        """One output in an epoch."""
        info = OutputInfo()
        _call("cn_trainer_output_info", self, index, output, info)
        return _record(info)

    def history(self, name=""):
        """A copy of the epochs so far, under a name."""
        return History._owned(_made("cn_trainer_history", self, name), self.context)

    def save(self, path):
        """Writes a checkpoint."""
        _call("cn_trainer_save", self, path)

    def resume(self, path):
        """Goes on from one, to the very bits of a run that was never stopped."""
        _call("cn_trainer_resume", self, path)


class RateCurve(_Object):
    """What a search for a learning rate has seen, step by step."""

    def point(self, index):
        """One of its steps, from 0: rate, loss, smoothed."""
        point = RatePoint()
        _call("cn_rate_curve_point", self, index, point)
        return _record(point)

    @property
    def points(self):
        """All of them."""
        return [self.point(i) for i in range(_call("cn_rate_curve_count", self))]


class History(_Object):
    """The epochs of one run."""

    def __init__(self, name="", context=None):
        context = _context(context)
        self._own(_made("cn_history_new", context, name), context)

    def add(self, epoch=None, /, **values):
        """Adds an epoch: a record of a trainer's, or values by name."""
        _call("cn_history_add", self, _struct("cn_epoch_info", epoch, **values))
        return self

    def add_rate(self, place, rate):
        """Adds to the learning rates by step: a corner of their line, `place` epochs into the run."""
        _call("cn_history_add_rate", self, place, rate)
        return self

    @property
    def rates(self):
        """These corners: places, in epochs, and rates."""
        def corner(index):
            place, rate = ctypes.c_double(), ctypes.c_double()
            _call("cn_history_rate", self, index, ctypes.byref(place), ctypes.byref(rate))
            return place.value, rate.value
        return [corner(i) for i in range(_call("cn_history_rate_count", self))]

    def set_test_name(self, name):
        """What charts call the data that was tested on."""
        _call("cn_history_set_test_name", self, name)
        return self


# ---- checkpoints ------------------------------------------------------------------------------


def _checkpoint(trainer, model, optimizer, tensors):
    """A cn_checkpoint, and the arrays that it saves and loads, in place."""
    tensors = tensors or {}
    context = (trainer or model).context
    arrays = [_borrowed(array, context, True) for array in tensors.values()]
    return Checkpoint(trainer=trainer, model=model, optimizer=optimizer,
                      **({"names": list(tensors), "tensors": arrays} if tensors else {})), context


def checkpoint_save(path, trainer=None, model=None, optimizer=None, tensors=None):
    """Writes a trainer's run, or a loop's model and optimizer, with arrays of the program's own, by name."""
    _call("cn_checkpoint_save", _checkpoint(trainer, model, optimizer, tensors)[0], path)


def checkpoint_load(path, trainer=None, model=None, optimizer=None, tensors=None):
    """Reads it into the same, arrays included."""
    _call("cn_checkpoint_load", _checkpoint(trainer, model, optimizer, tensors)[0], path)


def checkpoint_save_memory(trainer=None, model=None, optimizer=None, tensors=None):
    """The same file as bytes."""
    checkpoint, context = _checkpoint(trainer, model, optimizer, tensors)
    return _bytes(context, "cn_checkpoint_save_memory", checkpoint)


def checkpoint_load_memory(data, trainer=None, model=None, optimizer=None, tensors=None):
    """Reads such bytes."""
    _call("cn_checkpoint_load_memory", _checkpoint(trainer, model, optimizer, tensors)[0], bytes(data), len(data))


# ---- evaluation, prediction -------------------------------------------------------------------


class Evaluation(_Object):
    """What a model gets right on a data set: loss or losses, flip, shift."""

    def __init__(self, model, dataset, **options):
        options = EvaluationOptions(**_with_loss(model, options))
        self._own(_made("cn_evaluation_new", model, dataset, options), model.context)

    count = property(lambda self: _call("cn_evaluation_count", self), doc="How many images it saw.")
    loss = property(lambda self: _call("cn_evaluation_loss", self), doc="Their mean loss.")
    outputs = property(lambda self: _call("cn_evaluation_outputs", self), doc="How many outputs the model has.")
    accuracy = property(lambda self: _call("cn_evaluation_accuracy", self), doc="The share that was recognised.")
    classes = property(lambda self: _call("cn_evaluation_classes", self), doc="How many classes the first output has.")

    def metric(self, metric, output=0):
        """A metric of an output, such as "top5-accuracy" or "mean-iou"."""
        return _call("cn_evaluation_metric", self, output, Metric.of(metric))

    def class_metric(self, metric, index, output=0):
        """The same of one class, label or channel."""
        return _call("cn_evaluation_class_metric", self, output, Metric.of(metric), index)

    def main_metric(self, output=0):
        """The metric that says most of an output."""
        return _value(Metric, _call("cn_evaluation_main_metric", self, output))

    def class_accuracy(self, truth):
        """The share of a class that was recognised."""
        return _call("cn_evaluation_class_accuracy", self, truth)

    @property
    def confusion(self):
        """int64 [classes, classes]: rows are true classes, columns predicted ones."""
        n = self.classes
        return np.array([[_call("cn_evaluation_confusion", self, i, j) for j in range(n)] for i in range(n)], np.int64)

    @property
    def misclassified(self):
        """The images that were not recognised: index, predicted, truth, probability, truth_probability."""
        found = []
        for index in range(_call("cn_evaluation_misclassified_count", self)):
            entry = Misclassified()
            _call("cn_evaluation_misclassified", self, index, entry)
            found.append(_record(entry))
        return found


class Predictor(_Object):
    """A model compiled for inference: max_batch_size, flip, shift. predictor(images) runs it."""

    def __init__(self, model, **options):
        self.model = model
        self._own(_made("cn_predictor_new", model, PredictorOptions(**options)), model.context, model)

    def clone(self):
        """One more of the same, for another thread."""
        other = Predictor._owned(_made("cn_predictor_clone", self), self.context, self.model)
        other.model = self.model
        return other

    def run(self, images, out=None):
        """uint8 pixels or normalised float32 [N, C, H, W] to what the model's output gives, float32 [N, …]."""
        images = _images(images)
        out = np.empty(self.model._outputs([images]), np.float32) if out is None else out
        _call("cn_predictor_run", self, _borrowed(images, self.context), _borrowed(out, self.context, True))
        return out

    def run_all(self, *inputs):
        """The same of all inputs and outputs: a list of arrays."""
        inputs = [_images(array) for array in inputs]
        outputs = [np.empty(self.model._outputs(inputs, i), np.float32) for i in range(self.model.output_count)]
        tensors = [[_borrowed(array, self.context) for array in inputs],
                   [_borrowed(array, self.context, True) for array in outputs]]
        _call("cn_predictor_run_all", self, len(inputs), _pointers(tensors[0]), len(outputs), _pointers(tensors[1]))
        return outputs

    def __call__(self, *inputs):
        return self.run(*inputs) if len(inputs) == 1 and self.model.output_count == 1 else self.run_all(*inputs)


def _images(array):
    """Whole numbers of another type may be pixels or not: the caller knows."""
    array = np.asarray(array)
    if array.dtype.kind not in "f" and array.dtype != np.uint8:
        raise TypeError(f"images are pixels, uint8 from 0 to 255, or normalised floats, not {array.dtype}")
    return array if array.dtype == np.uint8 else array.astype(np.float32, copy=False)


# ---- reports ----------------------------------------------------------------------------------


def text_save(text, path, context=None):
    """Puts a text into a file, whole or not at all."""
    _call("cn_text_save", _context(context), text, path)


def chart_metric(histories, metric):
    """A metric of runs over their epochs, as SVG."""
    return _made_text("cn_chart_metric", len(histories), _pointers(histories, "cn_history *"), Metric.of(metric))


def chart_curves(histories):
    """Loss and accuracy of runs, as SVG."""
    return _made_text("cn_chart_curves", len(histories), _pointers(histories, "cn_history *"))


def chart_rates(curve):
    """Losses over learning rates, as Trainer.find_rate has seen them, as SVG."""
    return _made_text("cn_chart_rates", curve)


def chart_confusion(evaluation, dataset=None):
    """What was taken for what, as SVG."""
    return _made_text("cn_chart_confusion", evaluation, dataset)


def chart_class_accuracy(evaluation, dataset=None):
    """Accuracy of each class, as SVG."""
    return _made_text("cn_chart_class_accuracy", evaluation, dataset)


def sheet_pictures(pictures, titles=None, columns=0, heading=None, context=None):
    """Pictures uint8 [N, 1 or 3, H, W] side by side, as SVG."""
    return _made_text("cn_sheet_pictures", _borrowed(pictures, context), _texts(titles), columns, heading)


def sheet_examples(dataset, count, indices=None, heading=None):
    """Images of a data set, as SVG."""
    indices = None if indices is None else (ctypes.c_int64 * count)(*indices)
    return _made_text("cn_sheet_examples", dataset, count, indices, heading)


def sheet_augmented(dataset, index, count, seed=0, heading=None):
    """One image as so many epochs will see it, as SVG."""
    return _made_text("cn_sheet_augmented", dataset, index, count, seed, heading)


def sheet_misclassified(evaluation, dataset, count, surest=True, heading=None):
    """Images that were not recognised, as SVG."""
    return _made_text("cn_sheet_misclassified", evaluation, dataset, count, surest, heading)


def sheet_filters(weight, heading=None, context=None):
    """The filters of a first convolution, as SVG."""
    return _made_text("cn_sheet_filters", _borrowed(weight, context), heading)


def sheet_activations(activations, heading=None, context=None):
    """What a layer gives for an image, as SVG."""
    return _made_text("cn_sheet_activations", _borrowed(activations, context), heading)


class Page(_Object):
    """An HTML page, put together from the top to the bottom."""

    def __init__(self, title, context=None):
        context = _context(context)
        self._own(_made("cn_page_new", context, title), context)

    def heading(self, text):
        """A heading."""
        _call("cn_page_heading", self, text)

    def paragraph(self, text):
        """A paragraph."""
        _call("cn_page_paragraph", self, text)

    def notice(self, text):
        """A paragraph that stands out."""
        _call("cn_page_notice", self, text)

    def facts(self, facts):
        """Figures in large letters: a dictionary of texts."""
        _call("cn_page_facts", self, len(facts), _texts(list(facts)), _texts(list(facts.values())))

    def table(self, headings, rows, caption=None):
        """A table: rows are lists of texts."""
        cells = [cell for row in rows for cell in row]
        _call("cn_page_table", self, caption, len(rows), len(headings), _texts(headings), _texts(cells))

    def figure(self, svg, caption=None):
        """A chart or sheet."""
        _call("cn_page_figure", self, svg, caption)

    def pictures(self, pictures, titles=None):
        """Pictures uint8 [N, 1 or 3, H, W]."""
        _call("cn_page_pictures", self, _borrowed(pictures, self.context), _texts(titles))

    def html(self):
        """The whole page so far."""
        return _made_text("cn_page_html", self)


def report_page(context=None, settings=None, **report):
    """All that there is to say about a model, as one HTML page: title, model, history, evaluation, dataset, train, and
    `settings`, a dictionary of texts."""
    if settings:
        report.update(setting_names=list(settings), setting_values=list(settings.values()))
    return _made_text("cn_report_page", _context(context), Report(**report))


# ---- version ----------------------------------------------------------------------------------


def version_number():
    """Of the library that was found, such as 10000."""
    return _call("cn_version_number")


def version_string():
    """The same as text."""
    return _call("cn_version_string")


def status_string(status):
    """A short text for a status."""
    return _call("cn_status_string", Status.of(status))


__version__ = version_string()
if version_number() // 10000 != 1:
    raise ImportError(f"convnet: this is for libconvnet 1, and {_functions._library._name} is {__version__}")
