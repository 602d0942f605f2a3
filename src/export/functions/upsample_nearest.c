/* Pixel (i, j) is that of row rows[i] and column columns[j]. */
static void upsample_nearest(const int in[3], const int out[3], const int *rows, const int *columns, const float *x,
                             float *y) {
    for (int c = 0; c < out[0]; c++, x += in[1] * in[2])
        for (int i = 0; i < out[1]; i++)
            for (int j = 0; j < out[2]; j++)
                *y++ = x[rows[i] * in[2] + columns[j]];
}
