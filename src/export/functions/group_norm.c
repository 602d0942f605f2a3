#include <math.h>
#include <stddef.h>

/* Brings each group of channels to mean 0 and variance 1. Sums are of doubles, since they are long. */
static void group_norm(float *x, int channels, int pixels, int groups, float eps, const float *weight,
                       const float *bias) {
    int values = channels / groups * pixels;
    for (int g = 0; g < groups; g++, x += values) {
        double mean = 0.0, variance = 0.0;
        for (int i = 0; i < values; i++)
            mean += (double)x[i];
        mean /= values;
        for (int i = 0; i < values; i++)
            variance += ((double)x[i] - mean) * ((double)x[i] - mean);
        float center = (float)mean, inverse = (float)(1.0 / sqrt(variance / values + (double)eps));
        for (int i = 0; i < values; i++) {
            int c = g * (channels / groups) + i / pixels;
            x[i] = (x[i] - center) * inverse * (weight ? weight[c] : 1.0f) + (bias ? bias[c] : 0.0f);
        }
    }
}
