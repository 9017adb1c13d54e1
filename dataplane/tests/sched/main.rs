//! Schedulers by themselves: a list of servers, counts, time and chance as a test says.

mod hashing;
mod locality;
mod properties;
mod table;
mod twos;
