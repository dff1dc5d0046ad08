/* film_backward.c - takes every cell back through time at every pixel of a frame: dh,
 * by the convolution of the step after's da with the weights turned around, P', dx. */
#include "film.h"

static void lay_out(Run *run)
{
    const Screen *s = &run->film->screen;
    for (int k = 0; k < s->cell->states; ++k)
        run->state[k] = run->frames + k * state_reals(s);
    run->spare = run->block + s->longest * panels_of(s->inputs) * PANEL;
}

/* c (panels, count, PANEL), c_panel apart, += R' da or W' da of step t, for panels of
 * channels; `weights` of the first. */
static void pull_taps(const Run *run, idx t, Piece piece, const real *weights,
                      idx panels, real *c, idx c_panel)
{
    const Screen *s = &run->film->screen;
    const Taps *taps = &s->back;
    const idx z = piece.line / s->size[Y], y = piece.line % s->size[Y];
    const idx block = taps->count[X] * s->columns * PANEL;
    const real *da = tape_at(run, t) + s->frame + piece.x * s->slots * PANEL;
    idx first_z, last_z, first_y, last_y;
    clip_taps(taps, Z, z, s->size[Z], &first_z, &last_z);
    clip_taps(taps, Y, y, s->size[Y], &first_y, &last_y);
    Product product = {
        .rows = piece.count,
        .panels = panels,
        .groups = 1,
        .a_row = s->slots * PANEL,
        .runs = taps->count[X],
        .run = s->columns * PANEL,
        .skip = taps->apart[X] * s->slots * PANEL,
        .b_panel = s->back_depth * PANEL,
        .start = c,
        .start_panel = c_panel,
        .start_row = PANEL,
        .c = c,
        .c_panel = c_panel,
        .c_row = PANEL,
    };
    for (idx j = first_z; j < last_z; ++j)
        for (idx k = first_y; k < last_y; ++k) {
            const idx line = (z - taps->before[Z] + j * taps->apart[Z]) * s->size[Y] +
                             y - taps->before[Y] + k * taps->apart[Y];
            for (idx p = 0; p < s->panels; ++p) {
                product.a = da + line * s->tape_line + p * s->tape_panel;
                product.b = weights +
                            ((j * taps->count[Y] + k) * s->panels + p) * block * PANEL;
                NAME(product)(&product);
            }
        }
}

static void pull_hidden(const Run *run, idx t, Piece piece)
{
    const Screen *s = &run->film->screen;
    pull_taps(run, t, piece, run->film->transposed, s->panels,
              state_at(s, run->state[0], piece), s->width * PANEL);
}

static void pull_input(const Run *run, idx t, Piece piece)
{
    const Film *f = run->film;
    const Screen *s = &f->screen;
    const idx panels = panels_of(s->inputs), panel = piece.count * PANEL;
    memset(run->block, 0, (size_t)(panels * panel) * sizeof(real));
    pull_taps(run, t, piece, f->transposed_x, panels, run->block, panel);
    join_panels(run->block, panel, piece.count, s->inputs, dx_at(run, t, piece),
                s->inputs);
}

/* What da of step t gives to dh of the step before, and to dx. */
static void pull_piece(const Run *run, idx t, Piece piece)
{
    if (run->film->screen.side > 1) {
        NAME(pull_points)(run, t, piece);
        return;
    }
    pull_hidden(run, t, piece);
    if (run->film->dx)
        pull_input(run, t, piece);
}

static void add_output_gradient(const Run *run, idx t, Piece piece)
{
    const Film *f = run->film;
    const Screen *s = &f->screen;
    const real *dy =
        f->dy + ((run->first + t) * s->pixels + pixel_at(s, piece)) * s->units;
    real *dh = state_at(s, run->state[0], piece);
    for (idx r = 0; r < piece.count; ++r, dy += s->units)
        for (idx p = 0; p < s->panels; ++p) {
            real *to = dh + (p * s->width + r) * PANEL;
            const idx count = min_idx(PANEL, s->units - p * PANEL);
            for (idx j = 0; j < count; ++j)
                to[j] += dy[p * PANEL + j];
        }
}

static void run_cell(const Run *run, idx t, Piece piece)
{
    const Film *f = run->film;
    const Screen *s = &f->screen;
    const idx each = s->cell->vectors * PANEL;
    Step step = {.rows = piece.count,
                 .panels = s->panels,
                 .slots = s->slots,
                 .a = kept_at(s, tape_at(run, t), piece),
                 .a_panel = s->tape_panel,
                 .s_panel = s->width * PANEL,
                 .units = s->units,
                 .spare = run->spare,
                 .spares = s->cell->spares};
    for (int k = 0; k < s->cell->states; ++k)
        step.s[k] = state_at(s, run->state[k], piece);
    set_vectors(f, piece, 0, &step);
    step.dv = f->dv + run->sample * vector_reals(s) +
              (piece.line * s->panels * s->width + piece.x) * each;
    step.dv_panel = s->width * each;
    s->cell->backward(&step);
}

static void load_gradients(const Run *run, Piece piece)
{
    const Film *f = run->film;
    const Screen *s = &f->screen;
    const idx at = (run->sample * s->pixels + pixel_at(s, piece)) * s->units;
    const idx each = s->cell->vectors * PANEL;
    for (int k = 0; k < s->cell->states; ++k) {
        real *to = state_at(s, run->state[k], piece);
        if (f->d_after[k])
            part_panels(f->d_after[k] + at, piece.count, s->units, to,
                        s->width * PANEL);
        for (idx p = 0; !f->d_after[k] && p < s->panels; ++p)
            memset(to + p * s->width * PANEL, 0,
                   (size_t)(piece.count * PANEL) * sizeof(real));
    }
    real *dv = f->dv + run->sample * vector_reals(s) +
               (piece.line * s->panels * s->width + piece.x) * each;
    for (idx p = 0; p < s->panels; ++p)
        memset(dv + p * s->width * each, 0,
               (size_t)(piece.count * each) * sizeof(real));
}

static void store_gradients(const Run *run, Piece piece)
{
    const Film *f = run->film;
    const Screen *s = &f->screen;
    const idx at = (run->sample * s->pixels + pixel_at(s, piece)) * s->units;
    for (int k = 0; k < s->cell->states; ++k)
        if (f->d_before[k])
            join_panels(state_at(s, run->state[k], piece), s->width * PANEL,
                        piece.count, s->units, f->d_before[k] + at, s->units);
}

static int run_sample(Run run)
{
    const Film *f = run.film;
    const Screen *s = &f->screen;
    const double work = step_operations(s) * (f->dx ? 2 : 1) / run.members;
    lay_out(&run);
    EACH_OWN_LINE (&run, s, one)
        load_gradients(&run, one);
    /* All know whether to go on. */
    wait_for(f->barrier, run.member, run.members);
    for (idx t = run.length - 1; t >= 0; --t) {
        EACH_OWN_LINE (&run, s, one) {
            if (f->dy)
                add_output_gradient(&run, t, one);
            run_cell(&run, t, one);
        }
        if (!go_on(&run, t, work))
            return 0;
        EACH_OWN_PIECE (&run, s, j)
            pull_piece(&run, t, piece_of(s, j));
    }
    EACH_OWN_LINE (&run, s, one)
        store_gradients(&run, one);
    return 1;
}

void NAME(film_backward)(const Film *f, const lstmc_film *call)
{
#pragma omp parallel num_threads(f->threads)
    {
        const FloatMode mode = flush_denormals();
        NAME(pack_film)(f, call); /* of which the vectors are needed */
        NAME(transpose_film)(f, call);
        if (f->screen.side > 1)
            NAME(turn_film_back)(f);
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
#pragma omp barrier
        NAME(film_gradient)(f, call);
        restore_mode(mode);
    }
}
