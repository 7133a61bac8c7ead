/* kith info for index files. */
#ifndef KITH_TOOLS_INFO_INDEX_H
#define KITH_TOOLS_INFO_INDEX_H

#include <stdbool.h>

/* Whether a file begins as an index file of kith or FAISS does, or of FAISS. False if it cannot be read. */
bool is_index_file(const char *path);
bool is_faiss_file(const char *path);

/* Open `file` and print what it holds; path: the name that the user gave. Unless `quick`, all of it is
 * checked. Returns an exit code. */
int info_index(const char *path, const char *file, bool quick, bool json);

#endif
