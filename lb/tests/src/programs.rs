//! XDP and tc programs that make ordinary hosts of namespaces, where the kernel lacks the device:
//! they receive what a peer sends by XDP, open tunnels, and are on a VLAN.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use libbpf_rs::{Link, ObjectBuilder};
use nix::net::if_::if_nametoindex;

use crate::namespace::{Namespace, run};

/// Lets everything pass. With a program, a veth receives what its peer sends back by XDP_TX; GRO
/// is enough for what is redirected only.
const PASS: &str = r#"
__attribute__((section("xdp.frags"), used)) int pass(void *context) { return 2; }
"#;

/// What helpers and contexts the others need.
const PRELUDE: &str = r#"
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
struct xdp_md { u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex; };
static long (*adjust_head)(struct xdp_md *, int) = (void *)44;
static long (*vlan_push)(void *, u16, u16) = (void *)18;
#define BYTES(context) \
	u8 *data = (void *)(long)(context)->data, *end = (void *)(long)(context)->data_end
/* Cuts bytes out behind the MAC addresses, and leaves an EtherType. */
static __attribute__((always_inline)) inline int cut(struct xdp_md *context, int bytes, u8 high, u8 low)
{
	u8 macs[12];
	BYTES(context);
	if (data + 12 > end)
		return 1;
	for (int i = 0; i < 12; i++)
		macs[i] = data[i];
	if (adjust_head(context, bytes))
		return 1;
	data = (void *)(long)context->data;
	end = (void *)(long)context->data_end;
	if (data + 14 > end)
		return 1;
	for (int i = 0; i < 12; i++)
		data[i] = macs[i];
	data[12] = high;
	data[13] = low;
	return 2;
}
"#;

/// Opens IP in IP, and GUE at port 6080.
const DECAPSULATE: &str = r#"
static __attribute__((always_inline)) inline int opened(struct xdp_md *context, int outer, u8 protocol)
{
	BYTES(context);
	if (data + 14 + 48 + 1 > end)
		return 2;
	if (protocol == 17) {
		if (data[14 + outer + 2] != 6080 >> 8 || data[14 + outer + 3] != (6080 & 255))
			return 2;
		outer += 8;
	} else if (protocol != 4 && protocol != 41) {
		return 2;
	}
	return data[14 + outer] >> 4 == 6 ? cut(context, outer, 0x86, 0xdd) : cut(context, outer, 8, 0);
}
__attribute__((section("xdp.frags"), used)) int decapsulate(struct xdp_md *context)
{
	BYTES(context);
	if (data + 14 + 40 > end)
		return 2;
	if (data[12] == 8 && data[13] == 0)
		return opened(context, 20, data[14 + 9]);
	if (data[12] == 0x86 && data[13] == 0xdd)
		return opened(context, 40, data[14 + 6]);
	return 2;
}
"#;

/// Takes what has the VLAN's tag and nothing else, without the tag.
const UNTAG: &str = r#"
__attribute__((section("xdp.frags"), used)) int untag(struct xdp_md *context)
{
	BYTES(context);
	if (data + 18 > end || data[12] != 0x81 || data[13] != 0 ||
	    (data[14] & 15) != VLAN >> 8 || data[15] != (VLAN & 255))
		return 1;
	return cut(context, 4, data[16], data[17]);
}
"#;

/// Gives everything the VLAN's tag.
const TAG: &str = r#"
__attribute__((section("tc"), used)) int tag(void *skb)
{
	return vlan_push(skb, 0x0081, VLAN) ? 2 : 0;
}
"#;

/// Compiled programs, in a directory of their own.
pub struct Programs {
    directory: tempfile::TempDir,
}

impl Programs {
    /// # Errors
    /// There is no directory for them.
    pub fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        Ok(Programs { directory })
    }

    fn compile(&self, name: &str, source: &str) -> Result<PathBuf> {
        let at = |end: &str| self.directory.path().join(format!("{name}.{end}"));
        std::fs::write(at("c"), source)?;
        let clang = std::env::var_os("CLANG").unwrap_or_else(|| "clang-19".into());
        run(Command::new(clang)
            .args(["-O2", "-g", "-target", "bpf", "-c"])
            .arg(at("c"))
            .arg("-o")
            .arg(at("o")))?;
        Ok(at("o"))
    }

    /// An interface that receives what its peer sends by XDP.
    ///
    /// # Errors
    /// What the compiler or the kernel say.
    pub fn receive(&self, namespace: &Namespace, interface: &str) -> Result<Link> {
        attach(namespace, interface, &self.compile("pass", PASS)?)
    }

    /// An interface that opens tunnels.
    ///
    /// # Errors
    /// What the compiler or the kernel say.
    pub fn decapsulate(&self, namespace: &Namespace, interface: &str) -> Result<Link> {
        let source = format!("{PRELUDE}{DECAPSULATE}");
        attach(namespace, interface, &self.compile("decapsulate", &source)?)
    }

    /// Puts an interface on a VLAN: frames leave with its tag, and come in with it only.
    ///
    /// # Errors
    /// What the compiler, `tc` or the kernel say.
    pub fn tag(&self, namespace: &Namespace, interface: &str, vlan: u16) -> Result<Link> {
        let of = |program: &str| format!("#define VLAN {vlan}\n{PRELUDE}{program}");
        let tag = self.compile("tag", &of(TAG))?;
        // Else a tag stays beside the frame, where XDP doesn't see it.
        let words = ["-K", interface, "txvlan", "off", "rxvlan", "off"];
        run(namespace.command("ethtool").args(words))?;
        let words = ["qdisc", "add", "dev", interface, "clsact"];
        run(namespace.command("tc").args(words))?;
        let words = [
            "filter", "add", "dev", interface, "egress", "bpf", "da", "obj",
        ];
        run(namespace
            .command("tc")
            .args(words)
            .arg(tag)
            .args(["sec", "tc"]))?;
        attach(namespace, interface, &self.compile("untag", &of(UNTAG))?)
    }
}

/// (`ip link` would load a program, but wants a bpffs of its own taste.)
fn attach(namespace: &Namespace, interface: &str, program: &Path) -> Result<Link> {
    let (interface, program) = (interface.to_owned(), program.to_owned());
    namespace.within(move || {
        let ifindex = if_nametoindex(interface.as_str())?;
        let object = ObjectBuilder::default().open_file(program)?.load()?;
        let program = object.progs_mut().next().context("it has one program")?;
        Ok(program.attach_xdp(i32::try_from(ifindex)?)?)
    })
}
