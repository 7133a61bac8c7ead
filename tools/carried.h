/* What an index file holds beside the index itself for programs written for FAISS: labels of the vectors, and
 * search parameters (kith/preset.h). */
#ifndef KITH_TOOLS_CARRIED_H
#define KITH_TOOLS_CARRIED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <kith/kith.h>

#include "files.h"

/* The labels of the vectors of an index; values NULL: they have none, and are known by their ids. */
struct labels {
	const int64_t *values; /* [n] by id; they belong to the index */
	int64_t n;
	int64_t min, max; /* of the labels, or of the ids if there are no labels; 0 and −1 if no vectors */
	bool given;       /* whether there are labels, or ids other than 0 … n − 1 */
};

/* The labels of an index that was read from `path`. It is an error if only some vectors have one, as it is
 * for the FAISS layer. Returns an exit code. */
int labels_of(const kith_index *index, const char *path, struct labels *labels);

/* The label of an id, or the id itself where there are no labels; −1, which means no neighbour, stays. */
int64_t label_of(const struct labels *labels, int64_t id);

/* "labels 10 ... 14" or "ids 10 ... 14". Returns out. */
const char *labels_text(const struct labels *labels, char *out, size_t size);
json_t *labels_json(const struct labels *labels); /* {"min": …, "max": …} */
/* The type for the file of ids `path` that `option` names: KITH_I64 if the labels or ids need it and the
 * file's format has it, else KITH_I32, in which labels below 0 are an error, since −1 means no neighbour.
 * Returns an exit code. */
int labels_type(
    const struct labels *labels, const char *index, const char *option, const char *path, kith_type *type);

/* Convert ids [n] for a file of KITH_I32; an error if one is too large. Returns an exit code. */
int labels_narrow(int64_t n, const int64_t *ids, const char *option, const char *path, int32_t *out);

/* An error if there are labels below 0 and the true neighbours are ids of 32 bits, which cannot name those.
 * Returns an exit code. */
int labels_check_truth(const struct labels *labels, const char *index, const struct input *truth);

/* The search parameters that the file holds, as --set takes them: "nprobe=16,k_factor=4"; "" for none. */
void preset_text(const kith_index *index, char *out, size_t size);

/* Those and efConstruction, line by line as 'kith info' prints them, and as a JSON object. */
void preset_print(const kith_index *index);
json_t *preset_json(const kith_index *index);

#endif
