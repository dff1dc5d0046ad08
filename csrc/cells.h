/* cells.h - the registry: one row a cell, in the order in which lstmc.cells() lists
 * them. */
#ifndef LSTMC_CELLS_H
#define LSTMC_CELLS_H

#include "cell.h"

#define CELLS(ROW)       \
    ROW(lstm)            \
    ROW(lstm1997)        \
    ROW(lstm1997_modern) \
    ROW(peephole)        \
    ROW(peephole_full)   \
    ROW(nig)             \
    ROW(nfg)             \
    ROW(nog)             \
    ROW(niaf)            \
    ROW(noaf)            \
    ROW(np)              \
    ROW(cifg)            \
    ROW(fgr)             \
    ROW(gru)             \
    ROW(gru_before)      \
    ROW(rnn)             \
    ROW(focused)         \
    ROW(tlstm)           \
    ROW(ealstm)          \
    ROW(slstm)           \
    ROW(layernorm)

#define DECLARE(name) extern const Cell NAME(name);
CELLS(DECLARE)
#undef DECLARE

#endif
