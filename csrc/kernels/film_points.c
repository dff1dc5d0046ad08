/* film_points.c - a frame's sums over taps, forward and back, tile by tile: 36 products
 * at the points of points.h, along both axes, for the (7 - taps)^2 pixels of a tile. */
#include "film_points.h"

/* M (tiles, panels, ALL_POINTS, PANEL), s->m_tile apart: U of `depth` reals a point
 * times weights (ALL_POINTS, panels, depth, PANEL); on top of M if `more`. */
static void multiply(const Run *run, idx tiles, idx depth, const real *weights,
                     idx panels, int more)
{
    const Screen *s = &run->film->screen;
    for (int i = 0; i < ALL_POINTS; ++i) {
        real *m = run->products + i * PANEL;
        NAME(product)(&(Product){
            .rows = tiles,
            .panels = panels,
            .groups = 1,
            .a = run->turned + i * panels_of(depth) * PANEL,
            .a_row = s->u_tile,
            .runs = 1,
            .run = depth,
            .b = weights + i * panels * depth * PANEL,
            .b_panel = depth * PANEL,
            .start = more ? m : no_start(),
            .start_panel = more ? ALL_POINTS * PANEL : 0,
            .start_row = more ? s->m_tile : 0,
            .c = m,
            .c_panel = ALL_POINTS * PANEL,
            .c_row = s->m_tile,
        });
    }
}

/* The pixels of a panel: start + A' M A, of a tile or of a piece. */
typedef struct {
    const real *start;
    idx start_line, start_pixel; /* reals from one to the next; 0: all have the same */
    real *to;
    idx line, pixel;
} Sums;

ALWAYS_INLINE void sum_tile(const real *m, Sums sums, Piece tile, const idx side)
{
    for (idx c = 0; c < PANEL; c += LANES) {
        vec half[MOST_EACH][POINTS];
        EACH (q, POINTS) {
            vec x[POINTS], y[MOST_EACH];
            EACH (j, POINTS)
                x[j] = *(const vec *)(m + (j * POINTS + q) * PANEL + c);
            turn_back(x, side, y);
            EACH (j, side)
                half[j][q] = y[j];
        }
        EACH (j, side) {
            if (j == tile.lines)
                break;
            const real *start = sums.start + j * sums.start_line + c;
            real *to = sums.to + j * sums.line + c;
            vec out[MOST_EACH];
            turn_back(half[j], side, out);
            EACH (k, side)
                if (k < tile.count)
                    *(vec *)(to + k * sums.pixel) =
                        *(const vec *)(start + k * sums.start_pixel) + out[k];
        }
    }
}

/* Panel p of M, for all tiles of a piece. */
static void sum_piece(const Run *run, Piece piece, idx p, Sums all)
{
    const Screen *s = &run->film->screen;
    const idx tiles = tiles_of(s, piece);
    const real *m = run->products + p * ALL_POINTS * PANEL;
    for (idx k = 0; k < tiles; ++k, m += s->m_tile) {
        const Piece tile = tile_of(s, piece, k);
        const idx y = tile.line - piece.line, x = tile.x - piece.x;
        Sums sums = all;
        sums.start += y * all.start_line + x * all.start_pixel;
        sums.to += y * all.line + x * all.pixel;
        switch (s->side) {
        case 2:
            sum_tile(m, sums, tile, 2);
            break;
        case 3:
            sum_tile(m, sums, tile, 3);
            break;
        default:
            sum_tile(m, sums, tile, 4);
        }
    }
}

void NAME(turn_frame)(const Run *run, const real *frame, Piece piece)
{
    const Field field = frame_field(&run->film->screen, frame);
    turn_field(run->film, &field, piece, 0, POINTS, run->turned);
}

void NAME(sum_points)(const Run *run, Piece piece, idx p, real *a, idx a_line)
{
    const Film *f = run->film;
    const Screen *s = &f->screen;
    const idx weights = ALL_POINTS * s->columns * s->channels * PANEL;
    multiply(run, tiles_of(s, piece), s->channels, f->points + p * weights, s->columns,
             0);
    for (idx g = 0; g < s->columns; ++g)
        sum_piece(run, piece, g,
                  (Sums){.start = f->bias + (p * s->columns + g) * PANEL,
                         .to = a + g * PANEL,
                         .line = a_line,
                         .pixel = s->slots * PANEL});
}

void NAME(pull_points)(const Run *run, idx t, Piece piece)
{
    const Film *f = run->film;
    const Screen *s = &f->screen;
    const idx depth = s->columns * PANEL, inputs = back_panels(f) - s->panels;
    const idx tiles = tiles_of(s, piece), apart = piece.lines * piece.count * PANEL;
    for (idx p = 0; p < s->panels; ++p) {
        const Field field = tape_field(s, tape_at(run, t), p);
        turn_field(f, &field, piece, 0, POINTS, run->turned);
        multiply(run, tiles, depth,
                 f->back_points + p * ALL_POINTS * back_panels(f) * depth * PANEL,
                 back_panels(f), p > 0);
    }
    for (idx q = 0; q < s->panels; ++q) {
        real *dh = state_at(s, run->state[0], piece) + q * s->width * PANEL;
        const idx line = s->panels * s->width * PANEL;
        sum_piece(run, piece, q, (Sums){dh, line, PANEL, dh, line, PANEL});
    }
    for (idx q = 0; q < inputs; ++q)
        sum_piece(run, piece, s->panels + q,
                  (Sums){.start = no_start(),
                         .to = run->block + q * apart,
                         .line = piece.count * PANEL,
                         .pixel = PANEL});
    EACH_LINE (piece, one)
        if (inputs > 0)
            join_panels(run->block + (one.line - piece.line) * piece.count * PANEL,
                        apart, piece.count, s->inputs, dx_at(run, t, one), s->inputs);
}

/* V = G w G' of one column of a panel at `depth` places: `from` is its first tap, taps
 * lie `line` and `pixel` apart along the axes, points `apart`. */
static void turn_taps(const Screen *s, const real *from, idx line, idx pixel, real *to,
                      idx apart, idx depth)
{
    const idx taps = s->taps.count[X];
    real g[POINTS][MOST_TAPS];
    set_factors(taps, g);
    for (idx c = 0; c < depth * PANEL; c += LANES) {
        vec half[POINTS][MOST_TAPS] = {0};
        for (idx j = 0; j < taps; ++j)
            for (idx k = 0; k < taps; ++k) {
                const vec tap = *(const vec *)(from + j * line + k * pixel + c);
                EACH (i, POINTS)
                    half[i][k] += g[i][j] * tap;
            }
        for (idx i = 0; i < ALL_POINTS; ++i) {
            vec sum = {0};
            for (idx k = 0; k < taps; ++k)
                sum += g[i % POINTS][k] * half[i / POINTS][k];
            *(vec *)(to + i * apart + c) = sum;
        }
    }
}

void NAME(turn_film)(const Film *f)
{
    const Screen *s = &f->screen;
    const idx taps = s->taps.count[X], each = s->channels * PANEL;
#pragma omp for schedule(static)
    for (idx k = 0; k < s->panels * s->columns; ++k)
        turn_taps(s, f->weights + k * s->depth * PANEL, taps * each, each,
                  f->points +
                      (k / s->columns * ALL_POINTS * s->columns + k % s->columns) *
                          each,
                  s->columns * each, s->channels);
}

/* Of panel k % panels of the units, to one panel of dh or of dx. */
void NAME(turn_film_back)(const Film *f)
{
    const Screen *s = &f->screen;
    const idx taps = s->taps.count[X], depth = s->columns * PANEL;
    const idx each = depth * PANEL, panels = back_panels(f);
#pragma omp for schedule(static)
    for (idx k = 0; k < s->panels * panels; ++k) {
        const idx p = k % s->panels, q = k / s->panels;
        const real *from =
            q < s->panels ? f->transposed + q * s->back_depth * PANEL
                          : f->transposed_x + (q - s->panels) * s->back_depth * PANEL;
        turn_taps(s, from + p * taps * each, s->panels * taps * each, each,
                  f->back_points + (p * ALL_POINTS * panels + q) * each, panels * each,
                  depth);
    }
}
