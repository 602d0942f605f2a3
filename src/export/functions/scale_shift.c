/* A batch norm with its statistics taken in. */
static void scale_shift(float *x, int channels, int pixels, const float *scale, const float *shift) {
    for (int c = 0; c < channels; c++, x += pixels)
        for (int p = 0; p < pixels; p++)
            x[p] = x[p] * scale[c] + shift[c];
}
