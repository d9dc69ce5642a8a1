/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Frames that the appliance makes of a packet it can't forward, sent back the way it came: TCP
 * resets (RFC 9293, 3.10.7.1) and ICMP errors (RFC 792, RFC 1812 4.3, RFC 4443). A cpu slot makes
 * at most LB_ANSWERS_PER_TICK of them. They have the link header of the packet, tags included,
 * turned around.
 */
#ifndef LB_ANSWER_H
#define LB_ANSWER_H

#include "checksum.h"
#include "hop.h"
#include "link.h"
#include "parse.h"
#include "quote.h"

#define LB_ANSWER_TTL 64
#define LB_QUOTE_MAX 256 /* bytes that an ICMP error of ours quotes at most */
#define LB_IP6_MTU_MIN 1280 /* RFC 8200, section 5 */

#define LB_ICMP_UNREACHABLE 3
#define LB_ICMP_HOST 1 /* codes of LB_ICMP_UNREACHABLE */
#define LB_ICMP_PORT 3
#define LB_ICMP_TOO_BIG 4
#define LB_ICMP_SOURCE_QUENCH 4
#define LB_ICMP_TIME_EXCEEDED 11
#define LB_ICMP_PARAMETER_PROBLEM 12

#define LB_ICMP6_UNREACHABLE 1
#define LB_ICMP6_ADDRESS 3 /* codes of LB_ICMP6_UNREACHABLE */
#define LB_ICMP6_PORT 4
#define LB_ICMP6_TOO_BIG 2
#define LB_ICMP6_TIME_EXCEEDED 3
#define LB_ICMP6_PARAMETER_PROBLEM 4

/* An ICMP error to make: the first two bytes of its header, and the last four. */
struct lb_error {
	__u8 type;
	__u8 code;
	__be32 rest;
};

static __always_inline __u32 lb_ip_bytes(const enum lb_family family)
{
	return family == LB_IPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
}

/* Of IPv6, the sender's packets can't get smaller than the least MTU (RFC 8201). */
static __always_inline struct lb_error lb_error_too_big(const enum lb_family family, __u32 mtu)
{
	struct lb_error error = { .type = LB_ICMP_UNREACHABLE, .code = LB_ICMP_TOO_BIG };

	if (family == LB_IPV6) {
		error.type = LB_ICMP6_TOO_BIG;
		error.code = 0;
		error.rest = lb_order32(mtu < LB_IP6_MTU_MIN ? LB_IP6_MTU_MIN : mtu);
	} else {
		error.rest = lb_order32(mtu > 0xffff ? 0xffff : mtu);
	}
	return error;
}

static __always_inline struct lb_error lb_error_of(const enum lb_family family, __u32 kind,
						   __u32 mtu)
{
	struct lb_error error = {};

	if (kind == LB_ANSWER_TOO_BIG)
		return lb_error_too_big(family, mtu);
	if (kind == LB_ANSWER_TIME_EXCEEDED) {
		error.type = family == LB_IPV6 ? LB_ICMP6_TIME_EXCEEDED : LB_ICMP_TIME_EXCEEDED;
	} else {
		error.type = family == LB_IPV6 ? LB_ICMP6_UNREACHABLE : LB_ICMP_UNREACHABLE;
		error.code = family == LB_IPV6 ? LB_ICMP6_PORT : LB_ICMP_PORT;
	}
	return error;
}

static __always_inline void lb_answer_ip4(struct iphdr *ip, __be32 from, __be32 to, __u16 length,
					  __u8 protocol)
{
	__u64 sum;

	*(__u16 *)ip = 0x0045; /* version 4, five words, no type of service */
	ip->tot_len = lb_order16(length);
	ip->id = 0;
	ip->frag_off = lb_order16(LB_IP_DONT_FRAGMENT);
	ip->ttl = LB_ANSWER_TTL;
	ip->protocol = protocol;
	ip->saddr = from;
	ip->daddr = to;
	sum = (__u64)from + to + 0x0045 + ip->tot_len + ip->frag_off;
	sum += LB_ANSWER_TTL | (__u32)protocol << 8;
	ip->check = ~lb_sum_fold(sum);
}

/* The IP header of an answer, whole, before `length` bytes of a protocol. */
static __always_inline void lb_answer_ip(const enum lb_family family, void *at, const __u32 *from,
					 const __u32 *to, __u32 length, __u8 protocol)
{
	struct ipv6hdr *ip = at;

	if (family == LB_IPV4) {
		lb_answer_ip4(at, from[0], to[0], sizeof(struct iphdr) + length, protocol);
		return;
	}
	*(__be32 *)ip = lb_order32(6U << 28);
	ip->payload_len = lb_order16(length);
	ip->nexthdr = protocol;
	ip->hop_limit = LB_ANSWER_TTL;
	__builtin_memcpy(&ip->saddr, from, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, to, sizeof(ip->daddr));
}

/* What TCP, UDP and ICMPv6 have in their checksums of the IP header. */
static __always_inline __u64 lb_pseudo_sum(const enum lb_family family, const __u32 *from,
					   const __u32 *to, __u32 length, __u8 protocol)
{
	__u64 sum = lb_order16(length) + (__u32)lb_order16(protocol);

	for (int i = 0; i < (family == LB_IPV6 ? 4 : 1); i++)
		sum += (__u64)from[i] + to[i];
	return sum;
}

/* The sum of an ICMP error that ends its frame and is whole words. */
static __always_inline __u64 lb_icmp_sum(const struct lb_packet *p, const struct lb_icmp *icmp)
{
	__u64 sum = 0;

	for (unsigned int i = 0; i < (sizeof(*icmp) + LB_QUOTE_MAX) / 4; i++) {
		const __u32 *word = (const __u32 *)icmp + i;

		if ((void *)(word + 1) > p->data_end)
			break;
		sum += *word;
	}
	return sum;
}

static __always_inline bool lb_frame_turn(const struct lb_packet *p)
{
	struct ethhdr *eth = p->data;

	if ((void *)(eth + 1) > p->data_end)
		return false;
	lb_macs_turn(eth);
	return true;
}

/* Moves the link header to the start of a frame that has grown. Some bytes behind it change, too. */
static __always_inline bool lb_link_move(const struct lb_packet *p, const __u32 grown)
{
	__u64 kept[3];

	if (p->data + grown + sizeof(kept) > p->data_end)
		return false;
	__builtin_memcpy(kept, p->data + grown, sizeof(kept));
	__builtin_memcpy(p->data, kept, sizeof(kept));
	return true;
}

/*
 * Writes an ICMP error before what it quotes: `link` bytes, room for an IP and an ICMP header, and
 * then the quote, which is `quote` bytes and ends the frame.
 */
static __always_inline bool lb_error_write(const enum lb_family family, const struct lb_packet *p,
					   __u32 link, const __u32 *from, const __u32 *to,
					   const struct lb_error *error, __u32 quote)
{
	const __u8 protocol = family == LB_IPV6 ? LB_PROTOCOL_ICMP6 : LB_PROTOCOL_ICMP;
	const __u32 length = sizeof(struct lb_icmp) + quote;
	void *ip = p->data + (link & 31);
	struct lb_icmp *icmp = ip + lb_ip_bytes(family);
	__u64 sum;

	if ((void *)(icmp + 1) > p->data_end)
		return false;
	lb_answer_ip(family, ip, from, to, length, protocol);
	icmp->type = error->type;
	icmp->code = error->code;
	icmp->checksum = 0;
	*(__be32 *)&icmp->unused = error->rest;
	sum = lb_icmp_sum(p, icmp);
	if (family == LB_IPV6)
		sum += lb_pseudo_sum(family, from, to, length, protocol);
	icmp = p->data + (link & 31) + lb_ip_bytes(family);
	if ((void *)(icmp + 1) > p->data_end)
		return false;
	icmp->checksum = ~lb_sum_fold(sum);
	return true;
}

/* A reset is never answered by one, and a fragment can't be. */
static __always_inline bool lb_answer_reset(const enum lb_family family, struct lb_packet *p,
					    struct lb_view *view)
{
	const __u32 link = lb_link_bytes(&view->link);
	const struct lb_tuple *tuple = &view->tuple;
	__u32 header, seq = 0, ack = 0, flags = LB_TCP_RST;
	struct tcphdr *tcp = view->transport;
	void *ip;
	__u64 sum;

	if (tuple->protocol != IPPROTO_TCP || view->fragment || view->tcp_flags & LB_TCP_RST ||
	    (void *)(tcp + 1) > p->data_end)
		return false;
	if (view->tcp_flags & LB_TCP_ACK) {
		seq = tcp->ack_seq;
	} else {
		header = view->header + tcp->doff * 4;
		ack = lb_order32(tcp->seq) + !!(view->tcp_flags & LB_TCP_SYN) +
		      !!(view->tcp_flags & LB_TCP_FIN);
		if (view->length > header)
			ack += view->length - header;
		ack = lb_order32(ack);
		flags |= LB_TCP_ACK;
	}
	if (!host_packet_trim(p, link + lb_ip_bytes(family) + sizeof(*tcp)) || !lb_frame_turn(p))
		return false;
	ip = p->data + link;
	tcp = ip + lb_ip_bytes(family);
	if ((void *)(tcp + 1) > p->data_end)
		return false;
	lb_answer_ip(family, ip, tuple->daddr, tuple->saddr, sizeof(*tcp), IPPROTO_TCP);
	tcp->source = tuple->dport;
	tcp->dest = tuple->sport;
	tcp->seq = seq;
	tcp->ack_seq = ack;
	((__u16 *)tcp)[6] = (__u16)(0x50 | flags << 8);
	tcp->window = 0;
	tcp->urg_ptr = 0;
	sum = lb_pseudo_sum(family, tuple->daddr, tuple->saddr, sizeof(*tcp), IPPROTO_TCP);
	sum += (__u64)tuple->sport + tuple->dport + seq + ack + ((__u16 *)tcp)[6];
	tcp->check = ~lb_sum_fold(sum);
	return true;
}

/*
 * The bytes that an ICMP error quotes of a packet, or 0: of IPv4 the header and eight bytes, of
 * IPv6 (where as much as fits is asked for) more, in whole words.
 */
static __always_inline __u32 lb_quote_length(const enum lb_family family,
					     const struct lb_view *view)
{
	const __u32 least = view->header + LB_ICMP_QUOTE;
	__u32 length = view->length & ~3U;

	if (length < least || least > LB_QUOTE_MAX)
		return 0;
	if (family == LB_IPV4)
		return least;
	return length > LB_QUOTE_MAX ? LB_QUOTE_MAX : length;
}

/* Makes an ICMP error of a packet, from view->tuple's destination to its source. */
static __always_inline bool lb_answer_icmp(const enum lb_family family, struct lb_packet *p,
					   const struct lb_view *view, const struct lb_error *error)
{
	const __u32 added = lb_ip_bytes(family) + sizeof(struct lb_icmp);
	const __u32 link = lb_link_bytes(&view->link);
	const __u32 quote = lb_quote_length(family, view);

	/* All that is quoted can be summed: it does not lie in the frame's fragments. */
	if (!quote || view->ip + quote > p->data_end)
		return false;
	if (!host_packet_trim(p, link + quote) || !host_packet_grow_head(p, added) ||
	    !lb_link_move(p, added) || !lb_frame_turn(p))
		return false;
	return lb_error_write(family, p, link, view->tuple.daddr, view->tuple.saddr, error, quote);
}

/* True if an address may be that of one host. */
static __always_inline bool lb_address_is_host(const enum lb_family family, const __u32 *address)
{
	const __u8 first = address[0];

	if (family == LB_IPV6)
		return first != 0xff && address[0] | address[1] | address[2] | address[3];
	return first && first < 224;
}

/* Errors and resets are for unicast TCP and UDP: never for another error (RFC 1122, 3.2.2). */
static __always_inline bool lb_answer_wanted(const enum lb_family family,
					     const struct lb_view *view)
{
	const struct lb_tuple *tuple = &view->tuple;

	return (tuple->protocol == IPPROTO_TCP || tuple->protocol == IPPROTO_UDP) &&
	       view->fragment != LB_FRAGMENT_LATER && lb_address_is_host(family, tuple->saddr) &&
	       lb_address_is_host(family, tuple->daddr);
}

/* What a router says comes from the interface, if that has an address; an endpoint's from itself. */
static __always_inline void lb_answer_source(const enum lb_family family,
					     const struct lb_interface *interface,
					     struct lb_tuple *tuple)
{
	if (family == LB_IPV4 && interface->address4)
		tuple->daddr[0] = interface->address4;
	if (family == LB_IPV6 && lb_address_is_host(family, interface->address6))
		lb_address_copy(family, tuple->daddr, interface->address6);
}

static __always_inline bool lb_answer_make(const enum lb_family family, struct lb_packet *p,
					   const struct lb_link *link,
					   const struct lb_interface *interface, __u32 kind,
					   __u32 mtu)
{
	struct lb_error error = lb_error_of(family, kind, mtu);
	struct lb_view view = { .link = *link };

	if (!lb_parse_ip(family, p, &view) || !lb_answer_wanted(family, &view) ||
	    !lb_parse_transport(p, &view))
		return false;
	if (kind == LB_ANSWER_TCP_RESET)
		return lb_answer_reset(family, p, &view);
	if (kind != LB_ANSWER_UNREACHABLE)
		lb_answer_source(family, interface, &view.tuple);
	return lb_answer_icmp(family, p, &view, &error);
}

/* A switch may flood us what is for another box with the same VIP: that one answers. */
static __always_inline bool lb_frame_is_for(const struct lb_packet *p,
					    const struct lb_interface *interface)
{
	const struct ethhdr *eth = p->data;

	return (void *)(eth + 1) <= p->data_end &&
	       lb_mac_load(eth->h_dest) == lb_mac_load(interface->mac);
}

static __always_inline bool lb_answer_allowed(struct lb_cpu *cpu, __u32 tick)
{
	if (cpu->answer_tick != tick) {
		cpu->answer_tick = tick;
		cpu->answer_tokens = LB_ANSWERS_PER_TICK;
	}
	if (!cpu->answer_tokens)
		return false;
	cpu->answer_tokens--;
	return true;
}

/* Turns a dropped packet into an answer and sends it back, if it may. */
static __always_inline void lb_answer_send(struct lb_packet *p, __u32 kind, __u32 mtu)
{
	struct lb_control *control = host_region(LB_REGION_CONTROL, 0);
	struct lb_cpu *cpu = host_region(LB_REGION_CPUS, host_slot());
	const struct lb_interface *interface;
	struct lb_link link = {};
	bool made = false;

	if (!control || !cpu || kind >= LB_ANSWER_COUNT || !lb_parse_link(p, &link))
		return;
	interface = host_region(LB_REGION_INTERFACES, lb_interface_find(p->ifindex, link.tags));
	if (!interface || !lb_frame_is_for(p, interface) ||
	    !lb_answer_allowed(cpu, host_tick_kept(control)))
		return;
	if (link.protocol == lb_order16(ETH_P_IP))
		made = lb_answer_make(LB_IPV4, p, &link, interface, kind, mtu);
	else if (link.protocol == lb_order16(ETH_P_IPV6))
		made = lb_answer_make(LB_IPV6, p, &link, interface, kind, mtu);
	if (made && host_transmit_back(p))
		cpu->answer[host_opaque(kind) & 3]++;
}

#endif
