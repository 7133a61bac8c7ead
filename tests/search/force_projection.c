/* Linked into a test of exact search: its flat indexes are searched by way of projections, whatever they
 * pay. */
#include "lib/search/projection.h"

__attribute__((constructor)) static void force(void)
{
	projection_force_axes(7);
}
