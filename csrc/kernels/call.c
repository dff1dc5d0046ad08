/* call.c - from a call of the C API to a Sequence: rows sorted, the workspace laid
 * out. */
#include <stdlib.h>
#include <string.h>

#include "cells.h"
#include "dispatch.h"
#include "kernels.h"

#define REFER(name) &NAME(name),
static const Cell *const cells[] = {CELLS(REFER)};
#undef REFER

enum { CELL_COUNT = sizeof cells / sizeof *cells };

static int blocks(const Cell *cell, int which)
{
    int most = NONE;
    for (int g = 0; g < cell->columns; ++g) {
        const Column *column = cell->column + g;
        const int block = which == 'w'   ? column->w
                          : which == 'r' ? column->r
                                         : column->b;
        most = block > most ? block : most;
    }
    return most + 1;
}

static void describe(int k, lstmc_cell *out)
{
    const Cell *cell = cells[k];
    *out = (lstmc_cell){.name = cell->name,
                        .title = cell->title,
                        .equations = cell->equations,
                        .source = cell->source,
                        .columns = cell->columns,
                        .states = cell->states,
                        .w_blocks = blocks(cell, 'w'),
                        .r_blocks = blocks(cell, 'r'),
                        .b_blocks = blocks(cell, 'b'),
                        .saved = cell->columns + cell->extras,
                        .squashes = cell->squashes};
    for (int g = 0; g < cell->columns; ++g) {
        out->column[g] = cell->column[g].name;
        out->w[g] = cell->column[g].w;
        out->r[g] = cell->column[g].r;
        out->b[g] = cell->column[g].b;
    }
    for (int j = 0; j < cell->states; ++j)
        out->state[j] = cell->state[j];
}

Plan NAME(plan_of)(const lstmc_layer *layer)
{
    Plan plan;
    NAME(make_plan)(&plan, cells[layer->cell], layer->inputs, layer->units);
    return plan;
}

static idx packed_size(const lstmc_layer *layer)
{
    const Plan plan = NAME(plan_of)(layer);
    return NAME(packed_size)(&plan);
}

static idx tape_size(const lstmc_layer *layer, idx steps)
{
    const Plan plan = NAME(plan_of)(layer);
    return steps * plan.panels * plan.slots * PANEL;
}

static idx checkpoint_size(const lstmc_layer *layer, idx samples, const idx *offsets,
                           idx longest)
{
    Sequence s = {.plan = NAME(plan_of)(layer),
                  .rows = samples,
                  .steps = longest,
                  .offset = offsets};
    s.segment = NAME(segment_steps)(&s);
    return NAME(checkpoint_size)(&s);
}

static void pack(const lstmc_layer *layer, void *w, void *r, void *b, void *packed,
                 int to_packed)
{
    const Plan plan = NAME(plan_of)(layer);
    NAME(pack)(&plan, w, r, b, packed, to_packed);
}

static void fill_direction(Direction *d, const lstmc_direction *from)
{
    d->weights = from->weights;
    d->tape = from->tape;
    d->gradient = from->gradient;
    for (int k = 0; k < MAX_STATES; ++k) {
        d->before[k] = from->before[k];
        d->after[k] = from->after[k];
        d->d_after[k] = from->d_after[k];
        d->d_before[k] = from->d_before[k];
    }
}

/* The arrays of a call; their place in the workspace when there is one. */
static Sequence lay_out(const lstmc_call *call, Team team, idx longest, int backward,
                        Arena *arena)
{
    Sequence s = {.plan = NAME(plan_of)(&call->layer),
                  .identity = call->layer.identity_output,
                  .directions = call->layer.directions,
                  .rows = call->samples,
                  .steps = longest,
                  .slabs = call->slabs,
                  .threads = team.threads,
                  .members = team.members,
                  .offset = call->offsets,
                  .x = call->x,
                  .y = call->y,
                  .dy = call->dy};
    const idx steps = call->offsets[call->samples];
    const int training = call->direction[0].tape != NULL;
    s.segment =
        training && call->checkpoint ? NAME(segment_steps)(&s) : max_idx(1, longest);
    const int again = s.segment < longest;
    s.sample = take(arena, s.rows, sizeof(idx));
    s.length = take(arena, s.rows, sizeof(idx));
    s.total = take(arena, longest + 1, sizeof(idx));
    for (int side = 0; side < s.directions; ++side)
        s.origin[side] = take(arena, s.rows, sizeof(idx));
    s.barrier = take(arena, s.slabs * s.directions, sizeof(Barrier));
    s.poll = take(arena, 1, sizeof(Poll));
    s.scratch_size = (backward ? NAME(backward_scratch)(&s) : 0) +
                     (!backward || again ? NAME(forward_scratch)(&s) : 0);
    s.scratch = take(arena, s.slabs * s.directions * s.scratch_size, sizeof(real));
    for (int side = 0; side < s.directions; ++side)
        fill_direction(s.direction + side, call->direction + side);
    for (int side = 0; again && side < s.directions; ++side)
        s.direction[side].checkpoints = s.direction[side].tape + NAME(segment_tape)(&s);
    if (!backward)
        return s;
    const idx inputs = panels_of(s.plan.inputs) * PANEL, units = s.plan.panels * PANEL;
    const idx window = min_idx(window_steps(&s), longest) * s.rows;
    s.packed_rows =
        take(arena, s.directions * NAME(packed_rows_size)(&s), sizeof(real));
    for (int side = 0; side < s.directions; ++side) {
        Direction *d = s.direction + side;
        s.row_table[side] = take(arena, window, sizeof(StepRow));
        d->transposed_h = take(arena, units * units * s.plan.h_count, sizeof(real));
        d->transposed_x = take(arena, inputs * units * s.plan.x_count, sizeof(real));
        if (call->dx)
            d->dx = side ? take(arena, steps * s.plan.inputs, sizeof(real)) : call->dx;
    }
    return s;
}

static idx workspace(const lstmc_call *call, Team team, idx longest, int backward)
{
    Arena arena = {0};
    lay_out(call, team, longest, backward, &arena);
    return arena.used;
}

/* Longest first, equal ones in their order, by counting; nobody has waited or asked. */
static void prepare_rows(const Sequence *s, const lstmc_call *call)
{
    idx *sample = (idx *)s->sample, *length = (idx *)s->length,
        *total = (idx *)s->total;
    memset(total, 0, (size_t)(s->steps + 1) * sizeof(idx));
    for (idx j = 0; j < s->rows; ++j)
        ++total[s->offset[j + 1] - s->offset[j]];
    for (idx t = s->steps, first = 0; t >= 0; --t) {
        const idx count = total[t];
        total[t] = first;
        first += count;
    }
    for (idx j = 0; j < s->rows; ++j) {
        const idx own = s->offset[j + 1] - s->offset[j], row = total[own]++;
        sample[row] = j;
        length[row] = own;
        for (int side = 0; side < s->directions; ++side)
            ((idx *)s->origin[side])[row] = s->offset[j] + (side ? own - 1 : 0);
    }
    *s->poll = (Poll){.ask = call->poll, .data = call->poll_data};
    memset(s->barrier, 0, (size_t)(s->slabs * s->directions) * sizeof(Barrier));
    idx active = s->rows;
    total[0] = 0;
    for (idx t = 0; t < s->steps; ++t) {
        while (active > 0 && length[active - 1] <= t)
            --active;
        total[t + 1] = total[t] + active;
    }
}

static int forward(const lstmc_call *call, Team team, idx longest, void *memory)
{
    Arena arena = {.base = memory};
    Sequence s = lay_out(call, team, longest, 0, &arena);
    prepare_rows(&s, call);
    NAME(sequence_forward)(&s);
    return is_stopped(&s) ? LSTMC_STOPPED : LSTMC_OK;
}

static int backward(const lstmc_call *call, Team team, idx longest, void *memory)
{
    Arena arena = {.base = memory};
    Sequence s = lay_out(call, team, longest, 1, &arena);
    prepare_rows(&s, call);
    NAME(sequence_backward)(&s);
    return is_stopped(&s) ? LSTMC_STOPPED : LSTMC_OK;
}

const Kernels NAME(kernels) = {
    .lanes = PANEL,
    .cell_count = CELL_COUNT,
    .describe = describe,
    .packed_size = packed_size,
    .tape_size = tape_size,
    .checkpoint_size = checkpoint_size,
    .pack = pack,
    .workspace = workspace,
    .forward = forward,
    .backward = backward,
    .stream_size = NAME(stream_size),
    .stream_open = NAME(stream_open),
    .stream_step = NAME(stream_step),
    .stream_load = NAME(stream_load),
    .stream_store = NAME(stream_store),
    .dense = NAME(dense),
    .adam = NAME(adam),
    .sgd = NAME(sgd),
    .squared_norm = NAME(squared_norm),
    .dropout = NAME(dropout),
};
