//! Which worker? What devices can do, what follows for the director, and the function that says where a packet belongs.
//!
//! All of it is decided once, at start, by [`plan`]; packets then meet only [`Station`].

mod caps;
mod landing;
mod plan;
mod print;
mod station;
#[cfg(test)]
mod tests;

pub use caps::{DeviceCaps, RssTypes};
pub use landing::{Landing, PortsOf, View};
pub use plan::{Case, Keys, Plan, PortCaps, PortPlan, Rss, Share, Side, Steering, Why, plan};
pub use station::Station;
