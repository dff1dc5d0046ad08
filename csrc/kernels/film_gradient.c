/* film_gradient.c - the weights' gradient of a layer over frames: deep products of what
 * the taps saw, as it lies in the frames of the tape, with da, as it lies beside them.
 *
 * The frames are gone through in blocks of lines that a cache holds. Threads share the
 * weights, so that each sum has one owner and one order. */
#include "film.h"

#define BLOCK_PIXELS 256
/* Rows of weights that are one thread's, in tiles. */
#define OWN_ROWS (8 * TILE_ROWS)

/* Rows of the weights of some columns of a panel, of one line of taps, or of one tap if
 * they are apart. */
typedef struct {
    idx panel, column, columns, z, y, x, first, rows;
    real *to;
} Sum;

/* Lines y .. y + lines of plane z, pixels x .. x + count of each. */
typedef struct {
    idx z, y, lines, x, count;
} Block;

static idx rows_together(const Screen *s)
{
    return (s->taps.apart[X] == 1 ? s->taps.count[X] : 1) * s->channels;
}

static idx pieces_of(const Screen *s)
{
    return (rows_together(s) + OWN_ROWS - 1) / OWN_ROWS;
}

/* Columns that a sum has, unless there were too few sums for the team. */
static idx together(const Screen *s)
{
    const idx rows = s->panels * (s->depth / rows_together(s)) * pieces_of(s);
    return rows < 4 * team_size() ? (MANY_BESIDE + 1) / 2 : MANY_BESIDE;
}

static idx sums_of(const Screen *s)
{
    const idx each = together(s), parts = (s->columns + each - 1) / each;
    return s->panels * parts * (s->depth / rows_together(s)) * pieces_of(s);
}

static Sum sum_of(const Film *f, idx k)
{
    const Screen *s = &f->screen;
    const idx rows = rows_together(s), groups = s->depth / rows, pieces = pieces_of(s);
    const idx piece = k % pieces, group = k / pieces % groups;
    const idx each = together(s), parts = (s->columns + each - 1) / each;
    const idx place = k / pieces / groups, column = place % parts * each;
    const idx along = s->taps.apart[X] == 1 ? 1 : s->taps.count[X];
    Sum sum = {.panel = place / parts,
               .column = column,
               .columns = min_idx(each, s->columns - column),
               .z = group / along / s->taps.count[Y],
               .y = group / along % s->taps.count[Y],
               .x = group % along,
               .first = rows * piece / pieces};
    sum.rows = rows * (piece + 1) / pieces - sum.first;
    sum.to = f->gradient +
             ((sum.panel * s->columns + column) * s->depth + group * rows + sum.first) *
                 PANEL;
    return sum;
}

static void add_sum(const Screen *s, const Sum *sum, const real *step, Block block)
{
    const Taps *taps = &s->taps;
    const idx z = block.z - taps->before[Z] + sum->z * taps->apart[Z];
    const idx shift = sum->y * taps->apart[Y] - taps->before[Y];
    const idx first = max_idx(block.y, -shift);
    const idx last = min_idx(block.y + block.lines, s->size[Y] - shift);
    if (z < 0 || z >= s->size[Z] || first >= last)
        return;
    const Deep deep = {
        .a = step + (z * s->size[Y] + first + shift) * s->frame_line +
             (block.x + sum->x * taps->apart[X]) * s->channels + sum->first,
        .a_skip = s->frame_line,
        .a_k = s->channels,
        .b = step + s->frame + (block.z * s->size[Y] + first) * s->tape_line +
             sum->panel * s->tape_panel +
             ((s->back.before[X] + block.x) * s->slots + sum->column) * PANEL,
        .b_skip = s->tape_line,
        .b_k = s->slots * PANEL,
        .b_panel = PANEL,
        .runs = last - first,
        .run = block.count,
        .rows = sum->rows,
        .panels = sum->columns,
        .c = sum->to,
        .c_panel = s->depth * PANEL,
    };
    NAME(deep_product)(&deep);
}

/* The biases of column k % columns of panel k / columns. */
static void add_bias(const Film *f, idx k, const real *step, Block block)
{
    const Screen *s = &f->screen;
    vec sum[VECS];
    EACH_VECTOR (j)
        sum[j] = ((const vec *)(f->d_bias + k * PANEL))[j];
    for (idx y = block.y; y < block.y + block.lines; ++y) {
        const real *da =
            step + s->frame + (block.z * s->size[Y] + y) * s->tape_line +
            k / s->columns * s->tape_panel +
            ((s->back.before[X] + block.x) * s->slots + k % s->columns) * PANEL;
        for (idx x = 0; x < block.count; ++x, da += s->slots * PANEL)
            EACH_VECTOR (j)
                sum[j] += ((const vec *)da)[j];
    }
    EACH_VECTOR (j)
        ((vec *)(f->d_bias + k * PANEL))[j] = sum[j];
}

/* A block's share in the thread's sums, those of weights and those of biases. */
static void add_block(const Film *f, const real *step, Block block)
{
    const Screen *s = &f->screen;
    const idx thread = own_thread(), team = team_size();
    const idx sums = sums_of(s), biases = s->panels * s->columns;
    for (idx k = sums * thread / team; k < sums * (thread + 1) / team; ++k) {
        const Sum sum = sum_of(f, k);
        add_sum(s, &sum, step, block);
    }
    for (idx k = biases * thread / team; k < biases * (thread + 1) / team; ++k)
        add_bias(f, k, step, block);
}

static void add_step(const Film *f, const real *step)
{
    const Screen *s = &f->screen;
    const idx lines = max_idx(1, BLOCK_PIXELS / s->width);
    for (idx z = 0; z < s->size[Z]; ++z)
        for (idx y = 0; y < s->size[Y]; y += lines)
            for (idx x = 0; x < s->width; x += BLOCK_PIXELS) {
                const Block block = {.z = z,
                                     .y = y,
                                     .lines = min_idx(lines, s->size[Y] - y),
                                     .x = x,
                                     .count = min_idx(BLOCK_PIXELS, s->width - x)};
                add_block(f, step, block);
            }
}

static void add_steps(const Film *f)
{
    for (idx t = 0; t < f->steps && !atomic_load(&f->poll->stopped); ++t) {
        add_step(f, f->tape + t * f->screen.step);
        if (own_thread() == 0)
            ask_after(f->poll, step_operations(&f->screen) / team_size());
    }
}

void NAME(film_gradient)(const Film *f, const lstmc_film *call)
{
    const Screen *s = &f->screen;
    const idx columns = s->panels * s->columns;
#pragma omp for schedule(static)
    for (idx k = 0; k < columns; ++k) {
        memset(f->gradient + k * s->depth * PANEL, 0,
               (size_t)(s->depth * PANEL) * sizeof(real));
        memset(f->d_bias + k * PANEL, 0, (size_t)PANEL * sizeof(real));
    }
    if (s->side > 1)
        NAME(points_gradient)(f);
    else
        add_steps(f);
#pragma omp barrier
    NAME(unpack_film)(f, call);
}
