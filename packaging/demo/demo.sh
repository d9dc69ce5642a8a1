#!/usr/bin/env bash
# demo.sh: loxid balances real HTTP over three backends, all in network namespaces of this script's
# own. Nothing is left behind, also after Ctrl-C. BIN= is where loxid and loxictl are.
set -euo pipefail
cd "$(dirname "$0")/../.."

BIN=${BIN:-${CARGO_TARGET_DIR:-target}/release}
REQUESTS=30
VIP=20.20.20.1
BACKENDS=3
ID=loxdemo$$
WORK=$(mktemp -d)
LOXID_PID=
PIDS=()

if [ "$(id -u)" != 0 ]; then
	echo "demo: needs root, for network namespaces and BPF: run make demo" >&2
	exit 1
fi
for program in "$BIN/loxid" "$BIN/loxictl"; do
	[ -x "$program" ] || { echo "demo: $program is missing: run make demo" >&2; exit 1; }
done
BIN=$(cd "$BIN" && pwd)

bold= dim= green= plain=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' plain=$'\e[0m'
fi

cleanup() {
	local status=$? pid
	set +e
	trap '' INT TERM
	for pid in $LOXID_PID "${PIDS[@]}"; do
		kill -9 "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	# Program and maps live as long as their pins do.
	[ -d "/sys/fs/bpf/$ID" ] && rm -rf "/sys/fs/bpf/$ID"
	for name in client lb $(seq -f 'b%g' $BACKENDS); do
		ip netns delete "$ID-$name" 2>/dev/null
	done
	[ "$status" = 0 ] || [ ! -s "$WORK/lb.log" ] || tail -n 20 "$WORK/lb.log" >&2
	rm -rf "$WORK"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() {
	echo
	echo "$bold$*$plain"
}

# Unlike `ip netns exec`, nsenter leaves /sys/fs/bpf where it is.
within() {
	local name=$1
	shift
	nsenter --net="/run/netns/$ID-$name" "$@"
}

# In the background, with nobody between: $! is the program's own.
background() {
	local name=$1
	shift
	nsenter --net="/run/netns/$ID-$name" "$@" >>"$WORK/$name.log" 2>&1 &
}

# Shows a command as one would type it, and runs it.
typed() {
	echo "$green\$ $*$plain"
	"$BIN/$1" --server "unix://$WORK/run/loxid.sock" "${@:2}"
}

# Waits for a condition: until WHAT COMMAND...
until_so() {
	local what=$1 tries=500
	shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || { echo "demo: waited in vain for $what" >&2; exit 1; }
		sleep 0.02
	done
}

namespace() {
	ip netns add "$ID-$1"
	within "$1" ip link set lo up
}

# Checksums are made before a frame leaves, as XDP reads them; with GRO on, a veth receives what
# its peer transmits by XDP.
link() {
	within "$1" ip link add "$2" type veth peer name "$4" netns "$ID-$3"
	within "$1" ethtool -K "$2" tx off gro on >/dev/null
	within "$3" ethtool -K "$4" tx off gro on >/dev/null
	within "$1" ip address add "$5" dev "$2"
	within "$3" ip address add "$6" dev "$4"
	within "$1" ip link set "$2" up
	within "$3" ip link set "$4" up
}

backend() {
	background "b$1" python3 "$WORK/backend.py" "$1"
	PIDS+=($!)
}

cat >"$WORK/backend.py" <<'PYTHON'
import http.server, sys

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"backend {sys.argv[1]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Answer).serve_forever()
PYTHON

start_loxid() {
	mkdir -p "$WORK/state" "$WORK/run"
	background lb "$BIN/loxid" --instance "$ID" --config "$WORK/loxid.yaml" \
		--state-dir "$WORK/state" --run-dir "$WORK/run"
	LOXID_PID=$!
}

ready() {
	curl -sf --unix-socket "$WORK/run/loxid.sock" http://loxid/readyz
}

programmed() {
	curl -sf --unix-socket "$WORK/run/loxid.sock" http://loxid/v1/backends | grep -q active &&
		! curl -sf --unix-socket "$WORK/run/loxid.sock" http://loxid/v1/backends | grep -q unresolved
}

# Requests one after another; prints an answer each, or "lost".
cat >"$WORK/requests.sh" <<'REQUESTS'
for ((i = 0; i < $1; i++)); do
	curl -s --max-time 2 "http://$2/" || echo lost
done
REQUESTS

shares() {
	sort "$1" | uniq -c | while read -r count name; do
		printf '  %-12s %3d  %s\n' "$name" "$count" "$dim$(printf '#%.0s' $(seq "$count"))$plain"
	done
}

say "1. A client, a load balancer and $BACKENDS backends, each in a network namespace"
cat <<PICTURE
                                    +-- back1 -- backend 1  31.31.1.1
  client 10.10.10.2 -- front -- loxid -- back2 -- backend 2  31.31.2.1
               VIP $VIP:80  +-- back3 -- backend 3  31.31.3.1
PICTURE
namespace client
namespace lb
link lb front client eth0 10.10.10.1/24 10.10.10.2/24
within client ip route add default via 10.10.10.1
for n in $(seq $BACKENDS); do
	namespace "b$n"
	link lb "back$n" "b$n" eth0 "31.31.$n.254/24" "31.31.$n.1/24"
	within "b$n" ip route add default via "31.31.$n.254"
	backend "$n"
done
for n in $(seq $BACKENDS); do
	until_so "backend $n" within "b$n" curl -sf http://127.0.0.1:8080/
done

say "2. loxid, and what an operator types"
echo 'limits: {connections: 65536}' >"$WORK/loxid.yaml"
start_loxid
until_so "loxid" ready
for interface in front back1 back2 back3; do
	typed loxictl attach $interface
done
typed loxictl create lb $VIP --tcp=80:8080 \
	--endpoints=31.31.1.1:1,31.31.2.1:1,31.31.3.1:1 --select=rr --name=web
until_so "the service to be forwarded" programmed

say "3. $REQUESTS HTTP requests from the client"
echo "$green\$ curl http://$VIP/$plain     $dim# $REQUESTS times$plain"
within client bash "$WORK/requests.sh" $REQUESTS $VIP >"$WORK/answers"
shares "$WORK/answers"

say "4. loxid is killed (-9) in the middle of $((REQUESTS * 2)) requests: forwarding is the kernel's"
nsenter --net="/run/netns/$ID-client" bash "$WORK/requests.sh" $((REQUESTS * 2)) $VIP >"$WORK/killed" &
client=$!
PIDS+=("$client")
until_so "the first answers" test -s "$WORK/killed"
echo "$green\$ kill -9 \$(pidof loxid)$plain"
kill -9 "$LOXID_PID"
wait "$LOXID_PID" 2>/dev/null || true
LOXID_PID=
wait "$client"
shares "$WORK/killed"
lost=$(grep -vc '^backend' "$WORK/killed" || true)
echo "  $lost of $((REQUESTS * 2)) lost, without any loxid running; it starts again, and knows everything:"
start_loxid
until_so "loxid" ready
until_so "the service to be forwarded" programmed

say "5. What it counted"
typed loxictl get lb
echo
typed loxictl get ep
echo
typed loxictl status

say "6. Look further"
cat <<HELP
  loxictl get ct                         the connections
  loxictl export                         everything as a document, for loxictl apply -f
  loxictl get lb $VIP:80/tcp -o yaml   a service, and how it is
  curl http://127.0.0.1:11111/metrics    for Prometheus
  loxictl --help                         all commands; README.md says how to install
HELP

[ "$lost" = 0 ] || { echo "demo: $lost requests were lost" >&2; exit 1; }
[ "$(sort -u "$WORK/answers" | wc -l)" = $BACKENDS ] || { echo "demo: not balanced" >&2; exit 1; }
