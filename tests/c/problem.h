/* problem.h - a layer with everything that goes in, and everything that comes out.
 *
 * Numbers are double here, whatever the layer's dtype; those of a float32 problem are
 * floats in value, so that all see the same. Memory is from keep(). */
#ifndef PROBLEM_H
#define PROBLEM_H

#include "lstmc.h"

typedef struct {
    int cell, dtype;
    ptrdiff_t inputs, units;
    int directions, identity;
    ptrdiff_t samples, longest;
    int ragged; /* 0: all samples have `longest` steps */
} Shape;

typedef struct {
    const char *name;
    double *values;
    ptrdiff_t size;
} Array;

enum { MOST_ARRAYS = 2 + 4 * LSTMC_MAX_STATES + 8 };

typedef struct {
    lstmc_layer layer;
    lstmc_cell cell;
    ptrdiff_t samples, steps;
    ptrdiff_t *offsets;                              /* (samples + 1) */
    double *x;                                       /* (steps, inputs) */
    double *time;                                    /* (steps), of a timed cell */
    double *dy;                                      /* (steps, directions * units) */
    double *w[2], *r[2], *b[2], *v[2];               /* (blocks, units, ...) */
    double *before[2][LSTMC_MAX_STATES];             /* (samples, units) */
    double *d_after[2][LSTMC_MAX_STATES];            /* (samples, units) */
} Problem;

typedef struct {
    ptrdiff_t slabs;
    double *y;
    double *after[2][LSTMC_MAX_STATES];
    double *dx;
    double *dw[2], *dr[2], *db[2], *dv[2];
    double *d_before[2][LSTMC_MAX_STATES];
} Result;

void seed(uint64_t value);
double uniform(void); /* in [-1, 1) */

Problem make_problem(const Shape *);
/* Sample j of a problem as a batch of its own, or the samples in another order. */
Problem choose_samples(const Problem *, const ptrdiff_t *chosen, ptrdiff_t count);

/* The weights of one direction, packed, with reals of the layer's dtype. */
void *packed_weights(const Problem *, int side, ptrdiff_t *size);
/* Forward for training, and backward. */
Result train(const Problem *, int threads);
/* The same with a tape of checkpoints. */
Result train_sparsely(const Problem *, int threads);
/* Forward alone: y and after. */
Result infer(const Problem *, int threads);

/* What may be varied, and in the same order what backward says about it. */
int list_inputs(const Problem *, Array *out);
int list_gradients(const Problem *, const Result *, Array *out);
int list_outputs(const Problem *, const Result *, Array *out);

/* max |a - b| over max(1, max |b|) */
double distance(const Array *a, const Array *b);
int same_bits(const Array *a, const Array *b);
void check_same(const Array *a, const Array *b, int count, const char *what);
void check_same_results(const Problem *, const Result *, const Result *,
                        const char *what);

/* Reals of either dtype in and out of guarded arrays, `shift` reals after a line. */
void *to_reals(int dtype, const double *from, ptrdiff_t size, int shift);
double *to_doubles(int dtype, const void *from, ptrdiff_t size);
void *empty_reals(int dtype, ptrdiff_t size, int shift);
size_t real_size(int dtype);
double epsilon_of(int dtype);
const char *dtype_name(int dtype);

#endif
