/* sweep_tables.c - what a sweep looks up: cells by diagonal, their neighbours, and the
 * weights in panels. */
#include "sweep.h"

static idx size_of(const lstmc_mdlstm *call, idx sample, int d)
{
    return d < call->dims ? call->shape[sample * call->dims + d] : 1;
}

static void build_walks(const Sweep *s)
{
    idx origin = 0;
    for (idx j = 0; j < s->call->samples; ++j) {
        idx cells = 1, stride[LSTMC_MAX_DIMS];
        for (int d = LSTMC_MAX_DIMS - 1; d >= 0; --d) {
            stride[d] = cells;
            cells *= size_of(s->call, j, d);
        }
        for (int k = 0; k < s->directions; ++k) {
            Walk walk = {.base = origin};
            for (int d = 0; d < LSTMC_MAX_DIMS; ++d) {
                const int turned = s->call->direction[k] >> d & 1;
                walk.step[d] = turned ? -stride[d] : stride[d];
                walk.base += turned ? (size_of(s->call, j, d) - 1) * stride[d] : 0;
            }
            s->walk[k * s->call->samples + j] = walk;
        }
        origin += cells;
    }
}

#define EACH_CELL(u, size)                       \
    for (u[0] = 0; u[0] < (size)[0]; ++u[0])     \
        for (u[1] = 0; u[1] < (size)[1]; ++u[1]) \
            for (u[2] = 0; u[2] < (size)[2]; ++u[2])

static void sizes_of(const Sweep *s, idx sample, idx *size)
{
    for (int d = 0; d < LSTMC_MAX_DIMS; ++d)
        size[d] = size_of(s->call, sample, d);
}

/* How many cells each diagonal has, then where it starts. */
static void count_diagonals(const Sweep *s, const Slab *slab)
{
    idx *start = s->start + slab->start, size[LSTMC_MAX_DIMS];
    int32_t u[LSTMC_MAX_DIMS];
    memset(start, 0, (size_t)(slab->diagonals + 1) * sizeof(idx));
    for (idx j = slab->image; j < slab->image + slab->images; ++j) {
        sizes_of(s, j, size);
        EACH_CELL (u, size)
            ++start[u[0] + u[1] + u[2]];
    }
    for (idx t = 0, place = slab->first; t <= slab->diagonals; ++t) {
        const idx count = start[t];
        start[t] = place;
        place += count;
    }
}

/* `start` moves on as places are given away, and comes back. */
static void give_places(const Sweep *s, const Slab *slab)
{
    idx *start = s->start + slab->start, size[LSTMC_MAX_DIMS];
    int32_t *place = s->place + slab->first, u[LSTMC_MAX_DIMS];
    for (idx j = slab->image; j < slab->image + slab->images; ++j) {
        sizes_of(s, j, size);
        EACH_CELL (u, size)
            *place++ = (int32_t)start[u[0] + u[1] + u[2]]++;
    }
    for (idx t = slab->diagonals; t > 0; --t)
        start[t] = start[t - 1];
    start[0] = slab->first;
}

static void fill_spots(const Sweep *s, const Slab *slab)
{
    idx size[LSTMC_MAX_DIMS];
    int32_t u[LSTMC_MAX_DIMS];
    const int32_t *place = s->place + slab->first;
    for (idx j = slab->image; j < slab->image + slab->images; ++j) {
        sizes_of(s, j, size);
        const idx stride[LSTMC_MAX_DIMS] = {size[1] * size[2], size[2], 1};
        EACH_CELL (u, size) {
            Spot *spot = s->spot + *place;
            spot->image = (int32_t)j;
            for (int d = 0; d < LSTMC_MAX_DIMS; ++d) {
                spot->u[d] = u[d];
                spot->before[d] = u[d] > 0 ? place[-stride[d]] : NONE;
                spot->after[d] = u[d] + 1 < size[d] ? place[stride[d]] : NONE;
            }
            ++place;
        }
    }
}

void NAME(build_tables)(const Sweep *s)
{
#pragma omp for schedule(dynamic)
    for (idx k = -1; k < s->slabs; ++k) {
        if (k < 0) {
            build_walks(s);
            continue;
        }
        count_diagonals(s, s->slab + k);
        give_places(s, s->slab + k);
        fill_spots(s, s->slab + k);
    }
}

/* The weights of a direction as people know them. */
typedef struct {
    const real *w, *u, *b, *p;
} Natural;

static Natural natural_of(const Sweep *s, idx direction)
{
    const idx rows = s->columns * s->units, width = s->dims * s->units;
    const idx size = rows * (s->inputs + width + 1) + (s->dims + 2) * s->units;
    const real *w = (const real *)s->call->weights + direction * size;
    return (Natural){.w = w,
                     .u = w + rows * s->inputs,
                     .b = w + rows * (s->inputs + width),
                     .p = w + rows * (s->inputs + width + 1)};
}

/* Panel p of a column of a direction: k rows of it, then its bias. */
static void pack_column(const Sweep *s, idx direction, idx p, idx g)
{
    const Natural own = natural_of(s, direction);
    const idx width = s->dims * s->units;
    real *to = s->weights + direction * weights_of_direction(s) +
               (p * s->columns + g) * s->k * PANEL;
    real *biases = s->biases + (direction * s->panels + p) * biases_in(s) * PANEL;
    for (idx j = 0; j < PANEL; ++j) {
        const idx unit = p * PANEL + j, row = g * s->units + unit;
        const int real_unit = unit < s->units;
        for (idx k = 0; k < s->inputs; ++k)
            to[k * PANEL + j] = real_unit ? own.w[row * s->inputs + k] : 0;
        for (idx k = 0; k < width; ++k)
            to[(s->inputs + k) * PANEL + j] = real_unit ? own.u[row * width + k] : 0;
        biases[g * PANEL + j] = real_unit ? own.b[row] : 0;
        for (idx v = 0; g == 0 && v < s->dims + 2; ++v)
            biases[(s->columns + v) * PANEL + j] =
                real_unit ? own.p[v * s->units + unit] : 0;
    }
}

/* A panel of what the products of backward give: h along a dimension, or x. */
static void pack_back(const Sweep *s, idx direction, idx out)
{
    const Natural own = natural_of(s, direction);
    const idx d = out / s->panels, width = s->dims * s->units;
    const int is_h = d < s->dims;
    const idx first = (is_h ? out % s->panels : out - s->dims * s->panels) * PANEL;
    const idx most = is_h ? s->units : s->inputs;
    real *to = s->back + (direction * s->out_panels + out) * s->panels * s->columns *
                             PANEL * PANEL;
    for (idx p = 0; p < s->panels; ++p)
        for (idx g = 0; g < s->columns; ++g)
            for (idx k = p * PANEL; k < (p + 1) * PANEL; ++k, to += PANEL) {
                const idx row = g * s->units + k;
                const real *from = is_h ? own.u + row * width + d * s->units + first
                                        : own.w + row * s->inputs + first;
                for (idx j = 0; j < PANEL; ++j)
                    to[j] = k < s->units && first + j < most ? from[j] : 0;
            }
}

void NAME(pack_sweep)(const Sweep *s, int backward)
{
    const idx columns = s->panels * s->columns;
#pragma omp for schedule(static)
    for (idx item = 0; item < s->directions * columns; ++item) {
        const idx own = item % columns;
        pack_column(s, item / columns, own / s->columns, own % s->columns);
    }
    if (!backward)
        return;
#pragma omp for schedule(static)
    for (idx item = 0; item < s->directions * s->out_panels; ++item)
        pack_back(s, item / s->out_panels, item % s->out_panels);
}
