/* film.c - from a call of the C API to a Film: the workspace laid out. */
#include "film_points.h"

static idx crews_of(const Film *f) { return f->members == 1 ? f->threads : 1; }

static Film lay_out(const lstmc_film *call, int threads, int members, int backward,
                    Arena *arena)
{
    Film f = {.screen = NAME(screen_of)(call),
              .samples = call->samples,
              .steps = call->offsets[call->samples],
              .offset = call->offsets,
              .x = call->x,
              .dy = call->dy,
              .y = call->y,
              .dx = call->dx,
              .tape = call->tape,
              .threads = threads,
              .members = members};
    const Screen *s = &f.screen;
    const idx columns = s->panels * s->columns, pixels = s->pixelwise ? s->pixels : 1;
    for (int k = 0; k < s->cell->states; ++k) {
        f.before[k] = call->before[k];
        f.after[k] = call->after[k];
        f.d_after[k] = call->d_after[k];
        f.d_before[k] = call->d_before[k];
    }
    f.crew_size = NAME(film_crew_size)(s, call->tape != NULL, backward);
    f.own_size = NAME(film_own_size)(s, backward);
    f.poll = take(arena, 1, sizeof(Poll));
    f.barrier = take(arena, 1, sizeof(Barrier));
    f.weights = take(arena, columns * s->depth * PANEL, sizeof(real));
    f.bias = take(arena, columns * PANEL, sizeof(real));
    f.vectors =
        take(arena, pixels * s->panels * s->cell->vectors * PANEL, sizeof(real));
    if (s->side > 1) {
        f.zeros = take(arena, s->u_tile / ALL_POINTS, sizeof(real));
        f.points =
            take(arena, columns * ALL_POINTS * s->channels * PANEL, sizeof(real));
    }
    f.crew = take(arena, crews_of(&f) * f.crew_size, sizeof(real));
    f.own = take(arena, threads * f.own_size, sizeof(real));
    if (backward) {
        const idx inputs = call->dx ? panels_of(s->inputs) : 0;
        f.transposed = take(arena, s->panels * s->back_depth * PANEL, sizeof(real));
        f.transposed_x = take(arena, inputs * s->back_depth * PANEL, sizeof(real));
        f.gradient = take(arena, columns * s->depth * PANEL, sizeof(real));
        f.d_bias = take(arena, columns * PANEL, sizeof(real));
        f.dv = take(arena, f.samples * vector_reals(s), sizeof(real));
        if (s->side > 1) {
            const idx depth = columns * PANEL;
            f.d_points =
                take(arena, columns * ALL_POINTS * s->channels * PANEL, sizeof(real));
            f.back_points =
                take(arena, ALL_POINTS * back_panels(&f) * depth * PANEL, sizeof(real));
        }
    }
    return f;
}

static idx film_workspace(const lstmc_film *call, int threads, int members,
                          int backward)
{
    Arena arena = {0};
    lay_out(call, threads, members, backward, &arena);
    return arena.used;
}

static int run(const lstmc_film *call, int threads, int members, int backward,
               void *workspace)
{
    Arena arena = {.base = workspace};
    const Film f = lay_out(call, threads, members, backward, &arena);
    *f.poll = (Poll){.ask = call->poll, .data = call->poll_data};
    memset(f.barrier, 0, sizeof(Barrier));
    if (f.zeros)
        memset(f.zeros, 0, (size_t)(f.screen.u_tile / ALL_POINTS) * sizeof(real));
    if (backward)
        NAME(film_backward)(&f, call);
    else
        NAME(film_forward)(&f, call);
    return atomic_load(&f.poll->stopped) ? LSTMC_STOPPED : LSTMC_OK;
}

static int film_forward(const lstmc_film *call, int threads, int members,
                        void *workspace)
{
    return run(call, threads, members, 0, workspace);
}

static int film_backward(const lstmc_film *call, int threads, int members,
                         void *workspace)
{
    return run(call, threads, members, 1, workspace);
}

static idx film_tape(const lstmc_film *call, idx steps)
{
    return steps * NAME(screen_of)(call).step;
}

const FilmKernels NAME(film_kernels) = {
    .workspace = film_workspace,
    .tape_size = film_tape,
    .forward = film_forward,
    .backward = film_backward,
};
