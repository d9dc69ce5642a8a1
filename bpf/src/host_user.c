// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The core compiled natively, and what Rust calls of it. */
#include "host_user.h"
#include "conn_tend.h"
#include "index.h"

/* The order of forwarding is forward.h's. */
#if __has_include("forward.h") && __has_include("conn.h")
#include "forward.h"
#else
static __always_inline void lb_forward(struct lb_packet *packet)
{
	packet->verdict = LB_VERDICT_PASS;
	packet->reason = LB_REASON_NOT_SERVICE;
}
#endif

void lb_user_forward(const struct lb_user *user, struct lb_user_frame *frame)
{
	__u8 *data = frame->buffer + frame->offset;
	struct lb_packet packet = {
		.data = data,
		.data_end = data + frame->length,
		.ifindex = frame->ifindex,
		.host = frame,
	};

	host_user_current = user;
	lb_forward(&packet);
	frame->offset = (__u8 *)packet.data - frame->buffer;
	frame->length = (__u8 *)packet.data_end - (__u8 *)packet.data;
	frame->verdict = packet.verdict;
	frame->slot = packet.slot;
	frame->reason = packet.reason;
}

__u32 lb_user_tick(const struct lb_user *user)
{
	host_user_current = user;
	return host_tick();
}

__u32 lb_user_filter_bit(const __u32 address[4], __be16 port, __u8 protocol, __u32 bits)
{
	return lb_filter_bit(address, port, protocol, bits);
}

void lb_user_vip_lines(const __u32 address[4], __u64 seed, __u32 count, __u32 line[2])
{
	lb_vip_lines(address, seed, count, line);
}

void lb_user_port_lines(__u64 key, __u64 seed, __u32 count, __u32 line[2])
{
	lb_port_lines(key, seed, count, line);
}

void lb_user_sweep(const struct lb_user *user, __u32 line, __u32 lines, struct lb_user_sweep *sweep)
{
	__u32 position, end, tick;

	host_user_current = user;
	tick = host_tick();
	end = (line + lines) * LB_LINE_WORDS;
	for (position = line * LB_LINE_WORDS; position < end; position++) {
		const __u64 *at = lb_word_at(LB_REGION_CONN_FORWARD, position);
		__u64 word;

		if (!at)
			return;
		word = lb_load64(at);
		if (lb_conn_sweep(position, word, tick)) {
			sweep->released++;
			continue;
		}
		sweep->busy += lb_word_state(word) == LB_CONN_BUSY;
		sweep->live += lb_word_is_live(word);
		sweep->confirmed += lb_word_is_confirmed(word);
	}
}

static __u32 positions(void)
{
	return host_config()->conn_lines * LB_LINE_WORDS;
}

__u64 lb_user_flush(const struct lb_user *user, __u32 service)
{
	__u64 flushed = 0;

	host_user_current = user;
	for (__u32 position = 0; position < positions(); position++)
		flushed += lb_conn_flush4(position, service, host_tick());
	return flushed;
}

__u64 lb_user_reap(const struct lb_user *user, __u32 slot)
{
	__u64 reaped = 0;

	host_user_current = user;
	for (__u32 position = 0; position < positions(); position++)
		reaped += lb_conn_reap(position, slot);
	return reaped;
}

bool lb_user_release(const struct lb_user *user, __u32 position)
{
	const __u64 *at;

	host_user_current = user;
	for (int i = 0; i < 64; i++) {
		at = lb_word_at(LB_REGION_CONN_FORWARD, position);
		if (!at || !lb_word_is_live(lb_load64(at)))
			return false;
		if (lb_conn_release(position, lb_load64(at), host_tick()))
			return true;
	}
	return false;
}

bool lb_user_conn(const struct lb_user *user, __u32 position, struct lb_user_conn *conn)
{
	__u64 word;

	host_user_current = user;
	if (!lb_conn_read4(position, &conn->entry, &word))
		return false;
	conn->state = lb_word_state(word);
	conn->idle = lb_word_idle(word, host_tick());
	conn->timeout = lb_word_timeout(word);
	return true;
}

__u32 lb_user_insert(const struct lb_user *user, const struct lb_conn4 *entry, __u32 state,
		     __u16 idle, __u32 *position)
{
	struct lb_insert insert = { .entry = *entry, .state = state, .idle = idle };
	struct lb_tuple4 tuple;
	__u32 result;

	host_user_current = user;
	insert.tick = host_tick();
	lb_conn_request4(entry, &tuple);
	lb_conn_hash4(&tuple, &insert.forward);
	lb_conn_reply4(entry, &tuple);
	lb_conn_hash4(&tuple, &insert.reverse);
	result = lb_conn_insert4(&insert);
	*position = insert.position;
	return result;
}

void lb_user_count(const struct lb_user *user, __u64 *by_backend, __u64 backends)
{
	struct lb_conn4 copy;
	__u64 word;

	host_user_current = user;
	for (__u32 position = 0; position < positions(); position++) {
		if (lb_conn_read4(position, &copy, &word) && copy.backend_id < backends)
			by_backend[copy.backend_id]++;
	}
}

__u16 lb_user_timeout_encode(__u32 ticks)
{
	return lb_timeout_encode(ticks);
}

__u32 lb_user_timeout_decode(__u16 code)
{
	return lb_timeout_decode(code);
}

__u32 lb_user_next_state(__u32 state, __u32 direction, __u8 protocol, __u8 tcp_flags)
{
	return lb_conn_next_state(state, direction, protocol, tcp_flags);
}
