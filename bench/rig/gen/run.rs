//! One run: doors open, introductions, flows opened where there are any, traffic, figures.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use dataplane::port::Port;
use dataplane::wire::ethernet::MacAddr;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::args::{Args, Mode};
use crate::arp::Arp;
use crate::check::Wrong;
use crate::conns::Conns;
use crate::distance;
use crate::engine::{Engine, Limits, Manner};
use crate::frame::Writer;
use crate::frames;
use crate::opening::{Homes, Opening};
use crate::plan::Plan;
use crate::report::Report;
use crate::stage::Stage;
use crate::steady::Steady;
use crate::syn::Syn;
use crate::tally::{Span, Tally};
use crate::traffic::Traffic;

/// Where frames go when nobody cares.
const ANYONE: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
/// How long flows may take to open.
const OPENING: Duration = Duration::from_secs(120);
/// Trials before a forwarder is measured as it is.
const TRIALS: usize = 10;

/// Runs what the command line says.
pub(crate) fn run(args: &Args) -> Result<Report, String> {
    let mut report = Report::default();
    if let (Mode::Distance, Some(other)) = (args.mode, args.other_cpu) {
        report.figure("cpu_distance", distance::measure(args.cpu, other)?, "ns");
    } else {
        packets(args, &mut report)?;
    }
    Ok(report)
}

fn packets(args: &Args, report: &mut Report) -> Result<(), String> {
    let plan = args.plan()?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(|error| error.to_string())?;
    }
    let mut stage = Stage::open(args)?;
    let wait = Duration::from_secs_f64(args.wait);
    if !stage.wait_for_links(wait, &stop) {
        return Err(format!("nobody is at the other end of the devices after {} s", args.wait));
    }
    if args.mode == Mode::Frames {
        return frames::run(std::mem::take(&mut stage.doors), Duration::from_secs_f64(args.seconds), &stop);
    }
    let known = args.director_mac.or((args.mode == Mode::Forward).then_some(ANYONE));
    let blind = args.mode == Mode::Forward;
    let manner = Manner { spread: args.spread, verify: args.verify, blind, share: args.share };
    let arp = Arp::new(plan, known);
    let writer = |macs| Writer::new(plan, args.size, macs);
    let mut engine = Engine::new(std::mem::take(&mut stage.doors), plan, writer([ANYONE; 2]), arp, manner);
    let macs = match known {
        Some(mac) => [mac; 2],
        None => engine.meet(wait, &stop).ok_or_else(|| unmet(&plan, args.wait))?,
    };
    engine.write_with(writer(macs));
    Run { args, plan, stop: &stop }.traffic(&mut engine, report)
}

fn unmet(plan: &Plan, seconds: f64) -> String {
    let (vip, gateway) = (plan.vip.ip(), plan.server_gateway);
    format!("nobody answered ARP for {vip} and {gateway} after {seconds} s; --director-mac says where to send")
}

/// What a run needs to know.
struct Run<'a> {
    args: &'a Args,
    plan: Plan,
    stop: &'a AtomicBool,
}

impl Run<'_> {
    fn traffic<P: Port>(&self, engine: &mut Engine<P>, report: &mut Report) -> Result<(), String> {
        match self.args.mode {
            Mode::Flows => {
                let homes = self.open(engine, report)?;
                self.measure(engine, &mut Steady::new(self.plan, homes, self.args.direction()), report)?;
            }
            Mode::Forward => {
                let homes = Homes::dealt(self.args.flows, self.args.servers);
                report.count("flows", self.args.flows.into(), "flows");
                self.warm_up(engine, &homes);
                self.measure(engine, &mut Steady::new(self.plan, homes, self.args.direction()), report)?;
            }
            Mode::Syn => self.measure(engine, &mut Syn::new(self.plan, self.args.flows), report)?,
            Mode::Conns => self.measure(engine, &mut self.conns(), report)?,
            Mode::Frames | Mode::Distance => {}
        }
        Ok(())
    }

    /// As many packets as may be under way, for so long.
    fn limits(&self, time: Duration) -> Limits {
        let patience = Duration::from_secs_f64(self.args.patience);
        Limits { time, rate: 0, window: self.args.window, patience }
    }

    /// Connections, each of which may take as long as five packets one after the other.
    fn conns(&self) -> Conns {
        let patience = 5.0 * self.args.patience * 1e9;
        Conns::new(self.plan, self.args.in_flight, patience as u64)
    }

    fn open<P: Port>(&self, engine: &mut Engine<P>, report: &mut Report) -> Result<Homes, String> {
        let limits = self.limits(OPENING);
        let mut opening = Opening::new(self.plan, self.args.flows, limits.silence());
        let span = engine.run(&mut opening, limits, self.stop);
        let (closed, seconds) = (opening.closed(), span.nanos as f64 / 1e9);
        let wrong = engine.tally.all_wrong();
        if closed > 0 || wrong > 0 {
            return Err(format!(
                "{closed} of {} flows did not open, {wrong} packets were wrong:\n{}",
                self.args.flows,
                {
                    let mut all = Report::default();
                    counters(&engine.tally, &mut all);
                    all.lines()
                }
            ));
        }
        report.count("flows", self.args.flows.into(), "flows");
        report.figure("flows_opened_per_second", f64::from(self.args.flows) / seconds, "1/s");
        report.count("opening_lost", engine.tally.lost(), "packets");
        Ok(opening.homes())
    }

    /// What forwards may need a while after its links are up, and cannot be asked: a few packets, until all come through.
    fn warm_up<P: Port>(&self, engine: &mut Engine<P>, homes: &Homes) {
        for _ in 0..TRIALS {
            let limits = Limits { window: 4, ..self.limits(Duration::from_millis(10)) };
            engine.run(&mut Steady::new(self.plan, homes.clone(), self.args.direction()), limits, self.stop);
            if engine.tally.lost() == 0 {
                break;
            }
        }
    }

    fn measure<P: Port, T: Traffic>(
        &self,
        engine: &mut Engine<P>,
        traffic: &mut T,
        report: &mut Report,
    ) -> Result<(), String> {
        let time = Duration::from_secs_f64(self.args.seconds);
        let limits = Limits { rate: self.args.rate, ..self.limits(time) };
        let span = engine.run(traffic, limits, self.stop);
        let tally = &engine.tally;
        if tally.all_sent() > 0 && tally.all_received() == 0 && tally.refused == 0 {
            return Err(format!("{} packets were sent, and nothing came through", tally.all_sent()));
        }
        speed(&span, report);
        counters(tally, report);
        traffic.report(span.nanos as f64 / 1e9, report);
        Ok(())
    }
}

fn speed(span: &Span, report: &mut Report) {
    let seconds = span.nanos as f64 / 1e9;
    report.figure("duration", seconds, "s");
    report.figure("rate", span.received as f64 / seconds, "packets/s");
    report.figure("packet_time", span.nanos as f64 / span.received as f64, "ns");
    report.figure("generator_idle", 100.0 * span.idle as f64 / span.nanos as f64, "percent");
}

fn counters(tally: &Tally, report: &mut Report) {
    report.count("sent", tally.all_sent() - tally.unsent, "packets");
    report.count("received", tally.all_received(), "packets");
    report.count("lost", tally.lost(), "packets");
    report.figure("burst", tally.all_received() as f64 / tally.bursts as f64, "packets");
    report.count("sent_by_clients", tally.sent[0], "packets");
    report.count("sent_by_servers", tally.sent[1], "packets");
    report.count("received_by_clients", tally.received[0], "packets");
    report.count("received_by_servers", tally.received[1], "packets");
    report.count("verified", tally.verified, "packets");
    report.count("wrong", tally.all_wrong(), "packets");
    for (wrong, count) in Wrong::ALL.iter().zip(tally.wrong).filter(|(_, count)| *count > 0) {
        report.count(wrong.name(), count, "packets");
    }
    report.count("refused", tally.refused, "packets");
    report.count("other", tally.other, "frames");
}
