#include "adaptive_window.c"

static float area_max(const float *x, int width, int top, int bottom, int left, int right) {
    float most = -INFINITY;
    for (int row = top; row < bottom; row++)
        for (int column = left; column < right; column++)
            if (x[row * width + column] > most || x[row * width + column] != x[row * width + column])
                most = x[row * width + column];
    return most;
}

static void adaptive_max_pool2d(int channels, int height, int width, int rows, int columns, const float *x, float *y) {
    for (int c = 0; c < channels; c++, x += height * width)
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                *y++ = area_max(x, width, window_first(i, rows, height), window_end(i, rows, height),
                                window_first(j, columns, width), window_end(j, columns, width));
}
