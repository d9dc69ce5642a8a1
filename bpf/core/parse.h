/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From a frame to a tuple. Nothing here changes a packet; what does not parse goes to the stack,
 * which knows better what to do with it.
 */
#ifndef LB_PARSE_H
#define LB_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "flow.h"

#define LB_IP_MORE_FRAGMENTS 0x2000
#define LB_IP_DONT_FRAGMENT 0x4000
#define LB_IP_OFFSET 0x1fff

/* IPv6 extension headers (RFC 8200, section 4), and no more of them than this. */
#define LB_IP6_HOP_BY_HOP 0
#define LB_IP6_ROUTING 43
#define LB_IP6_FRAGMENT 44
#define LB_IP6_DESTINATION 60
#define LB_IP6_EXTENSIONS 6
#define LB_IP6_HEADER_MAX 512 /* bytes of an IPv6 header with its extensions */
#define LB_IP_HEADER_MASK (2 * LB_IP6_HEADER_MAX - 1) /* no header has more */

#define LB_VLAN_ID 0xfff
#define LB_VLAN_TAG 4

/* ICMP (RFC 792, RFC 4443). Its UAPI header pulls in libc's. */
struct lb_icmp {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__be16 unused;
	__be16 mtu; /* of LB_ICMP_TOO_BIG (RFC 1191) and, with `unused`, LB_ICMP6_TOO_BIG */
};

enum lb_fragment {
	LB_FRAGMENT_NONE,
	LB_FRAGMENT_FIRST,
	LB_FRAGMENT_LATER, /* carries no ports */
};

/* What is before the IP header. */
struct lb_link {
	__u32 bytes; /* of the link header */
	__u32 tags; /* as in struct lb_interface */
	__be16 protocol; /* EtherType of what it carries */
};

/* What the headers of an IP packet say. */
struct lb_view {
	struct ethhdr *eth;
	void *ip; /* struct iphdr or struct ipv6hdr */
	void *transport;
	struct lb_tuple tuple;
	struct lb_link link;
	__u32 length; /* of the IP packet */
	__u32 header; /* bytes of the IP header, extensions included */
	__be32 ident; /* of a fragment */
	__u8 fragment; /* enum lb_fragment */
	__u8 tcp_flags;
};

struct lb_vlan_tag {
	__be16 control; /* priority 3, drop eligible 1, VLAN id 12 */
	__be16 protocol; /* of what follows */
};

static __always_inline __u16 lb_order16(__u16 value)
{
	return __builtin_bswap16(value);
}

static __always_inline __u32 lb_order32(__u32 value)
{
	return __builtin_bswap32(value);
}

static __always_inline bool lb_is_vlan(__be16 protocol)
{
	return protocol == lb_order16(ETH_P_8021Q) || protocol == lb_order16(ETH_P_8021AD);
}

/*
 * The link header with up to two tags. A priority tag (id 0) is none. What follows doesn't depend
 * on how many tags there are: so the verifier need not know.
 */
static __always_inline bool lb_parse_link(const struct lb_packet *p, struct lb_link *link)
{
	const struct ethhdr *eth = p->data;
	const struct lb_vlan_tag *tag = (const void *)(eth + 1);
	__u32 bytes = sizeof(*eth), tags = 0;
	__be16 protocol;

	if ((void *)(eth + 1) > p->data_end)
		return false;
	protocol = eth->h_proto;
	for (int i = 0; i < 2 && lb_is_vlan(protocol); i++, tag++) {
		if ((void *)(tag + 1) > p->data_end)
			return false;
		bytes += LB_VLAN_TAG;
		tags = tags << 16 | (lb_order16(tag->control) & LB_VLAN_ID);
		protocol = tag->protocol;
	}
	link->bytes = host_forget(bytes, eth->h_proto);
	link->tags = host_forget(tags, eth->h_proto);
	link->protocol = protocol;
	return true;
}

/* The link header's bytes, of which the verifier knows that they are few. */
static __always_inline __u32 lb_link_bytes(const struct lb_link *link)
{
	return link->bytes & 31;
}

/* True if the packet is as long as it says. */
static __always_inline bool lb_length_holds(const struct lb_packet *p, const struct lb_view *view)
{
	return view->ip + view->length <= p->data_end ||
	       lb_link_bytes(&view->link) + view->length <= host_packet_length(p);
}

static __always_inline bool lb_parse_ip4(const struct lb_packet *p, struct lb_view *view)
{
	struct iphdr *ip = view->ip;
	__u32 header;
	__u16 offset;

	if ((void *)(ip + 1) > p->data_end)
		return false;
	header = ip->ihl * 4;
	view->length = lb_order16(ip->tot_len);
	if (ip->version != 4 || header < sizeof(*ip) || view->length < header ||
	    !lb_length_holds(p, view))
		return false;
	offset = lb_order16(ip->frag_off) & (LB_IP_MORE_FRAGMENTS | LB_IP_OFFSET);
	view->fragment = LB_FRAGMENT_NONE;
	if (offset)
		view->fragment = offset & LB_IP_OFFSET ? LB_FRAGMENT_LATER : LB_FRAGMENT_FIRST;
	view->ident = ip->id;
	view->header = header;
	view->transport = (void *)ip + header;
	view->tuple.saddr[0] = ip->saddr;
	view->tuple.daddr[0] = ip->daddr;
	view->tuple.protocol = ip->protocol;
	return true;
}

/* Offset and flags of a fragment header; the offset counts eight bytes. */
static __always_inline void lb_parse_fragment6(struct lb_view *view, const __be16 *fragment)
{
	__u16 offset = lb_order16(fragment[1]);

	view->ident = *(const __be32 *)(fragment + 2);
	if (offset & ~7)
		view->fragment = LB_FRAGMENT_LATER;
	else if (offset & 1)
		view->fragment = LB_FRAGMENT_FIRST;
}

/*
 * Walks the extension headers that any router may see. A routing header with segments left says
 * that the destination is not the last one: such a packet is no flow's, as its protocol says then.
 */
static __always_inline bool lb_parse_ip6(const struct lb_packet *p, struct lb_view *view)
{
	struct ipv6hdr *ip = view->ip;
	__u32 header = sizeof(*ip);
	__u8 next;

	if ((void *)(ip + 1) > p->data_end)
		return false;
	view->length = lb_order16(ip->payload_len) + sizeof(*ip);
	if (ip->version != 6 || !lb_length_holds(p, view))
		return false;
	view->fragment = LB_FRAGMENT_NONE;
	view->ident = 0;
	next = ip->nexthdr;
	for (int i = 0; i < LB_IP6_EXTENSIONS; i++) {
		const __u8 *extension = (const __u8 *)ip + header;

		if (next != LB_IP6_HOP_BY_HOP && next != LB_IP6_ROUTING &&
		    next != LB_IP6_FRAGMENT && next != LB_IP6_DESTINATION)
			break;
		if (view->fragment == LB_FRAGMENT_LATER)
			break;
		if ((void *)(extension + 8) > p->data_end)
			return false;
		if (next == LB_IP6_ROUTING && extension[3])
			break;
		if (next == LB_IP6_FRAGMENT)
			lb_parse_fragment6(view, (const __be16 *)extension);
		header += next == LB_IP6_FRAGMENT ? 8 : (extension[1] + 1) * 8;
		next = extension[0];
		if (header > LB_IP6_HEADER_MAX)
			return false;
	}
	if (header > view->length)
		return false;
	/* Whatever the headers were, from here on their length is a number. */
	header = host_forget(header, ip->payload_len) & LB_IP_HEADER_MASK;
	next = host_forget(next, ip->payload_len);
	view->fragment = host_forget(view->fragment, ip->payload_len);
	view->header = header;
	view->transport = (void *)ip + header;
	__builtin_memcpy(view->tuple.saddr, &ip->saddr, sizeof(view->tuple.saddr));
	__builtin_memcpy(view->tuple.daddr, &ip->daddr, sizeof(view->tuple.daddr));
	view->tuple.protocol = next;
	return true;
}

/* True if the IP header behind view->link is whole and the packet is as long as it says. */
static __always_inline bool lb_parse_ip(const enum lb_family family, const struct lb_packet *p,
					struct lb_view *view)
{
	view->eth = p->data;
	view->ip = p->data + lb_link_bytes(&view->link);
	return family == LB_IPV6 ? lb_parse_ip6(p, view) : lb_parse_ip4(p, view);
}

/* True if the TCP or UDP header is whole; fills in the ports and TCP's flags. */
static __always_inline bool lb_parse_transport(const struct lb_packet *p, struct lb_view *view)
{
	struct tcphdr *tcp = view->transport;
	struct udphdr *udp = view->transport;

	if ((void *)(udp + 1) > p->data_end || view->header + sizeof(*udp) > view->length)
		return false;
	view->tuple.sport = udp->source;
	view->tuple.dport = udp->dest;
	view->tcp_flags = 0;
	if (view->tuple.protocol != IPPROTO_TCP)
		return true;
	if ((void *)(tcp + 1) > p->data_end || view->header + sizeof(*tcp) > view->length)
		return false;
	view->tcp_flags = ((__u8 *)tcp)[13];
	return true;
}

#endif
