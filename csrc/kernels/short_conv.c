/* short_conv.c - convolutions along a line by fewer products, those of points.h: of 3
 * to 5 taps, with many channels. */
#include "short_conv.h"

#include "fcn.h"

/* From the products of a piece to its outputs: m + i * apart is point i's. */
static void keep_outputs(const Short *s, const ShortWay *way, const Piece *piece,
                         const real *m, idx apart, idx panel)
{
    const idx inside = min_idx(s->each, piece->size - piece->at);
    real *y = way->y + (piece->start + piece->at) * way->outputs + panel * PANEL;
    for (idx j = 0; j < PANEL; j += LANES) {
        vec v[POINTS], out[MOST_EACH];
        EACH (i, POINTS)
            v[i] = *(const vec *)(m + i * apart + j);
        const vec start = way->bias ? load(way->bias, panel * PANEL + j) : splat(0);
        turn_back(v, s->each, out);
        for (idx q = 0; q < inside; ++q)
            *(loose *)(y + q * way->outputs + j) = start + out[q];
    }
}

static void run_block(const Short *s, const ShortWay *way, idx first, idx count,
                      real *scratch)
{
    const idx panels = way->outputs / PANEL, inputs = way->inputs;
    real *turned = scratch, *m = scratch + POINTS * BLOCK * inputs;
    for (idx k = 0; k < count; ++k)
        turn_piece(s, way, s->piece + first + k, turned + k * inputs, count * inputs);
    for (int i = 0; i < POINTS; ++i)
        NAME(product)(&(Product){
            .rows = count,
            .panels = panels,
            .groups = 1,
            .a = turned + i * count * inputs,
            .a_row = inputs,
            .runs = 1,
            .run = inputs,
            .b = way->weights + i * panels * inputs * PANEL,
            .b_panel = inputs * PANEL,
            .start = no_start(),
            .c = m + i * panels * count * PANEL,
            .c_panel = count * PANEL,
            .c_row = PANEL,
        });
    for (idx p = 0; p < panels; ++p)
        for (idx k = 0; k < count; ++k)
            keep_outputs(s, way, s->piece + first + k, m + (p * count + k) * PANEL,
                         panels * count * PANEL, p);
}

static void run_short(const Short *s, const ShortWay *way)
{
#pragma omp for schedule(dynamic)
    for (idx first = 0; first < s->pieces; first += BLOCK) {
        if (is_told(s))
            continue;
        const idx count = min_idx(BLOCK, s->pieces - first);
        run_block(s, way, first, count, s->scratch + own_thread() * s->scratch_size);
        tell_work(s, work_of(way) * (double)count);
    }
}

/* V of weights (outputs, taps, inputs); of the way back, whose taps are reversed, if
 * `reversed`: then the way's inputs are the weights' outputs. */
static void turn_weights(const Short *s, const ShortWay *way, const real *w,
                         int reversed)
{
    const idx panels = way->outputs / PANEL, inputs = way->inputs, taps = s->taps;
    const idx output = reversed ? 1 : taps * inputs;
    const idx input = reversed ? taps * way->outputs : 1;
    const idx tap = reversed ? way->outputs : inputs;
#pragma omp for schedule(static)
    for (idx p = 0; p < panels; ++p)
        for (idx c = 0; c < inputs; ++c)
            for (idx j = 0; j < PANEL; ++j) {
                const real *from = w + (p * PANEL + j) * output + c * input;
                real *to = way->weights + (p * inputs + c) * PANEL + j;
                real sum[POINTS] = {0};
                for (idx t = 0; t < taps; ++t) {
                    const real tap_t = from[(reversed ? taps - 1 - t : t) * tap];
                    EACH (i, POINTS)
                        sum[i] += s->g[i][t] * tap_t;
                }
                EACH (i, POINTS)
                    to[i * panels * inputs * PANEL] = sum[i];
            }
}

/* --- calls ----------------------------------------------------------------------- */

static Short lay_out(const lstmc_conv *call, int threads, int backward, Arena *arena)
{
    const Taps taps = taps_of(call->kernel, call->dilation);
    const idx in = call->inputs, out = call->outputs;
    Short s = {.taps = taps.count[X], .each = POINTS + 1 - taps.count[X]};
    s.threads = threads;
    set_factors(s.taps, s.g);
    s.way = (ShortWay){.inputs = in,
                       .outputs = out,
                       .before = taps.before[X],
                       .x = call->x,
                       .bias = call->bias,
                       .y = call->y};
    s.back = (ShortWay){.inputs = out,
                        .outputs = in,
                        .before = flipped(&taps).before[X],
                        .x = call->dy,
                        .y = call->dx};
    for (idx k = 0; k < call->images; ++k) {
        const idx *size = call->size + AXES * k;
        s.pieces += size[Z] * size[Y] * ((size[X] + s.each - 1) / s.each);
    }
    s.poll = take(arena, 1, sizeof(Poll));
    s.piece = take(arena, s.pieces, sizeof(Piece));
    s.zeros = take(arena, max_idx(in, out), sizeof(real));
    s.scratch_size = POINTS * BLOCK * (in + out);
    s.scratch = take(arena, threads * s.scratch_size, sizeof(real));
    real *weights = take(arena, POINTS * in * out, sizeof(real));
    s.way.weights = s.back.weights = weights;
    if (backward) {
        s.turned = take(arena, POINTS * WINDOW * in, sizeof(real));
        s.dy = take(arena, POINTS * WINDOW * out, sizeof(real));
        s.gradient = take(arena, POINTS * in * out, sizeof(real));
        s.d_bias = take(arena, out, sizeof(real));
    }
    return s;
}

static void cut_pieces(const Short *s, const lstmc_conv *call)
{
    Piece *piece = s->piece;
    idx start = 0;
    for (idx k = 0; k < call->images; ++k) {
        const idx *size = call->size + AXES * k;
        for (idx line = 0; line < size[Z] * size[Y]; ++line, start += size[X])
            for (idx at = 0; at < size[X]; at += s->each)
                *piece++ = (Piece){start, at, size[X]};
    }
    memset(s->zeros, 0, (size_t)max_idx(call->inputs, call->outputs) * sizeof(real));
    *s->poll = (Poll){.ask = call->poll, .data = call->poll_data};
}

static idx short_workspace(const lstmc_conv *call, int threads, int backward)
{
    Arena arena = {0};
    lay_out(call, threads, backward, &arena);
    return arena.used;
}

static int short_forward(const lstmc_conv *call, int threads, void *workspace)
{
    Arena arena = {.base = workspace};
    const Short s = lay_out(call, threads, 0, &arena);
    cut_pieces(&s, call);
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
        turn_weights(&s, &s.way, call->weights, 0);
        run_short(&s, &s.way);
        restore_mode(mode);
    }
    return is_told(&s) ? LSTMC_STOPPED : LSTMC_OK;
}

static int short_backward(const lstmc_conv *call, int threads, void *workspace)
{
    Arena arena = {.base = workspace};
    const Short s = lay_out(call, threads, 1, &arena);
    cut_pieces(&s, call);
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
        if (call->dx) {
            turn_weights(&s, &s.back, call->weights, 1);
            run_short(&s, &s.back);
        }
        if (call->d_weights || call->d_bias)
            NAME(short_gradient)(&s, call->dy, call->d_weights, call->d_bias);
        restore_mode(mode);
    }
    return is_told(&s) ? LSTMC_STOPPED : LSTMC_OK;
}

const ConvKernels NAME(short_kernels) = {
    .conv_workspace = short_workspace,
    .conv_forward = short_forward,
    .conv_backward = short_backward,
};
