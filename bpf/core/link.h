/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The link header of a packet that leaves: MAC addresses of the hop, tags of the interface.
 */
#ifndef LB_LINK_H
#define LB_LINK_H

#include "way.h"

static __always_inline void lb_macs_write(struct ethhdr *eth, const struct lb_way *way)
{
	lb_mac_store(eth->h_dest, way->hop);
	lb_mac_store(eth->h_source, lb_mac_load(way->interface->mac));
}

/* Sends a frame back to where it came from. */
static __always_inline void lb_macs_turn(struct ethhdr *eth)
{
	__u64 source = lb_mac_load(eth->h_source);

	lb_mac_store(eth->h_source, lb_mac_load(eth->h_dest));
	lb_mac_store(eth->h_dest, source);
}

/*
 * Writes the whole link header of an interface at the start of a frame that has room for it;
 * protocol is the EtherType of what follows. False: the frame is too short.
 */
static __always_inline bool lb_link_write(const struct lb_packet *p, const struct lb_way *way,
					  __be16 protocol)
{
	struct ethhdr *eth = p->data;
	struct lb_vlan_tag *tag = (void *)(eth + 1);
	const __u32 tags = way->interface->tags;

	if ((void *)(eth + 1) > p->data_end)
		return false;
	lb_macs_write(eth, way);
	if (!tags) {
		eth->h_proto = protocol;
		return true;
	}
	if ((void *)(tag + 1) > p->data_end)
		return false;
	eth->h_proto = way->interface->tag_protocol;
	if (tags >> 16) {
		if ((void *)(tag + 2) > p->data_end)
			return false;
		tag->control = lb_order16(tags >> 16);
		tag->protocol = lb_order16(ETH_P_8021Q);
		tag++;
	}
	tag->control = lb_order16(tags);
	tag->protocol = protocol;
	return true;
}

#endif
