/* tile.c - the product of a few rows with packed panels, held in registers.
 *
 * One accumulator per output, started and then summed over k in order: the bits of a
 * row depend on neither the rows nor the panels beside it. */
#include "cases.h"
#include "kernels.h"

#if defined(__AVX512F__) || defined(__aarch64__)
#define REGISTERS 32
#else
#define REGISTERS 16
#endif

/* Rows that one pointer reaches with the row size as its index, once and twice. */
#define REACH 3
#define REACHES ((TILE_ROWS + REACH - 1) / REACH)

/* Panels beside one another of a row alone, if they lie in the first cache: sums of 8
 * vectors keep both multipliers busy. */
#define MOST_OF_A_ROW (ACCUMULATORS >= 8 * VECS ? 8 : BESIDE(1))

/* (rows, panels) outputs; a[r * a_row + k * a_k], b[panel][k * PANEL]. */
typedef struct {
    const real *a;
    idx a_row, runs, run, skip;
    const real *b[MOST_OF_A_ROW];
    const real *start[MOST_OF_A_ROW];
    real *c[MOST_OF_A_ROW];
    idx start_row, c_row;
    const char *ahead; /* what will be wanted next, this much of it for each k */
    idx ahead_step;
} Tile;

/* A compiler would rather read it again for each of a few rows. */
ALWAYS_INLINE void load_now(vec *x)
{
#if defined(__x86_64__)
    __asm__("" : "+v"(*x));
#elif defined(__aarch64__)
    __asm__("" : "+w"(*x));
#else
    (void)x;
#endif
}

ALWAYS_INLINE void tile(const Tile *t, const int rows, const int panels, const idx a_k,
                        const int fetch)
{
    const idx a_row = t->a_row;
    const int vecs = panels * VECS; /* vector j is j % VECS of panel j / VECS */
    vec acc[ACCUMULATORS];          /* (rows, vecs) */
    EACH (r, rows)
        EACH (j, vecs)
            acc[r * vecs + j] =
                ((const vec *)(t->start[j / VECS] + r * t->start_row))[j % VECS];
    const real *b[MOST_OF_A_ROW], *a[REACHES];
    EACH (q, panels)
        b[q] = t->b[q];
    const char *ahead = t->ahead;
    idx place = 0; /* in every panel */
    for (idx run = 0; run < t->runs; ++run) {
        EACH (q, (rows + REACH - 1) / REACH)
            a[q] = t->a + run * t->skip + q * REACH * a_row;
        TWICE
        for (const idx end = place + t->run * PANEL; place < end; place += PANEL) {
            if (fetch) {
                __builtin_prefetch(ahead, 0, 2);
                ahead += t->ahead_step;
            }
            vec column[ACCUMULATORS];
            EACH (j, vecs) {
                column[j] = ((const vec *)(b[j / VECS] + place))[j % VECS];
                if (rows > 1 && (rows + 1) * vecs < REGISTERS)
                    load_now(column + j);
            }
            EACH (r, rows) {
                const vec row = splat(a[r / REACH][r % REACH * a_row]);
                EACH (j, vecs)
                    acc[r * vecs + j] += row * column[j];
            }
            EACH (q, (rows + REACH - 1) / REACH)
                a[q] += a_k;
        }
    }
    EACH (r, rows)
        EACH (j, vecs)
            ((vec *)(t->c[j / VECS] + r * t->c_row))[j % VECS] = acc[r * vecs + j];
}

#define OUTER(rows) OUTER_PANELS

/* clang-format off */
#define CASE(rows, panels) case rows: tile(t, rows, panels, a_k, fetch); break;
/* clang-format on */

static void narrow(const Tile *t, idx rows)
{
    const idx a_k = 1;
    const int fetch = 0;
    switch (rows) {
        CASES(ONE)
    }
}

static void narrow_fetching(const Tile *t, idx rows)
{
    const idx a_k = 1;
    const int fetch = 1;
    switch (rows) {
        CASES(ONE)
    }
}

static void pair_fetching(const Tile *t, idx rows)
{
    const idx a_k = 1;
    const int fetch = 1;
    switch (rows) {
        CASES(PAIR)
    }
}

static void pair(const Tile *t, idx rows)
{
    const idx a_k = 1;
    const int fetch = 0;
    switch (rows) {
        CASES(PAIR)
    }
}

static void wide_fetching(const Tile *t, idx rows)
{
    const idx a_k = 1;
    const int fetch = 1;
    switch (rows) {
        CASES(BESIDE)
    }
}

static void wide(const Tile *t, idx rows)
{
    const idx a_k = 1;
    const int fetch = 0;
    switch (rows) {
        CASES(BESIDE)
    }
}

static void row_alone(const Tile *t)
{
    const int rows = 1, fetch = 0;
    tile(t, rows, MOST_OF_A_ROW, 1, fetch);
}

/* Bytes of a panel from which on the next is fetched while this one is used, and bytes
 * of A that are walked over for every panel: some of the first, of the second cache. */
#define LARGE_PANEL (24 << 10)
#define LARGE_ROWS (192 << 10)

/* Rows beyond which MANY_BESIDE panels are taken, and how deep they are then at most:
 * all of them stay in the first cache. */
#define MANY_ROWS 8
#define DEPTH (MANY_BESIDE > 1 ? 160 : LARGE_PANEL / LINE)

/* How deep the panels of a row alone are at most for MOST_OF_A_ROW of them. */
#define ROW_DEPTH 48

/* A part of the sum: where it starts in a row of A and in a panel, and its runs. */
typedef struct {
    idx a, b, runs, run;
} Part;

static idx panels_beside(idx rows, idx left, idx depth, int is_large)
{
    if (rows == 1 && depth <= ROW_DEPTH && left >= MOST_OF_A_ROW)
        return MOST_OF_A_ROW;
    idx beside = BESIDE(min_idx(rows, TILE_ROWS));
    if (rows > MANY_ROWS && !is_large)
        beside = MANY_BESIDE;
    while (beside > left)
        beside /= 2;
    return beside;
}

static void pass_rows(Tile *t, idx rows, idx panels)
{
    t->a += rows * t->a_row;
    for (idx j = 0; j < panels; ++j) {
        t->start[j] += rows * t->start_row;
        t->c[j] += rows * t->c_row;
    }
}

/* On top of what C has if it is not the first. */
static void add_part(const Product *p, Part part)
{
    const idx depth = part.runs * part.run;
    const int is_first = part.b == 0, is_large = depth * LINE > LARGE_PANEL;
    const real *start = is_first ? p->start : p->c;
    const idx start_panel = is_first ? p->start_panel : p->c_panel;
    const idx start_group = is_first ? p->start_group : p->c_group;
    Tile t; /* not cleared: that takes as long as a short sum */
    t.a_row = p->a_row;
    t.runs = part.runs, t.run = part.run, t.skip = p->skip;
    t.start_row = is_first ? p->start_row : p->c_row, t.c_row = p->c_row;
    /* Of the next panel; and from the last of a group to the first of the next. */
    const real *b = p->b + part.b;
    real *c = p->c;
    const idx b_over = p->b_group - (p->panels - 1) * p->b_panel,
              start_over = start_group - (p->panels - 1) * start_panel,
              c_over = p->c_group - (p->panels - 1) * p->c_panel;
    idx q = 0;
    for (idx left = p->groups * p->panels, beside; left > 0; left -= beside) {
        beside = panels_beside(p->rows, left, depth, is_large);
        for (idx j = 0; j < beside; ++j) {
            t.b[j] = b, t.start[j] = start, t.c[j] = c;
            const int is_over = ++q == p->panels;
            b += is_over ? b_over : p->b_panel;
            start += is_over ? start_over : start_panel;
            c += is_over ? c_over : p->c_panel;
            q = is_over ? 0 : q;
        }
        /* Blocks of nearly the same height: 7 rows are 4 + 3, not 6 + 1. */
        const idx most = beside == 4 ? HEIGHT(4) : beside == 2 ? HEIGHT(2) : HEIGHT(1);
        const idx blocks = p->rows <= most ? 1 : (p->rows + most - 1) / most;
        const idx height = blocks == 1 ? p->rows : p->rows / blocks;
        const idx higher = p->rows - height * blocks;
        t.a = p->a + part.a;
        t.ahead = (const char *)(t.b[beside - 1] + p->b_panel);
        t.ahead_step = is_large ? min_idx(LINE, LINE * beside / blocks) : 0;
        for (idx block = 0; block < blocks; ++block) {
            const idx rows = height + (block < higher);
            if (beside == 1)
                (is_large ? narrow_fetching : narrow)(&t, rows);
            else if (beside == 2)
                (is_large ? pair_fetching : pair)(&t, rows);
            else if (beside == 4)
                wide(&t, rows);
            else
                row_alone(&t);
            pass_rows(&t, rows, beside);
            t.ahead += depth * t.ahead_step;
        }
    }
}

/* Runs that go through all panels before the next ones do. */
static idx runs_at_once(const Product *p)
{
    if (p->runs == 1 || p->panels == 1)
        return p->runs;
    const idx bytes = max_idx(p->skip, p->rows * p->run) * (idx)sizeof(real);
    return max_idx(1, min_idx(p->runs, LARGE_ROWS / bytes));
}

/* Parts of a run that do. */
static idx parts_at_once(const Product *p)
{
    if (p->runs > 1 || p->rows <= MANY_ROWS || p->groups * p->panels < MANY_BESIDE ||
        p->run * LINE > LARGE_PANEL)
        return 1;
    return max_idx(1, (p->run + DEPTH - 1) / DEPTH);
}

/* Panels of many runs that come from behind the second cache, for rows enough: as many
 * as many rows take, a few runs at a time, while each block fetches some of what one of
 * the panels has next. */
#define FAR_PANEL (96 << 10)

static int is_far(const Product *p)
{
    return MANY_BESIDE > 1 && p->rows > (MANY_BESIDE - 1) * HEIGHT(MANY_BESIDE) &&
           p->groups == 1 && p->panels % MANY_BESIDE == 0 && p->runs > 1 &&
           p->runs * p->run * LINE > FAR_PANEL;
}

static void add_far_runs(const Product *p, idx q, idx run, idx runs)
{
    const idx blocks = (p->rows + HEIGHT(MANY_BESIDE) - 1) / HEIGHT(MANY_BESIDE);
    const idx height = p->rows / blocks, higher = p->rows % blocks;
    const idx depth = runs * p->run;
    Tile t = {.a = p->a + run * p->skip,
              .a_row = p->a_row,
              .runs = runs,
              .run = p->run,
              .skip = p->skip,
              .start_row = run ? p->c_row : p->start_row,
              .c_row = p->c_row};
    for (idx j = 0; j < MANY_BESIDE; ++j) {
        t.b[j] = p->b + (q + j) * p->b_panel + run * p->run * PANEL;
        t.c[j] = p->c + (q + j) * p->c_panel;
        t.start[j] = run ? t.c[j] : p->start + (q + j) * p->start_panel;
    }
    /* Behind the last runs of a panel: the first of the next ones. */
    const idx next =
        run + runs < p->runs ? depth : MANY_BESIDE * p->b_panel / PANEL - run * p->run;
    for (idx block = 0; block < blocks; ++block) {
        const idx rows = height + (block < higher), j = block * MANY_BESIDE / blocks;
        const idx first = (j * blocks + MANY_BESIDE - 1) / MANY_BESIDE;
        const idx last = ((j + 1) * blocks + MANY_BESIDE - 1) / MANY_BESIDE;
        t.ahead_step = (LINE + last - first - 1) / (last - first);
        t.ahead = (const char *)(t.b[j] + next * PANEL) +
                  (block - first) * depth * t.ahead_step;
        wide_fetching(&t, rows);
        pass_rows(&t, rows, MANY_BESIDE);
    }
}

static void add_far(const Product *p)
{
    const idx at_once = max_idx(1, DEPTH / p->run);
    for (idx q = 0; q < p->panels; q += MANY_BESIDE)
        for (idx run = 0; run < p->runs; run += at_once)
            add_far_runs(p, q, run, min_idx(at_once, p->runs - run));
}

void NAME(product)(const Product *p)
{
    if (p->rows == 0)
        return;
    if (is_far(p)) {
        add_far(p);
        return;
    }
    const idx at_once = runs_at_once(p), parts = parts_at_once(p);
    for (idx run = 0; run < p->runs; run += at_once)
        for (idx k = 0; k < parts; ++k) {
            const idx first = k == 0 ? 0 : p->run * k / parts;
            const idx last = k + 1 == parts ? p->run : p->run * (k + 1) / parts;
            add_part(p, (Part){.a = run * p->skip + first,
                               .b = (run * p->run + first) * PANEL,
                               .runs = min_idx(at_once, p->runs - run),
                               .run = last - first});
        }
}

static void outer(const Tile *t, idx rows)
{
    const idx a_k = TILE_ROWS;
    const int fetch = 0;
    switch (rows) {
        CASES(ONE)
    }
}

static void outer_wide(const Tile *t, idx rows)
{
    const idx a_k = TILE_ROWS;
    const int fetch = 0;
    switch (rows) {
        CASES(OUTER)
    }
}

/* What the next tile goes on with, since sums of weights come from far. */
static void fetch_rows(const real *c, idx rows)
{
    for (idx r = 0; r < min_idx(rows, TILE_ROWS); ++r)
        __builtin_prefetch(c + r * PANEL, 1, 3);
}

/* Block by block, since the rows of A are many and the panels few. */
void NAME(outer_product)(const real *a, const real *b, idx b_panel, real *c,
                         idx c_panel, idx panels, idx rows, idx depth)
{
    Tile t = {.a = a,
              .a_row = 1,
              .runs = 1,
              .run = depth,
              .start_row = PANEL,
              .c_row = PANEL};
    for (idx left = rows; left > 0; left -= TILE_ROWS) {
        for (idx q = 0; q < panels; q += OUTER_PANELS) {
            const idx beside = min_idx(OUTER_PANELS, panels - q);
            for (idx j = 0; j < beside; ++j) {
                t.b[j] = b + (q + j) * b_panel;
                t.start[j] = t.c[j] = c + (q + j) * c_panel;
                fetch_rows(t.c[j] + TILE_ROWS * PANEL, left - TILE_ROWS);
            }
            (beside == 1 ? outer : outer_wide)(&t, min_idx(TILE_ROWS, left));
        }
        t.a += depth * TILE_ROWS;
        c += TILE_ROWS * PANEL;
    }
}
