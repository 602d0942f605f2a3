#include <math.h>
#include <stddef.h>

/* Brings each pixel's channels to mean 0 and variance 1. */
static void layer_norm(float *x, int channels, int pixels, float eps, const float *weight, const float *bias) {
    for (int p = 0; p < pixels; p++) {
        double mean = 0.0, variance = 0.0;
        for (int c = 0; c < channels; c++)
            mean += (double)x[c * pixels + p];
        mean /= channels;
        for (int c = 0; c < channels; c++)
            variance += ((double)x[c * pixels + p] - mean) * ((double)x[c * pixels + p] - mean);
        float center = (float)mean, inverse = (float)(1.0 / sqrt(variance / channels + (double)eps));
        for (int c = 0; c < channels; c++)
            x[c * pixels + p] =
                (x[c * pixels + p] - center) * inverse * (weight ? weight[c] : 1.0f) + (bias ? bias[c] : 0.0f);
    }
}
