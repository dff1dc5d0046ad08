/* gathered.c - the kernels of fcn.h of one target and dtype. */
#include "fcn.h"

const FcnKernels NAME(fcn_kernels) = {
    .norm_workspace = NAME(norm_workspace),
    .moments = NAME(moments),
    .normalize = NAME(normalize),
    .normalize_back = NAME(normalize_back),
    .pool = NAME(pool),
    .pool_back = NAME(pool_back),
    .attend_workspace = NAME(attend_workspace),
    .attend = NAME(attend),
    .attend_back = NAME(attend_back),
    .short_conv = &NAME(short_kernels),
};
