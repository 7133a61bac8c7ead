/* Synthetic vectors with the structure of real ones. */
#ifndef KITH_TOOLS_SYNTH_H
#define KITH_TOOLS_SYNTH_H

#include <stdint.h>

#include <kith/kith.h>

struct synth;

/* The streams of rows of one model. */
enum synth_stream { SYNTH_BASE, SYNTH_QUERY };

/* The number of clusters of a model of n vectors by default, and the largest that is possible. */
int64_t synth_default_clusters(int64_t n, int64_t dim);
int64_t synth_max_clusters(int64_t dim);

/* Make a model; NULL: not enough memory. clusters: 1 … synth_max_clusters(dim). */
struct synth *synth_new(uint64_t seed, int64_t dim, int64_t clusters);
void synth_free(struct synth *synth);

/* Make rows first … first + n − 1 of a stream in out [n × dim] of `type`, f32 or u8. They are the same on
 * every machine, for every number of threads, and however rows are divided among calls. */
void synth_rows(const struct synth *synth, enum synth_stream stream, int64_t first, int64_t n, kith_type type,
    void *out, int threads);

#endif
