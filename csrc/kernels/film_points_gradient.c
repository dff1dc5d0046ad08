/* film_points_gradient.c - the weights' gradient of a layer over frames at the points
 * of its tiles: deep products of U with A da A'.
 *
 * A panel of units and a point of y have one owner, who goes through all tiles in
 * order, for as many panels at once as have their sums near. */
#include "film_points.h"

#define SUM_BYTES (768 << 10) /* of a second cache, beside a piece's U and M */

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
    EACH_LINE (piece, one) {
        const real *da = field->first + one.line * field->line + one.x * field->pixel;
        for (idx x = 0; x < one.count; ++x, da += field->pixel)
            for (idx c = 0; c < reals; c += LANES)
                *(vec *)(sum + c) += *(const vec *)(da + c);
    }
}

/* A piece's share in the sums of panel p, at the points first .. last of y. */
static void add_panel(const Run *run, idx p, idx first, idx last, real *step,
                      Piece piece)
{
    const Film *f = run->film;
    const Screen *s = &f->screen;
    const Field tape = tape_field(s, step, p);
    const idx each = s->channels * PANEL;
    turn_gradient(f, &tape, piece, first, last, run->products);
    for (idx i = first * POINTS; i < last * POINTS; ++i)
        NAME(deep_product)(&(Deep){
            .a = run->turned + i * panels_of(s->channels) * PANEL,
            .a_k = s->u_tile,
            .b = run->products + i * s->columns * PANEL,
            .b_k = s->m_tile,
            .b_panel = PANEL,
            .runs = 1,
            .run = tiles_of(s, piece),
            .rows = s->channels,
            .panels = s->columns,
            .c = f->d_points + (p * ALL_POINTS + i) * s->columns * each,
            .c_panel = each,
        });
    if (first == 0)
        add_biases(f, &tape, piece, p);
}

/* Its share in the sums begin .. end, POINTS of each panel. */
static void add_piece(const Run *run, idx begin, idx end, real *step, Piece piece)
{
    const Field frame = frame_field(&run->film->screen, step);
    const idx first = begin / POINTS, last = (end - 1) / POINTS;
    turn_field(run->film, &frame, piece, first == last ? begin - first * POINTS : 0,
               first == last ? end - first * POINTS : POINTS, run->turned);
    for (idx p = first; p <= last; ++p)
        add_panel(run, p, max_idx(begin - p * POINTS, 0),
                  min_idx(end - p * POINTS, POINTS), step, piece);
}

/* All steps' share. */
static void add_steps(const Run *run, idx begin, idx end)
{
    const Film *f = run->film;
    const Screen *s = &f->screen;
    const double work = step_operations(s) / (double)(s->panels * POINTS);
    for (idx t = 0; t < f->steps && !atomic_load(&f->poll->stopped); ++t) {
        for (idx k = 0; k < s->bands * s->strips; ++k)
            add_piece(run, begin, end, f->tape + t * s->step, piece_of(s, k));
        if (own_thread() == 0)
            ask_after(f->poll, work * (double)(end - begin));
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
    const idx panel = ALL_POINTS * s->columns * each * (idx)sizeof(real);
    const idx together = max_idx(1, SUM_BYTES / panel);
#pragma omp for schedule(static)
    for (idx k = 0; k < ALL_POINTS * columns; ++k)
        memset(f->d_points + k * each, 0, (size_t)each * sizeof(real));
    const Run run = own_run(f);
    for (idx k = begin, next; k < end; k = next) {
        next = min_idx(end, (k / POINTS + together) * POINTS);
        add_steps(&run, k, next);
    }
#pragma omp barrier
#pragma omp for schedule(static)
    for (idx k = 0; k < columns; ++k)
        keep_column(f, k);
}
