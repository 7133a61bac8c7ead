/* Graphs in a log of changes (api/journal.c).
 *
 * A log has the calls that changed an index, to be made again. What a graph's edges are follows from them
 * too, but finding them is most of the work, so a log also has those that were found: for each graph which of
 * its lists changed, and what else it decided, so that changes can be made again without linking anything. */
#ifndef KITH_INDEX_LOG_H
#define KITH_INDEX_LOG_H

#include "lib/base/blob.h"
#include "lib/index/structure.h"

/* Of one graph; sections are those of its node. */
struct graph_log_ops {
	/* Begin anew to note what changes. NOMEM. */
	kith_status (*begin)(kith_index *index);

	/* Whether something changed that is not the same when the changes are made again; NULL or why what
	 * changed cannot be told. */
	bool (*changed)(const kith_index *index);
	const char *(*untold)(const kith_index *index);
	void (*save)(const kith_index *index, struct blob_writer *w);

	/* Before changes are made again: from now on they link nothing. After them: what they would have
	 * linked; from now on they link again. Nothing is believed. FORMAT, NOMEM. */
	kith_status (*load_begin)(kith_index *index, struct blob_reader *r);
	kith_status (*load_end)(kith_index *index, struct blob_reader *r);
};

/* For all graphs of an index. */
kith_status structure_log_begin(kith_index *index);
bool structure_log_changed(const kith_index *index);
const char *structure_log_untold(const kith_index *index);
void structure_log_save(const kith_index *index, struct blob_writer *w);
kith_status structure_log_load_begin(kith_index *index, struct blob_reader *r);
kith_status structure_log_load_end(kith_index *index, struct blob_reader *r);

#endif
