/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A packet on its way through: what is known of it, and the steps that every kind of packet
 * shares: find its flow, find its way out, count it, send it.
 */
#ifndef LB_PASSAGE_H
#define LB_PASSAGE_H

#include "conn.h"
#include "fragment.h"
#include "link.h"
#include "parse.h"
#include "select.h"
#include "tunnel.h"
#include "way.h"

struct lb_passage {
	struct lb_view view;
	struct lb_flow *flow;
	struct lb_found found;
	enum lb_direction direction;
	struct lb_cpu *cpu;
};

/* A flow too big for the stack: this cpu slot's own, with what the packet before left in it. */
static __always_inline struct lb_flow *lb_flow_scratch(void)
{
	_Static_assert(sizeof(struct lb_flow) <= sizeof(struct lb_scratch), "a flow fits");
	return host_region(LB_REGION_SCRATCH, host_slot());
}

/*
 * Says what the sender of a packet that is dropped gets. It waits in memory, because few packets
 * have one: lb_end() finds it there.
 */
static __always_inline void lb_answer_with(struct lb_passage *x, enum lb_answer answer, __u32 mtu)
{
	x->cpu->answer_kind = answer + 1;
	x->cpu->answer_mtu = mtu;
}

/* The image that the packet sees from now on. */
static __always_inline void lb_passage_see(struct lb_passage *x, const struct lb_control *control)
{
	struct lb_seen seen = lb_image_see(control);

	x->flow->bank = seen.bank;
	x->flow->routes = seen.routes;
	x->flow->wild = seen.wild;
}

/* The image and the time that a packet sees. */
static __always_inline bool lb_passage_begin(struct lb_passage *x)
{
	struct lb_control *control = host_region(LB_REGION_CONTROL, 0);

	if (!control)
		return false;
	lb_passage_see(x, control);
	x->flow->tick = host_tick_kept(control);
	return true;
}

/* The ports of a packet: its own, or those its datagram's first fragment left. */
static __always_inline enum lb_reason lb_ports_find(const enum lb_family family,
						    const struct lb_packet *p, struct lb_view *view)
{
	if (view->fragment == LB_FRAGMENT_LATER)
		return lb_fragment_recall(family, view) ? LB_REASON_FORWARDED :
							  LB_REASON_FRAGMENT_UNKNOWN;
	if (!lb_parse_transport(p, view))
		return LB_REASON_TRUNCATED;
	if (view->fragment == LB_FRAGMENT_FIRST)
		lb_fragment_remember(family, view);
	return LB_REASON_FORWARDED;
}

/* Finds the connection of a tuple; else false, and *reason says what the packet may be. */
static __always_inline bool lb_flow_find(const enum lb_family family, struct lb_passage *x,
					 const struct lb_tuple *tuple, enum lb_reason *reason)
{
	struct lb_conn *entry = &x->flow->conn.entry;
	struct lb_hash request, reply;
	bool forward = lb_filter_test(family, x->flow->bank, x->flow->wild, LB_DIRECTION_FORWARD,
				      tuple->daddr, tuple->dport, tuple->protocol);

	*reason = LB_REASON_NOT_SERVICE;
	x->direction = LB_DIRECTION_FORWARD;
	if (forward) {
		lb_conn_hash_first(family, tuple, &request);
		if (lb_conn_find_forward(family, tuple, &request, entry, &x->found))
			return true;
		*reason = LB_REASON_FORWARDED;
	}
	if (!lb_filter_test(family, x->flow->bank, x->flow->wild, LB_DIRECTION_REVERSE,
			    tuple->saddr, tuple->sport, tuple->protocol))
		return false;
	x->direction = LB_DIRECTION_REVERSE;
	if (!forward)
		*reason = LB_REASON_NO_FLOW_REPLY;
	/* Made again, if need be: kept, it would be in the way of all that find theirs at once. */
	lb_conn_hash_first(family, tuple, &reply);
	return lb_conn_find_reverse(family, tuple, &reply, entry, &x->found);
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

/* The way out of a packet whose connection is known. */
static __always_inline enum lb_reason lb_way_find(const enum lb_family family, struct lb_passage *x,
						  struct lb_way *way)
{
	const struct lb_conn *conn = &x->flow->conn.entry;
	const struct iphdr *ip = x->view.ip;
	const struct lb_backend *backend;
	enum lb_reason reason;

	way->hop = 0;
	if (x->direction == LB_DIRECTION_REVERSE) {
		way->hop = lb_reply_hop(family, conn, x->flow->bank, x->flow->routes,
					x->found.position);
	} else {
		backend = host_region(LB_REGION_BACKENDS, conn->backend_id);
		if (backend)
			way->hop = lb_load64(&backend->hop);
	}
	reason = lb_way_check(family, &x->view, conn->flags, way);
	if (reason == LB_REASON_TTL_EXPIRED)
		lb_answer_with(x, LB_ANSWER_TIME_EXCEEDED, 0);
	if (reason == LB_REASON_TOO_BIG &&
	    (family == LB_IPV6 || way->overhead || ip->frag_off & lb_order16(LB_IP_DONT_FRAGMENT)))
		lb_answer_with(x, LB_ANSWER_TOO_BIG, way->interface->mtu - way->overhead);
	if (reason != LB_REASON_FORWARDED)
		lb_traffic_drop(conn->service);
	return reason;
}

/*
 * Gives the frame the shape that its way asks for: other tags, outer headers. Pointers into the
 * packet must be derived again.
 */
static __always_inline bool lb_frame_shape(const enum lb_family family, struct lb_packet *p,
					   struct lb_passage *x, const struct lb_way *way)
{
	const struct lb_conn *conn = &x->flow->conn.entry;
	const __u32 link = way->interface->link & 31, overhead = way->overhead & 63;
	const __s32 grow = link + overhead - lb_link_bytes(&x->view.link);
	const __u8 class = lb_service_class(family, x->view.ip);
	__be16 protocol = lb_order16(family == LB_IPV6 ? ETH_P_IPV6 : ETH_P_IP);
	const struct lb_backend *backend;

	if (grow && !host_packet_grow_head(p, grow))
		return false;
	if (overhead)
		protocol = lb_order16(conn->flags & LB_CONN_BACKEND_IPV6 ? ETH_P_IPV6 : ETH_P_IP);
	if (!lb_link_write(p, way, protocol))
		return false;
	if (!overhead)
		return true;
	backend = host_region(LB_REGION_BACKENDS, conn->backend_id);
	if (!backend)
		return false;
	if (p->data + link + sizeof(struct ipv6hdr) + sizeof(struct udphdr) > p->data_end)
		return false;
	lb_tunnel_write(family, p->data + link, conn, backend, overhead, class, x->view.length,
			lb_tunnel_mark(x->found.position));
	return true;
}

/* Sends a packet that is rewritten as far as its IP header and beyond. */
static __always_inline enum lb_reason lb_send(const enum lb_family family, struct lb_packet *p,
					      struct lb_passage *x, const struct lb_way *way,
					      bool opened)
{
	const struct lb_conn *conn = &x->flow->conn.entry;
	const __u32 length = x->view.length;

	if (lb_likely(!way->overhead && !way->interface->tags &&
		      lb_link_bytes(&x->view.link) == sizeof(struct ethhdr))) {
		lb_macs_write(x->view.eth, way);
	} else if (!lb_frame_shape(family, p, x, way)) {
		lb_traffic_drop(conn->service);
		return LB_REASON_INTERNAL;
	}
	if (!host_transmit(p, way->slot, way->interface->ifindex)) {
		lb_traffic_drop(conn->service);
		return LB_REASON_INTERFACE_GONE;
	}
	lb_traffic_add(lb_traffic_of_service(conn->service), x->direction, length, opened);
	lb_traffic_add(lb_traffic_of_backend(conn->backend_id), x->direction, length, opened);
	if (host_config()->features & LB_FEATURE_CONN_COUNTERS)
		lb_conn_add(x->found.position, length);
	return LB_REASON_FORWARDED;
}

#endif
