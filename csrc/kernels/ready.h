/* ready.h - the step of a row alone, made ready: what the products and P of its units
 * are told is the same at every step but for where it starts, and to say it again takes
 * as long as the products of 32 units. */
#ifndef LSTMC_READY_H
#define LSTMC_READY_H

#include "job.h"
#include "tile.h"

/* C = start + A B of one row, of panels that are all as deep. */
typedef struct {
    int panels;
    idx depth, line; /* line: reals from k to k of a panel */
    idx a; /* where A starts in the row */
    const real *b[MOST_OF_A_ROW], *start[MOST_OF_A_ROW];
    idx ahead[MOST_OF_A_ROW]; /* all bits, where start is W x of the step; none */
    idx c[MOST_OF_A_ROW]; /* from a of the block */
} Sums;

/* Some panels of units. */
typedef struct ReadyBlock {
    idx first, last;
    Step step[2]; /* of a job that is even, or odd */
    Sums *sums;
    idx count; /* of them */
} ReadyBlock;

/* Reals that all blocks take, for a member of a crew. */
idx NAME(ready_size)(const Plan *);

/* For the job's own units, and for as long as it lasts. */
void NAME(make_ready)(Job *);

/* a of a block, and the Step for P; W x + b starts `ahead` reals from that of the first
 * of the steps ahead. */
const Step *NAME(sum_block)(const Job *, ReadyBlock *, idx ahead, real *a);

#endif
