/* moments.c: sums over the pixels of a plane. */
#include "kernels/isa/isa.h"

float CN__ISA_NAME(plane_sum)(cn__plane x, int32_t height, int32_t width, int32_t lanes) {
    float line[CN__LANES] __attribute__((aligned(CN__ALIGN)));
    for (int part = 0; part < CN__VECTORS_PER_LINE; part++) {
        vf sum = {0};
        for (int32_t r = 0; r < height; r++) {
            const float *p = x.data + (size_t)r * x.row + part * CN__WIDTH;
            for (int32_t c = 0; c < width; c++)
                sum += vf_load(p + (size_t)c * CN__LANES);
        }
        vf_store(line + part * CN__WIDTH, sum);
    }
    for (int32_t l = lanes; l < CN__LANES; l++)
        line[l] = 0.0f;
    return vf_line_sum(line);
}

/* Sums of a plane's even and odd columns apart, so that additions do not wait for each other. */
static vf column_pairs(cn__plane x, int32_t height, int32_t width, size_t part, vf mean, bool squared) {
    vf even = {0}, odd = {0};
    for (int32_t r = 0; r < height; r++) {
        const float *p = x.data + (size_t)r * x.row + part;
        int32_t c = 0;
        for (; c + 1 < width; c += 2) {
            vf a = vf_load(p + (size_t)c * CN__LANES) - mean, b = vf_load(p + (size_t)(c + 1) * CN__LANES) - mean;
            even = squared ? vf_fma(a, a, even) : even + a;
            odd = squared ? vf_fma(b, b, odd) : odd + b;
        }
        if (c < width) {
            vf a = vf_load(p + (size_t)c * CN__LANES) - mean;
            even = squared ? vf_fma(a, a, even) : even + a;
        }
    }
    return even + odd;
}

void CN__ISA_NAME(lane_moments)(cn__plane x, int32_t height, int32_t width, float *mean, float *m2) {
    vf count = vf_set1((float)height * (float)width);
    for (size_t part = 0; part < CN__LANES; part += CN__WIDTH) {
        vf average = column_pairs(x, height, width, part, (vf){0}, false) / count;
        vf_store(mean + part, average);
        vf_store(m2 + part, column_pairs(x, height, width, part, average, true));
    }
}
