/* reference.h - the equations in double, a scalar at a time: what is true. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "problem.h"

/* Whether the cell has its equations here; a failed check if not. */
int has_reference(const lstmc_cell *);
/* y and after. */
Result reference_forward(const Problem *);
/* sum y dy + sum after d_after */
double reference_loss(const Problem *);

#endif
