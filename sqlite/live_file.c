/* The format of an index as bytes:
 *
 *   header   64 bytes: magic, number of ids, multiplier, number of points of the sweep
 *   sweep    MAX_SWEEP × (effort, recall)
 *   rowids   [n], then dead [(n + 7) / 8], padded to 8 bytes
 *   index    the bytes that kith_index_write writes
 */
#include <string.h>

#include "live.h"
#include "sqlite.h"

struct header {
	char magic[8];
	int64_t n;
	double multiplier;
	int64_t points, reserved[4];
};

static const char magic[8] = "KITHSQL2";

struct offset_reader {
	kith_read_fn read;
	void *data;
	int64_t offset;
};

kith_status live_write(const struct live *l, kith_write_fn write, void *data)
{
	struct header h = {.n = l->n, .multiplier = l->multiplier, .points = l->points};
	static const uint8_t zeros[8];
	size_t dead = (size_t)(l->n + 7) / 8;
	memcpy(h.magic, magic, sizeof h.magic);
	if (write(data, &h, sizeof h) != 0 || write(data, l->sweep, sizeof l->sweep) != 0 ||
	    write(data, l->rowids, (size_t)l->n * sizeof *l->rowids) != 0 ||
	    write(data, l->dead, dead) != 0 || write(data, zeros, (8 - dead % 8) % 8) != 0) {
		return KITH_IO;
	}
	return kith_index_write(l->index, write, data);
}

static int read_at_offset(void *data, int64_t offset, void *bytes, size_t n)
{
	struct offset_reader *r = data;
	return r->read(r->data, r->offset + offset, bytes, n);
}

/* Set the ids, and check that the index has no others and the right dimension. */
static kith_status take_ids(
    struct live *l, const int64_t *rowids, const uint8_t *dead, int64_t n, int64_t dim)
{
	kith_status status = live_load_ids(l, n, rowids, dead);
	int64_t min;
	int64_t max;
	if (status == KITH_OK) {
		status = kith_index_id_range(l->index, &min, &max);
	}
	if (status == KITH_OK &&
	    (min < 0 || max >= n || kith_index_dim(l->index) != dim || kith_index_size(l->index) > n)) {
		status = KITH_FORMAT;
	}
	return status;
}

kith_status live_read(
    struct live **out, int64_t dim, kith_metric metric, kith_read_fn read, void *data, int64_t size)
{
	struct header h;
	struct sweep_point sweep[MAX_SWEEP];
	int64_t head = (int64_t)(sizeof h + sizeof sweep);
	*out = NULL;
	if (size < head) {
		return KITH_FORMAT;
	}
	if (read(data, 0, &h, sizeof h) != 0 || read(data, sizeof h, sweep, sizeof sweep) != 0) {
		return KITH_IO;
	}
	if (memcmp(h.magic, magic, sizeof magic) != 0 || h.n < 0 || h.n > (size - head) / 8 ||
	    !(h.multiplier >= 1 && h.multiplier <= 1024) || h.points < 0 || h.points > MAX_SWEEP) {
		return KITH_FORMAT;
	}
	int64_t dead_bytes = ((h.n + 7) / 8 + 7) / 8 * 8;
	int64_t begin = head + h.n * 8 + dead_bytes;
	if (begin > size) {
		return KITH_FORMAT;
	}
	struct live *l = live_empty();
	int64_t *rowids = sqlite3_malloc64((sqlite3_uint64)(h.n * 8 + 8));
	uint8_t *dead = sqlite3_malloc64((sqlite3_uint64)(dead_bytes + 8));
	kith_status status = l != NULL && rowids != NULL && dead != NULL ? KITH_OK : KITH_NOMEM;
	if (status == KITH_OK) {
		l->multiplier = h.multiplier;
		l->points = (int)h.points;
		memcpy(l->sweep, sweep, sizeof sweep);
		if (read(data, head, rowids, (size_t)h.n * 8) != 0 ||
		    read(data, head + h.n * 8, dead, (size_t)dead_bytes) != 0) {
			status = KITH_IO;
		}
	}
	struct offset_reader reader = {read, data, begin};
	if (status == KITH_OK) {
		status = kith_index_read(&l->index, read_at_offset, &reader, size - begin, 0);
	}
	if (status == KITH_OK) {
		l->uses_ef = kith_index_uses(l->index, "efSearch");
		l->uses_nprobe = kith_index_uses(l->index, "nprobe");
		status =
		    kith_index_metric(l->index) == metric ? take_ids(l, rowids, dead, h.n, dim) : KITH_FORMAT;
	}
	if (status == KITH_OK) {
		status = live_prepare(l);
	}
	sqlite3_free(rowids);
	sqlite3_free(dead);
	if (status != KITH_OK) {
		live_free(l);
		return status;
	}
	*out = l;
	return KITH_OK;
}
