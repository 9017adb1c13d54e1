//! The golden runner against itself: with a double that answers from the recordings, every packet must be built and
//! described as recorded, every file must compare, and no spoiled expectation may. `GOLDEN_DIR` takes other files.
//! Beside it what makes random scenarios and what makes them small, without a kernel.

#[path = "conformance/units.rs"]
mod conformance;
#[path = "conformance/cuts.rs"]
mod cuts;
#[path = "conformance/dice.rs"]
mod dice;
#[path = "conformance/generate.rs"]
mod generate;
#[path = "conformance/kinds/mod.rs"]
mod kinds;
#[path = "conformance/minimise.rs"]
mod minimise;
#[path = "runner/replay.rs"]
mod replay;
#[path = "runner/replayed.rs"]
mod replayed;
mod runner;
#[path = "runner/units.rs"]
mod units;
#[path = "conformance/words.rs"]
mod words;
