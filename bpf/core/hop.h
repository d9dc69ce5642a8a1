/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where a packet leaves. A hop word is MAC address and interface in one atomic value; the
 * interface's row says which tags frames have there. A backend
 * has its own; a reply goes by its connection's reply word, which is found by the routes when the
 * flow starts and found again when they change, or is where the client's packets come from.
 */
#ifndef LB_HOP_H
#define LB_HOP_H

#include <linux/if_ether.h>

#include "conn.h"
#include "flow.h"

static __always_inline __u64 lb_mac_load(const __u8 *mac)
{
	return (__u64)*(const __u32 *)mac | (__u64)*(const __u16 *)(mac + 4) << 32;
}

static __always_inline void lb_mac_store(__u8 *to, __u64 mac)
{
	*(__u32 *)to = (__u32)mac;
	*(__u16 *)(to + 4) = (__u16)(mac >> 32);
}

static __always_inline __u32 lb_hop_slot(__u64 hop)
{
	return hop >> LB_HOP_SLOT_SHIFT & (LB_MAX_INTERFACES - 1);
}

static __always_inline bool lb_interface_is(__u32 slot, __u32 ifindex, __u32 tags)
{
	const struct lb_interface *interface = host_region(LB_REGION_INTERFACES, slot);

	return interface && interface->ifindex == ifindex && interface->tags == tags;
}

LB_SEAM __u32 lb_interface_search(__u32 ifindex, __u32 tags)
{
	for (__u32 slot = 0; slot < LB_MAX_INTERFACES; slot++) {
		if (lb_interface_is(slot, ifindex, tags))
			return slot;
	}
	return LB_MAX_INTERFACES;
}

/* The slot of an interface, or LB_MAX_INTERFACES. Most boxes have two. */
static __always_inline __u32 lb_interface_find(__u32 ifindex, __u32 tags)
{
	if (lb_interface_is(0, ifindex, tags))
		return 0;
	return lb_interface_is(1, ifindex, tags) ? 1 : lb_interface_search(ifindex, tags);
}

/* The hop word that leads back to where a packet came from; 0 if that is not attached. */
static __always_inline __u64 lb_hop_back(const __u8 *source_mac, __u32 ifindex, __u32 tags)
{
	__u64 slot = lb_interface_find(ifindex, tags);

	if (slot >= LB_MAX_INTERFACES)
		return 0;
	return lb_mac_load(source_mac) | slot << LB_HOP_SLOT_SHIFT | LB_HOP_VALID;
}

/* Longest prefix match by strides of eight bits: a route value. The address is as on the wire. */
static __always_inline __u32 lb_route_walk(__u32 bank, __u32 value, __u64 first, __u64 second,
					   const int strides)
{
	const __u32 nodes = host_config()->route_nodes;

	for (int stride = 0; stride < strides; stride++) {
		__u64 bytes = stride < 8 ? first : second;
		const struct lb_route_node *node;

		if ((value & LB_ROUTE_KIND) != LB_ROUTE_NODE)
			break;
		node = host_region(LB_REGION_ROUTES, (bank & 1) * nodes + (value & ~LB_ROUTE_KIND));
		if (!node)
			return 0;
		value = node->child[bytes >> stride % 8 * 8 & 0xff];
	}
	return value;
}

static __always_inline __u32 lb_route_look4(__u32 bank, __u32 address)
{
	const struct lb_bank *header = host_region(LB_REGION_BANKS, bank & 1);

	return header ? lb_route_walk(bank, header->route_root4, address, 0, 4) : 0;
}

LB_SEAM __u32 lb_route_find4(__u32 bank, __u32 address)
{
	return lb_route_look4(bank, address);
}

LB_SEAM __u32 lb_route_find6(__u32 bank, __u64 first, __u64 second)
{
	const struct lb_bank *header = host_region(LB_REGION_BANKS, bank & 1);

	return header ? lb_route_walk(bank, header->route_root6, first, second, 16) : 0;
}

static __always_inline __u32 lb_route_find(const enum lb_family family, __u32 bank,
					   const __u32 *address)
{
	if (family == LB_IPV4)
		return lb_route_find4(bank, address[0]);
	return lb_route_find6(bank, address[0] | (__u64)address[1] << 32,
			      address[2] | (__u64)address[3] << 32);
}

/* The reply word that a route value means. */
static __always_inline __u64 lb_reply_by_route(__u32 route, __u32 generation, __u64 came_from)
{
	if ((route & LB_ROUTE_KIND) != LB_ROUTE_HOP)
		return came_from;
	return (__u64)generation << 32 | (route & ~LB_ROUTE_KIND);
}

/* True if a reply word was found by routes that have changed since. */
static __always_inline bool lb_reply_stale(__u64 word, __u32 generation)
{
	return !(word & LB_HOP_VALID) && (word >> 32 & 0xffff) != generation;
}

/* Changes the reply word of an entry, if the entry is still that of the word. */
static __always_inline void lb_reply_change(__u32 position, __u64 word, __u64 changed)
{
	__u64 *reply = lb_conn_reply_at(position);

	if (reply)
		lb_cas64(reply, word, changed);
}

/*
 * The hop word of a reply, 0 while it is unresolved. The entry's word is changed when the routes
 * have changed since. Where they lead nowhere else any more, the last hop known is kept until the
 * client's next packet.
 */
static __always_inline __u64 lb_reply_hop(const enum lb_family family, const struct lb_conn *conn,
					  __u32 bank, __u32 generation, __u32 position)
{
	__u64 word = conn->reply, *hop;
	__u64 found;

	if (word & LB_HOP_VALID)
		return word;
	if (lb_reply_stale(word, generation)) {
		found = lb_reply_by_route(lb_route_find(family, bank, conn->client), generation, 0);
		if (found) {
			lb_reply_change(position, word, found);
			word = found;
		}
	}
	hop = host_region(LB_REGION_HOPS, (__u32)word);
	return hop ? lb_load64(hop) : 0;
}

#endif
