/* The channels of groups in turn. */
static void channel_shuffle(int channels, int pixels, int groups, const float *x, float *y) {
    for (int c = 0; c < channels; c++)
        for (int p = 0; p < pixels; p++)
            *y++ = x[(c % groups * (channels / groups) + c / groups) * pixels + p];
}
