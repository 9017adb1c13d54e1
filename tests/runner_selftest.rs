//! The golden runner against itself: with a double that answers from the recordings, every packet must be built and
//! described as recorded, every file must compare, and no spoiled expectation may. `GOLDEN_DIR` takes other files.

#[path = "runner/replay.rs"]
mod replay;
#[path = "runner/replayed.rs"]
mod replayed;
mod runner;
#[path = "runner/units.rs"]
mod units;
