//! Against the real tool: the transcripts beside this file were recorded from ipvsadm 1.31 on Linux, none was written
//! by hand.

mod fake;
mod fuzz;
mod listing;
mod options;
mod restore;
mod story;
mod transcripts;
mod units;
