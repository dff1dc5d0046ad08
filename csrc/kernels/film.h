/* film.h - a recurrent layer over frames, whose products with weights are convolutions.
 *
 *   a_t = W * x_t + R * h_{t-1} + b      the rows of a step are the pixels of a frame
 *
 * The channels of x and of h lie side by side in a frame, with zeros at both ends of
 * its lines, so that both sums are one product. Lines beyond the frame are left out. */
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
    idx strips; /* of a line */
    idx longest; /* pixels of a strip */
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
} Run;

/* Pixels x .. x + count of a line. */
typedef struct {
    idx line, x, count;
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

ALWAYS_INLINE idx state_reals(const Screen *s)
{
    return s->lines * s->panels * s->width * PANEL;
}

ALWAYS_INLINE idx vector_reals(const Screen *s)
{
    return s->lines * s->panels * s->width * s->cell->vectors * PANEL;
}

ALWAYS_INLINE Piece piece_of(const Screen *s, idx k)
{
    const idx j = k % s->strips;
    Piece piece = {.line = k / s->strips, .x = s->width * j / s->strips};
    piece.count = s->width * (j + 1) / s->strips - piece.x;
    return piece;
}

/* The pieces of a frame that are a member's. */
#define EACH_OWN_PIECE(run, s, k)                                           \
    for (idx k = (s)->lines * (s)->strips * (run)->member / (run)->members; \
         k < (s)->lines * (s)->strips * ((run)->member + 1) / (run)->members; ++k)

/* Of a state: the part of a piece's line, its panels width * PANEL apart. */
ALWAYS_INLINE real *state_at(const Screen *s, real *state, Piece piece)
{
    return state + (piece.line * s->panels * s->width + piece.x) * PANEL;
}

ALWAYS_INLINE idx pixel_at(const Screen *s, Piece piece)
{
    return piece.line * s->width + piece.x;
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

static inline Run run_of(const Film *f, idx sample, int crew, int member, int members)
{
    return (Run){.film = f,
                 .sample = sample,
                 .first = f->offset[sample],
                 .length = f->offset[sample + 1] - f->offset[sample],
                 .member = member,
                 .members = members,
                 .block = f->own + own_thread() * f->own_size,
                 .frames = f->crew + crew * f->crew_size};
}

#endif
