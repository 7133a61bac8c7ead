/* The inverted file, for its files: ivf.c (table of functions, search), ivf_lists.c, ivf_train.c, ivf_add.c
 * (add, update, remove), ivf_merge.c, ivf_file.c, ivf_parts.c, ivf_quantizer.c. */
#ifndef KITH_INDEX_IVF_H
#define KITH_INDEX_IVF_H

#include <stdatomic.h>

#include "lib/index/ids.h"
#include "lib/index/quantizer.h"
#include "lib/index/structure.h"
#include "lib/search/lists.h"

/* Vectors of one Voronoi cell, in the order in which they came. */
struct list {
	struct codes codes;
	struct buffer slots;      /* uint32_t [codes.n]: number of each vector in `ids` */
	struct buffer code_norms; /* float [codes.n]: see search.h; empty where no scan uses them */
	float max_norm;           /* >= norm of all vectors as decoded, center included */
};

/* Blocks of a file: those of codes, then slots and norms of codes. */
enum { IVF_BLOCK_SLOTS = CODES_BLOCKS, IVF_BLOCK_CODE_NORMS, IVF_BLOCKS };

struct ivf {
	struct kith_index base;
	int64_t nlist;
	bool residual;         /* codes are of x − centroid */
	float *centroids;      /* [nlist × dim] */
	float *given;          /* [nlist × dim] centroids that training is to use; NULL: it learns them */
	int M;                 /* of the graph over centroids; 0: there is none */
	kith_index *kind;      /* an empty quantizer, which training clones and fills; NULL: M decides */
	kith_index *quantizer; /* finds lists; NULL: all centroids are compared, or there are none yet */
	struct codec *codec;
	struct list *lists;               /* [nlist] */
	int64_t *start;                   /* [nlist + 1] vectors before each list */
	struct ids ids;                   /* of slots, in the order of adding */
	struct buffer list_of;            /* [ids.n] list of each slot: see ivf_list_at */
	struct buffer blocks[IVF_BLOCKS]; /* sections of a file, from which lists borrow until they grow */
	struct unvalidated *unvalidated;  /* NULL: the lists are validated */
};

struct lazy;

/* What is known of lists in a mapped file so far. There is no ivf.list_of. */
struct unvalidated {
	struct lazy *list_of;      /* made when a vector is first asked for by its id */
	_Atomic uint8_t *in_order; /* [nlist] 1: its slots and codes have been checked */
};

static inline struct ivf *ivf_of(kith_index *index)
{
	return (struct ivf *)(void *)index;
}

static inline const struct ivf *ivf_of_const(const kith_index *index)
{
	return (const struct ivf *)(const void *)index;
}

static inline uint32_t *list_slots(const struct list *list)
{
	return (uint32_t *)(void *)list->slots.data;
}

static inline float *list_code_norms(const struct list *list)
{
	return (float *)(void *)list->code_norms.data;
}

/* Numbers of lists take two bytes for up to 65,535 lists, else four. All bits set: no list. */
static inline size_t ivf_number_bytes(const struct ivf *ivf)
{
	return ivf->nlist <= UINT16_MAX ? sizeof(uint16_t) : sizeof(uint32_t);
}

static inline uint32_t ivf_no_list(const struct ivf *ivf)
{
	return ivf->nlist <= UINT16_MAX ? UINT16_MAX : UINT32_MAX;
}

/* The list of a slot, in numbers like those of list_of. */
static inline uint32_t ivf_list_at(const struct ivf *ivf, const void *numbers, uint32_t slot)
{
	return ivf->nlist <= UINT16_MAX ? ((const uint16_t *)numbers)[slot]
	                                : ((const uint32_t *)numbers)[slot];
}

static inline void ivf_put_number(const struct ivf *ivf, void *numbers, uint32_t slot, int64_t list)
{
	if (ivf->nlist <= UINT16_MAX)
		((uint16_t *)numbers)[slot] = (uint16_t)list;
	else
		((uint32_t *)numbers)[slot] = (uint32_t)list;
}

/* Number of lists that exist: none before training. */
static inline int64_t ivf_lists(const struct ivf *ivf)
{
	return ivf->lists ? ivf->nlist : 0;
}

/* Under cosine queries are at unit length already, so the quantizer compares inner products. */
static inline const struct metric *ivf_quantizer_metric(const struct ivf *ivf)
{
	return metric_of_unit(ivf->base.metric);
}

/* Set the spec of the index. */
void ivf_name(struct ivf *ivf);

/* Make centroids and empty lists for the codec. Unchanged on failure. */
kith_status ivf_make_lists(struct ivf *ivf);

/* Whether lists keep norms of their codes. */
bool ivf_has_code_norms(const struct ivf *ivf);

/* Compare all centroids with all of x. */
kith_status ivf_compare_all(
    const struct ivf *ivf, const float *centroids, const struct rows *x, int threads, struct sink *sink);

/* Nearest of nlist centroids for each of x: labels [x->n]. */
kith_status ivf_assign(
    const struct ivf *ivf, const float *centroids, const struct rows *x, int threads, int32_t *labels);

/* Make room for n vectors in a list. */
kith_status ivf_reserve_list(const struct ivf *ivf, struct list *list, int64_t n);

/* Set what a list keeps beside the code at position i: see struct list. scratch [2 × dim]. */
void ivf_describe_row(const struct ivf *ivf, struct list *list, int64_t i, float *scratch);

/* Position of a slot in its list. */
int64_t ivf_position(const struct list *list, uint32_t slot);

/* After lists changed: set start and, for the slots in the lists, list_of. ivf_count sets start alone. */
void ivf_renumber(struct ivf *ivf);
void ivf_count(struct ivf *ivf);

/* ivf_file.c, for unvalidated lists: check a list before it is first searched; find the list of every slot;
 * validate everything before a change. FORMAT, NOMEM. */
kith_status ivf_check_list(const struct ivf *ivf, int64_t number);
kith_status ivf_find_lists(const struct ivf *ivf, const void **list_of);
kith_status ivf_validate(kith_index *index);
kith_status ivf_new_unvalidated(struct ivf *ivf);
void ivf_free_unvalidated(struct ivf *ivf);

/* Free the blocks of a file; no list borrows from them any more. */
void ivf_free_blocks(struct ivf *ivf);

/* ivf_train.c: let training use a copy of these centroids [nlist × dim]; ivf_set_centroids checks them first.
 * NOMEM, INVALID. */
kith_status ivf_give(struct ivf *ivf, const float *centroids);
kith_status ivf_set_centroids(kith_index *index, int64_t nlist, const float *centroids);

kith_status ivf_train(kith_index *index, int64_t n, const float *x, const kith_add_options *options);
kith_status ivf_add(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids,
    const kith_add_options *options);
kith_status ivf_update(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids);
kith_status ivf_remove(kith_index *index, const kith_filter *which, int64_t *removed);
kith_status ivf_merge(kith_index *into, kith_index *from, const int64_t *ids);
void ivf_trim(kith_index *index);

/* Room for the list numbers of n slots; spare: as buffer_reserve. */
kith_status ivf_reserve_numbers(struct ivf *ivf, int64_t n, int spare);
void ivf_save(const kith_index *index, struct blob_writer *w);
kith_status ivf_load(kith_index *index, int64_t n, bool trained, struct blob_reader *r);

#endif
