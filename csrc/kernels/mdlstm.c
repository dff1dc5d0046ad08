/* mdlstm.c - from a call of the multidimensional LSTM to the jobs of a sweep. */
#include "sweep.h"

/* Rows of a slab's widest diagonal: enough for the tile. Fixed, so that the order of
 * the weights' sums depends on the images alone. */
#define SLAB_ROWS 48

idx NAME(packed_window)(const Sweep *);

/* Cells, diagonals and the most cells of a diagonal of an image. */
static void measure(const lstmc_mdlstm *call, idx sample, Slab *out)
{
    const idx *shape = call->shape + sample * call->dims;
    idx longest = 1;
    out->cells = out->diagonals = 1;
    for (int d = 0; d < call->dims; ++d) {
        out->cells *= shape[d];
        out->diagonals += shape[d] - 1;
        longest = max_idx(longest, shape[d]);
    }
    /* All coordinates but the longest's tell the cell of a diagonal. */
    out->widest = out->cells / longest;
}

/* Cuts the images into slabs; returns the entries of the table of diagonals. `slab` may
 * be NULL. */
static idx cut_slabs(Sweep *s, Slab *slab)
{
    Slab own = {0};
    idx starts = 0;
    s->slabs = s->cells = s->widest = 0;
    for (idx j = 0; j < s->call->samples; ++j) {
        Slab image;
        measure(s->call, j, &image);
        own.images++;
        own.cells += image.cells;
        own.widest += image.widest;
        own.diagonals = max_idx(own.diagonals, image.diagonals);
        if (own.widest < SLAB_ROWS && j + 1 < s->call->samples)
            continue;
        own.first = s->cells;
        own.start = starts;
        if (slab)
            slab[s->slabs] = own;
        ++s->slabs;
        s->cells += own.cells;
        s->widest = max_idx(s->widest, own.widest);
        starts += own.diagonals + 1;
        own = (Slab){.image = j + 1};
    }
    return starts;
}

static Sweep sweep_of(const lstmc_mdlstm *call)
{
    Sweep s = {.call = call,
               .dims = call->dims,
               .columns = call->dims + 3,
               .slots = call->dims + 4,
               .directions = call->directions,
               .inputs = call->inputs,
               .units = call->units,
               .panels = panels_of(call->units)};
    s.k = s.inputs + s.dims * s.units;
    s.row = panels_of(s.k) * PANEL + PANEL;
    s.out_panels = s.dims * s.panels;
    return s;
}

/* Threads that share a job: where there are fewer jobs, and rows enough. */
static int members_of(const Sweep *s)
{
    const idx jobs = max_idx(1, s->slabs * s->directions);
    return (int)max_idx(1, min_idx(s->threads / jobs, s->widest / 8));
}

static Sweep lay_out(const lstmc_mdlstm *call, int threads, int backward, Arena *arena)
{
    Sweep s = sweep_of(call);
    const idx starts = cut_slabs(&s, NULL);
    s.slab = take(arena, s.slabs, sizeof(Slab));
    if (arena->base)
        cut_slabs(&s, s.slab);
    s.threads = threads;
    s.members = members_of(&s);
    if (call->dx && backward)
        s.out_panels += panels_of(s.inputs);
    const idx crews = threads / s.members, weights = weights_of_direction(&s);
    const idx biases = s.directions * s.panels * biases_in(&s) * PANEL;
    s.spot = take(arena, s.cells, sizeof(Spot));
    s.place = take(arena, s.cells, sizeof(int32_t));
    s.start = take(arena, starts, sizeof(idx));
    s.walk = take(arena, s.directions * call->samples, sizeof(Walk));
    s.poll = take(arena, 1, sizeof(Poll));
    s.barrier = take(arena, crews, sizeof(Barrier));
    s.weights = take(arena, s.directions * weights, sizeof(real));
    s.biases = take(arena, biases, sizeof(real));
    const idx depth = s.panels * s.columns * PANEL;
    s.back = take(arena, backward * s.directions * s.out_panels * depth * PANEL,
                  sizeof(real));
    s.state_size = 4 * (s.widest + 1) * (backward ? s.dims : 1) * width_of_states(&s);
    s.own_size = BLOCK_ROWS * (s.row + max_idx(s.slots, s.out_panels) * PANEL);
    s.scratch = take(arena, crews * s.state_size + threads * s.own_size, sizeof(real));
    if (!backward)
        return s;
    if (call->dx)
        s.dx = take(arena, (s.directions - 1) * s.cells * s.inputs, sizeof(real));
    s.packed_rows = take(arena, s.directions * NAME(packed_window)(&s), sizeof(real));
    s.gradient = take(arena, s.directions * weights, sizeof(real));
    s.d_biases = take(arena, biases, sizeof(real));
    return s;
}

static idx tape_size(const lstmc_mdlstm *call)
{
    Sweep s = sweep_of(call);
    cut_slabs(&s, NULL);
    return s.directions * s.cells * tape_row(&s);
}

static idx workspace(const lstmc_mdlstm *call, int threads, int backward)
{
    Arena arena = {0};
    lay_out(call, threads, backward, &arena);
    return arena.used + LINE;
}

/* Which thread of the team, and its crew; there may be fewer than were asked for. */
typedef struct {
    int thread, members;
    idx crew, crews;
} Place;

static Place my_place(const Sweep *s)
{
    const int thread = own_thread(), team = team_size();
    const int members = s->members < team ? s->members : team;
    return (Place){.thread = thread,
                   .members = members,
                   .crew = thread / members,
                   .crews = team / members};
}

static real *own_scratch(const Sweep *s, int thread)
{
    return s->scratch + s->threads / s->members * s->state_size + thread * s->own_size;
}

/* Job k, as the calling thread sees it. */
static Job make_job(const Sweep *s, idx k, Place place, int backward)
{
    const idx direction = k % s->directions;
    Job job = {.s = s,
               .slab = s->slab + k / s->directions,
               .direction = (int)direction,
               .member = place.thread % place.members,
               .members = place.members,
               .calling = place.thread == 0,
               .walk = s->walk + direction * s->call->samples,
               .weights = s->weights + direction * weights_of_direction(s),
               .biases = s->biases + direction * s->panels * biases_in(s) * PANEL,
               .back = s->back + direction * s->out_panels * s->panels * s->columns *
                                     PANEL * PANEL,
               .barrier = s->barrier + place.crew};
    const idx row = (backward ? s->dims : 1) * width_of_states(s);
    real *states = s->scratch + place.crew * s->state_size;
    for (int side = 0; side < 2; ++side) {
        job.h[side] = states + side * (s->widest + 1) * row;
        job.c[side] = states + (2 + side) * (s->widest + 1) * row;
    }
    job.rows = own_scratch(s, place.thread);
    job.gates = job.rows + BLOCK_ROWS * s->row;
    if (s->call->tape)
        job.tape = (real *)s->call->tape + direction * s->cells * tape_row(s);
    return job;
}

/* What lies outside of an image is zero: the last row of the states. */
static void clear_outside(const Job *job, int backward)
{
    const idx row = (backward ? job->s->dims : 1) * width_of_states(job->s);
    for (int side = 0; side < 2; ++side) {
        memset(job->h[side] + job->slab->widest * row, 0, (size_t)row * sizeof(real));
        memset(job->c[side] + job->slab->widest * row, 0, (size_t)row * sizeof(real));
    }
}

static void run_job(const Sweep *s, idx k, Place place, int backward)
{
    const Job job = make_job(s, k, place, backward);
    if (job.member == 0)
        clear_outside(&job, backward);
    wait_for(job.barrier, job.member, job.members);
    (backward ? NAME(sweep_backward) : NAME(sweep_forward))(&job);
}

/* Jobs one by one to whoever is free, or in turn to crews. */
static void run_jobs(const Sweep *s, int backward)
{
    const idx jobs = s->slabs * s->directions;
    const Place place = my_place(s);
    if (s->members == 1) {
#pragma omp for schedule(dynamic)
        for (idx k = 0; k < jobs; ++k)
            if (!is_halted(s))
                run_job(s, k, place, backward);
        return;
    }
    if (place.crew < place.crews)
        for (idx k = place.crew; k < jobs; k += place.crews)
            run_job(s, k, place, backward);
#pragma omp barrier
}

/* dx of all directions, in their order. */
static void add_inputs(const Sweep *s)
{
    real *dx = s->call->dx;
    const idx size = s->cells * s->inputs;
#pragma omp for schedule(static)
    for (idx k = 0; k < size; ++k)
        for (int direction = 1; direction < s->directions; ++direction)
            dx[k] += s->dx[(direction - 1) * size + k];
}

static int run(const lstmc_mdlstm *call, int threads, void *memory, int backward)
{
    Arena arena = {.base = memory};
    const Sweep s = lay_out(call, threads, backward, &arena);
    *s.poll = (Poll){.ask = call->poll, .data = call->poll_data};
    memset(s.barrier, 0, (size_t)(threads / s.members) * sizeof(Barrier));
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
        NAME(build_tables)(&s);
        NAME(pack_sweep)(&s, backward);
        run_jobs(&s, backward);
        if (backward && !is_halted(&s)) {
            if (call->dx)
                add_inputs(&s);
            NAME(sweep_gradient)(&s, own_scratch(&s, my_place(&s).thread));
        }
        restore_mode(mode);
    }
    return is_halted(&s) ? LSTMC_STOPPED : LSTMC_OK;
}

static int forward(const lstmc_mdlstm *call, int threads, void *memory)
{
    return run(call, threads, memory, 0);
}

static int backward(const lstmc_mdlstm *call, int threads, void *memory)
{
    return run(call, threads, memory, 1);
}

const MdlstmKernels NAME(mdlstm_kernels) = {.tape_size = tape_size,
                                            .workspace = workspace,
                                            .forward = forward,
                                            .backward = backward};
