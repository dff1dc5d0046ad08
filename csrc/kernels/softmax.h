/* softmax.h - rows of logits on their way to a gradient. */
#ifndef LSTMC_SOFTMAX_H
#define LSTMC_SOFTMAX_H

#include "real.h"

/* d = weight (softmax(x) - smoothing / classes), and norm, the log of the sum of e^x:
 * NaN if a number is one, is inf, or if all of a row are -inf. */
typedef struct {
    idx rows, classes;
    const real *x; /* (rows, classes) */
    real *d;       /* (rows, classes), NULL: not wanted */
    double *norm;  /* (rows) */
    double weight, smoothing;
} Softmax;

void NAME(softmax)(const Softmax *);

#endif
