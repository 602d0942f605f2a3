/* Channel (c * r + i) * r + j becomes the pixels (y * r + i, x * r + j) of channel c; `in` is the input's shape. */
static void pixel_shuffle(const int in[3], int r, const float *x, float *y) {
    for (int k = 0; k < in[0]; k++)
        for (int row = 0; row < in[1]; row++)
            for (int column = 0; column < in[2]; column++)
                y[(k / (r * r) * in[1] * r + row * r + k / r % r) * in[2] * r + column * r + k % r] = *x++;
}
