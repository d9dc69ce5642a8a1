// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The core compiled natively, and what Rust calls of it. */
#include "host_user.h"
#include "conn_tend.h"
#include "forward.h"
#include "host_user_stage.h"
#include "index.h"
#include "load.h"

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

__u32 lb_user_sift(const struct lb_user *user, struct lb_user_frame *frame)
{
	__u8 *data = frame->buffer + frame->offset;
	struct lb_packet packet = {
		.data = data,
		.data_end = data + frame->length,
		.ifindex = frame->ifindex,
		.host = frame,
	};
	struct lb_flow *flow;
	__u32 reason = LB_SIFT_ASK;

	host_user_current = user;
	flow = lb_flow_scratch();
	if (flow)
		reason = lb_sift(&packet, flow, LB_SIFT_ONLY_READS);
	if (reason == LB_SIFT_ASK)
		return 1;
	frame->reason = reason;
	return 0;
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

static __u64 flush(__u32 service, const struct lb_service *denied_by)
{
	__u64 flushed = 0;

	for (__u32 position = 0; position < lb_conn_positions(); position++)
		flushed += lb_conn_flush(position, service, denied_by, host_tick());
	return flushed;
}

__u64 lb_user_flush(const struct lb_user *user, __u32 service)
{
	host_user_current = user;
	return flush(service, NULL);
}

__u64 lb_user_flush_denied(const struct lb_user *user, __u32 service)
{
	const struct lb_control *control;
	const struct lb_service *record;
	__u32 bank;

	host_user_current = user;
	control = host_region(LB_REGION_CONTROL, 0);
	if (!control || service >= host_config()->max_services)
		return 0;
	bank = *(const volatile __u32 *)&control->active & LB_ACTIVE_BANK;
	record = host_region(LB_REGION_SERVICES, bank * host_config()->max_services + service);
	if (!record || !(record->flags & LB_SERVICE_SOURCES))
		return 0;
	return flush(service, record);
}

__u64 lb_user_reap(const struct lb_user *user, __u32 first, __u32 count)
{
	const __u64 *at;
	__u64 reaped = 0;

	host_user_current = user;
	for (__u32 position = 0; position < lb_conn_positions(); position++) {
		at = lb_word_at(LB_REGION_CONN_FORWARD, position);
		if (!at || lb_word_state(lb_load64(at)) != LB_CONN_BUSY)
			continue;
		for (__u32 slot = first; slot < first + count; slot++)
			reaped += lb_conn_reap(position, slot);
	}
	for (__u32 row = 0; row < host_config()->affinity_lines * LB_AFFINITIES_PER_LINE; row++) {
		for (__u32 slot = first; slot < first + count; slot++)
			reaped += lb_affinity_reap(row, slot);
	}
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
	if (!lb_conn_read(position, &conn->entry, &word))
		return false;
	conn->ipv6 = lb_position_family(position) == LB_IPV6;
	conn->state = lb_word_state(word);
	conn->idle = lb_word_idle(word, host_tick());
	conn->timeout = lb_word_timeout(word);
	return true;
}

static __always_inline int insert_of(const enum lb_family family, struct lb_insert *insert)
{
	const __u32 backend = insert->entry.backend_id; /* one that exists has its own */
	struct lb_tuple tuple;
	int result;

	insert->family = family;
	lb_conn_request(family, &insert->entry, &tuple);
	lb_conn_hash(family, &tuple, &insert->forward);
	lb_conn_reply(family, &insert->entry, &tuple);
	lb_conn_hash(family, &tuple, &insert->reverse);
	result = lb_conn_insert(family, insert);
	if (result != LB_INSERT_DONE && insert->counted)
		lb_load_give(backend);
	return result;
}

__u32 lb_user_insert(const struct lb_user *user, bool ipv6, const struct lb_conn6 *entry,
		     __u32 state, __u16 idle, __u32 *position)
{
	struct lb_insert insert = { .entry = *entry, .state = state, .idle = idle };
	__u32 result;

	host_user_current = user;
	insert.tick = host_tick();
	result = ipv6 ? insert_of(LB_IPV6, &insert) : insert_of(LB_IPV4, &insert);
	*position = insert.position;
	return result;
}

void lb_user_count(const struct lb_user *user, __u64 *by_backend, __u64 backends)
{
	struct lb_conn copy;
	__u64 word;

	host_user_current = user;
	for (__u32 position = 0; position < lb_conn_positions(); position++) {
		if (lb_conn_read(position, &copy, &word) && copy.backend_id < backends)
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

__u32 lb_user_next_state_one_sided(__u32 state, __u8 protocol, __u8 tcp_flags)
{
	return lb_conn_next_state_one_sided(state, protocol, tcp_flags);
}
