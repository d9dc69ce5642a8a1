/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Neighbour discovery (RFC 4861) for VIPs that the box does not own: a solicitation is answered
 * by an advertisement. Whether it comes from a link-local or a global address, to the group or
 * to the VIP itself (a neighbour that checks whether we are still there), is all the same; one
 * from :: (another box wants the address, RFC 4862) is answered to all nodes, which defends the
 * VIP. What claims a VIP as its own source, and all else of neighbour discovery, goes to the stack.
 *
 *	solicitation	| link | IPv6 40 | type 135 .. target 24 | options 0, 8, ..	|
 *	advertisement	| link | IPv6 40 | type 136 .. target 24 | target's MAC 8	|
 */
#ifndef LB_DISCOVERY_H
#define LB_DISCOVERY_H

#include "answer.h"
#include "arp.h"

#define LB_ICMP6_SOLICITATION 135
#define LB_ICMP6_ADVERTISEMENT 136
#define LB_ICMP6_DISCOVERY_FIRST 133 /* router solicitation */
#define LB_ICMP6_DISCOVERY_LAST 137 /* redirect */
#define LB_DISCOVERY_HOPS 255 /* what a router has forwarded has fewer */
#define LB_DISCOVERY_OPTIONS 4 /* looked at */

#define LB_ADVERTISEMENT_SOLICITED 0x40000000U
#define LB_ADVERTISEMENT_OVERRIDE 0x20000000U

#define LB_OPTION_SOURCE_LINK 1
#define LB_OPTION_TARGET_LINK 2

/* 33:33:00:00:00:01, the group of all nodes (ff02::1), in memory order */
#define LB_MAC_ALL_NODES 0x010000003333ULL

struct lb_discovery_option {
	__u8 type;
	__u8 units; /* of eight bytes */
	__u8 mac[LB_MAC_BYTES];
};

struct lb_discovery {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__be32 flags;
	__u32 target[4];
	struct lb_discovery_option option;
};

#define LB_SOLICITATION_BYTES offsetof(struct lb_discovery, option)

static __always_inline bool lb_discovery_is(__u8 type)
{
	return type >= LB_ICMP6_DISCOVERY_FIRST && type <= LB_ICMP6_DISCOVERY_LAST;
}

static __always_inline bool lb_address_is_none(const __u32 *address)
{
	return !(address[0] | address[1] | address[2] | address[3]);
}

/* ff02::1:ff00:0/104 */
static __always_inline bool lb_address_is_solicited_node(const __u32 *address)
{
	return address[0] == lb_order32(0xff020000) && !address[1] && address[2] == lb_order32(1) &&
	       (address[3] & 0xff) == 0xff;
}

/* Options are not empty, and who has no address yet does not tell its MAC address. */
static __always_inline bool lb_discovery_options_hold(const struct lb_packet *p,
						      const struct lb_view *view, bool probe)
{
	__u32 offset = sizeof(struct ipv6hdr) + LB_SOLICITATION_BYTES;

	for (int i = 0; i < LB_DISCOVERY_OPTIONS; i++) {
		const __u8 *option = view->ip + offset;

		if (offset + sizeof(struct lb_discovery_option) > view->length)
			return true;
		if ((void *)(option + sizeof(struct lb_discovery_option)) > p->data_end ||
		    !option[1] || (probe && option[0] == LB_OPTION_SOURCE_LINK))
			return false;
		offset += option[1] * sizeof(struct lb_discovery_option);
	}
	return true;
}

/* A solicitation as RFC 4861, 7.1.1 wants it, but for the checksum. */
static __always_inline bool lb_solicitation_holds(const struct lb_packet *p,
						  const struct lb_view *view)
{
	const struct lb_discovery *asked = view->transport;
	const struct ipv6hdr *ip = view->ip;
	const struct lb_tuple *tuple = &view->tuple;
	const bool probe = lb_address_is_none(tuple->saddr);

	if (tuple->protocol != LB_PROTOCOL_ICMP6 || view->fragment || view->header != sizeof(*ip) ||
	    view->length < sizeof(*ip) + LB_SOLICITATION_BYTES ||
	    (void *)asked + LB_SOLICITATION_BYTES > p->data_end)
		return false;
	if (ip->hop_limit != LB_DISCOVERY_HOPS || asked->type != LB_ICMP6_SOLICITATION ||
	    asked->code || !lb_address_is_host(LB_IPV6, asked->target))
		return false;
	if (probe && !lb_address_is_solicited_node(tuple->daddr))
		return false;
	if ((tuple->saddr[0] & 0xff) == 0xff ||
	    lb_address_equal(LB_IPV6, tuple->saddr, asked->target))
		return false;
	return lb_discovery_options_hold(p, view, probe);
}

/* Makes the frame as long as an advertisement. */
static __always_inline bool lb_advertisement_fit(struct lb_packet *p, const struct lb_view *view)
{
	const __u32 length = sizeof(struct ipv6hdr) + sizeof(struct lb_discovery);
	const __u32 option = sizeof(struct lb_discovery_option);

	if (view->length < length &&
	    (!host_packet_grow_head(p, option) || !lb_link_move(p, option)))
		return false;
	return host_packet_trim(p, lb_link_bytes(&view->link) + length);
}

/* Writes the advertisement of an address; view->tuple is still the solicitation's. */
static __always_inline bool lb_advertisement_write(const struct lb_packet *p,
						   const struct lb_view *view, const __u32 *target,
						   __u64 mac)
{
	void *ip = p->data + lb_link_bytes(&view->link);
	struct lb_discovery *told = ip + sizeof(struct ipv6hdr);
	const bool probe = lb_address_is_none(view->tuple.saddr);
	__u32 to[4] = { lb_order32(0xff020000), 0, 0, lb_order32(1) };
	struct ethhdr *eth = p->data;
	__u64 sum;

	if ((void *)(eth + 1) > p->data_end || (void *)(told + 1) > p->data_end)
		return false;
	if (!probe)
		lb_address_copy(LB_IPV6, to, view->tuple.saddr);
	lb_mac_store(eth->h_dest, probe ? LB_MAC_ALL_NODES : lb_mac_load(eth->h_source));
	lb_mac_store(eth->h_source, mac);
	lb_answer_ip(LB_IPV6, ip, target, to, sizeof(*told), LB_PROTOCOL_ICMP6);
	((struct ipv6hdr *)ip)->hop_limit = LB_DISCOVERY_HOPS;
	told->type = LB_ICMP6_ADVERTISEMENT;
	told->code = 0;
	told->checksum = 0;
	told->flags = lb_order32(LB_ADVERTISEMENT_OVERRIDE |
				 (probe ? 0 : LB_ADVERTISEMENT_SOLICITED));
	lb_address_copy(LB_IPV6, told->target, target);
	told->option.type = LB_OPTION_TARGET_LINK;
	told->option.units = 1;
	lb_mac_store(told->option.mac, mac);
	sum = lb_pseudo_sum(LB_IPV6, target, to, sizeof(*told), LB_PROTOCOL_ICMP6);
	for (unsigned int i = 0; i < sizeof(*told) / 4; i++)
		sum += ((const __u32 *)told)[i];
	told->checksum = ~lb_sum_fold(sum);
	return true;
}

static __always_inline enum lb_reason lb_discovery_answer(struct lb_packet *p)
{
	const struct lb_interface *interface;
	const struct lb_discovery *asked;
	const struct ethhdr *eth = p->data;
	struct lb_view view = {};
	__u32 target[4];
	__u64 mac;

	if (!lb_parse_link(p, &view.link) || !lb_parse_ip(LB_IPV6, p, &view))
		return LB_REASON_TRUNCATED;
	if (!lb_solicitation_holds(p, &view))
		return LB_REASON_NOT_SERVICE;
	asked = view.transport;
	lb_address_copy(LB_IPV6, target, asked->target);
	interface = lb_vip_interface(LB_IPV6, p, view.link.tags, target);
	if (!interface || !(eth->h_dest[0] & 1 || lb_frame_is_for(p, interface)))
		return LB_REASON_NOT_SERVICE;
	mac = lb_mac_load(interface->mac);
	if (!lb_advertisement_fit(p, &view) || !lb_advertisement_write(p, &view, target, mac))
		return LB_REASON_INTERNAL;
	return host_transmit_back(p) ? LB_REASON_ND_ANSWERED : LB_REASON_INTERFACE_GONE;
}

/* enum lb_verdict << 8 | enum lb_reason */
LB_SEAM __u32 lb_discovery_frame(lb_frame *frame)
{
	struct lb_packet p = host_open(frame);
	enum lb_reason reason;

	host_pass(&p);
	reason = lb_discovery_answer(&p);
	host_close(frame, &p);
	return p.verdict << 8 | reason;
}

#endif
