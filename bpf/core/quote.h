/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The packet that an ICMP error quotes: its IP header, and at least eight bytes of what follows.
 */
#ifndef LB_QUOTE_H
#define LB_QUOTE_H

#include "checksum.h"
#include "parse.h"

#define LB_ICMP_QUOTE 8 /* bytes of transport header that an ICMP error quotes at least */
#define LB_QUOTE_HEADER_MAX 128 /* bytes of a quoted IPv6 header with its extensions */
#define LB_QUOTE_EXTENSIONS 3

struct lb_quote {
	void *ip;
	__be16 *ports; /* what follows the header: eight bytes */
	__u32 header; /* bytes of the IP header, extensions included */
	__u32 protocol;
};

static __always_inline bool lb_quote_parse4(const struct lb_packet *p, struct lb_quote *quote)
{
	const struct iphdr *ip = quote->ip;

	if ((void *)(ip + 1) > p->data_end || ip->version != 4 || ip->ihl < 5 ||
	    ip->frag_off & lb_order16(LB_IP_OFFSET))
		return false;
	quote->header = ip->ihl * 4;
	quote->protocol = ip->protocol;
	return true;
}

static __always_inline bool lb_quote_parse6(const struct lb_packet *p, struct lb_quote *quote)
{
	const struct ipv6hdr *ip = quote->ip;
	__u32 header = sizeof(*ip);
	__u8 next;

	if ((void *)(ip + 1) > p->data_end || ip->version != 6)
		return false;
	next = ip->nexthdr;
	for (int i = 0; i < LB_QUOTE_EXTENSIONS; i++) {
		const __u8 *extension = quote->ip + header;

		if (next != LB_IP6_HOP_BY_HOP && next != LB_IP6_ROUTING &&
		    next != LB_IP6_FRAGMENT && next != LB_IP6_DESTINATION)
			break;
		if ((void *)(extension + 8) > p->data_end)
			return false;
		/* Neither a later fragment nor one whose destination is not the last says its flow. */
		if (next == LB_IP6_ROUTING && extension[3])
			return false;
		if (next == LB_IP6_FRAGMENT && (extension[2] || extension[3] & ~7))
			return false;
		header += next == LB_IP6_FRAGMENT ? 8 : (extension[1] + 1) * 8;
		next = extension[0];
		if (header > LB_QUOTE_HEADER_MAX)
			return false;
	}
	quote->header = header;
	quote->protocol = next;
	return true;
}

/* True if the packet that is quoted at a place says which flow it was of. */
static __always_inline bool lb_quote_parse(const enum lb_family family, const struct lb_packet *p,
					   void *at, struct lb_quote *quote)
{
	quote->ip = at;
	if (!(family == LB_IPV6 ? lb_quote_parse6(p, quote) : lb_quote_parse4(p, quote)))
		return false;
	quote->ports = at + quote->header;
	return (void *)(quote->ports + LB_ICMP_QUOTE / 2) <= p->data_end;
}

static __always_inline void *lb_ip_source(const enum lb_family family, void *packet)
{
	return family == LB_IPV6 ? (void *)&((struct ipv6hdr *)packet)->saddr :
				   (void *)&((struct iphdr *)packet)->saddr;
}

static __always_inline void *lb_ip_dest(const enum lb_family family, void *packet)
{
	return family == LB_IPV6 ? (void *)&((struct ipv6hdr *)packet)->daddr :
				   (void *)&((struct iphdr *)packet)->daddr;
}

/* The quoted packet's tuple; its ports are the first four bytes, whatever the protocol is. */
static __always_inline void lb_quote_tuple(const enum lb_family family,
					   const struct lb_quote *quote, struct lb_tuple *tuple)
{
	lb_address_copy(family, tuple->saddr, lb_ip_source(family, quote->ip));
	lb_address_copy(family, tuple->daddr, lb_ip_dest(family, quote->ip));
	tuple->sport = quote->ports[0];
	tuple->dport = quote->ports[1];
	tuple->protocol = quote->protocol;
}

/* The same turned around: as a packet of the error's own direction. */
static __always_inline void lb_quote_tuple_turned(const enum lb_family family,
						  const struct lb_quote *quote,
						  struct lb_tuple *tuple)
{
	lb_address_copy(family, tuple->saddr, lb_ip_dest(family, quote->ip));
	lb_address_copy(family, tuple->daddr, lb_ip_source(family, quote->ip));
	tuple->sport = quote->ports[1];
	tuple->dport = quote->ports[0];
	tuple->protocol = quote->protocol;
}

/*
 * Replaces a 16-bit word and adds what changed to a sum. The compiler would collect what is to be
 * added, and fill the stack with it.
 */
static __always_inline void lb_patch16(__u16 *word, __u16 value, __u64 *sum)
{
	*sum = host_opaque(*sum + (__u16)~*word + value);
	*word = value;
}

static __always_inline void lb_patch_address(const enum lb_family family, void *address,
					     const __u32 *value, __u64 *sum)
{
	__u32 *word = address;

	for (int i = 0; i < (family == LB_IPV6 ? 4 : 1); i++) {
		*sum = host_opaque(*sum + (__u32)~word[i] + value[i]);
		word[i] = value[i];
	}
}

/*
 * The quoted packet as its sender knew it; all that changed is added to a sum. Its TCP checksum is
 * beyond the eight bytes that are sure to be there; the receiver of an error does not check it,
 * but a UDP one is kept right.
 */
static __always_inline void lb_quote_rewrite(const enum lb_family family, const struct lb_packet *p,
					     struct lb_quote *quote, const struct lb_tuple *as,
					     __u64 *all)
{
	struct iphdr *ip4 = quote->ip;
	__u64 addresses = 0, ports = 0;
	__u16 *check = quote->ports + 3;

	/* Parsed before: asked again for the verifier. */
	if (quote->ip + (family == LB_IPV6 ? sizeof(struct ipv6hdr) : sizeof(*ip4)) > p->data_end ||
	    (void *)(quote->ports + LB_ICMP_QUOTE / 2) > p->data_end)
		return;
	lb_patch_address(family, lb_ip_source(family, quote->ip), as->saddr, &addresses);
	lb_patch_address(family, lb_ip_dest(family, quote->ip), as->daddr, &addresses);
	if (family == LB_IPV4)
		lb_patch16(&ip4->check, lb_checksum_apply(ip4->check, lb_sum_fold(addresses)), all);
	lb_patch16(&quote->ports[0], as->sport, &ports);
	lb_patch16(&quote->ports[1], as->dport, &ports);
	if (quote->protocol == IPPROTO_UDP)
		lb_patch16(check, lb_checksum_apply_udp(*check, lb_sum_fold(addresses + ports)),
			   all);
	*all += addresses + ports;
}

#endif
