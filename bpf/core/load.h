/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How many live connections a backend has, of all services that lead to it: exact, because a
 * connection is counted before it is made and until its entry is cleared.
 */
#ifndef LB_LOAD_H
#define LB_LOAD_H

#include "host.h"

static __always_inline void lb_load_give(__u32 backend)
{
	__u64 *load = host_region(LB_REGION_LOADS, backend);

	if (load)
		lb_fetch_add64(load, -1ULL);
}

/* Counts a connection to a backend, unless it has `limit` of them already; 0: no limit. */
static __always_inline bool lb_load_take(__u32 backend, __u32 limit)
{
	__u64 *load = host_region(LB_REGION_LOADS, backend);

	if (!load)
		return false;
	if (lb_fetch_add64(load, 1) < limit || !limit)
		return true;
	lb_fetch_add64(load, -1ULL);
	return false;
}

#endif
