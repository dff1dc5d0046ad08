/* cells.h - the registry: one row a cell, in the order in which lstmc.cells() lists
 * them. */
#ifndef LSTMC_CELLS_H
#define LSTMC_CELLS_H

#include "cell.h"

#define CELLS(ROW) \
    ROW(lstm)      \
    ROW(gru)       \
    ROW(rnn)

#define DECLARE(name) extern const Cell NAME(name);
CELLS(DECLARE)
#undef DECLARE

#endif
