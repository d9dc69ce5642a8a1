/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Internet checksums (RFC 1071), changed incrementally (RFC 1624, eqn. 3).
 * A "sum" is an unfolded one's complement sum of 16-bit words in memory order; a "delta" is the
 * folded sum of what is new minus what was old, so that any number of deltas add up.
 */
#ifndef LB_CHECKSUM_H
#define LB_CHECKSUM_H

#include <linux/types.h>

static __always_inline __u16 lb_sum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* Minus, in one's complement. */
static __always_inline __u16 lb_delta_negate(__u16 delta)
{
	return (__u16)~delta;
}

static __always_inline __u16 lb_checksum_apply(__u16 check, __u16 delta)
{
	__u32 sum = (__u16)~check + (__u32)delta;

	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~(sum + (sum >> 16));
}

/* UDP over IPv4: 0 says that there is no checksum (RFC 768), so it stays, and none becomes it. */
static __always_inline __u16 lb_checksum_apply_udp(__u16 check, __u16 delta)
{
	__u16 applied;

	if (!check)
		return 0;
	applied = lb_checksum_apply(check, delta);
	return applied ? applied : 0xffff;
}

#endif
