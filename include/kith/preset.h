/* What FAISS keeps inside an index and kith does not, so that it can be saved with the index: search
 * parameters that a program chose (a preset), and labels of its own for vectors.
 *
 * Nothing in this library searches by either. kith_index_search takes its parameters from its options, where
 * 0 means the documented default whatever the preset says, and knows vectors by their ids. They are for
 * programs that keep such things in an index: `import kith as faiss` in Python, and FAISS itself, whose files
 * have places for them (faiss.h). In kith's files they are optional sections.
 *
 * Both may be set for an index that was opened with KITH_READONLY, too, since no result changes. Of one that
 * was opened with KITH_UPDATE, setting something new means that it must be saved as a whole.
 */
#ifndef KITH_PRESET_H
#define KITH_PRESET_H

#include <stddef.h>
#include <stdint.h>

#include <kith/index.h>
#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Search parameters as in kith_search_options, and what else FAISS keeps. 0 means: not chosen. */
typedef struct kith_preset {
	size_t size; /* sizeof(kith_preset) */
	int64_t nprobe;
	int64_t max_codes;
	int64_t efSearch;
	int64_t efConstruction; /* of adding to graphs */
	float k_factor;
	int idmap; /* what FAISS would have around the index: 0 nothing, 1 an IndexIDMap, 2 an IndexIDMap2 */
	int idmap_depth; /* or around this part of it (parts.h); 0: around all of it */
	int fastscan; /* FAISS would keep codes for its fast scans, in blocks of so many; 0: as others do */
	int polysemous_ht; /* of FAISS's IndexPQ and IndexIVFPQ: from which Hamming distance it leaves codes out */
	int search_type; /* of its IndexPQ: how it compares codes, 0 … 5 */
} kith_preset;
#define KITH_PRESET                                                                                          \
	{                                                                                                    \
		sizeof(kith_preset), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                            \
	}

/* The preset of an index; all 0 if nothing was set. preset->size must be set: members beyond it are not
 * written. Errors: INVALID. */
KITH_API_DRAFT kith_status kith_index_preset(const kith_index *index, kith_preset *preset);

/* Set the preset of an index; members beyond preset->size become 0. Errors: INVALID (values that no search
 * would take), NOMEM.
 * Threads: like a change of the index */
KITH_API_DRAFT kith_status kith_index_set_preset(kith_index *index, const kith_preset *preset);

/* Labels: labels[id] is what a program calls the vector with this id, for ids 0 … n − 1. They may be any
 * numbers, also negative or repeated, which ids cannot be. NULL: there are none, *n (may be NULL) is 0. They
 * belong to the index and last until they are set again. */
KITH_API_DRAFT const int64_t *kith_index_labels(const kith_index *index, int64_t *n);

/* labels [n] are copied; n = 0: none. Errors: INVALID, NOMEM. Threads: like a change of the index */
KITH_API_DRAFT kith_status kith_index_set_labels(kith_index *index, int64_t n, const int64_t *labels);

#ifdef __cplusplus
}
#endif
#endif
