/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The first packet of a flow: which service, which backend, which source port, and the entry
 * that answers those questions for every later packet.
 */
#ifndef LB_ADMIT_H
#define LB_ADMIT_H

#include "hop.h"
#include "parse.h"
#include "select.h"

/* A packet's flow: plain data, which may cross a seam. */
struct lb_flow {
	struct lb_tuple4 tuple;
	struct lb_insert conn; /* conn.forward: its hash; conn.entry: what is remembered of it */
	__u64 came_from; /* hop word back to the client's side */
	__u32 bank;
	__u32 routes; /* their generation */
	__u32 tick;
	__u32 tcp_flags;
	__u32 service; /* out, if known */
	__u32 service_flags; /* out */
	__u32 known; /* out: the service is */
	__u32 opened; /* out: nobody else made the connection meanwhile */
};

/* 0/8, 127/8, 224/4 and 240/4 send nothing to a service. */
static __always_inline bool lb_source_is_martian(const struct lb_tuple4 *tuple, __u32 bank)
{
	__u8 first = tuple->saddr & 0xff;

	if (first == 0 || first == 127 || first >= 224 || tuple->saddr == tuple->daddr)
		return true;
	return lb_vip_find4(bank, tuple->saddr);
}

static __always_inline enum lb_reason lb_admit_backend(struct lb_flow *flow,
						       const struct lb_service *service)
{
	struct lb_conn4 *entry = &flow->conn.entry;
	const struct lb_backend *backend;
	__u32 id;

	if (!lb_backend_select4(flow->service, service, &flow->tuple, &id))
		return LB_REASON_INTERNAL;
	backend = host_region(LB_REGION_BACKENDS, id);
	if (!backend || !(backend->flags & LB_BACKEND_USED))
		return LB_REASON_INTERNAL;
	entry->client = flow->tuple.saddr;
	entry->vip = flow->tuple.daddr;
	entry->client_port = flow->tuple.sport;
	entry->vip_port = flow->tuple.dport;
	entry->backend = backend->address[0];
	entry->backend_port = backend->port;
	entry->protocol = flow->tuple.protocol;
	entry->service = flow->service;
	entry->backend_id = id;
	entry->created = flow->tick;
	entry->source = entry->client;
	entry->source_port = entry->client_port;
	/* From an interface that is attached and not in the tables yet: the sender tries again. */
	if (!flow->came_from)
		return LB_REASON_INTERFACE_GONE;
	entry->reply = flow->came_from;
	if (!(service->flags & LB_SERVICE_LAST_HOP))
		entry->reply = lb_reply_by_route(lb_route_find4(flow->bank, entry->client),
						 flow->routes, flow->came_from);
	if (service->flags & LB_SERVICE_FULLNAT) {
		entry->flags = LB_CONN_SOURCE_TRANSLATED;
		entry->source = service->flags & LB_SERVICE_SOURCE_INTERFACE ? backend->source[0] :
									       entry->vip;
		if (!entry->source)
			return LB_REASON_NEXT_HOP_UNRESOLVED;
	} else if (entry->backend == entry->client) {
		/* Hairpin: the backend would drop packets from its own address. */
		entry->flags = LB_CONN_SOURCE_TRANSLATED;
		entry->source = entry->vip;
	}
	return backend->hop ? LB_REASON_FORWARDED : LB_REASON_NEXT_HOP_UNRESOLVED;
}

static __always_inline void lb_entry_deltas(struct lb_conn4 *entry)
{
	__u64 sum = (__u64)entry->source + entry->backend;

	sum += (__u64)(__u32)~entry->client + (__u32)~entry->vip;
	entry->address_delta = lb_sum_fold(sum);
	sum += (__u64)entry->source_port + entry->backend_port;
	sum += (__u64)(__u16)~entry->client_port + (__u16)~entry->vip_port;
	entry->transport_delta = lb_sum_fold(sum);
}

static __always_inline int lb_admit_insert(struct lb_flow *flow)
{
	struct lb_conn4 *entry = &flow->conn.entry;
	struct lb_tuple4 reverse = {
		.saddr = entry->backend,
		.daddr = entry->source,
		.sport = entry->backend_port,
		.dport = entry->source_port,
		.protocol = entry->protocol,
	};

	lb_entry_deltas(entry);
	lb_conn_hash4(&reverse, &flow->conn.reverse);
	return lb_conn_insert4(&flow->conn);
}

/*
 * The next source port of this cpu slot towards a backend. Ports are dealt in turn, each cpu
 * slot its own residue class, so that the one longest free comes up first and no two CPUs try
 * the same one.
 */
static __always_inline __be16 lb_source_port_next(__u32 backend)
{
	const volatile struct lb_config *config = host_config();
	__u32 slots = config->cpu_slots, slot = host_slot();
	__u32 span = config->source_port_last - config->source_port_first + 1;
	struct lb_traffic *traffic = host_region(LB_REGION_BACKEND_STATS,
						 slot * config->max_backends + backend);

	if (!traffic || !slots)
		return 0;
	if (span > slots)
		span -= span % slots;
	return lb_order16(config->source_port_first +
			  (traffic->source_cursor++ * slots + slot) % span);
}

/* Connections that were opened in a burst are neighbours: leaves the neighbourhood. */
static __always_inline void lb_source_port_skip(__u32 backend)
{
	const volatile struct lb_config *config = host_config();
	__u32 span = config->source_port_last - config->source_port_first + 1;
	struct lb_traffic *traffic = host_region(LB_REGION_BACKEND_STATS,
						 host_slot() * config->max_backends + backend);

	if (traffic && config->cpu_slots)
		traffic->source_cursor += span / config->cpu_slots / 8 | 1;
}

/*
 * Finds a source port for an entry whose own would not do, and inserts it. A port that rests
 * (the backend may still be in TIME_WAIT) is passed over; where LB_SOURCE_RESTING probes find none
 * better, the longest rested is taken, and that is counted.
 */
static __always_inline int lb_admit_translated(struct lb_flow *flow)
{
	struct lb_conn4 *entry = &flow->conn.entry;
	__u32 oldest = 0;
	__be16 early = 0;

	entry->flags = LB_CONN_SOURCE_TRANSLATED;
	for (int probe = 0; probe < LB_SOURCE_PROBES; probe++) {
		__u32 rested = 0;
		int state, result;

		entry->source_port = lb_source_port_next(entry->backend_id);
		state = lb_source_probe4(entry, flow->tick, &rested);
		if (state == LB_SOURCE_TAKEN) {
			if (probe % LB_SOURCE_RESTING == LB_SOURCE_RESTING - 1)
				lb_source_port_skip(entry->backend_id);
			continue;
		}
		if (state == LB_SOURCE_RESTS) {
			if (!early || rested > oldest) {
				early = entry->source_port;
				oldest = rested;
			}
			if (probe >= LB_SOURCE_RESTING - 1)
				break;
			continue;
		}
		result = lb_admit_insert(flow);
		if (result != LB_INSERT_REVERSE_TAKEN)
			return result;
	}
	if (!early)
		return LB_INSERT_REVERSE_TAKEN;
	entry->source_port = early;
	lb_conn_count(LB_CONN_SOURCE_EARLY);
	return lb_admit_insert(flow);
}

/* Makes a connection for a forward packet that has none: FORWARDED, or why there is none. */
static __always_inline enum lb_reason lb_admit_flow(struct lb_flow *flow)
{
	const struct lb_vip *vip = lb_vip_find4(flow->bank, flow->tuple.daddr);
	const struct lb_service *service;
	enum lb_reason reason;
	int result;

	if (!vip || vip->flags & LB_VIP_LOCAL)
		return LB_REASON_NOT_SERVICE;
	if (!lb_port_find(flow->bank, vip->id, flow->tuple.dport, flow->tuple.protocol,
			  &flow->service))
		return LB_REASON_VIP_NO_PORT;
	service = host_region(LB_REGION_SERVICES,
			      flow->bank * host_config()->max_services + flow->service);
	if (!service || !(service->flags & LB_SERVICE_USED))
		return LB_REASON_INTERNAL;
	flow->service_flags = service->flags;
	flow->known = 1;
	if (lb_source_is_martian(&flow->tuple, flow->bank))
		return LB_REASON_MARTIAN_SOURCE;
	if (!service->slot_count)
		return service->flags & LB_SERVICE_NO_BACKEND_PASS ? LB_REASON_NO_BACKEND_PASS :
								     LB_REASON_NO_BACKEND;
	if (flow->tuple.protocol == IPPROTO_TCP) {
		__u32 flags = flow->tcp_flags & (LB_TCP_SYN | LB_TCP_ACK | LB_TCP_RST);

		if (flags != LB_TCP_SYN &&
		    (flags != LB_TCP_ACK || !(service->flags & LB_SERVICE_PICK_UP)))
			return LB_REASON_NO_FLOW;
	}
	reason = lb_admit_backend(flow, service);
	if (reason != LB_REASON_FORWARDED)
		return reason;
	flow->conn.state = LB_CONN_NEW;
	flow->conn.idle = service->idle;
	flow->conn.tick = flow->tick;
	result = LB_INSERT_REVERSE_TAKEN;
	if (!(flow->conn.entry.flags & LB_CONN_SOURCE_TRANSLATED))
		result = lb_admit_insert(flow);
	/* Two VIPs that lead one client end to one backend end: the second gets a port of ours. */
	if (result == LB_INSERT_REVERSE_TAKEN)
		result = lb_admit_translated(flow);
	flow->opened = result == LB_INSERT_DONE;
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

#endif
