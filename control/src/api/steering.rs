//! Which worker gets what, as the director decided at its start.

use dataplane::steering::{Plan, PortPlan, Share};
use serde::{Deserialize, Serialize};

/// What is in force on the director.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteeringReport {
    /// How many workers.
    pub workers: u16,
    /// The steering that was asked for: tuple or client.
    pub asked: String,
    /// The steering in force.
    pub steering: String,
    /// Whether replies of LVS-NAT need signposts.
    pub signposts: bool,
    /// By port, in the order of the configuration.
    pub ports: Vec<PortSteering>,
    /// The report as text for people.
    pub text: String,
}

/// What is in force on a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSteering {
    /// Interface.
    pub name: String,
    /// DPDK driver.
    pub driver: String,
    /// Receive queues; worker w reads queue w.
    pub rx_queues: u16,
    /// Transmit queues; worker w sends by queue w, or hands over to the worker that does.
    pub tx_queues: u16,
    /// The case in force.
    pub case: String,
    /// What decided it.
    pub why: String,
    /// What would cross less, if anything would.
    pub better: Option<String>,
    /// Which part of requests crosses between workers, as `[part, of]`; absent where none arrive.
    pub requests: Option<[u32; 2]>,
    /// Which part of LVS-NAT replies crosses, once or twice.
    pub replies: Option<[u32; 2]>,
}

impl SteeringReport {
    /// The report of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self {
            workers: plan.workers,
            asked: plan.asked.to_string(),
            steering: plan.steering.to_string(),
            signposts: plan.signposts,
            ports: plan.ports.iter().map(port).collect(),
            text: plan.to_string(),
        }
    }
}

fn port(plan: &PortPlan) -> PortSteering {
    let share = |share: Option<Share>| share.map(|Share { part, of }| [part, of]);
    PortSteering {
        name: plan.port.name.clone(),
        driver: plan.port.caps.driver.clone(),
        rx_queues: plan.rx_queues,
        tx_queues: plan.tx_queues,
        case: plan.case.to_string(),
        why: plan.why.to_string(),
        better: plan.why.better().map(str::to_owned),
        requests: share(plan.requests),
        replies: share(plan.replies),
    }
}
