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
	enum fuzz_end source, dest;
	__u16 sport, dport;
	__u8 protocol;
	__u8 flags; /* of TCP; type of ICMP */
	__u16 fragment; /* machine's order */
	__u8 payload;
	__u8 options; /* words */
	__u8 ttl;
	__u16 tags; /* VLAN id */
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
	{ "dsr", TO_VIP, .sport = 3000, .dport = 88, .protocol = 6, .flags = LB_TCP_SYN },
	{ "dsr-known", TO_VIP, .sport = 1000, .dport = 88, .protocol = 6, .flags = LB_TCP_ACK },
	{ "ipip", TO_VIP, .sport = 3000, .dport = 89, .protocol = 17, .payload = 12 },
	{ "gue", TO_VIP, .sport = 1005, .dport = 90, .protocol = 6, .flags = LB_TCP_ACK },
	{ "limited", TO_VIP, .sport = 3000, .dport = 91, .protocol = 6, .flags = LB_TCP_SYN },
	{ "denied", TO_VIP, .sport = 3000, .dport = 92, .protocol = 6, .flags = LB_TCP_SYN },
	{ "range", TO_VIP, .sport = 3000, .dport = 1030, .protocol = 17, .payload = 4 },
	{ "any", TO_VIP, .sport = 3000, .dport = 5555, .protocol = 17, .payload = 4 },
	{ "tagged", TO_VIP, .sport = 1000, .dport = 80, .protocol = 6, .flags = LB_TCP_ACK,
	  .tags = 100 },
};

static __u16 sum_of(const __u8 *data, size_t length, __u64 sum)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? data[i] << 8 : data[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __u64 sum_of_pseudo(const __u8 *addresses, size_t bytes, __u8 protocol, size_t length)
{
	__u64 sum = lb_order16(protocol) + lb_order16(length);

	for (size_t i = 0; i < bytes; i += 2)
		sum += addresses[i] | addresses[i + 1] << 8;
	return sum;
}

/* Writes an IP header and what a seed has behind it; says how long that is. */
static size_t write_ip4(const struct seed *seed, __u8 *at, __u8 protocol, size_t length)
{
	struct iphdr *ip = (struct iphdr *)at;
	size_t header = 20 + seed->options * 4;

	*ip = (struct iphdr){
		.version = 4,
		.ihl = header / 4,
		.tot_len = lb_order16(header + length),
		.frag_off = lb_order16(seed->fragment),
		.ttl = seed->ttl ? seed->ttl : 64,
		.protocol = protocol,
		.saddr = fuzz_address4(seed->source),
		.daddr = fuzz_address4(seed->dest),
	};
	memset(ip + 1, 1, seed->options * 4);
	ip->check = sum_of(at, header, 0);
	return header;
}

/* The same of IPv6: options are in a header of their own, and so is what a fragment says. */
static size_t write_ip6(const struct seed *seed, __u8 *at, __u8 protocol, size_t length)
{
	size_t header = sizeof(struct ipv6hdr);
	__u32 address[4];
	__u8 *next = &at[6];

	at[0] = 6 << 4;
	at[7] = seed->ttl ? seed->ttl : 64;
	fuzz_address(LB_IPV6, seed->source, address);
	memcpy(at + 8, address, sizeof(address));
	fuzz_address(LB_IPV6, seed->dest, address);
	memcpy(at + 24, address, sizeof(address));
	if (seed->options) {
		*next = 60;
		next = &at[header];
		memcpy(&at[header + 2], "\1\4\0\0\0", 6); /* PadN */
		header += 8;
	}
	if (seed->fragment) {
		*next = 44;
		next = &at[header];
		at[header + 2] = seed->fragment >> 5;
		at[header + 3] = seed->fragment << 3 | !!(seed->fragment & LB_IP_MORE_FRAGMENTS);
		at[header + 7] = 9;
		header += 8;
	}
	*next = protocol;
	at[4] = (header - 40 + length) >> 8;
	at[5] = header - 40 + length;
	return header;
}

static size_t write_ip(enum lb_family family, const struct seed *seed, __u8 *at, __u8 protocol,
		       size_t length)
{
	return family ? write_ip6(seed, at, protocol, length) :
			write_ip4(seed, at, protocol, length);
}

/* The quoted packet of an ICMP error: one that the established flow sent or got. */
static size_t quote(enum lb_family family, const struct seed *seed, __u8 *at)
{
	const bool to_client = seed->dest == FUZZ_VIP;
	const struct seed quoted = {
		.source = to_client ? FUZZ_VIP : FUZZ_CLIENT,
		.dest = to_client ? FUZZ_CLIENT : FUZZ_BACKEND,
		.ttl = 9,
	};
	size_t header = write_ip(family, &quoted, at, 6, 20);
	__be16 *ports = (__be16 *)(at + header);

	ports[0] = lb_order16(to_client ? 80 : 1000);
	ports[1] = lb_order16(to_client ? 1000 : 8080);
	return header + 8;
}

static __u8 icmp_type(enum lb_family family, __u8 type)
{
	if (family == LB_IPV4)
		return type;
	return type == 8 ? 128 : 1;
}

static size_t build(enum lb_family family, const struct seed *seed, __u8 *frame)
{
	const __u8 protocol = family && seed->protocol == 1 ? 58 : seed->protocol;
	size_t link = seed->tags ? 18 : 14, length = (protocol == 6 ? 20 : 8) + seed->payload;
	size_t header, place = protocol == 6 ? 16 : seed->protocol == 1 ? 2 : 6;
	__u8 *ip = frame + link, *body;
	__u64 pseudo = 0;
	__u16 check;

	memset(frame, 0, 2048);
	frame[0] = frame[6] = 2;
	frame[11] = seed->ifindex;
	if (seed->tags) {
		*(__be16 *)(frame + 12) = lb_order16(0x8100);
		*(__be16 *)(frame + 14) = lb_order16(seed->tags);
	}
	*(__be16 *)(frame + link - 2) = lb_order16(family ? 0x86dd : 0x0800);
	if (seed->protocol == 1 && seed->flags == 3)
		length = 8 + quote(family, seed, frame + 1024);
	header = write_ip(family, seed, ip, protocol, length);
	body = ip + header;
	if (seed->protocol == 1) {
		body[0] = icmp_type(family, seed->flags);
		memcpy(body + 8, frame + 1024, length - 8);
	} else {
		*(__be16 *)body = lb_order16(seed->sport);
		*(__be16 *)(body + 2) = lb_order16(seed->dport);
		if (protocol == 6) {
			body[12] = 5 << 4;
			body[13] = seed->flags;
		} else {
			*(__be16 *)(body + 4) = lb_order16(length);
		}
	}
	if (family || seed->protocol != 1)
		pseudo = sum_of_pseudo(ip + (family ? 8 : 12), family ? 32 : 8, protocol, length);
	check = sum_of(body, length, pseudo);
	memcpy(body + place, &check, 2);
	memset(frame + 1024, 0, 1024);
	return link + header + length;
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
	const __be32 from = fuzz_address4(FUZZ_CLIENT), to = fuzz_address4(FUZZ_VIP);
	FILE *file = create(directory, "arp");

	memcpy(frame + 28, &from, 4);
	memcpy(frame + 38, &to, 4);
	fputc(1, file);
	fwrite(frame, sizeof(frame), 1, file);
	fclose(file);
}

/* Who has the VIP? Asked as the box's neighbours do when they know it already. */
static void write_solicitation(const char *directory)
{
	const struct seed seed = { .source = FUZZ_CLIENT, .dest = FUZZ_VIP, .ttl = 255 };
	__u8 frame[14 + 40 + 32] = { 2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 9, 0x86, 0xdd };
	__u8 *body = frame + 54;
	FILE *file = create(directory, "solicitation");
	__u16 check;

	write_ip6(&seed, frame + 14, 58, 32);
	body[0] = 135;
	memcpy(body + 8, frame + 38, 16);
	memcpy(body + 24, "\1\1\2\0\0\0\0\11", 8);
	check = sum_of(body, 32, sum_of_pseudo(frame + 22, 32, 58, 32));
	memcpy(body + 2, &check, 2);
	fputc(1, file);
	fwrite(frame, sizeof(frame), 1, file);
	fclose(file);
	fuzz_reset();
	fuzz_frame(frame, sizeof(frame), 1);
}

/* Writes a seed for both targets, and nothing that it does may be a finding. */
static void write_seed(char **directories, FILE *all, const char *name, const __u8 *frame,
		       size_t length, __u32 ifindex)
{
	const __u8 head[3] = { ifindex, length, length >> 8 };
	FILE *one = create(directories[1], name), *same = create(directories[2], name);

	fputc(ifindex, one);
	fwrite(frame, length, 1, one);
	fclose(one);
	fwrite(head, sizeof(head), 1, same);
	fwrite(frame, length, 1, same);
	fclose(same);
	if (all) {
		fwrite(head, sizeof(head), 1, all);
		fwrite(frame, length, 1, all);
	}
	fuzz_reset();
	fuzz_frame(frame, length, ifindex);
}

int main(int argc, char **argv)
{
	__u8 frame[2048];
	char name[64];

	if (argc != 3)
		return 2;
	for (enum lb_family family = LB_IPV4; family <= LB_IPV6; family++) {
		FILE *all = create(argv[2], family ? "conversation6" : "conversation");

		for (size_t i = 0; i < sizeof(seeds) / sizeof(*seeds); i++) {
			size_t length = build(family, &seeds[i], frame);

			snprintf(name, sizeof(name), "%s%s", seeds[i].name, family ? "6" : "");
			write_seed(argv, i < 10 ? all : NULL, name, frame, length,
				   seeds[i].ifindex);
		}
		fclose(all);
	}
	write_arp(argv[1]);
	write_solicitation(argv[1]);
	return 0;
}
