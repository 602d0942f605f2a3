/* SPDX-License-Identifier: MIT */
/* difference.h: how far two networks, or two collections of tensors, are from each other. */
#ifndef EXAMPLES_DIFFERENCE_H
#define EXAMPLES_DIFFERENCE_H

#include "common.h"

typedef struct difference {
    double absolute; /* the largest */
    double relative; /* the largest as a share of the largest number of the same output or tensor */
    bool numbers;    /* all are, or the same in both that are none, and as many: else there is nothing to compare */
    bool finite;     /* all are */
} difference;

/* Runs both on the same random images. With `pixels` the second takes pixels from 0 to 255, and the first what its
 * normalisation makes of them. */
cn_status difference_of_models(cn_context *context, const cn_model *model, const cn_model *other, bool pixels,
                               difference *d);

/* Tensors by name. CN_ERR_NOT_FOUND: one lacks a tensor. */
cn_status difference_of_tensors(const cn_tensors *tensors, const cn_tensors *others, difference *d);

#endif
