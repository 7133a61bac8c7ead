/* Adding to, updating and removing from an inverted file. Everything that can fail comes first; then lists
 * are changed, each by one thread and in the order of the input, so the index does not depend on their
 * number. */
#include "lib/index/ivf.h"

#include "kernels/kernels.h"
#include "lib/base/progress.h"
#include "lib/base/rounding.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/search/filter.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Vectors assigned to lists at a time. */
enum { ASSIGN = 65536 };

struct filling {
	struct ivf *ivf;
	kith_type type;
	const char *x;
	int64_t n, first_slot;
	int32_t *label;  /* [n] */
	int64_t *begin;  /* [nlist + 2] list l gets vectors order[begin[l]] … order[begin[l + 1] − 1] */
	uint32_t *order; /* [n] */
	float **scratch; /* [threads] */
	struct before *before; /* [nlist] to undo the call; NULL: it needs no undoing */
	int threads;
	struct progress progress;
};

/* A list before the call. */
struct before {
	int64_t n;
	float max_norm;
};

static void filling_free(struct filling *f)
{
	mem_free(f->label);
	mem_free(f->begin);
	mem_free(f->order);
	mem_free(f->before);
	for (int i = 0; f->scratch && i < f->threads; i++)
		mem_free(f->scratch[i]);
	mem_free(f->scratch);
}

static kith_status filling_alloc(struct filling *f)
{
	size_t floats = CODES_SCRATCH(f->ivf->base.dim) + (2 + CODES_BATCH) * (size_t)f->ivf->base.dim;
	f->label = mem_alloc((size_t)f->n, sizeof *f->label);
	f->begin = mem_zalloc((size_t)f->ivf->nlist + 2, sizeof *f->begin);
	f->order = mem_alloc((size_t)f->n, sizeof *f->order);
	f->scratch = mem_zalloc((size_t)f->threads, sizeof *f->scratch);
	bool ok = f->label && f->begin && f->order && f->scratch;
	for (int i = 0; ok && i < f->threads; i++) {
		f->scratch[i] = mem_alloc(floats, sizeof **f->scratch);
		ok = f->scratch[i] != NULL;
	}
	return ok ? KITH_OK : fail_nomem("adding vectors", (size_t)f->n * 8);
}

/* INVALID if the codec cannot keep a residual of vectors from … from + rows->n − 1, whose lists are known. */
static kith_status check_residuals(const struct filling *f, const struct rows *rows, int64_t from)
{
	const struct ivf *ivf = f->ivf;
	int64_t dim = ivf->base.dim;
	if (!ivf->residual || ivf->codec->ops->limit == 0)
		return KITH_OK;
	float *scratch = f->scratch[0], *residual = scratch + dim;
	for (int64_t i = 0; i < rows->n; i++) {
		const float *x = rows_load(rows, i, scratch);
		const float *centroid = ivf->centroids + f->label[from + i] * dim;
		for (int64_t j = 0; j < dim; j++)
			residual[j] = x[j] - centroid[j];
		int64_t bad = codec_find_beyond(ivf->codec, residual, dim);
		char what[160];
		if (bad < 0)
			continue;
		snprintf(what, sizeof what, "x: vector %lld, component %lld is %.9g and, less its centroid,",
		    (long long)(from + i), (long long)bad, (double)x[bad]);
		return codec_fail_beyond(ivf->codec, what, (double)residual[bad]);
	}
	return KITH_OK;
}

/* Nearest centroid of each vector, and the vectors of each list. */
static kith_status assign(struct filling *f)
{
	struct ivf *ivf = f->ivf;
	size_t row = (size_t)ivf->base.dim * kith_type_size(f->type);
	for (int64_t i = 0; i < f->n; i += ASSIGN) {
		int64_t n = f->n - i < ASSIGN ? f->n - i : ASSIGN;
		struct rows rows = rows_of_array(f->type, n, ivf->base.dim, f->x + (size_t)i * row, 0);
		rows.normalize = ivf->base.metric->unit;
		kith_status status = ivf_assign(ivf, ivf->centroids, &rows, f->threads, f->label + i);
		if (status == KITH_OK)
			status = check_residuals(f, &rows, i);
		if (status)
			return status;
		/* This is half of the progress; filling the lists is the other half. */
		if (!progress_add(&f->progress, n - n / 2))
			return KITH_CANCELLED;
	}
	for (int64_t i = 0; i < f->n; i++)
		f->begin[f->label[i] + 2]++;
	for (int64_t l = 0; l < ivf->nlist; l++)
		f->begin[l + 2] += f->begin[l + 1];
	for (int64_t i = 0; i < f->n; i++)
		f->order[f->begin[f->label[i] + 1]++] = (uint32_t)i;
	return KITH_OK;
}

kith_status ivf_reserve_list(const struct ivf *ivf, struct list *list, int64_t n)
{
	kith_status status = codes_reserve(&list->codes, n, 1);
	if (status == KITH_OK && !buffer_reserve(&list->slots, (size_t)n * sizeof(uint32_t), 1))
		status = fail_nomem("slots", (size_t)n * sizeof(uint32_t));
	if (status == KITH_OK && ivf_has_code_norms(ivf) &&
	    !buffer_reserve(&list->code_norms, (size_t)n * sizeof(float), 1))
		status = fail_nomem("norms of codes", (size_t)n * sizeof(float));
	return status;
}

void ivf_trim(kith_index *index)
{
	struct ivf *ivf = ivf_of(index);
	for (int64_t l = 0; l < ivf_lists(ivf); l++) {
		struct list *list = &ivf->lists[l];
		size_t n = (size_t)list->codes.n;
		codes_trim(&list->codes);
		buffer_trim(&list->slots, n * sizeof(uint32_t));
		buffer_trim(&list->code_norms, ivf_has_code_norms(ivf) ? n * sizeof(float) : 0);
	}
	if (ivf->quantizer && ivf->kind)
		structure_trim(ivf->quantizer);
	buffer_trim(&ivf->list_of, (size_t)ivf->ids.n * ivf_number_bytes(ivf));
	ids_trim(&ivf->ids);
}

kith_status ivf_reserve_numbers(struct ivf *ivf, int64_t n, int spare)
{
	size_t bytes = (size_t)n * ivf_number_bytes(ivf);
	return buffer_reserve(&ivf->list_of, bytes, spare) ? KITH_OK : fail_nomem("list numbers", bytes);
}

static kith_status reserve_all(struct filling *f)
{
	struct ivf *ivf = f->ivf;
	kith_status status = KITH_OK;
	for (int64_t l = 0; status == KITH_OK && l < ivf->nlist; l++)
		if (f->begin[l + 1] > f->begin[l])
			status = ivf_reserve_list(
			    ivf, &ivf->lists[l], ivf->lists[l].codes.n + f->begin[l + 1] - f->begin[l]);
	return status ? status : ivf_reserve_numbers(ivf, ivf->ids.n + f->n, 1);
}

void ivf_describe_row(const struct ivf *ivf, struct list *list, int64_t i, float *scratch)
{
	if (!ivf->residual)
		return;
	int64_t dim = ivf->base.dim;
	const struct kernels *kern = kernels();
	const float *center = list->codes.center;
	struct rows rows = codes_rows(&list->codes);
	rows.normalize = false;
	const float *x = rows_load(&rows, i, scratch);
	list->max_norm = fmaxf(list->max_norm, float_up(sqrt(kern->ip_exact(x, x, dim)) * (1 + 1e-6)));
	if (!ivf_has_code_norms(ivf))
		return;
	rows.center = NULL;
	const float *residual = rows_load(&rows, i, scratch + dim);
	double term = kern->ip_exact(residual, residual, dim) + 2 * kern->ip_exact(center, residual, dim);
	list_code_norms(list)[i] = (float)term;
}

static void fill_list(void *arg, int64_t number, int worker)
{
	struct filling *f = arg;
	struct ivf *ivf = f->ivf;
	struct list *list = &ivf->lists[number];
	float *scratch = f->scratch[worker], *rest = scratch + CODES_SCRATCH(ivf->base.dim);
	char *together = (char *)(rest + 2 * ivf->base.dim);
	size_t row = (size_t)ivf->base.dim * kith_type_size(f->type);
	for (int64_t at = f->begin[number], n; at < f->begin[number + 1]; at += n) {
		int64_t left = f->begin[number + 1] - at, first = list->codes.n;
		if (!progress_add(&f->progress, 0))
			return;
		n = left < CODES_BATCH ? left : CODES_BATCH;
		for (int64_t i = 0; i < n; i++) {
			uint32_t from = f->order[at + i];
			list_slots(list)[first + i] = (uint32_t)(f->first_slot + from);
			memcpy(together + (size_t)i * row, f->x + (size_t)from * row, row);
		}
		codes_append(&list->codes, f->type, n, together, scratch);
		for (int64_t i = first; i < list->codes.n; i++)
			ivf_describe_row(ivf, list, i, rest);
	}
	progress_add(&f->progress, (f->begin[number + 1] - f->begin[number]) / 2);
}

static kith_status remember(struct filling *f)
{
	const struct ivf *ivf = f->ivf;
	f->before = mem_alloc((size_t)ivf->nlist, sizeof *f->before);
	if (!f->before)
		return fail_nomem("adding vectors", (size_t)ivf->nlist * sizeof *f->before);
	for (int64_t l = 0; l < ivf->nlist; l++)
		f->before[l] = (struct before){ivf->lists[l].codes.n, ivf->lists[l].max_norm};
	return KITH_OK;
}

static void take_back(struct filling *f, int64_t next)
{
	struct ivf *ivf = f->ivf;
	for (int64_t l = 0; l < ivf->nlist; l++) {
		codes_truncate(&ivf->lists[l].codes, f->before[l].n);
		ivf->lists[l].max_norm = f->before[l].max_norm;
	}
	ids_truncate(&ivf->ids, f->first_slot, next);
}

/* Assign and store the vectors; a cancelled call is undone. */
static kith_status add(struct filling *f, const int64_t *ids)
{
	struct ivf *ivf = f->ivf;
	int64_t next = ivf->ids.next;
	kith_status status = assign(f);
	if (status == KITH_OK)
		status = remember(f);
	if (status == KITH_OK)
		status = reserve_all(f);
	if (status == KITH_OK)
		status = ids_append(&ivf->ids, f->n, ids);
	if (status == KITH_OK)
		threads_run(f->threads, ivf->nlist, fill_list, f);
	kith_status told = progress_end(&f->progress);
	if (status && status != KITH_CANCELLED)
		return status;
	if (told && status == KITH_OK)
		take_back(f, next);
	return told;
}

kith_status ivf_add(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids,
    const kith_add_options *options)
{
	struct ivf *ivf = ivf_of(index);
	if (n > IDS_MAX - ivf->ids.n)
		return fail(KITH_INVALID, "n is %lld: an index holds at most %lld vectors", (long long)n,
		    (long long)IDS_MAX);
	struct filling f = {.ivf = ivf, .type = type, .x = x, .n = n, .first_slot = ivf->ids.n};
	f.threads = threads_resolve(options->threads);
	kith_status status = filling_alloc(&f);
	if (status == KITH_OK) {
		progress_begin(&f.progress, options->progress, options->progress_data, "add", n);
		status = add(&f, ids);
	}
	if (status == KITH_OK)
		ivf_renumber(ivf);
	filling_free(&f);
	return status;
}

/* Retain the positions of a list whose bits are set. */
static void retain_in_list(const struct ivf *ivf, struct list *list, const uint64_t *retained)
{
	int64_t kept = 0;
	for (int64_t i = 0; i < list->codes.n; i++) {
		if (!(retained[i / 64] >> (i % 64) & 1))
			continue;
		list_slots(list)[kept] = list_slots(list)[i];
		if (ivf_has_code_norms(ivf))
			list_code_norms(list)[kept] = list_code_norms(list)[i];
		kept++;
	}
	codes_retain(&list->codes, retained);
}

static int64_t longest_list(const struct ivf *ivf)
{
	int64_t max = 0;
	for (int64_t l = 0; l < ivf_lists(ivf); l++)
		max = ivf->lists[l].codes.n > max ? ivf->lists[l].codes.n : max;
	return max;
}

/* Take one slot out of its list. retained: room for a bit of each position. */
static void leave_list(struct ivf *ivf, uint32_t slot, uint64_t *retained)
{
	struct list *list = &ivf->lists[ivf_list_at(ivf, ivf->list_of.data, slot)];
	int64_t i = ivf_position(list, slot);
	memset(retained, 0xff, (size_t)(list->codes.n + 63) / 64 * sizeof *retained);
	retained[i / 64] &= ~(UINT64_C(1) << (i % 64));
	retain_in_list(ivf, list, retained);
}

/* Store vector i of the filling under its old slot, in the list that is now nearest. Room was made. */
static void move_vector(struct filling *f, int64_t i, uint32_t slot, uint64_t *retained)
{
	struct ivf *ivf = f->ivf;
	const char *x = f->x + (size_t)i * (size_t)ivf->base.dim * kith_type_size(f->type);
	struct list *list = &ivf->lists[f->label[i]];
	float *scratch = f->scratch[0], *rest = scratch + CODES_SCRATCH(ivf->base.dim);
	if (ivf_list_at(ivf, ivf->list_of.data, slot) == (uint32_t)f->label[i]) {
		int64_t at = ivf_position(list, slot);
		codes_replace(&list->codes, at, f->type, x, scratch);
		ivf_describe_row(ivf, list, at, rest);
		return;
	}
	leave_list(ivf, slot, retained);
	list_slots(list)[list->codes.n] = slot;
	codes_append(&list->codes, f->type, 1, x, scratch);
	ivf_describe_row(ivf, list, list->codes.n - 1, rest);
	ivf_put_number(ivf, ivf->list_of.data, slot, f->label[i]);
}

kith_status ivf_update(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids)
{
	struct ivf *ivf = ivf_of(index);
	struct filling f = {.ivf = ivf, .type = type, .x = x, .n = n, .threads = 1};
	uint64_t *retained = mem_alloc((size_t)(longest_list(ivf) + n + 63) / 64, sizeof *retained);
	kith_status status =
	    retained ? filling_alloc(&f) : fail_nomem("an update", (size_t)longest_list(ivf) / 8);
	if (status == KITH_OK) {
		progress_begin(&f.progress, NULL, NULL, "update", n);
		status = assign(&f);
		progress_end(&f.progress);
	}
	if (status == KITH_OK)
		status = reserve_all(&f);
	for (int64_t i = 0; status == KITH_OK && i < n; i++)
		move_vector(&f, i, (uint32_t)ids_find(&ivf->ids, ids[i]), retained);
	if (status == KITH_OK)
		ivf_renumber(ivf);
	filling_free(&f);
	mem_free(retained);
	return status;
}

/* Give each slot that stays a new number: how many before it stay. */
static void renumber_slots(struct ivf *ivf, const uint64_t *retained, uint32_t *number, uint64_t *list_retain)
{
	uint32_t next = 0;
	for (int64_t slot = 0; slot < ivf->ids.n; slot++) {
		number[slot] = next;
		next += (uint32_t)(retained[slot / 64] >> (slot % 64) & 1);
	}
	for (int64_t l = 0; l < ivf_lists(ivf); l++) {
		struct list *list = &ivf->lists[l];
		memset(list_retain, 0, (size_t)(list->codes.n + 63) / 64 * sizeof *list_retain);
		for (int64_t i = 0; i < list->codes.n; i++) {
			uint32_t slot = list_slots(list)[i];
			list_retain[i / 64] |= (retained[slot / 64] >> (slot % 64) & 1) << (i % 64);
		}
		retain_in_list(ivf, list, list_retain);
		for (int64_t i = 0; i < list->codes.n; i++)
			list_slots(list)[i] = number[list_slots(list)[i]];
	}
}

kith_status ivf_remove(kith_index *index, const kith_filter *which, int64_t *removed)
{
	struct ivf *ivf = ivf_of(index);
	struct rows slots = {.n = ivf->ids.n, .ids = ids_list(&ivf->ids)};
	size_t words = (size_t)(slots.n + 63) / 64;
	uint64_t *retained = mem_zalloc(words, sizeof *retained);
	uint64_t *list_retain = mem_alloc((size_t)(longest_list(ivf) + 63) / 64, sizeof *list_retain);
	uint32_t *number = mem_alloc((size_t)slots.n, sizeof *number);
	kith_status status =
	    retained && list_retain && number ? KITH_OK : fail_nomem("a removal", (size_t)slots.n * 4);
	*removed = status == KITH_OK ? filter_rows(which, &slots, 1, retained) : 0;
	if (*removed > 0)
		status = ids_prepare_remove(&ivf->ids);
	if (status == KITH_OK && *removed > 0) {
		for (size_t i = 0; i < words; i++)
			retained[i] = ~retained[i];
		renumber_slots(ivf, retained, number, list_retain);
		ids_retain(&ivf->ids, retained);
		ivf_renumber(ivf);
	} else if (status) {
		*removed = 0;
	}
	mem_free(retained);
	mem_free(list_retain);
	mem_free(number);
	return status;
}
