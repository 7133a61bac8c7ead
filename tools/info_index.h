/* kith info on index files. */
#ifndef KITH_TOOLS_INFO_INDEX_H
#define KITH_TOOLS_INFO_INDEX_H

#include <stdbool.h>

/* Does the file begin as an index file does, of kith or of FAISS? False where it cannot be read. */
bool is_index_file(const char *path);
bool is_faiss_file(const char *path);

/* Open `file`, which checks everything unless it is to be quick, and tell what it is; path is what the user
 * calls it. Returns an exit code. */
int info_index(const char *path, const char *file, bool quick, bool json);

#endif
