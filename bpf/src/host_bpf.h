/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The kernel as host of the core: regions are mmapable arrays. Include it before the core. */
#ifndef LB_HOST_BPF_H
#define LB_HOST_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "host.h"

#define LB_SEAM __attribute__((noinline))

/* Filled in before loading. It must stay volatile: the compiler sees zeroes. */
const volatile struct lb_config lb_config = {};

/* User space sets max_entries before loading (region.rs). A value's size is a multiple of 8. */
#define LB_REGION(name, element)                   \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);  \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, 1);            \
		__type(key, __u32);                \
		__type(value, element);            \
	} name SEC(".maps")

LB_REGION(control, struct lb_control);
LB_REGION(banks, struct lb_bank);
LB_REGION(filter, __u64);
LB_REGION(vips, struct lb_vip_line);
LB_REGION(ports, struct lb_port_line);
LB_REGION(services, struct lb_service);
LB_REGION(routes, struct lb_route_node);
LB_REGION(slots, __u64);
LB_REGION(members, struct lb_member);
LB_REGION(sources, struct lb_boundary);
LB_REGION(backends, struct lb_backend);
LB_REGION(loads, __u64);
LB_REGION(hops, __u64);
LB_REGION(interfaces, struct lb_interface);
LB_REGION(cursors, __u64);
LB_REGION(cpus, struct lb_cpu);
LB_REGION(service_stats, struct lb_traffic);
LB_REGION(backend_stats, struct lb_traffic);
LB_REGION(conn_forward, struct lb_line);
LB_REGION(conn_reverse, struct lb_line);
LB_REGION(conn4, struct lb_conn4);
LB_REGION(conn6, struct lb_conn6);
LB_REGION(affinity, struct lb_affinity_line);
LB_REGION(source_stamps, struct lb_stamps);
LB_REGION(fragments, struct lb_line);
LB_REGION(scratch, struct lb_scratch);
#undef LB_REGION

static __always_inline void *host_region(enum lb_region region, __u32 index)
{
	switch (region) {
	case LB_REGION_CONTROL:
		return bpf_map_lookup_elem(&control, &index);
	case LB_REGION_BANKS:
		return bpf_map_lookup_elem(&banks, &index);
	case LB_REGION_FILTER:
		return bpf_map_lookup_elem(&filter, &index);
	case LB_REGION_VIPS:
		return bpf_map_lookup_elem(&vips, &index);
	case LB_REGION_PORTS:
		return bpf_map_lookup_elem(&ports, &index);
	case LB_REGION_SERVICES:
		return bpf_map_lookup_elem(&services, &index);
	case LB_REGION_ROUTES:
		return bpf_map_lookup_elem(&routes, &index);
	case LB_REGION_SLOTS:
		return bpf_map_lookup_elem(&slots, &index);
	case LB_REGION_MEMBERS:
		return bpf_map_lookup_elem(&members, &index);
	case LB_REGION_SOURCES:
		return bpf_map_lookup_elem(&sources, &index);
	case LB_REGION_BACKENDS:
		return bpf_map_lookup_elem(&backends, &index);
	case LB_REGION_LOADS:
		return bpf_map_lookup_elem(&loads, &index);
	case LB_REGION_HOPS:
		return bpf_map_lookup_elem(&hops, &index);
	case LB_REGION_INTERFACES:
		return bpf_map_lookup_elem(&interfaces, &index);
	case LB_REGION_CURSORS:
		return bpf_map_lookup_elem(&cursors, &index);
	case LB_REGION_CPUS:
		return bpf_map_lookup_elem(&cpus, &index);
	case LB_REGION_SERVICE_STATS:
		return bpf_map_lookup_elem(&service_stats, &index);
	case LB_REGION_BACKEND_STATS:
		return bpf_map_lookup_elem(&backend_stats, &index);
	case LB_REGION_CONN_FORWARD:
		return bpf_map_lookup_elem(&conn_forward, &index);
	case LB_REGION_CONN_REVERSE:
		return bpf_map_lookup_elem(&conn_reverse, &index);
	case LB_REGION_CONN4:
		return bpf_map_lookup_elem(&conn4, &index);
	case LB_REGION_CONN6:
		return bpf_map_lookup_elem(&conn6, &index);
	case LB_REGION_AFFINITY:
		return bpf_map_lookup_elem(&affinity, &index);
	case LB_REGION_SOURCE_STAMPS:
		return bpf_map_lookup_elem(&source_stamps, &index);
	case LB_REGION_FRAGMENTS:
		return bpf_map_lookup_elem(&fragments, &index);
	case LB_REGION_SCRATCH:
		return bpf_map_lookup_elem(&scratch, &index);
	default:
		return NULL;
	}
}

/* Persists sizes and secrets beside the other pins; programs read lb_config. (The skeleton's generated
 * code has a variable named config.) */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_config);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, LB_MAX_INTERFACES);
	__type(key, __u32);
	__type(value, __u32);
} devmap SEC(".maps");

/* The sockets of workers. A place is that of a row of `queues`. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, LB_MAX_INTERFACES *LB_MAX_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} xskmap SEC(".maps");

static __always_inline const volatile struct lb_config *host_config(void)
{
	return &lb_config;
}

static __always_inline __u32 host_slot(void)
{
	return bpf_get_smp_processor_id();
}

static __always_inline __u32 host_tick(void)
{
	return bpf_ktime_get_coarse_ns() >> LB_TICK_SHIFT;
}

static __always_inline __u32 host_tick_kept(struct lb_control *control)
{
	__u32 mark = bpf_jiffies64() >> 6;

	if (control->tick_mark != mark) {
		control->tick = host_tick();
		control->tick_mark = mark;
	}
	return control->tick;
}

/* ctx's fields must be read straight from ctx: the verifier refuses a moved pointer. */
static __always_inline void host_packet_derive(struct lb_packet *packet, struct xdp_md *ctx)
{
	packet->data = (void *)(long)ctx->data;
	packet->data_end = (void *)(long)ctx->data_end;
}

static __always_inline struct lb_packet host_packet(struct xdp_md *ctx)
{
	struct lb_packet packet = { .ifindex = ctx->ingress_ifindex, .host = ctx };

	host_packet_derive(&packet, ctx);
	return packet;
}

typedef struct xdp_md lb_frame;

static __always_inline lb_frame *host_frame(struct lb_packet *packet)
{
	return packet->host;
}

static __always_inline struct lb_packet host_open(lb_frame *frame)
{
	return host_packet(frame);
}

static __always_inline void host_close(lb_frame *frame, const struct lb_packet *packet)
{
	(void)frame;
	(void)packet;
}

static __always_inline __u32 host_packet_length(const struct lb_packet *packet)
{
	return bpf_xdp_get_buff_len(packet->host);
}

static __always_inline bool host_packet_trim(struct lb_packet *packet, __u32 length)
{
	struct xdp_md *ctx = packet->host;
	long failure = bpf_xdp_adjust_tail(ctx, (int)length - (int)bpf_xdp_get_buff_len(ctx));

	host_packet_derive(packet, ctx);
	return failure == 0;
}

static __always_inline bool host_packet_grow_head(struct lb_packet *packet, __s32 bytes)
{
	struct xdp_md *ctx = packet->host;
	long failure = bpf_xdp_adjust_head(ctx, -bytes);

	host_packet_derive(packet, ctx);
	return failure == 0;
}

static __always_inline bool host_transmit(struct lb_packet *packet, __u32 slot, __u32 ifindex)
{
	packet->slot = slot;
	if (ifindex == packet->ifindex)
		packet->verdict = LB_VERDICT_TX;
	else
		packet->verdict = bpf_redirect_map(&devmap, slot, XDP_DROP);
	return packet->verdict != LB_VERDICT_DROP;
}

static __always_inline bool host_ask(struct lb_packet *packet, __u32 slot)
{
	struct xdp_md *ctx = packet->host;
	__u32 queue = ctx->rx_queue_index;

	if (slot >= LB_MAX_INTERFACES || queue >= LB_MAX_QUEUES ||
	    bpf_redirect_map(&xskmap, slot * LB_MAX_QUEUES + queue, XDP_DROP) != XDP_REDIRECT)
		return false;
	packet->verdict = LB_VERDICT_REDIRECT;
	return true;
}

static __always_inline __u64 host_forget(__u64 value, __u64 unknown)
{
	value ^= unknown;
	asm volatile("" : "+r"(value));
	return value ^ unknown;
}

static __always_inline __u64 host_opaque(__u64 value)
{
	asm volatile("" : "+r"(value));
	return value;
}

static __always_inline __u64 lb_load64(const __u64 *at)
{
	return *(const volatile __u64 *)at;
}

static __always_inline void lb_store64(__u64 *at, __u64 value)
{
	*(volatile __u64 *)at = value;
}

static __always_inline __u64 lb_cas64(__u64 *at, __u64 expected, __u64 desired)
{
	return __sync_val_compare_and_swap(at, expected, desired);
}

static __always_inline __u64 lb_fetch_add64(__u64 *at, __u64 addend)
{
	return __sync_fetch_and_add(at, addend);
}

static __always_inline __u32 lb_fetch_add32(__u32 *at, __u32 addend)
{
	return __sync_fetch_and_add(at, addend);
}

static __always_inline void lb_barrier(void)
{
	asm volatile("" ::: "memory");
}

static __always_inline void *lb_after(void *pointer, __u64 loaded)
{
#ifdef __TARGET_ARCH_x86
	(void)loaded;
	lb_barrier();
	return pointer;
#else
	asm volatile("%0 &= 0" : "+r"(loaded)::"memory");
	return pointer + loaded;
#endif
}

#endif
