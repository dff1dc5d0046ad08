/* streaming.c - the entry points of streams: all checks at the opening, none in a step.
 */
#include <stdint.h>

#include "dispatch.h"
#include "lstmc.h"
#include "parallel.h"

static int check_layers(const lstmc_layer *layers, int count, ptrdiff_t samples)
{
    if (!layers)
        return LSTMC_NULL_ARRAY;
    if (count < 1 || samples < 1)
        return LSTMC_BAD_SIZE;
    if (samples > PTRDIFF_MAX / count)
        return refuse_bytes((double)samples * count);
    for (int k = 0; k < count; ++k) {
        /* A row of a stream needs less than a step of tape, so that all of them fit. */
        ptrdiff_t reals;
        CHECK(lstmc_tape_size(layers + k, samples * count, &reals));
        if (layers[k].directions != 1 || layers[k].dtype != layers->dtype ||
            (k > 0 && layers[k].inputs !=
                          width_of_part(layers + k - 1) * count_parts(layers + k - 1)))
            return LSTMC_BAD_STREAM;
    }
    return LSTMC_OK;
}

static double work_of(const lstmc_layer *layers, int count, ptrdiff_t samples)
{
    double work = 0;
    for (const lstmc_layer *layer = layers; layer < layers + count; ++layer)
        work += (double)samples * step_work(layer);
    return work;
}

int lstmc_stream_size(const lstmc_layer *layers, int count, ptrdiff_t samples,
                      ptrdiff_t *bytes)
{
    CHECK(check_layers(layers, count, samples));
    *bytes = kernels_of(layers->dtype)->stream_size(layers, count, samples);
    return LSTMC_OK;
}

/* What the weights are split for is there, where the target reads it. */
static int check_split(const lstmc_layer *layers, const void *const *split, int count)
{
    for (int k = 0; k < count; ++k) {
        ptrdiff_t bytes;
        CHECK(lstmc_split_size(layers + k, &bytes));
        if (bytes > 0 && (!split || !split[k]))
            return LSTMC_NULL_ARRAY;
        if (bytes > 0 && !is_aligned(split[k]))
            return LSTMC_NOT_ALIGNED;
    }
    return LSTMC_OK;
}

int lstmc_stream_open(const lstmc_layer *layers, const void *const *weights,
                      const void *const *split, int count, ptrdiff_t samples,
                      const lstmc_noise *noise, int threads, lstmc_stream *stream)
{
    static const lstmc_noise quiet = {0};
    CHECK(check_layers(layers, count, samples));
    lstmc_noise expected = noise ? *noise : quiet;
    CHECK(check_noise(&expected));
    expected.sampling = 0;
    if (threads < 0)
        return LSTMC_BAD_SIZE;
    if (!weights || !stream)
        return LSTMC_NULL_ARRAY;
    uintptr_t addresses = (uintptr_t)stream;
    for (int k = 0; k < count; ++k) {
        if (!weights[k])
            return LSTMC_NULL_ARRAY;
        addresses |= (uintptr_t)weights[k];
    }
    if (addresses % LSTMC_ALIGNMENT)
        return LSTMC_NOT_ALIGNED;
    CHECK(check_split(layers, split, count));
    *stream = (lstmc_stream){.kernels = kernels_of(layers->dtype),
                             .layers = count,
                             .threads = threads,
                             .samples = samples,
                             .work = work_of(layers, count, samples)};
    stream->kernels->stream_open(layers, weights, split, &expected, stream);
    return lstmc_stream_reset(stream, 0, samples);
}

void lstmc_stream_use(lstmc_stream *stream, const void *const *split)
{
    stream->kernels->stream_use(stream, split);
}

void lstmc_stream_step(lstmc_stream *stream, const void *x, const void *time, void *y)
{
    const int threads = take_threads(stream->threads, stream->work);
    stream->kernels->stream_step(stream, x, time, y, threads);
    give_threads(threads);
}

int lstmc_stream_reset(lstmc_stream *stream, ptrdiff_t first, ptrdiff_t count)
{
    if (first < 0 || count < 0 || first > stream->samples ||
        count > stream->samples - first)
        return LSTMC_BAD_SIZE;
    for (int layer = 0; layer < stream->layers; ++layer)
        for (ptrdiff_t j = first; j < first + count; ++j)
            stream->kernels->stream_load(stream, layer, j, NULL);
    return LSTMC_OK;
}

static int check_states(const lstmc_stream *stream, int layer, const void *states)
{
    if (!states)
        return LSTMC_NULL_ARRAY;
    return layer < 0 || layer >= stream->layers ? LSTMC_BAD_SIZE : LSTMC_OK;
}

int lstmc_stream_get_state(const lstmc_stream *stream, int layer, void *const *states)
{
    CHECK(check_states(stream, layer, states));
    for (ptrdiff_t j = 0; j < stream->samples; ++j)
        stream->kernels->stream_store(stream, layer, j, states);
    return LSTMC_OK;
}

int lstmc_stream_set_state(lstmc_stream *stream, int layer, const void *const *states)
{
    CHECK(check_states(stream, layer, states));
    for (ptrdiff_t j = 0; j < stream->samples; ++j)
        stream->kernels->stream_load(stream, layer, j, states);
    return LSTMC_OK;
}
