//! Tables of operator size: what an edit costs, that answers are pages, that nothing is done all at once.

#[path = "../../../tests/helpers/allocations.rs"]
mod allocations;
mod edits;
mod lab;
mod memory;
mod pages;
mod restore;
mod samples;
mod slices;
