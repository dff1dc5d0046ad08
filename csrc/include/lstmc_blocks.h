/* lstmc_blocks.h - the C API of streams of xLSTM blocks: one step of a block a call.
 *
 * All memory is the caller's, and a step changes `past`, `state` and what `cell` points
 * to. The blocks of lstmc_rowwise.h around the memory of lstmc_mlstm.h, or around a
 * stream of lstmc.h for each head of an sLSTM:
 *
 *   mLSTM block                              sLSTM block
 *   u, z = W_up LN(x)                        u = LN(x)
 *   a = SiLU(conv(u))                        a = SiLU(conv(u))
 *   q, k, v, i, f = mix(a, u)                h = the streams' outputs of [a, u]
 *   h = GN(memory)                           v = x + GN(h)
 *   y = x + W_down ((h + skip a) SiLU(z))    y = v + W_down GEGLU(W_up LN(v)) */
#ifndef LSTMC_BLOCKS_H
#define LSTMC_BLOCKS_H

#include "lstmc_dense.h"
#include "lstmc_mlstm.h"
#include "lstmc_rowwise.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int dtype, threads;
    int scalar; /* an sLSTM block */
    ptrdiff_t samples, width;
    ptrdiff_t inner;          /* of the mLSTM, or of the feed-forward part */
    ptrdiff_t heads;
    double eps;               /* of the norms */
    const ptrdiff_t *offsets; /* (samples + 1) 0, 1, 2 ... */
    const void *norm, *conv_w, *conv_b, *head_norm;
    const void *up, *down; /* (2 inner, width), (width, inner), by lstmc_dense_pack */
    const void *maps[3], *gates_w, *gates_b, *skip; /* of an mLSTM block */
    const void *feed_norm;                          /* of an sLSTM block */
    void *past; /* (samples, 3, inner or width) inputs of the convolution */
    lstmc_memory memory;
    void *state;          /* of the memory, see lstmc_memory_step */
    lstmc_stream *const *cell; /* (heads) of 2 width / heads inputs: those of a, of u */
    void *scratch; /* lstmc_block_scratch reals */
} lstmc_block;

LSTMC_API int lstmc_block_scratch(const lstmc_block *, ptrdiff_t *reals);

/* x, y (samples, width), two arrays. */
LSTMC_API int lstmc_block_step(const lstmc_block *, const void *x, void *y);

#ifdef __cplusplus
}
#endif
#endif
