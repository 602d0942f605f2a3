#include <stddef.h>

static void linear(int ins, int outs, const float *x, const float *weight, const float *bias, float *y) {
    int whole = ins / 8 * 8;
    for (int o = 0; o < outs; o++, weight += ins) {
        float lanes[8] = {0}, sum = bias ? bias[o] : 0.0f;
        for (int i = 0; i < whole; i += 8)
            for (int l = 0; l < 8; l++)
                lanes[l] += weight[i + l] * x[i + l];
        for (int i = whole; i < ins; i++)
            sum += weight[i] * x[i];
        for (int l = 0; l < 8; l++)
            sum += lanes[l];
        y[o] = sum;
    }
}
