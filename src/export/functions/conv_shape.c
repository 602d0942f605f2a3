#include <math.h>
#include <stddef.h>

typedef struct conv_shape {
    int in[3], out[3];        /* channels, height, width */
    int kernel[2], stride[2]; /* height, width */
    int padding[2], dilation[2];
    int spread[2]; /* 1; transposed: the input's pixels lie so far apart, with zeros between */
    int groups;
} conv_shape;
