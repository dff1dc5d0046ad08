/* film_pack.c - the weights of a layer over frames, between rows and panels. */
#include "film_points.h"

/* Bytes of what the tiles of a piece see and yield at points: a part of the second
 * cache, beside the weights of a panel; and tiles of a piece. */
#define PIECE_BYTES (1 << 20)
#define LEAST_TILES 12
#define MOST_TILES 48

/* Whether tiles take fewer products than taps, along both axes of a square kernel. It
 * depends on the layer and on the size of its frames alone. */
static int is_tiled(const Screen *s, const lstmc_film *call)
{
    const idx taps = s->taps.count[X], side = POINTS + 1 - taps;
    if (s->taps.count[Z] != 1 || s->size[Z] != 1 || s->taps.count[Y] != taps ||
        call->dilation[Y] != 1 || call->dilation[X] != 1 || taps < LEAST_TAPS ||
        taps > MOST_TAPS)
        return 0;
    const idx tiles = ((s->lines + side - 1) / side) * ((s->width + side - 1) / side);
    return tiles * ALL_POINTS * 2 <= s->pixels * taps * taps;
}

/* The pieces of a frame, and what tiles need. */
static void cut_frame(Screen *s, const lstmc_film *call)
{
    s->side = 1;
    s->bands = s->lines;
    s->strips = strips_of(s->width);
    if (is_tiled(s, call)) {
        s->side = POINTS + 1 - s->taps.count[X];
        const idx down = (s->lines + s->side - 1) / s->side;
        const idx across = (s->width + s->side - 1) / s->side;
        const idx seen = max_idx(panels_of(s->channels), s->columns);
        const idx yielded = max_idx(s->columns, s->panels + panels_of(s->inputs));
        const idx most =
            max_idx(LEAST_TILES, min_idx(MOST_TILES, PIECE_BYTES / LINE / ALL_POINTS /
                                                         (seen + yielded)));
        s->strips = (across + most - 1) / most;
        s->bands = s->strips > 1 ? down : (down + most / across - 1) / (most / across);
        s->held =
            ((down + s->bands - 1) / s->bands) * ((across + s->strips - 1) / s->strips);
        /* An odd number of lines: the sets of a cache are used alike. */
        s->u_tile = (ALL_POINTS * seen + 1) * PANEL;
        s->m_tile = (ALL_POINTS * yielded + 1) * PANEL;
    }
    const idx pixels = (s->width + s->strips - 1) / s->strips;
    s->longest = s->side == 1 ? pixels : s->held * s->side * s->side;
}

Screen NAME(screen_of)(const lstmc_film *call)
{
    const lstmc_layer layer = {.cell = call->cell,
                               .dtype = call->dtype,
                               .inputs = call->inputs,
                               .units = call->units,
                               .directions = 1};
    const Plan plan = NAME(plan_of)(&layer);
    Screen s = {.cell = plan.cell,
                .taps = taps_of(call->kernel, call->dilation),
                .inputs = call->inputs,
                .units = call->units,
                .channels = call->inputs + call->units,
                .panels = plan.panels,
                .slots = plan.slots,
                .columns = plan.cell->columns,
                .pixelwise = call->pixelwise && plan.cell->vectors > 0};
    s.back = flipped(&s.taps);
    memcpy(s.size, call->size, sizeof s.size);
    s.lines = s.size[Z] * s.size[Y];
    s.width = s.size[X];
    s.pixels = s.lines * s.width;
    cut_frame(&s, call);
    s.depth = count_taps(&s.taps) * s.channels;
    s.back_depth = count_taps(&s.taps) * s.panels * s.columns * PANEL;
    const idx length = s.width + reach_of(&s.taps, X);
    s.frame_line = length * s.channels;
    s.frame = panels_of(s.lines * s.frame_line) * PANEL;
    s.tape_panel = length * s.slots * PANEL;
    s.tape_line = s.panels * s.tape_panel;
    s.step = s.frame + s.lines * s.tape_line;
    return s;
}

/* One unit's numbers of a tap, to or from where they lie PANEL apart. */
static void copy_tap(real *w, idx count, real *packed, int to_packed)
{
    for (idx c = 0; c < count; ++c)
        if (to_packed)
            packed[c * PANEL] = w[c];
        else
            w[c] = packed[c * PANEL];
}

/* The weights of unit j of column g; `packed` is where its lane starts. */
static void copy_unit(const Screen *s, real *w, real *r, int g, idx j, real *packed,
                      int to_packed)
{
    const Column *column = s->cell->column + g;
    const idx taps = count_taps(&s->taps);
    for (idx tap = 0; tap < taps; ++tap, packed += s->channels * PANEL) {
        if (column->w != NONE)
            copy_tap(w + ((column->w * s->units + j) * taps + tap) * s->inputs,
                     s->inputs, packed, to_packed);
        if (column->r != NONE)
            copy_tap(r + ((column->r * s->units + j) * taps + tap) * s->units, s->units,
                     packed + s->inputs * PANEL, to_packed);
    }
}

/* Panel p of column g. */
static void copy_column(const Screen *s, real *w, real *r, real *b, idx p, int g,
                        real *packed, real *bias, int to_packed)
{
    const Column *column = s->cell->column + g;
    const idx place = p * s->columns + g;
    packed += place * s->depth * PANEL;
    bias += place * PANEL;
    if (to_packed) {
        memset(packed, 0, (size_t)(s->depth * PANEL) * sizeof(real));
        memset(bias, 0, (size_t)PANEL * sizeof(real));
    }
    for (idx lane = 0; lane < min_idx(PANEL, s->units - p * PANEL); ++lane) {
        const idx j = p * PANEL + lane;
        copy_unit(s, w, r, g, j, packed + lane, to_packed);
        if (column->b != NONE)
            copy_tap(b + column->b * s->units + j, 1, bias + lane, to_packed);
    }
}

/* The vectors of all units, at one pixel or of the layer; each lies `apart`. */
static void pack_vectors(const Screen *s, const real *v, idx apart, real *to,
                         idx to_panel)
{
    for (int k = 0; k < s->cell->vectors; ++k)
        for (idx p = 0; p < s->panels; ++p)
            for (idx j = 0; j < PANEL; ++j)
                to[p * to_panel + k * PANEL + j] =
                    p * PANEL + j < s->units ? v[k * apart + p * PANEL + j] : 0;
}

void NAME(pack_film)(const Film *f, const lstmc_film *call)
{
    const Screen *s = &f->screen;
    const idx each = s->cell->vectors * PANEL;
#pragma omp for schedule(static)
    for (idx k = 0; k < s->panels * s->columns; ++k)
        copy_column(s, (real *)call->w, (real *)call->r, (real *)call->b,
                    k / s->columns, (int)(k % s->columns), f->weights, f->bias, 1);
#pragma omp for schedule(static)
    for (idx q = 0; q < (s->pixelwise ? s->pixels : s->cell->vectors > 0); ++q)
        if (s->pixelwise)
            pack_vectors(s, (const real *)call->v + q * s->units, s->pixels * s->units,
                         f->vectors +
                             (q / s->width * s->panels * s->width + q % s->width) *
                                 each,
                         s->width * each);
        else
            pack_vectors(s, call->v, s->units, f->vectors, each);
}

/* For the way back from column g of panel p, PANEL units, to channels first .. of what
 * block `block` of w (blocks * units, taps, width) reads at a tap: (PANEL, PANEL). */
static void transpose_square(const Screen *s, const real *w, int block, idx width,
                             idx tap, idx p, idx first, real *to)
{
    const idx taps = count_taps(&s->taps);
    for (idx j = 0; j < PANEL; ++j)
        for (idx c = 0; c < PANEL; ++c) {
            const idx unit = p * PANEL + j, channel = first + c;
            const int is_there = block != NONE && unit < s->units && channel < width;
            to[j * PANEL + c] =
                is_there ? w[((block * s->units + unit) * taps + tap) * width + channel]
                         : 0;
        }
}

/* Panel q of the channels of h, or of x: (lines of taps, panels, taps, columns, PANEL,
 * PANEL), taps in reverse. */
static void transpose_panel(const Screen *s, const real *w, int of_x, idx q, real *to)
{
    const idx along = s->taps.count[X], taps = count_taps(&s->taps);
    for (idx line = 0; line < taps / along; ++line)
        for (idx p = 0; p < s->panels; ++p)
            for (idx k = 0; k < along; ++k)
                for (int g = 0; g < s->columns; ++g, to += PANEL * PANEL) {
                    const Column *column = s->cell->column + g;
                    transpose_square(s, w, of_x ? column->w : column->r,
                                     of_x ? s->inputs : s->units,
                                     taps - 1 - (line * along + k), p, q * PANEL, to);
                }
}

void NAME(transpose_film)(const Film *f, const lstmc_film *call)
{
    const Screen *s = &f->screen;
    const idx inputs = f->dx ? panels_of(s->inputs) : 0;
#pragma omp for schedule(static)
    for (idx q = 0; q < s->panels + inputs; ++q)
        if (q < s->panels)
            transpose_panel(s, call->r, 0, q,
                            f->transposed + q * s->back_depth * PANEL);
        else
            transpose_panel(s, call->w, 1, q - s->panels,
                            f->transposed_x + (q - s->panels) * s->back_depth * PANEL);
}

/* Sums over samples, and over pixels unless each has its own, in order. */
static void unpack_vectors(const Film *f, real *v, idx p, int k)
{
    const Screen *s = &f->screen;
    const idx each = s->cell->vectors * PANEL,
              left = min_idx(PANEL, s->units - p * PANEL);
    real *to = v + k * (s->pixelwise ? s->pixels : 1) * s->units + p * PANEL;
    for (idx q = 0; q < s->pixels; ++q, to += s->pixelwise ? s->units : 0)
        for (idx sample = 0; sample < f->samples; ++sample) {
            const real *from =
                f->dv + sample * vector_reals(s) + k * PANEL +
                ((q / s->width * s->panels + p) * s->width + q % s->width) * each;
            const int is_first = sample == 0 && (s->pixelwise || q == 0);
            for (idx j = 0; j < left; ++j)
                to[j] = (is_first ? 0 : to[j]) + from[j];
        }
}

void NAME(unpack_film)(const Film *f, const lstmc_film *call)
{
    const Screen *s = &f->screen;
    const int vectors = s->cell->vectors;
#pragma omp for schedule(static)
    for (idx k = 0; k < s->panels * s->columns; ++k)
        copy_column(s, call->dw, call->dr, call->db, k / s->columns,
                    (int)(k % s->columns), f->gradient, f->d_bias, 0);
#pragma omp for schedule(static)
    for (idx k = 0; k < s->panels * vectors; ++k)
        unpack_vectors(f, call->dv, k / vectors, (int)(k % vectors));
}
