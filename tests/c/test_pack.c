/* test_pack.c - weights packed and unpacked are the same, to the bit. */
#include <string.h>

#include "check.h"
#include "guard.h"
#include "shapes.h"

static void check_round_trip(const Shape *shape)
{
    const Problem p = make_problem(shape);
    const int dtype = shape->dtype;
    Array arrays[MOST_ARRAYS];
    list_inputs(&p, arrays);
    ptrdiff_t size = 0;
    CHECK(lstmc_packed_size(&p.layer, &size) == LSTMC_OK);
    enum { PARTS = 4 };
    void *from[PARTS], *to[PARTS];
    for (int k = 0; k < PARTS; ++k) { /* arrays: x, w, r, b, v, ... */
        from[k] = to_reals(dtype, arrays[k + 1].values, arrays[k + 1].size, 1);
        to[k] = empty_reals(dtype, arrays[k + 1].size, 1);
    }
    void *packed = empty_reals(dtype, size, 0);
    const lstmc_weights in = {from[0], from[1], from[2], from[3], NULL};
    const lstmc_weights out = {to[0], to[1], to[2], to[3], NULL};
    CHECK(lstmc_pack(&p.layer, &in, packed) == LSTMC_OK);
    CHECK(lstmc_unpack(&p.layer, packed, &out) == LSTMC_OK);
    for (int k = 0; k < PARTS; ++k)
        CHECK_SAY(
            memcmp(from[k], to[k], (size_t)arrays[k + 1].size * real_size(dtype)) == 0,
            "%s differs after packing and unpacking", arrays[k + 1].name);
    check_guards();
}

void test_pack(void)
{
    static const ptrdiff_t sizes[] = {1, 3, 7, 8, 9, 15, 16, 17, 33};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    for (int j = 0; j < SIZES; ++j)
        for (int k = 0; k < SIZES; ++k)
            each_option((Shape){.inputs = sizes[j], .units = sizes[k]},
                        check_round_trip);
}
