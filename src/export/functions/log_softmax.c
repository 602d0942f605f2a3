#include <math.h>

/* Over the channels of each pixel. */
static void log_softmax(float *x, int channels, int pixels) {
    for (int p = 0; p < pixels; p++) {
        float most = x[p], sum = 0.0f;
        for (int c = 1; c < channels; c++)
            most = x[c * pixels + p] > most ? x[c * pixels + p] : most;
        for (int c = 0; c < channels; c++)
            sum += expf(x[c * pixels + p] - most);
        for (int c = 0; c < channels; c++)
            x[c * pixels + p] = x[c * pixels + p] - most - logf(sum);
    }
}
