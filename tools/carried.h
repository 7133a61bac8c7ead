/* What an index file carries for programs written for FAISS, beside the index itself (kith/preset.h): labels
 * of the vectors, and parameters of searches. */
#ifndef KITH_TOOLS_CARRIED_H
#define KITH_TOOLS_CARRIED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <kith/kith.h>

#include "files.h"

/* values NULL: the vectors have no labels, and go by their ids. */
struct labels {
	const int64_t *values; /* [n] by id; the index's own */
	int64_t n;
	int64_t min, max; /* of the vectors that are there: their labels, else their ids; 0 and −1 of none */
	bool given;       /* by who added them: labels, or ids that are not the numbers 0 … n − 1 */
};

/* What the vectors of an index that `path` held are called. An error if some have no label and others have,
 * which FAISS's layer refuses, too. Returns an exit code. */
int labels_of(const kith_index *index, const char *path, struct labels *labels);

/* What a result calls the vector of an id; −1, no neighbour, stays. */
int64_t label_of(const struct labels *labels, int64_t id);

/* "labels 10 ... 14" or "ids 10 ... 14". Returns out. */
const char *labels_text(const struct labels *labels, char *out, size_t size);
json_t *labels_json(const struct labels *labels); /* their range as an object */

/* The type of a file of ids, the value of an option: KITH_I64 where labels or ids need it and the file can
 * have it, else KITH_I32. There −1 alone means no neighbour: labels below 0 are an error. Returns an exit
 * code. */
int labels_type(
    const struct labels *labels, const char *index, const char *option, const char *path, kith_type *type);

/* Ids [n] for a file of KITH_I32; an error if one is too large. Returns an exit code. */
int labels_narrow(int64_t n, const int64_t *ids, const char *option, const char *path, int32_t *out);

/* An error if a true neighbour of 32 bits could be none of the labels. Returns an exit code. */
int labels_check_truth(const struct labels *labels, const char *index, const struct input *truth);

/* Parameters of searches that the file carries, as --set takes them: "nprobe=16,k_factor=4"; "" for none. */
void preset_text(const kith_index *index, char *out, size_t size);

/* The same, and efConstruction, line by line as 'kith info' prints; and as an object. */
void preset_print(const kith_index *index);
json_t *preset_json(const kith_index *index);

#endif
