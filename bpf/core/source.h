/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Whether a service allows a source: its prefixes are compiled to the addresses at which the
 * verdict turns, so that longest match is the number of boundaries up to the source, odd or even.
 */
#ifndef LB_SOURCE_H
#define LB_SOURCE_H

#include "flow.h"

#define LB_SOURCE_STEPS 24 /* binary digits of the largest number of boundaries */

/* 1 if one of two numbers of 64 bits is less than the other, without a branch. */
static __always_inline __u64 lb_less64(__u64 value, __u64 other)
{
	return host_opaque(((~value & other) | ((~value | other) & (value - other))) >> 63);
}

/* 1 if a boundary is not above an address. */
static __always_inline __u64 lb_boundary_reached(const struct lb_boundary *boundary, __u64 high,
						 __u64 low)
{
	__u64 above = lb_less64(high, boundary->high);
	__u64 below = lb_less64(boundary->high, high);

	return below | (1 ^ (above | below | lb_less64(low, boundary->low)));
}

/*
 * The number of boundaries that an address has reached, by binary search, the largest digit
 * first; `allowed` is the verdict before them. Branches depend on the count only: the verifier
 * follows each.
 */
LB_SEAM int lb_source_verdict(__u32 first, __u32 count, __u64 high, __u64 low, __u32 allowed)
{
	__u64 reached = 0;

	for (int digit = LB_SOURCE_STEPS - 1; digit >= 0; digit--) {
		const struct lb_boundary *boundary;
		__u64 next = reached + (1U << digit), inside, index;

		if (count < 1U << digit)
			continue;
		inside = 1 ^ lb_less64(count, next);
		index = first + (next - 1) * inside;
		boundary = host_region(LB_REGION_SOURCES, index);
		if (!boundary)
			return 0;
		reached += (__u64)(lb_boundary_reached(boundary, high, low) & inside) << digit;
	}
	return (allowed ^ reached) & 1;
}

/* The address is as on the wire. */
static __always_inline bool lb_source_allowed(const enum lb_family family,
					      const struct lb_service *service,
					      const __u32 *address)
{
	__u32 allowed = !(service->flags & LB_SERVICE_DENY_FIRST);
	__u64 high = 0, low = __builtin_bswap32(address[0]);

	if (!(service->flags & LB_SERVICE_SOURCES))
		return true;
	if (family == LB_IPV6) {
		high = low << 32 | __builtin_bswap32(address[1]);
		low = (__u64)__builtin_bswap32(address[2]) << 32 | __builtin_bswap32(address[3]);
	}
	return lb_source_verdict(service->source_first, service->source_count, high, low, allowed);
}

#endif
