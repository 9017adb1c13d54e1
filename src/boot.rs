//! From a configuration to running workers, and back to nothing.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use control::api::Counter;
use control::config::Config;
use control::director::{Devices, Director, Facts, PortLink, WorkerSeat};
use dataplane::conn::ConnMemory;
use dataplane::handoff::Mesh;
use dataplane::seeds::Seeds;
use dataplane::steering::Station;
use dataplane::wire::ethernet::MacAddr;
use dataplane::worker::{Parts, Worker};
use log::{error, info, warn};

use crate::args::Args;
use crate::background::Background;
use crate::check::{self, Examined, Purpose};
use crate::dpdk::claim::Claim;
use crate::dpdk::eal::{Eal, EalOptions};
use crate::dpdk::eth_dev::{DeviceSpec, EthDev};
use crate::dpdk::heap;
use crate::dpdk::mbuf::{self, Mbuf};
use crate::dpdk::mempool::{Mempool, PoolConfig};
use crate::dpdk::offer;
use crate::dpdk::queue::Queue;
use crate::panics::{self, Panics};
use crate::plan::MemoryPlan;
use crate::ports::{self, Started};
use crate::reloads::Reloads;
use crate::{chance, clock, cores, serve};

/// Why the appliance did not start, or did not go on, in the words of whoever knows.
#[derive(Debug)]
pub(crate) struct BootError {
    text: String,
    /// The exit code of the process.
    pub(crate) code: u8,
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Anything that says what is wrong can stop the start.
pub(crate) fn failed(error: impl fmt::Display) -> BootError {
    BootError { text: error.to_string(), code: 1 }
}

/// Runs until a signal says stop.
pub(crate) fn run(args: &Args) -> Result<(), BootError> {
    let found = check::examine(&args.config, Purpose::Start);
    found.warnings.iter().for_each(|warning| warn!("{warning}"));
    let Examined { config, specs, plan, .. } = found.good().map_err(failed)?;
    let signals = serve::Signals::register().map_err(failed)?;
    heap::keep_little();
    let panics = Panics::watch(&config.dataplane.workers);
    let _claims = claims(&config, &specs)?;
    let eal = start_eal(&config, &specs)?;
    // Its threads inherit the main thread's CPU.
    let socket = serve::open(&config).map_err(failed)?;
    let pool = packets(&eal, &plan)?;
    let Started { ports, queues, steering, keys } = ports::start(&eal, &config, &specs, &pool)?;
    eal.leave_out_of_cores();
    let macs = ports.iter().map(|port| MacAddr(port.mac())).collect();
    let crew = steering.stations(&keys).into_iter().zip(Mesh::of(steering.workers)).zip(queues);
    let background = Background::start().map_err(failed)?;
    let facts = Facts {
        macs,
        cpus: config.dataplane.workers.iter().map(|cpu| *cpu as u32).collect(),
        devices: Box::new(Ports { ports, pool }),
        file: Some(args.config.clone()),
        steering,
        seeds: Seeds::new(chance::words().map_err(failed)?),
        discard: {
            let background = background.clone();
            Box::new(move |thing| background.free(thing))
        },
    };
    let cpus = config.dataplane.workers.clone();
    let room = Room { connections: config.dataplane.connections, signposts: plan.signposts };
    let (director, seats) = Director::new(config, facts, clock::now()).map_err(failed)?;
    heap::trim();
    let workers = seats
        .into_iter()
        .zip(cpus)
        .zip(crew)
        .map(|((seat, cpu), ((station, mesh), queues))| {
            spawn(&eal, cpu, WorkerParts { seat, station, mesh, queues }, room, &panics)
        })
        .collect::<Result<Vec<_>, _>>();
    let outcome = match &workers {
        // A panic of the control thread has the workers stop, and the devices, as any other end has.
        Ok(_) => panic::catch_unwind(AssertUnwindSafe(|| {
            serve::control(director, &socket, &signals, &panics, Reloads::new(background))
        }))
        .unwrap_or(Ok(()))
        .map_err(failed),
        Err(_) => Ok(()),
    };
    panics.stop();
    workers?.into_iter().map(JoinHandle::join).for_each(drop);
    if let Some(said) = panics.said() {
        return Err(BootError { text: format!("{said}; all connections are lost"), code: panics::EXIT });
    }
    info!("stopped");
    outcome
}

/// Keeps other directors from the devices. DPDK opens those on PCI while it starts, so this comes first.
fn claims(config: &Config, specs: &[DeviceSpec]) -> Result<Vec<Option<Claim>>, BootError> {
    config.devices().zip(specs).map(|(interface, spec)| Claim::new(spec, &interface.name).map_err(failed)).collect()
}

fn start_eal(config: &Config, specs: &[DeviceSpec]) -> Result<Eal, BootError> {
    let options = EalOptions {
        program: "sluiced",
        file_prefix: None,
        main_cpu: config.dataplane.main_cpu,
        devices: specs,
        extra: &config.dataplane.eal,
    };
    Eal::init(&options).map_err(failed)
}

/// The one pool that all ports fill from, so that drivers may give packets back without looking.
fn packets(eal: &Eal, plan: &MemoryPlan) -> Result<Arc<Mempool>, BootError> {
    let pool =
        PoolConfig { name: "packets", count: plan.packets, cache: plan.cache, data_room: plan.data_room, socket: None };
    Mempool::new(eal, &pool).map_err(failed)
}

/// What a worker is made of.
struct WorkerParts {
    seat: WorkerSeat,
    station: Station,
    mesh: Mesh<Mbuf>,
    queues: Vec<Queue>,
}

/// How large its table is.
#[derive(Clone, Copy)]
struct Room {
    connections: u32,
    signposts: bool,
}

/// Starts a worker's thread on its CPU.
fn spawn(eal: &Eal, cpu: usize, place: WorkerParts, room: Room, panics: &Panics) -> Result<JoinHandle<()>, BootError> {
    let (eal, panics) = (eal.clone(), panics.clone());
    let name = format!("worker-{}", place.station.me());
    let body = move || {
        // Where pinning or joining fails the worker still works, only slower.
        cores::pin(cpu).unwrap_or_else(|error| error!("{error}"));
        let _joined = eal.register_thread().map_err(|error| error!("{error}")).ok();
        let WorkerParts { seat, station, mesh, queues: ports } = place;
        let WorkerSeat { reader, servers, templates, expected, link, seeds } = seat;
        let memory = ConnMemory::new(room.connections, room.signposts);
        let parts = Parts { ports, memory, seeds, reader, servers, templates, expected, link, station, mesh };
        let mut worker = Worker::new(parts, clock::now());
        let mut idle = Idle::default();
        while !panics.stopped() {
            let items = worker.turn(clock::now());
            idle.after(items);
        }
        worker.finish();
    };
    thread::Builder::new().name(name).spawn(body).map_err(failed)
}

/// How an idle worker backs off: first the CPU's pause, then short sleeps, always far shorter than a slot of the
/// timing wheel or a receive ring at full rate.
#[derive(Debug, Default)]
struct Idle {
    turns: u32,
}

impl Idle {
    const PAUSES: u32 = 2_000;
    const SLEEP: std::time::Duration = std::time::Duration::from_micros(50);

    fn after(&mut self, items: usize) {
        if items > 0 {
            self.turns = 0;
        } else if self.turns < Self::PAUSES {
            self.turns += 1;
            std::hint::spin_loop();
        } else {
            thread::sleep(Self::SLEEP);
        }
    }
}

/// The devices and the pool, for reports.
struct Ports {
    ports: Vec<EthDev>,
    pool: Arc<Mempool>,
}

impl Devices for Ports {
    fn link(&self, port: u16) -> PortLink {
        self.ports.get(usize::from(port)).map(EthDev::link).map_or(PortLink::DOWN, |link| PortLink {
            up: link.up,
            gone: link.gone,
            mbps: link.mbps.unwrap_or(0),
        })
    }

    fn cables(&self) -> u64 {
        let down = self.ports.iter().filter(|device| device.is_cut_off()).map(EthDev::port);
        down.filter(|port| u32::from(*port) < u64::BITS).fold(offer::links_up(), |up, port| up & !(1 << port))
    }

    fn counters(&self, port: u16) -> Vec<Counter> {
        let counters = self.ports.get(usize::from(port)).map_or(Vec::new(), EthDev::counters);
        counters.into_iter().map(|(name, value)| Counter { name, value }).collect()
    }

    fn driver(&self, port: u16) -> String {
        self.ports.get(usize::from(port)).map_or(String::new(), |device| device.caps().driver.clone())
    }

    fn memory(&self) -> Vec<Counter> {
        let counters = [
            ("packets", self.pool.capacity() as u64),
            ("packets_in_use", self.pool.in_use() as u64),
            ("packets_freed_one_by_one", mbuf::freed_by_drop()),
        ];
        counters.into_iter().map(|(name, value)| Counter { name: name.to_owned(), value }).collect()
    }
}
