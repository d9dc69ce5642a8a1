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

/* The IP packet of a frame, behind up to two tags, with what may follow it. */
struct fuzz_ip {
	const __u8 *at;
	size_t length; /* 0: the frame has none */
};

static struct fuzz_ip fuzz_ip_of(const __u8 *frame, size_t length)
{
	size_t type = 12;

	while (type < 20 && type + 6 <= length &&
	       ((frame[type] == 0x81 && !frame[type + 1]) ||
		(frame[type] == 0x88 && frame[type + 1] == 0xa8)))
		type += 4;
	if (type + 2 > length || !((frame[type] == 8 && !frame[type + 1]) ||
				   (frame[type] == 0x86 && frame[type + 1] == 0xdd)))
		return (struct fuzz_ip){};
	return (struct fuzz_ip){ .at = frame + type + 2, .length = length - type - 2 };
}

/* The length that an IP packet says it has; 0 if it isn't there whole. */
static size_t fuzz_total(struct fuzz_ip ip)
{
	size_t total = 0;

	if (ip.length >= sizeof(struct iphdr) && ip.at[0] >> 4 == 4)
		total = ip.at[2] << 8 | ip.at[3];
	else if (ip.length >= sizeof(struct ipv6hdr) && ip.at[0] >> 4 == 6)
		total = sizeof(struct ipv6hdr) + (ip.at[4] << 8 | ip.at[5]);
	return total <= ip.length ? total : 0;
}

/* True if all checksums are right of a whole TCP or UDP packet without fragments. */
static bool fuzz_is_sound(struct fuzz_ip packet)
{
	const struct iphdr *ip = (const void *)packet.at;
	const bool ipv6 = packet.length && packet.at[0] >> 4 == 6;
	size_t total = fuzz_total(packet), header = sizeof(struct ipv6hdr);
	__u8 protocol;
	__u64 pseudo = 0;

	if (!total)
		return false;
	if (ipv6) {
		protocol = packet.at[6];
	} else {
		header = ip->ihl * 4;
		protocol = ip->protocol;
		if (header < sizeof(*ip) || header > total ||
		    ip->frag_off & lb_order16(LB_IP_MORE_FRAGMENTS | LB_IP_OFFSET) ||
		    !fuzz_sum_is_right(packet.at, header, 0))
			return false;
	}
	if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) ||
	    total < header + (protocol == IPPROTO_TCP ? 20 : 8))
		return false;
	/* Has none. */
	if (protocol == IPPROTO_UDP && !packet.at[header + 6] && !packet.at[header + 7])
		return false;
	for (size_t i = ipv6 ? 8 : 12; i < (ipv6 ? 40 : 20); i += 2)
		pseudo += packet.at[i] | packet.at[i + 1] << 8;
	pseudo += lb_order16(protocol) + lb_order16(total - header);
	return fuzz_sum_is_right(packet.at + header, total - header, pseudo);
}

static bool fuzz_is_icmp(struct fuzz_ip ip)
{
	return fuzz_total(ip) && (ip.at[0] >> 4 == 4 ? ip.at[9] == 1 : ip.at[6] == 58);
}

/* A packet that grew is in a tunnel, whose outer headers are right, and is what it was. */
static void fuzz_tunnel_is_right(struct fuzz_ip before, struct fuzz_ip after)
{
	const size_t total = fuzz_total(before), overhead = fuzz_total(after) - total;
	const bool ipv6 = after.at[0] >> 4 == 6;
	const size_t outer = ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	fuzz_assert(overhead == outer || overhead == outer + sizeof(struct udphdr));
	fuzz_assert(ipv6 || fuzz_sum_is_right(after.at, outer, 0));
	fuzz_assert(!memcmp(after.at + overhead, before.at, total));
}

/* What must hold of a packet that was forwarded. */
static void fuzz_forward_is_right(struct fuzz_ip before, struct fuzz_ip after)
{
	/* A tunnel's error becomes one about what was in the tunnel. */
	if (fuzz_is_icmp(before) && fuzz_total(after) < fuzz_total(before))
		return;
	if (fuzz_total(after) > fuzz_total(before)) {
		fuzz_tunnel_is_right(before, after);
		return;
	}
	fuzz_assert(after.length == before.length);
	if (fuzz_is_sound(before))
		fuzz_assert(fuzz_is_sound(after));
}

static void fuzz_counters_agree(void)
{
	const struct lb_cpu *cpu = host_region(LB_REGION_CPUS, 0);
	__u64 sum = 0;

	for (int i = 0; i < LB_MAX_REASONS; i++)
		sum += cpu->reason[i];
	fuzz_assert(cpu->rx == sum);
}

/* What the redirector would do with a frame, to which it does nothing. */
static __u32 fuzz_sift(struct lb_packet *packet, const __u8 *bytes, size_t length)
{
	const __u8 *data = packet->data;
	__u32 sifted = lb_sift(packet, lb_flow_scratch(), LB_SIFT_ONLY_READS);

	fuzz_assert(packet->data == data && packet->data_end == data + length);
	fuzz_assert(!memcmp(data, bytes, length));
	return sifted;
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
	__u32 sifted;
	size_t after;

	memcpy(before, bytes, length);
	__asan_poison_memory_region(buffer, LB_USER_HEADROOM);
	host_user_current = &fuzz_user;
	sifted = fuzz_sift(&packet, bytes, length);
	lb_forward(&packet);
	fuzz_assert(sifted == LB_SIFT_ASK ||
		    (packet.verdict == LB_VERDICT_PASS && packet.reason == sifted));
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
			fuzz_forward_is_right(fuzz_ip_of(bytes, length),
					      fuzz_ip_of(packet.data, after));
		} else if (packet.reason > LB_REASON_NO_BACKEND_PASS) {
			fuzz_assert(packet.verdict == LB_VERDICT_TX);
		}
	}
	fuzz_counters_agree();
	__asan_unpoison_memory_region(buffer, LB_USER_HEADROOM + length);
	free(buffer);
}

#endif
