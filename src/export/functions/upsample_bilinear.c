/* Between row rows[i] and the next one, of which goes in the share row_shares[i], and so with columns. */
static void upsample_bilinear(const int in[3], const int out[3], const int *rows, const float *row_shares,
                              const int *columns, const float *column_shares, const float *x, float *y) {
    for (int c = 0; c < out[0]; c++, x += in[1] * in[2])
        for (int i = 0; i < out[1]; i++)
            for (int j = 0; j < out[2]; j++) {
                float down = row_shares[i], across = column_shares[j];
                const float *p = x + rows[i] * in[2] + columns[j];
                int next_row = down > 0.0f ? in[2] : 0, next = across > 0.0f;
                *y++ = (1.0f - down) * ((1.0f - across) * p[0] + across * p[next]) +
                       down * ((1.0f - across) * p[next_row] + across * p[next_row + next]);
            }
}
