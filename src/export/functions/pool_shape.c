#include <math.h>

typedef struct pool_shape {
    int in[3], out[3];        /* channels, height, width */
    int kernel[2], stride[2]; /* height, width */
    int padding[2], dilation[2];
    int count_include_pad, divisor; /* of means; divisor 0: as many as there are */
} pool_shape;
