/* Index files: an index with everything it holds, kept in one file.
 *
 * docs/file-format.md describes the bytes. A file is read by this and every later version of kith with the
 * same major number of the format; equal indexes give equal bytes.
 */
#ifndef KITH_FILE_H
#define KITH_FILE_H

#include <kith/index.h>
#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of kith_index_open. */
enum {
	KITH_VERIFY = 1, /* compare all checksums; what is read into memory is always verified */
	KITH_MMAP = 2    /* use the file where it is instead of reading it: not offered yet */
};

/* Save an index, trained or not, empty or not. The file appears, complete and synced, when the call
 * succeeds; until then, and after a failure, there is what was there before. A device or a pipe is written
 * directly.
 *
 * Errors:  INVALID, IO (the message tells what the system said: no space, no permission), UNSUPPORTED (an
 *          index that no factory string describes, such as unlike shards), NOMEM
 * Threads: as a const call; two threads may save to one name, one of them wins
 * Cost:    one pass over the data */
KITH_API kith_status kith_index_save(const kith_index *index, const char *path);

/* Open a file that kith_index_save wrote, or one of FAISS's (faiss.h): *out is an index like any other,
 * independent of the file, to be freed with kith_index_free. flags: 0, or of those above.
 *
 * Nothing in the file is believed: it may be damaged or made up by somebody, and gives an error or an index
 * that is safe to use. Memory is allocated only for what the file really holds.
 *
 * Errors:  NOTFOUND, IO, INVALID (unknown flags), FORMAT (not an index file, cut off, damaged: the message
 *          names the section), UNSUPPORTED (a newer version's file; KITH_MMAP), NOMEM
 * Cost:    one pass over the data */
KITH_API kith_status kith_index_open(kith_index **out, const char *path, int flags);

#ifdef __cplusplus
}
#endif
#endif
