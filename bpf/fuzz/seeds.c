// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Writes what fuzzing starts with: frames of every kind that the image of image.h knows, alone
 * and as a conversation. Usage: seeds DIRECTORY-OF-FORWARD DIRECTORY-OF-SEQUENCE
 */
#include <stdio.h>

#include "check.h"

struct seed {
	const char *name;
	__u32 ifindex;
	__be32 source, dest;
	__u16 sport, dport;
	__u8 protocol;
	__u8 flags; /* of TCP; type of ICMP */
	__u16 fragment; /* machine's order */
	__u8 payload;
	__u8 options; /* words */
	__u8 ttl;
};

#define TO_VIP .ifindex = 1, .source = FUZZ_CLIENT, .dest = FUZZ_VIP
#define FROM_BACKEND .ifindex = 2, .source = FUZZ_BACKEND, .dest = FUZZ_CLIENT

static const struct seed seeds[] = {
	{ "syn", TO_VIP, .sport = 3000, .dport = 80, .protocol = 6, .flags = LB_TCP_SYN },
	{ "syn-ack", FROM_BACKEND, .sport = 8080, .dport = 3000, .protocol = 6,
	  .flags = LB_TCP_SYN | LB_TCP_ACK },
	{ "ack", TO_VIP, .sport = 3000, .dport = 80, .protocol = 6, .flags = LB_TCP_ACK },
	{ "data", TO_VIP, .sport = 1000, .dport = 80, .protocol = 6, .flags = LB_TCP_ACK,
	  .payload = 33 },
	{ "reply", FROM_BACKEND, .sport = 8080, .dport = 1000, .protocol = 6, .flags = LB_TCP_ACK,
	  .payload = 20 },
	{ "fin", TO_VIP, .sport = 1000, .dport = 80, .protocol = 6,
	  .flags = LB_TCP_FIN | LB_TCP_ACK },
	{ "fin-back", FROM_BACKEND, .sport = 8080, .dport = 1000, .protocol = 6,
	  .flags = LB_TCP_FIN | LB_TCP_ACK },
	{ "syn-again", TO_VIP, .sport = 1000, .dport = 80, .protocol = 6, .flags = LB_TCP_SYN },
	{ "rst", TO_VIP, .sport = 1000, .dport = 80, .protocol = 6, .flags = LB_TCP_RST },
	{ "onearm", TO_VIP, .sport = 3000, .dport = 443, .protocol = 6, .flags = LB_TCP_SYN },
	{ "reject", TO_VIP, .sport = 3000, .dport = 81, .protocol = 6, .flags = LB_TCP_SYN },
	{ "no-flow", TO_VIP, .sport = 4000, .dport = 80, .protocol = 6, .flags = LB_TCP_ACK },
	{ "pick-up", TO_VIP, .sport = 3000, .dport = 83, .protocol = 6, .flags = LB_TCP_ACK },
	{ "unresolved", TO_VIP, .sport = 3000, .dport = 86, .protocol = 6, .flags = LB_TCP_SYN },
	{ "no-port", TO_VIP, .sport = 3000, .dport = 99, .protocol = 6, .flags = LB_TCP_SYN },
	{ "udp", TO_VIP, .sport = 3000, .dport = 53, .protocol = 17, .payload = 12 },
	{ "udp-known", TO_VIP, .sport = 1002, .dport = 53, .protocol = 17, .payload = 12 },
	{ "udp-reply", .ifindex = 2, .source = FUZZ_BACKEND, .dest = FUZZ_VIP, .sport = 53,
	  .dport = 5000, .protocol = 17, .payload = 12 },
	{ "udp-pass", TO_VIP, .sport = 3000, .dport = 82, .protocol = 17 },
	{ "udp-drop", TO_VIP, .sport = 3000, .dport = 84, .protocol = 17 },
	{ "udp-unreachable", TO_VIP, .sport = 3000, .dport = 85, .protocol = 17, .payload = 40 },
	{ "udp-hairpin", TO_VIP, .sport = 3000, .dport = 87, .protocol = 17 },
	{ "options", TO_VIP, .sport = 1000, .dport = 80, .protocol = 6, .flags = LB_TCP_ACK,
	  .options = 3 },
	{ "ttl", TO_VIP, .sport = 1000, .dport = 80, .protocol = 6, .flags = LB_TCP_ACK, .ttl = 1,
	  .payload = 16 },
	{ "first-fragment", TO_VIP, .sport = 1002, .dport = 53, .protocol = 17, .payload = 16,
	  .fragment = LB_IP_MORE_FRAGMENTS },
	{ "later-fragment", TO_VIP, .sport = 1002, .dport = 53, .protocol = 17, .payload = 16,
	  .fragment = 3 },
	{ "echo", TO_VIP, .protocol = 1, .flags = 8, .payload = 32 },
	{ "unreachable", .ifindex = 2, .source = FUZZ_BACKEND, .dest = FUZZ_CLIENT, .protocol = 1,
	  .flags = 3, .payload = 28 },
	{ "too-big", TO_VIP, .protocol = 1, .flags = 3, .payload = 28 },
	{ "martian", .ifindex = 1, .source = FUZZ_VIP, .dest = FUZZ_VIP, .sport = 3000, .dport = 80,
	  .protocol = 6, .flags = LB_TCP_SYN },
	{ "other", .ifindex = 1, .source = FUZZ_CLIENT, .dest = FUZZ_LOCAL, .sport = 3000,
	  .dport = 22, .protocol = 6, .flags = LB_TCP_SYN },
};

static __u16 sum_of(const __u8 *data, size_t length, __u64 sum)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? data[i] << 8 : data[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* The quoted packet of an ICMP error: one that the established flow sent or got. */
static void quote(const struct seed *seed, __u8 *at)
{
	struct iphdr *ip = (struct iphdr *)at;
	__be16 *ports = (__be16 *)(ip + 1);
	bool to_client = seed->dest == FUZZ_VIP;

	*ip = (struct iphdr){
		.version = 4, .ihl = 5, .tot_len = htons(40), .ttl = 9, .protocol = 6
	};
	ip->saddr = to_client ? FUZZ_VIP : FUZZ_CLIENT;
	ip->daddr = to_client ? FUZZ_CLIENT : FUZZ_BACKEND;
	ports[0] = htons(to_client ? 80 : 1000);
	ports[1] = htons(to_client ? 1000 : 8080);
}

static size_t build(const struct seed *seed, __u8 *frame)
{
	size_t header = 20 + seed->options * 4, transport = seed->protocol == 6 ? 20 : 8;
	struct iphdr *ip = (struct iphdr *)(frame + 14);
	__u8 *body = frame + 14 + header;
	size_t length = transport + seed->payload;
	__u64 pseudo;
	__u16 check;

	memset(frame, 0, 14 + header + length);
	frame[0] = frame[6] = 2;
	frame[11] = seed->ifindex;
	frame[12] = 8;
	*ip = (struct iphdr){
		.version = 4,
		.ihl = header / 4,
		.tot_len = htons(header + length),
		.frag_off = htons(seed->fragment),
		.ttl = seed->ttl ? seed->ttl : 64,
		.protocol = seed->protocol,
		.saddr = seed->source,
		.daddr = seed->dest,
	};
	memset(ip + 1, 1, seed->options * 4);
	ip->check = sum_of((__u8 *)ip, header, 0);
	pseudo = (__u64)ip->saddr + ip->daddr + htons(seed->protocol) + htons(length);
	if (seed->protocol == 1) {
		body[0] = seed->flags;
		if (seed->flags == 3)
			quote(seed, body + 8);
		check = sum_of(body, length, 0);
		memcpy(body + 2, &check, 2);
		return 14 + header + length;
	}
	*(__be16 *)body = htons(seed->sport);
	*(__be16 *)(body + 2) = htons(seed->dport);
	if (seed->protocol == 6) {
		body[12] = 5 << 4;
		body[13] = seed->flags;
	} else {
		*(__be16 *)(body + 4) = htons(length);
	}
	check = sum_of(body, length, pseudo);
	memcpy(body + (seed->protocol == 6 ? 16 : 6), &check, 2);
	return 14 + header + length;
}

static FILE *create(const char *directory, const char *name)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	if (!file) {
		perror(path);
		exit(1);
	}
	return file;
}

static void write_arp(const char *directory)
{
	__u8 frame[42] = { 255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9, 8, 6,
			   0,   1,   8,   0,   6,   4,   0, 1, 2, 0, 0, 0, 0, 9 };
	const __be32 from = FUZZ_CLIENT, to = FUZZ_VIP;
	FILE *file = create(directory, "arp");

	memcpy(frame + 28, &from, 4);
	memcpy(frame + 38, &to, 4);
	fputc(1, file);
	fwrite(frame, sizeof(frame), 1, file);
	fclose(file);
}

int main(int argc, char **argv)
{
	__u8 frame[2048];
	FILE *all;

	if (argc != 3)
		return 2;
	all = create(argv[2], "conversation");
	for (size_t i = 0; i < sizeof(seeds) / sizeof(*seeds); i++) {
		size_t length = build(&seeds[i], frame);
		__u8 head[3] = { seeds[i].ifindex, length, length >> 8 };
		FILE *one = create(argv[1], seeds[i].name), *same = create(argv[2], seeds[i].name);

		fputc(seeds[i].ifindex, one);
		fwrite(frame, length, 1, one);
		fclose(one);
		for (int j = 0; j < 2; j++) {
			FILE *file = j ? same : all;

			if (i < 10 || j) {
				fwrite(head, sizeof(head), 1, file);
				fwrite(frame, length, 1, file);
			}
		}
		fclose(same);
		/* Nothing that a seed does may be a finding. */
		fuzz_reset();
		fuzz_frame(frame, length, seeds[i].ifindex);
	}
	fclose(all);
	write_arp(argv[1]);
	return 0;
}
