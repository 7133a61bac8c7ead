/* The words of one argument of CREATE VIRTUAL TABLE. */
#ifndef KITH_SQLITE_WORDS_H
#define KITH_SQLITE_WORDS_H

#include <stddef.h>

enum word_kind { WORD_END, WORD_NAME, WORD_QUOTED, WORD_STRING, WORD_BRACKETS, WORD_PARENTHESES, WORD_SIGN };

struct word {
	enum word_kind kind;
	const char *text; /* with its quotes */
	size_t length;
};

/* The word at *at, which is moved behind it. A WORD_SIGN is any other character. */
struct word word_next(const char **at);

/* Whether it is an unquoted name equal to `name`, whatever its case. */
int word_is(const struct word *w, const char *name);

/* What a word means, without quotes; NULL: out of memory. Freed with sqlite3_free. */
char *word_value(const struct word *w);

#endif
