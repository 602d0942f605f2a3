/* SPDX-License-Identifier: MIT */
/* update.c: optimizer steps and moving averages over flat arrays, torch.optim's formulas. In steps the gradient g first
 * takes in the penalties: l1 · sign(p), and weight_decay · p unless that is decoupled. Zeros stay zeros, as the gaps
 * between parameters must.
 */
#include "kernels/isa/isa.h"

/* l1 · sign(x) with sign(0) = 0. */
static vf l1_slope(vf x, vf l1) {
    return vf_and(x > 0.0f, l1) - vf_and(x < 0.0f, l1);
}

/* b = momentum · b + (1 - dampening) · g, at first b = g; p -= rate · b, with Nesterov p -= rate · (g + momentum · b).
 */
void CN__ISA_NAME(sgd)(size_t n, float *parameter, const float *gradient, float *momentum_buffer, float rate,
                       float momentum, float dampening, bool nesterov, bool first, float weight_decay, float l1) {
    vf step = vf_set1(-rate), share = vf_set1(1.0f - dampening), decay = vf_set1(weight_decay);
    vf carry = vf_set1(momentum), penalty = vf_set1(l1);
    for (size_t i = 0; i < n; i += CN__WIDTH) {
        vf p = vf_load(parameter + i), g = vf_load(gradient + i) + l1_slope(p, penalty);
        g = vf_fma(decay, p, g);
        if (momentum != 0.0f) {
            vf b = first ? g : vf_fma(share, g, carry * vf_load(momentum_buffer + i));
            vf_store(momentum_buffer + i, b);
            g = nesterov ? vf_fma(carry, b, g) : b;
        }
        vf_store(parameter + i, vf_fma(step, g, p));
    }
}

/* m = β1 m + (1 - β1) g; v = β2 v + (1 - β2) g²; p -= rate / correction1 · m / (sqrt v / correction2_sqrt + eps). */
void CN__ISA_NAME(adam)(size_t n, float *parameter, const float *gradient, float *m, float *v, float rate, float beta1,
                        float beta2, float eps, float correction1, float correction2_sqrt, float weight_decay,
                        bool decoupled, float l1) {
    vf step = vf_set1(-rate / correction1), penalty = vf_set1(l1), decay = vf_set1(decoupled ? 0.0f : weight_decay);
    vf shrink = vf_set1(decoupled ? 1.0f - rate * weight_decay : 1.0f);
    vf share1 = vf_set1(1.0f - beta1), share2 = vf_set1(1.0f - beta2);
    for (size_t i = 0; i < n; i += CN__WIDTH) {
        vf p = vf_load(parameter + i), g = vf_load(gradient + i) + l1_slope(p, penalty);
        g = vf_fma(decay, p, g);
        vf first = vf_fma(share1, g, beta1 * vf_load(m + i));
        vf second = vf_fma(share2 * g, g, beta2 * vf_load(v + i));
        vf_store(m + i, first);
        vf_store(v + i, second);
        vf_store(parameter + i, vf_fma(step, first / (vf_sqrt(second) / correction2_sqrt + eps), p * shrink));
    }
}

void CN__ISA_NAME(average)(size_t n, float *average, const float *value, float decay) {
    vf kept = vf_set1(decay), share = vf_set1(1.0f - decay);
    for (size_t i = 0; i < n; i += CN__WIDTH)
        vf_store(average + i, vf_fma(share, vf_load(value + i), kept * vf_load(average + i)));
}
