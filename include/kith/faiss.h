/* Reading and writing FAISS's index files.
 *
 * Neither direction trains or encodes anything anew: codes, codebooks, centroids, lists, ids and maps stay
 * the same, and so do the vectors that they stand for. docs/coming-from-faiss.md says what becomes of what.
 */
#ifndef KITH_FAISS_H
#define KITH_FAISS_H

#include <kith/file.h>
#include <kith/index.h>
#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Make an index of a file that FAISS's write_index wrote: IndexFlat, IndexPQ, IndexScalarQuantizer (8, 6 and
 * 4 bits, fp16, bf16, 8bit_direct), IndexHNSW over these, IndexIVFFlat, IndexIVFPQ and
 * IndexIVFScalarQuantizer, IndexPQFastScan and IndexIVFPQFastScan, in any of IndexIDMap, IndexPreTransform
 * (linear, L2 normalisation, padding) and IndexRefine, with L2 or inner product; of floats also with all
 * other metrics that kith has. The index is independent of the file.
 *
 *   options  NULL, or what KITH_SEARCH_OPTIONS gives: gets the parameters of search that FAISS keeps in the
 *            index and kith takes with each call (nprobe, efSearch, k_factor), as far as the file has them.
 *            The index carries them as its preset (preset.h), too
 *
 * A coarse quantizer becomes a list of its centroids, and IndexHNSW the same graph over them. A linear map is
 * inverted for kith_index_get, by its pseudo-inverse unless it is orthonormal.
 *
 * Nothing in the file is trusted, see kith_index_open. kith_index_open calls this for files of FAISS.
 *
 * Errors:  INVALID, NOTFOUND, IO, FORMAT (cut off, damaged, not FAISS's, numbers that are not finite),
 *          UNSUPPORTED (what kith has no counterpart of, which the message names: other indexes and metrics,
 *          product quantizers whose numbers have fewer than 4 or more than 12 bits, ids that are negative
 *          or not distinct), NOMEM
 * Cost:    one pass over the data; for a linear map of dimension d another O(d³) */
KITH_API kith_status kith_index_import_faiss(
    kith_index **out, const char *path, kith_search_options *options);

/* The same for programs that go on as FAISS would: ids that kith cannot have, negative or repeated ones,
 * become labels (preset.h), and the vectors get the ids 0 … n − 1. What FAISS keeps in the index is in its
 * preset. Errors: as above. */
KITH_API_DRAFT kith_status kith_index_import_faiss_labels(kith_index **out, const char *path);

/* How many bytes an index of FAISS's takes that begins a stream: what `read` gives (file.h) may go on after
 * it, and no byte behind the index is asked for. Offsets only grow; arrays are skipped.
 * Errors: as kith_index_import_faiss. */
KITH_API_DRAFT kith_status kith_faiss_length(kith_read_fn read, void *data, int64_t *length);

/* Write a trained index as a file for FAISS's read_index (any version from 1.6.4 on). Ids that are not 0 …
 * n − 1 are kept in the lists of an inverted file, else in an IndexIDMap2 around it. Cosine becomes inner
 * product after an L2 normalisation. Search parameters are those of the index's preset (preset.h), or kith's
 * defaults; efConstruction is the preset's, or 40, FAISS's default (not kith's 200, which would make FAISS's
 * adding slow). Labels are written in the place of ids. The file appears whole or not at all, as with
 * kith_index_save.
 *
 * Errors:  INVALID, UNTRAINED, IO, UNSUPPORTED (shards, and whatever else FAISS has no counterpart of), NOMEM
 * Threads: as a const call
 * Cost:    one pass over the data */
KITH_API kith_status kith_index_export_faiss(const kith_index *index, const char *path);

#ifdef __cplusplus
}
#endif
#endif
