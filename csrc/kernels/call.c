/* call.c - from a call of the C API to a Sequence: rows sorted, the workspace laid
 * out. */
#include <stdlib.h>
#include <string.h>

#include "cells.h"
#include "digits.h"
#include "dispatch.h"
#include "kernels.h"

#define REFER(name) &NAME(name),
static const Cell *const cells[] = {CELLS(REFER)};
#undef REFER

enum { CELL_COUNT = sizeof cells / sizeof *cells };

/* Blocks of W, of R and of b that a cell has. */
static void count_blocks(const Cell *cell, lstmc_cell *out)
{
    for (int g = 0; g < cell->columns; ++g) {
        const Column *column = cell->column + g;
        const int reads = column->late ? 1 : reads_of(column);
        out->w_blocks += column->w != NONE;
        out->r_blocks += reads;
        out->b_blocks += column->b != NONE;
        out->column[g] = column->name;
        out->w[g] = column->w;
        out->r[g] = column->r;
        out->b[g] = column->b;
        out->from[g] = column->from;
        out->reads[g] = column->late ? 0 : reads;
    }
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
                        .rows = cell->rows ? cell->rows : 1,
                        .vectors = cell->vectors,
                        .saved = cell->columns + cell->extras,
                        .squashes = cell->squashes,
                        .projects = cell->projects,
                        .timed = cell->timed,
                        .statics = cell->statics,
                        .whole = cell->whole};
    count_blocks(cell, out);
    for (int j = 0; j < cell->states; ++j)
        out->state[j] = cell->state[j];
    for (int j = 0; j < cell->rows; ++j)
        out->row[j] = cell->row[j].state;
    for (int j = 0; j < cell->vectors; ++j)
        out->vector[j] = cell->vector[j];
}

static int is_timed(int cell) { return cells[cell]->timed; }

Plan NAME(plan_of)(const lstmc_layer *layer)
{
    Plan plan;
    NAME(make_plan)(&plan, cells[layer->cell], layer->inputs, layer->units,
                    layer->projection);
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

static void pack(const lstmc_layer *layer, const lstmc_weights *weights, void *packed,
                 int to_packed)
{
    const Plan plan = NAME(plan_of)(layer);
    NAME(pack)(&plan, weights, packed, to_packed);
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

/* Which states zoneout touches: h, and the one named c. */
static void fill_noise(Sequence *s, const lstmc_noise *noise)
{
    s->noise = *noise;
    if (!noise->sampling)
        s->noise.recurrent_dropout = 0;
    for (int k = 0; k < s->plan.cell->states; ++k) {
        s->zoned[k] =
            (k == 0 && noise->zoneout_h > 0) ||
            (noise->zoneout_c > 0 && strcmp(s->plan.cell->state[k], "c") == 0);
        s->zoning |= s->zoned[k];
    }
}

/* What describes a sequence of a layer; a stream has it too. */
Sequence NAME(sequence_of)(const lstmc_layer *layer, const lstmc_noise *noise)
{
    const int heads = layer->heads ? layer->heads : 1;
    Sequence s = {.plan = NAME(plan_of)(layer),
                  .identity = layer->identity_output,
                  .truncated = layer->truncated,
                  .directions = layer->directions,
                  .heads = heads,
                  .parts = heads * layer->directions};
    fill_noise(&s, noise);
    return s;
}

static void lay_out_backward(Sequence *s, const lstmc_call *call, idx longest,
                             Arena *arena)
{
    const idx steps = call->offsets[call->samples];
    const idx inputs = panels_of(s->plan.inputs) * PANEL;
    const idx units = s->plan.panels * PANEL;
    s->table_size = min_idx(window_steps(s), longest) * s->rows;
    s->packed_rows = take(arena, NAME(packed_rows_size)(s), sizeof(real));
    s->row_table = take(arena, s->parts * s->table_size, sizeof(StepRow));
    const int striped = NAME(pulls_stripes)(s);
    for (int part = 0; part < s->parts; ++part) {
        Direction own, *d = arena->base ? s->direction + part : &own;
        d->second =
            s->lots > 1 ? take(arena, NAME(packed_size)(&s->plan), sizeof(real)) : NULL;
        Transposed *transposed = &d->transposed;
        transposed->striped = striped;
        for (int k = 0; k < s->plan.rows; ++k)
            transposed->state[k] =
                take(arena, NAME(transposed_size)(&s->plan, k), sizeof(real));
        transposed->x = take(arena, inputs * units * s->plan.x_count, sizeof(real));
        transposed->late =
            take(arena, NAME(transposed_size)(&s->plan, NONE), sizeof(real));
        for (int k = 0; k < SOURCES; ++k)
            transposed->digits[k] = digits_pay(s, k) && (k != FROM_X || call->dx)
                                        ? take(arena, turned_size(&s->plan, k), 1)
                                        : NULL;
        if (!call->dx)
            transposed->x = NULL;
        else
            d->dx = part ? take(arena, steps * s->plan.inputs, sizeof(real)) : call->dx;
    }
}

/* Bytes of tape that the caches of a thread do not hold until backward, and of y that
 * they do not hold until it is read. */
#define FAR (5 << 20)

static int tape_is_far(const Sequence *s, idx steps)
{
    const idx lines = s->parts * s->plan.panels * s->plan.slots;
    return steps * lines > s->threads * (FAR / LINE);
}

/* And its panels are whole lines, which are stored at once. */
static int y_is_far(const Sequence *s, idx steps)
{
    const idx width = s->plan.outputs;
    return steps * s->parts * width > FAR / (idx)sizeof(real) && width % PANEL == 0 &&
           (uintptr_t)s->y % LINE == 0;
}

/* The arrays of a call; their place in the workspace when there is one. */
static Sequence lay_out(const lstmc_call *call, Team team, idx longest, int backward,
                        Arena *arena)
{
    Sequence s = NAME(sequence_of)(&call->layer, &call->noise);
    s.rows = call->samples;
    s.steps = longest;
    s.slabs = call->slabs;
    s.threads = team.threads;
    s.members = team.members;
    s.link = team.link;
    s.lots = team.lots;
    s.digits = team.amx && !s.plan.cell->steep;
    s.offset = call->offsets;
    s.x = call->x;
    s.time = s.plan.cell->timed ? call->time : NULL;
    s.y = call->y;
    s.dy = call->dy;
    const int training = call->direction[0].tape != NULL;
    s.segment =
        training && call->checkpoint ? NAME(segment_steps)(&s) : max_idx(1, longest);
    const int again = s.segment < longest;
    const idx steps = call->offsets[s.rows] - call->offsets[0];
    s.tape_is_far = backward && tape_is_far(&s, steps);
    s.y_is_far = !backward && !(s.link && s.link->own) && y_is_far(&s, steps);
    s.sample = take(arena, s.rows, sizeof(idx));
    s.length = take(arena, s.rows, sizeof(idx));
    s.total = take(arena, longest + 1, sizeof(idx));
    s.first_total = s.lots > 1 ? take(arena, longest + 1, sizeof(idx)) : NULL;
    for (int side = 0; side < s.directions; ++side)
        s.origin[side] = take(arena, s.rows, sizeof(idx));
    s.barrier = take(arena, s.slabs * s.parts, sizeof(Barrier));
    s.poll = take(arena, 1, sizeof(Poll));
    s.direction = take(arena, s.parts, sizeof(Direction));
    s.scratch_size = (backward ? NAME(backward_scratch)(&s) : 0) +
                     (!backward || again ? NAME(forward_scratch)(&s) : 0);
    s.scratch = take(arena, s.slabs * s.parts * s.scratch_size, sizeof(real));
    const idx masked = s.noise.recurrent_dropout > 0 ? s.rows * s.plan.outputs : 0;
    real *mask = take(arena, s.parts * masked, sizeof(real));
    for (int part = 0; arena->base && part < s.parts; ++part) {
        Direction *d = s.direction + part;
        *d = (Direction){.mask = masked ? mask + part * masked : NULL};
        fill_direction(d, call->direction + part);
        if (again)
            d->checkpoints = d->tape + NAME(segment_tape)(&s);
    }
    s.is_split = s.digits && !backward && call->split;
    if (s.is_split && arena->base)
        NAME(take_digits)(&s, call->split);
    else if (!s.is_split && (!backward || again))
        NAME(lay_out_digits)(&s, arena);
    const idx stripes = !backward || again ? NAME(stripes_size)(&s) : 0;
    for (int part = 0; stripes > 0 && part < s.parts; ++part) {
        real *own = take(arena, stripes, sizeof(real));
        if (arena->base)
            s.direction[part].stripes = own;
    }
    if (backward)
        lay_out_backward(&s, call, longest, arena);
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
    const int asks = !s->link || s->link->asks;
    *s->poll = (Poll){.ask = asks ? call->poll : NULL, .data = call->poll_data};
    memset(s->barrier, 0, (size_t)(s->slabs * s->parts) * sizeof(Barrier));
    idx active = s->rows;
    idx *first_total = (idx *)s->first_total;
    total[0] = 0;
    if (first_total)
        first_total[0] = 0;
    for (idx t = 0; t < s->steps; ++t) {
        while (active > 0 && length[active - 1] <= t)
            --active;
        total[t + 1] = total[t] + active;
        if (first_total)
            first_total[t + 1] = first_total[t] + (active + 1) / 2;
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

/* The other ways through the data; see tables/. */
extern const struct DenseKernels NAME(dense_kernels);
extern const struct RowKernels NAME(row_kernels);
extern const struct ConvKernels NAME(conv_kernels);
extern const struct FilmKernels NAME(film_kernels);
extern const struct FcnKernels NAME(fcn_kernels);
extern const struct HighwayKernels NAME(highway_kernels);
extern const struct MdlstmKernels NAME(mdlstm_kernels);
extern const struct MemoryKernels NAME(memory_kernels);

const Kernels NAME(kernels) = {
    .lanes = PANEL,
    .cell_count = CELL_COUNT,
    .describe = describe,
    .is_timed = is_timed,
    .packed_size = packed_size,
    .tape_size = tape_size,
    .checkpoint_size = checkpoint_size,
    .pack = pack,
    .split_size = NAME(split_size),
    .split = NAME(split),
    .is_split = NAME(is_split),
    .workspace = workspace,
    .forward = forward,
    .backward = backward,
    .stream_size = NAME(stream_size),
    .stream_open = NAME(stream_open),
    .stream_use = NAME(stream_use),
    .stream_step = NAME(stream_step),
    .stream_load = NAME(stream_load),
    .stream_store = NAME(stream_store),
    .dense = &NAME(dense_kernels),
    .adam = NAME(adam),
    .sgd = NAME(sgd),
    .squared_norm = NAME(squared_norm),
    .dropout = NAME(dropout),
    .loss_workspace = NAME(loss_workspace),
    .ctc_loss = NAME(ctc_loss),
    .align_workspace = NAME(align_workspace),
    .ctc_align = NAME(ctc_align),
    .log_softmax = NAME(log_softmax),
    .rows = &NAME(row_kernels),
    .conv = &NAME(conv_kernels),
    .film = &NAME(film_kernels),
    .fcn = &NAME(fcn_kernels),
    .highway = &NAME(highway_kernels),
    .mdlstm = &NAME(mdlstm_kernels),
    .memory = &NAME(memory_kernels),
};
