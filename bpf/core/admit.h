/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The first packet of a flow: which service, which backend, which source port, and the entry
 * that answers those questions for every later packet.
 *
 *	VIP -> port -> service -> may this source? -> may this packet open a flow?
 *	    -> backend (counted in its load) -> entry -> insert (else the load is given back)
 */
#ifndef LB_ADMIT_H
#define LB_ADMIT_H

#include "checksum.h"
#include "hop.h"
#include "member.h"
#include "parse.h"
#include "port.h"
#include "select.h"
#include "source.h"

/*
 * Addresses that send nothing to a service: 0/8, 127/8, 224/4 and 240/4; ::, ::1, ff00::/8 and
 * fe80::/10.
 */
static __always_inline bool lb_address_is_martian(const enum lb_family family, const __u32 *address)
{
	__u8 first = address[0] & 0xff, second = address[0] >> 8 & 0xff;

	if (family == LB_IPV4)
		return first == 0 || first == 127 || first >= 224;
	if (first == 0xff || (first == 0xfe && (second & 0xc0) == 0x80))
		return true;
	return !(address[0] | address[1] | address[2]) && __builtin_bswap32(address[3]) <= 1;
}

/* Also its own destination's, a VIP's, and those of the box. */
static __always_inline bool lb_source_is_martian(const enum lb_family family,
						 const struct lb_tuple *tuple, __u32 bank)
{
	return lb_address_is_martian(family, tuple->saddr) ||
	       lb_address_equal(family, tuple->saddr, tuple->daddr) ||
	       lb_vip_find(family, bank, tuple->saddr);
}

/* TCP flows begin with a SYN; where any appliance would pick the same backend, an ACK will do. */
static __always_inline bool lb_packet_opens(const struct lb_flow *flow)
{
	__u32 flags = flow->tcp_flags & (LB_TCP_SYN | LB_TCP_ACK | LB_TCP_RST);

	return flow->tuple.protocol != IPPROTO_TCP || flags == LB_TCP_SYN ||
	       (flags == LB_TCP_ACK && flow->service_flags & LB_SERVICE_PICK_UP);
}

static __always_inline bool lb_address_is_zero(const __u32 *address)
{
	return !(address[0] | address[1] | address[2] | address[3]);
}

/* The entry's end that is the client's and the service's. */
static __always_inline void lb_entry_begin(const enum lb_family family, struct lb_flow *flow,
					   __u64 choice)
{
	struct lb_conn *entry = &flow->conn.entry;

	__builtin_memset(entry, 0, sizeof(*entry));
	lb_address_copy(family, entry->client, flow->tuple.saddr);
	lb_address_copy(family, entry->vip, flow->tuple.daddr);
	entry->client_port = flow->tuple.sport;
	entry->vip_port = flow->tuple.dport;
	entry->protocol = flow->tuple.protocol;
	entry->service = flow->service;
	entry->backend_id = choice >> LB_CHOICE_BACKEND_SHIFT;
	entry->created = flow->tick;
}

/* Direct return: packets keep their ends, so that replies need none of ours. */
static __always_inline enum lb_reason lb_entry_direct(const enum lb_family family,
						      struct lb_conn *entry,
						      const struct lb_service *service,
						      const struct lb_backend *backend)
{
	bool other = (family == LB_IPV6) != !!(backend->flags & LB_BACKEND_IPV6);

	entry->flags |= LB_CONN_ONE_SIDED;
	entry->backend_port = entry->vip_port;
	if (service->flags & LB_SERVICE_DSR)
		return other ? LB_REASON_INTERNAL : LB_REASON_FORWARDED;
	entry->flags |= service->flags & LB_SERVICE_GUE ? LB_CONN_GUE : LB_CONN_IPIP;
	if (service->flags & LB_SERVICE_GUE)
		entry->source_port = service->tunnel_port;
	if (backend->flags & LB_BACKEND_IPV6)
		entry->flags |= LB_CONN_BACKEND_IPV6;
	return LB_REASON_FORWARDED;
}

/* NAT: the backend's end, and the source that it sees. */
static __always_inline enum lb_reason lb_entry_translated(const enum lb_family family,
							  struct lb_conn *entry,
							  const struct lb_service *service,
							  const struct lb_backend *backend)
{
	if ((family == LB_IPV6) != !!(backend->flags & LB_BACKEND_IPV6))
		return LB_REASON_INTERNAL;
	lb_address_copy(family, entry->backend, backend->address);
	entry->backend_port = backend->port ? backend->port : entry->vip_port;
	entry->source_port = entry->client_port;
	lb_address_copy(family, entry->source, entry->client);
	if (service->flags & LB_SERVICE_SOURCE_INTERFACE) {
		entry->flags |= LB_CONN_SOURCE_TRANSLATED;
		lb_address_copy(family, entry->source, backend->source);
	} else if (service->flags & LB_SERVICE_FULLNAT ||
		   /* Hairpin: the backend would drop packets from its own address. */
		   lb_address_equal(family, entry->backend, entry->client)) {
		entry->flags |= LB_CONN_SOURCE_TRANSLATED;
		lb_address_copy(family, entry->source, entry->vip);
	}
	return lb_address_is_zero(entry->source) ? LB_REASON_NEXT_HOP_UNRESOLVED :
						   LB_REASON_FORWARDED;
}

/* The one's complement sum of the entry's addresses, new minus old. */
static __always_inline __u16 lb_entry_delta(const enum lb_family family,
					    const struct lb_conn *entry)
{
	__u64 sum = 0;

	for (int i = 0; i < (family == LB_IPV6 ? 4 : 1); i++) {
		sum += (__u64)entry->source[i] + entry->backend[i];
		sum += (__u64)(__u32)~entry->client[i] + (__u32)~entry->vip[i];
	}
	return lb_sum_fold(sum);
}

/* Where replies go. */
static __always_inline __u64 lb_entry_reply(const enum lb_family family, const struct lb_flow *flow,
					    const struct lb_service *service)
{
	__u32 route;

	if (service->flags & LB_SERVICE_LAST_HOP)
		return flow->came_from;
	if (family == LB_IPV4)
		route = lb_route_look4(flow->bank, flow->tuple.saddr[0]);
	else
		route = lb_route_find(family, flow->bank, flow->tuple.saddr);
	return lb_reply_by_route(route, flow->routes, flow->came_from);
}

/* The entry of a flow whose backend is chosen. */
static __always_inline enum lb_reason lb_entry_make(const enum lb_family family,
						    struct lb_flow *flow,
						    const struct lb_service *service, __u64 choice)
{
	struct lb_conn *entry = &flow->conn.entry;
	const struct lb_backend *backend;
	enum lb_reason reason;

	lb_entry_begin(family, flow, choice);
	backend = host_region(LB_REGION_BACKENDS, entry->backend_id);
	if (!backend || !(backend->flags & LB_BACKEND_USED))
		return LB_REASON_INTERNAL;
	/* From an interface that is attached and not in the tables yet: the sender tries again. */
	if (!flow->came_from)
		return LB_REASON_INTERFACE_GONE;
	if (!backend->hop)
		return LB_REASON_NEXT_HOP_UNRESOLVED;
	entry->reply = lb_entry_reply(family, flow, service);
	if (service->persist)
		entry->flags |= LB_CONN_AFFINE;
	if (service->flags & LB_SERVICE_ONE_SIDED)
		return lb_entry_direct(family, entry, service, backend);
	reason = lb_entry_translated(family, entry, service, backend);
	entry->address_delta = lb_entry_delta(family, entry);
	return reason;
}

static __always_inline enum lb_reason lb_insert_reason(int result)
{
	switch (result) {
	case LB_INSERT_DONE:
	case LB_INSERT_EXISTS:
		return LB_REASON_FORWARDED;
	case LB_INSERT_FULL:
		return LB_REASON_TABLE_FULL;
	case LB_INSERT_CONTENDED:
		return LB_REASON_TABLE_CONTENDED;
	case LB_INSERT_REVERSE_TAKEN:
		return LB_REASON_SOURCE_PORTS_EXHAUSTED;
	}
	return LB_REASON_INTERNAL;
}

/* The connection with a backend that is chosen and has counted it. */
static __always_inline enum lb_reason lb_admit_connect(const enum lb_family family,
						       struct lb_flow *flow,
						       const struct lb_service *service,
						       __u64 choice)
{
	enum lb_reason reason = lb_entry_make(family, flow, service, choice);
	int result;

	if (reason != LB_REASON_FORWARDED)
		return reason;
	flow->conn.family = family;
	flow->conn.state = LB_CONN_NEW;
	flow->conn.idle = service->idle;
	flow->conn.tick = flow->tick;
	result = lb_flow_insert(family, flow);
	flow->opened = result == LB_INSERT_DONE;
	if (flow->opened && service->persist)
		lb_affinity_put(flow, choice);
	return lb_insert_reason(result);
}

/* Why a packet to a service may not open a flow, or FORWARDED. */
static __always_inline enum lb_reason lb_admit_check(const enum lb_family family,
						     const struct lb_flow *flow,
						     const struct lb_service *service)
{
	if (lb_source_is_martian(family, &flow->tuple, flow->bank))
		return LB_REASON_MARTIAN_SOURCE;
	if (!lb_source_allowed(family, service, flow->tuple.saddr))
		return LB_REASON_SOURCE_DENIED;
	if (!service->slot_count)
		return lb_service_without(service);
	return lb_packet_opens(flow) ? LB_REASON_FORWARDED : LB_REASON_NO_FLOW;
}

/* Makes a connection for a forward packet that has none: FORWARDED, or why there is none. */
static __always_inline enum lb_reason lb_admit_flow(const enum lb_family family,
						    struct lb_flow *flow)
{
	const struct lb_vip *vip = lb_vip_find(family, flow->bank, flow->tuple.daddr);
	const struct lb_service *service;
	enum lb_reason reason;
	__u64 choice;

	if (!vip || vip->flags & LB_VIP_LOCAL)
		return LB_REASON_NOT_SERVICE;
	if (!lb_port_find(flow->bank, vip, flow->tuple.dport, flow->tuple.protocol, &flow->service))
		return LB_REASON_VIP_NO_PORT;
	service = host_region(LB_REGION_SERVICES,
			      flow->bank * host_config()->max_services + flow->service);
	if (!service || !(service->flags & LB_SERVICE_USED))
		return LB_REASON_INTERNAL;
	flow->service_flags = service->flags;
	flow->known = 1;
	reason = lb_admit_check(family, flow, service);
	if (reason != LB_REASON_FORWARDED)
		return reason;
	choice = lb_member_choose(family, flow, service, &reason);
	if (choice == LB_CHOICE_NONE)
		return reason;
	reason = lb_admit_connect(family, flow, service, choice);
	if (!flow->opened && flow->conn.counted)
		lb_load_give(choice >> LB_CHOICE_BACKEND_SHIFT);
	return reason;
}

#endif
