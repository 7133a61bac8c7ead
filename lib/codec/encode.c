/* Encoding many vectors on several threads. Chunks begin with whole blocks, so that no two threads write to
 * the same block of codes or to its bound, and the bytes do not depend on the threads.
 */
#include "lib/codec/codec.h"

#include "lib/base/progress.h"
#include "lib/base/threads.h"

/* The number of positions in a task, which are whole blocks. */
enum { CHUNK = 8 * ROWS_BLOCK };

struct encoding {
	struct codes *codes;
	kith_type type;
	const char *x; /* the vector of position `first`, and those after it */
	int64_t first, end;
	float *scratch;
	struct progress *progress;
};

static void encode_chunk(void *arg, int64_t number, int worker)
{
	const struct encoding *e = arg;
	int64_t dim = e->codes->codec->dim, from = (e->first / CHUNK + number) * CHUNK, to = from + CHUNK;
	from = from > e->first ? from : e->first;
	to = to < e->end ? to : e->end;
	if (from >= to || progress_stopped())
		return;
	codes_write(e->codes, from, e->type, to - from,
	    e->x + (size_t)(from - e->first) * (size_t)dim * kith_type_size(e->type),
	    e->scratch + CODES_SCRATCH(dim) * (size_t)worker);
	if (e->progress)
		progress_add(e->progress, to - from);
}

int codes_useful_threads(int64_t n, int threads)
{
	int64_t tasks = n / CHUNK + 1;
	return tasks < threads ? (int)tasks : threads;
}

bool codes_append_parallel(struct codes *codes, kith_type type, int64_t n, const void *x, int threads,
    float *scratch, struct progress *progress)
{
	struct encoding e = {codes, type, x, codes->n, codes->n + n, scratch, progress};
	codes->n = e.end;
	threads_run(threads, (e.end - e.first / CHUNK * CHUNK + CHUNK - 1) / CHUNK, encode_chunk, &e);
	if (!progress_stopped())
		return true;
	codes_truncate(codes, e.first);
	return false;
}
