/* Importing from FAISS's files: what import.c, import_flat.c and import_ivf.c share. */
#ifndef KITH_FAISS_IMPORT_H
#define KITH_FAISS_IMPORT_H

#include "lib/faiss/faiss.h"
#include "lib/index/vectors.h"

#include <float.h>

/* Residuals of such size, and centroids, can be added without overflow. */
#define IMPORT_MAX (FLT_MAX / 4)

struct import {
	const struct blob_source *source;
	kith_preset found;
	bool labelled; /* ids that kith cannot have become labels */
	bool mapped;   /* an IndexIDMap is around what is built */
	int depth;     /* of what is built: transforms and refinements around it */
	int64_t *labels;
	int64_t label_count;
};

/* The status of a call to kith with what is in the file: an argument that kith refuses is UNSUPPORTED here,
 * since FAISS allows it. */
kith_status import_refit(const struct import *im, kith_status status);

/* The trained codec of a node; NULL after a failure. */
kith_status import_codec(const struct import *im, const struct faiss_node *node, struct codec **out);

/* Codes first … first + n − 1 of those at `offset` into plain. x [dim]: room */
kith_status import_codes(const struct import *im, const struct faiss_node *node, const struct codec *codec,
    uint64_t offset, int64_t first, int64_t n, uint8_t *plain, float *x);

/* The vectors of a flat node under the ids [n] (NULL: 0 … n − 1); gathered as in struct codes. */
kith_status import_stored(const struct import *im, const struct faiss_node *node, const int64_t *ids,
    bool gathered, struct vectors *stored);
void import_stored_free(struct vectors *stored);

/* An index of a flat node, or of an inverted file, under such ids. *out is to be freed also after a
 * failure. */
kith_status import_flat(
    struct import *im, const struct faiss_node *node, const int64_t *ids, kith_index **out);
kith_status import_ivf(
    struct import *im, const struct faiss_node *node, const int64_t *ids, kith_index **out);

/* If kith cannot have these ids, let them be labels, and numbers the ids: takes the array and makes *ids
 * NULL. */
kith_status import_labels(struct import *im, int64_t n, int64_t **ids);

#endif
