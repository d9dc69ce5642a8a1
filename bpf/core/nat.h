/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What changes in a packet of a known flow: both ends, the TTL, the checksums, the link header.
 * Everything that could refuse the packet is asked first, so that a refused one is whole and can
 * be quoted.
 */
#ifndef LB_NAT_H
#define LB_NAT_H

#include "checksum.h"
#include "hop.h"
#include "index.h"
#include "parse.h"

/* A way out that may be taken. */
struct lb_way {
	const struct lb_interface *interface;
	__u64 hop;
	__u32 slot;
	__u32 mtu;
};

static __always_inline enum lb_reason lb_way_check(const struct lb_view *view, __u64 hop,
						   struct lb_way *way)
{
	if (!hop)
		return LB_REASON_NEXT_HOP_UNRESOLVED;
	if (view->ip->ttl <= 1)
		return LB_REASON_TTL_EXPIRED;
	way->hop = hop;
	way->slot = lb_hop_slot(hop);
	way->interface = host_region(LB_REGION_INTERFACES, way->slot);
	if (!way->interface || !way->interface->ifindex)
		return LB_REASON_INTERFACE_GONE;
	way->mtu = way->interface->mtu;
	return view->length > way->mtu ? LB_REASON_TOO_BIG : LB_REASON_FORWARDED;
}

/* The TTL is the low byte of its word in memory order: minus one. */
static __always_inline void lb_ttl_decrement(struct iphdr *ip)
{
	ip->ttl--;
	ip->check = lb_checksum_apply(ip->check, (__u16)~1);
}

static __always_inline void lb_link_rewrite(struct ethhdr *eth, const struct lb_way *way)
{
	lb_mac_store(eth->h_dest, way->hop);
	lb_mac_store(eth->h_source, lb_mac_load(way->interface->mac));
}

/* The ports and checksum of the first fragment; later ones have neither. */
static __always_inline void lb_transport_rewrite(const struct lb_packet *p, struct lb_view *view,
						 __be16 source, __be16 dest, __u16 delta)
{
	struct tcphdr *tcp = view->transport;
	struct udphdr *udp = view->transport;

	/* Parsed before: asked again for the verifier. */
	if ((void *)(udp + 1) > p->data_end)
		return;
	udp->source = source;
	udp->dest = dest;
	if (view->tuple.protocol != IPPROTO_TCP)
		udp->check = lb_checksum_apply_udp(udp->check, delta);
	else if ((void *)(tcp + 1) <= p->data_end)
		tcp->check = lb_checksum_apply(tcp->check, delta);
}

static __always_inline void lb_nat4(const struct lb_packet *p, struct lb_view *view,
				    const struct lb_conn4 *conn, enum lb_direction direction)
{
	bool forward = direction == LB_DIRECTION_FORWARD;
	struct iphdr *ip = view->ip;
	__u16 address = conn->address_delta, transport = conn->transport_delta;

	if (!forward) {
		address = lb_delta_negate(address);
		transport = lb_delta_negate(transport);
	}
	ip->saddr = forward ? conn->source : conn->vip;
	ip->daddr = forward ? conn->backend : conn->client;
	ip->check = lb_checksum_apply(ip->check, address);
	lb_ttl_decrement(ip);
	if (view->fragment != LB_FRAGMENT_LATER)
		lb_transport_rewrite(p, view, forward ? conn->source_port : conn->vip_port,
				     forward ? conn->backend_port : conn->client_port, transport);
}

#endif
