/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the fuzzed core works on: every kind of service, backends with and without a next hop,
 * two interfaces of different MTU, routes, and live connections, so that frames get deep. Each
 * region is an allocation of its own, so that the address sanitizer sees its ends.
 */
#ifndef LB_FUZZ_IMAGE_H
#define LB_FUZZ_IMAGE_H

#include <arpa/inet.h>
#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>

#include "host_user.h"

/* The headroom is out of bounds until the core asks for it. */
static inline bool fuzz_grow_head(struct lb_packet *packet, __u32 bytes)
{
	if (!host_packet_grow_head(packet, bytes))
		return false;
	__asan_unpoison_memory_region(packet->data, bytes);
	return true;
}

/* What was cut off is out of bounds. */
static inline bool fuzz_trim(struct lb_packet *packet, __u32 length)
{
	char *end = packet->data_end;

	if (!host_packet_trim(packet, length))
		return false;
	__asan_poison_memory_region(packet->data_end, end - (char *)packet->data_end);
	return true;
}

#define host_packet_grow_head fuzz_grow_head
#define host_packet_trim fuzz_trim
#include "conn_tend.h"
#include "forward.h"

#define FUZZ_TICK 100000ULL
#define FUZZ_VIP 0x01141414 /* 20.20.20.1 in network order */
#define FUZZ_LOCAL 0xfe00000a /* 10.0.0.254 */
#define FUZZ_CLIENT 0x0100000a /* 10.0.0.1 */
#define FUZZ_BACKEND 0x011f1f1f /* 31.31.31.1 */
#define FUZZ_SOURCE 0xfe1f1f1f /* 31.31.31.254 */
#define FUZZ_MAC 0x020100000002ULL

static struct lb_user fuzz_user;
static void *fuzz_template[LB_REGION_COUNT];

static size_t fuzz_stride(enum lb_region region)
{
	switch (region) {
	case LB_REGION_CONTROL:
		return sizeof(struct lb_control);
	case LB_REGION_BANKS:
		return sizeof(struct lb_bank);
	case LB_REGION_VIPS:
		return sizeof(struct lb_vip_line);
	case LB_REGION_PORTS:
		return sizeof(struct lb_port_line);
	case LB_REGION_SERVICES:
		return sizeof(struct lb_service);
	case LB_REGION_ROUTES:
		return sizeof(struct lb_route_node);
	case LB_REGION_BACKENDS:
		return sizeof(struct lb_backend);
	case LB_REGION_INTERFACES:
		return sizeof(struct lb_interface);
	case LB_REGION_CPUS:
		return sizeof(struct lb_cpu);
	case LB_REGION_SERVICE_STATS:
	case LB_REGION_BACKEND_STATS:
		return sizeof(struct lb_traffic);
	case LB_REGION_CONN_FORWARD:
	case LB_REGION_CONN_REVERSE:
	case LB_REGION_FRAGMENTS:
		return sizeof(struct lb_line);
	case LB_REGION_CONN4:
		return sizeof(struct lb_conn4);
	default:
		return sizeof(__u64);
	}
}

static size_t fuzz_count(enum lb_region region)
{
	const struct lb_config *config = &fuzz_user.config;

	switch (region) {
	case LB_REGION_CONTROL:
		return 1;
	case LB_REGION_BANKS:
		return LB_BANKS;
	case LB_REGION_FILTER:
		return LB_BANKS * 2 << (config->filter_bits - 6);
	case LB_REGION_VIPS:
		return LB_BANKS * config->vip_lines;
	case LB_REGION_PORTS:
		return LB_BANKS * config->port_lines;
	case LB_REGION_SERVICES:
		return LB_BANKS * config->max_services;
	case LB_REGION_ROUTES:
		return LB_BANKS * config->route_nodes;
	case LB_REGION_SLOTS:
		return config->slot_words;
	case LB_REGION_MEMBERS:
		return config->members;
	case LB_REGION_HOPS:
		return config->max_hops;
	case LB_REGION_INTERFACES:
		return LB_MAX_INTERFACES;
	case LB_REGION_CPUS:
		return config->cpu_slots;
	case LB_REGION_BACKENDS:
	case LB_REGION_BACKEND_STATS:
		return config->max_backends;
	case LB_REGION_CURSORS:
	case LB_REGION_SERVICE_STATS:
		return config->max_services;
	case LB_REGION_CONN4:
		return config->conn_lines * LB_LINE_WORDS;
	case LB_REGION_SOURCE_STAMPS:
		return config->stamp_words;
	case LB_REGION_FRAGMENTS:
		return config->fragment_lines;
	default:
		return config->conn_lines;
	}
}

static void fuzz_allow(enum lb_direction direction, __be32 address, __u16 port, __u8 protocol)
{
	__u32 bits = fuzz_user.config.filter_bits;
	__u32 bit = lb_filter_bit4(address, htons(port), protocol, bits);
	__u64 *word = host_region(LB_REGION_FILTER, lb_filter_word(0, direction, bit, bits));

	*word |= 1ULL << (bit & 63);
}

static void fuzz_vip(__be32 address, __u32 id, __u32 flags)
{
	const struct lb_bank *bank = host_region(LB_REGION_BANKS, 0);
	__u32 key[4] = { address }, line[2];

	lb_vip_lines(key, bank->vip_seed, fuzz_user.config.vip_lines, line);
	for (int i = 0; i < 2; i++) {
		struct lb_vip_line *vips = host_region(LB_REGION_VIPS, line[i]);

		for (int j = 0; j < LB_VIPS_PER_LINE; j++) {
			if (vips->vip[j].flags)
				continue;
			vips->vip[j] = (struct lb_vip){
				.address = { address },
				.id = id,
				.flags = LB_VIP_USED | flags,
				.arp_interfaces = 3,
			};
			return;
		}
	}
	abort();
}

/* A service of the VIP whose backends are the members first, first + 1, ... in turn. */
static void fuzz_service(__u32 id, __u16 port, __u8 protocol, __u32 flags, __u32 first, __u32 count)
{
	const struct lb_bank *bank = host_region(LB_REGION_BANKS, 0);
	struct lb_service *service = host_region(LB_REGION_SERVICES, id);
	__u64 *slots = host_region(LB_REGION_SLOTS, id);
	__u64 key = lb_port_key(1, port, protocol);
	__u32 line[2];

	*service = (struct lb_service){
		.flags = LB_SERVICE_USED | flags,
		.slot_word = id,
		.slot_count = count ? 4 : 0,
		.member_first = first,
		.member_count = count,
		.idle = lb_timeout_encode(300),
		.protocol = protocol,
		.port = port,
		.address = { FUZZ_VIP },
	};
	for (int i = 0; count && i < LB_SLOTS_PER_WORD; i++)
		*slots |= (__u64)(i % count) << 16 * i;
	fuzz_allow(LB_DIRECTION_FORWARD, FUZZ_VIP, port, protocol);
	lb_port_lines(key, bank->port_seed, fuzz_user.config.port_lines, line);
	for (int i = 0; i < 2; i++) {
		struct lb_port_line *ports = host_region(LB_REGION_PORTS, line[i]);

		for (int j = 0; j < LB_PORTS_PER_LINE; j++) {
			if (ports->port[j].key)
				continue;
			ports->port[j] = (struct lb_port){ .key = key, .service = id };
			return;
		}
	}
	abort();
}

static void fuzz_backend(__u32 id, __be32 address, __u16 port, __u8 protocol, __u64 hop)
{
	struct lb_backend *backend = host_region(LB_REGION_BACKENDS, id);
	__u64 *member = host_region(LB_REGION_MEMBERS, id);

	*backend = (struct lb_backend){
		.address = { address },
		.hop = hop,
		.source = { FUZZ_SOURCE },
		.port = htons(port),
		.protocol = protocol,
		.flags = LB_BACKEND_USED,
	};
	*member = id;
	fuzz_allow(LB_DIRECTION_REVERSE, address, port, protocol);
}

static __u64 fuzz_hop(__u64 slot)
{
	return FUZZ_MAC | slot << LB_HOP_SLOT_SHIFT | LB_HOP_VALID;
}

static void fuzz_interface(__u32 slot, __u32 mtu)
{
	struct lb_interface *interface = host_region(LB_REGION_INTERFACES, slot);

	*interface = (struct lb_interface){
		.ifindex = slot + 1,
		.mtu = mtu,
		.mac = { 2, 0, 0, 0, 0, slot },
		.address4 = FUZZ_LOCAL,
	};
}

/* A connection that is there already: client port 1000 + backend. */
static void fuzz_connection(__u32 service, __u16 vip_port, __u32 backend_id,
			    enum lb_conn_state state, bool translated)
{
	const struct lb_backend *backend = host_region(LB_REGION_BACKENDS, backend_id);
	struct lb_insert insert = { .state = state, .idle = 255, .tick = FUZZ_TICK };
	struct lb_conn4 *entry = &insert.entry;
	struct lb_tuple4 tuple;

	*entry = (struct lb_conn4){
		.client = FUZZ_CLIENT,
		.vip = FUZZ_VIP,
		.source = translated ? FUZZ_VIP : FUZZ_CLIENT,
		.backend = backend->address[0],
		.client_port = htons(1000 + backend_id),
		.vip_port = htons(vip_port),
		.source_port = htons(translated ? 5000 : 1000 + backend_id),
		.backend_port = backend->port,
		.protocol = backend->protocol,
		.flags = translated ? LB_CONN_SOURCE_TRANSLATED : 0,
		.service = service,
		.backend_id = backend_id,
		.reply = fuzz_hop(0),
	};
	lb_entry_deltas(entry);
	lb_conn_request4(entry, &tuple);
	lb_conn_hash4(&tuple, &insert.forward);
	lb_conn_reply4(entry, &tuple);
	lb_conn_hash4(&tuple, &insert.reverse);
	if (lb_conn_insert4(&insert) != LB_INSERT_DONE)
		abort();
}

static void fuzz_fill(void)
{
	struct lb_bank *bank = host_region(LB_REGION_BANKS, 0);
	struct lb_route_node *routes = host_region(LB_REGION_ROUTES, 0);
	__u64 *hops = host_region(LB_REGION_HOPS, 0);

	bank->vip_seed = 0x9e3779b97f4a7c15ULL;
	bank->port_seed = 0xd6e8feb86659fd93ULL;
	bank->route_root4 = LB_ROUTE_NODE;
	routes->child[10] = LB_ROUTE_ONLINK;
	routes->child[11] = LB_ROUTE_HOP;
	routes->child[12] = LB_ROUTE_HOP | 1; /* a hop that is not resolved */
	routes->child[13] = LB_ROUTE_HOP | 99; /* nowhere */
	routes->child[14] = LB_ROUTE_NODE | 99;
	*hops = fuzz_hop(0);
	fuzz_interface(0, 1500);
	fuzz_interface(1, 576);
	fuzz_vip(FUZZ_VIP, 1, LB_VIP_ECHO);
	fuzz_vip(FUZZ_LOCAL, 2, LB_VIP_LOCAL);
	fuzz_backend(0, FUZZ_BACKEND, 8080, 6, fuzz_hop(1));
	fuzz_backend(1, FUZZ_BACKEND + (1 << 24), 8080, 6, fuzz_hop(0));
	fuzz_backend(2, FUZZ_BACKEND, 53, 17, fuzz_hop(1));
	fuzz_backend(3, FUZZ_BACKEND + (2 << 24), 8080, 6, 0);
	fuzz_backend(4, FUZZ_CLIENT, 53, 17, fuzz_hop(9));
	fuzz_service(0, 80, 6, 0, 0, 2);
	fuzz_service(1, 53, 17, LB_SERVICE_FULLNAT, 2, 1);
	fuzz_service(2, 443, 6,
		     LB_SERVICE_FULLNAT | LB_SERVICE_SOURCE_INTERFACE | LB_SERVICE_ROUND_ROBIN, 0,
		     2);
	fuzz_service(3, 81, 6, 0, 0, 0);
	fuzz_service(4, 82, 17, LB_SERVICE_NO_BACKEND_PASS, 0, 0);
	fuzz_service(5, 83, 6, LB_SERVICE_PICK_UP | LB_SERVICE_LAST_HOP, 0, 1);
	fuzz_service(6, 84, 17, LB_SERVICE_NO_BACKEND_DROP, 0, 0);
	fuzz_service(7, 85, 17, 0, 0, 0);
	fuzz_service(8, 86, 6, 0, 3, 1);
	fuzz_service(9, 87, 17, 0, 4, 1);
	fuzz_connection(0, 80, 0, LB_CONN_ESTABLISHED, false);
	fuzz_connection(0, 80, 1, LB_CONN_NEW, false);
	fuzz_connection(1, 53, 2, LB_CONN_ESTABLISHED, true);
}

/* Makes the image on the first call, and makes it anew on every other. */
static void fuzz_reset(void)
{
	struct lb_config *config = &fuzz_user.config;

	host_user_current = &fuzz_user;
	fuzz_user.clock_set = 1;
	fuzz_user.now_ns = FUZZ_TICK << LB_TICK_SHIFT;
	if (fuzz_template[0]) {
		for (int i = 0; i < LB_REGION_COUNT; i++)
			memcpy(fuzz_user.region[i].base, fuzz_template[i],
			       fuzz_user.region[i].stride * fuzz_user.region[i].count);
		return;
	}
	*config = (struct lb_config){
		.conn_lines = 4,
		.cpu_slots = 1,
		.max_services = 16,
		.max_backends = 8,
		.max_hops = 2,
		.filter_bits = 8,
		.vip_lines = 4,
		.port_lines = 8,
		.route_nodes = 1,
		.slot_words = 16,
		.members = 8,
		.stamp_words = 4,
		.fragment_lines = 2,
		.source_port_first = 5000,
		.source_port_last = 5015,
		.features = LB_FEATURE_CONN_COUNTERS,
	};
	for (int i = 0; i < 16; i++)
		config->conn_key[i] = config->select_key[i] = (i + 1) * 0x9e3779b97f4a7c15ULL | 1;
	for (int i = 0; i < LB_REGION_COUNT; i++) {
		struct lb_user_region *region = &fuzz_user.region[i];

		region->stride = fuzz_stride(i);
		region->count = fuzz_count(i);
		region->base = calloc(region->count, region->stride);
	}
	fuzz_fill();
	for (int i = 0; i < LB_REGION_COUNT; i++) {
		size_t size = fuzz_user.region[i].stride * fuzz_user.region[i].count;

		fuzz_template[i] = malloc(size);
		memcpy(fuzz_template[i], fuzz_user.region[i].base, size);
	}
}

#endif
