enum { PAD_CONSTANT, PAD_REPLICATE, PAD_REFLECT, PAD_CIRCULAR };

/* The row or column that number i repeats; -1: none. */
static int pad_source(int i, int size, int mode) {
    if (i >= 0 && i < size)
        return i;
    if (mode == PAD_REPLICATE)
        return i < 0 ? 0 : size - 1;
    if (mode == PAD_REFLECT)
        return i < 0 ? -i : 2 * (size - 1) - i;
    if (mode == PAD_CIRCULAR)
        return i < 0 ? i + size : i - size;
    return -1;
}

/* `top` rows above and `left` columns to the left, and as many below and to the right as make up `out`; fewer than none
 * cut off. */
static void pad2d(const int in[3], const int out[3], int top, int left, int mode, float value, const float *x,
                  float *y) {
    for (int c = 0; c < out[0]; c++, x += in[1] * in[2])
        for (int i = 0; i < out[1]; i++) {
            int row = pad_source(i - top, in[1], mode);
            for (int j = 0; j < out[2]; j++) {
                int column = pad_source(j - left, in[2], mode);
                *y++ = row < 0 || column < 0 ? value : x[row * in[2] + column];
            }
        }
}
