/* One weight for all channels, or one for each. */
static void prelu(float *x, int channels, int pixels, int weights, const float *weight) {
    for (int c = 0; c < channels; c++, x += pixels)
        for (int p = 0; p < pixels; p++)
            x[p] = x[p] > 0.0f ? x[p] : x[p] * weight[weights == 1 ? 0 : c];
}
