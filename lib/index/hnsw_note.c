/* Noting the changes of a graph index for a log: which nodes got other lists, and decisions (hnsw_log.c). */
#include "lib/index/hnsw_log.h"

#include <string.h>

void hnsw_log_grow(struct hnsw *hnsw)
{
	struct hnsw_log *log = hnsw->log;
	if (!log || log->replays || hnsw->graph.n <= log->room)
		return;
	size_t before = (size_t)(log->room + 63) / 64, words = (size_t)(hnsw->graph.n + 63) / 64;
	if (!buffer_reserve(&log->bits, words * sizeof(uint64_t), 4)) {
		log->lost = "there was no memory to note what changed";
		return;
	}
	memset(hnsw_log_words(log) + before, 0, (words - before) * sizeof(uint64_t));
	log->room = hnsw->graph.n;
}

uint64_t *hnsw_log_bits(const struct hnsw *hnsw)
{
	const struct hnsw_log *log = hnsw->log;
	return log && !log->replays && hnsw->graph.n <= log->room ? hnsw_log_words(log) : NULL;
}

void hnsw_log_event(struct hnsw *hnsw, enum hnsw_event event)
{
	struct hnsw_log *log = hnsw->log;
	if (!log || log->replays)
		return;
	log->all |= event != EVENT_INSERT && event != EVENT_REPAIR;
	if (!buffer_reserve(&log->events, log->n_events + 1, 8)) {
		log->lost = "there was no memory to note what changed";
		return;
	}
	log->events.data[log->n_events++] = (char)event;
	if (event == EVENT_INSERT || event == EVENT_BULK)
		log->added = log->n_events;
}

void hnsw_log_failed(struct hnsw *hnsw)
{
	if (hnsw->log && hnsw->log->n_events > hnsw->log->added)
		hnsw->log->lost = "a change that failed has put its graph in order";
}

void hnsw_log_free(struct hnsw *hnsw)
{
	if (!hnsw->log)
		return;
	buffer_free(&hnsw->log->bits);
	buffer_free(&hnsw->log->events);
	mem_free(hnsw->log);
	hnsw->log = NULL;
}
