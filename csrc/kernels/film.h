/* film.h - a recurrent layer over frames, whose products with weights are convolutions.
 *
 *   a_t = W * x_t + R * h_{t-1} + b      the rows of a step are the pixels of a frame
 *
 * The channels of x and of h lie side by side in a frame, with zeros at both ends of
 * its lines, so that both sums are one product. Lines beyond the frame are left out.
 *
 * Square kernels of 3 to 5 taps take fewer products, tile by tile: film_points.c. */
#ifndef LSTMC_FILM_H
#define LSTMC_FILM_H

#include "conv.h"

/* What all frames share. A line of a frame: (width and the reach, channels). A line of
 * the tape: (panels, width and the reach, slots, PANEL), zeros at its ends, for the way
 * back runs over it as over a frame. */
typedef struct {
    const Cell *cell;
    Taps taps, back;
    idx inputs, units, channels; /* channels: of both */
    idx panels, slots, columns;
    idx size[AXES], lines, width, pixels;
    idx side; /* outputs of a tile along an axis; 1: sums go over taps */
    idx bands, strips; /* pieces of a frame: of its lines, and of those */
    idx held, longest; /* tiles and pixels of a piece, at most */
    idx u_tile,
        m_tile; /* reals of a tile: what it sees and what it yields, at points */
    idx depth; /* of a column: taps and channels */
    idx back_depth; /* the same of the way back: taps, panels, columns, PANEL */
    idx frame_line, frame, tape_panel, tape_line, step; /* step: of the tape, all */
    int pixelwise; /* vectors differ from pixel to pixel */
    idx vector_size; /* of the vectors of a line, or of all */
} Screen;

typedef struct {
    Screen screen;
    idx samples, steps;
    const idx *offset;
    const real *x, *dy;
    real *y, *dx;
    real *tape; /* (steps, frame and lines of the tape); NULL: inference */
    const real *before[MAX_STATES], *d_after[MAX_STATES]; /* (samples, pixels, units) */
    real *after[MAX_STATES], *d_before[MAX_STATES];
    real *weights; /* (panels, columns, taps, channels, PANEL) */
    real *bias; /* (panels, columns, PANEL) */
    real
        *vectors; /* (panels, vectors, PANEL); pixelwise: (lines, panels, width, ...) */
    real *transposed, *transposed_x; /* (panels, taps, panels, columns, PANEL, PANEL) */
    real *gradient, *d_bias; /* as weights, as bias */
    real *zeros; /* a pixel that is beyond the frame */
    real *points, *d_points; /* (panels, ALL_POINTS, columns, channels, PANEL) */
    real *back_points; /* (panels, ALL_POINTS, back_panels, columns, PANEL, PANEL) */
    real *dv; /* (samples, lines, panels, width, vectors, PANEL) */
    int threads, members; /* of a crew, which has a sample; one: each has its own */
    real *crew; /* (crews, crew_size) */
    idx crew_size;
    real *own; /* (threads, own_size) */
    idx own_size;
    Barrier *barrier;
    Poll *poll;
} Film;

/* One sample on its way, as one of its crew sees it. */
typedef struct {
    const Film *film;
    idx sample, first, length; /* first: its first step of all */
    int member, members;
    real *frames; /* inference: two of them */
    real *h; /* forward: (pixels, panels, PANEL) */
    real *state[MAX_STATES]; /* (lines, panels, width, PANEL); forward: all but h */
    real *block, *spare; /* own scratch */
    real *turned, *products; /* also own: U and M of a piece's tiles */
} Run;

/* Pixels x .. x + count of some lines. */
typedef struct {
    idx line, lines, x, count;
} Piece;

Screen NAME(screen_of)(const lstmc_film *);
idx NAME(film_crew_size)(const Screen *, int taped, int backward);
idx NAME(film_own_size)(const Screen *, int backward);
void NAME(pack_film)(const Film *, const lstmc_film *);
void NAME(transpose_film)(const Film *, const lstmc_film *);
void NAME(film_forward)(const Film *, const lstmc_film *);
void NAME(film_backward)(const Film *, const lstmc_film *);
/* By the whole team: the sums over all pixels and steps, to where the caller wants
 * them. */
void NAME(film_gradient)(const Film *, const lstmc_film *);
void NAME(unpack_film)(const Film *, const lstmc_film *);

/* film_points.c: what a piece sees, turned; the columns of panel p of it, (lines,
 * count, slots, PANEL), lines a_line apart; and R' da and W' da of step t, to dh and
 * dx. */
void NAME(turn_frame)(const Run *, const real *frame, Piece);
void NAME(sum_points)(const Run *, Piece, idx p, real *a, idx a_line);
void NAME(pull_points)(const Run *, idx t, Piece);
/* By the whole team: the weights, packed or transposed before; their gradient. */
void NAME(turn_film)(const Film *);
void NAME(turn_film_back)(const Film *);
void NAME(points_gradient)(const Film *);

ALWAYS_INLINE idx state_reals(const Screen *s)
{
    return s->lines * s->panels * s->width * PANEL;
}

ALWAYS_INLINE idx vector_reals(const Screen *s)
{
    return s->lines * s->panels * s->width * s->cell->vectors * PANEL;
}

/* Whole tiles, but for those beyond the frame. */
ALWAYS_INLINE Piece piece_of(const Screen *s, idx k)
{
    const idx band = k / s->strips, strip = k % s->strips, side = s->side;
    const idx down = (s->lines + side - 1) / side,
              across = (s->width + side - 1) / side;
    Piece piece = {.line = down * band / s->bands * side,
                   .x = across * strip / s->strips * side};
    piece.lines = min_idx(s->lines, down * (band + 1) / s->bands * side) - piece.line;
    piece.count = min_idx(s->width, across * (strip + 1) / s->strips * side) - piece.x;
    return piece;
}

/* The pieces of a frame that are a member's. */
#define EACH_OWN_PIECE(run, s, k)                                           \
    for (idx k = (s)->bands * (s)->strips * (run)->member / (run)->members; \
         k < (s)->bands * (s)->strips * ((run)->member + 1) / (run)->members; ++k)

/* A piece line by line. */
#define EACH_LINE(piece, one)                                        \
    for (Piece all = (piece), one = {all.line, 1, all.x, all.count}; \
         one.line < all.line + all.lines; ++one.line)

/* The own pieces line by line. */
#define EACH_OWN_LINE(run, s, one) \
    EACH_OWN_PIECE (run, s, piece) \
        EACH_LINE (piece_of(s, piece), one)

/* Of a state: the part of a piece's first line, its panels width * PANEL apart. */
ALWAYS_INLINE real *state_at(const Screen *s, real *state, Piece piece)
{
    return state + (piece.line * s->panels * s->width + piece.x) * PANEL;
}

ALWAYS_INLINE idx pixel_at(const Screen *s, Piece piece)
{
    return piece.line * s->width + piece.x;
}

/* Panels of what da goes back to: of dh, and of dx if it is wanted. */
ALWAYS_INLINE idx back_panels(const Film *f)
{
    return f->screen.panels + (f->dx ? panels_of(f->screen.inputs) : 0);
}

ALWAYS_INLINE real *dx_at(const Run *run, idx t, Piece piece)
{
    const Screen *s = &run->film->screen;
    return run->film->dx +
           ((run->first + t) * s->pixels + pixel_at(s, piece)) * s->inputs;
}

/* Where step t of the run lies on the tape: the frame, then what cells keep. */
ALWAYS_INLINE real *tape_at(const Run *run, idx t)
{
    return run->film->tape + (run->first + t) * run->film->screen.step;
}

ALWAYS_INLINE real *kept_at(const Screen *s, real *step, Piece piece)
{
    return step + s->frame + piece.line * s->tape_line +
           (s->back.before[X] + piece.x) * s->slots * PANEL;
}

/* The taps of an axis that lie inside, for an output at `at`: first .. last. */
static inline void clip_taps(const Taps *taps, int axis, idx at, idx size, idx *first,
                             idx *last)
{
    const idx apart = taps->apart[axis], lack = taps->before[axis] - at;
    *first = lack > 0 ? (lack + apart - 1) / apart : 0;
    *last = min_idx(taps->count[axis], (size - 1 + lack) / apart + 1);
    if (size - 1 + lack < 0)
        *last = 0;
}

/* The vectors of a piece, from panel p on, and how they lie. */
static inline void set_vectors(const Film *f, Piece piece, idx p, Step *step)
{
    const Screen *s = &f->screen;
    const idx count = s->cell->vectors, each = count * PANEL;
    step->vectors = (int)count;
    step->v_row = s->pixelwise ? each : 0;
    step->v_panel = s->pixelwise ? s->width * each : each;
    step->v = f->vectors + p * step->v_panel;
    if (s->pixelwise)
        step->v += (piece.line * s->panels * s->width + piece.x) * each;
}

/* Waits for the crew after step t; 0: told to stop. */
static inline int go_on(const Run *run, idx t, double work)
{
    const Film *f = run->film;
    if (own_thread() == 0)
        ask_after(f->poll, work);
    if (run->members == 1)
        return !atomic_load(&f->poll->stopped);
    if (run->member == 0)
        tell_all(f->barrier, t, atomic_load(&f->poll->stopped));
    wait_for(f->barrier, run->member, run->members);
    return !was_told(f->barrier, t);
}

/* Operations of one step of one sample. */
static inline double step_operations(const Screen *s)
{
    return 2.0 * (double)s->pixels * (double)(s->depth * s->columns) *
           (double)(s->panels * PANEL);
}

/* A run without a sample: the own scratch. */
static inline Run own_run(const Film *f)
{
    Run run = {.film = f, .turned = f->own + own_thread() * f->own_size};
    run.products = run.turned + f->screen.held * f->screen.u_tile;
    run.block = run.products + f->screen.held * f->screen.m_tile;
    return run;
}

static inline Run run_of(const Film *f, idx sample, int crew, int member, int members)
{
    Run run = own_run(f);
    run.sample = sample;
    run.first = f->offset[sample];
    run.length = f->offset[sample + 1] - f->offset[sample];
    run.member = member;
    run.members = members;
    run.frames = f->crew + crew * f->crew_size;
    return run;
}

#endif
