/* Splitting an argument of CREATE VIRTUAL TABLE to words. */
#ifndef KITH_SQLITE_WORDS_H
#define KITH_SQLITE_WORDS_H

#include <stddef.h>

enum word_kind { WORD_END, WORD_NAME, WORD_QUOTED, WORD_STRING, WORD_BRACKETS, WORD_PARENTHESES, WORD_SIGN };

struct word {
	enum word_kind kind;
	const char *text; /* with its quotes */
	size_t length;
};

/* Read the word at *at, and move *at to its end. A WORD_SIGN is any other single character. */
struct word word_next(const char **at);

/* Whether a word is an unquoted name equal to `name`, in upper or lower case. */
int word_is(const struct word *w, const char *name);

/* The text of a word without its quotes; NULL: out of memory. Freed with sqlite3_free. */
char *word_value(const struct word *w);

#endif
