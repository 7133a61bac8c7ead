/* Splits a column's declaration to words. SQLite has already split the arguments at commas and checked
 * that quotes are closed. What remains are names, unquoted or quoted in one of SQLite's ways, strings, and
 * text in brackets and parentheses. */
#include "words.h"

#include <string.h>

#include "sqlite.h"

static int is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static int is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '$' || (unsigned char)c >= 0x80;
}

/* Find the end of a word that starts at p and ends with `close`. A doubled `close` is part of the word,
 * unless it is ']' or ')'. */
static const char *find_close(const char *p, char close)
{
	for (p++; *p != '\0'; p++) {
		if (*p != close) {
			continue;
		}
		if (p[1] == close && close != ']' && close != ')') {
			p++;
		} else {
			return p + 1;
		}
	}
	return p;
}

struct word word_next(const char **at)
{
	const char *p = *at;
	while (is_blank(*p)) {
		p++;
	}
	struct word w = {WORD_SIGN, p, 0};
	const char *end = p + 1;
	switch (*p) {
	case '\0':
		w.kind = WORD_END;
		end = p;
		break;
	case '\'':
		w.kind = WORD_STRING;
		end = find_close(p, '\'');
		break;
	case '"':
	case '`':
		w.kind = WORD_QUOTED;
		end = find_close(p, *p);
		break;
	case '[':
		w.kind = WORD_BRACKETS;
		end = find_close(p, ']');
		break;
	case '(':
		w.kind = WORD_PARENTHESES;
		end = find_close(p, ')');
		break;
	default:
		if (is_name(*p)) {
			w.kind = WORD_NAME;
			while (is_name(*end)) {
				end++;
			}
		}
	}
	w.length = (size_t)(end - p);
	*at = end;
	return w;
}

int word_is(const struct word *w, const char *name)
{
	return w->kind == WORD_NAME && strlen(name) == w->length &&
	       sqlite3_strnicmp(w->text, name, (int)w->length) == 0;
}

char *word_value(const struct word *w)
{
	char *out = sqlite3_malloc64(w->length + 1);
	if (out == NULL) {
		return NULL;
	}
	if (w->kind != WORD_QUOTED && w->kind != WORD_STRING && w->kind != WORD_BRACKETS) {
		memcpy(out, w->text, w->length);
		out[w->length] = '\0';
		return out;
	}
	char close = w->kind == WORD_BRACKETS ? ']' : w->text[0];
	size_t n = 0;
	for (size_t i = 1; i + 1 < w->length; i++) {
		out[n++] = w->text[i];
		if (w->text[i] == close) {
			i++;
		}
	}
	out[n] = '\0';
	return out;
}
