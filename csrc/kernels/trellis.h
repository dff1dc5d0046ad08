/* trellis.h - the states of one CTC sequence, block of frames by block of frames. */
#ifndef LSTMC_TRELLIS_H
#define LSTMC_TRELLIS_H

#include "kernels.h"

/* The recursion is in double for both dtypes: they share its objects. */
#define DOUBLE(name) GLUE(name, LSTMC_TARGET, f64)

/* Steps that are gathered at a time, so that a step's vectors do not wait for scalars
 * just stored. A block is some of them, or all steps. */
#define BATCH 16

/* A sequence has blanks b[0] ... b[labels] and labels l[0] ... l[labels - 1], in rows
 * of `width` doubles. Numbers have a mantissa and an exponent of their own, apart in
 * memory: see trellis.c. */
typedef struct {
    idx steps, labels, width;
    idx block;        /* steps whose alphas are there at a time */
    double *skip;     /* (width + a line) exponent: 0, NEVER for a repeated label */
    double *real;     /* (width) exponent: 0, NEVER behind the last label */
    double *start;    /* (blocks, 4, width) alphas before the first step of a block */
    double *alpha;    /* (block, 4, width) m and e of b, m and e of l */
    double *emission; /* (block, 2, width) m and e of labels */
    double *blank;    /* (block, 2) */
    double *beta;     /* (4, width) */
    double *posterior; /* (BATCH, width) of labels, and behind them of the blank */
    double *norm;      /* (steps) log of the sum of e^logits */
    double mantissa, exponent; /* of the probability of the labels */
} Trellis;

/* Needs steps and labels. */
void DOUBLE(lay_out_trellis)(Trellis *, Arena *);
/* The states before the first step, and after the last. */
void DOUBLE(open_trellis)(Trellis *, const int32_t *labels);
/* Steps t ... until - 1 of one block: first logits of the labels, and behind them of
 * the blank, lie in the emission's mantissas; then emissions and alphas are there. */
void DOUBLE(run_forward)(const Trellis *, idx t, idx until);
/* After the last step: the log of the probability, -inf if there is none. */
double DOUBLE(close_trellis)(Trellis *);
/* Posteriors of the steps t ... until - 1, at most BATCH of one block; the later ones
 * have been called for before. */
void DOUBLE(run_backward)(const Trellis *, idx t, idx until);

/* Where the logits of step t are wanted. */
ALWAYS_INLINE double *emission_of(const Trellis *s, idx t)
{
    return s->emission + t % s->block * 2 * s->width;
}

#endif
