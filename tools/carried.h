/* What an index file carries for programs written for FAISS, beside the index itself (kith/preset.h): labels
 * of the vectors, and parameters of searches. */
#ifndef KITH_TOOLS_CARRIED_H
#define KITH_TOOLS_CARRIED_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <kith/kith.h>

/* values NULL: the vectors have no labels, and go by their ids. */
struct labels {
	const int64_t *values; /* [n] by id; the index's own */
	int64_t n;
	int64_t min, max; /* of the vectors that are there */
};

/* The labels of an index that `path` held. An error if some of its vectors have none, which FAISS's layer
 * refuses, too. Returns an exit code. */
int labels_of(const kith_index *index, const char *path, struct labels *labels);

/* What a result calls the vector of an id; −1, no neighbour, stays. */
int64_t label_of(const struct labels *labels, int64_t id);

/* An error if there are labels that no file of ids can hold: in them −1 means no neighbour. Returns an exit
 * code. */
int labels_check_output(const struct labels *labels, const char *path, const char *option);

/* Parameters of searches that the file carries, as --set takes them: "nprobe=16,k_factor=4"; "" for none. */
void preset_text(const kith_index *index, char *out, size_t size);

/* The same, and efConstruction, line by line as 'kith info' prints; and as an object. */
void preset_print(const kith_index *index);
json_t *preset_json(const kith_index *index);

#endif
