/* The inverted file in a file: what the lists hold, each kind of it list after list in a section of its own,
 * after their sizes. Which list a slot is in follows from the slots of the lists, so it is not stored; that
 * every slot is in just one list is thereby known, too. */
#include "lib/structure/ivf.h"

#include "kernels/kernels.h"
#include "lib/base/status.h"

#include <math.h>
#include <string.h>

static size_t centroid_bytes(const struct ivf *ivf)
{
	return (size_t)ivf->nlist * (size_t)ivf->base.dim * sizeof *ivf->centroids;
}

/* ---- saving ---- */

static void save_lists(const struct ivf *ivf, struct blob_writer *w)
{
	blob_section(w, "SIZE");
	for (int64_t l = 0; l < ivf->nlist; l++)
		blob_put(w, &ivf->lists[l].codes.n, sizeof(int64_t));
	blob_section(w, "SLOT");
	for (int64_t l = 0; l < ivf->nlist; l++)
		blob_put(w, list_slots(&ivf->lists[l]), (size_t)ivf->lists[l].codes.n * sizeof(uint32_t));
	if (ivf->residual) {
		blob_section(w, "REAC");
		for (int64_t l = 0; l < ivf->nlist; l++)
			blob_put(w, &ivf->lists[l].reach, sizeof(float));
	}
	if (ivf_has_terms(ivf)) {
		blob_section(w, "TERM");
		for (int64_t l = 0; l < ivf->nlist; l++)
			blob_put(
			    w, list_terms(&ivf->lists[l]), (size_t)ivf->lists[l].codes.n * sizeof(float));
	}
	codes_save(&ivf->lists[0].codes, sizeof *ivf->lists, ivf->nlist, w);
}

void ivf_save(const kith_index *index, struct blob_writer *w)
{
	const struct ivf *ivf = ivf_of_const(index);
	ids_save(&ivf->ids, w);
	if (!index->trained)
		return;
	blob_write(w, "CENT", ivf->centroids, centroid_bytes(ivf));
	codec_save(ivf->codec, w);
	save_lists(ivf, w);
}

/* ---- loading ---- */

static kith_status load_centroids(struct ivf *ivf, struct blob_reader *r)
{
	kith_status status = blob_expect(r, "CENT", centroid_bytes(ivf));
	if (status == KITH_OK)
		status = ivf_make_lists(ivf);
	if (status == KITH_OK)
		status = blob_read(r, "CENT", ivf->centroids, centroid_bytes(ivf));
	if (status == KITH_OK && kernels()->find_nonfinite(ivf->centroids, ivf->nlist * ivf->base.dim) >= 0)
		status = blob_fail(r, "CENT", "holds a centroid that is not finite");
	return status;
}

/* size [nlist], of n vectors in all. */
static kith_status load_sizes(const struct ivf *ivf, int64_t n, int64_t *size, struct blob_reader *r)
{
	kith_status status = blob_read(r, "SIZE", size, (size_t)ivf->nlist * sizeof *size);
	int64_t rest = n;
	for (int64_t l = 0; status == KITH_OK && l < ivf->nlist; l++) {
		if (size[l] < 0 || size[l] > rest)
			return blob_fail(r, "SIZE", "gives list %lld a size of %lld, with %lld vectors left",
			    (long long)l, (long long)size[l], (long long)rest);
		rest -= size[l];
	}
	if (status == KITH_OK && rest > 0)
		status = blob_fail(r, "SIZE", "leaves %lld vectors without a list", (long long)rest);
	return status;
}

/* Each of the n slots is in one list. */
static kith_status take_slots(struct ivf *ivf, const struct list *list, int64_t number, struct blob_reader *r)
{
	const uint32_t *slots = list_slots(list);
	uint32_t *list_of = ivf_list_of(ivf);
	for (int64_t i = 0; i < list->codes.n; i++) {
		if (slots[i] >= ivf->ids.n || list_of[slots[i]] != UINT32_MAX)
			return blob_fail(r, "SLOT", "puts number %u into list %lld, wrongly or once more",
			    (unsigned)slots[i], (long long)number);
		list_of[slots[i]] = (uint32_t)number;
	}
	return KITH_OK;
}

static kith_status load_slots(struct ivf *ivf, struct blob_reader *r)
{
	size_t bytes = (size_t)ivf->ids.n * sizeof(uint32_t);
	kith_status status = blob_open(r, "SLOT", bytes);
	if (status)
		return status;
	if (!buffer_reserve(&ivf->list_of, bytes, 0))
		return fail_nomem("list numbers", bytes);
	if (bytes)
		memset(ivf->list_of.data, 0xff, bytes);
	for (int64_t l = 0; status == KITH_OK && l < ivf->nlist; l++) {
		struct list *list = &ivf->lists[l];
		size_t part = (size_t)list->codes.n * sizeof(uint32_t);
		if (!buffer_reserve(&list->slots, part, 0))
			return fail_nomem("slots", part);
		status = blob_get(r, list->slots.data, part);
		if (status == KITH_OK)
			status = take_slots(ivf, list, l, r);
	}
	return status ? status : blob_close(r);
}

static kith_status load_reach(struct ivf *ivf, struct blob_reader *r)
{
	kith_status status = blob_open(r, "REAC", (size_t)ivf->nlist * sizeof(float));
	for (int64_t l = 0; status == KITH_OK && l < ivf->nlist; l++) {
		status = blob_get(r, &ivf->lists[l].reach, sizeof(float));
		if (status == KITH_OK && !(ivf->lists[l].reach >= 0))
			status = blob_fail(r, "REAC", "holds a norm that is negative or no number");
	}
	return status ? status : blob_close(r);
}

static kith_status load_terms(struct ivf *ivf, struct blob_reader *r)
{
	kith_status status = blob_open(r, "TERM", (size_t)ivf->ids.n * sizeof(float));
	for (int64_t l = 0; status == KITH_OK && l < ivf->nlist; l++) {
		struct list *list = &ivf->lists[l];
		size_t part = (size_t)list->codes.n * sizeof(float);
		if (!buffer_reserve(&list->terms, part, 0))
			return fail_nomem("terms", part);
		status = blob_get(r, list->terms.data, part);
		for (int64_t i = 0; status == KITH_OK && i < list->codes.n; i++)
			if (isnan(list_terms(list)[i]))
				status = blob_fail(r, "TERM", "holds a term that is no number");
	}
	return status ? status : blob_close(r);
}

static kith_status load_lists(struct ivf *ivf, int64_t n, struct blob_reader *r)
{
	size_t bytes = (size_t)ivf->nlist * sizeof(int64_t);
	int64_t *size = mem_alloc(bytes, 1);
	kith_status status = size ? load_sizes(ivf, n, size, r) : fail_nomem("sizes of lists", bytes);
	if (status == KITH_OK)
		status = codes_load(&ivf->lists[0].codes, sizeof *ivf->lists, ivf->nlist, size, r);
	mem_free(size);
	if (status == KITH_OK)
		status = load_slots(ivf, r);
	if (status == KITH_OK && ivf->residual)
		status = load_reach(ivf, r);
	if (status == KITH_OK && ivf_has_terms(ivf))
		status = load_terms(ivf, r);
	if (status == KITH_OK)
		ivf_renumber(ivf);
	return status;
}

kith_status ivf_load(kith_index *index, int64_t n, bool trained, struct blob_reader *r)
{
	struct ivf *ivf = ivf_of(index);
	kith_status status = ids_load(&ivf->ids, n, r);
	if (status || !trained)
		return status;
	status = load_centroids(ivf, r);
	if (status == KITH_OK)
		status = codec_load(ivf->codec, true, r);
	if (status == KITH_OK)
		status = load_lists(ivf, n, r);
	index->trained = status == KITH_OK;
	return status;
}
