/* SPDX-License-Identifier: MIT
 *
 * convnet.hpp: libconvnet for C++17 and later. Nothing but a header: it calls the functions of convnet.h, and programs link
 * as they would in C.
 *
 *     convnet::context context;
 *     auto train = convnet::dataset::synthetic(context, CN_SPLIT_TRAIN, 4000, 1);
 *     auto model = convnet::model::session8(context);
 *     convnet::trainer trainer(model, train);
 *     trainer.fit(3, [](const cn_epoch_info &epoch) { std::printf("%g\n", epoch.train_loss); });
 *
 * Names are those of convnet.h without their beginning: cn_model_freeze is model::freeze, cn_conv2d_new is conv2d, and
 * `man cn_model_freeze` is the reference. Enums are C's.
 *
 *  Handles    are classes that can be moved and not copied, and free what they hold. The context lives as long as anything
 *             made from it; all else is as in C: a model must outlive its trainers, optimizers and predictors, data sets
 *             the trainers that read them. get() gives the handle for a call of convnet.h.
 *  Options    are C's structs, already filled with their defaults (convnet::trainer_options options;), with vectors, strings
 *             and functions where C has pointers. What they point to is copied.
 *  Errors     are thrown as convnet::error, with the library's message and status.
 *  Callbacks  are std::functions. What they throw comes out of the call that led to it; `log`, `trace`, `allocate` and
 *             `release` of a context must not throw.
 *  Tensors    travel as tensor_view, which any tensor becomes, as strings become string_view.
 *
 * A program that is compiled without exceptions defines `void convnet::failed(const convnet::error &)`, which must not
 * return: it is called instead of throwing. */
#ifndef CONVNET_HPP
#define CONVNET_HPP

#include "convnet.h"

#include <array>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>
#ifdef __cpp_exceptions
#include <exception>
#else
#include <cstdlib>
#endif

namespace convnet {

// ---- errors -----------------------------------------------------------------------------------

/// What a call found wrong: what() is the library's message.
class error : public std::runtime_error {
  public:
    error(cn_status status, const char *message) : std::runtime_error(message), status_(status) {}
    cn_status status() const noexcept { return status_; }

  private:
    cn_status status_;
};

#ifndef __cpp_exceptions
[[noreturn]] void failed(const error &what); // the program's
#endif

namespace detail {

/// A context, which lives as long as anything that is made from it, and what a callback has thrown.
struct state {
    cn_context *context = nullptr;
    std::function<void(cn_log_level, const char *)> log;
    std::function<void(const cn_trace_event &)> trace;
    std::function<void *(std::size_t, std::size_t)> allocate;
    std::function<void(void *)> release;
    std::mutex lock;
#ifdef __cpp_exceptions
    std::exception_ptr thrown;
#endif
    state() = default;
    state(const state &) = delete;
    state &operator=(const state &) = delete;
    ~state() { cn_context_free(context); }
};

using shared = std::shared_ptr<state>;

/// Runs a callback; what it throws is kept, and `failure` stands for it.
template <class Function, class Result> Result guarded(state *of, Result failure, Function function) {
#ifdef __cpp_exceptions
    try {
        return function();
    } catch (...) {
        std::lock_guard<std::mutex> guard(of->lock);
        if (!of->thrown)
            of->thrown = std::current_exception();
        return failure;
    }
#else
    (void)of, (void)failure;
    return function();
#endif
}

inline void rethrow(state *of) {
#ifdef __cpp_exceptions
    std::exception_ptr thrown;
    if (of) {
        std::lock_guard<std::mutex> guard(of->lock);
        std::swap(thrown, of->thrown);
    }
    if (thrown)
        std::rethrow_exception(thrown);
#else
    (void)of;
#endif
}

[[noreturn]] inline void fail(const error &what) {
#ifdef __cpp_exceptions
    throw what;
#else
    failed(what);
#endif
}

inline void check(cn_status status, state *of) {
    if (status == CN_OK)
        return;
    const error what(status, cn_last_error());
    rethrow(of);
    fail(what);
}

inline void check(cn_status status, const shared &of) { check(status, of.get()); }

/// Calls a function that hands something out through its last parameter.
template <class Out, class... Parameters, class... Arguments>
Out made(const shared &of, cn_status (*function)(Parameters...), Arguments... arguments) {
    Out out{};
    check(function(arguments..., &out), of);
    return out;
}

template <class... Parameters, class... Arguments>
std::string text(const shared &of, cn_status (*function)(Parameters...), Arguments... arguments) {
    char *found = made<char *>(of, function, arguments...);
    std::string copy(found);
    cn_text_free(found);
    return copy;
}

/// How many there are in each of two that go together.
template <class First, class Second> int both(const First &first, const Second &second, const char *what) {
    if (first.size() != second.size())
        fail(error(CN_ERR_ARGUMENT, what));
    return static_cast<int>(first.size());
}

template <class Container> std::int64_t count(const Container &container) {
    return static_cast<std::int64_t>(container.size());
}

inline std::vector<const char *> pointers(const std::vector<std::string> &texts) {
    std::vector<const char *> found;
    for (const std::string &text : texts)
        found.push_back(text.c_str());
    return found;
}

/// A handle and what has to live as long as it.
template <class Handle, void (*Free)(Handle *)> class owner {
  public:
    owner(owner &&other) noexcept
        : state_(std::move(other.state_)), kept_(std::move(other.kept_)),
          handle_(std::exchange(other.handle_, nullptr)) {}
    owner &operator=(owner &&other) noexcept {
        std::swap(state_, other.state_);
        std::swap(kept_, other.kept_);
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~owner() {
        if (handle_)
            Free(handle_);
    }

    /// The handle, for a call of convnet.h.
    Handle *get() const noexcept { return handle_; }
    /// The same, which the caller then frees.
    Handle *release() noexcept { return std::exchange(handle_, nullptr); }
    /// The context that it belongs to.
    const shared &state() const noexcept { return state_; }

  protected:
    owner(shared of, Handle *handle, std::shared_ptr<void> kept = nullptr)
        : state_(std::move(of)), kept_(std::move(kept)), handle_(handle) {}
    void check(cn_status status) const { detail::check(status, state_); }

    shared state_;
    std::shared_ptr<void> kept_;
    Handle *handle_;
};

/// Either a function that returns whether to stop, or one that returns nothing.
template <class... Arguments> class steering {
  public:
    steering() = default;
    steering(std::nullptr_t) {}
    template <class Function, class = std::enable_if_t<std::is_invocable_v<Function &, Arguments...>>>
    steering(Function function) {
        if constexpr (std::is_void_v<std::invoke_result_t<Function &, Arguments...>>)
            function_ = [function](Arguments... arguments) mutable { return function(arguments...), false; };
        else
            function_ = [function](Arguments... arguments) mutable { return bool(function(arguments...)); };
    }
    explicit operator bool() const { return bool(function_); }
    int operator()(state *of, Arguments... arguments) const {
        return guarded(of, 1, [&] { return function_(arguments...) ? 1 : 0; });
    }

  private:
    std::function<bool(Arguments...)> function_;
};

/// A struct with its defaults.
template <class Struct, void (*Init)(Struct *, std::size_t)> struct filled : Struct {
    filled() : Struct() { Init(this, sizeof(Struct)); }
};

} // namespace detail

// ---- options that are as in C -----------------------------------------------------------------

using conv2d_options = detail::filled<cn_conv2d_options, cn_conv2d_options_init>;
using conv_transpose2d_options = detail::filled<cn_conv_transpose2d_options, cn_conv_transpose2d_options_init>;
using norm_options = detail::filled<cn_norm_options, cn_norm_options_init>;
using pool2d_options = detail::filled<cn_pool2d_options, cn_pool2d_options_init>;
using upsample_options = detail::filled<cn_upsample_options, cn_upsample_options_init>;
using session8_options = detail::filled<cn_session8_options, cn_session8_options_init>;
using zoo_options = detail::filled<cn_zoo_options, cn_zoo_options_init>;
using save_options = detail::filled<cn_save_options, cn_save_options_init>;
using onnx_options = detail::filled<cn_onnx_options, cn_onnx_options_init>;
using export_c_options = detail::filled<cn_export_c_options, cn_export_c_options_init>;
using folder_options = detail::filled<cn_folder_options, cn_folder_options_init>;
using target_options = detail::filled<cn_target_options, cn_target_options_init>;
using augmentation = detail::filled<cn_augmentation, cn_augmentation_init>;
using predictor_options = detail::filled<cn_predictor_options, cn_predictor_options_init>;
using communicator = detail::filled<cn_communicator, cn_communicator_init>;
using device = detail::filled<cn_device, cn_device_init>;
using layer_info = detail::filled<cn_layer_info, cn_layer_info_init>;
using epoch_info = detail::filled<cn_epoch_info, cn_epoch_info_init>;
using output_info = detail::filled<cn_output_info, cn_output_info_init>;
using misclassified = detail::filled<cn_misclassified, cn_misclassified_init>;

using shape3 = std::array<std::int64_t, 3>;

/// A height and a width; one number is both.
struct size2 {
    int height, width;
    size2(int both) : height(both), width(both) {}
    size2(int height_, int width_) : height(height_), width(width_) {}
};

// ---- context ----------------------------------------------------------------------------------

struct context_options : detail::filled<cn_context_options, cn_context_options_init> {
    std::function<void(cn_log_level, const char *)> log;
    std::function<void(const cn_trace_event &)> trace;
    std::function<void *(std::size_t bytes, std::size_t alignment)> allocate; ///< with release, or neither
    std::function<void(void *)> release;
};

struct layer_definition;

/// Where work runs.
class context {
  public:
    explicit context(const context_options &options = {}) : state_(std::make_shared<detail::state>()) {
        cn_context_options c = options;
        state_->log = options.log;
        state_->trace = options.trace;
        state_->allocate = options.allocate;
        state_->release = options.release;
        c.user = state_.get();
        if (options.log)
            c.log = [](void *user, cn_log_level level, const char *message) noexcept {
                static_cast<detail::state *>(user)->log(level, message);
            };
        if (options.trace)
            c.trace = [](void *user, const cn_trace_event *event) noexcept {
                static_cast<detail::state *>(user)->trace(*event);
            };
        if (options.allocate)
            c.allocate = [](void *user, std::size_t bytes, std::size_t alignment) noexcept {
                return static_cast<detail::state *>(user)->allocate(bytes, alignment);
            };
        if (options.release)
            c.release = [](void *user, void *memory) noexcept { static_cast<detail::state *>(user)->release(memory); };
        detail::check(cn_context_new(&c, &state_->context), state_);
    }

    cn_context *get() const noexcept { return state_->context; }
    const detail::shared &state() const noexcept { return state_; }
    convnet::device device() const {
        convnet::device found;
        detail::check(cn_context_device(get(), &found), state_);
        return found;
    }
    std::size_t memory() const { return cn_context_memory(get()); }
    std::size_t memory_peak() const { return cn_context_memory_peak(get()); }
    void register_layer(const layer_definition &definition) const;

  private:
    detail::shared state_;
};

// ---- tensors ----------------------------------------------------------------------------------

/// Elements one after the other.
template <class T> class span {
  public:
    span(T *data, std::size_t size) : data_(data), size_(size) {}
    T *data() const { return data_; }
    std::size_t size() const { return size_; }
    T *begin() const { return data_; }
    T *end() const { return data_ + size_; }
    T &operator[](std::size_t index) const { return data_[index]; }

  private:
    T *data_;
    std::size_t size_;
};

namespace detail {
template <class T> constexpr cn_dtype dtype_of() {
    using Element = std::remove_const_t<T>;
    static_assert(std::is_same_v<Element, float> || std::is_same_v<Element, std::uint8_t> ||
                      std::is_same_v<Element, std::int64_t>,
                  "tensors hold float, uint8_t or int64_t");
    return std::is_same_v<Element, float>          ? CN_DTYPE_FLOAT32
           : std::is_same_v<Element, std::uint8_t> ? CN_DTYPE_UINT8
                                                   : CN_DTYPE_INT64;
}

inline void want_dtype(cn_dtype is, cn_dtype wanted) {
    if (is != wanted)
        fail(error(CN_ERR_SHAPE, "convnet::tensor: its elements are of another type"));
}
} // namespace detail

/// A tensor that is somebody's, to be read; or none.
class tensor_view {
  public:
    tensor_view(std::nullptr_t = nullptr) {}
    tensor_view(const cn_tensor *handle) : tensor_(handle) {}

    const cn_tensor *get() const noexcept { return tensor_; }
    explicit operator bool() const noexcept { return tensor_ != nullptr; }
    cn_dtype dtype() const { return cn_tensor_dtype(tensor_); }
    int dims() const { return cn_tensor_dims(tensor_); }
    std::int64_t count() const { return cn_tensor_count(tensor_); }
    std::int64_t shape(int dimension) const { return cn_tensor_shape(tensor_, dimension); }
    std::vector<std::int64_t> shape() const {
        std::vector<std::int64_t> extents;
        for (int i = 0; i < dims(); i++)
            extents.push_back(shape(i));
        return extents;
    }
    /// Its elements; CN_ERR_SHAPE: they are of another type.
    template <class T> span<const T> data() const {
        detail::want_dtype(dtype(), detail::dtype_of<T>());
        return {static_cast<const T *>(cn_tensor_data_const(tensor_)), static_cast<std::size_t>(count())};
    }
    std::int64_t argmax(std::int64_t row = 0) const { return cn_tensor_argmax(tensor_, row); }
    void save_npy(const std::string &path) const { detail::check(cn_tensor_save_npy(tensor_, path.c_str()), nullptr); }

  private:
    const cn_tensor *tensor_ = nullptr;
};

/// A tensor, the program's own or one that a model or a collection has lent out.
class tensor : public detail::owner<cn_tensor, cn_tensor_free> {
  public:
    tensor(const context &ctx, cn_dtype dtype, const std::vector<std::int64_t> &shape)
        : owner(ctx.state(), detail::made<cn_tensor *>(ctx.state(), cn_tensor_new, ctx.get(), dtype,
                                                       static_cast<int>(shape.size()), shape.data())) {}
    tensor(detail::shared of, cn_tensor *handle) : owner(std::move(of), handle) {}
    tensor(tensor &&) noexcept = default;
    tensor &operator=(tensor &&other) noexcept {
        owner::operator=(std::move(other));
        std::swap(lent_, other.lent_);
        return *this;
    }
    ~tensor() {
        if (lent_)
            release();
    }

    /// Over memory of the program's, which is not copied.
    template <class T> static tensor borrow(const context &ctx, const std::vector<std::int64_t> &shape, T *data) {
        cn_tensor *handle;
        if constexpr (std::is_const_v<T>)
            handle = detail::made<cn_tensor *>(ctx.state(), cn_tensor_borrow_const, ctx.get(), detail::dtype_of<T>(),
                                               static_cast<int>(shape.size()), shape.data(), data);
        else
            handle = detail::made<cn_tensor *>(ctx.state(), cn_tensor_borrow, ctx.get(), detail::dtype_of<T>(),
                                               static_cast<int>(shape.size()), shape.data(), data);
        return tensor(ctx.state(), handle);
    }
    static tensor lent(detail::shared of, cn_tensor *handle) {
        tensor found(std::move(of), handle);
        found.lent_ = true;
        return found;
    }
    static tensor load_npy(const context &ctx, const std::string &path) {
        return {ctx.state(), detail::made<cn_tensor *>(ctx.state(), cn_tensor_load_npy, ctx.get(), path.c_str())};
    }
    static tensor load_npz(const context &ctx, const std::string &path, const std::string &name) {
        return {ctx.state(),
                detail::made<cn_tensor *>(ctx.state(), cn_tensor_load_npz, ctx.get(), path.c_str(), name.c_str())};
    }

    operator tensor_view() const { return tensor_view(get()); }
    tensor_view view() const { return *this; }
    cn_dtype dtype() const { return view().dtype(); }
    int dims() const { return view().dims(); }
    std::int64_t count() const { return view().count(); }
    std::int64_t shape(int dimension) const { return view().shape(dimension); }
    std::vector<std::int64_t> shape() const { return view().shape(); }
    std::int64_t argmax(std::int64_t row = 0) const { return view().argmax(row); }
    void save_npy(const std::string &path) const { view().save_npy(path); }
    template <class T> span<const T> data() const { return view().data<T>(); }
    template <class T> span<T> data() {
        detail::want_dtype(dtype(), detail::dtype_of<T>());
        return {static_cast<T *>(cn_tensor_data(get())), static_cast<std::size_t>(count())};
    }

  private:
    bool lent_ = false;
};

namespace detail {
inline cn_tensor *or_null(tensor *maybe) { return maybe ? maybe->get() : nullptr; }

inline std::vector<const cn_tensor *> pointers(const std::vector<tensor_view> &tensors) {
    std::vector<const cn_tensor *> found;
    for (const tensor_view &each : tensors)
        found.push_back(each.get());
    return found;
}

inline std::vector<cn_tensor *> pointers(const std::vector<tensor *> &tensors) {
    std::vector<cn_tensor *> found;
    for (tensor *each : tensors)
        found.push_back(or_null(each));
    return found;
}

template <class... Parameters, class... Arguments>
tensor tensor_made(const shared &of, cn_status (*function)(Parameters...), Arguments... arguments) {
    return tensor(of, made<cn_tensor *>(of, function, arguments...));
}
} // namespace detail

// ---- pictures ---------------------------------------------------------------------------------

inline tensor image_load(const context &ctx, const std::string &path) {
    return detail::tensor_made(ctx.state(), cn_image_load, ctx.get(), path.c_str());
}
inline tensor image_load_memory(const context &ctx, const void *data, std::size_t bytes) {
    return detail::tensor_made(ctx.state(), cn_image_load_memory, ctx.get(), data, bytes);
}
inline tensor image_load_mask(const context &ctx, const std::string &path) {
    return detail::tensor_made(ctx.state(), cn_image_load_mask, ctx.get(), path.c_str());
}
inline void image_save(tensor_view image, const std::string &path) {
    detail::check(cn_image_save(image.get(), path.c_str()), nullptr);
}
inline tensor image_encode_png(const context &ctx, tensor_view image) {
    return detail::tensor_made(ctx.state(), cn_image_encode_png, image.get());
}
inline tensor image_resize(const context &ctx, tensor_view image, size2 size) {
    return detail::tensor_made(ctx.state(), cn_image_resize, image.get(), size.height, size.width);
}
inline tensor image_fit(const context &ctx, tensor_view image, int channels, size2 size) {
    return detail::tensor_made(ctx.state(), cn_image_fit, image.get(), channels, size.height, size.width);
}
inline tensor image_overlay(const context &ctx, tensor_view image, tensor_view map, float opacity) {
    return detail::tensor_made(ctx.state(), cn_image_overlay, image.get(), map.get(), opacity);
}

// ---- layers -----------------------------------------------------------------------------------

/// A layer that no model has taken yet.
class layer : public detail::owner<cn_layer, cn_layer_free> {
  public:
    template <class... Parameters, class... Arguments>
    layer(const context &ctx, cn_status (*function)(cn_context *, Parameters...), Arguments... arguments)
        : owner(ctx.state(), detail::made<cn_layer *>(ctx.state(), function, ctx.get(), arguments...)) {}
};

inline layer conv2d(const context &ctx, int in_channels, int out_channels, size2 kernel,
                    const cn_conv2d_options &options = conv2d_options()) {
    return {ctx, cn_conv2d_new, in_channels, out_channels, kernel.height, kernel.width, &options};
}
inline layer conv_transpose2d(const context &ctx, int in_channels, int out_channels, size2 kernel,
                              const cn_conv_transpose2d_options &options = conv_transpose2d_options()) {
    return {ctx, cn_conv_transpose2d_new, in_channels, out_channels, kernel.height, kernel.width, &options};
}
inline layer linear(const context &ctx, int in_features, int out_features, bool bias = true) {
    return {ctx, cn_linear_new, in_features, out_features, bias ? 1 : 0};
}
inline layer norm(const context &ctx, cn_norm_kind kind, int channels,
                  const cn_norm_options &options = norm_options()) {
    return {ctx, cn_norm_new, kind, channels, &options};
}
inline layer layer_norm2d(const context &ctx, int channels, const cn_norm_options &options = norm_options()) {
    return {ctx, cn_layer_norm2d_new, channels, &options};
}
inline layer local_response_norm(const context &ctx, int size, float alpha = 1e-4f, float beta = 0.75f,
                                 float k = 1.0f) {
    return {ctx, cn_local_response_norm_new, size, alpha, beta, k};
}
inline layer relu(const context &ctx) { return {ctx, cn_relu_new}; }
inline layer leaky_relu(const context &ctx, float negative_slope = 0.01f) {
    return {ctx, cn_leaky_relu_new, negative_slope};
}
inline layer elu(const context &ctx, float alpha = 1.0f) { return {ctx, cn_elu_new, alpha}; }
inline layer sigmoid(const context &ctx) { return {ctx, cn_sigmoid_new}; }
inline layer tanh(const context &ctx) { return {ctx, cn_tanh_new}; }
inline layer silu(const context &ctx) { return {ctx, cn_silu_new}; }
inline layer mish(const context &ctx) { return {ctx, cn_mish_new}; }
inline layer softplus(const context &ctx, float beta = 1.0f, float threshold = 20.0f) {
    return {ctx, cn_softplus_new, beta, threshold};
}
inline layer hardtanh(const context &ctx, float min_val = -1.0f, float max_val = 1.0f) {
    return {ctx, cn_hardtanh_new, min_val, max_val};
}
inline layer relu6(const context &ctx) { return {ctx, cn_relu6_new}; }
inline layer hardsigmoid(const context &ctx) { return {ctx, cn_hardsigmoid_new}; }
inline layer hardswish(const context &ctx) { return {ctx, cn_hardswish_new}; }
inline layer softsign(const context &ctx) { return {ctx, cn_softsign_new}; }
inline layer affine(const context &ctx, float scale, float shift) { return {ctx, cn_affine_new, scale, shift}; }
inline layer prelu(const context &ctx, int num_parameters = 1) { return {ctx, cn_prelu_new, num_parameters}; }
inline layer gelu(const context &ctx, cn_gelu_kind approximate = CN_GELU_EXACT) {
    return {ctx, cn_gelu_new, approximate};
}
inline layer dropout(const context &ctx, float p = 0.5f) { return {ctx, cn_dropout_new, p}; }
inline layer max_pool2d(const context &ctx, size2 kernel, const cn_pool2d_options &options = pool2d_options()) {
    return {ctx, cn_max_pool2d_new, kernel.height, kernel.width, &options};
}
inline layer avg_pool2d(const context &ctx, size2 kernel, const cn_pool2d_options &options = pool2d_options()) {
    return {ctx, cn_avg_pool2d_new, kernel.height, kernel.width, &options};
}
inline layer adaptive_avg_pool2d(const context &ctx, size2 output) {
    return {ctx, cn_adaptive_avg_pool2d_new, output.height, output.width};
}
inline layer adaptive_max_pool2d(const context &ctx, size2 output) {
    return {ctx, cn_adaptive_max_pool2d_new, output.height, output.width};
}
inline layer upsample(const context &ctx, const cn_upsample_options &options) {
    return {ctx, cn_upsample_new, &options};
}
inline layer add(const context &ctx) { return {ctx, cn_add_new}; }
inline layer mul(const context &ctx) { return {ctx, cn_mul_new}; }
inline layer concat(const context &ctx) { return {ctx, cn_concat_new}; }
inline layer identity(const context &ctx) { return {ctx, cn_identity_new}; }
inline layer flatten(const context &ctx) { return {ctx, cn_flatten_new}; }
inline layer reshape(const context &ctx, int channels, int height, int width) {
    return {ctx, cn_reshape_new, channels, height, width};
}
inline layer pixel_shuffle(const context &ctx, int upscale_factor) {
    return {ctx, cn_pixel_shuffle_new, upscale_factor};
}
inline layer pixel_unshuffle(const context &ctx, int downscale_factor) {
    return {ctx, cn_pixel_unshuffle_new, downscale_factor};
}
inline layer channel_shuffle(const context &ctx, int groups) { return {ctx, cn_channel_shuffle_new, groups}; }
inline layer narrow(const context &ctx, int start, int length) { return {ctx, cn_narrow_new, start, length}; }
/// Left, right, top, bottom.
inline layer pad2d(const context &ctx, const std::array<int, 4> &padding, cn_padding_mode mode = CN_PADDING_ZEROS,
                   float value = 0.0f) {
    return {ctx, cn_pad2d_new, padding.data(), mode, value};
}
inline layer softmax(const context &ctx) { return {ctx, cn_softmax_new}; }
inline layer log_softmax(const context &ctx) { return {ctx, cn_log_softmax_new}; }
/// A layer of a type that context::register_layer has made known; `options` is the program's struct, or NULL.
inline layer custom_layer(const context &ctx, const std::string &type, const void *options = nullptr) {
    return {ctx, cn_custom_layer_new, type.c_str(), options};
}

/// A type of layer that the program computes. What its functions throw comes out of the call that ran them.
struct layer_definition : detail::filled<cn_layer_definition, cn_layer_definition_init> {
    std::vector<cn_layer_option> options; ///< CN_INT_OPTION, CN_FLOAT_OPTION; options_size is to be set
    std::function<int(const void *options, cn_layer_parameter *parameters)> parameters;
    std::function<shape3(const void *options, span<const shape3> inputs)> shape;
    std::function<std::int64_t(const void *options, const shape3 &input, const shape3 &output)> multiply_adds;
    std::function<void(const cn_layer_pass &)> forward, backward;
};

namespace detail {
struct layer_functions {
    state *of;
    layer_definition definition;

    static layer_functions *at(void *user) { return static_cast<layer_functions *>(user); }
    static shape3 shape_at(const std::int64_t *extents) { return {extents[0], extents[1], extents[2]}; }
    static int parameters(void *user, const void *options, cn_layer_parameter *described) {
        return guarded(at(user)->of, -1, [&] { return at(user)->definition.parameters(options, described); });
    }
    static cn_status shape(void *user, const void *options, int inputs, const std::int64_t (*shapes)[3],
                           std::int64_t output[3]) {
        return guarded(at(user)->of, CN_ERR_STATE, [&] {
            std::vector<shape3> copies;
            for (int i = 0; i < inputs; i++)
                copies.push_back(shape_at(shapes[i]));
            const shape3 found = at(user)->definition.shape(options, {copies.data(), copies.size()});
            for (std::size_t i = 0; i < 3; i++)
                output[i] = found[i];
            return CN_OK;
        });
    }
    static std::int64_t multiply_adds(void *user, const void *options, const std::int64_t input[3],
                                      const std::int64_t output[3]) {
        return guarded(at(user)->of, std::int64_t(0),
                       [&] { return at(user)->definition.multiply_adds(options, shape_at(input), shape_at(output)); });
    }
    static cn_status forward(const cn_layer_pass *pass) { return run(pass, at(pass->user)->definition.forward); }
    static cn_status backward(const cn_layer_pass *pass) { return run(pass, at(pass->user)->definition.backward); }
    static cn_status run(const cn_layer_pass *pass, const std::function<void(const cn_layer_pass &)> &function) {
        layer_functions *own = at(pass->user);
        return guarded(own->of, CN_ERR_STATE, [&] {
            cn_layer_pass copy = *pass;
            copy.user = own->definition.user;
            function(copy);
            return CN_OK;
        });
    }
    static void release(void *user) { delete at(user); }
};
} // namespace detail

inline void context::register_layer(const layer_definition &definition) const {
    auto own = std::make_unique<detail::layer_functions>(detail::layer_functions{state_.get(), definition});
    cn_layer_definition c = definition;
    c.options = definition.options.data();
    c.option_count = static_cast<int>(definition.options.size());
    c.parameters = definition.parameters ? detail::layer_functions::parameters : nullptr;
    c.shape = definition.shape ? detail::layer_functions::shape : nullptr;
    c.multiply_adds = definition.multiply_adds ? detail::layer_functions::multiply_adds : nullptr;
    c.forward = definition.forward ? detail::layer_functions::forward : nullptr;
    c.backward = definition.backward ? detail::layer_functions::backward : nullptr;
    c.release = detail::layer_functions::release;
    c.user = own.get();
    detail::check(cn_context_register_layer(get(), &c), state_);
    own.release();
}

// ---- named tensors ----------------------------------------------------------------------------

/// Named tensors with texts beside them, out of files and into them.
class tensors : public detail::owner<cn_tensors, cn_tensors_free> {
  public:
    explicit tensors(const context &ctx)
        : owner(ctx.state(), detail::made<cn_tensors *>(ctx.state(), cn_tensors_new, ctx.get())) {}
    tensors(detail::shared of, cn_tensors *handle) : owner(std::move(of), handle) {}
    static tensors load(const context &ctx, const std::string &path) {
        return {ctx.state(), detail::made<cn_tensors *>(ctx.state(), cn_tensors_load, ctx.get(), path.c_str())};
    }
    static tensors load_memory(const context &ctx, const void *data, std::size_t bytes) {
        return {ctx.state(), detail::made<cn_tensors *>(ctx.state(), cn_tensors_load_memory, ctx.get(), data, bytes)};
    }

    std::int64_t count() const { return cn_tensors_count(get()); }
    const char *name(std::int64_t index) const { return cn_tensors_name(get(), index); }
    /// The tensor of that name, until it is removed.
    tensor at(const std::string &name) {
        return tensor::lent(state_, detail::made<cn_tensor *>(state_, cn_tensors_get, get(), name.c_str()));
    }
    tensor_view at(const std::string &name) const {
        return detail::made<const cn_tensor *>(state_, cn_tensors_get_const, get(), name.c_str());
    }
    void add(const std::string &name, tensor_view copied) { check(cn_tensors_add(get(), name.c_str(), copied.get())); }
    void remove(const std::string &name) { check(cn_tensors_remove(get(), name.c_str())); }
    const char *metadata(const std::string &key) const { return cn_tensors_metadata(get(), key.c_str()); }
    void set_metadata(const std::string &key, const char *value) {
        check(cn_tensors_set_metadata(get(), key.c_str(), value));
    }
    std::int64_t metadata_count() const { return cn_tensors_metadata_count(get()); }
    const char *metadata_key(std::int64_t index) const { return cn_tensors_metadata_key(get(), index); }
    void save(const std::string &path, const cn_save_options &options = save_options()) const {
        check(cn_tensors_save(get(), path.c_str(), &options));
    }
    tensor save_memory(const std::string &kind, const cn_save_options &options = save_options()) const {
        return detail::tensor_made(state_, cn_tensors_save_memory, get(), kind.c_str(), &options);
    }
};

struct load_options : detail::filled<cn_load_options, cn_load_options_init> {
    std::vector<std::pair<std::string, std::string>> renames; ///< how names begin in the file, and in the model
    std::function<void(cn_load_result, const char *name, const char *message)> report;
};

namespace detail {
/// Load options for the time of one call.
struct bound_load {
    cn_load_options c;
    bound_load(const load_options &options, state *of) : c(options), of_(of), report_(options.report) {
        for (const auto &[from, to] : options.renames)
            names_.insert(names_.end(), {from.c_str(), to.c_str()});
        names_.push_back(nullptr);
        c.renames = options.renames.empty() ? nullptr : names_.data();
        c.user = this;
        if (report_)
            c.report = [](void *user, cn_load_result result, const char *name, const char *message) {
                const bound_load *own = static_cast<bound_load *>(user);
                guarded(own->of_, 0, [&] { return own->report_(result, name, message), 0; });
            };
    }
    bound_load(const bound_load &) = delete;
    bound_load &operator=(const bound_load &) = delete;

  private:
    state *of_;
    std::function<void(cn_load_result, const char *, const char *)> report_;
    std::vector<const char *> names_;
};
} // namespace detail

// ---- models -----------------------------------------------------------------------------------

class predictor;

/// A graph of named layers with their parameters.
class model : public detail::owner<cn_model, cn_model_free> {
  public:
    model(const context &ctx, int channels, size2 size)
        : owner(ctx.state(),
                detail::made<cn_model *>(ctx.state(), cn_model_new, ctx.get(), channels, size.height, size.width)) {}
    model(detail::shared of, cn_model *handle) : owner(std::move(of), handle) {}
    static model session8(const context &ctx, const cn_session8_options &options = session8_options()) {
        return {ctx.state(), detail::made<cn_model *>(ctx.state(), cn_model_session8, ctx.get(), &options)};
    }
    static model session8_pretrained(const context &ctx) {
        return {ctx.state(), detail::made<cn_model *>(ctx.state(), cn_model_session8_pretrained, ctx.get())};
    }
    static model mnist(const context &ctx, int which, std::uint64_t seed = 0) {
        return {ctx.state(), detail::made<cn_model *>(ctx.state(), cn_model_mnist, ctx.get(), which, seed)};
    }
    static model zoo(const context &ctx, const std::string &name, const cn_zoo_options &options = zoo_options()) {
        return {ctx.state(), detail::made<cn_model *>(ctx.state(), cn_model_zoo, ctx.get(), name.c_str(), &options)};
    }
    static model load(const context &ctx, const std::string &path) {
        return {ctx.state(), detail::made<cn_model *>(ctx.state(), cn_model_load, ctx.get(), path.c_str())};
    }
    static model load_memory(const context &ctx, const void *data, std::size_t bytes) {
        return {ctx.state(), detail::made<cn_model *>(ctx.state(), cn_model_load_memory, ctx.get(), data, bytes)};
    }

    // building
    model &append(const std::string &name, layer &&taken) {
        check(cn_model_append(get(), name.c_str(), taken.release()));
        return *this;
    }
    model &add(const std::string &name, layer &&taken, const std::vector<std::string> &inputs) {
        check(cn_model_add(get(), name.c_str(), taken.release(), static_cast<int>(inputs.size()),
                           detail::pointers(inputs).data()));
        return *this;
    }
    model &add_input(const std::string &name, int channels, size2 size) {
        check(cn_model_add_input(get(), name.c_str(), channels, size.height, size.width));
        return *this;
    }
    model &set_outputs(const std::vector<std::string> &names) {
        check(cn_model_set_outputs(get(), detail::count(names), detail::pointers(names).data()));
        return *this;
    }
    model &replace(const std::string &name, layer &&taken) {
        check(cn_model_replace(get(), name.c_str(), taken.release()));
        return *this;
    }
    model &replace_output(int outputs) {
        check(cn_model_replace_output(get(), outputs));
        return *this;
    }
    model &init(std::uint64_t seed = 0) {
        check(cn_model_init(get(), seed));
        return *this;
    }
    model &init_pytorch(std::uint64_t seed = 0) {
        check(cn_model_init_pytorch(get(), seed));
        return *this;
    }
    model &freeze(const std::string &pattern, bool frozen = true) {
        check(cn_model_freeze(get(), pattern.c_str(), frozen ? 1 : 0));
        return *this;
    }
    model until(const std::string &name) const {
        return {state_, detail::made<cn_model *>(state_, cn_model_until, get(), name.c_str())};
    }

    // what it is
    const char *output_layer() const { return cn_model_output_layer(get()); }
    std::int64_t tensor_count() const { return cn_model_tensor_count(get()); }
    const char *tensor_name(std::int64_t index) const { return cn_model_tensor_name(get(), index); }
    std::int64_t parameter_count() const { return cn_model_parameter_count(get()); }
    bool frozen(const std::string &name) const { return cn_model_frozen(get(), name.c_str()) != 0; }
    std::int64_t input_count() const { return cn_model_input_count(get()); }
    std::int64_t output_count() const { return cn_model_output_count(get()); }
    const char *input_name(std::int64_t index) const { return cn_model_input_name(get(), index); }
    const char *output_name(std::int64_t index) const { return cn_model_output_name(get(), index); }
    shape3 input_shape() const {
        shape3 shape;
        cn_model_input_shape(get(), shape.data());
        return shape;
    }
    shape3 output_shape() const {
        shape3 shape;
        cn_model_output_shape(get(), shape.data());
        return shape;
    }
    shape3 input_shape(std::int64_t index) const {
        shape3 shape;
        cn_model_input_shape_at(get(), index, shape.data());
        return shape;
    }
    shape3 output_shape(std::int64_t index) const {
        shape3 shape;
        cn_model_output_shape_at(get(), index, shape.data());
        return shape;
    }
    /// Of an output for inputs of those shapes.
    shape3 output_shape_for(const std::vector<shape3> &inputs, std::int64_t index = 0) const {
        shape3 shape;
        check(cn_model_output_shape_for(get(), inputs.empty() ? nullptr : inputs[0].data(), index, shape.data()));
        return shape;
    }
    std::int64_t layer_count() const { return cn_model_layer_count(get()); }
    convnet::layer_info layer_info(std::int64_t index) const {
        convnet::layer_info info;
        check(cn_model_layer_info(get(), index, &info));
        return info;
    }
    std::string summary() const { return detail::text(state_, cn_model_summary, get()); }
    std::string receptive_field() const { return detail::text(state_, cn_model_receptive_field, get()); }
    cn_loss_kind loss() const { return cn_model_loss(get()); }

    // its tensors, which live as long as it
    convnet::tensor tensor(const std::string &name) {
        return tensor::lent(state_, detail::made<cn_tensor *>(state_, cn_model_tensor, get(), name.c_str()));
    }
    tensor_view tensor(const std::string &name) const {
        return detail::made<const cn_tensor *>(state_, cn_model_tensor_const, get(), name.c_str());
    }
    convnet::tensor gradient(const std::string &name) {
        return tensor::lent(state_, detail::made<cn_tensor *>(state_, cn_model_gradient, get(), name.c_str()));
    }
    tensors state_dict() const { return {state_, detail::made<cn_tensors *>(state_, cn_model_state_dict, get())}; }
    void load_tensors(const std::string &path) { check(cn_model_load_tensors(get(), path.c_str())); }
    void load_tensors(const std::string &path, const load_options &options) {
        loaded(options, [&](const cn_load_options *c) { return cn_model_load_tensors_with(get(), path.c_str(), c); });
    }
    void load_tensors_memory(const void *data, std::size_t bytes, const load_options &options = {}) {
        loaded(options, [&](const cn_load_options *c) { return cn_model_load_tensors_memory(get(), data, bytes, c); });
    }
    void load_state_dict(const tensors &from, const load_options &options = {}) {
        loaded(options, [&](const cn_load_options *c) { return cn_model_load_state_dict(get(), from.get(), c); });
    }

    // what goes with it
    void set_normalization(const std::vector<float> &mean, const std::vector<float> &std) {
        const int channels = detail::both(mean, std, "set_normalization: as many means as stds");
        check(cn_model_set_normalization(get(), channels, mean.data(), std.data()));
    }
    /// Mean and std of each channel, or none.
    std::pair<std::vector<float>, std::vector<float>> normalization() const {
        const float *mean, *std;
        const int channels = cn_model_normalization(get(), &mean, &std);
        return {std::vector<float>(mean, mean + channels), std::vector<float>(std, std + channels)};
    }
    void set_class_names(const std::vector<std::string> &names) {
        check(cn_model_set_class_names(get(), detail::count(names), detail::pointers(names).data()));
    }
    std::int64_t class_count() const { return cn_model_class_count(get()); }
    const char *class_name(std::int64_t index) const { return cn_model_class_name(get(), index); }
    void set_self_test(const std::vector<tensor_view> &inputs) {
        check(cn_model_set_self_test(get(), detail::count(inputs),
                                     inputs.empty() ? nullptr : detail::pointers(inputs).data()));
    }
    /// The largest difference; CN_ERR_NUMERIC: it is above `tolerance`.
    double self_test(double tolerance = 1e-4) const {
        return detail::made<double>(state_, cn_model_self_test, get(), tolerance);
    }
    tensor_view self_test_input(std::int64_t index = 0) const { return cn_model_self_test_input(get(), index); }
    tensor_view self_test_output(std::int64_t index = 0) const { return cn_model_self_test_output(get(), index); }

    // files
    void save(const std::string &path) const { check(cn_model_save(get(), path.c_str())); }
    void save(const std::string &path, const cn_save_options &options) const {
        check(cn_model_save_with(get(), path.c_str(), &options));
    }
    convnet::tensor save_memory() const { return detail::tensor_made(state_, cn_model_save_memory, get()); }
    convnet::tensor save_memory(const cn_save_options &options) const {
        return detail::tensor_made(state_, cn_model_save_memory_with, get(), &options);
    }
    void save_onnx(const std::string &path, const cn_onnx_options &options = onnx_options()) const {
        check(cn_model_save_onnx(get(), path.c_str(), &options));
    }
    convnet::tensor save_onnx_memory(const cn_onnx_options &options = onnx_options()) const {
        return detail::tensor_made(state_, cn_model_save_onnx_memory, get(), &options);
    }
    void export_c(const std::string &path, const cn_export_c_options &options = export_c_options()) const {
        check(cn_model_export_c(get(), path.c_str(), &options));
    }

    // a loop of one's own
    void forward(bool training, tensor_view input, convnet::tensor &output) {
        check(cn_model_forward(get(), training ? 1 : 0, input.get(), output.get()));
    }
    void backward(tensor_view grad_output, convnet::tensor *grad_input = nullptr) {
        check(cn_model_backward(get(), grad_output.get(), detail::or_null(grad_input)));
    }
    void forward_all(bool training, const std::vector<tensor_view> &inputs,
                     const std::vector<convnet::tensor *> &outputs) {
        check(cn_model_forward_all(get(), training ? 1 : 0, detail::count(inputs), detail::pointers(inputs).data(),
                                   detail::count(outputs), detail::pointers(outputs).data()));
    }
    void backward_all(const std::vector<tensor_view> &grad_outputs,
                      const std::vector<convnet::tensor *> &grad_inputs = {}) {
        check(cn_model_backward_all(get(), detail::count(grad_outputs), detail::pointers(grad_outputs).data(),
                                    detail::count(grad_inputs),
                                    grad_inputs.empty() ? nullptr : detail::pointers(grad_inputs).data()));
    }
    void accumulate_gradients(bool accumulate) { check(cn_model_accumulate_gradients(get(), accumulate ? 1 : 0)); }
    /// What the norm was.
    double clip_gradients_norm(double max_norm) {
        return detail::made<double>(state_, cn_model_clip_gradients_norm, get(), max_norm);
    }
    void clip_gradients_value(double max_value) { check(cn_model_clip_gradients_value(get(), max_value)); }
    std::int64_t training_passes() const { return cn_model_training_passes(get()); }
    void set_training_passes(std::int64_t passes) { check(cn_model_set_training_passes(get(), passes)); }
    convnet::tensor class_activation_map(tensor_view image, std::int64_t label) const {
        return detail::tensor_made(state_, cn_model_class_activation_map, get(), image.get(), label);
    }

  private:
    template <class Load> void loaded(const load_options &options, Load load) {
        detail::bound_load bound(options, state_.get());
        check(load(&bound.c));
        detail::rethrow(state_.get()); // `report` cannot stop it
    }
};

inline const char *zoo_name(int index) { return cn_zoo_name(index); }

// ---- data -------------------------------------------------------------------------------------

struct dataset_source : detail::filled<cn_dataset_source, cn_dataset_source_init> {
    std::vector<target_options> targets;
    std::function<void(std::int64_t index, std::uint8_t *pixels, std::int64_t *label)> fetch;
    std::function<void(std::int64_t index, void *image, void *const *targets)> fetch_sample;
};

namespace detail {
struct source_functions {
    state *of;
    std::function<void(std::int64_t, std::uint8_t *, std::int64_t *)> fetch;
    std::function<void(std::int64_t, void *, void *const *)> fetch_sample;
};
} // namespace detail

/// Images and what a model is to make of them. Views live on when what they show is freed.
class dataset : public detail::owner<cn_dataset, cn_dataset_free> {
  public:
    dataset(detail::shared of, cn_dataset *handle) : owner(std::move(of), handle) {}
    static dataset cifar10(const context &ctx, const std::string &directory, cn_split split) {
        return make(ctx, cn_dataset_cifar10, directory.c_str(), split);
    }
    static dataset cifar100(const context &ctx, const std::string &directory, cn_split split, bool coarse = false) {
        return make(ctx, cn_dataset_cifar100, directory.c_str(), split, coarse ? 1 : 0);
    }
    static dataset idx(const context &ctx, const std::string &directory, cn_split split) {
        return make(ctx, cn_dataset_idx, directory.c_str(), split);
    }
    static dataset idx_files(const context &ctx, const std::string &images, const std::string &labels) {
        return make(ctx, cn_dataset_idx_files, images.c_str(), labels.c_str());
    }
    /// Over memory of the tensors, which is not copied.
    static dataset memory(const context &ctx, tensor_view images, tensor_view labels = nullptr,
                          std::int64_t classes = 0) {
        return make(ctx, cn_dataset_memory, images.get(), labels.get(), classes);
    }
    static dataset npy(const context &ctx, const std::string &images, const char *targets = nullptr,
                       const cn_target_options *options = nullptr) {
        return make(ctx, cn_dataset_npy, images.c_str(), targets, options);
    }
    static dataset npz(const context &ctx, const std::string &path, cn_split split,
                       const cn_target_options *options = nullptr) {
        return make(ctx, cn_dataset_npz, path.c_str(), split, options);
    }
    static dataset folder(const context &ctx, const std::string &directory,
                          const cn_folder_options &options = folder_options()) {
        return make(ctx, cn_dataset_folder, directory.c_str(), &options);
    }
    static dataset folder_masks(const context &ctx, const std::string &directory,
                                const cn_folder_options &options = folder_options(),
                                const cn_target_options *mask = nullptr) {
        return make(ctx, cn_dataset_folder_masks, directory.c_str(), &options, mask);
    }
    static bool folder_has_parts(const context &ctx, const std::string &directory) {
        return detail::made<int>(ctx.state(), cn_dataset_folder_has_parts, ctx.get(), directory.c_str()) != 0;
    }
    static dataset callback(const context &ctx, const dataset_source &source) {
        auto own = std::make_unique<detail::source_functions>(
            detail::source_functions{ctx.state().get(), source.fetch, source.fetch_sample});
        const std::vector<cn_target_options> targets(source.targets.begin(), source.targets.end());
        cn_dataset_source c = source;
        c.targets = targets.data();
        c.target_count = static_cast<int>(targets.size());
        c.user = own.get();
        c.release = [](void *user) { delete static_cast<detail::source_functions *>(user); };
        if (source.fetch)
            c.fetch = [](void *user, std::int64_t index, std::uint8_t *pixels, std::int64_t *label) {
                auto *its = static_cast<detail::source_functions *>(user);
                return detail::guarded(its->of, 1, [&] { return its->fetch(index, pixels, label), 0; });
            };
        if (source.fetch_sample)
            c.fetch_sample = [](void *user, std::int64_t index, void *image, void *const *values) {
                auto *its = static_cast<detail::source_functions *>(user);
                return detail::guarded(its->of, 1, [&] { return its->fetch_sample(index, image, values), 0; });
            };
        dataset made = make(ctx, cn_dataset_callback, &c);
        own.release();
        return made;
    }
    static dataset synthetic(const context &ctx, cn_split split, std::int64_t count, std::uint64_t seed = 0) {
        return make(ctx, cn_dataset_synthetic, split, count, seed);
    }

    // views
    dataset subset(const std::vector<std::int64_t> &indices) const {
        return view(cn_dataset_subset, detail::count(indices), indices.data());
    }
    std::pair<dataset, dataset> split(double fraction, std::uint64_t seed = 0) const {
        cn_dataset *part, *rest;
        check(cn_dataset_split(get(), fraction, seed, &part, &rest));
        return {dataset(state_, part), dataset(state_, rest)};
    }
    std::pair<dataset, dataset> split_stratified(double fraction, std::uint64_t seed = 0) const {
        cn_dataset *part, *rest;
        check(cn_dataset_split_stratified(get(), fraction, seed, &part, &rest));
        return {dataset(state_, part), dataset(state_, rest)};
    }
    dataset shuffled(std::uint64_t seed = 0) const { return view(cn_dataset_shuffled, seed); }
    dataset match_classes(const model &net) const {
        return view(cn_dataset_match_classes, static_cast<const cn_model *>(net.get()));
    }
    std::vector<double> balanced_weights() const {
        std::vector<double> weights(static_cast<std::size_t>(count()));
        check(cn_dataset_balanced_weights(get(), count(), weights.data()));
        return weights;
    }

    // targets
    void add_target(tensor_view targets, const cn_target_options &options) {
        check(cn_dataset_add_target(get(), targets.get(), &options));
    }
    void clear_targets() { check(cn_dataset_clear_targets(get())); }
    int target_count() const { return cn_dataset_target_count(get()); }
    target_options target(int index) const {
        target_options found;
        check(cn_dataset_target(get(), index, &found));
        return found;
    }

    // what it is
    std::int64_t count() const { return cn_dataset_count(get()); }
    std::int64_t classes() const { return cn_dataset_classes(get()); }
    shape3 shape() const {
        shape3 found;
        cn_dataset_shape(get(), found.data());
        return found;
    }
    std::int64_t skipped_count() const { return cn_dataset_skipped_count(get()); }
    const char *class_name(std::int64_t label) const { return cn_dataset_class_name(get(), label); }
    void set_class_names(const std::vector<std::string> &names) {
        check(cn_dataset_set_class_names(get(), detail::count(names), detail::pointers(names).data()));
    }
    void set_normalization(const std::vector<float> &mean, const std::vector<float> &std) {
        const int channels = detail::both(mean, std, "set_normalization: as many means as stds");
        check(cn_dataset_set_normalization(get(), channels, mean.data(), std.data()));
    }
    std::pair<std::vector<float>, std::vector<float>> normalization() const {
        const float *mean, *std;
        const int channels = cn_dataset_normalization(get(), &mean, &std);
        return {std::vector<float>(mean, mean + channels), std::vector<float>(std, std + channels)};
    }
    void set_augmentation(const cn_augmentation &changes) { check(cn_dataset_set_augmentation(get(), &changes)); }
    void set_augmentation(std::nullptr_t) { check(cn_dataset_set_augmentation(get(), nullptr)); }
    convnet::augmentation augmentation() const {
        convnet::augmentation changes;
        check(cn_dataset_augmentation(get(), &changes));
        return changes;
    }

    // images
    void image(std::int64_t index, tensor &image) const { check(cn_dataset_image(get(), index, image.get(), nullptr)); }
    std::int64_t label(std::int64_t index) const {
        return detail::made<std::int64_t>(state_, cn_dataset_label, get(), index);
    }
    const char *file_name(std::int64_t index) const { return cn_dataset_file_name(get(), index); }
    void batch(const std::vector<std::int64_t> &indices, tensor &images, tensor *targets = nullptr,
               bool augment = false, std::uint64_t seed = 0, std::int64_t epoch = 0) const {
        check(cn_dataset_batch(get(), detail::count(indices), indices.data(), augment ? 1 : 0, seed, epoch,
                               images.get(), detail::or_null(targets)));
    }
    void batch_targets(const std::vector<std::int64_t> &indices, tensor &images, const std::vector<tensor *> &targets,
                       bool augment = false, std::uint64_t seed = 0, std::int64_t epoch = 0) const {
        check(cn_dataset_batch_targets(get(), detail::count(indices), indices.data(), augment ? 1 : 0, seed, epoch,
                                       images.get(), static_cast<int>(targets.size()),
                                       detail::pointers(targets).data()));
    }

  private:
    template <class... Parameters, class... Arguments>
    static dataset make(const context &ctx, cn_status (*function)(Parameters...), Arguments... arguments) {
        return {ctx.state(), detail::made<cn_dataset *>(ctx.state(), function, ctx.get(), arguments...)};
    }
    template <class... Parameters, class... Arguments>
    dataset view(cn_status (*function)(Parameters...), Arguments... arguments) const {
        return {state_,
                detail::made<cn_dataset *>(state_, function, static_cast<const cn_dataset *>(get()), arguments...)};
    }
};

// ---- losses, optimizers, schedules ------------------------------------------------------------

/// A loss of one's own gives the batch's loss, and fills `gradient` unless that is NULL.
struct loss_options : detail::filled<cn_loss_options, cn_loss_options_init> {
    std::vector<float> class_weights, pos_weight;
    std::function<double(tensor_view output, tensor_view target, tensor *gradient)> function;
};

namespace detail {
/// Losses as C has them, with what they point to.
struct bound_losses {
    bound_losses(const std::vector<loss_options> &losses, shared of) : state_(std::move(of)), losses_(losses) {
        for (const loss_options &each : losses_) {
            cn_loss_options c = each;
            c.class_weights = each.class_weights.empty() ? nullptr : each.class_weights.data();
            c.pos_weight = each.pos_weight.empty() ? nullptr : each.pos_weight.data();
            if (!each.class_weights.empty() || !each.pos_weight.empty())
                c.outputs = count(each.class_weights.empty() ? each.pos_weight : each.class_weights);
            calls_.push_back(std::make_unique<call>(call{state_, each.function}));
            c.user = calls_.back().get();
            c.function = each.function ? run : nullptr;
            options_.push_back(c);
        }
        for (const cn_loss_options &each : options_)
            pointers_.push_back(&each);
    }
    const cn_loss_options *const *data() const { return pointers_.empty() ? nullptr : pointers_.data(); }
    std::int64_t size() const { return count(pointers_); }

  private:
    struct call {
        shared of;
        std::function<double(tensor_view, tensor_view, tensor *)> function;
    };
    static int run(void *user, const cn_tensor *output, const cn_tensor *target, double *loss, cn_tensor *gradient) {
        const call *its = static_cast<call *>(user);
        return guarded(its->of.get(), 1, [&] {
            tensor to_fill = tensor::lent(its->of, gradient);
            *loss = its->function(output, target, gradient ? &to_fill : nullptr);
            return 0;
        });
    }
    shared state_;
    std::vector<loss_options> losses_;
    std::vector<std::unique_ptr<call>> calls_;
    std::vector<cn_loss_options> options_;
    std::vector<const cn_loss_options *> pointers_;
};
} // namespace detail

inline double loss_compute(const context &ctx, const loss_options &options, tensor_view output, tensor_view target,
                           tensor *gradient = nullptr) {
    const detail::bound_losses bound({options}, ctx.state());
    double loss;
    detail::check(cn_loss_compute(bound.data()[0], output.get(), target.get(), &loss, detail::or_null(gradient)),
                  ctx.state());
    return loss;
}

/// What programs call a kind; NULL: no such kind.
inline const char *loss_name(cn_loss_kind kind) { return cn_loss_name(kind); }
inline const char *metric_name(cn_metric metric) { return cn_metric_name(metric); }
inline bool metric_increases(cn_metric metric) { return cn_metric_increases(metric) != 0; }
inline const char *optimizer_name(cn_optimizer_kind kind) { return cn_optimizer_name(kind); }
inline const char *schedule_name(cn_schedule_kind kind) { return cn_schedule_name(kind); }
inline const char *isa_name(cn_isa isa) { return cn_isa_name(isa); }
inline const char *status_string(cn_status status) { return cn_status_string(status); }
inline int version_number() { return cn_version_number(); }
inline const char *version_string() { return cn_version_string(); }

struct parameter_group : detail::filled<cn_parameter_group, cn_parameter_group_init> {
    std::string pattern;
};

struct optimizer_options : detail::filled<cn_optimizer_options, cn_optimizer_options_init> {
    std::vector<parameter_group> groups;
};

struct schedule_options : detail::filled<cn_schedule_options, cn_schedule_options_init> {
    std::function<double(const cn_rate_info &)> rate; ///< of CN_SCHEDULE_CUSTOM
};

namespace detail {
/// Optimizer options for the time of one call.
struct bound_optimizer {
    explicit bound_optimizer(const optimizer_options &options) : c_(options) {
        for (const parameter_group &each : options.groups) {
            groups_.push_back(each);
            groups_.back().pattern = each.pattern.c_str();
        }
        for (const cn_parameter_group &each : groups_)
            pointers_.push_back(&each);
        c_.group_count = count(pointers_);
        c_.groups = pointers_.empty() ? nullptr : pointers_.data();
    }
    bound_optimizer(const bound_optimizer &) = delete;
    bound_optimizer &operator=(const bound_optimizer &) = delete;
    const cn_optimizer_options *get() const { return &c_; }

  private:
    cn_optimizer_options c_;
    std::vector<cn_parameter_group> groups_;
    std::vector<const cn_parameter_group *> pointers_;
};
} // namespace detail

/// Changes a model's parameters along their gradients.
class optimizer : public detail::owner<cn_optimizer, cn_optimizer_free> {
  public:
    explicit optimizer(model &net, const optimizer_options &options = {})
        : owner(net.state(), detail::made<cn_optimizer *>(net.state(), cn_optimizer_new, net.get(),
                                                          detail::bound_optimizer(options).get())) {}
    void step() { check(cn_optimizer_step(get())); }
    void set_learning_rate(double rate) { check(cn_optimizer_set_learning_rate(get(), rate)); }
    double learning_rate() const { return cn_optimizer_learning_rate(get()); }
};

// ---- trainer ----------------------------------------------------------------------------------

/// The epochs of one run.
class history : public detail::owner<cn_history, cn_history_free> {
  public:
    explicit history(const context &ctx, const std::string &name = "")
        : owner(ctx.state(), detail::made<cn_history *>(ctx.state(), cn_history_new, ctx.get(), name.c_str())) {}
    history(detail::shared of, cn_history *handle) : owner(std::move(of), handle) {}
    void add(const cn_epoch_info &epoch) { check(cn_history_add(get(), &epoch)); }
    void add_rate(double place, double rate) { check(cn_history_add_rate(get(), place, rate)); }
    std::int64_t rate_count() const { return cn_history_rate_count(get()); }
    /// A corner of the line of rates by step: how many epochs into the run, and the rate there.
    std::pair<double, double> rate(std::int64_t index) const {
        std::pair<double, double> corner;
        check(cn_history_rate(get(), index, &corner.first, &corner.second));
        return corner;
    }
    void set_test_name(const std::string &name) { check(cn_history_set_test_name(get(), name.c_str())); }
};

/// Rates to be tried by trainer::find_rate.
using rate_search = detail::filled<cn_rate_search, cn_rate_search_init>;
using rate_point = detail::filled<cn_rate_point, cn_rate_point_init>;

/// What a search for a learning rate has seen.
class rate_curve : public detail::owner<cn_rate_curve, cn_rate_curve_free> {
  public:
    rate_curve(detail::shared of, cn_rate_curve *handle) : owner(std::move(of), handle) {}
    std::int64_t count() const { return cn_rate_curve_count(get()); }
    rate_point point(std::int64_t index) const {
        rate_point point;
        check(cn_rate_curve_point(get(), index, &point));
        return point;
    }
};

struct trainer_options : detail::filled<cn_trainer_options, cn_trainer_options_init> {
    optimizer_options optimizer;
    schedule_options schedule;
    std::vector<loss_options> losses; ///< one for each output; none: one of kind `loss`
    std::vector<double> sample_weights;
    detail::steering<const cn_batch_info &> on_batch; ///< which returns true, if it is to return anything, to end it
    detail::steering<const cn_batch_info &> on_gradient;
};

/// Trains a model.
class trainer : public detail::owner<cn_trainer, cn_trainer_free> {
  public:
    trainer(model &net, const dataset &train, const trainer_options &options = {})
        : trainer(net, train, nullptr, options) {}
    trainer(model &net, const dataset &train, const dataset &test, const trainer_options &options = {})
        : trainer(net, train, &test, options) {}

    /// Bytes that one made of these would take.
    static std::size_t memory(const model &net, const dataset &train, const trainer_options &options = {}) {
        return bytes(net, train, nullptr, options);
    }
    static std::size_t memory(const model &net, const dataset &train, const dataset &test,
                              const trainer_options &options = {}) {
        return bytes(net, train, &test, options);
    }

    /// Trains for so many more epochs. `on_epoch` returns true, if it is to return anything, to end the training.
    void fit(std::int64_t epochs, detail::steering<const cn_epoch_info &> on_epoch = nullptr) {
        std::pair<detail::state *, detail::steering<const cn_epoch_info &> *> call(state_.get(), &on_epoch);
        const cn_epoch_function function = [](void *user, const cn_epoch_info *epoch) {
            auto *its = static_cast<decltype(call) *>(user);
            return (*its->second)(its->first, *epoch);
        };
        check(cn_trainer_fit(get(), epochs, on_epoch ? function : nullptr, &call));
        detail::rethrow(state_.get());
    }
    void set_learning_rate(double rate) { check(cn_trainer_set_learning_rate(get(), rate)); }
    /// The rate at which a search has seen the loss fall fastest, NaN if it fell nowhere, and what it has seen. The trainer is
    /// as it was before.
    std::pair<double, rate_curve> find_rate(const rate_search &search = {}) {
        double rate = std::nan("");
        cn_rate_curve *curve = nullptr;
        check(cn_trainer_find_rate(get(), &search, &rate, &curve));
        rate_curve made(state_, curve);
        detail::rethrow(state_.get());
        return {rate, std::move(made)};
    }
    std::int64_t epoch_count() const { return cn_trainer_epoch_count(get()); }
    convnet::epoch_info epoch_info(std::int64_t index) const {
        convnet::epoch_info info;
        check(cn_trainer_epoch_info(get(), index, &info));
        return info;
    }
    convnet::output_info output_info(std::int64_t index, std::int64_t output) const {
        convnet::output_info info;
        check(cn_trainer_output_info(get(), index, output, &info));
        return info;
    }
    convnet::history history(const std::string &name = "") const {
        return {state_, detail::made<cn_history *>(state_, cn_trainer_history, get(), name.c_str())};
    }
    void save(const std::string &path) const { check(cn_trainer_save(get(), path.c_str())); }
    void resume(const std::string &path) { check(cn_trainer_resume(get(), path.c_str())); }

  private:
    struct functions {
        functions(const trainer_options &options, const detail::shared &of)
            : state(of), losses(options.losses, of), on_batch(options.on_batch), on_gradient(options.on_gradient),
              rate(options.schedule.rate) {}
        detail::shared state;
        detail::bound_losses losses;
        detail::steering<const cn_batch_info &> on_batch, on_gradient;
        std::function<double(const cn_rate_info &)> rate;
    };
    /// `use` gets the options as convnet.h has them, whose functions are those of `own`.
    template <class Use>
    static void with(const trainer_options &options, functions *own, const dataset &train, Use &&use) {
        const detail::bound_optimizer optimizer(options.optimizer);
        cn_schedule_options schedule = options.schedule;
        schedule.user = own;
        if (own->rate)
            schedule.rate = [](void *user, const cn_rate_info *at) {
                auto *its = static_cast<functions *>(user);
                return detail::guarded(its->state.get(), std::nan(""), [&] { return its->rate(*at); });
            };
        cn_trainer_options c = options;
        c.optimizer = optimizer.get();
        c.schedule = &schedule;
        c.losses = own->losses.data();
        c.loss_count = own->losses.size();
        c.sample_weights = options.sample_weights.empty() ? nullptr : options.sample_weights.data();
        if (c.sample_weights && detail::count(options.sample_weights) != train.count())
            detail::fail(error(CN_ERR_ARGUMENT, "trainer: sample_weights, as many as there are images"));
        c.user = own;
        if (own->on_batch)
            c.on_batch = [](void *user, const cn_batch_info *batch) {
                auto *its = static_cast<functions *>(user);
                return its->on_batch(its->state.get(), *batch);
            };
        if (own->on_gradient)
            c.on_gradient = [](void *user, cn_model *, const cn_batch_info *batch) {
                auto *its = static_cast<functions *>(user);
                return its->on_gradient(its->state.get(), *batch);
            };
        use(&c);
    }
    trainer(model &net, const dataset &train, const dataset *test, const trainer_options &options)
        : owner(net.state(), nullptr, std::make_shared<functions>(options, net.state())) {
        with(options, static_cast<functions *>(kept_.get()), train, [&](const cn_trainer_options *c) {
            handle_ = detail::made<cn_trainer *>(state_, cn_trainer_new, net.get(), train.get(),
                                                 test ? test->get() : nullptr, c);
        });
    }
    static std::size_t bytes(const model &net, const dataset &train, const dataset *test,
                             const trainer_options &options) {
        functions own(options, net.state());
        std::size_t found = 0;
        with(options, &own, train, [&](const cn_trainer_options *c) {
            detail::check(cn_trainer_memory(net.get(), train.get(), test ? test->get() : nullptr, c, &found),
                          net.state());
        });
        return found;
    }
};

/// What goes into a checkpoint: a trainer's run, or a loop's model and optimizer (get() gives their handles), and tensors
/// of the program's own.
struct checkpoint : detail::filled<cn_checkpoint, cn_checkpoint_init> {
    explicit checkpoint(const context &ctx) : state_(ctx.state()) {}
    std::vector<std::pair<std::string, tensor *>> tensors;

    void save(const std::string &path) const {
        bound([&](const cn_checkpoint *c) { return cn_checkpoint_save(c, path.c_str()); });
    }
    void load(const std::string &path) const {
        bound([&](const cn_checkpoint *c) { return cn_checkpoint_load(c, path.c_str()); });
    }
    tensor save_memory() const {
        cn_tensor *file = nullptr;
        bound([&](const cn_checkpoint *c) { return cn_checkpoint_save_memory(c, &file); });
        return {state_, file};
    }
    void load_memory(const void *data, std::size_t bytes) const {
        bound([&](const cn_checkpoint *c) { return cn_checkpoint_load_memory(c, data, bytes); });
    }

  private:
    template <class Call> void bound(Call call) const {
        std::vector<const char *> own_names;
        std::vector<cn_tensor *> own_tensors;
        for (const auto &[name, its] : tensors) {
            own_names.push_back(name.c_str());
            own_tensors.push_back(its->get());
        }
        cn_checkpoint c = *this;
        c.tensor_count = detail::count(own_names);
        c.names = own_names.data();
        c.tensors = own_tensors.data();
        detail::check(call(&c), state_);
    }
    detail::shared state_;
};

// ---- evaluation, prediction -------------------------------------------------------------------

struct evaluation_options : detail::filled<cn_evaluation_options, cn_evaluation_options_init> {
    std::vector<loss_options> losses;
};

/// What a model got right on a data set.
class evaluation : public detail::owner<cn_evaluation, cn_evaluation_free> {
  public:
    evaluation(const model &net, const dataset &data, const evaluation_options &options = {})
        : owner(net.state(), nullptr) {
        const detail::bound_losses losses(options.losses, state_);
        cn_evaluation_options c = options;
        c.losses = losses.data();
        c.loss_count = losses.size();
        handle_ = detail::made<cn_evaluation *>(state_, cn_evaluation_new, net.get(), data.get(), &c);
    }
    std::int64_t count() const { return cn_evaluation_count(get()); }
    double loss() const { return cn_evaluation_loss(get()); }
    std::int64_t outputs() const { return cn_evaluation_outputs(get()); }
    double metric(cn_metric metric, std::int64_t output = 0) const {
        return cn_evaluation_metric(get(), output, metric);
    }
    double class_metric(cn_metric metric, std::int64_t index, std::int64_t output = 0) const {
        return cn_evaluation_class_metric(get(), output, metric, index);
    }
    cn_metric main_metric(std::int64_t output = 0) const { return cn_evaluation_main_metric(get(), output); }
    double accuracy() const { return cn_evaluation_accuracy(get()); }
    std::int64_t classes() const { return cn_evaluation_classes(get()); }
    double class_accuracy(std::int64_t truth) const { return cn_evaluation_class_accuracy(get(), truth); }
    std::int64_t confusion(std::int64_t truth, std::int64_t predicted) const {
        return cn_evaluation_confusion(get(), truth, predicted);
    }
    std::int64_t misclassified_count() const { return cn_evaluation_misclassified_count(get()); }
    convnet::misclassified misclassified(std::int64_t index) const {
        convnet::misclassified entry;
        check(cn_evaluation_misclassified(get(), index, &entry));
        return entry;
    }
};

/// A model compiled for inference, for one thread at a time; clone() is for another.
class predictor : public detail::owner<cn_predictor, cn_predictor_free> {
  public:
    explicit predictor(const model &net, const cn_predictor_options &options = predictor_options())
        : owner(net.state(), detail::made<cn_predictor *>(net.state(), cn_predictor_new, net.get(), &options)) {}
    predictor clone() const { return {state_, detail::made<cn_predictor *>(state_, cn_predictor_clone, get())}; }
    void run(tensor_view input, tensor &output) { check(cn_predictor_run(get(), input.get(), output.get())); }
    void run_all(const std::vector<tensor_view> &inputs, const std::vector<tensor *> &outputs) {
        check(cn_predictor_run_all(get(), detail::count(inputs), detail::pointers(inputs).data(),
                                   detail::count(outputs), detail::pointers(outputs).data()));
    }

  private:
    predictor(detail::shared of, cn_predictor *handle) : owner(std::move(of), handle) {}
};

// ---- reports ----------------------------------------------------------------------------------

inline void text_save(const context &ctx, const std::string &text, const std::string &path) {
    detail::check(cn_text_save(ctx.get(), text.c_str(), path.c_str()), ctx.state());
}

namespace detail {
inline std::vector<const cn_history *> pointers(const std::vector<const history *> &histories) {
    std::vector<const cn_history *> found;
    for (const history *each : histories)
        found.push_back(each->get());
    return found;
}
inline const cn_dataset *or_null(const dataset *maybe) { return maybe ? maybe->get() : nullptr; }
} // namespace detail

inline std::string chart_metric(const std::vector<const history *> &histories, cn_metric metric) {
    return detail::text({}, cn_chart_metric, static_cast<int>(histories.size()), detail::pointers(histories).data(),
                        metric);
}
inline std::string chart_curves(const std::vector<const history *> &histories) {
    return detail::text({}, cn_chart_curves, static_cast<int>(histories.size()), detail::pointers(histories).data());
}
inline std::string chart_rates(const rate_curve &curve) {
    return detail::text(curve.state(), cn_chart_rates, curve.get());
}
inline std::string chart_confusion(const evaluation &result, const dataset *data = nullptr) {
    return detail::text(result.state(), cn_chart_confusion, result.get(), detail::or_null(data));
}
inline std::string chart_class_accuracy(const evaluation &result, const dataset *data = nullptr) {
    return detail::text(result.state(), cn_chart_class_accuracy, result.get(), detail::or_null(data));
}
inline std::string sheet_pictures(tensor_view pictures, const std::vector<std::string> &titles = {}, int columns = 0,
                                  const char *heading = nullptr) {
    return detail::text({}, cn_sheet_pictures, pictures.get(),
                        titles.empty() ? nullptr : detail::pointers(titles).data(), columns, heading);
}
inline std::string sheet_examples(const dataset &data, std::int64_t count, const char *heading = nullptr) {
    return detail::text(data.state(), cn_sheet_examples, data.get(), count, nullptr, heading);
}
inline std::string sheet_examples(const dataset &data, const std::vector<std::int64_t> &indices,
                                  const char *heading = nullptr) {
    return detail::text(data.state(), cn_sheet_examples, data.get(), detail::count(indices), indices.data(), heading);
}
inline std::string sheet_augmented(const dataset &data, std::int64_t index, std::int64_t count, std::uint64_t seed = 0,
                                   const char *heading = nullptr) {
    return detail::text(data.state(), cn_sheet_augmented, data.get(), index, count, seed, heading);
}
inline std::string sheet_misclassified(const evaluation &result, const dataset &data, std::int64_t count,
                                       bool surest = true, const char *heading = nullptr) {
    return detail::text(data.state(), cn_sheet_misclassified, result.get(), data.get(), count, surest ? 1 : 0, heading);
}
inline std::string sheet_filters(tensor_view weight, const char *heading = nullptr) {
    return detail::text({}, cn_sheet_filters, weight.get(), heading);
}
inline std::string sheet_activations(tensor_view activations, const char *heading = nullptr) {
    return detail::text({}, cn_sheet_activations, activations.get(), heading);
}

/// An HTML page, put together from the top to the bottom.
class page : public detail::owner<cn_page, cn_page_free> {
  public:
    page(const context &ctx, const std::string &title)
        : owner(ctx.state(), detail::made<cn_page *>(ctx.state(), cn_page_new, ctx.get(), title.c_str())) {}
    void heading(const std::string &text) { check(cn_page_heading(get(), text.c_str())); }
    void paragraph(const std::string &text) { check(cn_page_paragraph(get(), text.c_str())); }
    void notice(const std::string &text) { check(cn_page_notice(get(), text.c_str())); }
    void facts(const std::vector<std::string> &names, const std::vector<std::string> &values) {
        const int facts = detail::both(names, values, "page::facts: as many names as values");
        check(cn_page_facts(get(), facts, detail::pointers(names).data(), detail::pointers(values).data()));
    }
    /// Cells row by row, as many in each as there are headings.
    void table(const std::vector<std::string> &headings, const std::vector<std::string> &cells,
               const char *caption = nullptr) {
        const std::size_t columns = headings.size();
        check(cn_page_table(get(), caption, columns ? static_cast<int>(cells.size() / columns) : 0,
                            static_cast<int>(columns), detail::pointers(headings).data(),
                            detail::pointers(cells).data()));
    }
    void figure(const std::string &svg, const char *caption = nullptr) {
        check(cn_page_figure(get(), svg.c_str(), caption));
    }
    void pictures(tensor_view pictures, const std::vector<std::string> &titles = {}) {
        check(cn_page_pictures(get(), pictures.get(), titles.empty() ? nullptr : detail::pointers(titles).data()));
    }
    std::string html() const { return detail::text(state_, cn_page_html, get()); }
};

/// Of the handles that get() gives; with what settings the run had.
struct report : detail::filled<cn_report, cn_report_init> {
    std::vector<std::pair<std::string, std::string>> settings;

    std::string page(const context &ctx) const {
        std::vector<const char *> names, values;
        for (const auto &[name, value] : settings) {
            names.push_back(name.c_str());
            values.push_back(value.c_str());
        }
        cn_report c = *this;
        c.setting_count = detail::count(names);
        c.setting_names = names.data();
        c.setting_values = values.data();
        return detail::text(ctx.state(), cn_report_page, ctx.get(), &c);
    }
};

} // namespace convnet

#endif
