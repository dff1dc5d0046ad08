/* film_forward.c - takes every cell through time at every pixel of a frame.
 *
 * A piece of a line is one product for the columns of a panel, over the taps and then
 * over the channels of x and of h; then P while it lies near. Who has made a piece puts
 * h and the next x into the next frame, where its neighbours will look. */
#include "film.h"

/* Forward's own: a piece of one panel, what it may need beside; backward's: dx. */
idx NAME(film_own_size)(const Screen *s, int backward)
{
    const idx panels = backward ? panels_of(s->inputs) : s->slots;
    return s->held * (s->u_tile + s->m_tile) + s->longest * panels * PANEL +
           s->panels * s->cell->spares * PANEL;
}

idx NAME(film_crew_size)(const Screen *s, int taped, int backward)
{
    const idx states = s->cell->states * state_reals(s);
    return backward ? states : (taped ? 0 : 2 * s->frame) + states;
}

static void lay_out(Run *run)
{
    const Screen *s = &run->film->screen;
    real *next = run->frames + (run->film->tape ? 0 : 2 * s->frame);
    run->h = next;
    for (int k = 1; k < s->cell->states; ++k)
        run->state[k] = next + k * state_reals(s);
    run->spare = run->block + s->longest * s->slots * PANEL;
}

static real *frame_at(const Run *run, idx t)
{
    if (run->film->tape)
        return t < run->length ? tape_at(run, t) : NULL;
    return run->frames + (t & 1) * run->film->screen.frame;
}

/* x of step t and h before it into a piece of its frame. */
static void fill_frame(const Run *run, idx t, Piece piece)
{
    const Screen *s = &run->film->screen;
    real *frame = frame_at(run, t);
    if (t >= run->length)
        return;
    const idx pixel = pixel_at(s, piece), row = s->panels * PANEL;
    real *to = frame + piece.line * s->frame_line +
               (s->taps.before[X] + piece.x) * s->channels;
    const real *x = run->film->x + ((run->first + t) * s->pixels + pixel) * s->inputs;
    const real *h = run->h + pixel * row;
    for (idx k = 0; k < piece.count; ++k, to += s->channels, x += s->inputs, h += row) {
        memcpy(to, x, (size_t)s->inputs * sizeof(real));
        memcpy(to + s->inputs, h, (size_t)s->units * sizeof(real));
    }
}

/* Zeros at both ends of a line of so many, `before` of `each` reals before it. */
static void clear_ends(real *line, idx before, idx width, idx after, idx each)
{
    memset(line, 0, (size_t)(before * each) * sizeof(real));
    memset(line + (before + width) * each, 0, (size_t)(after * each) * sizeof(real));
}

/* The ends of line `line` of frame t, and of the tape. */
static void clear_line(const Run *run, idx t, idx line)
{
    const Screen *s = &run->film->screen;
    const idx before = s->taps.before[X], after = s->back.before[X];
    real *frame = frame_at(run, t);
    if (!frame)
        return;
    clear_ends(frame + line * s->frame_line, before, s->width, after, s->channels);
    for (idx p = 0; run->film->tape && p < s->panels; ++p)
        clear_ends(frame + s->frame + line * s->tape_line + p * s->tape_panel, after,
                   s->width, before, s->slots * PANEL);
}

/* Numbers of a column that one product sums, about: the weights of two columns then
 * stay in the first cache while the pixels of a piece go by. */
#define DEPTH 256

/* Columns of panel p: c (count, slots, PANEL). */
static void sum_taps(const Film *f, const real *frame, Piece piece, idx p, real *c)
{
    const Screen *s = &f->screen;
    const Taps *taps = &s->taps;
    const int dense = taps->apart[X] == 1;
    const idx run = dense ? taps->count[X] * s->channels : s->channels;
    const idx at_once = dense ? max_idx(1, DEPTH / run) : 1; /* lines of taps */
    const idx z = piece.line / s->size[Y], y = piece.line % s->size[Y];
    idx first_z, last_z, first_y, last_y;
    clip_taps(taps, Z, z, s->size[Z], &first_z, &last_z);
    clip_taps(taps, Y, y, s->size[Y], &first_y, &last_y);
    Product product = {
        .rows = piece.count,
        .panels = s->columns,
        .groups = 1,
        .a_row = s->channels,
        .runs = dense ? at_once : taps->count[X],
        .run = run,
        .skip = dense ? taps->apart[Y] * s->frame_line : taps->apart[X] * s->channels,
        .b_panel = s->depth * PANEL,
        .start = f->bias + p * s->columns * PANEL,
        .start_panel = PANEL,
        .c = c,
        .c_panel = PANEL,
        .c_row = s->slots * PANEL,
    };
    for (idx j = first_z; j < last_z; ++j)
        for (idx k = first_y; k < last_y; k += at_once) {
            if (dense)
                product.runs = min_idx(at_once, last_y - k);
            const idx line = (z - taps->before[Z] + j * taps->apart[Z]) * s->size[Y] +
                             y - taps->before[Y] + k * taps->apart[Y];
            product.a = frame + line * s->frame_line + piece.x * s->channels;
            product.b =
                f->weights + (p * s->columns * s->depth +
                              (j * taps->count[Y] + k) * taps->count[X] * s->channels) *
                                 PANEL;
            NAME(product)(&product);
            product.start = c;
            product.start_row = product.c_row;
        }
    for (idx r = 0; product.start != c && r < piece.count; ++r) /* no tap is inside */
        memcpy(c + r * s->slots * PANEL, product.start,
               (size_t)(s->columns * PANEL) * sizeof(real));
}

/* h of a piece, without what fills its last panel. */
static void copy_hidden(const Run *run, Piece piece, real *to)
{
    const Screen *s = &run->film->screen;
    const idx row = s->panels * PANEL;
    const real *h = run->h + pixel_at(s, piece) * row;
    for (idx r = 0; r < piece.count; ++r)
        memcpy(to + r * s->units, h + r * row, (size_t)s->units * sizeof(real));
}

/* P of panel p in one line of a piece. */
static void run_cell(const Run *run, Piece piece, idx p, real *a)
{
    const Film *f = run->film;
    const Screen *s = &f->screen;
    const idx row = s->panels * PANEL;
    real *h = run->h + pixel_at(s, piece) * row + p * PANEL;
    Step step = {.rows = piece.count,
                 .panels = 1,
                 .slots = s->slots,
                 .a = a,
                 .row0 = h,
                 .h0 = h,
                 .row1 = h,
                 .h1 = h,
                 .row = row,
                 .s_panel = s->width * PANEL,
                 .units = s->units,
                 .spare = run->spare,
                 .spares = s->cell->spares};
    for (int k = 1; k < s->cell->states; ++k)
        step.s[k] = state_at(s, run->state[k], piece) + p * s->width * PANEL;
    set_vectors(f, piece, p, &step);
    s->cell->forward(&step);
}

static void run_piece(const Run *run, idx t, Piece piece)
{
    const Film *f = run->film;
    const Screen *s = &f->screen;
    const real *frame = frame_at(run, t);
    const idx line = f->tape ? s->tape_line : piece.count * s->slots * PANEL;
    if (s->side > 1)
        NAME(turn_frame)(run, frame, piece);
    for (idx p = 0; p < s->panels; ++p) {
        real *a = run->block;
        if (f->tape)
            a = kept_at(s, tape_at(run, t), piece) + p * s->tape_panel;
        if (s->side > 1)
            NAME(sum_points)(run, piece, p, a, line);
        else
            sum_taps(f, frame, piece, p, a);
        EACH_LINE (piece, one)
            run_cell(run, one, p, a + (one.line - piece.line) * line);
    }
    EACH_LINE (piece, one)
        if (f->y)
            copy_hidden(run, one,
                        f->y + ((run->first + t) * s->pixels + pixel_at(s, one)) *
                                   s->units);
}

static void load_state(const Run *run, int k, Piece piece)
{
    const Film *f = run->film;
    const Screen *s = &f->screen;
    const real *from = f->before[k];
    if (from)
        from += (run->sample * s->pixels + pixel_at(s, piece)) * s->units;
    for (idx p = 0; p < s->panels; ++p)
        for (idx r = 0; r < piece.count; ++r) {
            real *to =
                k == 0 ? run->h + ((pixel_at(s, piece) + r) * s->panels + p) * PANEL
                       : state_at(s, run->state[k], piece) + (p * s->width + r) * PANEL;
            const idx left = s->units - p * PANEL;
            for (idx j = 0; j < PANEL; ++j)
                to[j] = from && j < left ? from[r * s->units + p * PANEL + j] : 0;
        }
}

static void store_states(const Run *run, Piece piece)
{
    const Film *f = run->film;
    const Screen *s = &f->screen;
    const idx pixel = pixel_at(s, piece);
    for (int k = 0; k < s->cell->states; ++k) {
        if (!f->after[k])
            continue;
        real *to = f->after[k] + (run->sample * s->pixels + pixel) * s->units;
        if (k == 0)
            copy_hidden(run, piece, to);
        else
            join_panels(state_at(s, run->state[k], piece), s->width * PANEL,
                        piece.count, s->units, to, s->units);
    }
}

/* All steps of a sample. Its tape's ends are cleared step by step, two frames once. */
static int run_sample(Run run)
{
    const Screen *s = &run.film->screen;
    const double work = step_operations(s) / run.members;
    lay_out(&run);
    EACH_OWN_LINE (&run, s, one) {
        for (int k = 0; k < s->cell->states; ++k)
            load_state(&run, k, one);
        for (idx t = 0; one.x == 0 && t < (run.film->tape ? 1 : 2); ++t)
            clear_line(&run, t, one.line);
        fill_frame(&run, 0, one);
    }
    /* For the neighbours' frames. */
    wait_for(run.film->barrier, run.member, run.members);
    for (idx t = 0; t < run.length; ++t) {
        EACH_OWN_PIECE (&run, s, j) {
            run_piece(&run, t, piece_of(s, j));
            EACH_LINE (piece_of(s, j), one) {
                if (run.film->tape && one.x == 0)
                    clear_line(&run, t + 1, one.line);
                fill_frame(&run, t + 1, one);
            }
        }
        if (!go_on(&run, t, work))
            return 0;
    }
    EACH_OWN_LINE (&run, s, one)
        store_states(&run, one);
    return 1;
}

void NAME(film_forward)(const Film *f, const lstmc_film *call)
{
#pragma omp parallel num_threads(f->threads)
    {
        const FloatMode mode = flush_denormals();
        NAME(pack_film)(f, call);
        if (f->screen.side > 1)
            NAME(turn_film)(f);
        if (f->members == 1) {
#pragma omp for schedule(dynamic)
            for (idx sample = 0; sample < f->samples; ++sample)
                if (!atomic_load(&f->poll->stopped))
                    run_sample(run_of(f, sample, own_thread(), 0, 1));
        } else {
            const int thread = own_thread(), team = team_size();
            for (idx sample = 0; sample < f->samples; ++sample)
                if (!run_sample(run_of(f, sample, 0, thread, team)))
                    break;
        }
        restore_mode(mode);
    }
}
