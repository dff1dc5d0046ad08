/* film_points_gradient.c - the weights' gradient of a layer over frames at the points
 * of its tiles: deep products of U with A da A'.
 *
 * A panel of units and a point of y have one owner, who goes through all tiles in
 * order: the sums of a panel stay near. */
#include "film_points.h"

/* A da A' of a tile, (ALL_POINTS, columns, PANEL), at the points first .. last of y. */
ALWAYS_INLINE void turn_tile(const real *const *pixel, idx reals, idx first, idx last,
                             real *m, const idx side)
{
    for (idx c = 0; c < reals; c += LANES) {
        vec half[POINTS][MOST_EACH];
        EACH (q, side) {
            vec x[MOST_EACH], y[POINTS];
            EACH (j, MOST_EACH)
                x[j] = j < side ? load(pixel[j * side + q], c) : splat(0);
            turn_outputs(x, side, y);
            EACH (j, POINTS)
                half[j][q] = y[j];
        }
        for (idx j = first; j < last; ++j) {
            vec x[MOST_EACH], out[POINTS];
            EACH (q, MOST_EACH)
                x[q] = q < side ? half[j][q] : splat(0);
            turn_outputs(x, side, out);
            EACH (q, POINTS)
                *(vec *)(m + (j * POINTS + q) * reals + c) = out[q];
        }
    }
}

static void turn_gradient(const Film *f, const Field *field, Piece piece, idx first,
                          idx last, real *m)
{
    const Screen *s = &f->screen;
    const idx tiles = tiles_of(s, piece), reals = s->columns * PANEL;
    for (idx k = 0; k < tiles; ++k, m += s->m_tile) {
        const Piece tile = tile_of(s, piece, k);
        const real *pixel[MOST_EACH * MOST_EACH];
        find_pixels(f, field, tile.line, tile.x, s->side, pixel);
        switch (s->side) {
        case 2:
            turn_tile(pixel, reals, first, last, m, 2);
            break;
        case 3:
            turn_tile(pixel, reals, first, last, m, 3);
            break;
        default:
            turn_tile(pixel, reals, first, last, m, 4);
        }
    }
}

/* The biases of panel p. */
static void add_biases(const Film *f, const Field *field, Piece piece, idx p)
{
    const idx reals = f->screen.columns * PANEL;
    real *sum = f->d_bias + p * reals;
    EACH_LINE(piece, one)
    {
        const real *da = field->first + one.line * field->line + one.x * field->pixel;
        for (idx x = 0; x < one.count; ++x, da += field->pixel)
            for (idx c = 0; c < reals; c += LANES)
                *(vec *)(sum + c) += *(const vec *)(da + c);
    }
}

/* A piece's share in the sums of panel p. */
static void add_piece(const Run *run, idx p, idx first, idx last, real *step,
                      Piece piece)
{
    const Film *f = run->film;
    const Screen *s = &f->screen;
    const Field frame = frame_field(s, step), tape = tape_field(s, step, p);
    const idx tiles = tiles_of(s, piece), each = s->channels * PANEL;
    turn_field(f, &frame, piece, first, last, run->turned);
    turn_gradient(f, &tape, piece, first, last, run->products);
    for (idx i = first * POINTS; i < last * POINTS; ++i)
        NAME(deep_product)(&(Deep){
            .a = run->turned + i * frame.panels * PANEL,
            .a_k = s->u_tile,
            .b = run->products + i * s->columns * PANEL,
            .b_k = s->m_tile,
            .b_panel = PANEL,
            .runs = 1,
            .run = tiles,
            .rows = s->channels,
            .panels = s->columns,
            .c = f->d_points + (p * ALL_POINTS + i) * s->columns * each,
            .c_panel = each,
        });
    if (first == 0)
        add_biases(f, &tape, piece, p);
}

/* All steps' share, for the points first .. last of y. */
static void add_steps(const Run *run, idx p, idx first, idx last)
{
    const Film *f = run->film;
    const Screen *s = &f->screen;
    const double work = step_operations(s) / (double)(s->panels * POINTS);
    for (idx t = 0; t < f->steps && !atomic_load(&f->poll->stopped); ++t) {
        for (idx k = 0; k < s->bands * s->strips; ++k)
            add_piece(run, p, first, last, f->tape + t * s->step, piece_of(s, k));
        if (own_thread() == 0)
            ask_after(f->poll, work * (double)(last - first));
    }
}

/* dw = G' dV G of a column of a panel. */
static void keep_column(const Film *f, idx k)
{
    const Screen *s = &f->screen;
    const idx taps = s->taps.count[X], each = s->channels * PANEL;
    const real *from =
        f->d_points +
        (k / s->columns * ALL_POINTS * s->columns + k % s->columns) * each;
    real *to = f->gradient + k * s->depth * PANEL;
    real g[POINTS][MOST_TAPS];
    set_factors(taps, g);
    for (idx c = 0; c < each; c += LANES) {
        vec half[MOST_TAPS][POINTS] = {0};
        for (idx i = 0; i < ALL_POINTS; ++i) {
            const vec point = *(const vec *)(from + i * s->columns * each + c);
            for (idx j = 0; j < taps; ++j)
                half[j][i % POINTS] += g[i / POINTS][j] * point;
        }
        for (idx j = 0; j < taps * taps; ++j) {
            vec sum = {0};
            EACH (i, POINTS)
                sum += g[i][j % taps] * half[j / taps][i];
            *(vec *)(to + j * each + c) = sum;
        }
    }
}

void NAME(points_gradient)(const Film *f)
{
    const Screen *s = &f->screen;
    const idx columns = s->panels * s->columns, each = s->channels * PANEL;
    const idx owned = s->panels * POINTS, thread = own_thread(), team = team_size();
    const idx begin = owned * thread / team, end = owned * (thread + 1) / team;
#pragma omp for schedule(static)
    for (idx k = 0; k < ALL_POINTS * columns; ++k)
        memset(f->d_points + k * each, 0, (size_t)each * sizeof(real));
    const Run run = own_run(f);
    for (idx k = begin, p; k < end; k = (p + 1) * POINTS) {
        p = k / POINTS;
        add_steps(&run, p, k % POINTS, min_idx(end - p * POINTS, POINTS));
    }
#pragma omp barrier
#pragma omp for schedule(static)
    for (idx k = 0; k < columns; ++k)
        keep_column(f, k);
}
