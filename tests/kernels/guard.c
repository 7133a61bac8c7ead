/* One mapping for each slot, its last page without access. Arrays are placed against that page; in front of
 * results a margin of known bytes catches writes that miss on the other side. */
#include "tests/kernels/guard.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MARGIN = 64 };
static const size_t CAPACITY = (size_t)2 << 20;
static char *end[SLOTS];  /* the unmapped page */
static char *room[SLOTS]; /* the last result */

void guard_open(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	for (int i = 0; i < SLOTS; i++) {
		if (end[i])
			continue;
		char *map =
		    mmap(NULL, CAPACITY + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (map == MAP_FAILED || mprotect(map + CAPACITY, page, PROT_NONE))
			abort();
		end[i] = map + CAPACITY;
	}
}

static char *place(enum guard_slot slot, size_t bytes)
{
	if (bytes + MARGIN > CAPACITY)
		abort();
	return end[slot] - bytes;
}

void *guard_put(enum guard_slot slot, const void *src, size_t bytes, size_t shift)
{
	char *p = place(slot, bytes + shift);
	if (bytes)
		memcpy(p, src, bytes);
	memset(p + bytes, 0xff, shift);
	return p;
}

void *guard_room(enum guard_slot slot, size_t bytes)
{
	room[slot] = place(slot, bytes);
	memset(room[slot] - MARGIN, GUARD_FILL, bytes + MARGIN);
	return room[slot];
}

int guard_intact(enum guard_slot slot)
{
	for (int i = 1; i <= MARGIN; i++)
		if ((unsigned char)room[slot][-i] != GUARD_FILL)
			return 0;
	return 1;
}
