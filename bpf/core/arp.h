/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ARP (RFC 826) for VIPs that the box does not own. Probes (RFC 5227: sender 0.0.0.0) are
 * answered, too: that is how an address is defended. What claims a VIP as its own sender address
 * goes to the stack.
 */
#ifndef LB_ARP_H
#define LB_ARP_H

#include <linux/if_ether.h>

#include "answer.h"
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

static __always_inline enum lb_reason lb_arp_answer(struct lb_packet *p)
{
	struct ethhdr *eth = p->data;
	struct lb_arp *arp = (void *)(eth + 1);
	const struct lb_interface *interface;
	const struct lb_control *control = host_region(LB_REGION_CONTROL, 0);
	const struct lb_vip *vip;
	__be32 target;
	__u64 mac;
	__u32 slot;

	if ((void *)(arp + 1) > p->data_end)
		return LB_REASON_TRUNCATED;
	target = arp->target;
	if (arp->hardware != lb_order16(LB_ARP_ETHERNET) || arp->protocol != lb_order16(ETH_P_IP) ||
	    arp->hardware_bytes != LB_MAC_BYTES || arp->protocol_bytes != sizeof(target) ||
	    arp->operation != lb_order16(LB_ARP_REQUEST) || arp->sender == target)
		return LB_REASON_NOT_SERVICE;
	if (!control)
		return LB_REASON_NOT_SERVICE;
	vip = lb_vip_find4(lb_image_see(control).bank, target);
	if (!vip || !vip->arp_interfaces)
		return LB_REASON_NOT_SERVICE;
	slot = lb_interface_find(p->ifindex);
	interface = host_region(LB_REGION_INTERFACES, slot);
	if (!interface || !(vip->arp_interfaces >> (slot & 63) & 1))
		return LB_REASON_NOT_SERVICE;
	mac = lb_mac_load(interface->mac);
	lb_mac_store(eth->h_dest, lb_mac_load(eth->h_source));
	lb_mac_store(eth->h_source, mac);
	arp->operation = lb_order16(LB_ARP_REPLY);
	lb_mac_store(arp->target_mac, lb_mac_load(arp->sender_mac));
	arp->target = arp->sender;
	lb_mac_store(arp->sender_mac, mac);
	arp->sender = target;
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
