/* conv.c - convolutions of images of any size, without a copy of them that is larger
 * than they are.
 *
 *   y[q, o] = b[o] + sum over taps and channels of w[o, tap, c] x[q - before + tap, c]
 *
 * The pixels of a line are cut into strips. The lines that a strip sees are copied,
 * with zeros beyond the edges, to where a product reads them: the taps of a pixel are
 * runs of neighbouring reals there. The sum runs over taps, then over channels. */
#include "images.h"

/* Pixels of the strips whose lines are held at once for the weights' gradient. */
#define HELD_PIXELS 1024

/* The line that tap k of a strip sees, or NULL: `to` is all zeros. */
static const real *find_line(const Way *way, const Strip *strip, idx k)
{
    const Taps *taps = &way->taps;
    const idx tap[2] = {k / taps->count[Y], k % taps->count[Y]};
    idx line = 0;
    for (int axis = Z; axis <= Y; ++axis) {
        const idx at =
            strip->at[axis] - taps->before[axis] + tap[axis] * taps->apart[axis];
        if (at < 0 || at >= strip->size[axis])
            return NULL;
        line = line * strip->size[axis] + at;
    }
    return way->x + (strip->start + line * strip->size[X]) * way->inputs;
}

void NAME(copy_lines)(const Way *way, const Strip *strip, real *out)
{
    const idx size = line_size(way, strip->count), width = strip->size[X];
    const idx first = strip->at[X] - way->taps.before[X];
    const idx last = first + strip->count + reach_of(&way->taps, X);
    const idx from = max_idx(0, min_idx(first, width)) * way->inputs;
    const idx inside = max_idx(0, min_idx(last, width) * way->inputs - from);
    const idx before = min_idx(size, max_idx(0, -first) * way->inputs);
    for (idx k = 0; k < lines_of(&way->taps); ++k, out += size) {
        const real *line = find_line(way, strip, k);
        if (!line || inside == 0) {
            clear(out, size);
            continue;
        }
        clear(out, before);
        memcpy(out + before, line + from, (size_t)inside * sizeof(real));
        clear(out + before + inside, size - before - inside);
    }
}

/* c: (panels of outputs, pixels, PANEL) */
static void multiply(const Way *way, idx pixels, const real *lines, real *c)
{
    const Taps *taps = &way->taps;
    const idx panels = panels_of(way->outputs), depth = depth_of(way);
    const idx size = line_size(way, pixels), inputs = way->inputs;
    const int dense = taps->apart[X] == 1;
    Product product = {
        .rows = pixels,
        .panels = panels,
        .groups = 1,
        .a = lines,
        .a_row = inputs,
        .runs = dense ? lines_of(taps) : taps->count[X],
        .run = dense ? taps->count[X] * inputs : inputs,
        .skip = dense ? size : taps->apart[X] * inputs,
        .b = way->weights,
        .b_panel = depth * PANEL,
        .start = way->bias ? way->bias : no_start(),
        .start_panel = way->bias ? PANEL : 0,
        .c = c,
        .c_panel = pixels * PANEL,
        .c_row = PANEL,
    };
    for (idx k = 0; k < (dense ? 1 : lines_of(taps)); ++k) {
        NAME(product)(&product);
        product.a += size;
        product.b += taps->count[X] * inputs * PANEL;
        product.start = c;
        product.start_panel = pixels * PANEL, product.start_row = PANEL;
    }
}

static void run_strip(const Way *way, const Strip *strip, real *scratch)
{
    real *c = scratch;
    real *lines = c + panels_of(way->outputs) * PANEL * strip->count;
    NAME(copy_lines)(way, strip, lines);
    multiply(way, strip->count, lines, c);
    join_panels(c, strip->count * PANEL, strip->count, way->outputs,
                way->y + first_pixel(strip) * way->outputs, way->outputs);
}

static idx scratch_of(const Way *way, idx longest)
{
    const idx size = panels_of(way->outputs) * PANEL * longest +
                     lines_of(&way->taps) * line_size(way, longest);
    return panels_of(size) * PANEL;
}

static void run_way(const Images *s, const Way *way)
{
    const double work = 2.0 * (double)depth_of(way) * (double)way->outputs;
#pragma omp for schedule(dynamic)
    for (idx k = 0; k < s->strips; ++k) {
        if (stopped(s))
            continue;
        run_strip(way, s->strip + k, s->scratch + own_thread() * s->scratch_size);
        tell(s, work * (double)s->strip[k].count);
    }
}

static void pack_weights(const Way *way, const real *weights, const real *bias,
                         real *packed, real *packed_bias)
{
    const idx depth = depth_of(way);
#pragma omp for schedule(static)
    for (idx q = 0; q < panels_of(way->outputs); ++q) {
        const idx first = q * PANEL;
        pack_panel(weights + first * depth, depth, way->outputs - first, depth,
                   packed + first * depth);
        for (idx j = 0; bias && j < PANEL; ++j)
            packed_bias[first + j] = first + j < way->outputs ? bias[first + j] : 0;
    }
}

/* For the way back: outputs and inputs change places, and taps come in reverse. */
static void transpose_weights(const Way *way, const real *weights, real *out)
{
    const idx taps = count_taps(&way->taps), inputs = way->inputs;
#pragma omp for schedule(static)
    for (idx q = 0; q < panels_of(inputs); ++q) {
        real *to = out + q * taps * way->outputs * PANEL;
        for (idx tap = taps - 1; tap >= 0; --tap)
            for (idx o = 0; o < way->outputs; ++o, to += PANEL)
                for (idx j = 0; j < PANEL; ++j)
                    to[j] = q * PANEL + j < inputs
                                ? weights[(o * taps + tap) * inputs + q * PANEL + j]
                                : 0;
    }
}

static void measure(Images *s, const lstmc_conv *call)
{
    for (idx k = 0; k < call->images; ++k) {
        const idx *size = call->size + AXES * k, lines = size[Z] * size[Y];
        const idx strips = size[X] > 0 ? strips_of(size[X]) : 0;
        s->strips += lines * strips;
        s->pixels += lines * size[X];
        if (strips > 0 && lines > 0)
            s->longest = max_idx(s->longest, (size[X] + strips - 1) / strips);
    }
}

static Images lay_out(const lstmc_conv *call, int threads, int backward, Arena *arena)
{
    Images s = {.images = call->images, .threads = threads};
    s.way = (Way){.taps = taps_of(call->kernel, call->dilation),
                  .inputs = call->inputs,
                  .outputs = call->outputs,
                  .x = call->x,
                  .y = call->y};
    s.back = (Way){.taps = flipped(&s.way.taps),
                   .inputs = call->outputs,
                   .outputs = call->inputs,
                   .x = call->dy,
                   .y = call->dx};
    measure(&s, call);
    const idx panels = panels_of(call->outputs), depth = depth_of(&s.way);
    s.poll = take(arena, 1, sizeof(Poll));
    s.strip = take(arena, s.strips, sizeof(Strip));
    s.scratch_size = scratch_of(backward ? &s.back : &s.way, s.longest);
    s.scratch = take(arena, threads * s.scratch_size, sizeof(real));
    if (!backward) {
        s.way.weights = s.packed = take(arena, panels * depth * PANEL, sizeof(real));
        s.bias = take(arena, panels * PANEL, sizeof(real));
        s.way.bias = call->bias ? s.bias : NULL;
        return s;
    }
    s.held = max_idx(1, HELD_PIXELS / max_idx(1, s.longest));
    s.back.weights = s.transposed =
        take(arena, panels_of(call->inputs) * PANEL * depth_of(&s.back), sizeof(real));
    s.lines = take(arena, s.held * lines_of(&s.way.taps) * line_size(&s.way, s.longest),
                   sizeof(real));
    s.dy = take(arena, s.held * panels * s.longest * PANEL, sizeof(real));
    s.gradient = take(arena, panels * depth * PANEL, sizeof(real));
    s.d_bias = take(arena, panels * PANEL, sizeof(real));
    return s;
}

static void cut_strips(const Images *s, const lstmc_conv *call)
{
    Strip *strip = (Strip *)s->strip;
    idx start = 0;
    for (idx k = 0; k < call->images; ++k) {
        const idx *size = call->size + AXES * k, lines = size[Z] * size[Y];
        const idx strips = strips_of(size[X]);
        for (idx line = 0; line < lines; ++line)
            for (idx j = 0; j < strips; ++j) {
                const idx x = size[X] * j / strips;
                *strip++ = (Strip){.at = {line / size[Y], line % size[Y], x},
                                   .count = size[X] * (j + 1) / strips - x,
                                   .size = size,
                                   .start = start};
            }
        start += lines * size[X];
    }
    *s->poll = (Poll){.ask = call->poll, .data = call->poll_data};
}

static idx conv_workspace(const lstmc_conv *call, int threads, int backward)
{
    Arena arena = {0};
    lay_out(call, threads, backward, &arena);
    return arena.used;
}

static int conv_forward(const lstmc_conv *call, int threads, void *workspace)
{
    Arena arena = {.base = workspace};
    const Images s = lay_out(call, threads, 0, &arena);
    cut_strips(&s, call);
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
        pack_weights(&s.way, call->weights, call->bias, s.packed, s.bias);
        run_way(&s, &s.way);
        restore_mode(mode);
    }
    return stopped(&s) ? LSTMC_STOPPED : LSTMC_OK;
}

static int conv_backward(const lstmc_conv *call, int threads, void *workspace)
{
    Arena arena = {.base = workspace};
    const Images s = lay_out(call, threads, 1, &arena);
    cut_strips(&s, call);
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
        if (call->dx) {
            transpose_weights(&s.way, call->weights, s.transposed);
            run_way(&s, &s.back);
        }
        if (call->d_weights || call->d_bias)
            NAME(conv_gradient)(&s, call->dy, call->d_weights, call->d_bias);
        restore_mode(mode);
    }
    return stopped(&s) ? LSTMC_STOPPED : LSTMC_OK;
}

const ConvKernels NAME(conv_kernels) = {
    .conv_workspace = conv_workspace,
    .conv_forward = conv_forward,
    .conv_backward = conv_backward,
};
