/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The order of forwarding, once.
 *
 *	parse -> which direction? -> the flow's entry -> (none: admit) -> way out -> rewrite -> send
 *
 * Packets of known flows are forwarded here and now. First packets and ICMP go on in a stage of
 * their own (enum lb_stage): they need stack, and an established flow should not pay for a call.
 *
 * One bit of the filter each says whether the destination may be a service and whether the
 * source may be a backend; a packet that is neither leaves untouched. A flow's entry holds the
 * whole rewrite of both directions, so that an established packet asks nothing else. Every
 * packet ends in one enum lb_reason, counted in lb_forward().
 */
#ifndef LB_FORWARD_H
#define LB_FORWARD_H

#include "abi.h"
#include "host.h"
#include "checksum.h"
#include "index.h"
#include "conn.h"
#include "parse.h"
#include "select.h"
#include "hop.h"
#include "fragment.h"
#include "admit.h"
#include "nat.h"
#include "answer.h"
#include "arp.h"
#include "icmp.h"

/* What is known of a packet on its way through. */
struct lb_passage {
	struct lb_view view;
	struct lb_flow flow;
	struct lb_found found;
	enum lb_direction direction;
	__u32 answer; /* enum lb_answer if the packet is dropped, or LB_ANSWER_NONE */
	__u32 mtu; /* of the way out that is too small */
};

/* Finds the connection of a tuple; else false, and *reason says what the packet may be. */
static __always_inline bool lb_flow_find(struct lb_passage *x, const struct lb_tuple4 *tuple,
					 enum lb_reason *reason)
{
	struct lb_insert *conn = &x->flow.conn;
	bool forward = lb_filter_test(x->flow.bank, LB_DIRECTION_FORWARD, tuple->daddr,
				      tuple->dport, tuple->protocol);

	*reason = LB_REASON_NOT_SERVICE;
	x->direction = LB_DIRECTION_FORWARD;
	if (forward) {
		lb_conn_hash4(tuple, &conn->forward);
		if (lb_conn_find_forward4(tuple, &conn->forward, &conn->entry, &x->found))
			return true;
		*reason = LB_REASON_FORWARDED;
	}
	if (!lb_filter_test(x->flow.bank, LB_DIRECTION_REVERSE, tuple->saddr, tuple->sport,
			    tuple->protocol))
		return false;
	x->direction = LB_DIRECTION_REVERSE;
	if (!forward) {
		lb_conn_hash4(tuple, &conn->forward);
		*reason = LB_REASON_NO_FLOW_REPLY;
	}
	return lb_conn_find_reverse4(tuple, &conn->forward, &conn->entry, &x->found);
}

static __always_inline struct lb_traffic *lb_traffic_of_service(__u32 service)
{
	return host_region(LB_REGION_SERVICE_STATS,
			   host_slot() * host_config()->max_services + service);
}

static __always_inline struct lb_traffic *lb_traffic_of_backend(__u32 backend)
{
	return host_region(LB_REGION_BACKEND_STATS,
			   host_slot() * host_config()->max_backends + backend);
}

static __always_inline void lb_traffic_drop(__u32 service)
{
	struct lb_traffic *traffic = lb_traffic_of_service(service);

	if (traffic)
		traffic->dropped++;
}

static __always_inline void lb_traffic_add(struct lb_traffic *traffic, __u32 direction,
					   __u32 length, bool opened)
{
	if (!traffic)
		return;
	traffic->packets[direction & 1]++;
	traffic->bytes[direction & 1] += length;
	if (opened)
		traffic->connections++;
}

static __always_inline void lb_conn_add(__u32 position, __u32 length)
{
	struct lb_conn4 *entry = host_region(LB_REGION_CONN4, position);

	if (!entry)
		return;
	entry->packets++;
	entry->bytes += length;
}

/* What the client of a flow that is refused gets. */
static __always_inline __u32 lb_admit_answer(enum lb_reason reason, const struct lb_flow *flow)
{
	if (reason == LB_REASON_NO_FLOW)
		return LB_ANSWER_TCP_RESET;
	if (reason != LB_REASON_NO_BACKEND || flow->service_flags & LB_SERVICE_NO_BACKEND_DROP)
		return LB_ANSWER_NONE;
	return flow->tuple.protocol == IPPROTO_TCP ? LB_ANSWER_TCP_RESET : LB_ANSWER_UNREACHABLE;
}

/* Makes the connection of a packet that is to a service and of no known flow. */
static __always_inline enum lb_reason lb_flow_admit(struct lb_packet *p, struct lb_passage *x)
{
	struct lb_flow *flow = &x->flow;
	enum lb_reason reason;

	flow->tuple = x->view.tuple;
	lb_conn_hash4(&flow->tuple, &flow->conn.forward);
	flow->came_from = lb_hop_back(x->view.eth->h_source, p->ifindex);
	flow->tcp_flags = x->view.tcp_flags;
	reason = lb_admit_flow(flow);
	x->direction = LB_DIRECTION_FORWARD;
	x->found.position = flow->conn.position;
	x->found.word = flow->conn.word;
	if (reason == LB_REASON_FORWARDED)
		return reason;
	x->answer = lb_admit_answer(reason, flow);
	if (flow->known && reason > LB_REASON_NO_BACKEND_PASS)
		lb_traffic_drop(flow->service);
	return reason;
}

static __always_inline __u64 lb_flow_hop(const struct lb_passage *x)
{
	const struct lb_conn4 *conn = &x->flow.conn.entry;
	const struct lb_backend *backend;

	if (x->direction == LB_DIRECTION_REVERSE)
		return lb_reply_hop(conn->reply, x->flow.bank, x->flow.routes, conn->client,
				    x->found.position);
	backend = host_region(LB_REGION_BACKENDS, conn->backend_id);
	return backend ? lb_load64(&backend->hop) : 0;
}

/*
 * A client that is answered by its last hop may have moved, and one that was behind a gateway may
 * have become a neighbour: so do its replies.
 */
static __always_inline void lb_last_hop_follow(struct lb_packet *p, struct lb_passage *x)
{
	const struct lb_conn4 *conn = &x->flow.conn.entry;
	const __u8 *mac = x->view.eth->h_source;
	__u64 hop;

	if (conn->reply & LB_HOP_VALID ? (conn->reply & LB_HOP_MAC) == lb_mac_load(mac) :
					 !lb_reply_stale(conn->reply, x->flow.routes))
		return;
	hop = lb_hop_back(mac, p->ifindex);
	if (!(conn->reply & LB_HOP_VALID))
		hop = lb_reply_by_route(lb_route_again4(x->flow.bank, conn->client), x->flow.routes,
					hop);
	if (hop)
		lb_reply_change(x->found.position, conn->reply, hop);
}

static __always_inline enum lb_reason lb_way_find(struct lb_passage *x, struct lb_way *way)
{
	enum lb_reason reason = lb_way_check(&x->view, lb_flow_hop(x), way);

	if (reason == LB_REASON_TTL_EXPIRED)
		x->answer = LB_ANSWER_TIME_EXCEEDED;
	if (reason == LB_REASON_TOO_BIG) {
		x->mtu = way->mtu;
		if (x->view.ip->frag_off & lb_order16(LB_IP_DONT_FRAGMENT))
			x->answer = LB_ANSWER_TOO_BIG;
	}
	if (reason != LB_REASON_FORWARDED)
		lb_traffic_drop(x->flow.conn.entry.service);
	return reason;
}

static __always_inline enum lb_reason lb_send(struct lb_packet *p, struct lb_passage *x,
					      const struct lb_way *way, bool opened)
{
	const struct lb_conn4 *conn = &x->flow.conn.entry;

	lb_link_rewrite(x->view.eth, way);
	if (!host_transmit(p, way->slot, way->interface->ifindex)) {
		lb_traffic_drop(conn->service);
		return LB_REASON_INTERFACE_GONE;
	}
	lb_traffic_add(lb_traffic_of_service(conn->service), x->direction, x->view.length, opened);
	lb_traffic_add(lb_traffic_of_backend(conn->backend_id), x->direction, x->view.length,
		       opened);
	if (host_config()->features & LB_FEATURE_CONN_COUNTERS)
		lb_conn_add(x->found.position, x->view.length);
	return LB_REASON_FORWARDED;
}

/* True if a found flow is over and the client opens another one with the same tuple. */
static __always_inline bool lb_flow_reopened(const struct lb_passage *x)
{
	const __u8 flags = x->view.tcp_flags & (LB_TCP_SYN | LB_TCP_ACK | LB_TCP_RST);

	return flags == LB_TCP_SYN && x->direction == LB_DIRECTION_FORWARD &&
	       lb_conn_reusable(x->found.word);
}

/* The image that the packet sees from now on. */
static __always_inline void lb_passage_see(struct lb_passage *x, const struct lb_control *control)
{
	struct lb_seen seen = lb_image_see(control);

	x->flow.bank = seen.bank;
	x->flow.routes = seen.routes;
}

/* The ports of a packet: its own, or those its datagram's first fragment left. */
static __always_inline enum lb_reason lb_ports_find(const struct lb_packet *p, struct lb_view *view)
{
	if (view->fragment == LB_FRAGMENT_LATER)
		return lb_fragment_recall(view) ? LB_REASON_FORWARDED : LB_REASON_FRAGMENT_UNKNOWN;
	if (!lb_parse_transport(p, view))
		return LB_REASON_TRUNCATED;
	if (view->fragment == LB_FRAGMENT_FIRST)
		lb_fragment_remember(view);
	return LB_REASON_FORWARDED;
}

/* Rewrites and sends a packet whose connection is known. */
static __always_inline enum lb_reason lb_flow_send(struct lb_packet *p, struct lb_passage *x,
						   bool opened)
{
	struct lb_view *view = &x->view;
	enum lb_reason reason;
	struct lb_way way;

	reason = lb_way_find(x, &way);
	if (reason != LB_REASON_FORWARDED)
		return reason;
	if (!opened) {
		lb_conn_seen(&x->found, x->direction, view->tuple.protocol, view->tcp_flags,
			     x->flow.tick);
		if (x->direction == LB_DIRECTION_FORWARD)
			lb_last_hop_follow(p, x);
	}
	lb_nat4(p, view, &x->flow.conn.entry, x->direction);
	return lb_send(p, x, &way, opened);
}

/* The image and the time that a packet sees. */
static __always_inline bool lb_passage_begin(struct lb_passage *x)
{
	struct lb_control *control = host_region(LB_REGION_CONTROL, 0);

	if (!control)
		return false;
	lb_passage_see(x, control);
	x->flow.tick = host_tick_kept(control);
	return true;
}

/* Not reasons: what goes on in a stage. */
#define LB_REASON_STAGE(stage) (LB_REASON_COUNT + (stage))

static __always_inline __u32 lb_known_send(struct lb_packet *p, struct lb_passage *x)
{
	struct lb_control *control = host_region(LB_REGION_CONTROL, 0);
	enum lb_reason reason = lb_ports_find(p, &x->view);

	if (reason != LB_REASON_FORWARDED)
		return reason;
	if (!control)
		return LB_REASON_INTERNAL;
	lb_passage_see(x, control);
	if (!lb_flow_find(x, &x->view.tuple, &reason))
		return reason == LB_REASON_FORWARDED ? LB_REASON_STAGE(LB_STAGE_FIRST) : reason;
	x->flow.tick = host_tick_kept(control);
	if (lb_flow_reopened(x)) {
		lb_conn_release(x->found.position, x->found.word, x->flow.tick);
		return LB_REASON_STAGE(LB_STAGE_FIRST);
	}
	return lb_flow_send(p, x, false);
}

static __always_inline enum lb_reason lb_first_send(struct lb_packet *p, struct lb_passage *x)
{
	enum lb_reason reason;

	if (!lb_parse_ip(p, &x->view))
		return LB_REASON_TRUNCATED;
	reason = lb_ports_find(p, &x->view);
	if (reason != LB_REASON_FORWARDED)
		return reason;
	if (!lb_passage_begin(x))
		return LB_REASON_INTERNAL;
	reason = lb_flow_admit(p, x);
	return reason == LB_REASON_FORWARDED ? lb_flow_send(p, x, x->flow.opened) : reason;
}

static __always_inline enum lb_reason lb_icmp_send(struct lb_packet *p, struct lb_passage *x)
{
	struct lb_quote quote;
	enum lb_reason reason;
	struct lb_icmp *icmp;
	struct lb_way way;

	if (!lb_parse_ip(p, &x->view))
		return LB_REASON_TRUNCATED;
	if (x->view.eth->h_dest[0] & 1)
		return LB_REASON_NOT_SERVICE;
	icmp = x->view.transport;
	if (!lb_passage_begin(x))
		return LB_REASON_INTERNAL;
	if (x->view.fragment == LB_FRAGMENT_LATER)
		return LB_REASON_FRAGMENT_UNKNOWN;
	if ((void *)(icmp + 1) > p->data_end)
		return LB_REASON_TRUNCATED;
	if (!lb_icmp_is_error(icmp->type) || x->view.fragment)
		return lb_echo_answer(p, &x->view, x->flow.bank);
	/* An error goes to the source of what it quotes. */
	if (!lb_quote_parse(p, &x->view, &quote) || x->view.tuple.daddr != quote.tuple.daddr)
		return LB_REASON_ICMP_UNRELATED;
	if (!lb_flow_find(x, &quote.tuple, &reason))
		return reason == LB_REASON_NOT_SERVICE ? reason : LB_REASON_ICMP_UNRELATED;
	reason = lb_way_find(x, &way);
	if (reason != LB_REASON_FORWARDED)
		return reason;
	lb_error_rewrite(&x->view, &quote, &x->flow.conn.entry, x->direction);
	return lb_send(p, x, &way, false);
}

static __always_inline __u32 lb_forward4(struct lb_packet *p, struct lb_passage *x)
{
	if (!lb_parse_ip(p, &x->view))
		return LB_REASON_TRUNCATED;
	if (x->view.eth->h_dest[0] & 1)
		return LB_REASON_NOT_SERVICE;
	switch (x->view.tuple.protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return lb_known_send(p, x);
	case IPPROTO_ICMP:
		return LB_REASON_STAGE(LB_STAGE_ICMP);
	}
	return LB_REASON_NOT_SERVICE;
}

static __always_inline __u32 lb_arp_send(struct lb_packet *p)
{
	__u32 result = lb_arp_frame(host_frame(p));

	p->verdict = result >> 8 & 0xff;
	return result & 0xff;
}

static __always_inline __u32 lb_frame_send(struct lb_packet *p, struct lb_passage *x)
{
	const struct ethhdr *eth = p->data;

	if ((void *)(eth + 1) > p->data_end)
		return LB_REASON_TRUNCATED;
	if (eth->h_proto == lb_order16(ETH_P_IP))
		return lb_forward4(p, x);
	if (eth->h_proto == lb_order16(ETH_P_ARP))
		return lb_arp_send(p);
	return LB_REASON_NOT_IP;
}

/* The one exit: the reason is counted, and what is neither sent nor passed may be answered. */
static __always_inline void lb_end(struct lb_packet *p, const struct lb_passage *x,
				   struct lb_cpu *cpu, __u32 reason)
{
	p->reason = reason;
	if (reason < LB_MAX_REASONS)
		cpu->reason[reason]++;
	if (reason <= LB_REASON_ECHO_ANSWERED)
		return;
	if (reason <= LB_REASON_NO_BACKEND_PASS) {
		host_pass(p);
		return;
	}
	host_drop(p);
	if (x->answer != LB_ANSWER_NONE)
		p->verdict = lb_answer_frame(host_frame(p), x->answer, x->mtu);
}

/* Forwards, answers, passes or drops a frame; the verdict is in the packet. */
static __always_inline void lb_forward(struct lb_packet *p)
{
	struct lb_cpu *cpu = host_region(LB_REGION_CPUS, host_slot());
	struct lb_passage x = { .answer = LB_ANSWER_NONE };
	__u32 reason;

	host_pass(p);
	if (!cpu)
		return;
	cpu->rx++;
	reason = lb_frame_send(p, &x);
	if (reason >= LB_REASON_COUNT) {
		if (host_continue(p, reason - LB_REASON_COUNT))
			return;
		reason = LB_REASON_INTERNAL;
	}
	lb_end(p, &x, cpu, reason);
}

/* LB_STAGE_FIRST */
static __always_inline void lb_forward_first(struct lb_packet *p)
{
	struct lb_cpu *cpu = host_region(LB_REGION_CPUS, host_slot());
	struct lb_passage x = { .answer = LB_ANSWER_NONE };

	host_pass(p);
	if (cpu)
		lb_end(p, &x, cpu, lb_first_send(p, &x));
}

/* LB_STAGE_ICMP */
static __always_inline void lb_forward_icmp(struct lb_packet *p)
{
	struct lb_cpu *cpu = host_region(LB_REGION_CPUS, host_slot());
	struct lb_passage x = { .answer = LB_ANSWER_NONE };
	__u32 reason;

	host_pass(p);
	if (!cpu)
		return;
	reason = lb_icmp_send(p, &x);
	x.answer = LB_ANSWER_NONE; /* an error is never answered by one */
	lb_end(p, &x, cpu, reason);
}

#endif
