//! One module for each command: its words, and what it does.

pub mod apply;
pub mod attach;
pub mod bundle;
pub mod completion;
pub mod confirm;
pub mod context;
pub mod create;
pub mod delete;
pub mod describe;
pub mod detach;
pub mod diff;
pub mod disable;
pub mod doctor;
pub mod drain;
pub mod drops;
pub mod enable;
pub mod events;
pub mod export;
pub mod get;
pub mod history;
pub mod man;
pub mod rollback;
pub mod status;
pub mod test;
pub mod token;
