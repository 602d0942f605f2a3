/* The row of an input that a row of the output sees: sides of 1 count for all. */
static const float *broadcast_row(const int in[3], const float *x, int channel, int row) {
    return x + ((in[0] > 1 ? channel : 0) * in[1] + (in[1] > 1 ? row : 0)) * in[2];
}
