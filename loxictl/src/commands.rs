//! One module for each command: its words, and what it does.

pub mod apply;
pub mod attach;
pub mod completion;
pub mod create;
pub mod delete;
pub mod detach;
pub mod diff;
pub mod export;
pub mod get;
pub mod man;
pub mod status;
pub mod test;
