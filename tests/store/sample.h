/* Indexes of every kind, and their bytes, for the suites of index files. */
#ifndef KITH_TESTS_STORE_SAMPLE_H
#define KITH_TESTS_STORE_SAMPLE_H

#include "tests/support/bytes.h"
#include "tests/support/scratch.h"
#include "tests/support/support.h"

#include "lib/api/file.h"

enum { DIM = 8, N = 300, NQ = 5, K = 10, SPECS = 36, SMALL = 10 };

extern const char *const specs[SPECS];       /* every structure, codec and wrapper */
extern const char *const small_specs[SMALL]; /* for what takes long */
extern const kith_metric metrics[3];

/* What an index is saved as, with a section more if extra_tag is not NULL. Free .data. */
struct bytes bytes_of(const kith_index *index, const char *extra_tag);
kith_status open_bytes(kith_index **out, struct bytes *b, bool verify);

struct bytes read_file(const char *name);
void write_file(const char *name, const char *data, size_t n);

/* n vectors of small whole numbers, which every codec can keep. Free. */
float *make_data(uint64_t seed, int64_t n);

/* NULL: this build does not know the spec. */
kith_index *make_empty(const char *spec, kith_metric metric);

/* n vectors, with ids of their own if `listed`, some of them removed again. NULL: as make_empty. */
kith_index *build(const char *spec, kith_metric metric, int64_t n, bool listed);

/* Two indexes are one to whoever asks; they are saved as the same bytes. */
void same(const kith_index *a, const kith_index *b);
void same_bytes(const kith_index *a, const kith_index *b);

/* Whatever was opened can be used. */
void use(kith_index *index);

/* The same if calls may also fail with FORMAT: of a file that is used unvalidated. Then it is changed. */
void use_unvalidated(kith_index *index);

#endif
