/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* User space as host of the core: regions are pointers. Include it before the core. */
#ifndef LB_HOST_USER_H
#define LB_HOST_USER_H

#include <linux/if_ether.h>
#include <time.h>

#include "host.h"
#include "user.h"

#define LB_SEAM static __attribute__((unused))

/* Whose regions the calling thread works on, while it is inside an exported function. */
static _Thread_local const struct lb_user *host_user_current;

static __always_inline void *host_region(enum lb_region region, __u32 index)
{
	const struct lb_user_region *at = &host_user_current->region[region];

	return index < at->count ? (char *)at->base + index * at->stride : NULL;
}

static __always_inline const volatile struct lb_config *host_config(void)
{
	return &host_user_current->config;
}

static __always_inline __u32 host_slot(void)
{
	return host_user_current->slot;
}

static __always_inline __u32 host_tick(void)
{
	struct timespec now;

	if (host_user_current->clock_set)
		return host_user_current->now_ns >> LB_TICK_SHIFT;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (now.tv_sec * 1000000000ULL + now.tv_nsec) >> LB_TICK_SHIFT;
}

typedef struct lb_packet lb_frame;

static __always_inline lb_frame *host_frame(struct lb_packet *packet)
{
	return packet;
}

static __always_inline struct lb_packet host_open(lb_frame *frame)
{
	return *frame;
}

static __always_inline void host_close(lb_frame *frame, const struct lb_packet *packet)
{
	*frame = *packet;
}

static __always_inline __u32 host_tick_kept(struct lb_control *control)
{
	(void)control;
	return host_tick();
}

static void host_stage_run(struct lb_packet *packet, enum lb_stage stage);

static __always_inline bool host_continue(struct lb_packet *packet, enum lb_stage stage)
{
	host_stage_run(packet, stage);
	return true;
}

static __always_inline __u32 host_packet_length(const struct lb_packet *packet)
{
	return (char *)packet->data_end - (char *)packet->data;
}

static __always_inline bool host_packet_trim(struct lb_packet *packet, __u32 length)
{
	if (length > host_packet_length(packet))
		return false;
	packet->data_end = (char *)packet->data + length;
	return true;
}

static __always_inline bool host_packet_grow_head(struct lb_packet *packet, __s32 bytes)
{
	const struct lb_user_frame *frame = packet->host;

	if ((char *)packet->data - (char *)frame->buffer < bytes ||
	    (char *)packet->data - bytes > (char *)packet->data_end - ETH_HLEN)
		return false;
	packet->data = (char *)packet->data - bytes;
	return true;
}

static __always_inline bool host_transmit(struct lb_packet *packet, __u32 slot, __u32 ifindex)
{
	packet->slot = slot;
	packet->verdict = ifindex == packet->ifindex ? LB_VERDICT_TX : LB_VERDICT_REDIRECT;
	return true;
}

static __always_inline bool host_ask(struct lb_packet *packet, __u32 slot)
{
	(void)packet;
	(void)slot;
	return false;
}

static __always_inline __u64 host_forget(__u64 value, __u64 unknown)
{
	(void)unknown;
	return value;
}

static __always_inline __u64 host_opaque(__u64 value)
{
	return value;
}

static __always_inline __u64 lb_load64(const __u64 *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static __always_inline void lb_store64(__u64 *at, __u64 value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static __always_inline __u64 lb_cas64(__u64 *at, __u64 expected, __u64 desired)
{
	__atomic_compare_exchange_n(at, &expected, desired, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	return expected;
}

static __always_inline __u64 lb_fetch_add64(__u64 *at, __u64 addend)
{
	return __atomic_fetch_add(at, addend, __ATOMIC_SEQ_CST);
}

static __always_inline __u32 lb_fetch_add32(__u32 *at, __u32 addend)
{
	return __atomic_fetch_add(at, addend, __ATOMIC_SEQ_CST);
}

static __always_inline void lb_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static __always_inline void *lb_after(void *pointer, __u64 loaded)
{
	(void)loaded;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return pointer;
}

#endif
