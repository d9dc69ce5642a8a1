//! One frame through the loaded program, without a wire: BPF_PROG_TEST_RUN.

use std::io;

use zerocopy::{Immutable, IntoBytes};

use crate::attach::Path;
use crate::kernel::KernelPlane;
use crate::sys;

/// What the program did with a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRun {
    /// `enum xdp_action`.
    pub action: u32,
    /// As the program left it.
    pub frame: Vec<u8>,
}

/// `struct xdp_md`
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Context {
    data: u32,
    data_end: u32,
    data_meta: u32,
    ingress_ifindex: u32,
    rx_queue_index: u32,
    egress_ifindex: u32,
}

impl KernelPlane {
    /// Runs a frame through a path's program as if it had come in on an interface of the calling
    /// thread's network namespace, which must be up and have receive queues. The frame is
    /// counted, and what it changes in the tables stays changed; it is not sent.
    ///
    /// # Errors
    /// EINVAL: the frame is shorter than an Ethernet header, or the interface is not as said.
    /// ENOENT: the kernel has refused the program.
    pub fn test_run(&self, path: Path, frame: &[u8], ifindex: u32) -> io::Result<TestRun> {
        let context = Context {
            data: 0,
            data_end: frame.len() as u32,
            data_meta: 0,
            ingress_ifindex: ifindex,
            rx_queue_index: 0,
            egress_ifindex: 0,
        };
        // Answers put headers before what they quote.
        let mut out = vec![0; frame.len() + 256];
        let program = self.program(path).ok_or(io::ErrorKind::NotFound)?;
        let (action, length) = sys::test_run(program, context.as_bytes(), frame, &mut out)?;
        out.truncate(length);
        Ok(TestRun { action, frame: out })
    }
}
