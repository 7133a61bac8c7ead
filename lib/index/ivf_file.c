/* The inverted file in a file: sizes of lists, then a section for each kind of content (codes, slots, norms),
 * list after list. The list of each slot follows from the slots in the lists, so it is not stored; computing
 * it also checks that every slot is in exactly one list. A section is read as a whole into a block from which
 * the lists borrow their parts until they grow: allocating thousands of small blocks would take longer than
 * reading.
 *
 * Lists of a mapped file are used in place and stay unvalidated until they are needed. A search checks each
 * list that it probes for the first time; reading a vector by its id needs the list of its slot, for which
 * one pass goes over all slots; a change validates everything first. */
#include "lib/index/ivf.h"

#include "kernels/kernels.h"
#include "lib/base/lazy.h"
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
			blob_put(w, &ivf->lists[l].max_norm, sizeof(float));
	}
	if (ivf_has_code_norms(ivf)) {
		blob_section(w, "TERM");
		for (int64_t l = 0; l < ivf->nlist; l++)
			blob_put(w, list_code_norms(&ivf->lists[l]),
			    (size_t)ivf->lists[l].codes.n * sizeof(float));
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
	if (ivf->quantizer && ivf->M)
		hnsw_quantizer_save(ivf->quantizer, w);
	codec_save(ivf->codec, w);
	save_lists(ivf, w);
	quantizer_save(ivf, w);
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
	if (status || !ivf->M)
		return status;
	return hnsw_quantizer_load(
	    &ivf->quantizer, ivf_quantizer_metric(ivf), ivf->M, ivf->nlist, ivf->base.dim, ivf->centroids, r);
}

/* Read size [nlist]; they must add up to n. */
static kith_status load_sizes(const struct ivf *ivf, int64_t n, int64_t *size, struct blob_reader *r)
{
	kith_status status = blob_read(r, "SIZE", size, (size_t)ivf->nlist * sizeof *size);
	int64_t rest = n;
	for (int64_t l = 0; status == KITH_OK && l < ivf->nlist; l++) {
		if (size[l] < 0 || size[l] > rest)
			return blob_fail(r, "SIZE", "gives list %lld a size of %lld, with %lld vector%s left",
			    (long long)l, (long long)size[l], (long long)rest, PLURAL(rest));
		rest -= size[l];
	}
	if (status == KITH_OK && rest > 0)
		status = blob_fail(
		    r, "SIZE", "leaves %lld vector%s without a list", (long long)rest, PLURAL(rest));
	return status;
}

/* Set list_of for the slots of a list; it holds ivf_no_list for others. Returns the first slot that does not
 * exist or is in another list already; −1: none. */
static int64_t take_slots(const struct ivf *ivf, int64_t number, void *list_of)
{
	const struct list *list = &ivf->lists[number];
	const uint32_t *slots = list_slots(list);
	for (int64_t i = 0; i < list->codes.n; i++) {
		if (slots[i] >= ivf->ids.n || ivf_list_at(ivf, list_of, slots[i]) != ivf_no_list(ivf))
			return slots[i];
		ivf_put_number(ivf, list_of, slots[i], number);
	}
	return -1;
}

/* The same for all lists; *number: the list of the first bad slot. */
static int64_t take_all_slots(const struct ivf *ivf, void *list_of, int64_t *number)
{
	int64_t bad = -1;
	if (ivf->ids.n)
		memset(list_of, 0xff, (size_t)ivf->ids.n * ivf_number_bytes(ivf));
	for (int64_t l = 0; bad < 0 && l < ivf_lists(ivf); l++) {
		*number = l;
		bad = take_slots(ivf, l, list_of);
	}
	return bad;
}

static kith_status load_slots(struct ivf *ivf, struct blob_reader *r)
{
	size_t bytes = (size_t)ivf->ids.n * sizeof(uint32_t);
	kith_status status = blob_open_block(r, "SLOT", bytes, &ivf->blocks[IVF_BLOCK_SLOTS]);
	for (int64_t l = 0; status == KITH_OK && l < ivf->nlist; l++) {
		struct list *list = &ivf->lists[l];
		status = blob_take(r, &list->slots, (size_t)list->codes.n * sizeof(uint32_t));
	}
	if (status == KITH_OK)
		status = blob_close(r);
	if (status || r->lazy)
		return status;
	status = ivf_reserve_numbers(ivf, ivf->ids.n, 0);
	if (status)
		return status;
	int64_t number = 0, bad = take_all_slots(ivf, ivf->list_of.data, &number);
	if (bad >= 0)
		return blob_fail(r, "SLOT", "puts number %lld into list %lld, invalid or a second time",
		    (long long)bad, (long long)number);
	return KITH_OK;
}

static kith_status load_max_norm(struct ivf *ivf, struct blob_reader *r)
{
	kith_status status = blob_open(r, "REAC", (size_t)ivf->nlist * sizeof(float));
	for (int64_t l = 0; status == KITH_OK && l < ivf->nlist; l++) {
		status = blob_get(r, &ivf->lists[l].max_norm, sizeof(float));
		if (status == KITH_OK && !(ivf->lists[l].max_norm >= 0))
			status = blob_fail(r, "REAC", "holds a norm that is negative or NaN");
	}
	return status ? status : blob_close(r);
}

static bool code_norms_are_good(const struct list *list)
{
	const float *code_norms = list_code_norms(list);
	int bad = 0;
	for (int64_t i = 0; i < list->codes.n; i++)
		bad |= isnan(code_norms[i]);
	return !bad;
}

static kith_status load_code_norms(struct ivf *ivf, struct blob_reader *r)
{
	size_t bytes = (size_t)ivf->ids.n * sizeof(float);
	kith_status status = blob_open_block(r, "TERM", bytes, &ivf->blocks[IVF_BLOCK_CODE_NORMS]);
	for (int64_t l = 0; status == KITH_OK && l < ivf->nlist; l++) {
		struct list *list = &ivf->lists[l];
		status = blob_take(r, &list->code_norms, (size_t)list->codes.n * sizeof(float));
		if (status == KITH_OK && !r->lazy && !code_norms_are_good(list))
			status = blob_fail(r, "TERM", "holds a norm that is NaN");
	}
	return status ? status : blob_close(r);
}

static kith_status load_lists(struct ivf *ivf, int64_t n, struct blob_reader *r)
{
	size_t bytes = (size_t)ivf->nlist * sizeof(int64_t);
	int64_t *size = mem_alloc(bytes, 1);
	kith_status status = size ? load_sizes(ivf, n, size, r) : fail_nomem("sizes of lists", bytes);
	if (status == KITH_OK)
		status =
		    codes_load(&ivf->lists[0].codes, sizeof *ivf->lists, ivf->nlist, size, ivf->blocks, r);
	mem_free(size);
	if (status == KITH_OK)
		status = load_slots(ivf, r);
	if (status == KITH_OK && ivf->residual)
		status = load_max_norm(ivf, r);
	if (status == KITH_OK && ivf_has_code_norms(ivf))
		status = load_code_norms(ivf, r);
	if (status == KITH_OK && r->lazy)
		status = ivf_new_unvalidated(ivf);
	if (status == KITH_OK)
		ivf_count(ivf);
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
	if (status == KITH_OK)
		status = quantizer_load(ivf, r);
	index->trained = status == KITH_OK;
	return status;
}

/* ---- what loading left out ---- */

kith_status ivf_new_unvalidated(struct ivf *ivf)
{
	struct unvalidated *unvalidated = mem_zalloc(1, sizeof *unvalidated);
	ivf->unvalidated = unvalidated;
	if (unvalidated) {
		unvalidated->list_of = mem_zalloc(1, sizeof *unvalidated->list_of);
		unvalidated->in_order = mem_zalloc((size_t)ivf->nlist, sizeof *unvalidated->in_order);
	}
	return unvalidated && unvalidated->list_of && unvalidated->in_order
	           ? KITH_OK
	           : fail_nomem("lists", (size_t)ivf->nlist);
}

void ivf_free_blocks(struct ivf *ivf)
{
	for (int i = 0; i < IVF_BLOCKS; i++)
		buffer_free(&ivf->blocks[i]);
}

void ivf_free_unvalidated(struct ivf *ivf)
{
	if (ivf->unvalidated) {
		lazy_free(ivf->unvalidated->list_of);
		mem_free((void *)ivf->unvalidated->in_order);
	}
	mem_free(ivf->unvalidated);
	ivf->unvalidated = NULL;
}

static kith_status fail_slot(int64_t slot, int64_t number)
{
	return fail(KITH_FORMAT,
	    "the index file is damaged: section SLOT puts number %lld into list %lld, invalid or a second "
	    "time",
	    (long long)slot, (long long)number);
}

/* Checks what a search reads of a list: slots that have ids, norms, codes. */
kith_status ivf_check_list(const struct ivf *ivf, int64_t number)
{
	const struct list *list = &ivf->lists[number];
	const uint32_t *slots = list_slots(list);
	if (atomic_load_explicit(&ivf->unvalidated->in_order[number], memory_order_relaxed))
		return KITH_OK;
	for (int64_t i = 0; i < list->codes.n; i++)
		if (slots[i] >= ivf->ids.n)
			return fail_slot(slots[i], number);
	if (ivf_has_code_norms(ivf) && !code_norms_are_good(list))
		return fail(KITH_FORMAT, "the index file is damaged: section TERM holds a norm that is NaN");
	kith_status status = codes_validate(&list->codes);
	if (status == KITH_OK)
		atomic_store_explicit(&ivf->unvalidated->in_order[number], 1, memory_order_relaxed);
	return status;
}

kith_status ivf_find_lists(const struct ivf *ivf, const void **list_of)
{
	*list_of = lazy_get(ivf->unvalidated->list_of);
	if (*list_of)
		return KITH_OK;
	int64_t number = 0;
	size_t each = ivf_number_bytes(ivf);
	void *made = mem_alloc((size_t)ivf->ids.n, each);
	if (!made)
		return fail_nomem("list numbers", (size_t)ivf->ids.n * each);
	int64_t bad = take_all_slots(ivf, made, &number);
	if (bad >= 0) {
		mem_free(made);
		return fail_slot(bad, number);
	}
	*list_of = lazy_put(ivf->unvalidated->list_of, made);
	return KITH_OK;
}

kith_status ivf_validate(kith_index *index)
{
	struct ivf *ivf = ivf_of(index);
	kith_status status = ids_validate(&ivf->ids);
	if (status == KITH_OK && ivf->quantizer)
		status = structure_validate(ivf->quantizer);
	if (status || !ivf->unvalidated)
		return status;
	for (int64_t l = 0; status == KITH_OK && l < ivf_lists(ivf); l++)
		status = ivf_check_list(ivf, l);
	if (status == KITH_OK)
		status = ivf_reserve_numbers(ivf, ivf->ids.n, 0);
	if (status)
		return status;
	int64_t number = 0, bad = take_all_slots(ivf, ivf->list_of.data, &number);
	if (bad >= 0)
		return fail_slot(bad, number);
	ivf_free_unvalidated(ivf);
	return KITH_OK;
}
