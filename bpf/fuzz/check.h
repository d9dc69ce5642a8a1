/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Runs one frame, in memory of exactly its size, and checks what must hold of any frame. */
#ifndef LB_FUZZ_CHECK_H
#define LB_FUZZ_CHECK_H

#include "image.h"

static void fuzz_assert(bool holds)
{
	if (!holds)
		__builtin_trap();
}

static bool fuzz_sum_is_right(const __u8 *data, size_t length, __u64 sum)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? data[i] << 8 : data[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* True if both checksums are right of a whole, unfragmented TCP or UDP packet. */
static bool fuzz_is_sound(const __u8 *frame, size_t length)
{
	const struct iphdr *ip = (const void *)(frame + sizeof(struct ethhdr));
	const struct udphdr *udp;
	size_t header, total;
	__u64 pseudo;

	if (length < sizeof(struct ethhdr) + sizeof(*ip) || frame[12] != 8 || frame[13])
		return false;
	header = ip->ihl * 4;
	total = ntohs(ip->tot_len);
	if (header < sizeof(*ip) || total > length - sizeof(struct ethhdr) ||
	    total < header + (ip->protocol == IPPROTO_TCP ? 20 : 8) ||
	    (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP) ||
	    ip->frag_off & htons(LB_IP_MORE_FRAGMENTS | LB_IP_OFFSET) ||
	    !fuzz_sum_is_right((const __u8 *)ip, header, 0))
		return false;
	udp = (const void *)((const __u8 *)ip + header);
	if (ip->protocol == IPPROTO_UDP && !udp->check) /* has none */
		return false;
	pseudo = (__u64)ip->saddr + ip->daddr + htons(ip->protocol) + htons(total - header);
	return fuzz_sum_is_right((const __u8 *)ip + header, total - header, pseudo);
}

static void fuzz_counters_agree(void)
{
	const struct lb_cpu *cpu = host_region(LB_REGION_CPUS, 0);
	__u64 sum = 0;

	for (int i = 0; i < LB_MAX_REASONS; i++)
		sum += cpu->reason[i];
	fuzz_assert(cpu->rx == sum);
}

static void fuzz_frame(const __u8 *bytes, size_t length, __u32 ifindex)
{
	__u8 *buffer = malloc(LB_USER_HEADROOM + length), *before = buffer + LB_USER_HEADROOM;
	struct lb_user_frame frame = { .buffer = buffer, .ifindex = ifindex };
	struct lb_packet packet = {
		.data = before,
		.data_end = before + length,
		.ifindex = ifindex,
		.host = &frame,
	};
	size_t after;

	memcpy(before, bytes, length);
	__asan_poison_memory_region(buffer, LB_USER_HEADROOM);
	host_user_current = &fuzz_user;
	lb_forward(&packet);
	after = (__u8 *)packet.data_end - (__u8 *)packet.data;
	fuzz_assert(packet.reason < LB_REASON_COUNT);
	if (packet.verdict == LB_VERDICT_PASS) {
		fuzz_assert(packet.reason > LB_REASON_ECHO_ANSWERED &&
			    packet.reason <= LB_REASON_NO_BACKEND_PASS);
		fuzz_assert(packet.data == before && after == length &&
			    !memcmp(packet.data, bytes, length));
	} else if (packet.verdict == LB_VERDICT_DROP) {
		fuzz_assert(packet.reason > LB_REASON_NO_BACKEND_PASS);
	} else {
		fuzz_assert(packet.verdict == LB_VERDICT_TX ||
			    packet.verdict == LB_VERDICT_REDIRECT);
		fuzz_assert(after >= sizeof(struct ethhdr) && after <= 65536);
		if (packet.reason == LB_REASON_FORWARDED) {
			fuzz_assert(after == length);
			if (fuzz_is_sound(bytes, length))
				fuzz_assert(fuzz_is_sound(packet.data, after));
		} else if (packet.reason > LB_REASON_NO_BACKEND_PASS) {
			fuzz_assert(packet.verdict == LB_VERDICT_TX);
		}
	}
	fuzz_counters_agree();
	__asan_unpoison_memory_region(buffer, LB_USER_HEADROOM + length);
	free(buffer);
}

#endif
