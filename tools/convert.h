/* The parts of kith convert. */
#ifndef KITH_TOOLS_CONVERT_H
#define KITH_TOOLS_CONVERT_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/kith.h>

#include "files.h"

struct convert {
	const char *in_path, *out_path, *ids_path; /* ids_path NULL: none */
	int64_t first, count;                      /* of the rows to convert; count −1: all that follow */
	int type;                                  /* which of the words of --type; −1: not given */
	kith_vecs_writer *out;

	/* For a data set that is put together of files: those, NULL for each that is not given, and the
	 * metric and number of neighbours to compute. */
	const char *train, *test, *neighbors, *distances;
	kith_metric metric;
	bool metric_given;
	int64_t k; /* 0: the default */
};

/* Check first and count against the n rows of in_path; a count of −1 becomes the number of rows that follow.
 * Returns an exit code. */
int convert_check_rows(struct convert *c, int64_t n);

/* Create OUT with the type asked for, or else the wanted type, or else the first one that OUT's format can
 * hold; *type gets it. Returns an exit code. */
int convert_open_output(struct convert *c, kith_type wanted, int64_t dim, kith_type *type);

/* Convert an index file into another one, or into a file of the vectors that it holds (convert_index.c);
 * file: what is read, which is a temporary file if in_path is a stream. Return exit codes. */
int convert_index(const struct convert *c, const char *file);
int convert_stored(struct convert *c, const char *file);

/* Put files together into one HDF5 file in the layout of ann-benchmarks (convert_hdf5.c). Returns an exit
 * code. */
int convert_assemble(struct convert *c);

#endif
