/* kith: composable nearest-neighbour indexes. This header includes the whole public interface. */
#ifndef KITH_KITH_H
#define KITH_KITH_H

#include <kith/codes.h>
#include <kith/faiss.h>
#include <kith/file.h>
#include <kith/filter.h>
#include <kith/index.h>
#include <kith/kmeans.h>
#include <kith/knn.h>
#include <kith/library.h>
#include <kith/monitor.h>
#include <kith/parts.h>
#include <kith/pq.h>
#include <kith/preset.h>
#include <kith/ranges.h>
#include <kith/status.h>
#include <kith/tune.h>
#include <kith/vecs.h>

#endif
