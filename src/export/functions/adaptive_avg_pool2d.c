#include "adaptive_window.c"

static float area_mean(const float *x, int width, int top, int bottom, int left, int right) {
    float sum = 0.0f;
    for (int row = top; row < bottom; row++) {
        float line = 0.0f;
        for (int column = left; column < right; column++)
            line += x[row * width + column];
        sum += line;
    }
    return sum / (float)((bottom - top) * (right - left));
}

static void adaptive_avg_pool2d(int channels, int height, int width, int rows, int columns, const float *x, float *y) {
    for (int c = 0; c < channels; c++, x += height * width)
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                *y++ = area_mean(x, width, window_first(i, rows, height), window_end(i, rows, height),
                                 window_first(j, columns, width), window_end(j, columns, width));
}
