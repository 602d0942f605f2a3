/* SPDX-License-Identifier: MIT */
/* convolutions.h: what kernels of convolutions are given: planes, and arguments by method, with images in the lanes and with
 * channels. What each does with them is said at the table, in kernels.h. */
#ifndef CN_CONVOLUTIONS_H
#define CN_CONVOLUTIONS_H

#include "base/types.h"

/* One channel of one block. */
typedef struct cn__plane {
    float *data;  /* interior pixel (0, 0); NULL: absent */
    size_t row;   /* floats from a row to the next */
    size_t spare; /* lanes at the end that nobody reads; kernels may leave them out, or not */
} cn__plane;

/* ---- direct convolution ---- */

/* One filter tap: where its pixel lies relative to the output pixel's, and where its weight lies in the packed row. */
typedef struct cn__tap {
    int32_t input;  /* floats */
    int32_t weight; /* index of the tap in packed weights */
} cn__tap;

/* A set of output pixels that all see the same taps. Forward needs one; the gradient by the input one per stride
 * phase and border class. */
typedef struct cn__conv_job {
    const cn__tap *taps;
    int32_t tap_count;
    int32_t pixel_count;
    const int32_t *pixel_in;   /* floats from the input plane's base, per pixel */
    const int32_t *pixel_out;  /* floats from the output plane's base, per pixel */
    const int32_t *pixel_skip; /* floats from the skip plane's base, per pixel; NULL without a skip */
    bool accumulate;           /* add to what the output holds */
} cn__conv_job;

/* Output channels for which weights are packed together. */
#define CN__OC_BLOCK 8

typedef struct cn__conv_args {
    const float *in;   /* plane 0 of the input channels of this group */
    size_t in_channel; /* floats from an input plane to the next */
    int32_t in_channels;
    const float *weights; /* of each block of outputs packed [in_channels][taps][CN__OC_BLOCK], missing rows zero */
    size_t weight_block;  /* floats to the next block's */
    int32_t taps;         /* taps in the packed weights */
    const float *bias;    /* CN__OC_BLOCK values a block, or NULL */
    size_t bias_block;    /* floats to the next block's */
    float *out;           /* plane of the first output channel */
    size_t out_channel;
    int32_t out_channels;
    const float *skip; /* plane that is added to the first output channel, and so on; NULL: none */
    size_t skip_channel;
    bool relu;      /* max(·, 0) last */
    float *moments; /* NULL, or per row CN__MOMENT_LINES lines that get the job's moments, see cn__moment */
} cn__conv_args;

/* Moments of a share of a plane's pixels, lane by lane: values are taken from a pivot of their own kind, so that
 * neither sum loses what a variance is made of. Sums of a few pixels at a time lose less than one over all of them, so each
 * has two lines: of the pixels since the last CN__MOMENT_RUN or so, and of those before. */
enum {
    CN__MOMENT_PIVOT,
    CN__MOMENT_SUM,     /* Σ (x - pivot) */
    CN__MOMENT_SQUARES, /* Σ (x - pivot)² */
    CN__MOMENT_EARLIER_SUM,
    CN__MOMENT_EARLIER_SQUARES,
    CN__MOMENT_LINES
};
#define CN__MOMENT_RUN 48

typedef struct cn__conv_weight_args {
    int32_t height, width; /* of the output gradient */
    int32_t lanes;         /* that hold images: what others hold does not count */
    const float *dy;       /* plane of row 0 */
    size_t dy_channel, dy_row;
    int32_t rows;          /* output channels */
    const float *x;        /* input plane 0 */
    size_t x_row, x_step;  /* floats from an output row's (pixel's) input to the next one's */
    const int32_t *column; /* per column (input channel and tap): floats from x */
    int32_t columns;
    float *out;
    size_t out_row;
    bool accumulate; /* add to what the output holds */
    float *scratch;  /* CN__CONV_WEIGHT_FLOATS */
} cn__conv_weight_args;

/* Floats of scratch for sums of so many rows and columns, in whole register tiles of any instruction set. */
#define CN__CONV_WEIGHT_FLOATS(rows, columns) (((size_t)(rows) + 3) / 4 * 4 * ((size_t)(columns) + 8) * CN__LANES)

/* ---- 3×3 convolution by Winograd's F(4×4, 3×3) (Lavin & Gray 2016) ----
 *
 * Planes are cut into tiles of 4×4 outputs, whose last rows and columns may be of side 3, each of which sees a patch
 * two larger. Scratch holds one line for each point of a transformed patch, channel and tile:
 * [36 points][channel][tile], points an odd number of lines apart. Tiles of side 3 leave out the points that they do
 * not have. */

#define CN__WINOGRAD_SIDE      4
#define CN__WINOGRAD_PATCH     6
#define CN__WINOGRAD_POINTS    36
#define CN__WINOGRAD_MAX_TILES 128 /* tiles at a time */

/* Floats of scratch for so many channels of so many tiles. */
#define CN__WINOGRAD_FLOATS(channels, tiles)                                                                           \
    (CN__WINOGRAD_POINTS * (((size_t)(channels) * (size_t)(tiles)) | 1) * CN__LANES)

/* Floats of a point of the transformed weights from so many channels, of which two make a line, to CN__OC_BLOCK; an
 * odd number of lines, lest all points of a filter be written to one set of the cache. */
#define CN__WINOGRAD_FILTER_POINT(channels) ((((size_t)(channels) + 1) / 2 | 1) * CN__LANES)
#define CN__WINOGRAD_FILTERS(channels)      (CN__WINOGRAD_POINTS * CN__WINOGRAD_FILTER_POINT(channels))

/* Tiles of planes; what they see beyond a plane is zero. Where channels lie in the lanes, a channel here is a plane of
 * 16, and tiles may be those of several images. */
typedef struct cn__winograd_tiles {
    const float *data; /* plane of channel 0 */
    size_t image, channel, row;
    int32_t images; /* 1 where they lie in the lanes */
    int32_t channels, height, width;
    int32_t first[2];            /* row and column where the first tile's patch begins */
    int32_t fours[2], threes[2]; /* rows and columns of tiles of side 4, then of side 3 */
    int32_t tile, count;         /* the tiles that are meant, at most CN__WINOGRAD_MAX_TILES */
    size_t spare;                /* lanes at the end of the last plane that nobody reads */
} cn__winograd_tiles;

typedef struct cn__winograd_args {
    cn__winograd_tiles tiles; /* of the input */
    const float *v;           /* what winograd_input made of them */
    float *m;                 /* scratch for CN__OC_BLOCK channels */
    const float *weights;     /* transformed, [36][in channels][CN__OC_BLOCK] */
    const float *bias;        /* CN__OC_BLOCK values, or NULL */
    float *out;               /* where the first tile of the first output channel goes, and so on as in cn__conv_args */
    size_t out_image, out_channel, out_row;
    int32_t out_channels, out_height, out_width; /* from there on */
    const float *skip;
    size_t skip_image, skip_channel, skip_row;
    bool relu, accumulate;
    float most;       /* the ReLU's upper bound; 0: none */
    float *moments;   /* NULL, or lines of the first channel as in cn__conv_args */
    bool add_moments; /* to what is there */
    /* With channels in the lanes, where out_channels counts planes, m has room for all of them, biases are lines, and
     * weights are [36][plane of outputs][input channel][CN__LANES]: */
    int32_t in_channels, channels; /* of the outputs' planes */
    size_t weight_point;           /* floats to the next point */
} cn__winograd_args;

/* Floats of a point of columns, [channels / 16][tile][image][16 channels]: channels that the last 16 lack are zero. One
 * line more keeps points apart, as above. */
#define CN__WINOGRAD_COLUMNS(channels, tiles)                                                                          \
    (cn__whole_lines((size_t)(channels)) * (size_t)(tiles)*CN__LANES + CN__LANES)

/* Floats of the sums of a block of input channels, [36][CN__OC_BLOCK][columns, in whole lines]. */
#define CN__WINOGRAD_SUMS(columns) (CN__WINOGRAD_POINTS * CN__OC_BLOCK * cn__whole_lines((size_t)(columns)))

typedef struct cn__winograd_weight_args {
    cn__winograd_tiles tiles; /* by their number alone */
    int32_t lanes;            /* that hold images: what others hold does not count */
    const float *v, *d;       /* what winograd_input and winograd_gradient made of the same tiles */
    int32_t rows, columns;    /* input channels, at most CN__OC_BLOCK; output channels */
    float *sums;
    bool accumulate; /* add to the sums */
} cn__winograd_weight_args;

/* ---- channels in the lanes ----
 *
 * A line may hold 16 channels of one pixel of one image instead; a plane is then 16 channels of an image. Kernels that
 * treat lane by lane, such as pools, do not care. These do. */

/* Where a tap finds its input, in floats, and which of a filter's weights it takes. */
typedef struct cn__channel_tap {
    ptrdiff_t input;
    size_t filter;
} cn__channel_tap;

/* Output channels of some images, from the first of a plane on. */
typedef struct cn__channel_conv_args {
    int32_t images, channels, height, width; /* of the output that is computed */
    const float *in;                         /* where the first tap finds channel 0 for output pixel (0, 0) */
    /* Floats to the next image's, 16 input channels', output row's and output pixel's input. */
    size_t in_image, in_plane, in_row, in_step;
    int32_t in_channels;
    const cn__channel_tap *taps; /* from `in` */
    size_t tap_count;
    const float *weights; /* packed [plane of outputs][plane of inputs][filter tap][its 1 … 16 channels][CN__LANES] */
    size_t filter_taps;
    size_t weight_plane; /* floats to the next 16 output channels */
    const float *bias;   /* [plane of outputs][CN__LANES]; NULL: zeros */
    float *out;
    size_t out_image, out_plane, out_row, out_step;
    bool accumulate;   /* begin with what `out` holds, not with biases */
    const float *skip; /* added; NULL: none */
    size_t skip_image, skip_plane, skip_row, skip_step;
    bool relu;  /* max(·, 0) last */
    float most; /* and min(·, most) of that; 0: no bound */
} cn__channel_conv_args;

/* Sums of the weights' gradient over rows of pixels of some images. */
typedef struct cn__channel_conv_weight_args {
    int32_t images, height, width; /* of the output gradient */
    const float *x;                /* where terms find their inputs for output pixel (0, 0) */
    size_t x_image, x_row, x_step; /* floats to the next image's, output row's and output pixel's input */
    const ptrdiff_t *terms;        /* input channels seen through a tap: floats from x */
    int32_t term_count;
    const float *dy; /* of 16 output channels, and so on for `lines` */
    size_t dy_image, dy_plane, dy_row, dy_step;
    int32_t lines;
    size_t spare;     /* lanes at the end of the last line that nobody reads */
    float *sums;      /* [line][term][CN__LANES] */
    float *bias_sums; /* [line][CN__LANES]; NULL: not wanted */
} cn__channel_conv_weight_args;

/* Floats of a point of the sums of input channels and planes of outputs, [plane of inputs][plane of outputs][channel of
 * the plane][CN__LANES]; an odd number of lines, as above. */
#define CN__WINOGRAD_SUMS_POINT(channels, out_planes) (((size_t)(channels) * (size_t)(out_planes) | 1) * CN__LANES)

typedef struct cn__channel_winograd_weight_args {
    cn__winograd_tiles tiles;     /* by their number alone */
    const float *v, *d;           /* some planes of what winograd_input and channel_winograd_gradient made of them */
    size_t v_point, d_point;      /* floats to the next point */
    int32_t channels, out_planes; /* of inputs; planes of outputs */
    size_t spare;                 /* as in cn__channel_conv_weight_args */
    float *sums;                  /* 36 points */
    bool accumulate;              /* add to the sums */
} cn__channel_winograd_weight_args;

#endif
