/* The names of transforms in specs and messages, and whether their numbers fit together. */
#include "lib/index/mapping.h"

#include "lib/base/status.h"

#include <stdio.h>

void mapping_word(const struct mapping *m, char word[32])
{
	long long out = m->out, parts = m->m;
	switch (m->kind) {
	case MAP_PCA:
		snprintf(word, 32, "PCA%s%s%lld", m->whiten ? "W" : "", m->rotate ? "R" : "", out);
		break;
	case MAP_OPQ:
		if (m->out == m->in)
			snprintf(word, 32, "OPQ%lld", parts);
		else
			snprintf(word, 32, "OPQ%lld_%lld", parts, out);
		break;
	case MAP_ROTATION:
		snprintf(word, 32, "RR%lld", out);
		break;
	case MAP_UNIT:
		snprintf(word, 32, "L2norm");
		break;
	case MAP_PAD:
		snprintf(word, 32, "Pad%lld", out);
		break;
	case MAP_LINEAR:
		snprintf(word, 32, "Linear%lld", out);
		break;
	}
}

kith_status mapping_check(const struct mapping *m, const char *word)
{
	if (m->kind == MAP_PCA && m->out > m->in)
		return fail(KITH_INVALID, "'%s' cannot make %lld dimension%s out of %lld", word,
		    (long long)m->out, PLURAL(m->out), (long long)m->in);
	if (m->kind == MAP_PAD && m->out < m->in)
		return fail(KITH_INVALID, "'%s' cannot pad %lld dimension%s to %lld", word, (long long)m->in,
		    PLURAL(m->in), (long long)m->out);
	if (m->kind == MAP_OPQ && m->out % m->m) {
		long long fit = m->out > m->m ? m->out / m->m * m->m : m->m;
		return fail(KITH_INVALID, "'%s': dimension %lld is no multiple of %lld; try OPQ%lld_%lld",
		    word, (long long)m->out, (long long)m->m, (long long)m->m, fit);
	}
	return KITH_OK;
}
