/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The order of forwarding, once.
 *
 *	link -> IP -> which direction? -> the flow's entry -> (none: admit) -> way out
 *	     -> rewrite, or leave as it is -> link header, tags, tunnel -> send
 *
 * Families and modes are variations of these steps: a function takes its family as a constant,
 * and a flow's entry holds its whole rewrite, so that an established packet asks nothing else.
 * Established untagged IPv4 is forwarded here and now. The rest goes on in a stage of its own
 * (enum lb_stage): IPv6, tagged frames and fragments, first packets and ICMP need more stack and
 * registers, and an established flow should not pay for them.
 *
 * One bit of the filter each says whether the destination may be a service and whether the
 * source may be a backend; a packet that is neither leaves untouched. Every packet ends in one
 * enum lb_reason, counted in lb_end(); or, if its reason is marked, a worker in user space is asked
 * (lb_config.ask), which counts it.
 */
#ifndef LB_FORWARD_H
#define LB_FORWARD_H

#include "passage.h"
#include "admit.h"
#include "nat.h"
#include "mss.h"
#include "answer.h"
#include "arp.h"
#include "icmp.h"
#include "redirect.h"

/* What the client of a flow that is refused gets. */
static __always_inline void lb_admit_answer(enum lb_reason reason, struct lb_passage *x)
{
	const struct lb_flow *flow = x->flow;
	bool tcp = flow->tuple.protocol == IPPROTO_TCP;

	if (reason == LB_REASON_NO_FLOW)
		lb_answer_with(x, LB_ANSWER_TCP_RESET, 0);
	if ((reason != LB_REASON_NO_BACKEND && reason != LB_REASON_BACKENDS_FULL) ||
	    flow->service_flags & LB_SERVICE_NO_BACKEND_DROP)
		return;
	lb_answer_with(x, tcp ? LB_ANSWER_TCP_RESET : LB_ANSWER_UNREACHABLE, 0);
}

/* Makes the connection of a packet that is to a service and of no known flow. */
static __always_inline enum lb_reason lb_flow_admit(const enum lb_family family,
						    struct lb_packet *p, struct lb_passage *x)
{
	struct lb_flow *flow = x->flow;
	enum lb_reason reason;

	flow->tuple = x->view.tuple;
	lb_conn_hash(family, &flow->tuple, &flow->conn.forward);
	flow->came_from = lb_hop_back(x->view.eth->h_source, p->ifindex, x->view.link.tags);
	flow->tcp_flags = x->view.tcp_flags;
	flow->known = 0;
	flow->opened = 0;
	reason = lb_admit_flow(family, flow);
	x->direction = LB_DIRECTION_FORWARD;
	x->found.position = flow->conn.position;
	x->found.word = flow->conn.word;
	if (reason == LB_REASON_FORWARDED)
		return reason;
	lb_admit_answer(reason, x);
	if (flow->known && reason > LB_REASON_NO_BACKEND_PASS)
		lb_traffic_drop(flow->service);
	return reason;
}

/*
 * A client that is answered by its last hop may have moved, and one that was behind a gateway may
 * have become a neighbour: so do its replies.
 */
static __always_inline void lb_last_hop_follow(const enum lb_family family, struct lb_packet *p,
					       struct lb_passage *x)
{
	const struct lb_conn *conn = &x->flow->conn.entry;
	const __u8 *mac = x->view.eth->h_source;
	__u64 hop;

	if (conn->reply & LB_HOP_VALID ? (conn->reply & LB_HOP_MAC) == lb_mac_load(mac) :
					 !lb_reply_stale(conn->reply, x->flow->routes))
		return;
	hop = lb_hop_back(mac, p->ifindex, x->view.link.tags);
	if (!(conn->reply & LB_HOP_VALID))
		hop = lb_reply_by_route(lb_route_find(family, x->flow->bank, conn->client),
					x->flow->routes, hop);
	if (hop)
		lb_reply_change(x->found.position, conn->reply, hop);
}

/* True if a found flow is over and the client opens another one with the same tuple. */
static __always_inline bool lb_flow_reopened(const struct lb_passage *x)
{
	const __u8 flags = x->view.tcp_flags & (LB_TCP_SYN | LB_TCP_ACK | LB_TCP_RST);

	return flags == LB_TCP_SYN && x->direction == LB_DIRECTION_FORWARD &&
	       lb_conn_reusable(x->found.word);
}

/* The largest segment that a service lets its clients and backends ask for; 0: any. */
static __always_inline __u32 lb_flow_mss(const struct lb_passage *x)
{
	const struct lb_service *service;

	service = host_region(LB_REGION_SERVICES, x->flow->bank * host_config()->max_services +
							  x->flow->conn.entry.service);
	return service ? service->mss : 0;
}

/* Rewrites and sends a packet whose connection is known. */
static __always_inline enum lb_reason lb_flow_send(const enum lb_family family, struct lb_packet *p,
						   struct lb_passage *x, bool opened)
{
	const struct lb_conn *conn = &x->flow->conn.entry;
	struct lb_view *view = &x->view;
	enum lb_reason reason;
	struct lb_way way;

	reason = lb_way_find(family, x, &way);
	if (reason != LB_REASON_FORWARDED)
		return reason;
	if (!opened) {
		lb_conn_seen(&x->found, x->direction, conn->flags, view->tuple.protocol,
			     view->tcp_flags, x->flow->tick);
		if (x->direction == LB_DIRECTION_FORWARD && !(conn->flags & LB_CONN_ONE_SIDED))
			lb_last_hop_follow(family, p, x);
	}
	if (!(conn->flags & LB_CONN_ONE_SIDED)) {
		if (lb_unlikely(view->tcp_flags & LB_TCP_SYN)) {
			__u32 mss = lb_flow_mss(x);

			if (mss)
				lb_mss_clamp(host_frame(p), mss);
		}
		lb_nat(family, p, view, conn, x->direction);
	}
	return lb_send(family, p, x, &way, opened);
}

/* Not reasons: what goes on in a stage. */
#define LB_REASON_STAGE(stage) (LB_REASON_COUNT + (stage))

/* A packet of a flow that is known, or the reason why it isn't one. */
static __always_inline __u32 lb_known_send(const enum lb_family family, struct lb_packet *p,
					   struct lb_passage *x)
{
	const __u32 first = LB_REASON_STAGE(family == LB_IPV6 ? LB_STAGE_FIRST6 : LB_STAGE_FIRST4);
	struct lb_control *control = host_region(LB_REGION_CONTROL, 0);
	enum lb_reason reason = lb_ports_find(family, p, &x->view);

	if (reason != LB_REASON_FORWARDED)
		return reason;
	if (!control)
		return LB_REASON_INTERNAL;
	lb_passage_see(x, control);
	if (!lb_flow_find(family, x, &x->view.tuple, &reason))
		return reason == LB_REASON_FORWARDED ? first : reason;
	x->flow->tick = host_tick_kept(control);
	if (lb_flow_reopened(x)) {
		lb_conn_release(x->found.position, x->found.word, x->flow->tick);
		return first;
	}
	return lb_flow_send(family, p, x, false);
}

static __always_inline enum lb_reason lb_first_send(const enum lb_family family,
						    struct lb_packet *p, struct lb_passage *x)
{
	enum lb_reason reason;

	if (!lb_parse_link(p, &x->view.link) || !lb_parse_ip(family, p, &x->view))
		return LB_REASON_TRUNCATED;
	reason = lb_ports_find(family, p, &x->view);
	if (reason != LB_REASON_FORWARDED)
		return reason;
	if (!lb_passage_begin(x))
		return LB_REASON_INTERNAL;
	reason = lb_flow_admit(family, p, x);
	if (reason != LB_REASON_FORWARDED)
		return reason;
	reason = lb_flow_send(family, p, x, x->flow->opened);
	/* Nobody has seen the flow: it is not one. */
	if (reason != LB_REASON_FORWARDED && x->flow->opened)
		lb_conn_release(x->found.position, x->found.word, x->flow->tick);
	return reason;
}

/* What an IP header's protocol says is in the packet. */
static __always_inline __u32 lb_packet_send(const enum lb_family family, struct lb_packet *p,
					    struct lb_passage *x)
{
	const __u8 icmp = family == LB_IPV6 ? LB_PROTOCOL_ICMP6 : LB_PROTOCOL_ICMP;

	if (x->view.tuple.protocol == icmp)
		return LB_REASON_STAGE(family == LB_IPV6 ? LB_STAGE_ICMP6 : LB_STAGE_ICMP4);
	if (x->view.eth->h_dest[0] & 1)
		return LB_REASON_NOT_SERVICE;
	if (x->view.tuple.protocol == IPPROTO_TCP || x->view.tuple.protocol == IPPROTO_UDP)
		return lb_known_send(family, p, x);
	return LB_REASON_NOT_SERVICE;
}

static __always_inline __u32 lb_ip_send(const enum lb_family family, struct lb_packet *p,
					struct lb_passage *x)
{
	if (!lb_parse_ip(family, p, &x->view))
		return LB_REASON_TRUNCATED;
	return lb_packet_send(family, p, x);
}

/* Whole packets only: what fragments need would weigh on all others. */
static __always_inline __u32 lb_whole_send(struct lb_packet *p, struct lb_passage *x)
{
	if (!lb_parse_ip(LB_IPV4, p, &x->view))
		return LB_REASON_TRUNCATED;
	if (x->view.fragment)
		return LB_REASON_STAGE(LB_STAGE_KNOWN4);
	return lb_packet_send(LB_IPV4, p, x);
}

static __always_inline __u32 lb_arp_send(struct lb_packet *p)
{
	__u32 result = lb_arp_frame(host_frame(p));

	p->verdict = result >> 8 & 0xff;
	return result & 0xff;
}

/* What a frame's EtherType says is in it. */
static __always_inline __u32 lb_frame_send(struct lb_packet *p, struct lb_passage *x)
{
	const struct ethhdr *eth = p->data;

	if ((void *)(eth + 1) > p->data_end)
		return LB_REASON_TRUNCATED;
	x->view.link.bytes = sizeof(*eth);
	x->view.link.tags = 0;
	x->view.link.protocol = eth->h_proto;
	if (eth->h_proto == lb_order16(ETH_P_IP))
		return lb_whole_send(p, x);
	if (eth->h_proto == lb_order16(ETH_P_IPV6))
		return LB_REASON_STAGE(LB_STAGE_KNOWN6);
	if (eth->h_proto == lb_order16(ETH_P_ARP))
		return lb_arp_send(p);
	if (lb_is_vlan(eth->h_proto))
		return LB_REASON_STAGE(LB_STAGE_KNOWN4);
	return LB_REASON_NOT_IP;
}

/* The same of a frame that may have tags, and of a packet that may be a fragment. */
static __always_inline __u32 lb_any_frame_send(struct lb_packet *p, struct lb_passage *x)
{
	struct lb_link *link = &x->view.link;

	if (!lb_parse_link(p, link))
		return LB_REASON_TRUNCATED;
	if (link->tags && lb_interface_find(p->ifindex, link->tags) >= LB_MAX_INTERFACES)
		return LB_REASON_VLAN_UNKNOWN;
	if (link->protocol == lb_order16(ETH_P_IP))
		return lb_ip_send(LB_IPV4, p, x);
	if (link->protocol == lb_order16(ETH_P_IPV6))
		return LB_REASON_STAGE(LB_STAGE_KNOWN6);
	if (link->protocol == lb_order16(ETH_P_ARP))
		return lb_arp_send(p);
	return LB_REASON_NOT_IP;
}

/* The one exit: the reason is counted, and what is neither sent nor passed may be answered. */
static __always_inline void lb_end(struct lb_packet *p, struct lb_cpu *cpu, __u32 reason)
{
	if (reason >= LB_REASON_COUNT) {
		if (host_continue(p, reason - LB_REASON_COUNT))
			return;
		reason = LB_REASON_INTERNAL;
	}
	p->reason = reason;
	cpu->reason[reason]++;
	if (reason <= LB_REASON_ECHO_ANSWERED)
		return;
	if (lb_is_asked(reason) && lb_ask(p)) {
		cpu->rx--;
		cpu->reason[reason]--;
		cpu->answer_kind = 0;
		return;
	}
	if (reason <= LB_REASON_NO_BACKEND_PASS) {
		host_pass(p);
		return;
	}
	host_drop(p);
	if (cpu->answer_kind && !host_continue(p, LB_STAGE_ANSWER))
		cpu->answer_kind = 0;
}

/* Forwards, answers, passes or drops a frame; the verdict is in the packet. */
static __always_inline void lb_forward(struct lb_packet *p)
{
	struct lb_cpu *cpu = host_region(LB_REGION_CPUS, host_slot());
	struct lb_flow flow = {};
	struct lb_passage x = { .cpu = cpu, .flow = &flow };

	host_pass(p);
	if (!cpu)
		return;
	cpu->rx++;
	lb_end(p, cpu, lb_frame_send(p, &x));
}

static __always_inline struct lb_flow *lb_flow_scratch_zeroed(void)
{
	struct lb_flow *flow = lb_flow_scratch();

	if (flow)
		__builtin_memset(flow, 0, sizeof(*flow));
	return flow;
}

/* LB_STAGE_KNOWN4 */
static __always_inline void lb_forward_known4(struct lb_packet *p)
{
	struct lb_cpu *cpu = host_region(LB_REGION_CPUS, host_slot());
	struct lb_passage x = { .cpu = cpu, .flow = lb_flow_scratch() };

	host_pass(p);
	if (cpu && x.flow)
		lb_end(p, cpu, lb_any_frame_send(p, &x));
}

/* LB_STAGE_KNOWN6 */
static __always_inline void lb_forward_known6(struct lb_packet *p)
{
	struct lb_cpu *cpu = host_region(LB_REGION_CPUS, host_slot());
	struct lb_passage x = { .cpu = cpu, .flow = lb_flow_scratch() };
	__u32 reason = LB_REASON_TRUNCATED;

	host_pass(p);
	if (!cpu || !x.flow)
		return;
	if (lb_parse_link(p, &x.view.link))
		reason = lb_ip_send(LB_IPV6, p, &x);
	lb_end(p, cpu, reason);
}

/* LB_STAGE_FIRST4 and LB_STAGE_FIRST6 */
static __always_inline void lb_forward_first(const enum lb_family family, struct lb_packet *p)
{
	struct lb_cpu *cpu = host_region(LB_REGION_CPUS, host_slot());
	struct lb_passage x = { .cpu = cpu, .flow = lb_flow_scratch() };

	host_pass(p);
	if (cpu && x.flow)
		lb_end(p, cpu, lb_first_send(family, p, &x));
}

/* LB_STAGE_ICMP4 and LB_STAGE_ICMP6 */
static __always_inline void lb_forward_icmp(const enum lb_family family, struct lb_packet *p)
{
	struct lb_cpu *cpu = host_region(LB_REGION_CPUS, host_slot());
	struct lb_passage x = { .cpu = cpu, .flow = lb_flow_scratch_zeroed() };
	__u32 reason = LB_REASON_TRUNCATED;

	host_pass(p);
	if (!cpu || !x.flow)
		return;
	if (lb_parse_link(p, &x.view.link))
		reason = lb_icmp_send(family, p, &x);
	cpu->answer_kind = 0; /* an error is never answered by one */
	lb_end(p, cpu, reason);
}

/* LB_STAGE_ANSWER: turns a dropped packet into an answer and sends it back, if it may. */
static __always_inline void lb_forward_answer(struct lb_packet *p)
{
	struct lb_cpu *cpu = host_region(LB_REGION_CPUS, host_slot());

	__u32 kind;

	host_drop(p);
	if (!cpu || !cpu->answer_kind)
		return;
	kind = cpu->answer_kind - 1;
	cpu->answer_kind = 0;
	lb_answer_send(p, kind, cpu->answer_mtu);
}

#endif
