/* shapes.c - the loops of shapes.h, and the name of each case. */
#include "shapes.h"

#include "check.h"
#include "guard.h"

static void visit(Shape shape, const lstmc_cell *cell, void (*body)(const Shape *))
{
    for (shape.identity = 0; shape.identity <= cell->squashes; ++shape.identity)
        for (shape.directions = 1; shape.directions <= 2; ++shape.directions) {
            about("%s %s %s%s, %td inputs, %td units, %d directions, %td x %td steps",
                  lstmc_target(), cell->name, dtype_name(shape.dtype),
                  shape.identity ? " identity" : "", shape.inputs, shape.units,
                  shape.directions, shape.samples, shape.longest);
            seed(7); /* the same numbers for each target */
            body(&shape);
            drop_all();
        }
}

void each_option_of(int dtype, Shape shape, void (*body)(const Shape *))
{
    shape.dtype = dtype;
    for (shape.cell = 0; shape.cell < lstmc_cell_count(); ++shape.cell) {
        lstmc_cell cell;
        CHECK(lstmc_describe_cell(shape.cell, &cell) == LSTMC_OK);
        visit(shape, &cell, body);
    }
}

void each_option(Shape shape, void (*body)(const Shape *))
{
    each_option_of(LSTMC_FLOAT32, shape, body);
    each_option_of(LSTMC_FLOAT64, shape, body);
}
