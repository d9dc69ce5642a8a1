/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ARP (RFC 826) for VIPs that the box does not own. Probes (RFC 5227: sender 0.0.0.0) are
 * answered, too: that is how an address is defended. What claims a VIP as its own sender address
 * goes to the stack.
 */
#ifndef LB_ARP_H
#define LB_ARP_H

#include "hop.h"
#include "parse.h"
#include "select.h"

#define LB_ARP_ETHERNET 1
#define LB_ARP_REQUEST 1
#define LB_ARP_REPLY 2

struct lb_arp {
	__be16 hardware, protocol;
	__u8 hardware_bytes, protocol_bytes;
	__be16 operation;
	__u8 sender_mac[LB_MAC_BYTES];
	__be32 sender;
	__u8 target_mac[LB_MAC_BYTES];
	__be32 target;
} __attribute__((packed));

static __always_inline bool lb_arp_asks(const struct lb_arp *arp)
{
	return arp->hardware == lb_order16(LB_ARP_ETHERNET) &&
	       arp->protocol == lb_order16(ETH_P_IP) && arp->hardware_bytes == LB_MAC_BYTES &&
	       arp->protocol_bytes == sizeof(arp->target) &&
	       arp->operation == lb_order16(LB_ARP_REQUEST) && arp->sender != arp->target;
}

/*
 * The interface that answers for an address where a request for it came in, or null: the box
 * owns the address itself, or is not asked to speak for it there.
 */
static __always_inline const struct lb_interface *lb_vip_interface(const enum lb_family family,
								   const struct lb_packet *p,
								   __u32 tags, const __u32 *address)
{
	const struct lb_control *control = host_region(LB_REGION_CONTROL, 0);
	const struct lb_vip *vip;
	__u32 slot;

	if (!control)
		return NULL;
	vip = lb_vip_find(family, lb_image_see(control).bank, address);
	if (!vip || !vip->arp_interfaces)
		return NULL;
	slot = lb_interface_find(p->ifindex, tags);
	if (slot >= LB_MAX_INTERFACES || !(vip->arp_interfaces >> (slot & 63) & 1))
		return NULL;
	return host_region(LB_REGION_INTERFACES, slot);
}

static __always_inline enum lb_reason lb_arp_answer(struct lb_packet *p)
{
	const struct lb_interface *interface;
	struct ethhdr *eth = p->data;
	struct lb_link link = {};
	__u32 target[4] = {};
	struct lb_arp *arp;
	__u64 mac;

	if (!lb_parse_link(p, &link))
		return LB_REASON_TRUNCATED;
	arp = p->data + lb_link_bytes(&link);
	if ((void *)(arp + 1) > p->data_end)
		return LB_REASON_TRUNCATED;
	if (!lb_arp_asks(arp))
		return LB_REASON_NOT_SERVICE;
	target[0] = arp->target;
	interface = lb_vip_interface(LB_IPV4, p, link.tags, target);
	if (!interface)
		return LB_REASON_NOT_SERVICE;
	mac = lb_mac_load(interface->mac);
	lb_mac_store(eth->h_dest, lb_mac_load(eth->h_source));
	lb_mac_store(eth->h_source, mac);
	arp->operation = lb_order16(LB_ARP_REPLY);
	lb_mac_store(arp->target_mac, lb_mac_load(arp->sender_mac));
	arp->target = arp->sender;
	lb_mac_store(arp->sender_mac, mac);
	arp->sender = target[0];
	return host_transmit_back(p) ? LB_REASON_ARP_ANSWERED : LB_REASON_INTERFACE_GONE;
}

/* enum lb_verdict << 8 | enum lb_reason */
LB_SEAM __u32 lb_arp_frame(lb_frame *frame)
{
	struct lb_packet p = host_open(frame);
	enum lb_reason reason;

	host_pass(&p);
	reason = lb_arp_answer(&p);
	host_close(frame, &p);
	return p.verdict << 8 | reason;
}

#endif
