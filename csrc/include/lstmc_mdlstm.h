/* lstmc_mdlstm.h - the C API of the multidimensional LSTM: images in, images out.
 *
 *   Images      ragged: sample j has shape[j * dims] ... cells, and each cell `inputs`
 *               features; the cells of all samples lie one after another, the last
 *               dimension fastest.
 *   Weights     of each direction one after another, flat and not packed:
 *               W ((dims + 3) * units, inputs), U ((dims + 3) * units, dims * units),
 *               b ((dims + 3) * units), p (dims + 2, units). Rows of W, U and b stand
 *               in the order i, f of each dimension, z, o; those of p: i, f ..., o.
 *   Directions  a set of bits each: bit d is set where dimension d is walked from its
 *               end.
 *   Tape        what forward keeps for backward, lstmc_mdlstm_tape_size reals, aligned
 *               to LSTMC_ALIGNMENT; NULL for inference. Backward uses it up.
 *   Bits        as in lstmc.h. */
#ifndef LSTMC_MDLSTM_H
#define LSTMC_MDLSTM_H

#include "lstmc.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSTMC_MAX_DIMS 3

typedef struct {
    int dtype, dims, directions;
    int direction[1 << LSTMC_MAX_DIMS];
    ptrdiff_t samples, inputs, units;
    const ptrdiff_t *shape; /* (samples, dims), each at least 1 */
    const void *weights;
    const void *x; /* (cells of all samples, inputs) */
    void *y;       /* (cells of all samples, directions, units) */
    void *tape;
    /* backward */
    const void *dy; /* as y */
    void *dx;       /* as x; NULL: not wanted */
    void *gradient; /* as weights, overwritten */
    int threads; /* 0: the default */
    int (*poll)(void *data); /* as in lstmc_call */
    void *poll_data;
} lstmc_mdlstm;

LSTMC_API int lstmc_mdlstm_tape_size(const lstmc_mdlstm *, ptrdiff_t *reals);
LSTMC_API int lstmc_mdlstm_forward(const lstmc_mdlstm *);
/* Reads x, y, the weights and the tape of forward. */
LSTMC_API int lstmc_mdlstm_backward(const lstmc_mdlstm *);

#ifdef __cplusplus
}
#endif

#endif
