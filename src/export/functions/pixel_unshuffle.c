/* The pixels (y * r + i, x * r + j) of channel c become channel (c * r + i) * r + j; `out` is the output's shape. */
static void pixel_unshuffle(const int out[3], int r, const float *x, float *y) {
    for (int k = 0; k < out[0]; k++)
        for (int row = 0; row < out[1]; row++)
            for (int column = 0; column < out[2]; column++)
                *y++ = x[(k / (r * r) * out[1] * r + row * r + k / r % r) * out[2] * r + column * r + k % r];
}
