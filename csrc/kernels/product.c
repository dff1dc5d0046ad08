/* product.c - the product of rows with packed panels, cut into tiles: how many rows and
 * panels one takes, and in what order, so that what it reads lies near. */
#include "tile.h"

TILES(narrow, CASES(ONE), 1, 0)
TILES(narrow_fetching, CASES(ONE), 1, 1)
TILES(pair, CASES(PAIR), 1, 0)
TILES(pair_fetching, CASES(PAIR), 1, 1)
TILES(wide, CASES(BESIDE), 1, 0)
TILES(wide_fetching, CASES(BESIDE), 1, 1)

/* Few rows, of stripes. */
static void striped(const Tile *t, idx rows, idx panels)
{
    const idx a_k = 1, b_k = STRIPE * PANEL;
    const int fetch = 0;
    if (panels == 1)
        switch (rows) {
            CASES_3(ONE)
        }
    else if (panels == 2)
        switch (rows) {
            CASES_3(PAIR)
        }
    else
        switch (rows) {
            CASES_3(BESIDE)
        }
}

/* Bytes of a panel from which on the next is fetched while this one is used, and bytes
 * of A that are walked over for every panel: some of the first, of the second cache. */
#define LARGE_PANEL (24 << 10)
#define LARGE_ROWS (192 << 10)

/* Rows beyond which MANY_BESIDE panels are taken, and how deep they are then at most:
 * all of them stay in the first cache. */
#define MANY_ROWS 8
#define DEPTH (MANY_BESIDE > 1 ? 160 : LARGE_PANEL / LINE)

/* A part of the sum: where it starts in a row of A and in a panel, and its runs. */
typedef struct {
    idx a, b, runs, run;
} Part;

/* HEIGHT without a division. */
static idx height_of(idx beside)
{
    return beside == 4 ? HEIGHT(4) : beside == 2 ? HEIGHT(2) : HEIGHT(1);
}

static idx panels_beside(idx rows, idx left, int is_large)
{
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
static void add_part(const Product *p, Part part, Fetching *fetching)
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
    const real *b = p->b + part.b * (p->b_stripe ? STRIPE : 1);
    real *c = p->c;
    const idx b_over = p->b_group - (p->panels - 1) * p->b_panel,
              start_over = start_group - (p->panels - 1) * start_panel,
              c_over = p->c_group - (p->panels - 1) * p->c_panel;
    idx q = 0, n = p->b_first;
    for (idx left = p->groups * p->panels, beside; left > 0; left -= beside) {
        beside = panels_beside(p->rows, left, is_large);
        for (idx j = 0; j < beside; ++j) {
            t.b[j] = b, t.start[j] = start, t.c[j] = c;
            const int is_over = ++q == p->panels;
            b += p->b_stripe ? to_next_of_stripe(p, ++n)
                 : is_over   ? b_over
                             : p->b_panel;
            start += is_over ? start_over : start_panel;
            c += is_over ? c_over : p->c_panel;
            q = is_over ? 0 : q;
        }
        /* Blocks of nearly the same height: 7 rows are 4 + 3, not 6 + 1. */
        const idx most = height_of(beside);
        const idx blocks = p->rows <= most ? 1 : (p->rows + most - 1) / most;
        const idx height = blocks == 1 ? p->rows : p->rows / blocks;
        const idx higher = p->rows - height * blocks;
        t.a = p->a + part.a;
        idx half = -1, jump = 0;
        if (is_large) { /* what comes next: the second panel may lie apart */
            const idx to_second = q + 1 == p->panels ? b_over : p->b_panel;
            t.ahead = (const char *)b;
            t.ahead_step = min_idx(LINE, LINE * beside / blocks);
            jump = (to_second - depth * PANEL) * (idx)sizeof(real);
            half = (blocks - 1) / 2;
        }
        for (idx block = 0; block < blocks; ++block) {
            const idx rows = height + (block < higher);
            fetch_some(fetching);
            if (p->b_stripe)
                striped(&t, rows, beside);
            else if (beside == 1)
                (is_large ? narrow_fetching : narrow)(&t, rows);
            else if (beside == 2)
                (is_large ? pair_fetching : pair)(&t, rows);
            else
                wide(&t, rows);
            pass_rows(&t, rows, beside);
            if (is_large)
                t.ahead += depth * t.ahead_step + (block == half ? jump : 0);
        }
    }
}

/* About as many tiles as a part of such a depth has. */
static idx tiles_of_part(const Product *p, idx depth)
{
    const idx panels = p->groups * p->panels;
    const idx beside = panels_beside(p->rows, panels, depth * LINE > LARGE_PANEL);
    const idx most = height_of(beside);
    return (p->rows + most - 1) / most * ((panels + beside - 1) / beside);
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

static void add_far_runs(const Product *p, idx q, idx run, idx runs, Fetching *fetching)
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
        fetch_some(fetching);
        wide_fetching(&t, rows);
        pass_rows(&t, rows, MANY_BESIDE);
    }
}

static void add_far(const Product *p)
{
    const idx at_once = max_idx(1, DEPTH / p->run);
    const idx tiles = (p->rows + HEIGHT(MANY_BESIDE) - 1) / HEIGHT(MANY_BESIDE) *
                      (p->panels / MANY_BESIDE) * ((p->runs + at_once - 1) / at_once);
    Fetching fetching = start_fetching(p->soon, tiles);
    for (idx q = 0; q < p->panels; q += MANY_BESIDE)
        for (idx run = 0; run < p->runs; run += at_once)
            add_far_runs(p, q, run, min_idx(at_once, p->runs - run), &fetching);
    end_fetching(&fetching);
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
    Fetching fetching = {0};
    if (p->soon) {
        const idx rounds = (p->runs + at_once - 1) / at_once * parts;
        fetching = start_fetching(p->soon,
                                  rounds * tiles_of_part(p, at_once * p->run / parts));
    }
    for (idx run = 0; run < p->runs; run += at_once)
        for (idx k = 0; k < parts; ++k) {
            const idx first = k == 0 ? 0 : p->run * k / parts;
            const idx last = k + 1 == parts ? p->run : p->run * (k + 1) / parts;
            add_part(p,
                     (Part){.a = run * p->skip + first,
                            .b = (run * p->run + first) * PANEL,
                            .runs = min_idx(at_once, p->runs - run),
                            .run = last - first},
                     &fetching);
        }
    end_fetching(&fetching);
}
