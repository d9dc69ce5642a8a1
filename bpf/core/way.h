/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The way out of a packet: where, with which link header, with what around it, and whether it
 * fits.
 */
#ifndef LB_WAY_H
#define LB_WAY_H

#include "hop.h"
#include "parse.h"

struct lb_way {
	const struct lb_interface *interface;

	__u64 hop;
	__u32 slot;
	__u32 overhead; /* bytes that a tunnel adds to the IP packet */
};

/* Bytes of the outer headers. */
static __always_inline __u32 lb_tunnel_overhead(__u8 flags)
{
	__u32 bytes;

	if (!(flags & (LB_CONN_IPIP | LB_CONN_GUE)))
		return 0;
	bytes = flags & LB_CONN_BACKEND_IPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	return flags & LB_CONN_GUE ? bytes + sizeof(struct udphdr) : bytes;
}

static __always_inline __u8 lb_hops_left(const enum lb_family family, const struct lb_view *view)
{
	return family == LB_IPV6 ? ((struct ipv6hdr *)view->ip)->hop_limit :
				   ((struct iphdr *)view->ip)->ttl;
}

/* Direct return is no hop of the client's packet: its TTL stays. */
static __always_inline enum lb_reason lb_way_check(const enum lb_family family,
						   const struct lb_view *view, __u8 flags,
						   struct lb_way *way)
{
	if (!way->hop)
		return LB_REASON_NEXT_HOP_UNRESOLVED;
	if (!(flags & LB_CONN_ONE_SIDED) && lb_hops_left(family, view) <= 1)
		return LB_REASON_TTL_EXPIRED;
	way->slot = lb_hop_slot(way->hop);
	way->interface = host_region(LB_REGION_INTERFACES, way->slot);
	if (!way->interface || !way->interface->ifindex)
		return LB_REASON_INTERFACE_GONE;
	way->overhead = host_forget(lb_tunnel_overhead(flags), way->hop);
	return view->length + way->overhead > way->interface->mtu ? LB_REASON_TOO_BIG :
								    LB_REASON_FORWARDED;
}

#endif
