//! The management API of loxid: what goes over the wire, the server, and a typed client.
//!
//! - [`wire`]: the types of `/v1`, as JSON and YAML have them (serde lives here), and their
//!   conversions to and from `lb_core`'s types, which cannot be invalid.
//! - [`parse`]: text to wire types, strictly: unknown and duplicate keys, trailing text and bad
//!   UTF-8 are errors with a place.
//! - [`control`]: the seam to the daemon: commands with a reply each, and a snapshot to read.
//! - [`server`]: the routes, who may use them, and the sockets.
//! - [`events`]: the last events, in memory.
//! - [`token`]: what clients from the network prove themselves with.
//! - [`client`]: the same from the other side.
//! - [`edit`]: the fine-grained verbs, as pure edits of the document `api`.
#![forbid(unsafe_code)]

pub mod client;
pub mod control;
pub mod edit;
pub mod events;
pub mod parse;
mod private_file;
pub mod role;
pub mod server;
#[cfg(test)]
mod testing;
pub mod token;
pub mod wire;
