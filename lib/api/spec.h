/* Factory strings. */
#ifndef KITH_API_SPEC_H
#define KITH_API_SPEC_H

#include <kith/index.h>

/* Build the empty index that spec describes. dim and metric were checked. */
kith_status spec_build(kith_index **out, int64_t dim, kith_metric metric, const char *spec);

#endif
