/* What FAISS keeps in an index and kith only carries along: search parameters and labels, in the state of an
 * index and in two optional sections of its file, which are there where something was set. No search looks at
 * either. */
#include "lib/api/preset.h"

#include "lib/api/check.h"
#include "lib/api/guard.h"
#include "lib/api/journal.h"
#include "lib/base/status.h"
#include "lib/index/index_state.h"

#include <stddef.h>
#include <string.h>

/* In the file. */
struct section {
	int64_t nprobe, max_codes, ef_search, ef_construction;
	float k_factor;
	uint32_t idmap, idmap_depth, fastscan;
};
_Static_assert(sizeof(struct section) == 48, "no padding");

/* Members that were added later have a section of their own, which older versions skip. */
struct later_section {
	uint32_t polysemous_ht, search_type;
};

/* The size of kith_preset before they were added. */
enum { FIRST_SIZE = offsetof(kith_preset, polysemous_ht) };

enum { MAX_IDMAP = 2, MAX_DEPTH = 64, FASTSCAN_STEP = 32, MAX_FASTSCAN = 1 << 16 };

static const char PRESET[] = "pset", LATER[] = "pse2", LABELS[] = "labl";

static bool is_same(const kith_preset *a, const kith_preset *b)
{
	return a->nprobe == b->nprobe && a->max_codes == b->max_codes && a->efSearch == b->efSearch &&
	       a->efConstruction == b->efConstruction && a->k_factor == b->k_factor && a->idmap == b->idmap &&
	       a->idmap_depth == b->idmap_depth && a->fastscan == b->fastscan &&
	       a->polysemous_ht == b->polysemous_ht && a->search_type == b->search_type;
}

/* INVALID: a search or an add would not take it. */
static kith_status check_preset(const kith_preset *preset)
{
	kith_search_options search = KITH_SEARCH_OPTIONS;
	kith_add_options add = KITH_ADD_OPTIONS;
	search.nprobe = preset->nprobe;
	search.max_codes = preset->max_codes;
	search.k_factor = preset->k_factor;
	search.efSearch = preset->efSearch;
	add.efConstruction = preset->efConstruction;
	if (preset->idmap < 0 || preset->idmap > MAX_IDMAP)
		return fail(KITH_INVALID, "preset->idmap is %d; it must be 0 … %d", preset->idmap, MAX_IDMAP);
	if (preset->idmap_depth < 0 || preset->idmap_depth > MAX_DEPTH)
		return fail(KITH_INVALID, "preset->idmap_depth is %d; it must be 0 … %d", preset->idmap_depth,
		    MAX_DEPTH);
	if (preset->fastscan < 0 || preset->fastscan > MAX_FASTSCAN || preset->fastscan % FASTSCAN_STEP != 0)
		return fail(KITH_INVALID, "preset->fastscan is %d; it must be a multiple of %d, 0 … %d",
		    preset->fastscan, FASTSCAN_STEP, MAX_FASTSCAN);
	if (preset->polysemous_ht < 0)
		return fail(KITH_INVALID, "preset->polysemous_ht is %d; it must not be negative",
		    preset->polysemous_ht);
	if (preset->search_type < 0 || preset->search_type > PRESET_MAX_SEARCH_TYPE)
		return fail(KITH_INVALID, "preset->search_type is %d; it must be 0 … %d", preset->search_type,
		    PRESET_MAX_SEARCH_TYPE);
	kith_search_options full;
	kith_add_options full_add;
	kith_status status = check_search_options(&search, &full);
	return status ? status : check_add_options(&add, &full_add);
}

kith_status kith_index_preset(const kith_index *index, kith_preset *preset)
{
	if (!index || !preset)
		return fail(KITH_INVALID, "%s is NULL", index ? "preset" : "index");
	if (preset->size != sizeof *preset && preset->size != FIRST_SIZE)
		return fail(KITH_INVALID, "preset->size is %zu; set it to sizeof", preset->size);
	kith_status status = read_begin(index);
	if (status)
		return status;
	kith_preset found = preset_of(index);
	read_end(index);
	found.size = preset->size;
	memcpy(preset, &found, found.size);
	return KITH_OK;
}

kith_status kith_index_set_preset(kith_index *index, const kith_preset *given)
{
	kith_preset full = KITH_PRESET, *preset = &full;
	if (!index || !given)
		return fail(KITH_INVALID, "%s is NULL", index ? "preset" : "index");
	if (given->size != sizeof full && given->size != FIRST_SIZE)
		return fail(KITH_INVALID, "preset->size is %zu; set it to sizeof", given->size);
	memcpy(&full, given, given->size);
	full.size = sizeof full;
	kith_status status = check_preset(preset);
	if (status == KITH_OK)
		status = alone_begin(index);
	if (status)
		return status;
	kith_preset before = preset_of(index);
	if (!is_same(&before, preset)) {
		status = preset_put(index, preset);
		if (status == KITH_OK)
			change_unrecorded(index, "its preset was set");
	}
	write_end(index);
	return status;
}

/* ---- labels ---- */

const int64_t *kith_index_labels(const kith_index *index, int64_t *n)
{
	int64_t count = 0;
	const int64_t *labels = index ? labels_of(index, &count) : NULL;
	if (n)
		*n = count;
	return labels;
}

kith_status kith_index_set_labels(kith_index *index, int64_t n, const int64_t *labels)
{
	int64_t before;
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	if (n < 0 || (n > 0 && !labels))
		return fail(KITH_INVALID, "n is %lld, labels %s", (long long)n, labels ? "given" : "NULL");
	kith_status status = alone_begin(index);
	if (status)
		return status;
	const int64_t *old = labels_of(index, &before);
	if (before != n || (n > 0 && old != labels && memcmp(old, labels, (size_t)n * sizeof *labels) != 0)) {
		status = labels_put(index, n, labels);
		if (status == KITH_OK)
			change_unrecorded(index, "its labels were set");
	}
	write_end(index);
	return status;
}

/* ---- files ---- */

void preset_save(const kith_index *index, struct blob_writer *w)
{
	if (!index->state)
		return;
	const kith_preset *p = &index->state->preset;
	struct section section = {p->nprobe, p->max_codes, p->efSearch, p->efConstruction, p->k_factor,
	    (uint32_t)p->idmap, (uint32_t)p->idmap_depth, (uint32_t)p->fastscan};
	struct later_section later = {(uint32_t)p->polysemous_ht, (uint32_t)p->search_type};
	if (!preset_is_empty(p))
		blob_write(w, PRESET, &section, sizeof section);
	if (later.polysemous_ht || later.search_type)
		blob_write(w, LATER, &later, sizeof later);
	if (index->state->label_count)
		blob_write(w, LABELS, index->state->labels.data,
		    (size_t)index->state->label_count * sizeof(int64_t));
}

static kith_status load_labels(struct index_state *state, struct blob_reader *r)
{
	uint64_t bytes = blob_length(r, LABELS);
	if (bytes == 0 || bytes % sizeof(int64_t) != 0)
		return blob_fail(
		    r, LABELS, "holds %llu bytes, which cannot be labels", (unsigned long long)bytes);
	kith_status status = blob_open(r, LABELS, (size_t)bytes);
	if (status == KITH_OK)
		status = blob_take(r, &state->labels, (size_t)bytes);
	if (status == KITH_OK)
		status = blob_close(r);
	if (status == KITH_OK)
		state->label_count = (int64_t)(bytes / sizeof(int64_t));
	return status;
}

static kith_status load_preset(struct index_state *state, struct blob_reader *r)
{
	struct section section = {0};
	struct later_section later = {0};
	kith_status status = blob_has(r, PRESET) ? blob_read(r, PRESET, &section, sizeof section) : KITH_OK;
	if (status == KITH_OK && blob_has(r, LATER))
		status = blob_read(r, LATER, &later, sizeof later);
	if (status)
		return status;
	state->preset =
	    (kith_preset){sizeof state->preset, section.nprobe, section.max_codes, section.ef_search,
	        section.ef_construction, section.k_factor, (int)section.idmap, (int)section.idmap_depth,
	        (int)section.fastscan, (int)later.polysemous_ht, (int)later.search_type};
	if (check_preset(&state->preset) != KITH_OK)
		return blob_fail(r, PRESET, "holds invalid search parameters");
	return KITH_OK;
}

kith_status preset_load(kith_index *index, struct blob_reader *r)
{
	if (!blob_has(r, PRESET) && !blob_has(r, LATER) && !blob_has(r, LABELS))
		return KITH_OK;
	struct index_state *state = index_state_of(index);
	if (!state)
		return KITH_NOMEM;
	kith_status status = load_preset(state, r);
	return status == KITH_OK && blob_has(r, LABELS) ? load_labels(state, r) : status;
}
