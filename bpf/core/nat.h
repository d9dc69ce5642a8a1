/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What NAT changes in a packet of a known flow: both ends, the TTL, the checksums. Everything that
 * could refuse the packet is asked first (way.h), so that a refused one is whole and can be
 * quoted.
 */
#ifndef LB_NAT_H
#define LB_NAT_H

#include "checksum.h"
#include "index.h"
#include "parse.h"

/* The TTL is the low byte of its word in memory order: minus one. */
static __always_inline void lb_ttl_decrement(const enum lb_family family, void *packet)
{
	struct ipv6hdr *ip6 = packet;
	struct iphdr *ip = packet;

	if (family == LB_IPV6) {
		ip6->hop_limit--;
		return;
	}
	ip->ttl--;
	ip->check = lb_checksum_apply(ip->check, (__u16)~1);
}

/* The ports and checksum of the first fragment; later ones have neither. */
static __always_inline void lb_transport_rewrite(const struct lb_packet *p, struct lb_view *view,
						 __be16 source, __be16 dest, __u16 delta)
{
	/* Parsed before: found and asked again for the verifier. */
	void *transport = view->ip + (host_opaque(view->header) & LB_IP_HEADER_MASK);
	struct tcphdr *tcp = transport;
	struct udphdr *udp = transport;

	if ((void *)(udp + 1) > p->data_end)
		return;
	udp->source = source;
	udp->dest = dest;
	if (view->tuple.protocol != IPPROTO_TCP)
		udp->check = lb_checksum_apply_udp(udp->check, delta);
	else if ((void *)(tcp + 1) <= p->data_end)
		tcp->check = lb_checksum_apply(tcp->check, delta);
}

static __always_inline void lb_ends_rewrite4(struct iphdr *ip, const struct lb_conn *conn,
					     bool forward)
{
	__u16 delta = conn->address_delta;

	ip->saddr = forward ? conn->source[0] : conn->vip[0];
	ip->daddr = forward ? conn->backend[0] : conn->client[0];
	ip->check = lb_checksum_apply(ip->check, forward ? delta : lb_delta_negate(delta));
}

static __always_inline void lb_ends_rewrite6(struct ipv6hdr *ip, const struct lb_conn *conn,
					     bool forward)
{
	if (forward) {
		__builtin_memcpy(&ip->saddr, conn->source, sizeof(ip->saddr));
		__builtin_memcpy(&ip->daddr, conn->backend, sizeof(ip->daddr));
	} else {
		__builtin_memcpy(&ip->saddr, conn->vip, sizeof(ip->saddr));
		__builtin_memcpy(&ip->daddr, conn->client, sizeof(ip->daddr));
	}
}

static __always_inline void lb_nat(const enum lb_family family, const struct lb_packet *p,
				   struct lb_view *view, const struct lb_conn *conn,
				   enum lb_direction direction)
{
	bool forward = direction == LB_DIRECTION_FORWARD;
	__u16 delta = conn->transport_delta;

	if (family == LB_IPV6)
		lb_ends_rewrite6(view->ip, conn, forward);
	else
		lb_ends_rewrite4(view->ip, conn, forward);
	lb_ttl_decrement(family, view->ip);
	if (view->fragment != LB_FRAGMENT_LATER)
		lb_transport_rewrite(p, view, forward ? conn->source_port : conn->vip_port,
				     forward ? conn->backend_port : conn->client_port,
				     forward ? delta : lb_delta_negate(delta));
}

#endif
