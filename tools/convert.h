/* The parts of kith convert. */
#ifndef KITH_TOOLS_CONVERT_H
#define KITH_TOOLS_CONVERT_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/kith.h>

#include "files.h"

struct convert {
	const char *in_path, *out_path, *ids_path; /* ids_path NULL: none */
	int64_t first, count;                      /* rows; count −1: the rest */
	int type;                                  /* one of kith_type; −1: choose */
	kith_vecs_writer *out;

	/* Of a data set that is put together: files, NULL where there is none, and neighbours to compute. */
	const char *train, *test, *neighbors, *distances;
	kith_metric metric;
	bool metric_given;
	int64_t k; /* 0: the default */
};

/* Check first and count against n rows of in_path; count becomes a number. Returns an exit code. */
int convert_check_rows(struct convert *c, int64_t n);

/* Create OUT with the type asked for, or that of the input, or the first one that OUT's format can hold;
 * *type gets it. Returns an exit code. */
int convert_open_output(struct convert *c, kith_type wanted, int64_t dim, kith_type *type);

/* An index file into another, or into a file of the vectors that it holds (convert_index.c). `file` is what
 * is read, in_path what the user calls it. Return exit codes. */
int convert_index(const struct convert *c, const char *file);
int convert_stored(struct convert *c, const char *file);

/* Files into one HDF5 file in ann-benchmarks' layout (convert_hdf5.c). Returns an exit code. */
int convert_assemble(struct convert *c);

#endif
