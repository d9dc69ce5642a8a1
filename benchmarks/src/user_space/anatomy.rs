//! What a packet costs the worker's core, apart: to receive it, the core, to send it. The loop is
//! the worker's, over the same sockets and the same core, with a clock read between its parts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use lb_bpf::user::{Action, UserHost};
use lb_core::service::Mode;
use lb_core::tables::InterfaceSlot;
use lb_plane::attach::{Asked, Path};
use lb_plane::slots::CpuSlots;
use lb_plane::xsk::{Binding, Frame, Mode as Copying, Socket, Umem, Unbound};

use crate::injector::{CHUNK, Injector, Order};
use crate::loxid::{Family, Loxid};
use crate::machine::pin_to;
use crate::plan::Plan;
use crate::reference::{Bound, Reference};
use crate::sink::Sink;
use crate::topology::*;

const FRAMES: u32 = 8192;
const FILLED: u32 = 1024;
const BATCH: usize = 64;

/// Time in each part, and how many packets it was for.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    receive: Duration,
    core: Duration,
    send: Duration,
    packets: u64,
}

pub fn run(plan: &Plan, other_core: usize) -> anyhow::Result<()> {
    let topology = Topology::new()?;
    let sink = Sink::new(&topology)?;
    let loxid = Loxid::by(
        Path::AfXdp,
        Asked::Native,
        Mode::Dnat,
        Family::V4,
        &topology,
    )?;
    let worker = loxid.worker(&topology)?;
    let mut umem = Umem::new(FRAMES)?;
    let bind = |umem: &Umem, number, ifindex, sharing: Option<&Socket>| {
        let binding = Binding {
            ifindex,
            queue: 0,
            mode: Copying::Copy,
            busy_poll: false,
        };
        let unbound = Unbound::open(umem, number, sharing.is_none())?;
        unbound.bind(sharing, binding).map_err(|refused| refused.1)
    };
    let front = bind(&umem, 0, topology.front, None)?;
    let back = bind(&umem, 1, topology.back, Some(&front))?;
    let mut sockets = [front, back];
    for (slot, socket) in sockets.iter_mut().enumerate() {
        socket.refill(&mut umem, FILLED);
        worker.direct(InterfaceSlot(slot as u8), 0, socket)?;
    }
    let slot = CpuSlots::of(worker.regions().config()).worker(worker.set(), 0);
    let host = UserHost::new(worker.regions(), slot.context("a worker has a thread")?);
    let [stop, counts] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let ifindexes = [topology.front, topology.back];
    let thread = {
        let (stop, counts) = (stop.clone(), counts.clone());
        std::thread::spawn(move || {
            let _ = pin_to(other_core);
            forward(umem, sockets, host, ifindexes, &stop, &counts)
        })
    };
    // Its map takes indices of the balancer's namespace.
    let bounce = Reference::bound(Bound::Bounce, &topology)?;
    topology.enter_clients()?;
    let mut injector = Injector::new(topology.front_peer, (VIP, VIP_PORT).into(), 1 << 10)?;
    injector.set_contestant(bounce.program())?;
    sink.answer(true)?;
    injector.set_order(Order::Established);
    injector.inject(4 * CHUNK)?;
    sink.answer(false)?;
    std::thread::sleep(Duration::from_millis(100));
    injector.set_order(Order::Measured);
    counts.store(true, Ordering::Relaxed);
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < plan.seconds * 2.0 {
        injector.inject(4 * CHUNK)?;
    }
    stop.store(true, Ordering::Relaxed);
    let parts = thread.join().expect("the loop does not panic");
    println!("\nWhat a packet costs the worker's core, ns (1k flows)\n");
    println!("| receive | core | send | packets |\n|---|---|---|---|");
    let each = |part: Duration| part.as_nanos() as f64 / parts.packets.max(1) as f64;
    let (receive, core, send) = (each(parts.receive), each(parts.core), each(parts.send));
    println!(
        "| {receive:.0} | {core:.0} | {send:.0} | {} |",
        parts.packets
    );
    println!(
        "\nreceive: from the rx ring, and frames for the fill ring (the kernel's copy is on the \
         other core); send: sendto(), its copy, and what it hands over to the far end."
    );
    Ok(())
}

fn forward(
    mut umem: Umem,
    mut sockets: [Socket; 2],
    mut host: UserHost,
    ifindexes: [u32; 2],
    stop: &AtomicBool,
    counts: &AtomicBool,
) -> Parts {
    let mut batch: Vec<Frame> = Vec::with_capacity(BATCH);
    let mut ways: Vec<(Frame, Action)> = Vec::with_capacity(BATCH);
    let mut parts = Parts::default();
    while !stop.load(Ordering::Relaxed) {
        for side in 0..2 {
            let start = Instant::now();
            let count = sockets[side].receive(&mut umem, &mut batch, BATCH);
            if count == 0 {
                continue;
            }
            sockets[side].refill(&mut umem, FILLED);
            let received = Instant::now();
            for mut frame in batch.drain(..) {
                let packet = frame.packet();
                let bytes = umem.bytes(&mut frame);
                let (packet, verdict) = host.forward_in(bytes, packet, ifindexes[side]);
                frame.set_packet(packet);
                ways.push((frame, verdict.action));
            }
            let ran = Instant::now();
            for (frame, action) in ways.drain(..) {
                let sent = match action {
                    Action::Redirect { .. } => sockets[1 - side].send(&mut umem, frame),
                    Action::Tx { .. } => sockets[side].send(&mut umem, frame),
                    Action::Drop | Action::Pass => Err(frame),
                };
                if let Err(frame) = sent {
                    umem.give(frame);
                }
            }
            for socket in &mut sockets {
                // What isn't sent now is with the next batch.
                let _ = socket.flush(&mut umem);
            }
            if counts.load(Ordering::Relaxed) {
                parts.receive += received - start;
                parts.core += ran - received;
                parts.send += ran.elapsed();
                parts.packets += count as u64;
            }
        }
    }
    parts
}
