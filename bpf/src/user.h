/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the user host exports to Rust (user.rs); bindgen reads this file. */
#ifndef LB_USER_H
#define LB_USER_H

#include <stdbool.h>

#include "abi.h"

/* Room before a frame for host_packet_grow_head(), as XDP has. */
#define LB_USER_HEADROOM 256

struct lb_user_region {
	void *base;
	__u64 stride;
	__u64 count;
};

/* One per thread that runs the core; regions may be shared. */
struct lb_user {
	struct lb_user_region region[LB_REGION_COUNT];
	struct lb_config config;
	__u32 slot;
	__u32 clock_set; /* now_ns is the clock, else CLOCK_MONOTONIC_COARSE */
	__u64 now_ns;
};

struct lb_user_frame {
	__u8 *buffer; /* at least LB_USER_HEADROOM bytes, then the frame; what is behind it stays */
	__u32 offset; /* of the frame in the buffer */
	__u32 length;
	__u32 ifindex;
	__u32 verdict; /* enum lb_verdict */
	__u32 slot;
	__u32 reason;
};

void lb_user_forward(const struct lb_user *user, struct lb_user_frame *frame);

/*
 * What the redirector would do with a frame, which stays as it is: 0, it passes and `reason` says
 * why; 1, it is for a worker.
 */
__u32 lb_user_sift(const struct lb_user *user, struct lb_user_frame *frame);
__u32 lb_user_tick(const struct lb_user *user);

/* Where the core looks for published records (index.h). */
__u32 lb_user_filter_bit(const __u32 address[4], __be16 port, __u8 protocol, __u32 bits);
void lb_user_vip_lines(const __u32 address[4], __u64 seed, __u32 count, __u32 line[2]);
void lb_user_port_lines(__u64 key, __u64 seed, __u32 count, __u32 line[2]);

/* The connection table (conn_tend.h). */
struct lb_user_sweep {
	__u32 live; /* after the sweep */
	__u32 confirmed; /* of them */
	__u32 released;
	__u32 busy;
};

struct lb_user_conn {
	struct lb_conn6 entry; /* of either family; an IPv4 address is word 0 */
	bool ipv6;
	__u32 state; /* enum lb_conn_state */
	__u32 idle; /* ticks since it was last seen */
	__u32 timeout; /* ticks */
};

void lb_user_sweep(const struct lb_user *user, __u32 line, __u32 lines,
		   struct lb_user_sweep *sweep);
__u64 lb_user_flush(const struct lb_user *user, __u32 service);
/* Ends a service's flows whose client it denies in the active bank. */
__u64 lb_user_flush_denied(const struct lb_user *user, __u32 service);
/* Frees what dead hosts of some cpu slots had claimed. */
__u64 lb_user_reap(const struct lb_user *user, __u32 first, __u32 count);
bool lb_user_release(const struct lb_user *user, __u32 position);
bool lb_user_conn(const struct lb_user *user, __u32 position, struct lb_user_conn *conn);
/* Makes a connection: enum lb_insert_result. */
__u32 lb_user_insert(const struct lb_user *user, bool ipv6, const struct lb_conn6 *entry,
		     __u32 state, __u16 idle, __u32 *position);
void lb_user_count(const struct lb_user *user, __u64 *by_backend, __u64 backends);
__u16 lb_user_timeout_encode(__u32 ticks);
__u32 lb_user_timeout_decode(__u16 code);
__u32 lb_user_next_state(__u32 state, __u32 direction, __u8 protocol, __u8 tcp_flags);
__u32 lb_user_next_state_one_sided(__u32 state, __u8 protocol, __u8 tcp_flags);

#endif
