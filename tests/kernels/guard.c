/* One mapping for each slot, its last page without access. Arrays are placed against that page; in front of
 * results a margin of known bytes catches writes that miss on the other side. */
#include "tests/kernels/guard.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MARGIN = 64 };
static const size_t CAPACITY = (size_t)2 << 20, FAR_CAPACITY = (size_t)65 << 26;
static char *end[SLOTS];     /* the unmapped page */
static char *far_end[SLOTS]; /* that of a mapping of FAR_CAPACITY bytes, most of which no memory ever backs */
static char *room[SLOTS];    /* the last result */

static char *map(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory = mmap(
	    NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED || mprotect(memory + bytes, page, PROT_NONE))
		abort();
	return memory + bytes;
}

void guard_open(void)
{
	for (int i = 0; i < SLOTS; i++)
		end[i] = end[i] ? end[i] : map(CAPACITY);
}

static char *place(enum guard_slot slot, size_t bytes)
{
	if (bytes + MARGIN > CAPACITY)
		abort();
	return end[slot] - bytes;
}

const void *put_rows(
    enum guard_slot slot, const void *from, size_t step, size_t width, size_t stride, int n, size_t shift)
{
	size_t bytes = n ? (size_t)(n - 1) * stride + width + shift : shift;
	char *rows;
	if (stride >= FAR_APART) {
		far_end[slot] = far_end[slot] ? far_end[slot] : map(FAR_CAPACITY);
		rows = far_end[slot] - bytes;
	} else {
		rows = memset(place(slot, bytes), 0xff, bytes);
	}
	for (int r = 0; r < n; r++)
		memcpy(rows + (size_t)r * stride, (const char *)from + (size_t)r * step, width);
	return rows;
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
