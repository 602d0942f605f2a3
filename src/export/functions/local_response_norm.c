#include <math.h>

/* Each channel divided by a power of what it and its neighbours hold; rate is alpha / size. */
static void local_response_norm(int channels, int pixels, int size, float rate, float beta, float k, const float *x,
                                float *y) {
    for (int c = 0; c < channels; c++) {
        int first = c - size / 2, end = c + (size - 1) / 2 + 1;
        for (int p = 0; p < pixels; p++) {
            float sum = 0.0f;
            for (int j = first < 0 ? 0 : first; j < end && j < channels; j++)
                sum += x[j * pixels + p] * x[j * pixels + p];
            *y++ = x[c * pixels + p] / powf(k + rate * sum, beta);
        }
    }
}
