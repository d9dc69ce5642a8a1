/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From an address and a port to a service, and from a service to a backend.
 */
#ifndef LB_SELECT_H
#define LB_SELECT_H

#include "conn.h"
#include "host.h"
#include "index.h"

/* The image that a packet sees from now on: its bank, and the generation of its routes. */
struct lb_seen {
	__u32 bank;
	__u32 routes;
};

static __always_inline struct lb_seen lb_image_see(const struct lb_control *control)
{
	__u64 word = lb_load64((const __u64 *)control);

	return (struct lb_seen){ .bank = word & 1, .routes = word >> 32 & 0xffff };
}

static __always_inline bool lb_filter_test(__u32 bank, enum lb_direction direction, __be32 address,
					   __be16 port, __u8 protocol)
{
	__u32 bits = host_config()->filter_bits;
	__u32 bit = lb_filter_bit4(address, port, protocol, bits);
	__u64 *word = host_region(LB_REGION_FILTER, lb_filter_word(bank, direction, bit, bits));

	return word && *word >> (bit & 63) & 1;
}

/* The record of an address in a bank, or null. */
static __always_inline const struct lb_vip *lb_vip_find4(__u32 bank, __be32 address)
{
	const struct lb_bank *header = host_region(LB_REGION_BANKS, bank);
	__u32 count = host_config()->vip_lines;
	__u32 key[4] = { address, 0, 0, 0 };
	__u32 line[2];

	if (!header)
		return NULL;
	lb_vip_lines(key, header->vip_seed, count, line);
	for (int i = 0; i < 2; i++) {
		struct lb_vip_line *vips = host_region(LB_REGION_VIPS, bank * count + line[i]);

		if (!vips)
			return NULL;
		for (int j = 0; j < LB_VIPS_PER_LINE; j++) {
			const struct lb_vip *vip = &vips->vip[j];

			if (vip->flags & LB_VIP_USED && vip->address[0] == address &&
			    !(vip->address[1] | vip->address[2] | vip->address[3]))
				return vip;
		}
	}
	return NULL;
}

/* The service at a VIP's port; false if there is none. */
static __always_inline bool lb_port_find(__u32 bank, __u32 vip, __be16 port, __u8 protocol,
					 __u32 *service)
{
	const struct lb_bank *header = host_region(LB_REGION_BANKS, bank);
	__u64 key = lb_port_key(vip, __builtin_bswap16(port), protocol);
	__u32 count = host_config()->port_lines;
	__u32 line[2];

	if (!header)
		return false;
	lb_port_lines(key, header->port_seed, count, line);
	for (int i = 0; i < 2; i++) {
		struct lb_port_line *ports = host_region(LB_REGION_PORTS, bank * count + line[i]);

		if (!ports)
			return false;
		for (int j = 0; j < LB_PORTS_PER_LINE; j++) {
			if (ports->port[j].key == key) {
				*service = ports->port[j].service;
				return true;
			}
		}
	}
	return false;
}

/*
 * The selection hash: 32 bits, keyed by the secret that appliances of one cluster share, so that
 * they pick the same slot.
 */
static __always_inline __u32 lb_select_hash4(const struct lb_tuple4 *tuple)
{
	const volatile __u64 *key = host_config()->select_key;
	__u64 sum = key[0];

	sum += key[1] * (__u32)tuple->saddr;
	sum += key[2] * (__u32)tuple->daddr;
	sum += key[3] * ((__u32)tuple->sport << 16 | tuple->dport);
	sum += key[4] * tuple->protocol;
	return lb_sum_finish(sum);
}

/* The backend of a new flow of a service; false if the tables point nowhere. */
static __always_inline bool lb_backend_select4(__u32 id, const struct lb_service *service,
					       const struct lb_tuple4 *tuple, __u32 *backend)
{
	__u32 slot, member, *chosen;
	__u64 *cursor, *word;

	if (service->flags & LB_SERVICE_ROUND_ROBIN) {
		cursor = host_region(LB_REGION_CURSORS, id);
		if (!cursor || !service->slot_count)
			return false;
		slot = lb_fetch_add64(cursor, 1) % service->slot_count;
	} else {
		slot = lb_index_reduce(lb_select_hash4(tuple), service->slot_count);
	}
	word = host_region(LB_REGION_SLOTS, service->slot_word + slot / LB_SLOTS_PER_WORD);
	if (!word)
		return false;
	member = *word >> slot % LB_SLOTS_PER_WORD * 16 & 0xffff;
	chosen = host_region(LB_REGION_MEMBERS, service->member_first + member);
	if (!chosen)
		return false;
	*backend = *chosen;
	return true;
}

#endif
