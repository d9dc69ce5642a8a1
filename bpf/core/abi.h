/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Every struct, enum and limit that crosses a boundary: C core and its hosts, kernel and user
 * space, one program version and the next. Rust reads this file through bindgen.
 *
 * All state is flat memory in arrays ("regions"). A region is a BPF array in the kernel and a
 * pointer in user space; both run the same code on the same bytes.
 *
 *	control      which bank is active, the route generation
 *	banks        one header per bank: seeds of its hash indexes, root of its routes
 *	filter       bank, direction -> bitmap: may this endpoint belong to a service?
 *	vips         bank -> lines of two records, by address
 *	ports        bank -> lines of four records, by (vip, port block, protocol)
 *	services     bank -> record by service id
 *	routes       bank -> trie nodes of 256 children (replies to clients)
 *	slots        arena of slot tables (16-bit member numbers, four to a word)
 *	members      arena of members (backend, weight, limit), by service
 *	sources      arena of boundaries between allowed and denied sources, by service
 *	backends     record by backend id, with its next hop
 *	loads        live connections by backend id
 *	hops         next hops of routes
 *	interfaces   by interface slot; the devmap has the same index
 *	cursors      round robin's position, by service id
 *	cpus         counters by cpu slot
 *	service_stats, backend_stats    counters by (cpu slot, id)
 *	conn_forward, conn_reverse      lines of eight words, IPv4's first and then IPv6's
 *	conn4, conn6                    entries of the words' positions (see conn.h)
 *	affinity                        lines of two records: which backend a client has
 *	source_stamps                   when a source port was last given back
 *	fragments                       ports of datagrams whose first fragment passed
 *	scratch                         by cpu slot: a first packet's flow while it is admitted
 *	queues                          by (interface slot, queue): who serves it in user space
 *
 * Banked regions hold bank 0 and then bank 1; a packet reads control->active once.
 * Byte order: __be* is as on the wire; everything else is the machine's.
 */
#ifndef LB_ABI_H
#define LB_ABI_H

#include <linux/types.h>

#define LB_ABI_VERSION 3

#define LB_MAC_BYTES 6
#define LB_LINE_WORDS 8
#define LB_VIPS_PER_LINE 2
#define LB_PORTS_PER_LINE 4
#define LB_ROUTE_CHILDREN 256
#define LB_MAX_INTERFACES 64
#define LB_MAX_QUEUES 64 /* of an interface that is served in user space */
#define LB_WORKER_SETS 2 /* worker processes at once: one, and the one that replaces it */
#define LB_MAX_LEAST_MEMBERS 256 /* of a service that counts its backends' connections */
#define LB_AFFINITIES_PER_LINE 2
#define LB_MAX_REASONS 48
#define LB_SLOTS_PER_WORD 4
#define LB_STAMPS_PER_WORD 4
#define LB_BANKS 2

/* 2^30 ns of CLOCK_MONOTONIC_COARSE, 1.07 s: the unit of every age and timeout. */
#define LB_TICK_SHIFT 30

enum lb_region {
	LB_REGION_CONTROL,
	LB_REGION_BANKS,
	LB_REGION_FILTER,
	LB_REGION_VIPS,
	LB_REGION_PORTS,
	LB_REGION_SERVICES,
	LB_REGION_ROUTES,
	LB_REGION_SLOTS,
	LB_REGION_MEMBERS,
	LB_REGION_SOURCES,
	LB_REGION_BACKENDS,
	LB_REGION_LOADS,
	LB_REGION_HOPS,
	LB_REGION_INTERFACES,
	LB_REGION_CURSORS,
	LB_REGION_CPUS,
	LB_REGION_SERVICE_STATS,
	LB_REGION_BACKEND_STATS,
	LB_REGION_CONN_FORWARD,
	LB_REGION_CONN_REVERSE,
	LB_REGION_CONN4,
	LB_REGION_CONN6,
	LB_REGION_AFFINITY,
	LB_REGION_SOURCE_STAMPS,
	LB_REGION_FRAGMENTS,
	LB_REGION_SCRATCH,
	LB_REGION_QUEUES,
	LB_REGION_COUNT,
};

/*
 * Why a packet ended as it did: one of these for each packet, counted at one exit.
 * The comment's first word is the class (tx, pass, drop); rx = tx + pass + drop, always.
 * User space takes names, classes and meanings from these lines.
 */
enum lb_reason {
	LB_REASON_FORWARDED, /* tx: forwarded to a backend or back to a client */
	LB_REASON_ARP_ANSWERED, /* tx: ARP request for a VIP, answered */
	LB_REASON_ND_ANSWERED, /* tx: neighbour solicitation for a VIP, answered */
	LB_REASON_ECHO_ANSWERED, /* tx: ICMP echo request for a VIP, answered */
	LB_REASON_NOT_IP, /* pass: neither IP nor ARP */
	LB_REASON_VLAN_UNKNOWN, /* pass: of a VLAN that no interface here is on */
	LB_REASON_NOT_SERVICE, /* pass: addressed to no service, from no backend of one */
	LB_REASON_VIP_NO_PORT, /* pass: addressed to a VIP, at a port without a service */
	LB_REASON_VIP_OTHER, /* pass: addressed to a VIP: another protocol or kind of ICMP */
	LB_REASON_TRUNCATED, /* pass: headers shorter than they say */
	LB_REASON_FRAGMENT_UNKNOWN, /* pass: a later fragment whose first was not seen */
	LB_REASON_NO_FLOW_REPLY, /* pass: from a backend's endpoint, of no known flow */
	LB_REASON_ICMP_UNRELATED, /* pass: an ICMP error about no known flow */
	LB_REASON_NO_BACKEND_PASS, /* pass: the service has no backend and passes */
	LB_REASON_NO_BACKEND, /* drop: the service has no usable backend */
	LB_REASON_BACKENDS_FULL, /* drop: every backend has as many connections as it may */
	LB_REASON_SOURCE_DENIED, /* drop: the service does not allow the source */
	LB_REASON_NO_FLOW, /* drop: TCP to a service, of no known flow, without SYN */
	LB_REASON_NEXT_HOP_UNRESOLVED, /* drop: the next hop's MAC address is not known */
	LB_REASON_TABLE_FULL, /* drop: no room for a connection; live ones are never evicted */
	LB_REASON_TABLE_CONTENDED, /* drop: gave up inserting beside other CPUs */
	LB_REASON_SOURCE_PORTS_EXHAUSTED, /* drop: no source port is free towards the backend */
	LB_REASON_TTL_EXPIRED, /* drop: TTL 1 */
	LB_REASON_TOO_BIG, /* drop: larger than the MTU of the way out */
	LB_REASON_MARTIAN_SOURCE, /* drop: to a service, from an address of ours or not unicast */
	LB_REASON_INTERFACE_GONE, /* drop: the way out is not attached */
	LB_REASON_NO_WORKER, /* drop: of a service, on an interface whose AF_XDP worker is not there */
	LB_REASON_INTERNAL, /* drop: a table points nowhere, or a packet could not be resized */
	LB_REASON_COUNT,
};

/* Frames made by the appliance in answer to a packet that was dropped. */
enum lb_answer {
	LB_ANSWER_TCP_RESET,
	LB_ANSWER_UNREACHABLE,
	LB_ANSWER_TIME_EXCEEDED,
	LB_ANSWER_TOO_BIG,
	LB_ANSWER_COUNT,
};

/* Events of the connection table. */
enum lb_conn_event {
	LB_CONN_INSERTED,
	LB_CONN_EVICTED_CLOSED,
	LB_CONN_EVICTED_EXPIRED,
	LB_CONN_EVICTED_UNCONFIRMED,
	LB_CONN_SOURCE_EARLY, /* a source port used again before its rest was over */
	LB_CONN_AFFINITY_EVICTED, /* a client's affinity made room for another's while it lived */
	LB_CONN_EVENT_COUNT,
};

/* Sizes, secrets and features: constant while a program is loaded. */
struct lb_config {
	__u32 conn_lines4; /* lines of conn_forward, and of conn_reverse, for IPv4 */
	__u32 conn_lines6; /* ... for IPv6, behind them */
	__u32 cpu_slots;
	__u32 max_services; /* <= 65535 */
	__u32 max_backends;
	__u32 max_hops;
	__u32 filter_bits; /* log2 of the bits of one bitmap, 6..32 */
	__u32 vip_lines; /* lines of one bank */
	__u32 port_lines; /* lines of one bank */
	__u32 route_nodes; /* nodes of one bank */
	__u32 slot_words;
	__u32 members;
	__u32 sources;
	__u32 affinity_lines;
	__u32 stamp_words;
	__u32 fragment_lines;
	__u16 source_port_first; /* SNAT ports, inclusive */
	__u16 source_port_last;
	__u32 features; /* LB_FEATURE_* */
	/* Outer sources of tunnels: a prefix, and the bits that are spread by the flow's hash. */
	__be32 tunnel_source4; /* 0: the box's own address towards the backend */
	__be32 tunnel_spread4;
	__u32 tunnel_source6[4]; /* 0: the same */
	__be32 tunnel_spread6; /* of the last word */
	/*
	 * cpu_slots are: one for each CPU, then worker_slots for each set of workers, then the
	 * daemon's.
	 */
	__u32 worker_slots;
	__u64 ask; /* bit per reason: such packets are handed to user space where a worker is */
	/* Odd multipliers and addends of multilinear hashes: a random secret of this box. */
	__u64 conn_key[40];
	/* The same of the selection hash: equal on appliances that must agree. */
	__u64 select_key[32];
};

#define LB_FEATURE_CONN_COUNTERS 1U /* packets and bytes of each connection */

#define LB_ACTIVE_BANK 1U
#define LB_ACTIVE_WILD 2U /* some endpoint has more than one port: its filter bit is port 0's */

struct lb_control {
	/* These two are one word, read and written at once. */
	__u32 active; /* bank; plus LB_ACTIVE_WILD */
	__u32 route_generation; /* 16 bits are used */
	__u64 generation; /* of the published image, for user space */
	__u32 tick; /* the clock's, as the kernel host last read it */
	__u32 tick_mark; /* when that was, in the host's own unit */
	__u64 reserved[5];
};

struct lb_bank {
	__u64 vip_seed; /* odd */
	__u64 port_seed; /* odd */
	__u32 route_root4; /* a route value, as in struct lb_route_node */
	__u32 route_root6;
	__u32 route_list; /* for user space: the node where the routes are listed, */
	__u32 route_count; /* ... as prefixes, and their number */
	__u64 reserved[4];
};

struct lb_line {
	__u64 word[LB_LINE_WORDS];
};

#define LB_VIP_USED 1U
#define LB_VIP_LOCAL 2U /* an address of the box that no service uses: only a martian check */
#define LB_VIP_ECHO 4U /* answer ICMP echo requests */
#define LB_VIP_IPV6 8U
#define LB_VIP_BLOCKS 16U /* some of its port records are of more than one port */

struct lb_vip {
	__u32 address[4]; /* as on the wire; IPv4: word 0, others 0 */
	__u32 id; /* < 2^24, part of a port record's key */
	__u32 flags;
	__u64 arp_interfaces; /* bit per interface slot: answer ARP (ND) for it there */
};

struct lb_vip_line {
	struct lb_vip vip[LB_VIPS_PER_LINE];
};

/*
 * key: vip id << 32 | block << 24 | port << 8 | protocol; 0: free. A record covers 2^block ports,
 * from port (the machine's order), whose low bits are 0: a range is a few of them. Block 16 is
 * any port: the service of all that no other has.
 */
struct lb_port {
	__u64 key;
	__u32 service;
	__u32 reserved;
};

struct lb_port_line {
	struct lb_port port[LB_PORTS_PER_LINE];
};

#define LB_SERVICE_USED (1U << 0)
#define LB_SERVICE_FULLNAT (1U << 1) /* rewrite the source: to the VIP, or to backend.source */
#define LB_SERVICE_SOURCE_INTERFACE (1U << 2) /* ... to backend.source */
#define LB_SERVICE_ROUND_ROBIN (1U << 3) /* slot by cursor, not by hash */
#define LB_SERVICE_LAST_HOP (1U << 4) /* replies go where the client's packet came from */
#define LB_SERVICE_PICK_UP \
	(1U << 5) /* TCP without SYN may start a flow (Maglev without NAT of the source) */
#define LB_SERVICE_NO_BACKEND_DROP (1U << 6) /* neither: reject */
#define LB_SERVICE_NO_BACKEND_PASS (1U << 7)
#define LB_SERVICE_DSR (1U << 8) /* direct return: the link header leads to the backend */
#define LB_SERVICE_IPIP (1U << 9) /* direct return: IP in IP leads to it (RFC 2003, 2473, 4213) */
#define LB_SERVICE_GUE (1U << 10) /* direct return: generic UDP encapsulation leads to it */
#define LB_SERVICE_LEAST (1U << 11) /* the member with the fewest connections for its weight */
#define LB_SERVICE_LIMITED (1U << 12) /* a member has a limit */
#define LB_SERVICE_SOURCES (1U << 13) /* sources are asked for */
#define LB_SERVICE_DENY_FIRST (1U << 14) /* what is before the first boundary is denied */
#define LB_SERVICE_IPV6 (1U << 15)

/* Services whose backends answer clients themselves: no reply passes the appliance. */
#define LB_SERVICE_ONE_SIDED (LB_SERVICE_DSR | LB_SERVICE_IPIP | LB_SERVICE_GUE)

struct lb_service {
	__u32 flags;
	__u32 slot_word; /* first word of its slot table in the arena */
	__u32 slot_count; /* 0: no backend; with LEAST 1: there is one */
	__u32 member_first;
	__u32 member_count;
	__u16 idle; /* idle timeout of established flows, lb_timeout_encode() */
	__u8 protocol;
	__u8 reserved0;
	__u16 port; /* machine's order; ICMP and any port: 0 */
	__u16 port_last; /* of a range; equal to port if it is one; any port: 65535 */
	__u32 address[4]; /* of the VIP */
	__u32 idle_seconds; /* for user space: what `idle` was made of */
	__u32 persist; /* seconds that a client without new connections keeps its backend; 0: none */
	__u32 source_first; /* its boundaries in the arena */
	__u32 source_count;
	__u16 mss; /* at most, in SYN and SYN+ACK; 0: as it is */
	__be16 tunnel_port; /* destination port of GUE */
};

/* One of a service's backends. */
struct lb_member {
	__u32 backend;
	__u16 weight; /* 0: no new connection */
	__u16 reserved0;
	__u32 limit; /* connections that the backend may have for this service to choose it; 0: any */
	__u32 reserved1;
};

/*
 * The first address from which on sources are treated the other way: allowed ones become denied
 * and denied ones allowed. As a number, IPv4 in the lower half. Ascending within a service.
 */
struct lb_boundary {
	__u64 high;
	__u64 low;
};

#define LB_BACKEND_USED 1U
#define LB_BACKEND_IPV6 2U

struct lb_backend {
	__u32 address[4]; /* as on the wire; IPv4: word 0, others 0 */
	__u64 hop; /* hop word; 0: unresolved */
	__u32 source[4]; /* address of the box towards it, of the backend's family */
	__be16 port; /* 0: the port that the client asked for */
	__u8 protocol;
	__u8 flags;
	__u32 reserved[5];
};

/*
 * Which backend a client has at a service. The word is tick << 32 | generation << 1 | busy; who
 * has made it busy (by compare-and-swap) writes the rest, and a reader compares the word again.
 * While it is busy, the tick's place has the claimer's cpu slot + 1.
 */
struct lb_affinity {
	__u64 word;
	__u32 address[4];
	__u16 service; /* id + 1; 0: free */
	__u16 member; /* where the backend was in the service's members: looked at first */
	__u32 backend;
};

struct lb_affinity_line {
	struct lb_affinity affinity[LB_AFFINITIES_PER_LINE];
};

/*
 * A hop word is one atomic value: the MAC address in memory order in its low six bytes, the
 * interface slot in bits 48-55, and LB_HOP_VALID.
 */
#define LB_HOP_VALID (1ULL << 63)
#define LB_HOP_MAC 0xffffffffffffULL
#define LB_HOP_SLOT_SHIFT 48
/* A connection's reply word: a hop word learned from its packets (valid), or route generation << 32 | hop id. */

/*
 * Route values, in trie nodes and roots: 0 no route; LB_ROUTE_NODE | node index;
 * LB_ROUTE_HOP | hop id; LB_ROUTE_ONLINK: a neighbour of the box.
 */
#define LB_ROUTE_NODE (1U << 30)
#define LB_ROUTE_HOP (2U << 30)
#define LB_ROUTE_ONLINK (3U << 30)
#define LB_ROUTE_KIND (3U << 30)

struct lb_route_node {
	__u32 child[LB_ROUTE_CHILDREN];
};

struct lb_interface {
	__u32 ifindex; /* of the device that sends; 0: free */
	__u32 mtu; /* of the IP packet */
	__u8 mac[LB_MAC_BYTES];
	__u8 link; /* bytes of the link header: 14, or with tags 18 and 22 */
	__u8 reserved0;
	__u32 address4; /* an IPv4 address of the interface, 0 if it has none: source of our ICMP */
	__u32 tags; /* VLAN id; of two tags outer << 16 | inner; 0: untagged */
	__be16 tag_protocol; /* of the outer tag: 0x8100 or 0x88a8 */
	__u16 reserved1;
	__u32 address6[4]; /* the same as address4 of IPv6, a global one if there is one */
	__u32 reserved2[5];
};

struct lb_cpu {
	__u64 rx;
	__u64 conn_event[7]; /* by enum lb_conn_event */
	__u64 reason[LB_MAX_REASONS];
	__u64 answer[4];
	__u64 rx_bytes;
	__u32 answer_tokens; /* rate limit of answers */
	__u32 answer_tick;
	__u32 answer_kind; /* 1 + enum lb_answer, for the stage that makes it; 0: none */
	__u32 answer_mtu;
	__u64 epoch; /* of a worker: odd while it forwards packets, and reads a bank */
};

/*
 * A receive queue of an interface's device, and the AF_XDP socket that is bound to it. Its index
 * (interface slot * LB_MAX_QUEUES + queue) is also the socket's in `xskmap`. The daemon says what
 * it wants; the worker process that `worker` names does it, and nobody else writes the rest.
 */
struct lb_queue {
	__u32 ifindex; /* the daemon's: of the device; 0: no such queue */
	__u32 wanted; /* the daemon's: LB_QUEUE_* */
	__u32 worker; /* pid of the process that is to serve it: who wants it writes its own */
	__u32 owner; /* pid of the process that does; 0: nobody has a socket on it */
	__u32 state; /* enum lb_queue_state */
	__u32 failure; /* errno, of FAILED */
	__u64 rx; /* frames received */
	__u64 rx_bytes;
	__u64 tx; /* frames handed to the driver */
	__u64 tx_bytes;
	__u64 passed; /* frames handed to the box's stack, through the TAP */
	__u64 rx_dropped; /* frames that the kernel dropped for want of room, or that are in pieces */
	__u64 tx_dropped; /* frames for which the way out had no room */
	__u64 fill_empty; /* times that the fill ring had nothing for the driver */
	__u64 ring_full; /* times that a ring had no room for us */
	__u64 wakeups; /* system calls that make the driver go on */
	__u64 batches; /* of received frames */
	__u64 batch_most; /* frames of the largest */
	__u64 reserved;
};

#define LB_QUEUE_SERVE 1U /* receive here, and send */
#define LB_QUEUE_SEND 2U /* send only: the interface's packets are forwarded by XDP */
#define LB_QUEUE_ZERO_COPY 4U /* else copied */
#define LB_QUEUE_GENERIC 8U /* the interface's program runs in generic mode */
#define LB_QUEUE_BUSY_POLL 16U

enum lb_queue_state {
	LB_QUEUE_IDLE,
	LB_QUEUE_COPIES,
	LB_QUEUE_COPIES_NOT, /* zero copy */
	LB_QUEUE_FAILED,
};

/* direction 0: from clients to backends; 1: replies. Bytes are IP packets' lengths. */
struct lb_traffic {
	__u64 packets[2];
	__u64 bytes[2];
	__u64 connections;
	__u64 dropped;
	__u32 source_cursor; /* of SNAT ports, by backend */
	__u32 reserved0;
	__u64 reserved1;
};

/*
 * A word of conn_forward: tag 16 | generation 16 | age 16 | timeout or claimer 12 | state 4,
 * from the top. Its position (line * 8 + word) is the entry's index.
 */
#define LB_FORWARD_TAG_SHIFT 48
#define LB_FORWARD_GENERATION_SHIFT 32
#define LB_FORWARD_AGE_SHIFT 16
#define LB_FORWARD_TIMEOUT_SHIFT 4
#define LB_FORWARD_STATE 15ULL

enum lb_conn_state {
	LB_CONN_FREE,
	LB_CONN_BUSY, /* the timeout field holds the claimer's cpu slot + 1 */
	LB_CONN_NEW, /* unconfirmed: a SYN, or UDP without reply */
	LB_CONN_ANSWERED, /* unconfirmed: SYN+ACK seen, the client's ACK not yet */
	LB_CONN_ESTABLISHED,
	LB_CONN_FIN_CLIENT,
	LB_CONN_FIN_BACKEND,
	LB_CONN_CLOSED, /* FIN from both, rests */
	LB_CONN_RESET, /* RST seen, rests */
	LB_CONN_STATE_COUNT,
};

/* A word of conn_reverse: tag 16 | generation 8 | age 12 | position 26 | state 2. */
#define LB_REVERSE_TAG_SHIFT 48
#define LB_REVERSE_GENERATION_SHIFT 40
#define LB_REVERSE_AGE_SHIFT 28
#define LB_REVERSE_POSITION_SHIFT 2
#define LB_REVERSE_STATE 3ULL

enum lb_reverse_state {
	LB_REVERSE_FREE,
	LB_REVERSE_BUSY,
	LB_REVERSE_USED,
};

#define LB_CONN_SOURCE_TRANSLATED 1U /* source is not the client's own end */
#define LB_CONN_ONE_SIDED 2U /* direct return: has no R word; ends stay as they are */
#define LB_CONN_IPIP 4U
#define LB_CONN_GUE 8U
#define LB_CONN_BACKEND_IPV6 16U /* of a tunnel: the outer header is IPv6 */
#define LB_CONN_AFFINE 32U /* keeps its client's affinity alive */

/*
 * What is remembered of an IPv4 flow. Forward packets carry client -> vip and leave as
 * source -> backend; replies carry backend -> source and leave as vip -> client. In dnat the
 * source is the client. With direct return, source and backend are 0 (the backend's row has its
 * address), and source_port is the port of a GUE tunnel. Ends are as on the wire. After
 * publishing only the counters and the reply word are written.
 */
struct lb_conn4 {
	__be32 client;
	__be32 vip;
	__be32 source;
	__be32 backend;
	__be16 client_port;
	__be16 vip_port;
	__be16 source_port;
	__be16 backend_port;
	__u8 protocol;
	__u8 flags;
	__u16 service;
	__u32 backend_id;
	__u32 reverse; /* position of its word in conn_reverse; LB_POSITION_NONE: one-sided */
	__u16 address_delta; /* one's complement sum: forward new minus old, addresses */
	__u16 transport_delta; /* the same of addresses and ports */
	__u64 reply; /* reply word */
	__u32 created; /* tick */
	__u32 packets; /* both directions, if counted */
	__u64 bytes;
};

/* The same of an IPv6 flow. From client_port to bytes it is as lb_conn4. */
struct lb_conn6 {
	__u32 client[4];
	__u32 vip[4];
	__u32 source[4];
	__u32 backend[4];
	__be16 client_port;
	__be16 vip_port;
	__be16 source_port;
	__be16 backend_port;
	__u8 protocol;
	__u8 flags;
	__u16 service;
	__u32 backend_id;
	__u32 reverse;
	__u16 address_delta; /* a part of transport_delta: IPv6 has no header checksum */
	__u16 transport_delta;
	__u64 reply;
	__u32 created;
	__u32 packets;
	__u64 bytes;
	__u64 reserved[2];
};

#define LB_POSITION_NONE 0xffffffffU

/* What is too big for a stack of 512 bytes. */
struct lb_scratch {
	__u64 word[64];
};

struct lb_stamps {
	__u16 tick[LB_STAMPS_PER_WORD];
};

/* Timeouts of the states, in ticks, where the service does not say otherwise. */
#define LB_TIMEOUT_NEW_TCP 20
#define LB_TIMEOUT_NEW_UDP 30
#define LB_TIMEOUT_FIN 120
#define LB_TIMEOUT_CLOSED 60
#define LB_TIMEOUT_RESET 10
#define LB_SOURCE_REST 60 /* ticks before a source port is used again towards a backend */
#define LB_SOURCE_PROBES 64 /* ports tried for a connection */
#define LB_SOURCE_RESTING 8 /* of these, before a port that rests is taken */
#define LB_INSERT_TRIES 4
#define LB_ANSWERS_PER_TICK 1000 /* by cpu slot */

#endif
