/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Source ports of ours, for flows whose source is rewritten. Ports are dealt in turn, each cpu
 * slot its own residue class, so that the one longest free comes up first and no two CPUs try
 * the same one.
 */
#ifndef LB_PORT_H
#define LB_PORT_H

#include "conn.h"
#include "parse.h"

/* Makes what an insert needs to know of an entry whose ends are complete. */
static __always_inline int lb_flow_prepare(const enum lb_family family, struct lb_flow *flow)
{
	struct lb_conn *entry;
	__u64 sum;

	if (!flow)
		return 0;
	entry = &flow->conn.entry;
	sum = (__u64)(__u16)~entry->client_port + (__u16)~entry->vip_port;
	sum += (__u64)entry->source_port + entry->backend_port + entry->address_delta;
	entry->transport_delta = lb_sum_fold(sum);
	lb_conn_reply(family, entry, &flow->reply);
	lb_conn_hash(family, &flow->reply, &flow->conn.reverse);
	return 1;
}

/* Of IPv6 in a function of its own: it is long, and on the stack of all that insert. */
LB_SEAM int lb_flow_prepare6(struct lb_flow *flow)
{
	return lb_flow_prepare(LB_IPV6, flow);
}

static __always_inline void lb_flow_ready(const enum lb_family family, struct lb_flow *flow)
{
	if (family == LB_IPV6)
		lb_flow_prepare6(flow);
	else
		lb_flow_prepare(LB_IPV4, flow);
}

/* The next source port of this cpu slot towards a backend. */
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

/* Gives the entry a source port, and says whether it may be used: enum lb_source_state. */
static __always_inline int lb_source_port_try(const enum lb_family family, struct lb_flow *flow,
					      __be16 port, __u32 *rested)
{
	flow->conn.entry.source_port = port;
	lb_flow_ready(family, flow);
	return lb_source_probe(family, &flow->reply, &flow->conn.reverse, flow->tick, rested);
}

/*
 * Gives an entry whose own source port would not do one of ours. A port that rests (the backend
 * may still be in TIME_WAIT) is passed over; where LB_SOURCE_RESTING probes find none better, the
 * longest rested is taken, and that is counted. LB_SOURCE_TAKEN: none is free.
 */
static __always_inline int lb_source_port_find(const enum lb_family family, struct lb_flow *flow)
{
	__u32 oldest = 0, rested = 0, backend;
	__be16 early = 0;

	if (!flow)
		return LB_SOURCE_TAKEN;
	backend = flow->conn.entry.backend_id;
	flow->conn.entry.flags |= LB_CONN_SOURCE_TRANSLATED;
	for (int probe = 0; probe < LB_SOURCE_PROBES; probe++) {
		__be16 port = lb_source_port_next(backend);
		int state = lb_source_port_try(family, flow, port, &rested);

		if (state == LB_SOURCE_VACANT)
			return state;
		if (state == LB_SOURCE_TAKEN) {
			if (probe % LB_SOURCE_RESTING == LB_SOURCE_RESTING - 1)
				lb_source_port_skip(backend);
			continue;
		}
		if (!early || rested > oldest) {
			early = port;
			oldest = rested;
		}
		if (probe >= LB_SOURCE_RESTING - 1)
			break;
	}
	if (!early)
		return LB_SOURCE_TAKEN;
	lb_conn_count(LB_CONN_SOURCE_EARLY);
	return lb_source_port_try(family, flow, early, &rested);
}

LB_SEAM int lb_source_port_find4(struct lb_flow *flow)
{
	return lb_source_port_find(LB_IPV4, flow);
}

LB_SEAM int lb_source_port_find6(struct lb_flow *flow)
{
	return lb_source_port_find(LB_IPV6, flow);
}

/*
 * Inserts a flow whose entry is complete, but for a source port of ours that it may need: enum
 * lb_insert_result. Two VIPs that lead one client end to one backend end are such a case: the
 * second gets a port of ours. A port that was free may be taken by now: some more are tried.
 */
static __always_inline int lb_flow_insert(const enum lb_family family, struct lb_flow *flow)
{
	int result = LB_INSERT_REVERSE_TAKEN;

	if (!(flow->conn.entry.flags & LB_CONN_SOURCE_TRANSLATED)) {
		if (!(flow->conn.entry.flags & LB_CONN_ONE_SIDED))
			lb_flow_ready(family, flow);
		result = lb_conn_insert(family, &flow->conn);
	}
	for (int i = 0; i < LB_INSERT_TRIES && result == LB_INSERT_REVERSE_TAKEN; i++) {
		int state = family == LB_IPV6 ? lb_source_port_find6(flow) :
						lb_source_port_find4(flow);

		if (state == LB_SOURCE_TAKEN)
			break;
		result = lb_conn_insert(family, &flow->conn);
	}
	return result;
}

#endif
