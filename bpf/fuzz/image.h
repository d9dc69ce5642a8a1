/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the fuzzed core works on: every kind of service of both families, backends with and
 * without a next hop, interfaces with and without a tag and of different MTU, routes, and live
 * connections, so that frames get deep.
 */
#ifndef LB_FUZZ_IMAGE_H
#define LB_FUZZ_IMAGE_H

#include "memory.h"

#define FUZZ_TICK 100000ULL
#define FUZZ_FAMILY_BACKENDS 8
#define FUZZ_LIMITED 16 /* from here on members have a limit */
#define FUZZ_MAC 0x020100000002ULL

/* Whose address. Backends are numbered from FUZZ_BACKEND on. */
enum fuzz_end {
	FUZZ_VIP,
	FUZZ_LOCAL,
	FUZZ_CLIENT,
	FUZZ_SOURCE,
	FUZZ_BACKEND,
};

/* 20.20.20.1, 10.0.0.254, 10.0.0.1, 31.31.31.254, 31.31.31.1: the last byte of each is its own. */
static const __u32 fuzz_first[] = { 0x00141414, 0x0000000a, 0x0000000a, 0x001f1f1f, 0x001f1f1f };
static const __u8 fuzz_last[] = { 1, 254, 1, 254, 1 };

/* Of IPv6 2001:db8:0:END::LAST. */
static void fuzz_address(enum lb_family family, __u32 end, __u32 *address)
{
	const __u32 kind = end < FUZZ_BACKEND ? end : FUZZ_BACKEND;
	const __u32 last = (fuzz_last[kind] + end - kind) << 24;

	memset(address, 0, 16);
	address[0] = family == LB_IPV6 ? lb_order32(0x20010db8) : fuzz_first[kind] | last;
	if (family == LB_IPV6) {
		address[1] = lb_order32(kind);
		address[3] = last;
	}
}

static __u32 fuzz_address4(__u32 end)
{
	__u32 address[4];

	fuzz_address(LB_IPV4, end, address);
	return address[0];
}

static void fuzz_allow(enum lb_direction direction, const __u32 *address, __u16 port, __u8 protocol)
{
	__u32 bits = fuzz_user.config.filter_bits;
	__u32 bit = lb_filter_bit(address, lb_order16(port), protocol, bits);
	__u64 *word = host_region(LB_REGION_FILTER, lb_filter_word(0, direction, bit, bits));

	*word |= 1ULL << (bit & 63);
}

static void fuzz_vip(enum lb_family family, __u32 end, __u32 id, __u32 flags)
{
	const struct lb_bank *bank = host_region(LB_REGION_BANKS, 0);
	__u32 address[4], line[2];

	fuzz_address(family, end, address);
	lb_vip_lines(address, bank->vip_seed, fuzz_user.config.vip_lines, line);
	for (int i = 0; i < 2; i++) {
		struct lb_vip_line *vips = host_region(LB_REGION_VIPS, line[i]);

		for (int j = 0; j < LB_VIPS_PER_LINE; j++) {
			if (vips->vip[j].flags)
				continue;
			vips->vip[j] = (struct lb_vip){
				.id = id,
				.flags = LB_VIP_USED | flags | (family ? LB_VIP_IPV6 : 0),
				.arp_interfaces = 7,
			};
			memcpy(vips->vip[j].address, address, sizeof(address));
			return;
		}
	}
	abort();
}

/* A service of its family's VIP; its backends are the members first, first + 1, ... in turn. */
struct fuzz_service {
	__u32 id, flags, first, count, persist, sources;
	__u16 port;
	__u8 protocol, block, family;
};

static void fuzz_port(const struct fuzz_service *made)
{
	const struct lb_bank *bank = host_region(LB_REGION_BANKS, 0);
	__u64 key = lb_port_key(made->family ? 3 : 1, made->block, made->port, made->protocol);
	__u32 line[2];

	lb_port_lines(key, bank->port_seed, fuzz_user.config.port_lines, line);
	for (int i = 0; i < 2; i++) {
		struct lb_port_line *ports = host_region(LB_REGION_PORTS, line[i]);

		for (int j = 0; j < LB_PORTS_PER_LINE; j++) {
			if (ports->port[j].key)
				continue;
			ports->port[j] = (struct lb_port){ .key = key, .service = made->id };
			return;
		}
	}
	abort();
}

static void fuzz_service(struct fuzz_service made)
{
	struct lb_service *service = host_region(LB_REGION_SERVICES, made.id);
	__u64 *slots = host_region(LB_REGION_SLOTS, made.id);

	*service = (struct lb_service){
		.flags = LB_SERVICE_USED | made.flags | (made.family ? LB_SERVICE_IPV6 : 0),
		.slot_word = made.id,
		.slot_count = !made.count || made.flags & LB_SERVICE_LEAST ? !!made.count : 4,
		.member_first = made.first + (made.flags & LB_SERVICE_LIMITED ? FUZZ_LIMITED : 0),
		.member_count = made.count,
		.idle = lb_timeout_encode(300),
		.protocol = made.protocol,
		.port = made.port,
		.port_last = made.port + (1U << made.block) - 1,
		.persist = made.persist,
		.source_count = made.sources,
		.mss = made.flags & LB_SERVICE_ONE_SIDED ? 0 : 1200,
		.tunnel_port = lb_order16(6080),
	};
	fuzz_address(made.family, FUZZ_VIP, service->address);
	for (int i = 0; made.count && i < LB_SLOTS_PER_WORD; i++)
		*slots |= (__u64)(i % made.count) << 16 * i;
	fuzz_allow(LB_DIRECTION_FORWARD, service->address, made.block ? 0 : made.port,
		   made.protocol);
	fuzz_port(&made);
}

static void fuzz_backend(__u32 id, enum lb_family family, __u32 end, __u16 port, __u8 protocol,
			 __u64 hop)
{
	struct lb_backend *backend = host_region(LB_REGION_BACKENDS, id);
	struct lb_member *member = host_region(LB_REGION_MEMBERS, id);

	*backend = (struct lb_backend){
		.hop = hop,
		.port = lb_order16(port),
		.protocol = protocol,
		.flags = LB_BACKEND_USED | (family ? LB_BACKEND_IPV6 : 0),
	};
	fuzz_address(family, end, backend->address);
	fuzz_address(family, FUZZ_SOURCE, backend->source);
	*member = (struct lb_member){ .backend = id, .weight = 1 };
	member = host_region(LB_REGION_MEMBERS, FUZZ_LIMITED + id);
	*member = (struct lb_member){ .backend = id, .weight = 1, .limit = 2 };
	fuzz_allow(LB_DIRECTION_REVERSE, backend->address, port, protocol);
}

static __u64 fuzz_hop(__u64 slot)
{
	return FUZZ_MAC | slot << LB_HOP_SLOT_SHIFT | LB_HOP_VALID;
}

static void fuzz_interface(__u32 slot, __u32 ifindex, __u32 mtu, __u32 tags)
{
	struct lb_interface *interface = host_region(LB_REGION_INTERFACES, slot);

	*interface = (struct lb_interface){
		.ifindex = ifindex,
		.mtu = mtu,
		.mac = { 2, 0, 0, 0, 0, slot },
		.link = tags ? tags >> 16 ? 22 : 18 : 14,
		.address4 = fuzz_address4(FUZZ_LOCAL),
		.tags = tags,
		.tag_protocol = lb_order16(tags >> 16 ? 0x88a8 : 0x8100),
	};
	fuzz_address(LB_IPV6, FUZZ_LOCAL, interface->address6);
}

/* A connection that is there already: client port 1000 + the backend's number in its family. */
struct fuzz_connection {
	__u32 service, backend;
	enum lb_conn_state state;
	__u16 vip_port;
	__u8 flags;
};

static __always_inline int fuzz_connect(const enum lb_family family, struct lb_flow *flow)
{
	struct lb_insert *insert = &flow->conn;
	struct lb_tuple tuple;

	flow->conn.entry.address_delta = lb_entry_delta(family, &insert->entry);
	lb_flow_prepare(family, flow);
	lb_conn_request(family, &insert->entry, &tuple);
	lb_conn_hash(family, &tuple, &insert->forward);
	return lb_conn_insert(family, insert);
}

static void fuzz_connection(struct fuzz_connection made)
{
	const struct lb_backend *backend = host_region(LB_REGION_BACKENDS, made.backend);
	const struct lb_service *service = host_region(LB_REGION_SERVICES, made.service);
	const enum lb_family family = service->flags & LB_SERVICE_IPV6 ? LB_IPV6 : LB_IPV4;
	const bool translated = made.flags & LB_CONN_SOURCE_TRANSLATED;
	struct lb_flow flow = {};
	struct lb_insert *insert = &flow.conn;
	struct lb_conn *entry = &insert->entry;
	int result;

	insert->state = made.state;
	insert->idle = 255;
	insert->tick = FUZZ_TICK;
	insert->family = family;
	fuzz_address(family, FUZZ_CLIENT, entry->client);
	fuzz_address(family, FUZZ_VIP, entry->vip);
	entry->client_port = lb_order16(1000 + made.backend % FUZZ_FAMILY_BACKENDS);
	entry->vip_port = lb_order16(made.vip_port);
	entry->backend_port = entry->vip_port;
	entry->protocol = service->protocol;
	entry->flags = made.flags;
	entry->service = made.service;
	entry->backend_id = made.backend;
	entry->reply = fuzz_hop(0);
	if (!(made.flags & LB_CONN_ONE_SIDED)) {
		fuzz_address(family, translated ? FUZZ_VIP : FUZZ_CLIENT, entry->source);
		memcpy(entry->backend, backend->address, sizeof(entry->backend));
		entry->source_port = translated ? lb_order16(5000) : entry->client_port;
		entry->backend_port = backend->port;
	}
	result = family ? fuzz_connect(LB_IPV6, &flow) : fuzz_connect(LB_IPV4, &flow);
	if (result != LB_INSERT_DONE)
		abort();
}

#define FUZZ_ONEARM (LB_SERVICE_FULLNAT | LB_SERVICE_SOURCE_INTERFACE | LB_SERVICE_ROUND_ROBIN)

/* The services of a family: `base` is the first id, `backend` the first of its backends. */
static void fuzz_services(enum lb_family family, __u32 base, __u32 backend)
{
	const struct fuzz_service services[] = {
		{ .port = 80, .protocol = 6, .count = 2 },
		{ .port = 53, .protocol = 17, .flags = LB_SERVICE_FULLNAT, .first = 2, .count = 1 },
		{ .port = 443, .protocol = 6, .flags = FUZZ_ONEARM, .count = 2 },
		{ .port = 81, .protocol = 6 },
		{ .port = 82, .protocol = 17, .flags = LB_SERVICE_NO_BACKEND_PASS },
		{ .port = 83,
		  .protocol = 6,
		  .count = 1,
		  .persist = 60,
		  .flags = LB_SERVICE_PICK_UP | LB_SERVICE_LAST_HOP },
		{ .port = 84, .protocol = 17, .flags = LB_SERVICE_NO_BACKEND_DROP },
		{ .port = 85, .protocol = 17 },
		{ .port = 86, .protocol = 6, .first = 3, .count = 1 },
		{ .port = 87, .protocol = 17, .first = 4, .count = 1 },
		{ .port = 88, .protocol = 6, .flags = LB_SERVICE_DSR, .count = 2 },
		{ .port = 89,
		  .protocol = 17,
		  .flags = LB_SERVICE_IPIP | LB_SERVICE_LEAST,
		  .count = 2 },
		{ .port = 90, .protocol = 6, .flags = LB_SERVICE_GUE, .first = 5, .count = 1 },
		{ .port = 91, .protocol = 6, .flags = LB_SERVICE_LIMITED, .count = 2 },
		{ .port = 92,
		  .protocol = 6,
		  .flags = LB_SERVICE_SOURCES,
		  .count = 2,
		  .sources = 2 },
		{ .port = 1024, .block = 4, .protocol = 17, .first = 6, .count = 1 },
		{ .port = 0,
		  .block = 16,
		  .protocol = 17,
		  .flags = LB_SERVICE_IPIP,
		  .first = 5,
		  .count = 1 },
	};

	for (__u32 i = 0; i < sizeof(services) / sizeof(*services); i++) {
		struct fuzz_service made = services[i];

		made.id = base + i;
		made.family = family;
		made.first += backend;
		fuzz_service(made);
	}
}

static void fuzz_family(enum lb_family family, __u32 base, __u32 first)
{
	const enum lb_family other = family == LB_IPV4 ? LB_IPV6 : LB_IPV4;
	const __u8 translated = LB_CONN_SOURCE_TRANSLATED;
	const __u8 tunnel = family == LB_IPV4 ? LB_CONN_BACKEND_IPV6 : 0;

	fuzz_vip(family, FUZZ_VIP, family ? 3 : 1, LB_VIP_ECHO | LB_VIP_BLOCKS);
	fuzz_vip(family, FUZZ_LOCAL, family ? 4 : 2, LB_VIP_LOCAL);
	fuzz_backend(first, family, FUZZ_BACKEND, 8080, 6, fuzz_hop(1));
	fuzz_backend(first + 1, family, FUZZ_BACKEND + 1, 8080, 6, fuzz_hop(0));
	fuzz_backend(first + 2, family, FUZZ_BACKEND, 53, 17, fuzz_hop(1));
	fuzz_backend(first + 3, family, FUZZ_BACKEND + 2, 8080, 6, 0);
	fuzz_backend(first + 4, family, FUZZ_CLIENT, 53, 17, fuzz_hop(9));
	fuzz_backend(first + 5, other, FUZZ_BACKEND + 3, 0, 6, fuzz_hop(2));
	fuzz_backend(first + 6, family, FUZZ_BACKEND + 4, 0, 17, fuzz_hop(2));
	fuzz_services(family, base, first);
	fuzz_connection((struct fuzz_connection){ base, first, LB_CONN_ESTABLISHED, 80, 0 });
	fuzz_connection((struct fuzz_connection){ base, first + 1, LB_CONN_NEW, 80, 0 });
	fuzz_connection((struct fuzz_connection){ base + 1, first + 2, LB_CONN_ESTABLISHED, 53,
						  translated });
	fuzz_connection((struct fuzz_connection){ base + 10, first, LB_CONN_ESTABLISHED, 88,
						  LB_CONN_ONE_SIDED });
	fuzz_connection((struct fuzz_connection){ base + 12, first + 5, LB_CONN_NEW, 90,
						  LB_CONN_ONE_SIDED | LB_CONN_GUE | tunnel });
}

static void fuzz_fill(void)
{
	struct lb_control *control = host_region(LB_REGION_CONTROL, 0);
	struct lb_bank *bank = host_region(LB_REGION_BANKS, 0);
	struct lb_route_node *routes = host_region(LB_REGION_ROUTES, 0);
	struct lb_boundary *sources = host_region(LB_REGION_SOURCES, 0);
	__u64 *hops = host_region(LB_REGION_HOPS, 0);

	control->active = LB_ACTIVE_WILD;
	bank->vip_seed = 0x9e3779b97f4a7c15ULL;
	bank->port_seed = 0xd6e8feb86659fd93ULL;
	bank->route_root4 = LB_ROUTE_NODE;
	bank->route_root6 = LB_ROUTE_NODE;
	routes->child[10] = LB_ROUTE_ONLINK;
	routes->child[11] = LB_ROUTE_HOP;
	routes->child[12] = LB_ROUTE_HOP | 1; /* a hop that is not resolved */
	routes->child[13] = LB_ROUTE_HOP | 99; /* nowhere */
	routes->child[14] = LB_ROUTE_NODE | 99;
	routes->child[0x20] = LB_ROUTE_ONLINK;
	*hops = fuzz_hop(0);
	/* 10.0.0.0/31 is denied. */
	sources[0].low = 0x0a000000;
	sources[1].low = 0x0a000002;
	fuzz_interface(0, 1, 1500, 0);
	fuzz_interface(1, 2, 576, 0);
	fuzz_interface(2, 1, 1500, 100);
	fuzz_interface(3, 2, 1496, 200 << 16 | 100);
	fuzz_family(LB_IPV4, 0, 0);
	fuzz_family(LB_IPV6, 20, FUZZ_FAMILY_BACKENDS);
}

/* Makes the image on the first call, and makes it anew on every other. */
static void fuzz_reset(void)
{
	struct lb_config *config = &fuzz_user.config;

	host_user_current = &fuzz_user;
	fuzz_user.clock_set = 1;
	fuzz_user.now_ns = FUZZ_TICK << LB_TICK_SHIFT;
	if (fuzz_template[0]) {
		fuzz_restore();
		return;
	}
	*config = (struct lb_config){
		.conn_lines4 = 4,
		.conn_lines6 = 4,
		.cpu_slots = 1,
		.max_services = 40,
		.max_backends = 16,
		.max_hops = 2,
		.filter_bits = 10,
		.vip_lines = 8,
		.port_lines = 32,
		.route_nodes = 1,
		.slot_words = 40,
		.members = 2 * FUZZ_LIMITED,
		.sources = 2,
		.affinity_lines = 2,
		.stamp_words = 4,
		.fragment_lines = 2,
		.source_port_first = 5000,
		.source_port_last = 5015,
		.features = LB_FEATURE_CONN_COUNTERS,
	};
	for (int i = 0; i < 40; i++)
		config->conn_key[i] = (i + 1) * 0x9e3779b97f4a7c15ULL | 1;
	for (int i = 0; i < 32; i++)
		config->select_key[i] = (i + 77) * 0x9e3779b97f4a7c15ULL | 1;
	fuzz_allocate();
	fuzz_fill();
	fuzz_keep();
}

#endif
