//! `afxdp_limit FRONT BACK CORE MACS`: the limit of forwarding in user space. A bare loop over
//! xsk-rs that takes what FRONT receives, writes 12 bytes of MAC addresses (hexadecimal) and sends
//! it by BACK; nothing else. The benchmarks run it beside loxid's worker. It says `ready`, and
//! ends with its standard input.

use std::io::Read;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use xsk_rs::config::{BindFlags, Interface, QueueSize, SocketConfig, UmemConfig, XdpFlags};
use xsk_rs::{FrameDesc, Socket, Umem};

const FRAMES: u32 = 8192;
const FILLED: usize = 1024;
const RING: u32 = 2048;
const BATCH: usize = 64;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [front, back, core, macs] = arguments.as_slice() else {
        return Err("usage: afxdp_limit FRONT BACK CORE MACS".into());
    };
    let mut cpus = CpuSet::new();
    cpus.set(core.parse()?)?;
    sched_setaffinity(Pid::from_raw(0), &cpus)?;
    let byte = |at: usize| u8::from_str_radix(&macs[at * 2..at * 2 + 2], 16);
    let macs = (0..12).map(byte).collect::<Result<Vec<_>, _>>()?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stopped.store(true, Ordering::Relaxed);
    });
    forward(front, back, &macs, &stop)
}

fn forward(front: &str, back: &str, macs: &[u8], stop: &AtomicBool) -> Result<(), Failure> {
    let ring = QueueSize::new(RING)?;
    let memory = UmemConfig::builder()
        .fill_queue_size(ring)
        .comp_queue_size(ring)
        .build()?;
    let frames = FRAMES.try_into()?;
    let (umem, mut free) = Umem::new(memory, frames, false)?;
    // libxdp's own program redirects what the first receives.
    let config = SocketConfig::builder()
        .rx_queue_size(ring)
        .tx_queue_size(ring)
        .xdp_flags(XdpFlags::XDP_FLAGS_DRV_MODE)
        .bind_flags(BindFlags::XDP_COPY | BindFlags::XDP_USE_NEED_WAKEUP)
        .build();
    let bind = |name: &str| -> Result<_, Failure> {
        let interface = Interface::from_str(name)?;
        // SAFETY: no other socket of this memory is on the queue.
        let (tx, rx, rings) = unsafe { Socket::new(config, &umem, &interface, 0)? };
        let (fill, completion) = rings.ok_or("a queue of its own has rings of its own")?;
        Ok((tx, rx, fill, completion))
    };
    let (_tx, mut rx, mut fill, _completion) = bind(front)?;
    let (mut tx, _rx, _fill, mut completion) = bind(back)?;
    let filled = free.split_off(free.len() - FILLED);
    // SAFETY: these frames are nowhere else; the same holds of all below: each is in one ring, in
    // `batch`, or in `free`.
    unsafe { fill.produce(&filled) };
    println!("ready");
    let mut batch = vec![FrameDesc::default(); BATCH];
    let mut done = vec![FrameDesc::default(); BATCH];
    while !stop.load(Ordering::Relaxed) {
        // SAFETY: as above.
        let received = unsafe { rx.consume(&mut batch) };
        if received == 0 {
            let _ = rx.poll(1)?;
        }
        for frame in &mut batch[..received] {
            // SAFETY: as above.
            let mut data = unsafe { umem.data_mut(frame) };
            data.contents_mut()[..12].copy_from_slice(macs);
        }
        // As many as were taken: what is not sent is filled again.
        let taken: Vec<FrameDesc> = free.split_off(free.len() - received.min(free.len()));
        // SAFETY: as above.
        unsafe { fill.produce(&taken) };
        // SAFETY: as above.
        let sent = unsafe { tx.produce(&batch[..received]) };
        free.extend_from_slice(&batch[sent..received]);
        while received > 0 && tx.needs_wakeup() && tx.nb_free_exact() < RING {
            let before = tx.nb_free_exact();
            tx.wakeup()?;
            if tx.nb_free_exact() == before {
                break;
            }
        }
        loop {
            // SAFETY: as above.
            let completed = unsafe { completion.consume(&mut done) };
            free.extend_from_slice(&done[..completed]);
            if completed == 0 {
                break;
            }
        }
    }
    Ok(())
}
