/* SPDX-License-Identifier: MIT */
/* save_activations.c: functions of each element, softmax, and sums and products. */
#include "onnx/exporter.h"

/* A function's only input. */
static cn__exported in(cn__export *x) {
    return cn__export_input(x, 0);
}

#define PLAIN(writer, op)                                                                                              \
    cn__exported cn__export_##writer(cn__export *x) {                                                                  \
        return cn__export_unary(x, op, in(x), CN__EXPORT_LAST);                                                        \
    }

PLAIN(relu, "Relu")
PLAIN(sigmoid, "Sigmoid")
PLAIN(tanh, "Tanh")
PLAIN(softsign, "Softsign")
PLAIN(identity, "Identity")

cn__exported cn__export_hard_swish(cn__export *x) {
    cn__export_needs_opset(x, 14);
    return cn__export_unary(x, "HardSwish", in(x), CN__EXPORT_LAST);
}

static cn__exported with_float(cn__export *x, const char *op, const char *attribute, float value) {
    cn__export_begin(x, op);
    cn__export_reads(x, in(x));
    cn__export_attr_float(x, attribute, value);
    return cn__export_end(x, CN__EXPORT_LAST);
}

cn__exported cn__export_leaky_relu(cn__export *x) {
    return with_float(x, "LeakyRelu", "alpha", (float)cn__export_real(x, "negative_slope"));
}

cn__exported cn__export_elu(cn__export *x) {
    return with_float(x, "Elu", "alpha", (float)cn__export_real(x, "alpha"));
}

/* ONNX's own alpha is 0.2. */
cn__exported cn__export_hard_sigmoid(cn__export *x) {
    return with_float(x, "HardSigmoid", "alpha", 1.0f / 6.0f);
}

static cn__exported clip(cn__export *x, double least, double most) {
    cn__exported min = cn__export_number(x, (float)least), max = cn__export_number(x, (float)most);
    cn__export_begin(x, "Clip");
    cn__export_reads(x, in(x));
    cn__export_reads(x, min);
    cn__export_reads(x, max);
    return cn__export_end(x, CN__EXPORT_LAST);
}

cn__exported cn__export_hardtanh(cn__export *x) {
    return clip(x, cn__export_real(x, "min_val"), cn__export_real(x, "max_val"));
}

cn__exported cn__export_relu6(cn__export *x) {
    return clip(x, 0.0, 6.0);
}

cn__exported cn__export_prelu(cn__export *x) {
    cn__exported slope = cn__export_by_channel(x, "weight", in(x).dims);
    return cn__export_binary(x, "PRelu", in(x), slope, CN__EXPORT_LAST);
}

/* ---- written out ---- */

static cn__exported with_number(cn__export *x, const char *op, cn__exported a, double number, cn__export_place place) {
    return cn__export_binary(x, op, a, cn__export_number(x, (float)number), place);
}

static cn__exported unary(cn__export *x, const char *op, cn__exported a) {
    return cn__export_unary(x, op, a, CN__EXPORT_PIECE);
}

cn__exported cn__export_silu(cn__export *x) {
    return cn__export_binary(x, "Mul", in(x), unary(x, "Sigmoid", in(x)), CN__EXPORT_LAST);
}

cn__exported cn__export_mish(cn__export *x) {
    return cn__export_binary(x, "Mul", in(x), unary(x, "Tanh", unary(x, "Softplus", in(x))), CN__EXPORT_LAST);
}

/* scale · x + shift. */
cn__exported cn__export_affine(cn__export *x) {
    cn__exported product = with_number(x, "Mul", in(x), cn__export_real(x, "scale"), CN__EXPORT_PIECE);
    return with_number(x, "Add", product, cn__export_real(x, "shift"), CN__EXPORT_LAST);
}

/* x (1 + erf(x / √2)) / 2. */
static cn__exported gelu(cn__export *x) {
    cn__exported erf = unary(x, "Erf", with_number(x, "Div", in(x), 1.4142135623730951, CN__EXPORT_PIECE));
    cn__exported twice = with_number(x, "Add", erf, 1.0, CN__EXPORT_PIECE);
    twice = cn__export_binary(x, "Mul", in(x), twice, CN__EXPORT_PIECE);
    return with_number(x, "Mul", twice, 0.5, CN__EXPORT_LAST);
}

/* x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2. */
static cn__exported gelu_by_tanh(cn__export *x) {
    cn__exported square = cn__export_binary(x, "Mul", in(x), in(x), CN__EXPORT_PIECE);
    cn__exported cube = cn__export_binary(x, "Mul", square, in(x), CN__EXPORT_PIECE);
    cn__exported inner = with_number(x, "Mul", cube, 0.044715, CN__EXPORT_PIECE);
    inner = cn__export_binary(x, "Add", in(x), inner, CN__EXPORT_PIECE);
    inner = with_number(x, "Mul", inner, 0.7978845608028654, CN__EXPORT_PIECE);
    cn__exported twice = with_number(x, "Add", unary(x, "Tanh", inner), 1.0, CN__EXPORT_PIECE);
    twice = cn__export_binary(x, "Mul", in(x), twice, CN__EXPORT_PIECE);
    return with_number(x, "Mul", twice, 0.5, CN__EXPORT_LAST);
}

cn__exported cn__export_gelu(cn__export *x) {
    return cn__export_int(x, "approximate") == CN_GELU_TANH ? gelu_by_tanh(x) : gelu(x);
}

/* log(1 + e^(beta x)) / beta, where beta · x is not above the threshold. Above EXACT that is x to the last bit. */
cn__exported cn__export_softplus(cn__export *x) {
    enum { EXACT = 17 };
    double beta = cn__export_real(x, "beta"), threshold = cn__export_real(x, "threshold");
    bool scaled = beta != 1.0, bent = threshold < EXACT;
    if (!scaled && !bent)
        return cn__export_unary(x, "Softplus", in(x), CN__EXPORT_LAST);
    cn__exported z = scaled ? with_number(x, "Mul", in(x), beta, CN__EXPORT_PIECE) : in(x);
    cn__exported y = unary(x, "Softplus", z);
    if (scaled)
        y = with_number(x, "Div", y, beta, bent ? CN__EXPORT_PIECE : CN__EXPORT_LAST);
    if (!bent)
        return y;
    cn__exported above = with_number(x, "Greater", z, threshold, CN__EXPORT_PIECE);
    cn__export_begin(x, "Where");
    cn__export_reads(x, above);
    cn__export_reads(x, in(x));
    cn__export_reads(x, y);
    return cn__export_end(x, CN__EXPORT_LAST);
}

/* ---- over channels ---- */

static cn__exported over_channels(cn__export *x, const char *op) {
    cn__export_begin(x, op);
    cn__export_reads(x, in(x));
    cn__export_attr_int(x, "axis", 1);
    return cn__export_end(x, CN__EXPORT_LAST);
}

cn__exported cn__export_softmax(cn__export *x) {
    return over_channels(x, "Softmax");
}

cn__exported cn__export_log_softmax(cn__export *x) {
    return over_channels(x, "LogSoftmax");
}

/* Inference leaves it out; whoever trains finds it. */
cn__exported cn__export_dropout(cn__export *x) {
    return with_number(x, "Dropout", in(x), cn__export_real(x, "p"), CN__EXPORT_LAST);
}

/* ---- of several ---- */

cn__exported cn__export_add(cn__export *x) {
    cn__export_begin_all(x, x->model->nodes[x->at].input_count == 2 ? "Add" : "Sum");
    return cn__export_end(x, CN__EXPORT_LAST);
}

cn__exported cn__export_mul(cn__export *x) {
    cn__export_begin_all(x, "Mul");
    return cn__export_end(x, CN__EXPORT_LAST);
}
