//! Watches for people: the words of a filter, and what a packet went through in words.

pub mod explain;
pub mod filter;
pub mod packet;
