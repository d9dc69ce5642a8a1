//! loxid as built, in network namespaces, with real drivers and real TCP.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod netns;
