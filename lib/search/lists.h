/* Exact search inside lists: every query against the lists that it probes. */
#ifndef KITH_SEARCH_LISTS_H
#define KITH_SEARCH_LISTS_H

#include "lib/search/search.h"

/* Compare each query with all rows (that pass options->filter) of its lists.
 *
 *   base    what all lists have in common: form, dimension, codec, whether they have centers
 *   probes  [query->n × nprobe] list numbers of each query, nearest first; −1: none
 *
 * Other arguments are those of search_exact. */
kith_status search_lists(const struct rows *base, const struct lists *lists, const struct rows *query,
    const struct metric *metric, const int32_t *probes, int64_t nprobe, struct sink *sink,
    const kith_search_options *options);

#endif
