/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What is put around a packet on its way to a backend that answers the client itself: IP in IP
 * (RFC 2003, 2473, 4213) or generic UDP encapsulation (variant 1: an IP packet follows the UDP
 * header). The packet stays as it is. The outer header may not be fragmented, has the inner one's
 * type of service, and a source or source port of which the flow's hash is a part, so that the
 * receiver's queues share the work.
 */
#ifndef LB_TUNNEL_H
#define LB_TUNNEL_H

#include "checksum.h"
#include "way.h"

#define LB_TUNNEL_HOPS 64
#define LB_GUE_SOURCE_PORTS 0xc000 /* from here on */

static __always_inline __u8 lb_service_class(const enum lb_family family, const void *packet)
{
	const struct ipv6hdr *ip6 = packet;

	if (family == LB_IPV6)
		return lb_order16(*(const __be16 *)ip6) >> 4;
	return ((const struct iphdr *)packet)->tos;
}

static __always_inline void lb_outer_write4(struct iphdr *ip, const struct lb_backend *backend,
					    __u8 protocol, __u8 class, __u32 length, __u32 hash)
{
	const volatile struct lb_config *config = host_config();
	__be32 source = backend->source[0], dest = backend->address[0];
	__u64 sum;

	if (config->tunnel_source4)
		source = config->tunnel_source4 | (hash & config->tunnel_spread4);
	*(__be16 *)ip = lb_order16(0x4500 | class);
	ip->tot_len = lb_order16(length);
	ip->id = 0;
	ip->frag_off = lb_order16(LB_IP_DONT_FRAGMENT);
	*(__u16 *)&ip->ttl = LB_TUNNEL_HOPS | (__u16)protocol << 8;
	ip->saddr = source;
	ip->daddr = dest;
	sum = (__u64)source + dest + *(__be16 *)ip + ip->tot_len + ip->frag_off;
	sum += *(__u16 *)&ip->ttl;
	ip->check = ~lb_sum_fold(sum);
}

static __always_inline void lb_outer_write6(struct ipv6hdr *ip, const struct lb_backend *backend,
					    __u8 protocol, __u8 class, __u32 length, __u32 hash)
{
	const volatile struct lb_config *config = host_config();

	*(__be32 *)ip = lb_order32(6U << 28 | (__u32)class << 20 | (hash & 0xfffff));
	ip->payload_len = lb_order16(length - sizeof(*ip));
	ip->nexthdr = protocol;
	ip->hop_limit = LB_TUNNEL_HOPS;
	__builtin_memcpy(&ip->saddr, backend->source, sizeof(ip->saddr));
	if (config->tunnel_source6[0]) {
		for (int i = 0; i < 4; i++)
			ip->saddr.in6_u.u6_addr32[i] = config->tunnel_source6[i];
		ip->saddr.in6_u.u6_addr32[3] |= hash & config->tunnel_spread6;
	}
	__builtin_memcpy(&ip->daddr, backend->address, sizeof(ip->daddr));
}

static __always_inline __be16 lb_gue_source(__u16 mark)
{
	return lb_order16(LB_GUE_SOURCE_PORTS | mark >> 2);
}

/* UDP without a checksum: the inner packet has its own (RFC 6935, RFC 6936). */
static __always_inline void lb_gue_write(struct udphdr *udp, __be16 port, __u32 length, __u16 mark)
{
	udp->source = lb_gue_source(mark);
	udp->dest = port;
	udp->len = lb_order16(length);
	udp->check = 0;
}

/*
 * What differs between flows in their outer headers: 16 bits of where the flow's entry is, which
 * its hash has decided, and which is the same for all its packets.
 */
static __always_inline __u16 lb_tunnel_mark(__u32 position)
{
	return position * 0x9e3779b1U >> 16;
}

/* The same in all places where a prefix may be spread. */
static __always_inline __u32 lb_tunnel_spread(__u16 mark)
{
	return (__u32)mark << 16 | lb_order16(mark);
}

/*
 * Writes the outer headers into the room before an inner packet of `length` bytes: `at` points to
 * `overhead` bytes that may be written.
 */
static __always_inline void lb_tunnel_write(const enum lb_family family, void *at,
					    const struct lb_conn *conn,
					    const struct lb_backend *backend, __u32 overhead,
					    __u8 class, __u32 length, __u16 mark)
{
	const bool gue = conn->flags & LB_CONN_GUE;
	__u8 protocol = family == LB_IPV6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	__u32 spread = lb_tunnel_spread(mark);
	void *udp;

	if (gue)
		protocol = IPPROTO_UDP;
	if (conn->flags & LB_CONN_BACKEND_IPV6) {
		lb_outer_write6(at, backend, protocol, class, length + overhead, spread);
		udp = at + sizeof(struct ipv6hdr);
	} else {
		lb_outer_write4(at, backend, protocol, class, length + overhead, spread);
		udp = at + sizeof(struct iphdr);
	}
	if (gue)
		lb_gue_write(udp, conn->source_port, length + sizeof(struct udphdr), mark);
}

#endif
