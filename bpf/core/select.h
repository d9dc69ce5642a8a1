/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From an address and a port to a service.
 */
#ifndef LB_SELECT_H
#define LB_SELECT_H

#include "flow.h"
#include "conn_line.h"
#include "index.h"

/* The image that a packet sees from now on. */
struct lb_seen {
	__u32 bank;
	__u32 routes; /* the generation of its routes */
	__u32 wild; /* some service or backend has more than one port */
};

static __always_inline struct lb_seen lb_image_see(const struct lb_control *control)
{
	__u64 word = lb_load64((const __u64 *)control);

	return (struct lb_seen){
		.bank = word & 1,
		.routes = word >> 32 & 0xffff,
		.wild = word >> 1 & 1,
	};
}

static __always_inline __u64 lb_address_mix(const enum lb_family family, const __u32 *address)
{
	return family == LB_IPV6 ? lb_index_mix(address) : address[0] * LB_MIX_A;
}

static __always_inline bool lb_filter_has(__u32 bank, enum lb_direction direction, __u64 mix,
					  __be16 port, __u8 protocol)
{
	__u32 bits = host_config()->filter_bits;
	__u32 bit = lb_filter_mix(mix, port, protocol, bits);
	__u64 *word = host_region(LB_REGION_FILTER, lb_filter_word(bank, direction, bit, bits));

	return word && *word >> (bit & 63) & 1;
}

/* May an endpoint belong to a service? If some have more than one port, port 0 stands for them. */
static __always_inline bool lb_filter_test(const enum lb_family family, __u32 bank, __u32 wild,
					   enum lb_direction direction, const __u32 *address,
					   __be16 port, __u8 protocol)
{
	__u64 mix = lb_address_mix(family, address);

	return lb_filter_has(bank, direction, mix, port, protocol) ||
	       (wild && lb_filter_has(bank, direction, mix, 0, protocol));
}

/* The record of an address in a bank, or null. */
static __always_inline const struct lb_vip *lb_vip_find(const enum lb_family family, __u32 bank,
							const __u32 *address)
{
	const __u32 kind = LB_VIP_USED | (family == LB_IPV6 ? LB_VIP_IPV6 : 0);
	const struct lb_bank *header = host_region(LB_REGION_BANKS, bank);
	__u32 count = host_config()->vip_lines;
	__u32 line[2];

	if (!header)
		return NULL;
	lb_index_lines(lb_address_mix(family, address) * header->vip_seed, count, line);
	for (int i = 0; i < 2; i++) {
		struct lb_vip_line *vips = host_region(LB_REGION_VIPS, bank * count + line[i]);

		if (!vips)
			return NULL;
		for (int j = 0; j < LB_VIPS_PER_LINE; j++) {
			const struct lb_vip *vip = &vips->vip[j];

			if ((vip->flags & (LB_VIP_USED | LB_VIP_IPV6)) == kind &&
			    lb_address_equal(family, vip->address, address))
				return vip;
		}
	}
	return NULL;
}

/* The service of a port record in a line + 1, or 0. */
static __always_inline __u64 lb_port_in(const struct lb_port_line *ports, __u64 key)
{
	__u64 found = 0;

#pragma GCC unroll 4
	for (int j = 0; j < LB_PORTS_PER_LINE; j++)
		found += (ports->port[j].service + 1ULL) * lb_is_zero(ports->port[j].key ^ key);
	return found;
}

/* The service of a port record that is in its first line + 1, or 0. */
static __always_inline __u64 lb_port_peek(__u32 bank, __u64 key)
{
	const struct lb_bank *header = host_region(LB_REGION_BANKS, bank);
	__u32 count = host_config()->port_lines;
	struct lb_port_line *ports;
	__u32 line[2];

	if (!header)
		return 0;
	lb_port_lines(key, header->port_seed, count, line);
	ports = host_region(LB_REGION_PORTS, bank * count + line[0]);
	return ports ? lb_port_in(ports, key) : 0;
}

/* The service of a port record, or -1. */
LB_SEAM int lb_port_probe(__u32 bank, __u64 key)
{
	const struct lb_bank *header = host_region(LB_REGION_BANKS, bank);
	__u32 count = host_config()->port_lines;
	__u32 line[2];

	if (!header)
		return -1;
	lb_port_lines(key, header->port_seed, count, line);
	for (int i = 0; i < 2; i++) {
		struct lb_port_line *ports = host_region(LB_REGION_PORTS, bank * count + line[i]);

		if (!ports)
			return -1;
		for (int j = 0; j < LB_PORTS_PER_LINE; j++) {
			if (ports->port[j].key == key)
				return ports->port[j].service & 0xffff;
		}
	}
	return -1;
}

#define LB_PORT_BLOCKS 16 /* 2^16 ports are all of them */

/* The service of the smallest block of ports that a port is in, or -1. */
LB_SEAM int lb_port_search(__u32 bank, __u32 vip, __u32 port, __u32 protocol)
{
	for (__u32 block = 1; block <= LB_PORT_BLOCKS; block++) {
		int service = lb_port_probe(bank, lb_port_key(vip, block, port, protocol));

		if (service >= 0)
			return service;
	}
	return -1;
}

/* The service at a VIP's port; false if there is none. */
static __always_inline bool lb_port_find(__u32 bank, const struct lb_vip *vip, __be16 port,
					 __u8 protocol, __u32 *service)
{
	__u16 number = __builtin_bswap16(port);
	__u64 key = lb_port_key(vip->id, 0, number, protocol);
	int found = (int)lb_port_peek(bank, key) - 1;

	if (found < 0)
		found = lb_port_probe(bank, key);
	if (found < 0 && vip->flags & LB_VIP_BLOCKS)
		found = lb_port_search(bank, vip->id, number, protocol);
	*service = found;
	return found >= 0;
}

#endif
