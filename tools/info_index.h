/* kith info on index files. */
#ifndef KITH_TOOLS_INFO_INDEX_H
#define KITH_TOOLS_INFO_INDEX_H

#include <stdbool.h>

/* Does the file begin as an index file does, of kith or of FAISS? False where it cannot be read. */
bool is_index_file(const char *path);
bool is_faiss_file(const char *path);

/* Open it, which checks everything, and tell what it is; returns an exit code. */
int info_index(const char *path, bool json);

#endif
