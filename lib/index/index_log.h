/* Graphs in a log of changes (api/journal.c).
 *
 * A log has the calls that changed an index, to be made again. The edges of a graph follow from them, but
 * finding edges is most of the work, so a log also has for each graph the lists that changed and its
 * decisions: changes are made again without linking. */
#ifndef KITH_INDEX_LOG_H
#define KITH_INDEX_LOG_H

#include "lib/base/blob.h"
#include "lib/index/structure.h"

/* Functions of one graph; sections are those of its node. */
struct graph_log_ops {
	/* Begin to note changes anew. NOMEM. */
	kith_status (*begin)(kith_index *index);

	/* Whether lists have changed since; NULL, or why the changes cannot be logged. */
	bool (*changed)(const kith_index *index);
	const char *(*lost)(const kith_index *index);
	void (*save)(const kith_index *index, struct blob_writer *w);

	/* load_begin comes before changes are made again, which then link nothing; load_end after them reads
	 * the lists, and from then on changes link again. Nothing is trusted. FORMAT, NOMEM. */
	kith_status (*load_begin)(kith_index *index, struct blob_reader *r);
	kith_status (*load_end)(kith_index *index, struct blob_reader *r);
};

/* For all graphs of an index. */
kith_status structure_log_begin(kith_index *index);
bool structure_log_changed(const kith_index *index);
const char *structure_log_lost(const kith_index *index);
void structure_log_save(const kith_index *index, struct blob_writer *w);
kith_status structure_log_load_begin(kith_index *index, struct blob_reader *r);
kith_status structure_log_load_end(kith_index *index, struct blob_reader *r);

#endif
