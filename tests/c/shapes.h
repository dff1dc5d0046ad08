/* shapes.h - walks every cell of the registry with every option it has. */
#ifndef SHAPES_H
#define SHAPES_H

#include "problem.h"

/* Calls `body` for each cell, output squash, dtype and number of directions. The fields
 * of the rest are as given. */
void each_option(Shape shape, void (*body)(const Shape *));

/* As each_option, for one dtype. */
void each_option_of(int dtype, Shape shape, void (*body)(const Shape *));

#endif
