/* kith convert on index files. */
#ifndef KITH_TOOLS_CONVERT_INDEX_H
#define KITH_TOOLS_CONVERT_INDEX_H

/* An index file of kith or of FAISS into one of FAISS's, where `out` ends in ".faiss", else of kith's.
 * Returns an exit code. */
int convert_index(const char *in, const char *out);

#endif
