/* mlstm_backward.c - the way back through one head of a matrix memory, from the last
 * chunk to the first, with C0 and n0 of each from the tape.
 *
 *   dH = dH~ / D     dN = -sign(N) (dH~ . H) / D  where |N| is what D is made of
 *   dS = dH V' + dN  dP = dS * W,  X = dS * S              S = P * W, P = Q K'
 *   dQ = dP K + w (dH C0 + dN n0)
 *   dK = dP'Q + W_last (V dC1 + dn1)
 *   dV = S'dH + W_last K dC1'
 *   dC0 = w dC1 + (w dH)'Q             dn0 = w dn1 + (w dN)'Q
 *
 * X_ts is the gradient at the logarithm of a weight: log i_s and all log f in (s, t]
 * are part of it. The output depends on the reference m only through epsilon; what is
 * due to that goes back the way m was made. */

#include "mlstm.h"

typedef struct {
    idx steps; /* of a chunk at most, rounded up */
    /* of a chunk: as rows of products, and as columns */
    real *k_rows, *k_columns; /* (panels of steps, d_k, PANEL), (k_panels, steps, .) */
    real *v_rows; /* (panels of steps, d_v, PANEL) */
    real *c0; /* (k_panels, d_v, PANEL) */
    real *dc, *dc_rows; /* the same, and as C' of a state */
    real *dn; /* (k_width) */
    real *dk, *dv; /* (k_panels, steps, PANEL), (v_panels, steps, PANEL) */
    real *weight; /* (steps) */
    GateSums sums;
    /* of a strip */
    real *S, *dP, *W; /* (STRIP, steps); X takes the place of W */
    real *dh; /* (STRIP, v_width) */
    real *dh_columns, *q_columns; /* (v_panels, STRIP, PANEL), (k_panels, STRIP, .) */
    real *dq; /* (STRIP, k_width) */
    Gates gates;
} Chunk;

static Chunk lay_out(const Memory *s, Arena *arena)
{
    Chunk c = {.steps = whole(s->chunk)};
    const idx n = c.steps;
    const struct {
        real **at;
        idx size;
    } all[] = {{&c.k_rows, n * s->d_k},
               {&c.k_columns, s->k_width * n},
               {&c.v_rows, n * s->d_v},
               {&c.c0, s->k_width * s->d_v},
               {&c.dc, s->k_width * s->d_v},
               {&c.dc_rows, s->v_width * s->d_k},
               {&c.dn, s->k_width},
               {&c.dk, s->k_width * n},
               {&c.dv, s->v_width * n},
               {&c.weight, n},
               {&c.sums.dm, n},
               {&c.sums.starting, n},
               {&c.sums.own, n},
               {&c.sums.ending, n},
               {&c.S, STRIP * n},
               {&c.dP, STRIP * n},
               {&c.W, STRIP * n},
               {&c.dh, STRIP * s->v_width},
               {&c.dh_columns, STRIP * s->v_width},
               {&c.q_columns, STRIP * s->k_width},
               {&c.dq, STRIP * s->k_width}};
    for (size_t j = 0; j < sizeof all / sizeof *all; ++j)
        *all[j].at = take(arena, all[j].size, sizeof(real));
    c.gates = NAME(lay_out_gates)(s->chunk, arena);
    return c;
}

idx NAME(memory_backward_scratch)(const Memory *s, Arena *arena)
{
    lay_out(s, arena);
    return arena->used;
}

/* Panels (panels of n, rows, PANEL) to (panels of rows, n, PANEL). */
static void turn(const real *from, idx rows, idx n, real *to)
{
    for (idx p = 0; p < panels_of(n); ++p)
        pack_rows(from + p * rows * PANEL, PANEL, rows, min_idx(PANEL, n - p * PANEL),
                  to + p * PANEL * PANEL, n, 1);
}

static double inner(const real *x, const real *y, idx n)
{
    vec sum = {0};
    for (idx j = 0; j < n; j += LANES)
        sum += *(const vec *)(x + j) * *(const vec *)(y + j);
    return (double)sum_of(sum);
}

/* dK and dV of what goes through the chunk's end, and what starts with an input and
 * ends there. */
static void start_inputs(const Memory *s, const Chunk *c, idx t, idx steps)
{
    const lstmc_memory_call *call = s->call;
    const real *k = row_of(s, call->k, t, s->d_k), *v = row_of(s, call->v, t, s->d_v);
    NAME(product)(&(Product){.rows = steps,
                             .panels = s->k_panels,
                             .groups = 1,
                             .a = v,
                             .a_row = call->v.row,
                             .runs = 1,
                             .run = s->d_v,
                             .b = c->dc,
                             .b_panel = s->d_v * PANEL,
                             .start = c->dn,
                             .start_panel = PANEL,
                             .c = c->dk,
                             .c_panel = c->steps * PANEL,
                             .c_row = PANEL});
    NAME(product)(&(Product){.rows = steps,
                             .panels = s->v_panels,
                             .groups = 1,
                             .a = k,
                             .a_row = call->k.row,
                             .runs = 1,
                             .run = s->d_k,
                             .b = c->dc_rows,
                             .b_panel = s->d_k * PANEL,
                             .start = no_start(),
                             .c = c->dv,
                             .c_panel = c->steps * PANEL,
                             .c_row = PANEL});
    for (idx r = 0; r < steps; ++r) {
        const real w = c->gates.last[r], scaled = w * s->scale;
        vec sum = {0};
        for (idx p = 0; p < s->k_panels; ++p)
            for (idx j = 0; j < PANEL; j += LANES) {
                const idx at = (p * c->steps + r) * PANEL + j;
                vec *dk = (vec *)(c->dk + at);
                *dk *= w;
                sum += *dk * *(const vec *)(c->k_columns + at);
            }
        for (idx p = 0; p < s->v_panels; ++p)
            for (idx j = 0; j < PANEL; j += LANES)
                *(vec *)(c->dv + (p * c->steps + r) * PANEL + j) *= scaled;
        c->sums.starting[r] = sum_of(sum);
    }
}

/* Rows r .. r + rows of the chunk that starts with step t. */
typedef struct {
    idx t, r, rows, seen;
    const real *n0; /* NULL: the chunk starts from zeros */
    int wanted; /* the gradient at the chunk's start is */
    real dN[STRIP];
} Strip;

/* W and S of step t, and the sum of S. */
static real weigh(const Chunk *c, idx at, idx t, idx n)
{
    vec sum = {0};
    for (idx j = 0; j < n; j += LANES) {
        vec *S = (vec *)(c->S + at + j);
        const vec w = next_weights(c->weight, &c->gates, t, j);
        *(vec *)(c->W + at + j) = w;
        *S *= w;
        sum += *S;
    }
    return sum_of(sum);
}

/* S, dH and dN. */
static void open_strip(const Memory *s, const Chunk *c, Strip *z)
{
    const lstmc_rows rows = s->call->q;
    const real *q = row_of(s, rows, z->t + z->r, s->d_k);
    multiply(q, rows.row, z->rows, c->k_rows, s->d_k * PANEL, panels_of(z->seen),
             s->d_k, c->S, c->steps);
    for (idx j = 0; j < z->rows; ++j) {
        const idx r = z->r + j, row = z->t + r;
        real *dh = c->dh + j * s->v_width;
        real N = weigh(c, j * c->steps, r, whole(z->seen));
        if (z->n0)
            N += c->gates.first[r] * dot(q + j * rows.row, z->n0, s->d_k);
        NAME(pull_memory_gate)(s, row, dh);
        z->dN[j] = c->sums.dm[r] = 0;
        if (s->of->plain)
            continue;
        const real size = N < 0 ? -N : N, least = c->gates.floor[r];
        const real over = 1 / ((size < least ? least : size) + (real)s->of->epsilon);
        const real dD = -over * dot(dh, row_of(s, s->call->h, row, s->d_v), s->d_v);
        z->dN[j] = size < least ? 0 : N < 0 ? -dD : dD;
        c->sums.dm[r] = dD * (real)s->of->epsilon;
        for (idx k = 0; k < s->v_width; ++k)
            dh[k] *= over;
    }
    pack_columns(c->dh, s->v_width, z->rows, s->d_v, c->dh_columns, STRIP, 1);
    pack_columns(q, rows.row, z->rows, s->d_k, c->q_columns, STRIP, 1);
}

/* dQ of what comes through the chunk's start, and what of it ends at each step. */
static void pull_start(const Memory *s, const Chunk *c, const Strip *z)
{
    for (idx j = 0; j < z->rows; ++j)
        c->sums.ending[z->r + j] = 0;
    if (!z->n0) {
        memset(c->dq, 0, (size_t)(z->rows * s->k_width) * sizeof(real));
        return;
    }
    multiply(c->dh, s->v_width, z->rows, c->c0, s->d_v * PANEL, s->k_panels, s->d_v,
             c->dq, s->k_width);
    for (idx j = 0; j < z->rows; ++j) {
        real *dq = c->dq + j * s->k_width;
        const real w = c->gates.first[z->r + j];
        for (idx k = 0; k < s->d_k; ++k)
            dq[k] = w * (dq[k] + z->dN[j] * z->n0[k]);
        c->sums.ending[z->r + j] =
            dot(row_of(s, s->call->q, z->t + z->r + j, s->d_k), dq, s->d_k);
    }
}

/* dP, and X summed. */
static void pull_weights(const Memory *s, const Chunk *c, const Strip *z)
{
    multiply(c->dh, s->v_width, z->rows, c->v_rows, s->d_v * PANEL, panels_of(z->seen),
             s->d_v, c->dP, c->steps);
    for (idx j = 0; j < z->rows; ++j) {
        const idx at = j * c->steps, r = z->r + j;
        for (idx k = 0; k < whole(z->seen); k += LANES) {
            vec *dP = (vec *)(c->dP + at + k), *W = (vec *)(c->W + at + k);
            const vec dS = *dP + z->dN[j];
            *dP = dS * *W;
            *W = dS * *(const vec *)(c->S + at + k);
        }
        c->sums.own[r] = c->W[at + r];
        c->W[at + r] = 0;
        vec sum = {0};
        for (idx k = 0; k < whole(z->seen); k += LANES) {
            const vec X = *(const vec *)(c->W + at + k);
            *(vec *)(c->sums.starting + k) += X;
            sum += X;
        }
        c->sums.ending[r] += sum_of(sum);
    }
}

/* to (panels, height, PANEL) += A' B over a strip's rows: A (rows, width), B (panels,
 * STRIP, PANEL). */
static void add_product(const Strip *z, const real *a, idx a_row, idx width,
                        const real *b, idx panels, real *to, idx height)
{
    NAME(deep_product)(&(Deep){.a = a,
                               .a_k = a_row,
                               .b = b,
                               .b_k = PANEL,
                               .b_panel = STRIP * PANEL,
                               .runs = 1,
                               .run = z->rows,
                               .rows = width,
                               .panels = panels,
                               .c = to,
                               .c_panel = height * PANEL});
}

static void run_strip(const Memory *s, const Chunk *c, Strip *z)
{
    const idx n = c->steps;
    open_strip(s, c, z);
    pull_start(s, c, z);
    pull_weights(s, c, z);
    NAME(product)(&(Product){.rows = z->rows,
                             .panels = s->k_panels,
                             .groups = 1,
                             .a = c->dP,
                             .a_row = n,
                             .runs = 1,
                             .run = z->seen,
                             .b = c->k_columns,
                             .b_panel = n * PANEL,
                             .start = c->dq,
                             .start_panel = PANEL,
                             .start_row = s->k_width,
                             .c = c->dq,
                             .c_panel = PANEL,
                             .c_row = s->k_width});
    for (idx j = 0; j < z->rows; ++j)
        memcpy(row_of(s, s->call->dq, z->t + z->r + j, s->d_k), c->dq + j * s->k_width,
               (size_t)s->d_k * sizeof(real));
    add_product(z, c->dP, n, z->seen, c->q_columns, s->k_panels, c->dk, n);
    add_product(z, c->S, n, z->seen, c->dh_columns, s->v_panels, c->dv, n);
    if (!z->wanted)
        return;
    const real *w = c->gates.first + z->r;
    for (idx j = 0; j < z->rows; ++j)
        for (idx k = 0; k < s->v_width; k += LANES)
            *(vec *)(c->dh + j * s->v_width + k) *= w[j];
    add_product(z, c->dh, s->v_width, s->d_v, c->q_columns, s->k_panels, c->dc, s->d_v);
    for (idx j = 0; j < z->rows; ++j) {
        const real *q = row_of(s, s->call->q, z->t + z->r + j, s->d_k);
        for (idx k = 0; k < s->d_k; ++k)
            c->dn[k] += w[j] * z->dN[j] * q[k];
    }
}

/* dK and dV where people look for them. */
static void store_inputs(const Memory *s, const Chunk *c, idx t, idx steps)
{
    for (idx r = 0; r < steps; ++r) {
        real *dk = row_of(s, s->call->dk, t + r, s->d_k);
        real *dv = row_of(s, s->call->dv, t + r, s->d_v);
        for (idx p = 0; p < s->k_panels; ++p) {
            const idx width = min_idx(PANEL, s->d_k - p * PANEL);
            scale_row(c->dk + (p * c->steps + r) * PANEL, s->scale, dk + p * PANEL,
                      width);
        }
        for (idx p = 0; p < s->v_panels; ++p)
            copy(c->dv + (p * c->steps + r) * PANEL, dv + p * PANEL,
                 min_idx(PANEL, s->d_v - p * PANEL));
    }
}

/* The chunk that starts with step t, from `state`; after: dc and dn are not zeros. */
static void run_chunk(const Memory *s, const Chunk *c, idx t, const real *state,
                      int after, double *dm)
{
    const lstmc_memory_call *call = s->call;
    const idx steps = min_idx(s->chunk, s->steps - t), size = s->k_width * s->d_v;
    const real *n0 = n_of(s, (real *)state), m0 = *m_of(s, (real *)state);
    const real *k = row_of(s, call->k, t, s->d_k), *v = row_of(s, call->v, t, s->d_v);
    NAME(memory_gates)(s, t, steps, m0, &c->gates);
    pack_rows(k, call->k.row, steps, s->d_k, c->k_rows, s->d_k, s->scale);
    pack_columns(k, call->k.row, steps, s->d_k, c->k_columns, c->steps, s->scale);
    pack_rows(v, call->v.row, steps, s->d_v, c->v_rows, s->d_v, 1);
    turn(state, s->d_k, s->d_v, c->c0);
    for (idx j = 0; j < c->steps; ++j) {
        c->weight[j] = 0;
        c->sums.starting[j] = 0;
    }
    double through = 0;
    const real w = c->gates.first[steps - 1];
    if (after) {
        turn(c->dc, s->d_v, s->d_k, c->dc_rows);
        start_inputs(s, c, t, steps);
        for (idx j = 0; j < steps; ++j)
            through += (double)c->sums.starting[j];
        through +=
            (double)w * (inner(c->dc, c->c0, size) + inner(c->dn, n0, s->k_width));
    } else {
        memset(c->dk, 0, (size_t)(s->k_width * c->steps) * sizeof(real));
        memset(c->dv, 0, (size_t)(s->v_width * c->steps) * sizeof(real));
    }
    if (t + steps == s->steps)
        *dm -= through;
    for (idx j = 0; j < size; j += LANES)
        *(vec *)(c->dc + j) *= w;
    for (idx j = 0; j < s->k_width; ++j)
        c->dn[j] *= w;
    for (idx r = 0; r < steps && NAME(memory_goes_on)(s, 3 * strip_work(s, r));
         r += STRIP) {
        Strip z = {.t = t,
                   .r = r,
                   .rows = min_idx(STRIP, steps - r),
                   .n0 = t > 0 || call->c0 ? n0 : NULL,
                   .wanted = t > 0 || call->dc0};
        z.seen = r + z.rows;
        run_strip(s, c, &z);
    }
    store_inputs(s, c, t, steps);
    *dm = NAME(pull_memory_gates)(s, t, steps, m0, &c->gates, &c->sums, through, *dm);
}

void NAME(memory_backward)(const Memory *s, void *scratch)
{
    const lstmc_memory_call *call = s->call;
    Arena arena = {.base = scratch};
    const Chunk c = lay_out(s, &arena);
    const idx job = s->sample * s->of->heads + s->head, size = s->d_v * s->d_k;
    double dm = 0;
    int after = call->dc1 != NULL;
    memset(c.dc, 0, (size_t)(s->k_width * s->d_v) * sizeof(real));
    memset(c.dn, 0, (size_t)s->k_width * sizeof(real));
    if (after) {
        pack_columns((const real *)call->dc1 + job * size, s->d_k, s->d_v, s->d_k, c.dc,
                     s->d_v, 1);
        memcpy(c.dn, (const real *)call->dn1 + job * s->d_k,
               (size_t)s->d_k * sizeof(real));
        dm = (double)((const real *)call->dm1)[job];
    }
    const idx chunks = (s->steps + s->chunk - 1) / s->chunk;
    for (idx k = chunks; k-- > 0 && NAME(memory_goes_on)(s, 0); after = 1)
        run_chunk(s, &c, k * s->chunk, s->tape + k * s->states, after, &dm);
    if (!call->dc0)
        return;
    if (chunks > 0 && !s->of->sigmoid_input)
        dm += inner(c.dc, c.c0, s->k_width * s->d_v) +
              inner(c.dn, n_of(s, s->tape), s->k_width);
    ((real *)call->dm0)[job] = s->of->sigmoid_input && chunks > 0 ? 0 : (real)dm;
    memcpy((real *)call->dn0 + job * s->d_k, c.dn, (size_t)s->d_k * sizeof(real));
    for (idx j = 0; j < s->d_v; ++j)
        for (idx k = 0; k < s->d_k; ++k)
            ((real *)call->dc0)[job * size + j * s->d_k + k] =
                c.dc[(k / PANEL * s->d_v + j) * PANEL + k % PANEL];
}
