/* What keys of a tile may be off by, beside what the form of its rows and queries says. */
#ifndef KITH_TILE_BOUNDS_H
#define KITH_TILE_BOUNDS_H

/* A query whose bound is not below it has no threshold: all rows are its candidates, whatever their `low`. */
static const double TILE_UNBOUNDED = 1e36;

/* Relative size of what rounding does to a key, against the squared norms in it: a generous 16 ulp. */
static const double TILE_EPS = 0x1p-20;

/* Covers sums of squares that underflow. */
static const double TILE_TINY = 1e-30;

#endif
