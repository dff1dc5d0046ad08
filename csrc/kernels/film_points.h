/* film_points.h - the tiles of a frame, whose sums over taps are products at points:
 * what the way through time and the weights' gradient share. */
#ifndef LSTMC_FILM_POINTS_H
#define LSTMC_FILM_POINTS_H

#include "film.h"
#include "points.h"

#define ALL_POINTS (POINTS * POINTS) /* of both axes, those of y outermost */

/* What tiles see: pixels of some panels, or of so many reals and what follows them. */
typedef struct {
    const real *first; /* the first pixel of the frame */
    idx line, pixel; /* reals from one to the next */
    idx panels;
    const idx
        *before; /* of an axis: pixels between the first that is seen and the own */
} Field;

static inline Field frame_field(const Screen *s, const real *frame)
{
    return (Field){.first = frame + s->taps.before[X] * s->channels,
                   .line = s->frame_line,
                   .pixel = s->channels,
                   .panels = panels_of(s->channels),
                   .before = s->taps.before};
}

/* The columns of panel p, as they lie on the tape. */
static inline Field tape_field(const Screen *s, real *step, idx p)
{
    return (Field){.first = kept_at(s, step, (Piece){0}) + p * s->tape_panel,
                   .line = s->tape_line,
                   .pixel = s->slots * PANEL,
                   .panels = s->columns,
                   .before = s->back.before};
}

static inline idx across_of(const Screen *s, Piece piece)
{
    return (piece.count + s->side - 1) / s->side;
}

static inline idx tiles_of(const Screen *s, Piece piece)
{
    return across_of(s, piece) * ((piece.lines + s->side - 1) / s->side);
}

/* Tile k of a piece, without what lies beyond the frame. */
static inline Piece tile_of(const Screen *s, Piece piece, idx k)
{
    const idx across = across_of(s, piece);
    Piece tile = {.line = piece.line + k / across * s->side,
                  .x = piece.x + k % across * s->side};
    tile.lines = min_idx(s->side, piece.line + piece.lines - tile.line);
    tile.count = min_idx(s->side, piece.x + piece.count - tile.x);
    return tile;
}

/* The pixels of a square, line by line; zeros beyond the frame. */
static inline void find_pixels(const Film *f, const Field *field, idx line, idx x,
                               idx side, const real **pixel)
{
    const Screen *s = &f->screen;
    for (idx j = line; j < line + side; ++j)
        for (idx k = x; k < x + side; ++k) {
            const int is_inside = j >= 0 && j < s->lines && k >= 0 && k < s->width;
            *pixel++ = is_inside ? field->first + j * field->line + k * field->pixel
                                 : f->zeros;
        }
}

/* U of all tiles of a piece, (tiles, ALL_POINTS, field's panels, PANEL), s->u_tile
 * apart, at the points first .. last of y. */
static inline void turn_field(const Film *f, const Field *field, Piece piece, idx first,
                              idx last, real *u)
{
    const Screen *s = &f->screen;
    const idx tiles = tiles_of(s, piece), reals = field->panels * PANEL;
    for (idx k = 0; k < tiles; ++k, u += s->u_tile) {
        const Piece tile = tile_of(s, piece, k);
        const real *pixel[ALL_POINTS];
        find_pixels(f, field, tile.line - field->before[Y], tile.x - field->before[X],
                    POINTS, pixel);
        for (idx c = 0; c < reals; c += LANES) {
            vec half[POINTS][POINTS];
            EACH (q, POINTS) {
                vec x[POINTS], y[POINTS];
                EACH (j, POINTS)
                    x[j] = load(pixel[j * POINTS + q], c);
                turn_inputs(x, y);
                EACH (j, POINTS)
                    half[j][q] = y[j];
            }
            for (idx j = first; j < last; ++j) {
                vec out[POINTS];
                turn_inputs(half[j], out);
                EACH (q, POINTS)
                    *(vec *)(u + (j * POINTS + q) * reals + c) = out[q];
            }
        }
    }
}

#endif
